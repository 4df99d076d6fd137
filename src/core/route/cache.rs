//! The receivers of recently published subjects, of one account.
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
//! A subject enters the cache at its second sight. Before, its route stands at
//! one place that all such subjects share, the scratch: good until the next
//! unknown subject is looked up, found by the publisher that used it last only.
//! Who only asks whom a subject reaches ([`RouteCache::find_asked`]) has another
//! such place and changes nothing else, for the route of the message that is on
//! its way must stay where it is.
//!
//! Bounds: those of the [`RouteBudget`], which counts what routes and tables
//! take, capacities included. At it every route that comes in pays for itself:
//! the hand goes round and takes routes out that were not looked up since it
//! came by last. A route alone may exceed the budget.
//!
//! A route can be lent: a fan-out over thousands of receivers, which is not
//! done in one turn, takes it out and puts it back. What happens meanwhile to
//! its subject happens to the stub that is left in its place, so that a route
//! comes back only if it is what it would be had it stayed.

mod eviction;

use std::rc::Rc;

use ahash::RandomState;

use super::budget::RouteBudget;
use super::receivers::{Route, STALE};
use crate::base::short;
use crate::base::slot_table::SlotTable;
use crate::base::width;

pub use eviction::Eviction;

/// The place of routes of messages that are not remembered.
const SCRATCH: u32 = 0;

/// The place of routes that are only asked for.
const ASKED: u32 = 1;

/// The first place of remembered routes.
const FIRST: u32 = 2;

/// Routes by subject.
#[derive(Debug)]
pub struct RouteCache {
    /// By place; some are vacant.
    routes: Vec<Route>,
    /// Vacant places.
    vacant: Vec<u32>,
    table: SlotTable,
    hasher: RandomState,
    generation: u64,
    /// Detours, by the hash of where they lead.
    detours: SlotTable,
    /// The place that was looked at last for a route to be taken out.
    hand: u32,
    /// Routes that were lent.
    loans: u64,
    budget: Rc<RouteBudget>,
    /// What the budget was charged: for routes, and for the tables.
    charged: usize,
    charged_for_tables: usize,
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
    /// An empty cache.
    #[must_use]
    pub fn new(hasher: RandomState, budget: Rc<RouteBudget>) -> Self {
        let mut cache = Self {
            routes: scratch_places(),
            vacant: Vec::new(),
            table: SlotTable::default(),
            hasher,
            generation: STALE + 1,
            detours: SlotTable::default(),
            hand: SCRATCH,
            loans: 0,
            budget,
            charged: 0,
            charged_for_tables: 0,
        };
        cache.charge_tables();
        cache
    }

    /// Finds the route of a subject; `hint` is where the same publisher found
    /// its last one.
    #[inline(always)]
    pub fn find(&mut self, subject: &[u8], hint: u32) -> Lookup {
        if self.is_current(hint, subject) {
            return Lookup::Current(hint);
        }
        let hash = self.hasher.hash_one(subject);
        self.look_up(None, subject, hash)
    }

    /// Finds the detour from a subject to the one that it is always mapped to.
    pub fn find_detour(&mut self, from: &[u8], to: &[u8]) -> Lookup {
        // Not the hash of the subject's own route, which stands in the same table.
        let hash = !self.hasher.hash_one(from);
        self.look_up(Some(from), to, hash)
    }

    /// Finds the route of a subject that nobody publishes to now; other places
    /// stay as they are.
    pub fn find_asked(&mut self, subject: &[u8]) -> Lookup {
        let hash = self.hasher.hash_one(subject);
        let routes = &self.routes;
        let known = self.table.find(hash, |&at| {
            let route = &routes[at as usize];
            route.generation == self.generation && route.is_of(subject, hash)
        });
        if let Some(at) = known {
            return Lookup::Current(at);
        }
        self.routes[ASKED as usize].reset(None, subject, hash);
        Lookup::Unmatched(ASKED)
    }

    #[inline(never)]
    fn look_up(&mut self, from: Option<&[u8]>, subject: &[u8], hash: u64) -> Lookup {
        let key = from.unwrap_or(subject);
        let routes = &self.routes;
        let known = self
            .table
            .find(hash, |&at| routes[at as usize].is_of(key, hash));
        let Some(at) = known else {
            return Lookup::Unmatched(self.add(from, subject, hash));
        };
        let route = &mut self.routes[at as usize];
        route.is_used = true;
        if route.generation == self.generation {
            return Lookup::Current(at);
        }
        // It is filled where it stands: publishers still find it by their hints.
        route.forget_receivers();
        Lookup::Unmatched(at)
    }

    /// The route at a place that [`Self::find`] returned.
    #[must_use]
    #[inline]
    pub fn get(&self, at: u32) -> &Route {
        &self.routes[at as usize]
    }

    /// The route to be filled.
    #[inline]
    pub fn get_mut(&mut self, at: u32) -> &mut Route {
        &mut self.routes[at as usize]
    }

    /// The route at a place, if there still is one.
    pub fn find_mut(&mut self, at: u32) -> Option<&mut Route> {
        self.routes.get_mut(at as usize)
    }

    /// The hash of the subject of the route at a place.
    pub fn subject_hash(&self, at: u32) -> u64 {
        let route = &self.routes[at as usize];
        match route.is_detour() {
            true => self.hasher.hash_one(route.subject()),
            false => route.hash,
        }
    }

    /// Notes that a route holds all its receivers.
    pub fn filled(&mut self, at: u32) {
        let route = &mut self.routes[at as usize];
        route.generation = self.generation;
        route.stamp = self.budget.next_stamp();
        route.shrink();
        let (from, to) = (route.charged, route.bytes());
        if from != to {
            route.charged = to;
            self.charge(from, to);
        }
        // What is not remembered must not cost others their place.
        if self.budget.is_full() && at >= FIRST {
            self.pay(to.saturating_sub(from), at, 0);
        }
    }

    /// Makes the route of one subject stale.
    pub fn invalidate(&mut self, subject: &[u8]) {
        let hash = self.hasher.hash_one(subject);
        let routes = &self.routes;
        if let Some(at) = self
            .table
            .find(hash, |&at| routes[at as usize].is_of(subject, hash))
        {
            self.routes[at as usize].expire();
        }
        // Perhaps some that lead elsewhere, which does no harm.
        for at in self.detours.iter_hash(hash) {
            self.routes[at as usize].expire();
        }
        // Those are in no table.
        for scratch in &mut self.routes[..FIRST as usize] {
            if scratch.hash == hash || scratch.is_detour() {
                scratch.expire();
            }
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

    /// The stamp of the route at a place, by which [`Self::is_unchanged`] knows it.
    #[inline]
    pub fn stamp(&self, at: u32) -> u64 {
        self.routes[at as usize].stamp
    }

    /// Whether the route with a stamp still is at a place, and current.
    #[inline]
    pub fn is_unchanged(&self, at: u32, stamp: u64) -> bool {
        stamp > 0
            && self
                .routes
                .get(at as usize)
                .is_some_and(|route| route.stamp == stamp && route.generation == self.generation)
    }

    /// Whether the route at a place is the current detour from a subject.
    #[inline]
    pub fn is_detour_from(&self, at: u32, subject: &[u8]) -> bool {
        self.is_current(at, subject) && self.routes[at as usize].is_detour()
    }

    /// Makes all routes stale.
    pub fn invalidate_all(&mut self) {
        self.generation += 1;
    }

    /// Forgets all routes, and so what rights and mappings made of them.
    pub fn clear(&mut self) {
        self.routes = scratch_places();
        self.vacant = Vec::new();
        self.table = SlotTable::default();
        self.detours = SlotTable::default();
        self.hand = SCRATCH;
        self.charge(self.charged, 0);
        self.charged_for_tables = 0;
        self.charge_tables();
    }

    /// Takes a route out that is in use for longer; a look-up of its subject
    /// meanwhile matches anew. It has to be put back.
    pub fn lend(&mut self, at: u32) -> Route {
        self.loans += 1;
        let place = &mut self.routes[at as usize];
        let stub = place.stub(self.loans);
        let mut route = std::mem::replace(place, stub);
        route.loan = self.loans;
        // The budget bears its memory until it is back.
        place.charged = std::mem::take(&mut route.charged);
        route
    }

    /// Puts a route back into its place; it is dropped if its subject was
    /// matched anew, or its receivers or its place have changed.
    pub fn put_back(&mut self, at: u32, mut route: Route) {
        debug_assert!(route.loan > 0, "it was lent");
        let generation = self.generation;
        let Some(place) = self.routes.get_mut(at as usize) else {
            return;
        };
        if place.loan != route.loan || route.generation != generation {
            return;
        }
        let from = place.charged;
        route.loan = 0;
        route.charged = route.bytes();
        let to = route.charged;
        *place = route;
        self.charge(from, to);
    }

    /// Memory of routes and tables, as the budget is charged for it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.charged
    }

    /// Number of places, the vacant ones included.
    #[must_use]
    pub fn places(&self) -> u32 {
        width::short(self.routes.len())
    }

    /// Checks what must hold; for tests and debug builds.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        let used = self.routes.len() - FIRST as usize - self.vacant.len();
        assert_eq!(self.table.len(), used, "every route is in the table");
        let (mut detours, mut charged) = (0, self.charged_for_tables);
        for (at, route) in (0u32..).zip(&self.routes) {
            charged += route.charged;
            if at < FIRST || route.is_vacant() {
                continue;
            }
            let found = self.table.find(route.hash, |&other| other == at);
            assert!(found.is_some(), "every route is found");
            detours += usize::from(route.is_detour());
        }
        assert_eq!(self.detours.len(), detours, "every detour is in its table");
        assert_eq!(self.charged, charged, "every byte is counted");
        assert!(self.budget.bytes() >= charged, "the budget knows of it");
    }

    /// A place for a subject that has no route.
    fn add(&mut self, from: Option<&[u8]>, subject: &[u8], hash: u64) -> u32 {
        let at = match self.budget.is_second_sight(hash) {
            true => self.room(),
            false => SCRATCH,
        };
        self.routes[at as usize].reset(from, subject, hash);
        if at >= FIRST {
            self.enter(at);
            self.charge_tables();
        }
        at
    }

    /// Enters a route into the tables.
    fn enter(&mut self, at: u32) {
        let (routes, hasher) = (&self.routes, &self.hasher);
        let route = &routes[at as usize];
        self.table
            .insert(route.hash, at, |other| routes[other as usize].hash);
        if route.is_detour() {
            let hash = |at: u32| hasher.hash_one(routes[at as usize].subject());
            self.detours.insert(hash(at), at, hash);
        }
    }

    fn charge(&mut self, from: usize, to: usize) {
        self.charged = self.charged - from + to;
        self.budget.recharge(from, to);
    }

    fn charge_tables(&mut self) {
        let to = self.routes.capacity() * size_of::<Route>()
            + self.vacant.capacity() * size_of::<u32>()
            + self.table.bytes()
            + self.detours.bytes();
        let from = std::mem::replace(&mut self.charged_for_tables, to);
        if from != to {
            self.charge(from, to);
        }
    }
}

fn scratch_places() -> Vec<Route> {
    vec![Route::default(); FIRST as usize]
}

impl Drop for RouteCache {
    fn drop(&mut self) {
        self.budget.recharge(self.charged, 0);
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
