//! Looking at the world: its bounds after a turn, its state at rest, and what
//! a trace tells.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use trunkline_core::base::id::CoreId;
use trunkline_core::base::limits::LINK_BYTES_MAX;
use trunkline_core::session::policy::AccountUsage;

use super::{Outcome, World};
use crate::history::Sent;
use crate::model::Seen;
use crate::net::Ending;
use crate::shell::{Consequences, Step};

impl World {
    /// What became of the run.
    pub(super) fn outcome(&self) -> Outcome {
        let conns = &self.history.conns;
        Outcome {
            hash: self.hash.finish(),
            events: self.events,
            messages: self.history.sent.len(),
            deliveries: conns.iter().map(|conn| conn.heard.len()).sum(),
            relayed: self.relayed(),
            closed: (conns.iter())
                .filter(|conn| conn.ended_by_server.is_some() && conn.ended.is_none())
                .count(),
            fullest: (self.fabric.borrow().fullest, self.link_bytes_max),
            policies: self.history.policies.models.len(),
            revoked: self.revoked(),
        }
    }

    /// Notes what a step has done to the connections of a core.
    pub(super) fn observe(
        &mut self,
        number: usize,
        step: Step,
        done: &Consequences,
    ) -> Result<(), String> {
        let core = &self.cores[number];
        // Whoever is cut as a slow consumer leaves room in its account at once.
        let is_news = |(wire, key)| core.shard.is_closing(key) && !self.history.is_doomed(wire);
        let is_quiet = step == Step::Output
            && !done.is_first
            && done.sent.is_empty()
            && !core.open_sockets().any(is_news);
        if is_quiet || step == Step::Bells {
            return Ok(());
        }
        let see = |(wire, key)| Seen {
            conn: wire,
            is_closing: core.shard.is_closing(key),
            executed: self.net.wires[wire].received - core.shard.input_bytes(key) as u64,
            delivered: core.shard.delivered_messages(key),
            is_under_revision: core.shard.is_under_revision(key),
        };
        let seen: Vec<Seen> = core.open_sockets().map(see).collect();
        self.history.observe(number, core.now(), &seen)?;
        match self.reloads.is_busy {
            true => Ok(()),
            false => self.history.check_fullness(number),
        }
    }

    pub(super) fn check_bounds(&mut self, number: usize) -> Result<(), String> {
        let core = &self.cores[number];
        // One message may exceed a bound, and so may the answers to one read.
        let message_max = self.profile.payload_max + 4_096;
        let answers_max = self.profile.buffer_bytes as u64;
        for (wire, key) in core.open_sockets() {
            let pending = core.shard.pending_bytes(key);
            if pending > self.profile.limits.max_pending_bytes + message_max + answers_max {
                return Err(format!(
                    "{pending} bytes wait for connection {wire}, {} are allowed",
                    self.profile.limits.max_pending_bytes
                ));
            }
        }
        for to in 0..self.cores.len() {
            // A message with headers crosses in both forms.
            let bytes = core.shard.link_bytes(CoreId(to as u8));
            self.link_bytes_max = self.link_bytes_max.max(bytes);
            if bytes > LINK_BYTES_MAX + 2 * message_max as usize + (64 << 10) {
                return Err(format!(
                    "{bytes} bytes are on their way from {number} to {to}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn tell_act(&self, client: usize, conn: usize, before: u64) {
        let made = |tick: u64| tick > before;
        self.note(|| format!("client {client} acts on connection {conn}"));
        for sub in self.history.subs.iter().filter(|sub| made(sub.made)) {
            println!("{:>14}{sub:?}", "");
        }
        let unsubscribed = |ended: Option<u64>| ended.is_some_and(made);
        for sub in self
            .history
            .subs
            .iter()
            .filter(|sub| unsubscribed(sub.ended))
        {
            println!("{:>14}unsubscribes {sub:?}", "");
        }
        for (message, sent) in self.history.sent.iter().enumerate() {
            if made(sent.made) {
                println!("{:>14}message {message}: {sent:?}", "");
            }
        }
        if self.history.conns[conn].ended.is_some_and(made) {
            println!("{:>14}leaves: {:?}", "", self.net.wires[conn].ending);
        }
    }

    pub(super) fn relayed(&self) -> usize {
        let spans = |sent: &&Sent| {
            let mut cores: Vec<usize> = (sent.causes.iter())
                .map(|&(conn, _)| self.history.conns[conn].core)
                .collect();
            let (asker, made) = sent.causes[0];
            let is_fresh = sent.deliveries.iter().any(|&sub| {
                let sub = &self.history.subs[sub];
                sub.conn == asker && sub.made + 1 == made
            });
            cores.sort_unstable();
            cores.dedup();
            cores.len() > 2 && is_fresh
        };
        self.history.sent.iter().filter(spans).count()
    }

    /// Nothing happens any more: then nothing must be waiting either.
    pub(super) fn at_rest(&self) -> Result<(), String> {
        let batches = self.fabric.borrow().undelivered();
        if !batches.is_empty() {
            return Err(format!(
                "batches wait for ever: (from, to, number) {batches:?}"
            ));
        }
        for (number, wire) in self.net.wires.iter().enumerate() {
            let conn = &self.history.conns[number];
            let core = &self.cores[wire.core];
            let hold = core
                .key_of(number)
                .map_or("gone".into(), |key| core.shard.hold_text(key));
            if conn.is_alive() && !(wire.outgoing.is_empty() && wire.arrived.is_empty()) {
                return Err(format!(
                    "connection {number} is not read for ever: {} + {} bytes, held: {hold}",
                    wire.arrived.len(),
                    wire.outgoing.len()
                ));
            }
            if conn.is_alive() && hold != "None" {
                return Err(format!("connection {number} is held for ever: {hold}"));
            }
            if wire.ending == Some(Ending::Orderly) && conn.gone.is_none() {
                return Err(format!("connection {number} is over and stays: {hold}"));
            }
        }
        Ok(())
    }

    pub(super) fn revoked(&self) -> usize {
        let subs = self.history.subs.iter();
        subs.filter(|sub| sub.removed.is_some() && sub.ended.is_none())
            .count()
    }

    /// Everybody has left: then nothing of them must be left.
    pub(super) fn nothing_is_left(&self) -> Result<(), String> {
        for core in &self.cores {
            let shard = &core.shard;
            let left = (shard.connection_count(), shard.subscription_count());
            if left != (0, 0) {
                let open: Vec<usize> = core.open_sockets().map(|(wire, _)| wire).collect();
                return Err(format!(
                    "core {} has {left:?} connections and subscriptions left: {open:?}",
                    core.id
                ));
            }
            shard.check_invariants();
        }
        let counted = |usage: &Arc<AccountUsage>| usage.connections.load(Ordering::Relaxed);
        let counts: Vec<u64> = self.usages.iter().map(counted).collect();
        match counts.iter().all(|&count| count == 0) {
            true => Ok(()),
            false => Err(format!(
                "connections of accounts that have left: {counts:?}"
            )),
        }
    }
}
