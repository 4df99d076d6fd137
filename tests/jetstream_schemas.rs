//! What the core answers to requests about streams, against the schemas that the NATS project publishes
//! for it.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use serde_json::Value;
use trunkline_core::api::account_answer::{AccountLimits, AccountUsage, ApiCounts, account_info};
use trunkline_core::api::answer::{publish_ack, refusal};
use trunkline_core::api::message_answers::{StoredMessage, message};
use trunkline_core::api::request::Request;
use trunkline_core::api::stream_answers::{self as answers, StreamPart};
use trunkline_core::api::stream_change::CheckedStream;
use trunkline_core::api::stream_config::StreamFields;
use trunkline_core::api::stream_state::{StreamState, SubjectsPage};
use trunkline_core::base::moment::WallNanos;
use trunkline_core::stream::Stream;
use trunkline_core::stream::admit::{Admission, Incoming};
use trunkline_core::stream::error;
use trunkline_tests::harness::schema::check;

const NOW: WallNanos = WallNanos(1_700_000_000_000_000_000);

/// Of answers, by their titles.
const SCHEMAS: [&str; 10] = [
    include_str!("schemas/jetstream/account_info_response.json"),
    include_str!("schemas/jetstream/stream_create_response.json"),
    include_str!("schemas/jetstream/stream_update_response.json"),
    include_str!("schemas/jetstream/stream_info_response.json"),
    include_str!("schemas/jetstream/stream_names_response.json"),
    include_str!("schemas/jetstream/stream_list_response.json"),
    include_str!("schemas/jetstream/stream_delete_response.json"),
    include_str!("schemas/jetstream/stream_purge_response.json"),
    include_str!("schemas/jetstream/stream_msg_get_response.json"),
    include_str!("schemas/jetstream/stream_msg_delete_response.json"),
];

const PUBLISH_ACK: &str = include_str!("schemas/jetstream/pub_ack_response.json");

/// What does not fit.
fn broken(answer: &str, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(
        &serde_json::from_str(answer).unwrap(),
        schema,
        "",
        &mut found,
    );
    found
}

fn schema_of(answer: &str) -> Value {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let schemas = SCHEMAS.map(|text| serde_json::from_str::<Value>(text).unwrap());
    let schema = schemas
        .into_iter()
        .find(|schema| schema["title"] == answer["type"]);
    schema.unwrap_or_else(|| panic!("no schema of {answer:#}"))
}

#[track_caller]
fn assert_obeys(answer: &str) {
    let broken = broken(answer, &schema_of(answer));
    assert!(broken.is_empty(), "{broken:#?}\n{answer}");
}

fn world() -> (StreamFields, Stream) {
    let body = br#"{"name":"S","subjects":["a.>"],"description":"d","republish":{"dest":"b.>"},
        "metadata":{"k":"v"},"max_age":100000000000,"first_seq":5,"compression":"s2","storage":"memory",
        "subject_transform":{"src":"a.>","dest":"a.x.>"},"consumer_limits":{"max_ack_pending":3}}"#;
    let checked = StreamFields::read(body).unwrap().check_new(b"S").unwrap();
    let CheckedStream { fields, config } = checked;
    let mut stream = Stream::new(config, 1);
    for subject in ["a.1", "a.2", "a.1"] {
        let admission = stream.admit(&Incoming {
            subject: subject.as_bytes(),
            header: b"NATS/1.0\r\nX: y\r\n\r\n",
            payload: b"payload",
            time: NOW,
            server_has_room: true,
            account_has_room: true,
            is_wanted: true,
        });
        assert!(matches!(admission, Admission::Stored(_)));
    }
    assert!(stream.delete(6));
    (fields, stream)
}

#[test]
fn answers_about_streams_obey_their_schemas() {
    let (fields, stream) = world();
    let state = || StreamState::of(&stream, stream.log().last(), 2).with_deleted(&stream);
    let part = || StreamPart::new(&fields, NOW, state(), NOW);
    assert_obeys(&answers::created(part()));
    assert_obeys(&answers::updated(part()));
    assert_obeys(&answers::info(part(), "server", None, 0));
    let page = SubjectsPage::of(&stream, stream.log().last(), ">", 0);
    assert_obeys(&answers::info(part(), "server", Some(page), 0));
    assert_obeys(&answers::names(&["A", "S"], 1));
    assert_obeys(&answers::list(
        1,
        0,
        &[serde_json::value::to_raw_value(&part()).unwrap()],
    ));
    assert_obeys(&answers::list(0, 0, &[]));
    assert_obeys(&answers::deleted());
    assert_obeys(&answers::purged(7));
    let limits = AccountLimits::default();
    let usage = AccountUsage::default();
    assert_obeys(&account_info(&usage, "", &limits, ApiCounts::default()));
}

#[test]
fn answers_about_messages_obey_their_schemas() {
    let (_, stream) = world();
    let stored = stream.log().get(7).unwrap();
    let stored = StoredMessage {
        subject: b"a.x.1",
        sequence: 7,
        time: stored.time,
        header: b"NATS/1.0\r\nX: y\r\n\r\n",
        payload: b"payload",
    };
    assert_obeys(&message(&stored, false));
    assert_obeys(&message(&stored, true));
    assert_obeys(&answers::message_deleted());
    let schema: Value = serde_json::from_str(PUBLISH_ACK).unwrap();
    for admission in [Admission::Stored(1), Admission::Duplicate(1)] {
        let broken = broken(&publish_ack("S", "", &admission), &schema);
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

#[test]
fn errors_obey_the_schemas_of_their_answers() {
    for request in [
        Request::AccountInfo,
        Request::StreamCreate(b"S"),
        Request::StreamUpdate(b"S"),
        Request::StreamInfo(b"S"),
        Request::StreamDelete(b"S"),
        Request::StreamPurge(b"S"),
        Request::MessageGet(b"S"),
        Request::MessageDelete(b"S"),
    ] {
        assert_obeys(&refusal(&request, &error::STREAM_NOT_FOUND));
    }
}

#[test]
fn what_does_not_fit_is_noticed() {
    for wrong in [
        r#"{"type":"io.nats.jetstream.api.v1.stream_names_response"}"#,
        r#"{"type":"io.nats.jetstream.api.v1.stream_delete_response","success":1}"#,
        r#"{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{"subject":""}}"#,
    ] {
        assert!(!broken(wrong, &schema_of(wrong)).is_empty(), "{wrong}");
    }
    let (fields, stream) = world();
    let named = StreamFields {
        name: "a.b".to_owned(),
        ..fields
    };
    let state = StreamState::of(&stream, 7, 0);
    let answer = answers::updated(StreamPart::new(&named, NOW, state, NOW));
    assert!(!broken(&answer, &schema_of(&answer)).is_empty());
}
