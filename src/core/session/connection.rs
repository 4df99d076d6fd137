//! The state of one connection.
//!
//! Invariants: unless its [`Input`] may be read nothing that the connection sends is
//! parsed and its socket is not read; once it is closing nothing is delivered any
//! more either and only what waits in the outbox is still sent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::base::slot_table::SlotTable;

use super::certificate::{CertificateNames, TlsFacts};
use super::input::Input;
use super::large_message::LargeMessage;
use super::outbox::Outbox;
use super::policy::{AccountUsage, ConnectionType};
use super::responses::Responses;
use crate::base::id::{AccountId, ConnectionKey, ConnectionKind, CoreId, Nanos};
use crate::base::slab::NONE;
use crate::base::traffic::Traffic;
use crate::subject::rights_table::RightsId;
use crate::wire::connect::ConnectOptions;
use crate::wire::repeat::LastLine;

/// Whether a connection is to be sent to, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mark {
    /// Nothing has come for it since it was last sent to.
    #[default]
    Unmarked,
    /// In this turn or a later one: it is one of many receivers.
    Bulk,
    /// In this turn.
    Prompt,
}

/// A receiver that has fallen behind its publisher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Behind {
    /// Its slot.
    pub receiver: u32,
    /// Pending bytes that are too many for it.
    pub pending_bytes: u64,
}

/// Publishers that wait for a receiver.
#[derive(Debug, Default)]
pub struct StallWaiters {
    /// Their cores and keys.
    pub publishers: Vec<(CoreId, ConnectionKey)>,
    /// Pending bytes at which they go on.
    pub until_bytes: u64,
}

/// When the server last sent PING and what it knows of the peer's life.
#[derive(Debug)]
pub struct Heartbeat {
    /// When to look next.
    pub next: Nanos,
    /// PINGs without PONG.
    pub outstanding: u32,
    /// Last message, subscription or PING of the peer.
    pub last_input: Nanos,
    /// When the round trip was last measured, if it was.
    pub round_trip_at: Option<Nanos>,
    /// When the PING on its way was sent.
    pub sent_at: Nanos,
    /// How long the last round trip took; zero: unknown.
    pub round_trip_ns: u64,
}

impl Heartbeat {
    /// That of a connection that was just accepted: nothing is known of its peer.
    fn begin(now: Nanos) -> Self {
        Self {
            next: Nanos::NEVER,
            outstanding: 0,
            last_input: now,
            round_trip_at: None,
            sent_at: now,
            round_trip_ns: 0,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// Which of the slot's occupants it is.
    pub generation: u32,
    /// Number of the connection in the whole server.
    pub client_id: u64,
    /// What the peer is.
    pub kind: ConnectionKind,
    /// How it is connected.
    pub connection_type: ConnectionType,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The user that it is, by its number in the authority.
    pub user: Option<u32>,
    /// Account and user for log lines; empty: it is nobody in particular.
    pub identity: Box<str>,
    /// What it may do; `None`: everything.
    pub rights: Option<RightsId>,
    /// Its rights restrict what it publishes.
    pub restricts_publish: bool,
    /// Largest payload that it may send, in bytes.
    pub max_payload: u32,
    /// Requests that it may answer beyond its rights.
    pub responses: Option<Box<Responses>>,
    /// Where it is counted in its account.
    pub usage: Option<Arc<AccountUsage>>,
    /// It has logged in, and events about it have been due.
    pub is_announced: bool,
    /// What it has to sign, if it wants to; empty: nothing.
    pub nonce: Box<[u8]>,
    /// What TLS says of it.
    pub tls: Option<Arc<TlsFacts>>,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The address may be a proxy's: it is not told.
    pub hides_address: bool,
    /// Whom a proxy says that it speaks for.
    pub forwarded_for: Option<Box<IpAddr>>,
    /// What the peer said in CONNECT.
    pub options: Box<ConnectOptions>,
    /// Headers are agreed on.
    pub headers: bool,
    /// Copy of `options.echo` for the fan-out.
    pub echo: bool,
    /// Its messages are checked (`pedantic`) or confirmed (`verbose`).
    pub checks_messages: bool,
    /// CONNECT has come.
    pub connected: bool,
    /// Credentials are required and have not come.
    pub awaiting_credentials: bool,
    /// The first PONG is sent.
    pub first_pong_sent: bool,
    /// It has changed interest or published to other cores since they last
    /// confirmed everything.
    pub has_unconfirmed: bool,
    /// Whether it is to be sent to.
    pub mark: Mark,
    /// Messages reach it: it is not ending, and its subscriptions are its own.
    pub hears: bool,
    /// Its last input was more than a share of a turn.
    pub is_heavy: bool,
    /// The socket refused bytes: nothing is sent until it is writable.
    pub is_blocked: bool,
    /// Whether its input may be read, and why not.
    pub input: Input,
    /// A subscriber that has fallen behind while this connection published.
    pub behind: Option<Behind>,
    /// Place of the route that it used last.
    pub last_route: u32,
    /// The control line of its last message.
    pub last_line: LastLine,
    /// Stamp of the route of messages with that line; zero: not known.
    pub last_line_route: u64,
    /// What waits to be sent.
    pub outbox: Outbox,
    /// Input that is not parsed yet.
    pub unparsed: Vec<u8>,
    /// A large message that has not arrived whole.
    pub large: Option<Box<LargeMessage>>,
    /// Numbers of its subscriptions, found by sid.
    pub subscriptions: SlotTable,
    /// Publishers that wait for it to catch up.
    pub stall_waiters: StallWaiters,
    /// Pieces of work under way that end subscriptions of it.
    pub withdrawals: u32,
    /// When it was opened.
    pub started: Nanos,
    /// Its messages.
    pub traffic: Traffic,
    /// Times that it was held back for a receiver.
    pub stalls: u32,
    /// Bytes that its shard counts as waiting for it.
    pub waiting_bytes: u64,
    /// Liveness of the peer.
    pub heartbeat: Heartbeat,
    /// Total bytes accepted by the socket.
    pub sent_bytes: u64,
    /// The socket must have accepted this many bytes in total...
    pub write_mark_bytes: u64,
    /// ...by this moment.
    pub write_deadline: Nanos,
    /// Total bytes that it had accepted when that was demanded.
    pub write_mark_from: u64,
    /// Credentials must have come by this moment.
    pub auth_deadline: Nanos,
    /// When the shard looks at it next; an earlier entry is stale.
    pub timer: Nanos,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(
        generation: u32,
        client_id: u64,
        kind: ConnectionKind,
        connection_type: ConnectionType,
        peer: SocketAddr,
        now: Nanos,
    ) -> Self {
        Self {
            generation,
            client_id,
            kind,
            connection_type,
            account: AccountId::GLOBAL,
            user: None,
            identity: Box::default(),
            rights: None,
            restricts_publish: false,
            max_payload: u32::MAX,
            responses: None,
            usage: None,
            is_announced: false,
            nonce: Box::default(),
            tls: None,
            peer,
            hides_address: false,
            forwarded_for: None,
            options: Box::default(),
            headers: false,
            echo: true,
            checks_messages: true,
            connected: false,
            awaiting_credentials: false,
            first_pong_sent: false,
            has_unconfirmed: false,
            mark: Mark::Unmarked,
            hears: true,
            is_heavy: false,
            is_blocked: false,
            input: Input::OPEN,
            behind: None,
            last_route: NONE,
            last_line: LastLine::default(),
            last_line_route: 0,
            outbox: Outbox::default(),
            unparsed: Vec::new(),
            large: None,
            subscriptions: SlotTable::default(),
            stall_waiters: StallWaiters::default(),
            withdrawals: 0,
            started: now,
            traffic: Traffic::default(),
            stalls: 0,
            waiting_bytes: 0,
            heartbeat: Heartbeat::begin(now),
            sent_bytes: 0,
            write_mark_bytes: 0,
            write_deadline: Nanos::NEVER,
            write_mark_from: 0,
            auth_deadline: Nanos::NEVER,
            timer: Nanos::NEVER,
        }
    }

    /// Its name in log lines.
    #[must_use]
    pub fn label(&self) -> String {
        let (peer, number) = (self.peer, self.client_id);
        let kind = match self.connection_type {
            ConnectionType::Websocket => "wid",
            _ => self.kind.log_label(),
        };
        let peer = match self.forwarded_for.as_deref() {
            None => peer.to_string(),
            Some(IpAddr::V4(client)) => format!("{client}/{peer}"),
            Some(IpAddr::V6(client)) => format!("[{client}]/{peer}"),
        };
        let mut label = format!("{peer} - {kind}:{number}");
        let version = match self.options.version.as_str() {
            "" => String::new(),
            version => format!("v{version}"),
        };
        let parts = [&version, &self.options.lang, &self.options.name];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).collect();
        let program: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        for part in [&*program.join(":"), &*self.identity] {
            if !part.is_empty() {
                label.push_str(&format!(" - {part:?}"));
            }
        }
        label
    }

    /// The names in its certificate.
    #[must_use]
    pub fn certificate(&self) -> Option<&CertificateNames> {
        self.tls.as_ref().and_then(|facts| facts.names.as_ref())
    }

    /// The earliest moment at which something about it is due.
    #[must_use]
    pub fn next_deadline(&self) -> Nanos {
        self.heartbeat
            .next
            .min(self.write_deadline)
            .min(self.auth_deadline)
            .min(self.input.deadline())
    }
}
