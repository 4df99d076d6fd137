//! What a publisher demands of a stream, in the headers of its message.

use crate::base::duration::parse_go;
use crate::wire::headers::value;

/// How long a message is to be kept (`Nats-TTL`, ADR-43).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeToLive {
    /// Whatever its age.
    Forever,
    /// So long.
    Seconds(u64),
    /// It says something, but no time.
    Invalid,
}

/// The demands of a message; those that it does not make are `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Requirements<'a> {
    /// `Nats-Expected-Stream`: the name of the stream.
    pub stream: Option<&'a [u8]>,
    /// `Nats-Expected-Last-Sequence`.
    pub last_sequence: Option<u64>,
    /// `Nats-Expected-Last-Subject-Sequence`.
    pub last_subject_sequence: Option<u64>,
    /// `Nats-Expected-Last-Subject-Sequence-Subject`: of which subjects.
    pub last_subject: Option<&'a [u8]>,
    /// `Nats-Msg-Id`.
    pub message_id: Option<&'a [u8]>,
    /// `Nats-Expected-Last-Msg-Id`.
    pub last_message_id: Option<&'a [u8]>,
    /// `Nats-Rollup`.
    pub rollup: Option<&'a [u8]>,
    /// `Nats-TTL`.
    pub time_to_live: Option<TimeToLive>,
}

impl<'a> Requirements<'a> {
    /// Reads them from a header block.
    #[must_use]
    pub fn of(header: &'a [u8]) -> Self {
        // Most messages have no header.
        if header.is_empty() {
            return Self::default();
        }
        let text = |key| value(header, key).filter(|text| !text.is_empty());
        let sequence = |key| text(key).map(sequence_of);
        Self {
            stream: text("Nats-Expected-Stream"),
            last_sequence: sequence("Nats-Expected-Last-Sequence"),
            last_subject_sequence: sequence("Nats-Expected-Last-Subject-Sequence"),
            last_subject: text("Nats-Expected-Last-Subject-Sequence-Subject"),
            message_id: text("Nats-Msg-Id"),
            last_message_id: text("Nats-Expected-Last-Msg-Id"),
            rollup: text("Nats-Rollup"),
            time_to_live: text("Nats-TTL").map(time_to_live_of),
        }
    }
}

/// A sequence; what is none is one that no message has.
fn sequence_of(text: &[u8]) -> u64 {
    let digits = std::str::from_utf8(text).ok();
    let number = digits.and_then(|digits| digits.parse::<i64>().ok());
    number.map_or(u64::MAX, i64::cast_unsigned)
}

/// What `Nats-TTL` says.
#[must_use]
pub fn time_to_live_of(text: &[u8]) -> TimeToLive {
    const SECOND_NS: u64 = 1_000_000_000;
    if text.eq_ignore_ascii_case(b"never") {
        return TimeToLive::Forever;
    }
    // A lone 0 is a duration, too, and as such too short.
    if let Some(duration_ns) = parse_go(text) {
        return match duration_ns / SECOND_NS {
            0 => TimeToLive::Invalid,
            seconds => TimeToLive::Seconds(seconds),
        };
    }
    match sequence_of(text) {
        seconds if seconds > 0 && i64::try_from(seconds).is_ok() => TimeToLive::Seconds(seconds),
        _ => TimeToLive::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let header = b"NATS/1.0\r\nNats-Msg-Id: 7\r\nNats-Expected-Last-Sequence: -3\r\n\
            Nats-Expected-Last-Subject-Sequence: \r\nNats-Rollup: sub\r\nNats-TTL: 90s\r\n\r\n";
        let expected = Requirements {
            message_id: Some(b"7"),
            last_sequence: Some(u64::MAX - 2),
            rollup: Some(b"sub"),
            time_to_live: Some(TimeToLive::Seconds(90)),
            ..Requirements::default()
        };
        assert_eq!(Requirements::of(header), expected);
        assert_eq!(Requirements::of(b""), Requirements::default());
    }

    #[test]
    fn times_to_live_are_whole_seconds() {
        let cases: &[(&str, TimeToLive)] = &[
            ("never", TimeToLive::Forever),
            ("NEVER", TimeToLive::Forever),
            ("1", TimeToLive::Seconds(1)),
            ("1500ms", TimeToLive::Seconds(1)),
            ("2h", TimeToLive::Seconds(7200)),
            ("0", TimeToLive::Invalid),
            ("999ms", TimeToLive::Invalid),
            ("-1", TimeToLive::Invalid),
            ("soon", TimeToLive::Invalid),
        ];
        for (text, expected) in cases {
            assert_eq!(time_to_live_of(text.as_bytes()), *expected, "{text}");
        }
    }
}
