//! The settings of a `websocket {}` block.

use super::PortChoice;
use super::tls::TlsOptions;

/// The WebSocket listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebsocketOptions {
    /// Address or name to bind to.
    pub host: String,
    /// Its port.
    pub port: PortChoice,
    /// What clients are told to connect to instead, as host and port.
    pub advertise: Option<String>,
    /// TLS, unless `no_tls`.
    pub tls: Option<TlsOptions>,
    /// The `Origin` must be this server.
    pub same_origin: bool,
    /// Origins that are allowed; empty: all.
    pub allowed_origins: Vec<String>,
    /// permessage-deflate may be negotiated.
    pub compression: bool,
    /// How long the upgrade may take.
    pub handshake_timeout_ns: u64,
    /// Cookie with a JWT; empty: none.
    pub jwt_cookie: String,
    /// Cookie with the user name.
    pub user_cookie: String,
    /// Cookie with the password.
    pub pass_cookie: String,
    /// Cookie with the token.
    pub token_cookie: String,
    /// Further fields of the upgrade's answer.
    pub headers: Vec<(String, String)>,
    /// Silence after which the server sends a PING; `None`: as for all.
    pub ping_interval_ns: Option<u64>,
    /// Name of the user of clients without credentials.
    pub no_auth_user: Option<String>,
    /// Time for credentials; `None`: as for all.
    pub auth_timeout_ns: Option<u64>,
}
