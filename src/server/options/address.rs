//! Where a listener is to be, and why it cannot be there.

use std::fmt;

/// The port for clients, if nobody says another one.
const PORT: u16 = 4222;

/// The address to listen on, if nobody says another one.
pub(super) const HOST: &str = "0.0.0.0";

/// A fixed port, or one that the system picks (`-1`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PortChoice {
    /// This port.
    Fixed(u16),
    /// A free port.
    Random,
}

impl PortChoice {
    /// The number to bind to: 0 lets the system pick.
    pub fn to_bind(self) -> u16 {
        match self {
            PortChoice::Fixed(port) => port,
            PortChoice::Random => 0,
        }
    }
}

impl fmt::Display for PortChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortChoice::Fixed(port) => port.fmt(formatter),
            PortChoice::Random => formatter.write_str("-1"),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Said by the program before it logs: `trunkline: …`.
    Setting(String),
    /// The same, but only by a server that starts: a check of the file lets it pass.
    Start(String),
    /// Said as a fatal log line, as nats-server does for the listener; a check of the file lets it
    /// pass.
    Listener(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Setting(text) | Refusal::Start(text) | Refusal::Listener(text) => {
                formatter.write_str(text)
            }
        }
    }
}

impl std::error::Error for Refusal {}

pub(super) fn port_choice(host: &str, port: i64) -> Result<PortChoice, Refusal> {
    match port {
        0 => Ok(PortChoice::Fixed(PORT)),
        -1 => Ok(PortChoice::Random),
        _ => u16::try_from(port).map(PortChoice::Fixed).map_err(|_| {
            Refusal::Listener(format!(
                "Error listening on port: {}, \"listen tcp: address {port}: invalid port\"",
                join_host_port(host, port)
            ))
        }),
    }
}

/// `host:port`, with brackets around IPv6 addresses.
pub fn join_host_port(host: &str, port: impl fmt::Display) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
