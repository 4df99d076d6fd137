//! The state of one connection.
//!
//! Invariants: unless its [`Input`] may be read nothing that the connection sends is
//! parsed and its socket is not read; once it is closing nothing is delivered any
//! more either and only what waits in the outbox is still sent.

use std::net::SocketAddr;

use super::input::Input;
use super::liveness::Liveness;
use super::login_state::LoginState;
use super::peer::Peer;
use super::policy::ConnectionType;
use super::reading::Reading;
use super::stalling::Stalling;
use super::writing::Writing;
use crate::base::id::{AccountId, ConnectionKind, Nanos};
use crate::base::shown::quoted;
use crate::base::slot_table::SlotTable;
use crate::base::traffic::Traffic;
use crate::wire::connect::ConnectOptions;

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
    /// What the peer said in CONNECT.
    pub options: Box<ConnectOptions>,
    /// Headers are agreed on.
    pub headers: bool,
    /// Copy of `options.echo` for the fan-out.
    pub echo: bool,
    /// Its messages are checked (`pedantic`) or confirmed (`verbose`).
    pub checks_messages: bool,
    /// The peer's address may be a proxy's: it is not told.
    pub hides_address: bool,
    /// It has changed interest or published to other cores since they last
    /// confirmed everything.
    pub has_unconfirmed: bool,
    /// Messages reach it ([`Self::renew_hearing`]).
    pub hears: bool,
    /// Its messages.
    pub traffic: Traffic,
    /// What waits to be sent to it.
    pub writing: Writing,
    /// Who its client is.
    pub login: LoginState,
    /// Whether its input may be read, and why not.
    pub input: Input,
    /// What has come from it.
    pub reading: Reading,
    /// Whether its peer is alive.
    pub liveness: Liveness,
    /// Who waits for whom.
    pub stalling: Stalling,
    /// Numbers of its subscriptions, found by sid.
    pub subscriptions: SlotTable,
    /// Pieces of work under way that end subscriptions of it.
    pub withdrawals: u32,
    /// The other end.
    pub peer: Peer,
    /// When it was opened.
    pub started: Nanos,
    /// When the shard looks at it next; an earlier entry is stale.
    pub timer: Nanos,
}

/// What an idle connection costs, in a size that allocators have: a flag more may take
/// a fifth more memory of ten thousand of them.
const _: () = assert!(size_of::<Connection>() <= 640);

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(
        generation: u32,
        client_id: u64,
        kind: ConnectionKind,
        connection_type: ConnectionType,
        address: SocketAddr,
        now: Nanos,
    ) -> Self {
        Self {
            generation,
            client_id,
            kind,
            connection_type,
            account: AccountId::GLOBAL,
            options: Box::default(),
            headers: false,
            echo: true,
            checks_messages: true,
            hides_address: false,
            has_unconfirmed: false,
            hears: true,
            traffic: Traffic::default(),
            writing: Writing::default(),
            login: LoginState::default(),
            input: Input::OPEN,
            reading: Reading::default(),
            liveness: Liveness::begin(now),
            stalling: Stalling::default(),
            subscriptions: SlotTable::default(),
            withdrawals: 0,
            peer: Peer::new(address),
            started: now,
            timer: Nanos::NEVER,
        }
    }

    /// Whether messages may reach it: it is not ending, its subscriptions are its
    /// own, and no reload has still to find out whether it may stay.
    #[must_use]
    pub fn may_hear(&self) -> bool {
        !self.input.is_closing() && self.withdrawals == 0 && self.input.revision().hears()
    }

    /// Says again whether messages reach it, after a change of what that depends on.
    pub fn renew_hearing(&mut self) {
        self.hears = self.may_hear();
    }

    /// Its name in log lines.
    #[must_use]
    pub fn label(&self) -> String {
        let kind = match self.connection_type {
            ConnectionType::Websocket => "wid",
            _ => self.kind.log_label(),
        };
        let mut label = format!("{} - {kind}:{}", self.peer, self.client_id);
        let version = match self.options.version.as_str() {
            "" => String::new(),
            version => format!("v{version}"),
        };
        let parts = [&version, &self.options.lang, &self.options.name];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).collect();
        let program: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        for part in [&*program.join(":"), &*self.login.identity] {
            if !part.is_empty() {
                label.push_str(&format!(" - {}", quoted(part)));
            }
        }
        label
    }

    /// The earliest moment at which something about it is due.
    #[must_use]
    pub fn next_deadline(&self) -> Nanos {
        self.liveness
            .next_ping
            .min(self.writing.deadline)
            .min(self.login.deadline)
            .min(self.input.deadline())
    }
}
