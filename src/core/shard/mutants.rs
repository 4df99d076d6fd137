//! Deliberate faults and read-only views for the simulation. Compiled with the
//! feature `mutants` only, which the server does not enable.
//!
//! A checker that has never caught anything proves nothing: so the simulation
//! breaks the core on purpose, in ways that a refactoring might, and demands
//! that each is noticed.

use super::Shard;
use super::frame::Frame;
use super::mesh::MeshBatch;
use crate::base::id::{AccountId, ConnectionKey, CoreId};
use crate::session::connection::{Hold, Revision};

/// A fault inside the core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// Interest reaches the cores one after the other, with the messages.
    AnnounceLate,
    /// PING is answered before the other cores have confirmed the interest.
    SkipBarrier,
    /// A message for a queue group goes to a member here and one elsewhere.
    QueueTwice,
    /// Clients without headers get them all the same.
    KeepHeaders,
    /// A subscription ends one message too late.
    UnsubscribeLate,
    /// A message from another core is delivered in the wrong account.
    ForgetAccount,
    /// Routes of before a reload stay, with what rights made of them.
    KeepRoutes,
    /// Members of queue groups get what they may not.
    HearInQueues,
    /// A connection that waits for something else is not revised.
    SkipHeld,
    /// A message from another core is mapped once more.
    MapTwice,
    /// Leave to answer does not expire.
    AnswerForEver,
    /// A connection that a reload ends stays counted in its account.
    KeepCounting,
    /// The answer to an older password check counts too.
    TakeOldCheck,
    /// Whoever waits for a password check is forgotten in a reload.
    ForgetCheck,
    /// Subscriptions that are not allowed any more are not ended.
    KeepSubscriptions,
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

    /// A message from another core, as it is delivered.
    pub(super) fn spoilt_frame<'a>(&self, mut frame: Frame<'a>) -> Frame<'a> {
        if self.is_mutant(Mutant::ForgetAccount) {
            frame.message.account = AccountId::GLOBAL;
        }
        frame
    }

    /// The route by which a message from another core is delivered.
    pub(super) fn spoilt_route(&mut self, account: AccountId, at: u32) -> u32 {
        let is_twice = self.is_mutant(Mutant::MapTwice);
        let (interest, rng) = (&mut self.interests[account], &mut self.rng);
        match is_twice {
            true => interest
                .redirect(at, |below| rng.below(below))
                .unwrap_or(at),
            false => at,
        }
    }

    /// What a reload has left to be done about a connection.
    pub(super) fn spoilt_revision(&mut self, index: u32, revision: Revision) -> Revision {
        let connection = &mut self.connections[index];
        match (self.mutant, revision) {
            (Some(Mutant::SkipHeld), _) if connection.hold != Hold::None => Revision::None,
            (Some(Mutant::KeepSubscriptions), Revision::Subscriptions) => Revision::None,
            (Some(Mutant::KeepCounting), Revision::Moved) => {
                connection.usage = None;
                revision
            }
            _ => revision,
        }
    }

    /// Bytes that wait for a connection's socket.
    #[must_use]
    pub fn pending_bytes(&self, key: ConnectionKey) -> u64 {
        self.connections
            .find(key)
            .map_or(0, |index| self.connections[index].outbox.pending_bytes())
    }

    /// Bytes that have been read from a connection and not executed yet.
    #[must_use]
    pub fn input_bytes(&self, key: ConnectionKey) -> usize {
        self.connections.find(key).map_or(0, |index| {
            let connection = &self.connections[index];
            let large = connection
                .large
                .as_ref()
                .map_or(0, |large| large.arrived().len());
            connection.input.len() + large
        })
    }

    /// Messages that a connection was ever given.
    #[must_use]
    pub fn delivered_messages(&self, key: ConnectionKey) -> u64 {
        self.connections
            .find(key)
            .map_or(0, |index| self.connections[index].traffic.out_messages)
    }

    /// Whether the shard has decided to close a connection.
    #[must_use]
    pub fn is_closing(&self, key: ConnectionKey) -> bool {
        self.connections
            .find(key)
            .is_some_and(|index| self.connections[index].closing.is_some())
    }

    /// Whether the last settings have not reached a connection yet.
    #[must_use]
    pub fn is_under_revision(&self, key: ConnectionKey) -> bool {
        self.connections
            .find(key)
            .is_some_and(|index| self.connections[index].revision != Revision::None)
    }

    /// Why a connection's input waits, in words.
    #[must_use]
    pub fn hold_text(&self, key: ConnectionKey) -> String {
        self.connections.find(key).map_or("gone".into(), |index| {
            let connection = &self.connections[index];
            match connection.candidate {
                Some(_) => "a password check".into(),
                None if connection.revision != Revision::None => "a revision".into(),
                None => format!("{:?}", connection.hold),
            }
        })
    }

    /// Bytes on their way to a core, those not yet given to the shell included.
    #[must_use]
    pub fn link_bytes(&self, to: CoreId) -> usize {
        self.mesh.links[to.index()].bytes_under_way()
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
