//! The texts that JetStream puts into messages: acknowledgements of publishers (PubAck), the place of a message in the
//! subject that acknowledges it, and status lines. Read on the way of every message, so by hand; everything unusual
//! goes through the JSON parser.

use memchr::memmem;
use serde_json::Value;

use crate::plans::jetstream::api::error_text;
use crate::wire::scan::digits;

/// The sequence that a stream gave a message, out of a PubAck; or why it did not take it.
pub fn stored_at(headers: &[u8], payload: &[u8]) -> Result<u64, String> {
    const SEQUENCE: &[u8] = b"\"seq\":";
    if headers.starts_with(b"NATS/1.0 503") {
        return Err("no stream takes the subject (503)".into());
    }
    // `{"stream":"S","seq":7}`: nothing behind the number, and so no flag and no error.
    let plain = memmem::find(payload, SEQUENCE).and_then(|at| {
        let number = payload[at + SEQUENCE.len()..].trim_ascii_end();
        digits(number.strip_suffix(b"}")?.trim_ascii())
    });
    match plain {
        Some(sequence) if sequence > 0 && !payload.starts_with(b"{\"error\"") => Ok(sequence),
        _ => stored_at_slowly(payload),
    }
}

fn stored_at_slowly(payload: &[u8]) -> Result<u64, String> {
    let shown = || String::from_utf8_lossy(&payload[..payload.len().min(200)]).into_owned();
    let value: Value = serde_json::from_slice(payload)
        .map_err(|_| format!("an acknowledgement that is no JSON: {}", shown()))?;
    if let Some(error) = value.get("error") {
        return Err(format!("not stored: {}", error_text(error)));
    }
    if value["duplicate"] == true {
        return Err("taken for a duplicate".into());
    }
    let sequence = value["seq"].as_u64().filter(|sequence| *sequence > 0);
    sequence.ok_or_else(|| format!("an acknowledgement without a sequence: {}", shown()))
}

/// Where a delivered message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// How often it was delivered.
    pub deliveries: u64,
    /// Its sequence in the stream.
    pub stream_sequence: u64,
    /// Its number among the deliveries of the consumer.
    pub consumer_sequence: u64,
}

/// The place out of the reply subject of a delivery: `$JS.ACK.stream.consumer.…`, or with domain and account before the
/// stream and a token at the end (ADR-15).
pub fn place(reply: &[u8]) -> Option<Place> {
    let rest = reply.strip_prefix(b"$JS.ACK.")?;
    let mut tokens: [&[u8]; 10] = [b""; 10];
    let mut count = 0;
    for token in rest.split(|byte| *byte == b'.') {
        *tokens.get_mut(count)? = token;
        count += 1;
    }
    let first = match count {
        7 => 2,
        9 | 10 => 4,
        _ => return None,
    };
    Some(Place {
        deliveries: digits(tokens[first])?,
        stream_sequence: digits(tokens[first + 1])?,
        consumer_sequence: digits(tokens[first + 2])?,
    })
}

/// The code and the words of a status message (`NATS/1.0 404 No Messages`); `None` when the headers are others.
pub fn status(headers: &[u8]) -> Option<(u64, &[u8])> {
    let line = headers.strip_prefix(b"NATS/1.0 ")?;
    let line = &line[..memchr::memchr(b'\r', line)?];
    let (code, words) = line.split_at_checked(3)?;
    Some((digits(code)?, words.trim_ascii()))
}

/// The value of a header, or `None`.
pub fn header<'a>(headers: &'a [u8], name: &str) -> Option<&'a [u8]> {
    headers.split(|byte| *byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        Some(value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_told_from_errors() {
        assert_eq!(stored_at(b"", br#"{"stream":"S","seq":7}"#), Ok(7));
        assert_eq!(stored_at(b"", br#"{"stream":"S", "seq": 7 }"#), Ok(7));
        assert_eq!(
            stored_at(b"", br#"{"stream":"S","domain":"d","seq":12}"#),
            Ok(12)
        );
        let fails = |headers: &[u8], payload: &[u8], expected: &str| {
            let text = stored_at(headers, payload).unwrap_err();
            assert!(text.contains(expected), "{text}");
        };
        let error =
            br#"{"error":{"code":400,"err_code":10077,"description":"maximum messages exceeded"},"stream":"S","seq":0}"#;
        fails(b"", error, "maximum messages exceeded (10077)");
        fails(
            b"",
            br#"{"stream":"S","seq":7,"duplicate":true}"#,
            "duplicate",
        );
        fails(b"", br#"{"stream":"S","seq":0}"#, "without a sequence");
        fails(b"", b"+OK", "no JSON");
        fails(b"NATS/1.0 503\r\n\r\n", b"", "503");
    }

    #[test]
    fn places_of_both_forms() {
        let expected = Some(Place {
            deliveries: 1,
            stream_sequence: 20,
            consumer_sequence: 3,
        });
        assert_eq!(place(b"$JS.ACK.S.C.1.20.3.1700000000000000000.5"), expected);
        assert_eq!(
            place(b"$JS.ACK._.hash.S.C.1.20.3.1700000000000000000.5"),
            expected
        );
        assert_eq!(
            place(b"$JS.ACK.d.hash.S.C.1.20.3.1700000000000000000.5.x"),
            expected
        );
        for other in [&b"$JS.ACK.S.C.1.20.3"[..], b"", b"$JS.FC.S.C.x"] {
            assert_eq!(place(other), None);
        }
    }

    #[test]
    fn status_lines_and_headers() {
        let headers = b"NATS/1.0 404 No Messages\r\nNats-Sequence: 12\r\n\r\n";
        assert_eq!(status(headers), Some((404, &b"No Messages"[..])));
        assert_eq!(header(headers, "Nats-Sequence"), Some(&b"12"[..]));
        assert_eq!(header(headers, "Nats"), None);
        assert_eq!(status(b"NATS/1.0\r\n\r\n"), None);
        assert_eq!(status(b"NATS/1.0 503\r\n\r\n"), Some((503, &b""[..])));
    }
}
