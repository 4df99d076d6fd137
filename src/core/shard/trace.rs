//! Protocol traces in the form of the reference server's `-V`, without secrets.

use tracing::trace;

use super::Shard;
use crate::session::connection::Connection;
use crate::wire::connect::fields;
use crate::wire::parse::Command;

impl Shard {
    /// Logs a command as the reference server's `-V` does, without secrets.
    #[cold]
    pub(super) fn trace_in(&self, index: u32, command: &Command<'_>, bytes: &[u8]) {
        let label = self.connections[index].label();
        let line_end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        let line = bytes[..line_end].trim_ascii_end();
        match command {
            Command::Connect(json) => trace!("{label} - <<- [CONNECT {}]", without_secrets(json)),
            _ => trace!("{label} - <<- [{}]", String::from_utf8_lossy(line)),
        }
        if let Command::Publish(message) = command {
            let payload = String::from_utf8_lossy(&message.payload[..message.size()]);
            trace!("{label} - <<- MSG_PAYLOAD: [{payload:?}]");
        }
    }

    /// Logs what is sent.
    #[cold]
    pub(super) fn trace_out(&self, index: u32, bytes: &[u8]) {
        let label = self.connections[index].label();
        let line = first_line(bytes);
        // INFO is no answer to anything, and errors are shown without quotes.
        match line.strip_prefix("-ERR '") {
            _ if line.starts_with("INFO ") => {}
            Some(text) => trace!("{label} - ->> [-ERR {}]", text.trim_end_matches('\'')),
            None => trace!("{label} - ->> [{line}]"),
        }
    }
}

#[cold]
pub(super) fn trace_delivery(connection: &Connection, parts: [&[u8]; 3]) {
    let payload = memchr::memchr(b'\n', parts[2]).map_or(&b""[..], |end| &parts[2][end + 1..]);
    let payload = String::from_utf8_lossy(&payload[..payload.len().saturating_sub(2)]);
    let [head, sid, tail] = parts.map(first_line);
    let label = connection.label();
    trace!("{label} - ->> [{head}{sid}{tail}]");
    trace!("{label} - ->> MSG_PAYLOAD: [{payload:?}]");
}

/// The text before the first line end.
fn first_line(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}

/// The argument of CONNECT with its secrets replaced.
fn without_secrets(json: &[u8]) -> String {
    let Ok(mut fields) = fields(json) else {
        return "(not JSON)".into();
    };
    for (name, value) in &mut fields.0 {
        let name = name.to_ascii_lowercase();
        let is_secret = match name.as_str() {
            "pass" | "auth_token" | "jwt" | "sig" | "proxy_sig" => true,
            // Somebody has mistaken the seed for the key.
            "nkey" => value.as_str().is_some_and(|key| key.starts_with('S')),
            _ => false,
        };
        if is_secret {
            *value = "[REDACTED]".into();
        }
    }
    serde_json::Value::Object(fields.0.into_iter().collect()).to_string()
}
