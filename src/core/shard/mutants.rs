//! Deliberate faults, for the simulation.
//!
//! The places that can be broken ask [`Shard::is_mutant`]. Without the feature
//! `mutants`, which the server does not enable, that is always false and the
//! compiler leaves nothing of it.
//!
//! A checker that has never caught anything proves nothing: so the simulation
//! breaks the core on purpose, in ways that a refactoring might, and demands
//! that each is noticed.
//!
//! Plain data. Not here: what a fault does, where that takes more than a question
//! (`faults`).
//!
//! [`Shard::is_mutant`]: super::Shard::is_mutant

#[cfg(feature = "mutants")]
use super::link::MeshBatch;

/// Where a shard is broken, if it is.
#[cfg(feature = "mutants")]
#[derive(Clone, Copy)]
pub(super) struct Hook(Option<Mutant>);

/// A shard is whole.
#[cfg(not(feature = "mutants"))]
#[derive(Clone, Copy)]
pub(super) struct Hook;

impl Hook {
    /// Nothing is broken.
    #[cfg(feature = "mutants")]
    pub const WHOLE: Self = Self(None);

    /// Nothing is broken.
    #[cfg(not(feature = "mutants"))]
    pub const WHOLE: Self = Self;

    /// Broken in this way, if in any.
    #[cfg(feature = "mutants")]
    pub fn of(mutant: Option<Mutant>) -> Self {
        Self(mutant)
    }

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
    /// A connection gets a slot whose subscriptions are still being ended.
    EndEarly,
    /// What is left of a batch is delivered from its beginning.
    DeliverTwice,
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
