//! New connections: accepted by the first core, opened by the one they are for.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use tracing::error;
use trunkline_core::base::id::{ConnectionKey, Nanos};
use trunkline_core::session::close_reason::CloseReason;
use trunkline_core::shard::Opening;

use super::layers::{Layers, Proxied};
use super::secure::Secure;
use super::{Core, Socket};
use crate::net::accept::{Acceptor, Step};
use crate::net::socket::{Accepted, DOORS, Door};

impl Core {
    /// Accepts the connections that wait at these doors.
    pub(super) fn accept(&mut self, now: Nanos, doors: [bool; DOORS]) -> std::io::Result<()> {
        for at in 0..self.acceptors.len() {
            if doors[self.acceptors[at].door() as usize] {
                self.accept_at(now, at)?;
            }
        }
        Ok(())
    }

    fn accept_at(&mut self, now: Nanos, at: usize) -> std::io::Result<()> {
        for _ in 0..Acceptor::per_turn() {
            let acceptor = &mut self.acceptors[at];
            match acceptor.accept(now, &self.shared) {
                Step::For(core, accepted) => self.hand_over(now, core, accepted),
                Step::Idle => return Ok(()),
                Step::Paused => return Ok(self.poller.remove(acceptor.listener())?),
            }
        }
        Ok(())
    }

    /// Gives a connection to its core. If that core is far behind, this core
    /// keeps it.
    fn hand_over(&mut self, now: Nanos, core: usize, accepted: Accepted) {
        let Some(ring) = &mut self.rings.handovers[core] else {
            self.open(now, accepted);
            return;
        };
        match ring.push(accepted) {
            Ok(()) => self.shared.doorbells[core].ring(),
            Err(rtrb::PushError::Full(accepted)) => {
                let bells = &self.shared.doorbells;
                bells[core].connections.fetch_sub(1, Ordering::Relaxed);
                bells[self.id.index()]
                    .connections
                    .fetch_add(1, Ordering::Relaxed);
                self.open(now, accepted);
            }
        }
    }

    /// Takes over connections that the first core has accepted for this one.
    pub(super) fn take_handovers(&mut self, now: Nanos) {
        for _ in 0..Acceptor::per_turn() {
            let ring = self.rings.handover.as_mut();
            let Some(accepted) = ring.and_then(|ring| ring.pop().ok()) else {
                return;
            };
            self.open(now, accepted);
        }
    }

    fn open(&mut self, now: Nanos, accepted: Accepted) {
        match accepted.door {
            Door::Client => self.open_client(now, accepted),
            Door::Websocket => self.begin_upgrade(now, accepted),
        }
    }

    fn open_client(&mut self, now: Nanos, accepted: Accepted) {
        let listening = self.shared.listening();
        let limit = listening
            .tls
            .as_ref()
            .and_then(|tls| tls.options.connection_rate_limit);
        let is_throttled = limit.is_some_and(|limit| !self.shared.allows_handshake(now, limit));
        let tls = listening.tls.filter(|_| !is_throttled);
        let secure = tls.map(|setup| Secure::new(setup, now));
        let secure = match secure.transpose() {
            Ok(secure) => secure,
            Err(failure) => {
                self.forget_connection();
                return error!("Cannot begin TLS: {failure}");
            }
        };
        let layers = Layers {
            proxied: listening.proxy_protocol.then(|| Proxied::new(now)),
            secure,
            framed: None,
        };
        let opening = Opening {
            is_over_limit: accepted.is_over_limit,
            is_throttled,
            hides_address: listening.proxy_protocol,
            ..Opening::client(accepted.client_id, accepted.peer)
        };
        let key = self.shard.open(with_nonce(opening));
        let added = self.poller.add_socket(&accepted.fd, key.to_bits());
        self.settle_in(key, accepted.fd, layers.boxed(), added);
    }

    /// Gives a connection of the shard its socket, which has been added to the
    /// poller, or not.
    pub(super) fn settle_in(
        &mut self,
        key: ConnectionKey,
        fd: OwnedFd,
        layers: Option<Box<Layers>>,
        added: rustix::io::Result<()>,
    ) {
        if let Err(failure) = added {
            error!("Cannot wait for a client's socket: {failure}");
            self.shard.on_hangup(key, CloseReason::ReadError);
        }
        let slot = key.index as usize;
        if self.sockets.len() <= slot {
            self.sockets.resize_with(slot + 1, || None);
        }
        assert!(self.sockets[slot].is_none(), "a slot has one socket");
        let has_layers = layers.is_some();
        let lacks_tls = layers.as_ref().is_some_and(|layers| layers.lacks_tls());
        self.meter.handshakes_under_way += u64::from(lacks_tls);
        self.sockets[slot] = Some(Socket {
            fd,
            key,
            is_readable: false,
            is_queued: false,
            is_ending: false,
            layers,
        });
        if has_layers {
            self.note_handshake(key);
        }
    }

    /// One connection less is this core's.
    pub(super) fn forget_connection(&self) {
        self.shared.doorbells[self.id.index()]
            .connections
            .fetch_sub(1, Ordering::Relaxed);
    }
}

/// Gives a client random bytes to sign.
pub(super) fn with_nonce(opening: Opening) -> Opening {
    let mut nonce = [0; 11];
    let flags = rustix::rand::GetRandomFlags::empty();
    if let Err(failure) = rustix::rand::getrandom(&mut nonce, flags) {
        error!("No random bytes for a client's nonce: {failure}");
    }
    Opening { nonce, ..opening }
}
