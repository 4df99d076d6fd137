//! Protocol lines in the log, in the form of the reference server's `-V`, without
//! secrets.
//!
//! Free functions. Not here: whether lines are logged at all.

use std::borrow::Cow;

use tracing::trace;

use crate::base::limits::Tracing;
use crate::base::shown::escaped_bytes;
use crate::route::subscription::Subscription;
use crate::session::connection::Connection;
use crate::wire::encode;
use crate::wire::json::{Value, fields};
use crate::wire::parse::Command;

/// Logs a command as the reference server's `-V` does, without secrets.
#[cold]
pub(super) fn log_command(
    connection: &Connection,
    command: &Command<'_>,
    bytes: &[u8],
    style: Tracing,
) {
    let label = connection.label();
    let line_end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    let line = bytes[..line_end].trim_ascii_end();
    match command {
        Command::Connect(json) => trace!("{label} - <<- [CONNECT {}]", without_secrets(json)),
        _ => trace!("{label} - <<- [{}]", operation(line)),
    }
    if let Command::Publish(message) = command {
        let has_headers = line.first().is_some_and(|byte| byte & !32 == b'H');
        let payload = &message.payload[..message.size()];
        let header_len = has_headers.then(|| number_before_last(line)).flatten();
        if let Some(shown) = shown(payload, header_len, style) {
            trace!("{label} - <<- MSG_PAYLOAD: [\"{shown}\"]");
        }
    }
}

/// Logs what is sent other than deliveries.
#[cold]
pub(super) fn log_answer(connection: &Connection, bytes: &[u8]) {
    let label = connection.label();
    let line = first_line(bytes);
    // INFO is no answer to anything, and errors are shown without quotes.
    match line.strip_prefix("-ERR '") {
        _ if line.starts_with("INFO ") => {}
        _ if bytes == encode::OK => trace!("{label} - ->> [OK]"),
        Some(text) => trace!("{label} - ->> [-ERR {}]", text.trim_end_matches('\'')),
        None => trace!("{label} - ->> [{line}]"),
    }
}

/// Logs a delivery, of which the parts are line and payload.
#[cold]
pub(super) fn log_delivery(connection: &Connection, parts: [&[u8]; 4], style: Tracing) {
    let [head, sid, line, body] = parts;
    let behind = memchr::memchr(b'\n', line).map_or(&b""[..], |end| &line[end + 1..]);
    let payload = [behind, body].concat();
    let payload = &payload[..payload.len().saturating_sub(2)];
    let [head, sid, tail] = [head, sid, line].map(first_line);
    let label = connection.label();
    trace!("{label} - ->> [{head}{sid}{tail}]");
    let header_len = head
        .starts_with('H')
        .then(|| number_before_last(tail.as_bytes()));
    if let Some(shown) = shown(payload, header_len.flatten(), style) {
        trace!("{label} - ->> MSG_PAYLOAD: [\"{shown}\"]");
    }
}

/// Logs the end of a subscription.
#[cold]
pub(super) fn log_end(connection: &Connection, subscription: &Subscription) {
    let sid = String::from_utf8_lossy(subscription.sid.bytes());
    trace!("{} - <-> [DELSUB {sid}]", connection.label());
}

/// What a line shows of a payload; nothing of an empty one, and only its header
/// block, without the empty line at its end, if that is asked for.
fn shown(payload: &[u8], header_len: Option<usize>, style: Tracing) -> Option<String> {
    let part = match (style.only_headers, header_len) {
        (false, _) => payload,
        (true, Some(len)) => payload.get(..len.saturating_sub(4))?,
        (true, None) => return None,
    };
    let max = style.payload_bytes_max;
    match part.len() {
        0 => None,
        len if max > 0 && len > max => Some(format!("{}...", escaped_bytes(&part[..max]))),
        _ => Some(escaped_bytes(part).to_string()),
    }
}

/// The verb in capital letters, as the reference server shows it.
fn operation(line: &[u8]) -> String {
    let end = memchr::memchr2(b' ', b'\t', line).unwrap_or(line.len());
    let (verb, arguments) = line.split_at(end);
    let arguments = arguments.trim_ascii_start();
    let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
    match arguments {
        b"" => verb,
        _ => format!("{verb} {}", String::from_utf8_lossy(arguments)),
    }
}

/// The first of the two numbers at the end of a line.
fn number_before_last(line: &[u8]) -> Option<usize> {
    let words: Vec<&[u8]> = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect();
    let word = words.get(words.len().checked_sub(2)?)?;
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// The text before the first line end.
fn first_line(bytes: &[u8]) -> Cow<'_, str> {
    let end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}

/// The argument of CONNECT with its secrets replaced.
fn without_secrets(json: &[u8]) -> String {
    let Ok(fields) = fields(json) else {
        return "(not JSON)".into();
    };
    let shown = fields.into_iter().map(|(name, value)| {
        let lower = name.to_ascii_lowercase();
        let is_secret = matches!(lower.as_str(), "jwt" | "sig" | "proxy_sig" | "nkey")
            || lower.starts_with("pass")
            || lower.starts_with("auth_token");
        let value = match value {
            _ if is_secret => json_text("[REDACTED]"),
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(written) | Value::Nested(written) => written,
            Value::Text(text) => json_text(&text),
        };
        (name, value)
    });
    let shown: Vec<String> = shown
        .map(|(name, value)| format!("{}:{value}", json_text(&name)))
        .collect();
    format!("{{{}}}", shown.join(","))
}

/// A string of JSON.
fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Tracing = Tracing {
        payload_bytes_max: 0,
        only_headers: false,
    };

    #[test]
    fn payloads_are_quoted_and_cut() {
        let bytes = b"a\"\\\r\n\t\x01\x7f\xff\xc3\xa9\xc2\x80";
        let quoted = "a\\\"\\\\\\r\\n\\t\\x01\\x7f\\xff\u{e9}\\u0080";
        assert_eq!(shown(bytes, None, ALL).as_deref(), Some(quoted));
        assert_eq!(shown(b"", None, ALL), None);
        let short = Tracing {
            payload_bytes_max: 3,
            ..ALL
        };
        assert_eq!(shown(b"abc", None, short).as_deref(), Some("abc"));
        assert_eq!(shown(b"abcd", None, short).as_deref(), Some("abc..."));
    }

    #[test]
    fn headers_alone_if_asked_for() {
        let headers = Tracing {
            only_headers: true,
            ..ALL
        };
        let message = b"NATS/1.0\r\nA: b\r\n\r\nbody";
        let shown_headers = shown(message, number_before_last(b"HPUB a 18 22"), headers);
        assert_eq!(shown_headers.as_deref(), Some("NATS/1.0\\r\\nA: b"));
        assert_eq!(shown(b"body", None, headers), None);
    }

    #[test]
    fn secrets_do_not_show() {
        let json = br#"{"user":"u","pass":"p1","Password":"p2","auth_token":"t","nkey":"N","sig":"s","jwt":"j"}"#;
        let shown = r#"{"user":"u","pass":"[REDACTED]","Password":"[REDACTED]","auth_token":"[REDACTED]","nkey":"[REDACTED]","sig":"[REDACTED]","jwt":"[REDACTED]"}"#;
        assert_eq!(without_secrets(json), shown);
        assert_eq!(without_secrets(b"{\"pass\":\"p"), "(not JSON)");
    }
}
