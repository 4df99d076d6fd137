//! Deliberate faults and read-only views for the simulation. Compiled with the
//! feature `mutants` only, which the server does not enable.
//!
//! A checker that has never caught anything proves nothing: so the simulation
//! breaks the core on purpose, in ways that a refactoring might, and demands
//! that each is noticed.

use super::Shard;
use super::mesh::MeshBatch;
use crate::base::id::{ConnectionKey, CoreId};

/// A fault inside the core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// PING is answered before the other cores have confirmed the interest.
    SkipBarrier,
    /// A message for a queue group goes to a member here and one elsewhere.
    QueueTwice,
    /// Clients without headers get them all the same.
    KeepHeaders,
    /// A subscription ends one message too late.
    UnsubscribeLate,
}

impl Shard {
    /// Breaks the shard.
    pub fn set_mutant(&mut self, mutant: Option<Mutant>) {
        self.mutant = mutant;
    }

    /// Whether the shard is broken in this way.
    pub(super) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Bytes that wait for a connection's socket.
    #[must_use]
    pub fn pending_bytes(&self, key: ConnectionKey) -> u64 {
        self.connections
            .find(key)
            .map_or(0, |index| self.connections[index].outbox.pending_bytes())
    }

    /// Bytes that the connection's input holds, large messages included.
    #[must_use]
    pub fn input_bytes(&self, key: ConnectionKey) -> usize {
        self.connections.find(key).map_or(0, |index| {
            let connection = &self.connections[index];
            let large = connection.large.as_ref().map_or(0, |large| large.len);
            connection.input.len() + large
        })
    }

    /// Whether the shard has decided to close a connection.
    #[must_use]
    pub fn is_closing(&self, key: ConnectionKey) -> bool {
        self.connections
            .find(key)
            .is_some_and(|index| self.connections[index].closing.is_some())
    }

    /// Why a connection's input waits, in words.
    #[must_use]
    pub fn hold_text(&self, key: ConnectionKey) -> String {
        self.connections.find(key).map_or("gone".into(), |index| {
            format!("{:?}", self.connections[index].hold)
        })
    }

    /// Bytes on their way to a core, those not yet given to the shell included.
    #[must_use]
    pub fn link_bytes(&self, to: CoreId) -> usize {
        self.links[to.index()].bytes_under_way()
    }
}

impl MeshBatch {
    /// Number of bytes of interest and stalls, and of messages.
    #[must_use]
    pub fn part_lens(&self) -> (usize, usize) {
        (self.control.len(), self.data.len())
    }

    /// Loses the messages.
    pub fn forget_messages(&mut self) {
        self.data.clear();
    }

    /// Loses the changes of interest.
    pub fn forget_interest(&mut self) {
        self.control.clear();
    }

    /// Exchanges the messages of two batches.
    pub fn swap_messages(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.data, &mut other.data);
    }
}
