//! What acknowledgements say: their subject, and their body (ADR-15).

use serde_json::Value;

use crate::base::duration::parse_go;

/// What stands behind `$JS.ACK.<stream>.<consumer>.`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckToken {
    /// How often the message had been delivered.
    pub count: u64,
    /// Its sequence in the stream.
    pub stream: u64,
    /// The sequence of this delivery.
    pub consumer: u64,
}

impl AckToken {
    /// Reads it; `None` if it is not one, which is answered by nobody.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut numbers = text.split(|&byte| byte == b'.').map(number);
        let token = Self {
            count: numbers.next()??,
            stream: numbers.next()?.filter(|&stream| stream > 0)?,
            consumer: numbers.next()??,
        };
        // The time and what was pending then say nothing new.
        let (time, pending) = (numbers.next()?, numbers.next()?);
        (time.is_some() && pending.is_some() && numbers.next().is_none()).then_some(token)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    text.parse().ok()
}

/// What an acknowledgement says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AckKind<'a> {
    /// `+ACK`: done.
    Done,
    /// `+NXT`: done, and a request for more.
    Next(&'a [u8]),
    /// `-NAK`: not done; in so many nanoseconds again.
    Refused(Option<u64>),
    /// `+WPI`: somebody works on it.
    InProgress,
    /// `+TERM`: never again, and why.
    Terminated(&'a [u8]),
    /// Nothing that is known.
    Unknown,
}

impl<'a> AckKind<'a> {
    /// Reads the body of an acknowledgement.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Self {
        match body {
            b"" | b"+ACK" | b"+OK" => Self::Done,
            b"+WPI" => Self::InProgress,
            _ if body.starts_with(b"+NXT") => Self::Next(&body[4..]),
            _ if body.starts_with(b"-NAK") => Self::Refused(delay_ns(body[4..].trim_ascii())),
            _ if body.starts_with(b"+TERM") => Self::Terminated(body[5..].trim_ascii()),
            _ => Self::Unknown,
        }
    }
}

/// A delay, as a duration or as `{"delay":ns}`; what is none is no delay.
fn delay_ns(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    if !text.starts_with(b"{") {
        return parse_go(text);
    }
    let fields: Value = serde_json::from_slice(text).ok()?;
    match fields.get("delay") {
        None | Some(Value::Null) => Some(0),
        Some(delay) => delay.as_i64().map(|ns| u64::try_from(ns).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_say_which_delivery_is_meant() {
        let token = AckToken {
            count: 1,
            stream: 22,
            consumer: 333,
        };
        assert_eq!(
            AckToken::read(b"1.22.333.1700000000000000000.0"),
            Some(token)
        );
        for text in [
            "",
            "1.22.333",
            "1.22.333.4",
            "1.22.333.4.5.6",
            "1.0.3.4.5",
            "1.x.3.4.5",
            "1..3.4.5",
        ] {
            assert_eq!(AckToken::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn bodies_say_what_became_of_a_message() {
        let cases: &[(&str, AckKind<'_>)] = &[
            ("", AckKind::Done),
            ("+ACK", AckKind::Done),
            ("+OK", AckKind::Done),
            ("+ACK ", AckKind::Unknown),
            ("+NXT", AckKind::Next(b"")),
            ("+NXT 5", AckKind::Next(b" 5")),
            ("-NAK", AckKind::Refused(None)),
            ("-NAK 5s", AckKind::Refused(Some(5_000_000_000))),
            ("-NAK {\"delay\":7}", AckKind::Refused(Some(7))),
            ("-NAK {}", AckKind::Refused(Some(0))),
            ("-NAK soon", AckKind::Refused(None)),
            ("-NAK {\"delay\":\"x\"}", AckKind::Refused(None)),
            ("+WPI", AckKind::InProgress),
            ("+WPI ", AckKind::Unknown),
            ("+TERM", AckKind::Terminated(b"")),
            ("+TERM it is broken ", AckKind::Terminated(b"it is broken")),
            ("hello", AckKind::Unknown),
        ];
        for (body, expected) in cases {
            assert_eq!(AckKind::read(body.as_bytes()), *expected, "{body}");
        }
    }
}
