//! The life of connections: opening, what their sockets tell, closing.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tracing::info;

use super::Shard;
use super::mutants::Mutant;
use crate::base::id::{AccountId, ConnectionKey, ConnectionKind, Nanos};
use crate::base::limits::{CLOSE_LINGER_NS, CLOSE_WORK_NS, SEND_BLOCKS_MAX};
use crate::base::shown::duration;
use crate::base::width;
use crate::session::certificate::TlsFacts;
use crate::session::close_reason::CloseReason;
use crate::session::connection::Connection;
use crate::session::policy::ConnectionType;
use crate::wire::connect::ConnectOptions;
use crate::wire::encode;
use crate::wire::info::{self, ConnectionInfo};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A connection that the shell has accepted.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Its number in the whole server.
    pub client_id: u64,
    /// What the peer is.
    pub kind: ConnectionKind,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Whether there are more connections than allowed: it is told so and
    /// closed.
    pub is_over_limit: bool,
    /// Whether too many begin a handshake at the moment: likewise.
    pub is_throttled: bool,
    /// How it is connected.
    pub connection_type: ConnectionType,
    /// Random bytes for the peer to sign.
    pub nonce: [u8; 11],
    /// What it has presented before CONNECT, in cookies.
    pub presented: Option<Box<ConnectOptions>>,
    /// What TLS says of it, if it is over already.
    pub tls: Option<Arc<TlsFacts>>,
    /// A proxy may say whose connection it is: until then the address of the
    /// socket is not told to anybody.
    pub hides_address: bool,
    /// Whom a proxy says that it speaks for (`X-Forwarded-For`). Anybody can say
    /// so: it is for the log alone.
    pub forwarded_for: Option<IpAddr>,
}

impl Opening {
    /// A client over TCP that has presented nothing yet.
    #[must_use]
    pub fn client(client_id: u64, peer: SocketAddr) -> Self {
        Self {
            client_id,
            kind: ConnectionKind::Client,
            peer,
            is_over_limit: false,
            is_throttled: false,
            connection_type: ConnectionType::Standard,
            nonce: [0; 11],
            presented: None,
            tls: None,
            hides_address: false,
            forwarded_for: None,
        }
    }
}

/// Why a client is told INFO.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// It has just connected.
    Greeting,
    /// Its first PING: what is known since CONNECT is added.
    FirstPing,
    /// The server changes.
    Change,
}

impl Shard {
    /// Takes over a connection and greets it with INFO.
    pub fn open(&mut self, opening: Opening) -> ConnectionKey {
        let now = self.clock.mono;
        let index = self.connections.insert(|generation| {
            Connection::new(
                generation,
                opening.client_id,
                opening.kind,
                opening.connection_type,
                opening.peer,
                now,
            )
        });
        let connection = &mut self.connections[index];
        debug_assert!(
            connection.hears && connection.input.reads(),
            "nothing is left of who had its slot before"
        );
        connection.login.max_payload = self.config.limits.max_payload;
        let is_websocket = opening.connection_type == ConnectionType::Websocket;
        connection.peer.tls = opening.tls;
        connection.hides_address = opening.hides_address;
        connection.peer.forwarded_for = opening.forwarded_for.map(Box::new);
        if let Some(presented) = opening.presented {
            connection.options = presented;
        }
        if self.config.authority.policy().has_nkeys() {
            connection.login.nonce = URL_SAFE_NO_PAD.encode(opening.nonce).into_bytes().into();
        }
        self.log_debug(index, "Client connection created");
        self.send_info(index, Occasion::Greeting);
        self.ledger.counts.websockets += usize::from(is_websocket);
        if opening.is_over_limit || opening.is_throttled {
            match opening.is_over_limit {
                true => self.ledger.counts.refused += 1,
                false => self.ledger.counts.throttled += 1,
            }
            let text = match opening.is_over_limit {
                true => "maximum connections exceeded",
                false => "Connection throttling is active. Please try again later.",
            };
            self.log_error(index, text);
            self.send_error(index, text.as_bytes());
            self.close(index, CloseReason::MaxConnectionsExceeded);
            return self.connections.key(index);
        }
        let ping_at = now.after_ns(self.ping_interval_ns(index));
        self.connections[index].liveness.next_ping = ping_at;
        let required = self
            .config
            .authority
            .requires_credentials(opening.connection_type);
        if required {
            self.await_credentials(index);
        }
        self.schedule(index);
        self.connections.key(index)
    }

    /// Gives a connection some time to say who it is; to be scheduled by the
    /// caller.
    pub(super) fn await_credentials(&mut self, index: u32) {
        let limits = &self.config.limits;
        let connection = &mut self.connections[index];
        assert!(
            connection.login.usage.is_none() && !connection.input.is_closing(),
            "somebody need not say who it is"
        );
        connection.login.awaiting_credentials = true;
        let timeout_ns = match connection.connection_type {
            ConnectionType::Websocket => limits.websocket_auth_timeout_ns,
            _ => limits.auth_timeout_ns,
        };
        connection.login.deadline = self.clock.mono.after_ns(timeout_ns);
    }

    /// Silence of a connection after which it gets a PING.
    pub(super) fn ping_interval_ns(&self, index: u32) -> u64 {
        let limits = &self.config.limits;
        match self.connections[index].connection_type {
            ConnectionType::Websocket => limits.websocket_ping_interval_ns,
            _ => limits.ping_interval_ns,
        }
    }

    /// Notes that the peer has closed the connection or that its socket failed.
    pub fn on_hangup(&mut self, key: ConnectionKey, reason: CloseReason) {
        if let Some(index) = self.connections.find(key) {
            self.close(index, reason);
            self.abandon_outbox(index);
            debug_assert!(
                self.connections[index].writing.outbox.pending_bytes() == 0,
                "nothing is sent to a socket that is gone"
            );
        }
    }

    /// Notes how many bytes a socket has accepted and whether it refuses more.
    pub fn on_sent(&mut self, key: ConnectionKey, accepted: usize, is_blocked: bool) {
        let Some(index) = self.connections.find(key) else {
            return;
        };
        self.connections.advance(index, accepted);
        self.connections.note_waiting(index);
        let connection = &mut self.connections[index];
        connection.writing.is_blocked = is_blocked;
        let pending = connection.writing.outbox.pending_bytes();
        if pending == 0 {
            connection.writing.deadline = Nanos::NEVER;
            if connection.input.is_closing() {
                // One whose outbox was empty before is in the list already.
                if accepted > 0 {
                    self.end_if_done(index);
                }
                return;
            }
        } else if is_blocked && connection.writing.deadline == Nanos::NEVER {
            self.set_write_mark(index);
        }
        self.release_stall_waiters(index, pending);
    }

    /// Largest payload that a connection may send in bytes.
    #[must_use]
    pub fn max_payload(&self, key: ConnectionKey) -> u32 {
        let index = self.connections.find(key);
        let own = index.map_or(u32::MAX, |index| self.connections[index].login.max_payload);
        own.min(self.config.limits.max_payload)
    }

    /// Notes that a socket that refused bytes accepts them again.
    pub fn on_writable(&mut self, key: ConnectionKey) {
        let Some(index) = self.connections.find(key) else {
            return;
        };
        let connection = &mut self.connections[index];
        if connection.writing.is_blocked {
            connection.writing.is_blocked = false;
            // Very many may become writable at once.
            self.connections.mark_bulk(index);
        }
    }

    /// What waits to be sent, as slices for one vectored send.
    pub fn pending_slices<'a, 'b>(
        &'a self,
        key: ConnectionKey,
        into: &'b mut [IoSlice<'a>; SEND_BLOCKS_MAX],
    ) -> &'b [IoSlice<'a>] {
        match self.connections.find(key) {
            Some(index) => self.connections.slices(index, into),
            None => &[],
        }
    }

    /// Whether a socket should be read: false while its input waits and once
    /// it is closing.
    #[must_use]
    pub fn reads(&self, key: ConnectionKey) -> bool {
        self.connections
            .find(key)
            .is_some_and(|index| self.connections[index].input.reads())
    }

    /// Closes every connection, as the server stops.
    pub fn close_all(&mut self) {
        let keys: Vec<ConnectionKey> = self.connections.keys().collect();
        for key in keys {
            if let Some(index) = self.connections.find(key) {
                self.close(index, CloseReason::ServerShutdown);
            }
        }
    }

    /// Closes some connections because the server goes away; returns how many
    /// are left.
    pub fn close_some(&mut self, count: usize) -> usize {
        let open = |key: &ConnectionKey| !self.connections[key.index].input.is_closing();
        let mut keys: Vec<ConnectionKey> = self.connections.keys().filter(open).collect();
        for _ in 0..count.min(keys.len()) {
            let at = width::size(self.rng.below(keys.len() as u64));
            let key = keys.swap_remove(at);
            self.close(key.index, CloseReason::ServerShutdown);
            debug_assert!(!self.reads(key), "who is closed says nothing more");
        }
        keys.len()
    }

    /// Ends a connection: its subscriptions are gone at once; what waits in
    /// its outbox is still sent, for a moment.
    pub(super) fn close(&mut self, index: u32, reason: CloseReason) {
        if self.connections[index].input.is_closing() {
            return;
        }
        self.log_debug(
            index,
            &format!("Client connection closed: {}", reason.text()),
        );
        self.work.charge(CLOSE_WORK_NS);
        self.remember_closed(index, reason);
        self.withdraw(index);
        self.leave(index, reason);
        let deadline = self.clock.mono.after_ns(CLOSE_LINGER_NS);
        let connection = &mut self.connections[index];
        assert!(
            connection.subscriptions.is_empty() && connection.login.usage.is_none(),
            "nothing is left of it for others but what is being withdrawn"
        );
        connection.input.close(reason);
        connection.renew_hearing();
        connection.reading.abandon();
        connection.liveness.next_ping = Nanos::NEVER;
        connection.login.deadline = Nanos::NEVER;
        connection.writing.deadline = deadline;
        if connection.writing.outbox.pending_bytes() == 0 {
            self.end_if_done(index);
        } else {
            self.schedule(index);
            self.connections.mark_prompt(index);
        }
        self.release_stall_waiters(index, 0);
    }

    /// Has a closing connection end once, when nothing waits to be sent to it any
    /// more and its subscriptions are ended.
    pub(super) fn end_if_done(&mut self, index: u32) {
        let connection = &self.connections[index];
        assert!(connection.input.is_closing(), "it ends for a reason");
        let is_withdrawn = connection.withdrawals == 0 || self.is_mutant(Mutant::EndEarly);
        if connection.writing.outbox.pending_bytes() == 0 && is_withdrawn {
            let key = self.connections.key(index);
            self.connections.over.push_back(key);
        }
    }

    /// Gives up what a closing connection has not accepted.
    pub(super) fn abandon_outbox(&mut self, index: u32) {
        let connection = &mut self.connections[index];
        assert!(connection.input.is_closing(), "only of closing connections");
        if connection.writing.outbox.pending_bytes() > 0 {
            self.connections.clear_outbox(index);
            self.connections.note_waiting(index);
            self.end_if_done(index);
        }
    }

    /// Ends a connection that does not keep up, without a word, as the
    /// reference server does.
    pub(super) fn close_slow_consumer(&mut self, index: u32, reason: CloseReason) {
        if self.connections[index].input.is_closing() {
            return;
        }
        let limits = &self.config.limits;
        let text = match reason {
            CloseReason::SlowConsumerPendingBytes => format!(
                "Slow Consumer Detected: MaxPending of {} Exceeded",
                limits.max_pending_bytes
            ),
            _ => format!(
                "Slow Consumer Detected: WriteDeadline of {} exceeded with {} bytes pending.",
                duration(limits.write_deadline_ns),
                self.connections[index].writing.outbox.pending_bytes()
            ),
        };
        info!("{} - {text}", self.connections[index].label());
        self.close(index, reason);
        self.abandon_outbox(index);
        debug_assert_eq!(self.connections[index].writing.outbox.pending_bytes(), 0);
    }

    /// Queues bytes for a connection.
    pub(super) fn send(&mut self, index: u32, bytes: &[u8]) {
        debug_assert!(bytes.ends_with(b"\r\n"), "what is sent is whole");
        self.connections.send(index, bytes);
        self.log_out_line(index, bytes);
    }

    /// Logs a line that is sent, if lines are logged.
    pub(super) fn log_out_line(&self, index: u32, bytes: &[u8]) {
        if self.config.trace {
            self.log_sent(index, bytes);
        }
    }

    /// Queues `-ERR 'text'`.
    pub(super) fn send_error(&mut self, index: u32, text: &[u8]) {
        let mut line = std::mem::take(&mut self.scratch.line);
        line.clear();
        encode::err(text, &mut line);
        self.send(index, &line);
        self.scratch.line = line;
    }

    /// Queues INFO.
    pub(super) fn send_info(&mut self, index: u32, occasion: Occasion) {
        let line = self.info_line(index, occasion);
        self.send(index, &line);
    }

    pub(super) fn info_line(&self, index: u32, occasion: Occasion) -> Vec<u8> {
        let connection = &self.connections[index];
        let client_ip = match connection.hides_address {
            true => String::new(),
            false => connection.peer.address.ip().to_canonical().to_string(),
        };
        let connection_type = connection.connection_type;
        let policy = self.config.authority.policy();
        let limits = &self.config.limits;
        let nonce = std::str::from_utf8(&connection.login.nonce).unwrap_or_default();
        // Only the greeting is about how to come in (NATS 2.15).
        let (auth_required, nonce) = match occasion {
            Occasion::Greeting => (policy.greets_with_demand(connection_type), nonce),
            _ => (policy.requires_credentials(), ""),
        };
        let about = ConnectionInfo {
            auth_required,
            nonce,
            client_id: connection.client_id,
            client_ip: &client_ip,
            is_websocket: connection_type == ConnectionType::Websocket,
            max_payload: Some(connection.login.max_payload)
                .filter(|own| !limits.has_no_payload_limit || *own < limits.max_payload),
            account: (occasion == Occasion::FirstPing)
                .then(|| self.account_name(connection.account)),
            is_system: connection.account == AccountId::SYSTEM,
        };
        let mut line = Vec::with_capacity(512);
        info::encode(&self.config.server, &about, &mut line);
        debug_assert!(
            memchr::memchr_iter(b'\n', &line).count() == 1,
            "whatever its names contain, it is one line"
        );
        line
    }

    /// The name of an account.
    #[must_use]
    pub fn account_name(&self, account: AccountId) -> &str {
        self.config.authority.policy().account_name(account)
    }
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
