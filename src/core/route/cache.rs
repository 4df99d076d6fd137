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
//! Bounds: number of routes and sum of their receivers. At the first, routes
//! are replaced in turn; at the second, all are forgotten.

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
    /// Hash of the subject: it spares looking at the subject itself.
    hash: u64,
    head: Vec<u8>,
    /// Subscriptions of this core without a queue group.
    pub plain: Vec<Target>,
    /// Cores with subscriptions without a queue group.
    pub remote: CoreSet,
    /// Queue groups; groups of the same name are one, whatever their patterns.
    pub queues: Vec<QueueRoute>,
    /// Where messages go instead, if the subject is mapped.
    pub mapped: Option<Box<Mapped>>,
    /// For every set of rights, whether it allows to publish to the subject, as
    /// far as that was asked.
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
    fn reset(&mut self, subject: &[u8], hash: u64) {
        self.hash = hash;
        self.head.clear();
        self.head.extend_from_slice(VERB);
        self.head.extend_from_slice(subject);
        self.head.push(b' ');
        self.verdicts.clear();
        self.forget_receivers();
    }

    #[inline]
    fn is_of(&self, subject: &[u8], hash: u64) -> bool {
        self.hash == hash && short::equal(self.subject(), subject)
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
        let at = usize::from(rights);
        match self.verdicts.get(at) {
            Some(Verdict::Allowed) => return true,
            Some(Verdict::Denied) => return false,
            _ => {}
        }
        let allowed = decide(self.subject());
        if self.verdicts.len() <= at {
            self.verdicts.resize(at + 1, Verdict::Unknown);
        }
        self.verdicts[at] = if allowed {
            Verdict::Allowed
        } else {
            Verdict::Denied
        };
        allowed
    }

    /// The subject of the route.
    #[must_use]
    #[inline]
    pub fn subject(&self) -> &[u8] {
        self.head
            .get(VERB.len()..self.head.len().wrapping_sub(1))
            .unwrap_or_default()
    }

    /// `HMSG subject `, or `MSG subject ` for a message without headers.
    #[must_use]
    #[inline]
    pub fn head(&self, with_header: bool) -> &[u8] {
        &self.head[usize::from(!with_header)..]
    }

    /// Whether nobody is reached.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.remote.is_empty() && self.queues.is_empty()
    }

    fn weight(&self) -> usize {
        let queues: usize = self.queues.iter().map(|queue| 4 + queue.local.len()).sum();
        self.plain.len() + queues + self.head.len() / size_of::<Target>()
    }
}

/// Routes by subject.
#[derive(Debug)]
pub struct RouteCache {
    routes: Vec<Route>,
    table: HashTable<u32>,
    hasher: RandomState,
    generation: u64,
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
        let routes = &self.routes;
        let known = self
            .table
            .find(hash, |&at| routes[at as usize].is_of(subject, hash));
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
            None => Lookup::Unmatched(self.add(subject, hash)),
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
        self.routes.clear();
        self.table.clear();
        self.victim = 0;
        self.weight = route.weight();
        self.table.insert_unique(route.hash, 0, |_| route.hash);
        self.routes.push(route);
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
    }

    /// Whether the route at a place is the current one of a subject.
    #[inline]
    pub fn is_current(&self, at: u32, subject: &[u8]) -> bool {
        self.routes.get(at as usize).is_some_and(|route| {
            route.generation == self.generation && short::equal(route.subject(), subject)
        })
    }

    /// Forgets all routes, and so what rights and mappings made of them.
    pub fn clear(&mut self) {
        self.routes.clear();
        self.table.clear();
        self.victim = 0;
        self.weight = 0;
    }

    /// Makes all routes stale.
    pub fn invalidate_all(&mut self) {
        self.generation += 1;
    }

    fn add(&mut self, subject: &[u8], hash: u64) -> u32 {
        let at = if self.routes.len() < ROUTE_CACHE_MAX {
            self.routes.push(Route::default());
            (self.routes.len() - 1) as u32
        } else {
            self.take_victim()
        };
        self.routes[at as usize].reset(subject, hash);
        let routes = &self.routes;
        self.table
            .insert_unique(hash, at, |&other| routes[other as usize].hash);
        at
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
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn number_of_routes_is_bounded() {
        let mut cache = RouteCache::new(1);
        for subject in 0..ROUTE_CACHE_MAX + 100 {
            fill(&mut cache, format!("s.{subject}").as_bytes(), 0);
        }
        assert_eq!(cache.routes.len(), ROUTE_CACHE_MAX);
        assert_eq!(cache.table.len(), ROUTE_CACHE_MAX);
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
