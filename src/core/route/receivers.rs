//! What a match of a subject finds: a [`Route`] names everybody whom messages
//! of the subject reach, in the form in which fan-out wants it.
//!
//! Not here: where routes are kept and when they are stale (`cache`), and how
//! they are found (`interest`).

use std::ops::Range;

use super::mapped::Mapped;
use super::verdicts::Verdicts;
use crate::base::core_set::CoreSet;
use crate::base::id::CoreId;
use crate::base::short;
use crate::subject::rights_table::RightsId;

/// What every delivery begins with; MSG is the same without its first byte.
const VERB: &[u8] = b"HMSG ";

/// The generation of a route that must be matched anew.
pub(super) const STALE: u64 = 0;

/// Room for receivers beyond those there are that a route may keep.
const SPARE_TARGETS_MAX: usize = 16;

/// One subscription of this core as a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Slot of the connection.
    pub connection: u32,
    /// Slot of the subscription.
    pub subscription: u32,
}

/// A stream of this core as a receiver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StoreTarget {
    /// Which of the stores of this core has it.
    pub store: u16,
    /// Slot of the stream in that.
    pub stream: u32,
}

/// The members of one queue group that a subject reaches.
#[derive(Clone, Default, Debug)]
pub struct QueueRoute {
    /// Number of the queue's name in the interest.
    pub queue: u32,
    /// Members on this core.
    pub local: Vec<Target>,
    /// Members on other cores, as a number per core.
    pub remote: Vec<(CoreId, u32)>,
    /// Sum of the numbers in `remote`.
    pub remote_members: u32,
}

/// Everybody whom a subject reaches.
#[derive(Clone, Default, Debug)]
pub struct Route {
    pub(super) generation: u64,
    /// Says that it holds what it held when it had this stamp: no two matches on a
    /// core have the same. Zero: it has not been matched, or is stale.
    pub(super) stamp: u64,
    /// Hash of the subject that it is found by: it spares looking at that.
    pub(super) hash: u64,
    /// What every delivery begins with, and the subject that it is found by if
    /// that is another one. Empty: there is no route here.
    text: Vec<u8>,
    /// Where in it the head ends.
    head_end: usize,
    /// Where in it the subject is that it is found by.
    key: Range<usize>,
    /// Subscriptions of this core without a queue group.
    pub plain: Vec<Target>,
    /// Streams of this core.
    pub stores: Vec<StoreTarget>,
    /// Cores with subscriptions without a queue group, or with streams.
    pub remote: CoreSet,
    /// Queue groups by ascending number; groups of the same name are one,
    /// whatever their patterns.
    pub queues: Vec<QueueRoute>,
    /// Where messages go instead, if the subject is mapped.
    pub mapped: Option<Box<Mapped>>,
    verdicts: Verdicts,
    /// What the budget was charged for it.
    pub(super) charged: usize,
    /// Which loan of this route's receivers is awaited back; zero: none.
    pub(super) loan: u64,
    /// Whether it was looked up since the hand of the cache passed.
    pub(super) is_used: bool,
}

impl Route {
    pub(super) fn reset(&mut self, from: Option<&[u8]>, subject: &[u8], hash: u64) {
        self.generation = STALE;
        self.hash = hash;
        self.text.clear();
        self.text.extend_from_slice(VERB);
        self.text.extend_from_slice(subject);
        self.text.push(b' ');
        self.head_end = self.text.len();
        self.key = VERB.len()..self.head_end - 1;
        if let Some(from) = from {
            self.text.extend_from_slice(from);
            self.key = self.head_end..self.text.len();
        }
        self.verdicts.clear();
        self.is_used = false;
        self.forget_receivers();
    }

    /// A route of the same subject without receivers, that awaits them back.
    pub(super) fn stub(&self, loan: u64) -> Self {
        Self {
            hash: self.hash,
            text: self.text.clone(),
            head_end: self.head_end,
            key: self.key.clone(),
            loan,
            is_used: self.is_used,
            ..Self::default()
        }
    }

    pub(super) fn forget_receivers(&mut self) {
        self.plain.clear();
        self.stores.clear();
        self.remote = CoreSet::EMPTY;
        self.queues.clear();
        self.mapped = None;
        self.loan = 0;
        self.stamp = 0;
    }

    /// Its receivers are not those of its subject any more.
    pub(super) fn expire(&mut self) {
        self.generation = STALE;
        self.stamp = 0;
        self.loan = 0;
    }

    /// Whether there is a route at all.
    pub(super) fn is_vacant(&self) -> bool {
        self.text.is_empty()
    }

    #[inline]
    pub(super) fn is_of(&self, key: &[u8], hash: u64) -> bool {
        self.hash == hash && short::equal(self.key(), key)
    }

    /// The subject that it is found by.
    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        self.text.get(self.key.clone()).unwrap_or_default()
    }

    /// Whether it is for messages whose subject is always mapped to its own.
    #[must_use]
    #[inline]
    pub fn is_detour(&self) -> bool {
        self.key.start == self.head_end
    }

    /// Whether a set of rights allows to publish to the subject; `decide` is
    /// asked where that is not remembered.
    #[inline]
    pub fn permits(&mut self, rights: RightsId, decide: impl FnOnce(&[u8]) -> bool) -> bool {
        if self.verdicts.last_allowed() == Some(rights) {
            return true;
        }
        let subject = &self.text[VERB.len()..self.head_end - 1];
        self.verdicts.judge(rights, || decide(subject))
    }

    /// The subject of the route.
    #[must_use]
    #[inline]
    pub fn subject(&self) -> &[u8] {
        self.text
            .get(VERB.len()..self.head_end.wrapping_sub(1))
            .unwrap_or_default()
    }

    /// `HMSG subject `; without its first byte for a message without headers.
    #[must_use]
    #[inline]
    pub fn head(&self) -> &[u8] {
        &self.text[..self.head_end]
    }

    /// Receivers of this core, each queue group as one.
    #[must_use]
    #[inline]
    pub fn receivers(&self) -> usize {
        self.plain.len() + self.queues.len()
    }

    /// Whether it names so many receivers of this core at most, and nobody else.
    #[must_use]
    #[inline]
    pub fn is_local_to(&self, receivers_max: usize) -> bool {
        self.plain.len() <= receivers_max
            && self.queues.is_empty()
            && self.remote.is_empty()
            && self.stores.is_empty()
    }

    /// Whether nobody is reached.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
            && self.remote.is_empty()
            && self.queues.is_empty()
            && self.stores.is_empty()
    }

    /// The members of a queue group, by the number of its name.
    #[must_use]
    pub fn queue(&self, number: u32) -> Option<&QueueRoute> {
        let at = self.queues.binary_search_by_key(&number, |one| one.queue);
        at.ok().map(|at| &self.queues[at])
    }

    /// Gives back room that the last match did not need.
    pub(super) fn shrink(&mut self) {
        if self.plain.capacity() > 2 * self.plain.len() + SPARE_TARGETS_MAX {
            self.plain.shrink_to_fit();
        }
        if self.queues.capacity() > 2 * self.queues.len() + SPARE_TARGETS_MAX {
            self.queues.shrink_to_fit();
        }
        if self.text.capacity() > 2 * self.text.len() + SPARE_TARGETS_MAX {
            self.text.shrink_to_fit();
        }
    }

    /// Memory that hangs on it, whether used or not.
    pub(super) fn bytes(&self) -> usize {
        let mapped = self.mapped.as_ref().map_or(0, |mapped| mapped.bytes());
        let queues: usize = self.queues.iter().map(QueueRoute::bytes).sum();
        self.text.capacity()
            + self.plain.capacity() * size_of::<Target>()
            + self.stores.capacity() * size_of::<StoreTarget>()
            + (self.queues.capacity() - self.queues.len()) * size_of::<QueueRoute>()
            + queues
            + mapped
            + self.verdicts.bytes()
    }
}

impl QueueRoute {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.local.capacity() * size_of::<Target>()
            + self.remote.capacity() * size_of::<(CoreId, u32)>()
    }
}
