//! INFO: what the server says of itself when a client connects, and again
//! after the client's first PING.

use serde::Serialize;

/// The version of NATS whose behaviour clients can expect: it unlocks what
/// they know of that release.
pub const NATS_VERSION: &str = "2.15.3";

/// The level of the JetStream API that belongs to [`NATS_VERSION`].
pub const API_LEVEL: u32 = 5;

/// What the server says of itself to everybody.
#[derive(Clone, Debug, Default)]
pub struct ServerInfo {
    /// The server's key, `N…`.
    pub server_id: String,
    /// The configured name, or the id.
    pub server_name: String,
    /// The address that clients are told of.
    pub host: String,
    /// The port that clients are told of.
    pub port: u16,
    /// Whether headers are supported.
    pub headers: bool,
    /// Clients must speak TLS.
    pub tls_required: bool,
    /// Clients must have a certificate.
    pub tls_verify: bool,
    /// Clients may speak TLS.
    pub tls_available: bool,
    /// Streams are kept.
    pub has_jetstream: bool,
    /// The domain of their API; empty: none.
    pub jetstream_domain: String,
    /// The server is going away: clients must go elsewhere.
    pub is_lame_duck: bool,
    /// What clients over WebSocket are told instead.
    pub websocket: Option<WebsocketInfo>,
}

/// The WebSocket listener, as its clients are told of it.
#[derive(Clone, Debug, Default)]
pub struct WebsocketInfo {
    /// The address listened on.
    pub host: String,
    /// The port listened on.
    pub port: u16,
    /// It speaks TLS.
    pub has_tls: bool,
}

/// What the server says of one connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo<'a> {
    /// Number of the connection.
    pub client_id: u64,
    /// Whether credentials are required.
    pub auth_required: bool,
    /// What the client may sign; empty: nothing.
    pub nonce: &'a str,
    /// Its account is the system account.
    pub is_system: bool,
    /// Address of the client; empty: not to be told.
    pub client_ip: &'a str,
    /// It is connected to the WebSocket listener.
    pub is_websocket: bool,
    /// Largest payload that it may send; `None`: it is told that there is no limit.
    pub max_payload: Option<u32>,
    /// Name of its account, for the INFO after the first PING only.
    pub account: Option<&'a str>,
}

/// The fields in the order of the reference server.
#[derive(Serialize)]
struct Info<'a> {
    server_id: &'a str,
    server_name: &'a str,
    version: &'a str,
    proto: u32,
    /// Clients print it; some expect that it is there.
    go: &'a str,
    host: &'a str,
    port: u16,
    headers: bool,
    #[serde(skip_serializing_if = "is_false")]
    auth_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_verify: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_available: bool,
    max_payload: i64,
    #[serde(skip_serializing_if = "is_false")]
    jetstream: bool,
    client_id: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    client_ip: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    nonce: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    ldm: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    connect_info: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_account: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    acc_is_sys: bool,
    api_lvl: u32,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Appends the INFO line, with the blank before its end that the reference
/// server writes too.
pub fn encode(server: &ServerInfo, connection: &ConnectionInfo<'_>, into: &mut Vec<u8>) {
    let websocket = server.websocket.as_ref();
    let info = Info {
        server_id: &server.server_id,
        server_name: &server.server_name,
        version: NATS_VERSION,
        proto: 1,
        go: concat!("trunkline", env!("CARGO_PKG_VERSION")),
        host: &server.host,
        port: server.port,
        headers: server.headers,
        auth_required: connection.auth_required,
        tls_required: server.tls_required,
        tls_verify: server.tls_verify,
        tls_available: server.tls_available,
        max_payload: connection.max_payload.map_or(-1, i64::from),
        jetstream: server.has_jetstream,
        client_id: connection.client_id,
        client_ip: connection.client_ip,
        nonce: connection.nonce,
        ldm: server.is_lame_duck,
        domain: &server.jetstream_domain,
        connect_info: connection.account.is_some(),
        remote_account: connection.account,
        acc_is_sys: connection.account.is_some() && connection.is_system,
        api_lvl: API_LEVEL,
    };
    let info = match websocket.filter(|_| connection.is_websocket) {
        None => info,
        Some(listener) => Info {
            host: &listener.host,
            port: listener.port,
            tls_required: listener.has_tls,
            tls_available: listener.has_tls,
            ..info
        },
    };
    into.extend_from_slice(b"INFO ");
    serde_json::to_writer(&mut *into, &info).expect("plain fields are always JSON");
    into.extend_from_slice(b" \r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_what_clients_rely_on() {
        let server = ServerInfo {
            server_id: "NA".into(),
            server_name: "one".into(),
            host: "0.0.0.0".into(),
            port: 4222,
            headers: true,
            ..ServerInfo::default()
        };
        let mut connection = ConnectionInfo {
            client_id: 7,
            auth_required: false,
            nonce: "",
            is_system: false,
            client_ip: "127.0.0.1",
            is_websocket: false,
            max_payload: Some(1024),
            account: None,
        };
        let mut line = Vec::new();
        encode(&server, &connection, &mut line);
        let text = String::from_utf8(line).expect("JSON is UTF-8");
        assert!(text.starts_with(
            "INFO {\"server_id\":\"NA\",\"server_name\":\"one\",\"version\":\"2.15.3\",\"proto\":1,"
        ));
        assert!(text.ends_with("\"api_lvl\":5} \r\n"));
        assert!(!text.contains("connect_info") && !text.contains("auth_required"));

        connection.account = Some("$G");
        let mut line = Vec::new();
        encode(&server, &connection, &mut line);
        let text = String::from_utf8(line).expect("JSON is UTF-8");
        assert!(text.contains("\"connect_info\":true,\"remote_account\":\"$G\""));

        let server = ServerInfo {
            websocket: Some(WebsocketInfo {
                host: "ws".into(),
                port: 8080,
                has_tls: true,
            }),
            ..server
        };
        for is_websocket in [false, true] {
            connection.is_websocket = is_websocket;
            connection.client_ip = "";
            let mut line = Vec::new();
            encode(&server, &connection, &mut line);
            let text = String::from_utf8(line).expect("JSON is UTF-8");
            assert_eq!(text.contains("\"port\":8080"), is_websocket);
            assert_eq!(text.contains("\"tls_required\":true"), is_websocket);
            assert!(!text.contains("client_ip"));
        }
    }
}
