//! What clients are answered, as the reference server writes it (NATS 2.15.3).

use jiff::Timestamp;
use serde::Serialize;

use super::json;
use super::request::{ConsumerVerb, Request};
use crate::base::moment::WallNanos;
use crate::stream::admit::Admission;
use crate::stream::error::ApiError;

/// A moment as Go writes it: RFC 3339 in UTC, with as many digits as it needs.
#[must_use]
pub fn moment(time: WallNanos) -> String {
    let moment = Timestamp::from_nanosecond(time.0.into());
    // The calendar goes on for thousands of years.
    moment.map_or_else(|_| NEVER.to_owned(), |moment| moment.to_string())
}

/// The moment of what has never been.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// An error, as a part of an answer.
#[derive(Serialize)]
pub struct ErrorPart<'a> {
    code: u16,
    err_code: u16,
    description: &'a str,
}

impl<'a> From<&'a ApiError> for ErrorPart<'a> {
    fn from(error: &'a ApiError) -> Self {
        Self {
            code: error.code,
            err_code: error.err_code,
            description: &error.description,
        }
    }
}

/// An answer: its type, and what it says.
#[derive(Serialize)]
pub(super) struct Answer<T: Serialize> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    said: T,
}

/// Writes an answer of a type, which is the middle of its name.
pub(super) fn answer<T: Serialize>(kind: &str, said: T) -> String {
    let kind = format!("io.nats.jetstream.api.v1.{kind}_response");
    json::write(&Answer { kind, said })
}

/// The answer to a request that cannot be served. Direct gets and pulls are not answered
/// so but by statuses.
#[must_use]
pub fn refusal(request: &Request<'_>, error: &ApiError) -> String {
    const PAGE: &str = r#","total":0,"offset":0,"limit":0"#;
    // Fields that are always there.
    let more = match request {
        Request::StreamInfo(_) => PAGE.to_owned(),
        Request::StreamNames => format!(r#"{PAGE},"streams":null"#),
        Request::StreamList => format!(r#"{PAGE},"streams":[]"#),
        Request::ConsumerNames(_) | Request::ConsumerList(_) => {
            format!(r#"{PAGE},"consumers":[]"#)
        }
        Request::StreamPurge(_) => r#","purged":0"#.to_owned(),
        Request::Consumer {
            verb: ConsumerVerb::Pause,
            ..
        } => format!(r#","paused":false,"pause_until":"{NEVER}""#),
        Request::Consumer {
            verb: ConsumerVerb::Reset,
            ..
        } => r#","reset_seq":0"#.to_owned(),
        _ => String::new(),
    };
    let kind = kind_of(request);
    let error = json::write(&ErrorPart::from(error));
    format!(r#"{{"type":"io.nats.jetstream.api.v1.{kind}_response","error":{error}{more}}}"#)
}

fn kind_of(request: &Request<'_>) -> &'static str {
    match request {
        Request::AccountInfo => "account_info",
        Request::StreamCreate(_) => "stream_create",
        Request::StreamUpdate(_) => "stream_update",
        Request::StreamInfo(_) => "stream_info",
        Request::StreamNames => "stream_names",
        Request::StreamList => "stream_list",
        Request::StreamDelete(_) => "stream_delete",
        Request::StreamPurge(_) => "stream_purge",
        Request::MessageGet(_) | Request::DirectGet { .. } => "stream_msg_get",
        Request::MessageDelete(_) => "stream_msg_delete",
        Request::ConsumerCreate { .. } | Request::ConsumerCreateDurable { .. } => "consumer_create",
        Request::ConsumerNames(_) => "consumer_names",
        Request::ConsumerList(_) => "consumer_list",
        Request::Consumer { verb, .. } => match verb {
            ConsumerVerb::Info | ConsumerVerb::Next => "consumer_info",
            ConsumerVerb::Delete => "consumer_delete",
            ConsumerVerb::Pause => "consumer_pause",
            ConsumerVerb::Unpin => "consumer_unpin",
            ConsumerVerb::Reset => "consumer_reset",
        },
    }
}

/// The answer to a message that was published to a stream.
#[must_use]
pub fn publish_ack(stream: &str, domain: &str, admission: &Admission) -> String {
    let mut name = serde_json::to_string(stream).expect("a text is JSON");
    if !domain.is_empty() {
        name.push_str(",\"domain\":");
        name.push_str(&serde_json::to_string(domain).expect("a text is JSON"));
    }
    match admission {
        Admission::Stored(sequence) | Admission::Skipped(sequence) => {
            format!("{{\"stream\":{name},\"seq\":{sequence}}}")
        }
        // With a blank, which tells it apart from one that was parsed and written again.
        Admission::Duplicate(sequence) => {
            format!("{{\"stream\":{name},\"seq\":{sequence},\"duplicate\": true}}")
        }
        Admission::Refused(error) => {
            let (error, name) = (json::write(&ErrorPart::from(error)), json::write(&stream));
            format!("{{\"error\":{error},\"stream\":{name},\"seq\":0}}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::error::{STREAM_SEALED, rollup_failed, wrong_last_sequence};

    #[test]
    fn moments_have_as_many_digits_as_they_need() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (951_868_799_500_000_000, "2000-02-29T23:59:59.5Z"),
            (951_868_800_000_000_000, "2000-03-01T00:00:00Z"),
            (1_700_000_000_123_456_000, "2023-11-14T22:13:20.123456Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ];
        for (time, text) in cases {
            assert_eq!(moment(WallNanos(time)), text);
        }
    }

    #[test]
    fn publishers_are_answered_letter_by_letter() {
        let cases = [
            (Admission::Stored(1), r#"{"stream":"S","seq":1}"#),
            (
                Admission::Duplicate(7),
                r#"{"stream":"S","seq":7,"duplicate": true}"#,
            ),
            (
                Admission::Refused(wrong_last_sequence(3)),
                r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"S","seq":0}"#,
            ),
            (
                Admission::Refused(rollup_failed("rollup value invalid: \"<a>\"".to_owned())),
                r#"{"error":{"code":500,"err_code":10111,"description":"rollup value invalid: \"\u003ca\u003e\""},"stream":"S","seq":0}"#,
            ),
            (
                Admission::Refused(STREAM_SEALED),
                r#"{"error":{"code":400,"err_code":10109,"description":"invalid operation on sealed stream"},"stream":"S","seq":0}"#,
            ),
        ];
        for (admission, text) in cases {
            assert_eq!(publish_ack("S", "", &admission), text);
        }
    }
}
