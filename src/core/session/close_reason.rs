//! Why a connection ends, in the words and numbers that clients and operators are
//! told.

use crate::wire::websocket::close;

/// Why a connection ends; the texts are those of the reference server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The peer closed it.
    ClientClosed,
    /// No valid CONNECT in time.
    AuthenticationTimeout,
    /// Wrong credentials.
    AuthenticationFailure,
    /// More pending bytes than allowed.
    SlowConsumerPendingBytes,
    /// The socket did not accept pending bytes in time.
    SlowConsumerWriteDeadline,
    /// The socket failed while writing.
    WriteError,
    /// The socket failed while reading.
    ReadError,
    /// The peer sent `-ERR`.
    ParseError,
    /// PINGs stayed unanswered.
    StaleConnection,
    /// Input that is not the protocol.
    ProtocolViolation,
    /// A protocol version that does not exist.
    BadClientProtocolVersion,
    /// Too many connections.
    MaxConnectionsExceeded,
    /// Too many connections of the account.
    MaxAccountConnectionsExceeded,
    /// A payload larger than allowed.
    MaxPayloadExceeded,
    /// A control line longer than allowed.
    MaxControlLineExceeded,
    /// `no_responders` without `headers`.
    NoRespondersRequiresHeaders,
    /// TLS could not be agreed on, or not in time.
    TlsHandshakeFailure,
    /// An operator asked for it.
    Kicked,
    /// The server stops.
    ServerShutdown,
}

impl CloseReason {
    /// The reference server's text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::ClientClosed => "Client Closed",
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::AuthenticationFailure => "Authentication Failure",
            Self::SlowConsumerPendingBytes => "Slow Consumer (Pending Bytes)",
            Self::SlowConsumerWriteDeadline => "Slow Consumer (Write Deadline)",
            Self::WriteError => "Write Error",
            Self::ReadError => "Read Error",
            Self::ParseError => "Parse Error",
            Self::StaleConnection => "Stale Connection",
            Self::ProtocolViolation => "Protocol Violation",
            Self::BadClientProtocolVersion => "Bad Client Protocol Version",
            Self::MaxAccountConnectionsExceeded => "Maximum Account Connections Exceeded",
            Self::MaxConnectionsExceeded => "Maximum Connections Exceeded",
            Self::MaxPayloadExceeded => "Maximum Message Payload Exceeded",
            Self::MaxControlLineExceeded => "Maximum Control Line Exceeded",
            Self::NoRespondersRequiresHeaders => "No Responders Requires Headers",
            Self::TlsHandshakeFailure => "TLS Handshake Failure",
            Self::Kicked => "Kicked",
            Self::ServerShutdown => "Server Shutdown",
        }
    }

    /// The code of the close frame that a WebSocket client gets (NATS 2.15);
    /// `None` if it cannot get one.
    #[must_use]
    pub fn websocket_code(self) -> Option<u16> {
        match self {
            Self::ClientClosed => Some(close::NORMAL),
            Self::StaleConnection | Self::ServerShutdown => Some(close::GOING_AWAY),
            Self::ParseError
            | Self::ProtocolViolation
            | Self::BadClientProtocolVersion
            | Self::NoRespondersRequiresHeaders => Some(close::PROTOCOL_ERROR),
            Self::MaxPayloadExceeded => Some(close::TOO_BIG),
            Self::Kicked => Some(close::INTERNAL_ERROR),
            Self::AuthenticationTimeout
            | Self::AuthenticationFailure
            | Self::MaxConnectionsExceeded
            | Self::MaxAccountConnectionsExceeded
            | Self::MaxControlLineExceeded => Some(close::POLICY_VIOLATION),
            Self::SlowConsumerPendingBytes
            | Self::SlowConsumerWriteDeadline
            | Self::WriteError
            | Self::ReadError
            | Self::TlsHandshakeFailure => None,
        }
    }
}
