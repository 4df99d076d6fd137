//! From an accepted connection over a finished upgrade to a client over WebSocket.

use std::sync::Arc;

use tracing::error;
use trunkline_core::base::id::Nanos;
use trunkline_core::session::policy::ConnectionType;
use trunkline_core::shard::Opening;
use trunkline_core::wire::websocket::upgrade::Upgrade;

use super::framed::Framed;
use super::layers::Layers;
use super::opening::with_nonce;
use super::pending_upgrades::{PendingUpgrade, Progress};
use super::secure::{self, HANDSHAKE_NS_MAX, Secure, send_out};
use super::{Core, UPGRADES};
use crate::net::socket::Accepted;
use crate::net::socket::hang_up;
use crate::net::tls::facts;
use crate::net::tls_failure;

impl Core {
    /// Takes in a connection whose upgrade is to come.
    pub(super) fn begin_upgrade(&mut self, now: Nanos, accepted: Accepted) {
        let Some(setup) = self.shared.listening().websocket else {
            return self.forget_connection();
        };
        let session = setup.tls.as_ref().map(secure::session).transpose();
        let session = match session {
            Ok(session) => session,
            Err(failure) => {
                self.forget_connection();
                return error!("Cannot begin TLS: {failure}");
            }
        };
        self.meter.handshakes_under_way += u64::from(session.is_some());
        let pending = PendingUpgrade::new(now, accepted, setup, session);
        let slot = self.pending_upgrades.insert(pending);
        let pending = self.pending_upgrades.get(slot);
        let added = pending.map(|pending| {
            let token = UPGRADES + slot as u64;
            self.poller.add_socket(&pending.accepted.fd, token)
        });
        if let Some(Err(failure)) = added {
            error!("Cannot wait for a client's socket: {failure}");
            self.give_up_upgrade(slot);
        }
    }

    /// Closes a connection that does not become a client.
    fn give_up_upgrade(&mut self, slot: usize) {
        if let Some(mut pending) = self.pending_upgrades.remove(slot) {
            if let Some(session) = &mut pending.session {
                self.meter.end_handshake(!session.is_handshaking());
                session.send_close_notify();
                let _ = send_out(session, &pending.accepted.fd);
            }
            hang_up(&pending.accepted.fd, &mut self.buffer);
            self.forget_connection();
        }
    }

    /// Reads from those that have said something, and gives up those that took
    /// too long.
    pub(super) fn serve_upgrades(&mut self, now: Nanos) {
        for _ in 0..self.pending_upgrades.readable.len() {
            let Some(slot) = self.pending_upgrades.readable.pop_front() else {
                break;
            };
            self.serve_upgrade(slot);
        }
        while let Some(slot) = self.pending_upgrades.next_late(now) {
            self.give_up_upgrade(slot);
        }
    }

    fn serve_upgrade(&mut self, slot: usize) {
        let Some(pending) = self.pending_upgrades.get(slot) else {
            return;
        };
        pending.is_queued = false;
        let is_step = pending.is_in_handshake();
        if is_step && self.handshake_ns >= HANDSHAKE_NS_MAX {
            return self.pending_upgrades.note_ready(slot as u64);
        }
        let begun = is_step.then(|| self.clock.elapsed());
        let progress = pending.read(&mut self.buffer);
        if let Some(begun) = begun {
            self.handshake_ns += (self.clock.elapsed() - begun).as_nanos() as u64;
        }
        match progress {
            Progress::Empty => {}
            // Only an empty socket makes an event later.
            Progress::Waiting => self.pending_upgrades.note_ready(slot as u64),
            Progress::Gone => self.give_up_upgrade(slot),
            Progress::NoTls(failure) => {
                let peer = pending.accepted.peer;
                let reason = tls_failure::describe_io(&failure);
                error!("websocket: TLS handshake error from {peer}: {reason}");
                self.give_up_upgrade(slot);
            }
            Progress::Answered(Err(refusal)) => {
                if !refusal.reason.is_empty() {
                    error!("{} - {}", pending.accepted.peer, refusal.reason);
                }
                pending.answer(&refusal.response);
                self.give_up_upgrade(slot);
            }
            Progress::Answered(Ok(upgrade)) => self.finish_upgrade(slot, upgrade),
        }
    }

    /// Makes a client of it.
    fn finish_upgrade(&mut self, slot: usize, upgrade: Upgrade) {
        let Some(pending) = self.pending_upgrades.get(slot) else {
            return;
        };
        let secured = pending.session.as_ref().zip(pending.setup.tls.as_ref());
        let tls_facts = secured
            .map(|(session, tls)| facts(session, &tls.options, false))
            .transpose();
        let is_answered = pending.answer(&upgrade.response);
        let tls_facts = match tls_facts {
            Ok(tls_facts) if is_answered => tls_facts,
            Ok(_) => return self.give_up_upgrade(slot),
            Err(failure) => {
                error!("websocket: TLS handshake error: {failure}");
                return self.give_up_upgrade(slot);
            }
        };
        let Some(pending) = self.pending_upgrades.remove(slot) else {
            return;
        };
        if pending.session.is_some() {
            self.meter.end_handshake(true);
        }
        let accepted = pending.accepted;
        let framed = Framed::new(&upgrade);
        let opening = Opening {
            is_over_limit: accepted.is_over_limit,
            connection_type: ConnectionType::Websocket,
            presented: upgrade.presented,
            tls: tls_facts.map(Arc::new),
            forwarded_for: upgrade.client_ip,
            ..Opening::client(accepted.client_id, accepted.peer)
        };
        let key = self.shard.open(with_nonce(opening));
        let tls = pending.setup.tls.clone();
        let layers = Layers {
            proxied: None,
            secure: pending
                .session
                .zip(tls)
                .map(|(session, tls)| Secure::opened(session, tls)),
            framed: Some(framed),
        };
        let changed = self.poller.change_socket(&accepted.fd, key.to_bits());
        self.settle_in(key, accepted.fd, layers.boxed(), changed);
    }
}
