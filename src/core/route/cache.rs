//! The receivers of recently published subjects.
//!
//! Matching a subject against all patterns costs up to a microsecond; a
//! publisher repeats its subjects. So the result of a match, a [`Route`], is
//! kept per subject and found by one probe, or without one by the publisher
//! that used it last. A route also holds the subject in the form in which every
//! delivery begins, so that fan-out copies instead of formatting.
//!
//! Staleness is a number: a change of interest in a literal pattern marks the
//! one route of that subject, any other change makes all routes stale at once
//! by raising the generation. A stale route is matched anew where it stands.
//!
//! A subject that is always mapped to the same other one has two routes: its
//! own, for messages that are not mapped (those of other cores have been), and
//! a detour, which is found by the one subject and holds the receivers of the
//! other. So a publisher whose last route was a detour pays nothing for it.
//!
//! Bounds: number of routes and sum of their receivers. At the first, routes
//! are replaced in turn; at the second, all are forgotten.

use std::ops::Range;

use ahash::RandomState;
use hashbrown::HashTable;

use super::rules::Mapped;
use crate::base::core_set::CoreSet;
use crate::base::id::CoreId;
use crate::base::limits::{ROUTE_CACHE_MAX, ROUTE_CACHE_TARGETS_MAX};
use crate::base::short;

/// What every delivery begins with; MSG is the same without its first byte.
const VERB: &[u8] = b"HMSG ";

/// The generation of a route that must be matched anew.
const STALE: u64 = 0;

/// One subscription of this core as a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Slot of the connection.
    pub connection: u32,
    /// Slot of the subscription.
    pub subscription: u32,
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
    generation: u64,
    /// Hash of the subject that it is found by: it spares looking at that.
    hash: u64,
    /// What every delivery begins with, and the subject that it is found by if
    /// that is another one.
    text: Vec<u8>,
    /// Where in it the head ends.
    head_end: usize,
    /// Where in it the subject is that it is found by.
    key: Range<usize>,
    /// Subscriptions of this core without a queue group.
    pub plain: Vec<Target>,
    /// Cores with subscriptions without a queue group.
    pub remote: CoreSet,
    /// Queue groups; groups of the same name are one, whatever their patterns.
    pub queues: Vec<QueueRoute>,
    /// Where messages go instead, if the subject is mapped.
    pub mapped: Option<Box<Mapped>>,
    /// The last set of rights that was seen to allow to publish to the subject.
    allowed: Option<u16>,
    /// For every set of rights, whether it does, as far as that was asked.
    verdicts: Vec<Verdict>,
}

/// Whether a set of rights allows to publish to the subject of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Verdict {
    #[default]
    Unknown,
    Allowed,
    Denied,
}

impl Route {
    fn reset(&mut self, from: Option<&[u8]>, subject: &[u8], hash: u64) {
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
        self.allowed = None;
        self.verdicts.clear();
        self.forget_receivers();
    }

    #[inline]
    fn is_of(&self, key: &[u8], hash: u64) -> bool {
        self.hash == hash && short::equal(self.key(), key)
    }

    /// The subject that it is found by.
    #[inline]
    fn key(&self) -> &[u8] {
        self.text.get(self.key.clone()).unwrap_or_default()
    }

    /// Whether it is for messages whose subject is always mapped to its own.
    #[must_use]
    #[inline]
    pub fn is_detour(&self) -> bool {
        self.key.start == self.head_end
    }

    fn forget_receivers(&mut self) {
        self.plain.clear();
        self.remote = CoreSet::EMPTY;
        self.queues.clear();
        self.mapped = None;
    }

    /// Whether a set of rights allows to publish to the subject; `decide` is
    /// asked once.
    #[inline]
    pub fn permits(&mut self, rights: u16, decide: impl FnOnce(&[u8]) -> bool) -> bool {
        self.allowed == Some(rights) || self.judge(rights, decide)
    }

    #[inline(never)]
    fn judge(&mut self, rights: u16, decide: impl FnOnce(&[u8]) -> bool) -> bool {
        let at = usize::from(rights);
        if self.verdicts.len() <= at {
            self.verdicts.resize(at + 1, Verdict::Unknown);
        }
        if self.verdicts[at] == Verdict::Unknown {
            self.verdicts[at] = match decide(self.subject()) {
                true => Verdict::Allowed,
                false => Verdict::Denied,
            };
        }
        let is_allowed = self.verdicts[at] == Verdict::Allowed;
        if is_allowed {
            self.allowed = Some(rights);
        }
        is_allowed
    }

    /// The subject of the route.
    #[must_use]
    #[inline]
    pub fn subject(&self) -> &[u8] {
        self.text
            .get(VERB.len()..self.head_end.wrapping_sub(1))
            .unwrap_or_default()
    }

    /// `HMSG subject `, or `MSG subject ` for a message without headers.
    #[must_use]
    #[inline]
    pub fn head(&self, with_header: bool) -> &[u8] {
        &self.text[usize::from(!with_header)..self.head_end]
    }

    /// Whether nobody is reached.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.remote.is_empty() && self.queues.is_empty()
    }

    fn weight(&self) -> usize {
        let queues: usize = self.queues.iter().map(|queue| 4 + queue.local.len()).sum();
        self.plain.len() + queues + self.text.len() / size_of::<Target>()
    }
}

/// Routes by subject.
#[derive(Debug)]
pub struct RouteCache {
    routes: Vec<Route>,
    table: HashTable<u32>,
    hasher: RandomState,
    generation: u64,
    /// Detours, by the hash of where they lead.
    detours: HashTable<u32>,
    /// Next route to be replaced when there are as many as allowed.
    victim: u32,
    weight: usize,
}

/// Where a route stands, and whether it has to be matched first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// Ready for use.
    Current(u32),
    /// Empty: to be filled with the receivers, then passed to
    /// [`RouteCache::filled`].
    Unmatched(u32),
}

impl RouteCache {
    /// An empty cache whose hash function follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            routes: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::with_seeds(seed, 5, 6, 7),
            generation: STALE + 1,
            detours: HashTable::new(),
            victim: 0,
            weight: 0,
        }
    }

    /// Finds the route of a subject; `hint` is where the same publisher found
    /// its last one.
    #[inline]
    pub fn find(&mut self, subject: &[u8], hint: u32) -> Lookup {
        if self.is_current(hint, subject) {
            return Lookup::Current(hint);
        }
        let hash = self.hasher.hash_one(subject);
        self.look_up(None, subject, hash)
    }

    /// Finds the detour from a subject to the one that it is always mapped to.
    pub fn find_detour(&mut self, from: &[u8], to: &[u8]) -> Lookup {
        let hash = !self.hasher.hash_one(from);
        self.look_up(Some(from), to, hash)
    }

    fn look_up(&mut self, from: Option<&[u8]>, subject: &[u8], hash: u64) -> Lookup {
        let key = from.unwrap_or(subject);
        let routes = &self.routes;
        let known = self
            .table
            .find(hash, |&at| routes[at as usize].is_of(key, hash));
        match known {
            Some(&at) if self.routes[at as usize].generation == self.generation => {
                Lookup::Current(at)
            }
            Some(&at) => {
                let route = &mut self.routes[at as usize];
                self.weight -= route.weight();
                route.forget_receivers();
                Lookup::Unmatched(at)
            }
            None => Lookup::Unmatched(self.add(from, subject, hash)),
        }
    }

    /// The route at a place that [`Self::find`] returned.
    #[must_use]
    #[inline]
    pub fn get(&self, at: u32) -> &Route {
        &self.routes[at as usize]
    }

    /// The route to be filled.
    pub fn get_mut(&mut self, at: u32) -> &mut Route {
        &mut self.routes[at as usize]
    }

    /// The route at a place, if there still is one.
    pub fn find_mut(&mut self, at: u32) -> Option<&mut Route> {
        self.routes.get_mut(at as usize)
    }

    /// Notes that a route holds all its receivers; returns where it stands.
    pub fn filled(&mut self, at: u32) -> u32 {
        self.routes[at as usize].generation = self.generation;
        self.weight += self.routes[at as usize].weight();
        if self.weight <= ROUTE_CACHE_TARGETS_MAX || self.routes.len() == 1 {
            return at;
        }
        let route = self.routes.swap_remove(at as usize);
        self.clear();
        self.weight = route.weight();
        self.routes.push(route);
        self.enter(0);
        0
    }

    /// Makes the route of one subject stale.
    pub fn invalidate(&mut self, subject: &[u8]) {
        let hash = self.hasher.hash_one(subject);
        let routes = &self.routes;
        if let Some(&at) = self
            .table
            .find(hash, |&at| routes[at as usize].is_of(subject, hash))
        {
            self.routes[at as usize].generation = STALE;
        }
        // Perhaps some that lead elsewhere, which does no harm.
        for &at in self.detours.iter_hash(hash) {
            self.routes[at as usize].generation = STALE;
        }
    }

    /// Whether the route at a place is a current one of a subject: its own, or a
    /// detour from it.
    #[inline]
    pub fn is_current(&self, at: u32, subject: &[u8]) -> bool {
        self.routes.get(at as usize).is_some_and(|route| {
            route.generation == self.generation && short::equal(route.key(), subject)
        })
    }

    /// Whether the route at a place is the current detour from a subject.
    #[inline]
    pub fn is_detour_from(&self, at: u32, subject: &[u8]) -> bool {
        self.is_current(at, subject) && self.routes[at as usize].is_detour()
    }

    /// Forgets all routes, and so what rights and mappings made of them.
    pub fn clear(&mut self) {
        self.routes.clear();
        self.table.clear();
        self.detours.clear();
        self.victim = 0;
        self.weight = 0;
    }

    /// Makes all routes stale.
    pub fn invalidate_all(&mut self) {
        self.generation += 1;
    }

    fn add(&mut self, from: Option<&[u8]>, subject: &[u8], hash: u64) -> u32 {
        let at = if self.routes.len() < ROUTE_CACHE_MAX {
            self.routes.push(Route::default());
            (self.routes.len() - 1) as u32
        } else {
            self.take_victim()
        };
        self.routes[at as usize].reset(from, subject, hash);
        self.enter(at);
        at
    }

    /// Enters a route into the tables.
    fn enter(&mut self, at: u32) {
        let (routes, hasher) = (&self.routes, &self.hasher);
        let route = &routes[at as usize];
        self.table
            .insert_unique(route.hash, at, |&other| routes[other as usize].hash);
        if route.is_detour() {
            let hash = |at: u32| hasher.hash_one(routes[at as usize].subject());
            self.detours
                .insert_unique(hash(at), at, |&other| hash(other));
        }
    }

    fn take_victim(&mut self) -> u32 {
        let at = self.victim;
        self.victim = (at + 1) % self.routes.len() as u32;
        let route = &self.routes[at as usize];
        self.weight -= route.weight();
        self.table
            .find_entry(route.hash, |&other| other == at)
            .expect("every route is in the table")
            .remove();
        if route.is_detour() {
            let hash = self.hasher.hash_one(route.subject());
            self.detours
                .find_entry(hash, |&other| other == at)
                .expect("every detour is in the table")
                .remove();
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::NONE;

    fn fill(cache: &mut RouteCache, subject: &[u8], targets: u32) -> u32 {
        let Lookup::Unmatched(at) = cache.find(subject, 0) else {
            panic!("{subject:?} is matched already");
        };
        let target = |subscription| Target {
            connection: 1,
            subscription,
        };
        cache.get_mut(at).plain.extend((0..targets).map(target));
        cache.filled(at)
    }

    #[test]
    fn remembers_until_invalidated() {
        let mut cache = RouteCache::new(1);
        let a = fill(&mut cache, b"a", 1);
        let b = fill(&mut cache, b"b", 2);
        assert_eq!(cache.find(b"a", b), Lookup::Current(a));
        assert_eq!(cache.find(b"b", b), Lookup::Current(b));
        assert_eq!(cache.get(a).head(true), b"HMSG a ");
        assert_eq!(cache.get(a).head(false), b"MSG a ");
        cache.invalidate(b"a");
        assert_eq!(cache.find(b"a", a), Lookup::Unmatched(a));
        assert!(cache.get(a).is_empty());
        cache.filled(a);
        cache.invalidate_all();
        assert_eq!(cache.find(b"b", b), Lookup::Unmatched(b));
    }

    #[test]
    fn a_detour_is_found_by_one_subject_and_ends_with_the_other() {
        let mut cache = RouteCache::new(1);
        let own = fill(&mut cache, b"from", 1);
        let Lookup::Unmatched(detour) = cache.find_detour(b"from", b"to") else {
            panic!("it was never asked for");
        };
        assert!(cache.get(detour).is_detour() && !cache.get(own).is_detour());
        assert_eq!(cache.get(detour).subject(), b"to");
        assert_eq!(cache.get(detour).head(true), b"HMSG to ");
        cache.filled(detour);
        assert_eq!(cache.find(b"from", detour), Lookup::Current(detour));
        assert_eq!(cache.find(b"from", NONE), Lookup::Current(own));
        let known = cache.find_detour(b"from", b"to");
        assert_eq!(known, Lookup::Current(detour));
        let end = fill(&mut cache, b"to", 1);
        assert_ne!(end, detour);
        cache.invalidate(b"from");
        assert!(!cache.is_current(own, b"from") && cache.is_current(detour, b"from"));
        cache.invalidate(b"to");
        assert!(!cache.is_current(end, b"to") && !cache.is_current(detour, b"from"));
        let known = cache.find_detour(b"from", b"to");
        assert_eq!(known, Lookup::Unmatched(detour));
    }

    #[test]
    fn number_of_routes_is_bounded() {
        let mut cache = RouteCache::new(1);
        for number in 0..ROUTE_CACHE_MAX + 100 {
            let subject = format!("s.{number}");
            if number % 2 == 0 {
                fill(&mut cache, subject.as_bytes(), 0);
            } else if let Lookup::Unmatched(at) = cache.find_detour(subject.as_bytes(), b"to") {
                cache.filled(at);
            }
        }
        assert_eq!(cache.routes.len(), ROUTE_CACHE_MAX);
        assert_eq!(cache.table.len(), ROUTE_CACHE_MAX);
        assert_eq!(cache.detours.len(), ROUTE_CACHE_MAX / 2);
        let weight: usize = cache.routes.iter().map(Route::weight).sum();
        assert_eq!(cache.weight, weight);
    }

    #[test]
    fn number_of_receivers_is_bounded() {
        let mut cache = RouteCache::new(1);
        let half = (ROUTE_CACHE_TARGETS_MAX / 2) as u32;
        fill(&mut cache, b"a", half);
        fill(&mut cache, b"b", half);
        let last = fill(&mut cache, b"c", half);
        assert_eq!(cache.routes.len(), 1);
        assert_eq!(cache.find(b"c", last), Lookup::Current(last));
        assert!(matches!(cache.find(b"a", last), Lookup::Unmatched(_)));
    }
}
