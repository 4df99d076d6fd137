//! Deliberate faults and read-only views for the simulation.
//!
//! The places that can be broken ask [`Shard::is_mutant`]. Without the feature
//! `mutants`, which the server does not enable, that is always false and the
//! compiler leaves nothing of it.
//!
//! A checker that has never caught anything proves nothing: so the simulation
//! breaks the core on purpose, in ways that a refactoring might, and demands
//! that each is noticed.

use super::Shard;
use super::frame::Frame;
#[cfg(feature = "mutants")]
use super::mesh::MeshBatch;
use crate::base::id::AccountId;
#[cfg(feature = "mutants")]
use crate::base::id::{ConnectionKey, CoreId};
use crate::session::connection::{Hold, Revision};

/// Where a shard is broken, if it is.
#[cfg(feature = "mutants")]
#[derive(Clone, Copy, Default)]
pub(super) struct Hook(Option<Mutant>);

/// A shard is whole.
#[cfg(not(feature = "mutants"))]
#[derive(Clone, Copy, Default)]
pub(super) struct Hook;

impl Hook {
    /// Whether this is broken.
    #[cfg(feature = "mutants")]
    #[inline(always)]
    pub fn is(self, mutant: Mutant) -> bool {
        self.0 == Some(mutant)
    }

    /// Nothing is.
    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    pub fn is(self, _: Mutant) -> bool {
        false
    }
}

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
    /// A connection that has had its share forgets the command that is next.
    LosePaused,
    /// The publisher of a wide fan-out goes on before that is over.
    OvertakeWide,
    /// A wide fan-out leaves the first receiver of a further step out.
    SkipReceiver,
    /// A wide fan-out goes on with subscriptions that have ended.
    DeliverToGone,
    /// Batches return before what they caused has been sent.
    ReturnEarly,
    /// A connection gets a slot whose subscriptions are still being ended.
    EndEarly,
    /// What is left of a batch is delivered from its beginning.
    DeliverTwice,
}

impl Shard {
    /// Whether the shard is broken in this way.
    #[inline(always)]
    pub(super) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant.is(mutant)
    }

    /// A message from another core, as it is delivered.
    #[inline]
    pub(super) fn spoilt_frame<'a>(&self, mut frame: Frame<'a>) -> Frame<'a> {
        if self.is_mutant(Mutant::ForgetAccount) {
            frame.message.account = AccountId::GLOBAL;
        }
        frame
    }

    /// The route of a message that is mapped although it has been mapped already.
    #[cold]
    pub(super) fn map_again(&mut self, account: AccountId, at: u32) -> u32 {
        let (interest, rng) = (&mut self.interests[account], &mut self.rng);
        interest
            .redirect(at, |below| rng.below(below))
            .unwrap_or(at)
    }

    /// What a reload has left to be done about a connection.
    #[inline]
    pub(super) fn spoilt_revision(&mut self, index: u32, revision: Revision) -> Revision {
        let connection = &mut self.connections[index];
        match revision {
            _ if self.mutant.is(Mutant::SkipHeld) && connection.hold != Hold::None => {
                Revision::None
            }
            Revision::Subscriptions if self.mutant.is(Mutant::KeepSubscriptions) => Revision::None,
            Revision::Moved if self.mutant.is(Mutant::KeepCounting) => {
                connection.usage = None;
                revision
            }
            _ => revision,
        }
    }
}

/// What the simulation sees and does.
#[cfg(feature = "mutants")]
impl Shard {
    /// Breaks the shard.
    pub fn set_mutant(&mut self, mutant: Option<Mutant>) {
        self.mutant = Hook(mutant);
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

#[cfg(feature = "mutants")]
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
