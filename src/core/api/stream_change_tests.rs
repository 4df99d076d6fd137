//! Requests to create and to change streams, and what the reference server (2.15.3) said
//! of them. In the files `=` is what a stream was created from, `~` what it was changed
//! to, `>` the request with the name that stands in its subject, or `S`, and `<` the
//! configuration that was answered, or the error.

use super::*;
use crate::api::answer::ErrorPart;
use crate::api::json;

const CREATE: &str = include_str!("cases/stream_create.txt");
const UPDATE: &str = include_str!("cases/stream_update.txt");

/// What the files leave out.
const SHORT: [(&str, &str); 3] = [
    (
        "LIMITS",
        r#""retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"compression":"none""#,
    ),
    (
        "FLAGS",
        r#""allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false"#,
    ),
    (
        "METADATA",
        r#""metadata":{"_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.3"}"#,
    ),
];

fn shown(answer: Result<CheckedStream, ApiError>) -> String {
    match answer {
        Ok(checked) => {
            let mut fields = checked.fields;
            fields.metadata = fields.shown_metadata();
            json::write(&fields)
        }
        Err(error) => json::write(&ErrorPart::from(&error)),
    }
}

fn create(name: &str, body: &str) -> Result<CheckedStream, ApiError> {
    StreamFields::read(body.as_bytes())?.check_new(name.as_bytes())
}

fn update(old: &StreamFields, body: &str) -> Result<CheckedStream, ApiError> {
    let new = StreamFields::read(body.as_bytes())?;
    check_update(old, new.check_changed(b"S")?)
}

/// Asks what the lines of a file say and compares the answers.
fn compare(text: &str, least: usize) {
    let (mut stream, mut answer) = (None, String::new());
    let mut count = 0;
    for line in text.lines() {
        let (kind, rest) = line.split_at(1);
        let (name, body) = rest.split_once(' ').expect("a blank stands before a body");
        let name = if name.is_empty() { "S" } else { name };
        match (kind, &stream) {
            ("=", _) => stream = create(name, body).map(|one| one.fields).ok(),
            ("~", Some(old)) => stream = update(old, body).map(|one| one.fields).ok(),
            (">", Some(old)) => answer = shown(update(old, body)),
            (">", None) => answer = shown(create(name, body)),
            _ => {
                let mut expected = body.to_owned();
                for (short, long) in SHORT {
                    expected = expected.replace(short, long);
                }
                assert_eq!(answer, expected, "line {}", count + 1);
            }
        }
        count += 1;
    }
    assert!(count >= least, "only {count} lines");
}

#[test]
fn streams_are_created_as_by_the_reference() {
    compare(CREATE, 300);
}

#[test]
fn streams_are_changed_as_by_the_reference() {
    compare(UPDATE, 180);
}

#[test]
fn texts_have_limits() {
    let of = |field: &str, len: usize| {
        let text = "x".repeat(len);
        shown(create(
            "S",
            &format!(r#"{{"name":"S",{}}}"#, field.replace('?', &text)),
        ))
    };
    let too_long = "stream description is too long, maximum allowed is 4096";
    assert!(of(r#""description":"?""#, 4097).contains(too_long));
    assert!(!of(r#""description":"?""#, 4096).contains(too_long));
    let too_much = "stream metadata exceeds maximum size of 131072 bytes";
    assert!(of(r#""metadata":{"a":"?"}"#, 131_072).contains(too_much));
}

#[test]
fn what_is_not_served_is_refused_by_name() {
    for field in [
        r#""mirror":{"name":"T"}"#,
        r#""sources":[{"name":"T"}]"#,
        r#""allow_atomic":true"#,
        r#""first_seq":18446744073709551615"#,
    ] {
        let answer = shown(create("S", &format!(r#"{{"name":"S",{field}}}"#)));
        assert!(answer.contains(r#""err_code":10052"#), "{answer}");
    }
    let many: Vec<String> = (0..1025).map(|number| format!("s.{number}")).collect();
    let body = serde_json::json!({"name": "S", "subjects": many}).to_string();
    assert!(shown(create("S", &body)).contains("too many subjects"));
}
