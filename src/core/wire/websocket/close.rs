//! Close frames: their codes and what is wrong with frames.

use std::borrow::Cow;

/// Largest payload of a control frame in bytes (RFC 6455, 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Everything is in order.
pub const NORMAL: u16 = 1000;
/// The connection ends for a reason outside of it.
pub const GOING_AWAY: u16 = 1001;
/// Frames that are not allowed.
pub const PROTOCOL_ERROR: u16 = 1002;
/// Bytes that do not mean what the frame says.
pub const INVALID_PAYLOAD: u16 = 1007;
/// The server's rules are broken.
pub const POLICY_VIOLATION: u16 = 1008;
/// More than is taken.
pub const TOO_BIG: u16 = 1009;
/// The server ends it for a reason of its own.
pub const INTERNAL_ERROR: u16 = 1011;

/// Why frames cannot be accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The code that the peer is told.
    pub code: u16,
    /// The text that it is told.
    pub text: Cow<'static, str>,
}

impl Violation {
    pub(super) fn protocol(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: PROTOCOL_ERROR,
            text: text.into(),
        }
    }

    pub(super) fn unreadable(text: &'static str) -> Self {
        Self {
            code: INVALID_PAYLOAD,
            text: text.into(),
        }
    }

    pub(super) fn too_big() -> Self {
        Self {
            code: TOO_BIG,
            text: "maximum payload exceeded".into(),
        }
    }
}

/// The payload of a close frame; a text that is too long is cut, which dots show
/// (NATS 2.15).
#[must_use]
pub fn close_payload(code: u16, text: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    if text.len() <= CONTROL_BYTES_MAX - 2 {
        payload.extend_from_slice(text.as_bytes());
        return payload;
    }
    let mut end = CONTROL_BYTES_MAX - 5;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    payload.extend_from_slice(&text.as_bytes()[..end]);
    payload.extend_from_slice(b"...");
    payload
}

/// What the peer's close frame is answered with (NATS 2.15): the same, if it
/// is in order.
pub(super) fn answer_to_close(payload: &[u8]) -> Result<Vec<u8>, Violation> {
    match payload {
        [] => Ok(Vec::new()),
        [_] => Err(Violation::protocol("close frame payload cannot be 1 byte")),
        [high, low, text @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_valid_code(code) {
                let text = format!("invalid close status code {code}");
                return Err(Violation::protocol(text));
            }
            Ok(match std::str::from_utf8(text) {
                Ok(_) => payload.to_vec(),
                Err(_) => close_payload(INVALID_PAYLOAD, "invalid utf8 body in close frame"),
            })
        }
    }
}

/// Codes that may be sent (RFC 6455, 7.4).
fn is_valid_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_is_answered_with_itself() {
        assert_eq!(answer_to_close(b""), Ok(Vec::new()));
        assert_eq!(answer_to_close(b"\x03\xe8bye"), Ok(b"\x03\xe8bye".to_vec()));
        for code in [1000u16, 1003, 1007, 1014, 3000, 4999] {
            assert!(answer_to_close(&code.to_be_bytes()).is_ok(), "{code}");
        }
        for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            assert!(answer_to_close(&code.to_be_bytes()).is_err(), "{code}");
        }
        assert!(answer_to_close(b"\x03").is_err());
        let answer = answer_to_close(b"\x03\xe8\xff\xfe").expect("answered");
        assert_eq!(answer[..2], 1007u16.to_be_bytes());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let payload = close_payload(NORMAL, &"ü".repeat(100));
        assert_eq!(payload.len(), 125);
        assert!(payload.ends_with("ü...".as_bytes()));
        assert!(std::str::from_utf8(&payload[2..]).is_ok());
    }
}
