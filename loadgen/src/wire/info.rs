//! The server's INFO line: the few fields a load generator acts on.

use serde::Deserialize;

/// The fields of INFO that decide how (and whether) we can talk to this server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ServerInfo {
    /// Version text, for the report.
    pub version: String,
    /// Largest payload the server accepts, in bytes.
    pub max_payload: u64,
    /// The server wants credentials.
    pub auth_required: bool,
    /// The server speaks only TLS.
    pub tls_required: bool,
    /// The server speaks TLS with those who want it.
    pub tls_available: bool,
    /// What an nkey user has to sign; empty when there are none.
    pub nonce: String,
}

/// Parses a line `INFO {...}` without its line end; `None` when it is not one.
pub fn parse(line: &[u8]) -> Option<ServerInfo> {
    let (verb, json) = line.split_at_checked(4)?;
    if !verb.eq_ignore_ascii_case(b"INFO") {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_and_ignores_the_rest() {
        let info =
            parse(br#"INFO {"server_id":"X","version":"2.15.3","max_payload":1048576,"x":[1]} "#)
                .unwrap();
        assert_eq!(
            (info.version.as_str(), info.max_payload, info.auth_required),
            ("2.15.3", 1_048_576, false)
        );
        assert!(parse(b"PING").is_none());
        assert!(parse(b"INFO {broken").is_none());
        assert!(parse(b"IN").is_none());
    }
}
