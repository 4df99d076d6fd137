//! What the log says of connections: their names, and protocol traces in the
//! form of the reference server's `-V`, without secrets.

use tracing::{debug, error, trace};

use super::Shard;
use crate::base::id::ConnectionKey;
use crate::session::connection::Connection;
use crate::wire::connect::fields;
use crate::wire::parse::Command;

impl Shard {
    /// The name of a connection in log lines; empty if it is gone.
    #[must_use]
    pub fn label(&self, key: ConnectionKey) -> String {
        let index = self.connections.find(key);
        index.map_or_else(String::new, |index| self.connections[index].label())
    }

    pub(super) fn log_debug(&self, index: u32, text: &str) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            debug!("{} - {text}", self.connections[index].label());
        }
    }

    pub(super) fn log_error(&self, index: u32, text: &str) {
        error!("{} - {text}", self.connections[index].label());
    }

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
        if matches!(
            name.as_str(),
            "pass" | "auth_token" | "jwt" | "sig" | "proxy_sig"
        ) {
            *value = "[REDACTED]".into();
        }
    }
    serde_json::Value::Object(fields.0.into_iter().collect()).to_string()
}
