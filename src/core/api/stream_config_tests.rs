//! Configurations, and what the reference server (2.15.3) says of them.

use super::*;

fn answer(body: &str) -> Result<String, (u16, u16, String)> {
    let checked = StreamFields::read(body.as_bytes()).and_then(StreamFields::check_new);
    match checked {
        Ok(checked) => Ok(serde_json::to_string(&checked.fields).expect("it can be written")),
        Err(error) => Err((error.code, error.err_code, error.description.into_owned())),
    }
}

#[test]
fn defaults_are_filled_in() {
    let least = r#"{"name":"S","subjects":["S"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"compression":"none","allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false}"#;
    assert_eq!(answer(r#"{"name":"S"}"#).as_deref(), Ok(least));
    let same = r#"{"NAME":"S","Max_Msgs":-9,"max_msg_size":-7,"max_consumers":-5,"subjects":null}"#;
    assert_eq!(answer(same).as_deref(), Ok(least), "names in any case");
    let more = r#"{"name":"U","first_seq":100,"storage":"memory","max_msgs_per_subject":5,"metadata":{"a":"b"},"compression":"s2","republish":{"dest":"x.>"},"max_age":60000000000}"#;
    let expected = r#"{"name":"U","subjects":["U"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":60000000000,"max_msgs_per_subject":5,"max_msg_size":-1,"discard":"old","storage":"memory","num_replicas":1,"duplicate_window":60000000000,"compression":"s2","first_seq":100,"republish":{"src":">","dest":"x.>"},"allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false,"metadata":{"a":"b"}}"#;
    assert_eq!(answer(more).as_deref(), Ok(expected));
}

/// Bodies, and the error that each gets.
const MISTAKES: &[(&str, u16, u16, &str)] = &[
    (
        r#"{"name":"A","max_age":50}"#,
        500,
        10_052,
        "max age needs to be >= 100ms",
    ),
    (
        r#"{"name":"B","subjects":["b","b"]}"#,
        500,
        10_052,
        r#"subject "b" overlaps with "b""#,
    ),
    (
        r#"{"name":"C","subjects":["c..d"]}"#,
        500,
        10_052,
        "invalid subject",
    ),
    (
        r#"{"name":"E","subjects":[">"]}"#,
        500,
        10_052,
        "capturing all subjects requires no-ack to be true",
    ),
    (
        r#"{"name":"F","subjects":["$JS.API.>"]}"#,
        500,
        10_052,
        "subjects that overlap with jetstream api require no-ack to be true",
    ),
    (
        r#"{"name":"G","retention":"nope"}"#,
        400,
        10_025,
        r#"invalid JSON: can not unmarshal "\"nope\"""#,
    ),
    (
        r#"{"name":"H","storage":5}"#,
        400,
        10_025,
        r#"invalid JSON: can not unmarshal "5""#,
    ),
    (
        r#"{"name":"I","unknown":5}"#,
        400,
        10_025,
        r#"invalid JSON: json: unknown field "unknown""#,
    ),
    (
        r#"{"name":"I""#,
        400,
        10_025,
        "invalid JSON: unexpected end of JSON input",
    ),
    (
        r#"{"name":"J","num_replicas":3}"#,
        500,
        10_074,
        "replicas > 1 not supported in non-clustered mode",
    ),
    (
        r#"{"name":"K","duplicate_window":50}"#,
        500,
        10_052,
        "duplicates window needs to be >= 100ms",
    ),
    (
        r#"{"name":"L","duplicate_window":1000000000,"max_age":500000000}"#,
        500,
        10_052,
        "duplicates window can not be larger then max age",
    ),
    (
        r#"{"name":"M","discard_new_per_subject":true}"#,
        500,
        10_052,
        "discard new per subject requires discard new policy to be set",
    ),
    (
        r#"{"name":"N","discard":"new","discard_new_per_subject":true}"#,
        500,
        10_052,
        "discard new per subject requires max msgs per subject > 0",
    ),
    (
        r#"{"name":"O","sealed":true}"#,
        500,
        10_052,
        "stream configuration for create can not be sealed",
    ),
    (
        r#"{"name":"T","allow_rollup_hdrs":true,"deny_purge":true}"#,
        500,
        10_052,
        "roll-ups require the purge permission",
    ),
    (
        r#"{"name":"X","subject_transform":{"src":"X","dest":"y.{{bad(1)}}"}}"#,
        400,
        10_156,
        "stream transform: invalid mapping destination: unknown function in {{bad(1)}}",
    ),
];

#[test]
fn mistakes_are_named() {
    let long = format!(r#"{{"name":"P","description":"{}"}}"#, "x".repeat(5_000));
    let too_long = "stream description is too long, maximum allowed is 4096";
    let last = (&*long, 500, 10_052, too_long);
    for (body, code, err_code, text) in MISTAKES.iter().copied().chain([last]) {
        let expected = Err((code, err_code, text.to_owned()));
        assert_eq!(answer(body), expected, "{body}");
    }
}
