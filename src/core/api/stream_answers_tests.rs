//! Answers as the reference server (2.15.3) wrote them, letter by letter but for moments
//! and the name of the server.

use super::*;
use crate::api::account_answer::{AccountLimits, AccountUsage, ApiCounts, account_info};
use crate::api::answer::refusal;
use crate::api::request::Request;
use crate::stream::Stream;
use crate::stream::config::Storage;
use crate::stream::error;

const NOW: WallNanos = WallNanos(1_500_000_000);

/// What stands in each answer about the stream.
const CONFIG: &str = r#""config":{"name":"S","subjects":["S"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"compression":"none","allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false,"metadata":{"_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.3"}}"#;

const STATE: &str = r#""created":"1970-01-01T00:00:01.5Z","state":{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"last_ts":"0001-01-01T00:00:00Z","consumer_count":0}"#;

const TS: &str = r#""ts":"1970-01-01T00:00:01.5Z""#;

fn part() -> StreamPart {
    let fields = StreamFields::read(br#"{"name":"S"}"#).expect("it is fine");
    let checked = fields.check_new(b"S").expect("it is fine");
    let stream = Stream::new(checked.config, 1);
    let state = StreamState::of(&stream, 0, 0);
    StreamPart::new(&checked.fields, NOW, state, NOW)
}

fn typed(kind: &str, rest: &str) -> String {
    format!(r#"{{"type":"io.nats.jetstream.api.v1.{kind}_response",{rest}}}"#)
}

#[test]
fn streams_are_shown() {
    let expected = format!(r#"{CONFIG},{STATE},{TS},"did_create":true"#);
    assert_eq!(created(part()), typed("stream_create", &expected));
    let expected = format!("{CONFIG},{STATE},{TS}");
    assert_eq!(updated(part()), typed("stream_update", &expected));
    let page = r#""total":0,"offset":0,"limit":0"#;
    let expected = format!(r#"{page},{CONFIG},{STATE},"cluster":{{"leader":"N"}},{TS}"#);
    let none = Some(SubjectsPage::default());
    for subjects in [None, none] {
        let answer = info(part(), "N", subjects, 0);
        assert_eq!(answer, typed("stream_info", &expected));
    }
}

#[test]
fn lists_have_pages() {
    let of_server = r#""_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.3""#;
    let config = CONFIG.replace(of_server, r#""_nats.req.level":"0""#);
    let page = r#""total":1,"offset":0,"limit":256"#;
    let expected = format!(r#"{page},"streams":[{{{config},{STATE},{TS}}}]"#);
    let raw = serde_json::value::to_raw_value(&part()).expect("it can be written");
    assert_eq!(list(1, 0, &[raw]), typed("stream_list", &expected));
    let nothing = r#""total":1,"offset":1,"limit":256,"streams":[]"#;
    assert_eq!(list(1, 5, &[]), typed("stream_list", nothing));
    let one = r#""total":2,"offset":1,"limit":1024,"streams":["T"]"#;
    assert_eq!(names(&["S", "T"], 1), typed("stream_names", one));
    let nothing = r#""total":1,"offset":1,"limit":1024,"streams":null"#;
    assert_eq!(names(&["S"], 5), typed("stream_names", nothing));
    let many = vec!["S"; 3_000];
    assert_eq!(names(&many, 0).matches(r#""S""#).count(), 1024);
}

#[test]
fn streams_are_listed_by_subjects() {
    let fields = |subjects: &str| {
        let body = format!(r#"{{"name":"S","subjects":[{subjects}]}}"#);
        StreamFields::read(body.as_bytes()).expect("it is fine")
    };
    let stream = fields(r#""a.*","b""#);
    assert!(is_listed(&stream, "") && is_listed(&stream, "*.x") && is_listed(&stream, "b"));
    assert!(!is_listed(&stream, "c") && !is_listed(&stream, "a"));
}

#[test]
fn accounts_are_shown() {
    let limits = r#""limits":{"max_memory":-1,"max_storage":-1,"max_streams":-1,"max_consumers":-1,"max_ack_pending":-1,"memory_max_stream_bytes":-1,"storage_max_stream_bytes":-1,"max_bytes_required":false}"#;
    let api = r#""api":{"level":5,"total":61,"errors":39}"#;
    let expected = format!(
        r#""memory":0,"storage":0,"reserved_memory":0,"reserved_storage":0,"streams":0,"consumers":0,{limits},{api}"#
    );
    let counts = ApiCounts {
        total: 61,
        errors: 39,
        inflight: 0,
    };
    let answer = account_info(
        &AccountUsage::default(),
        "",
        &AccountLimits::default(),
        counts,
    );
    assert_eq!(answer, typed("account_info", &expected));
}

#[test]
fn errors_come_with_what_is_always_said() {
    let request = |subject: &'static str| Request::read(subject.as_bytes()).expect("it is one");
    let page = r#","total":0,"offset":0,"limit":0"#;
    let cases = [
        ("INFO", "account_info", String::new()),
        ("STREAM.CREATE.S", "stream_create", String::new()),
        ("STREAM.UPDATE.S", "stream_update", String::new()),
        ("STREAM.INFO.S", "stream_info", page.to_owned()),
        (
            "STREAM.NAMES",
            "stream_names",
            format!(r#"{page},"streams":null"#),
        ),
        (
            "STREAM.LIST",
            "stream_list",
            format!(r#"{page},"streams":[]"#),
        ),
        ("STREAM.DELETE.S", "stream_delete", String::new()),
        (
            "STREAM.PURGE.S",
            "stream_purge",
            r#","purged":0"#.to_owned(),
        ),
        ("STREAM.MSG.GET.S", "stream_msg_get", String::new()),
        ("STREAM.MSG.DELETE.S", "stream_msg_delete", String::new()),
        ("CONSUMER.CREATE.S", "consumer_create", String::new()),
        (
            "CONSUMER.DURABLE.CREATE.S.C",
            "consumer_create",
            String::new(),
        ),
        (
            "CONSUMER.NAMES.S",
            "consumer_names",
            format!(r#"{page},"consumers":[]"#),
        ),
        (
            "CONSUMER.LIST.S",
            "consumer_list",
            format!(r#"{page},"consumers":[]"#),
        ),
        ("CONSUMER.INFO.S.C", "consumer_info", String::new()),
        ("CONSUMER.DELETE.S.C", "consumer_delete", String::new()),
        (
            "CONSUMER.PAUSE.S.C",
            "consumer_pause",
            r#","paused":false,"pause_until":"0001-01-01T00:00:00Z""#.to_owned(),
        ),
        ("CONSUMER.UNPIN.S.C", "consumer_unpin", String::new()),
        (
            "CONSUMER.RESET.S.C",
            "consumer_reset",
            r#","reset_seq":0"#.to_owned(),
        ),
    ];
    for (subject, kind, more) in cases {
        let said = r#""error":{"code":412,"err_code":10185,"description":"JetStream minimum api level required"}"#;
        let answer = refusal(&request(subject), &error::LEVEL_REQUIRED);
        assert_eq!(
            answer,
            typed(kind, &format!("{said}{more}")),
            "of {subject}"
        );
    }
}

#[test]
fn what_cannot_be_deleted_is_named_by_the_storage() {
    let cases = [
        (Storage::File, 99, 10_057, "stream store EOF"),
        (Storage::File, 3, 10_043, "sequence 3 not found"),
        (Storage::File, 1, 10_057, "no message found"),
        (Storage::Memory, 99, 10_043, "sequence 99 not found"),
        (Storage::Memory, 0, 10_043, "sequence 0 not found"),
    ];
    for (storage, sequence, err_code, text) in cases {
        let error = error::nothing_to_delete(storage, sequence, 2..=6);
        assert_eq!((error.err_code, &*error.description), (err_code, text));
    }
}
