//! New connections: accepted by the first core, opened by the one they are for.

use std::sync::atomic::Ordering;

use tracing::error;
use trunkline_core::base::id::Nanos;
use trunkline_core::session::connection::CloseReason;
use trunkline_core::shard::Opening;

use super::secure::Secure;
use super::{Core, Socket};
use crate::net::accept::{Acceptor, Step};
use crate::net::socket::Accepted;

impl Core {
    /// Accepts the connections that wait.
    pub(super) fn accept(&mut self, now: Nanos) -> std::io::Result<()> {
        for _ in 0..Acceptor::per_turn() {
            let Some(acceptor) = &mut self.acceptor else {
                return Ok(());
            };
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
        while let Some(accepted) = self
            .rings
            .handover
            .as_mut()
            .and_then(|ring| ring.pop().ok())
        {
            self.open(now, accepted);
        }
    }

    fn open(&mut self, now: Nanos, accepted: Accepted) {
        let secure = match self.shared.tls() {
            None => None,
            Some(setup) => match Secure::new(setup, now) {
                Ok(secure) => Some(Box::new(secure)),
                Err(failure) => return error!("Cannot begin TLS: {failure}"),
            },
        };
        let has_tls = secure.is_some();
        let mut nonce = [0; 11];
        let flags = rustix::rand::GetRandomFlags::empty();
        if let Err(failure) = rustix::rand::getrandom(&mut nonce, flags) {
            error!("No random bytes for a client's nonce: {failure}");
        }
        let opening = Opening {
            is_over_limit: accepted.is_over_limit,
            nonce,
            ..Opening::client(accepted.client_id, accepted.peer)
        };
        let key = self.shard.open(now, opening);
        if let Err(failure) = self.poller.add_socket(&accepted.fd, key.to_bits()) {
            error!("Cannot wait for a client's socket: {failure}");
            self.shard.on_hangup(now, key, CloseReason::ReadError);
        }
        let slot = key.index as usize;
        if self.sockets.len() <= slot {
            self.sockets.resize_with(slot + 1, || None);
        }
        assert!(self.sockets[slot].is_none(), "a slot has one socket");
        self.sockets[slot] = Some(Socket {
            fd: accepted.fd,
            key,
            is_readable: false,
            is_queued: false,
            is_ending: false,
            secure,
        });
        if has_tls {
            self.note_handshake(key);
        }
    }
}
