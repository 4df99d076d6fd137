//! Which routes leave the cache, and when: a hand goes round the places and
//! spares a route once for every time that it was looked up.

use super::{ASKED, FIRST, RouteCache, SCRATCH};
use crate::base::limits::{ROUTE_EVICTION_BYTES_PER_STEP, ROUTE_EVICTION_STEPS_MIN};
use crate::base::slot_table::SlotTable;
use crate::base::width;
use crate::route::receivers::Route;

/// What the scratch may keep while the budget is used up.
const SCRATCH_BYTES_KEPT: usize = 4096;

/// Places below which a sparse cache is not made smaller.
const PLACES_KEPT: usize = 64;

/// Which routes are taken out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eviction {
    /// Those that nobody has looked up since the last time.
    Unused,
    /// Those that would have to be matched anew.
    Stale,
    /// All.
    Any,
}

impl RouteCache {
    /// Goes on from a place, over some places, taking routes out; where to go
    /// on next time, or `None` at the end.
    pub fn sweep(&mut self, from: u32, places_max: u32, eviction: Eviction) -> Option<u32> {
        let end = width::short(self.routes.len());
        let to = end.min(from.saturating_add(places_max));
        for at in from..to {
            self.visit(at, eviction);
        }
        if to < end {
            return Some(to);
        }
        self.compact();
        None
    }

    /// A place for one more route; the scratch if other accounts have used the
    /// budget up, so that there is nothing to be replaced.
    pub(super) fn room(&mut self) -> u32 {
        let places = self.routes.len();
        let grows = places == self.routes.capacity() && self.vacant.is_empty();
        // Half of a doubled table might stand empty, and be charged.
        let growth = if grows { places / 4 + 1 } else { 0 };
        let growth_bytes = growth * size_of::<Route>();
        if self.budget.left() <= growth_bytes {
            self.drop_large_scratch();
            self.pay(0, SCRATCH, growth_bytes);
            if self.budget.is_full() && self.table.is_empty() {
                return SCRATCH;
            }
        }
        if let Some(at) = self.vacant.pop() {
            return at;
        }
        if grows {
            self.routes.reserve_exact(growth);
        }
        self.routes.push(Route::default());
        width::short(places)
    }

    /// The scratch pays with what it has itself.
    fn drop_large_scratch(&mut self) {
        for at in [SCRATCH, ASKED] {
            let scratch = &mut self.routes[at as usize];
            if scratch.charged > SCRATCH_BYTES_KEPT {
                let scratch = std::mem::take(scratch);
                self.charge(scratch.charged, 0);
            }
        }
    }

    /// Takes routes out, until so much of the budget is left, for one that has
    /// grown by so many bytes: as many steps of the hand as that is worth, the
    /// last few without mercy.
    #[cold]
    pub(super) fn pay(&mut self, bytes: usize, keep: u32, left: usize) {
        let mut steps = ROUTE_EVICTION_STEPS_MIN + bytes / ROUTE_EVICTION_BYTES_PER_STEP;
        let mut places = self.routes.len();
        while self.budget.left() <= left && steps > 0 && places > 0 {
            places -= 1;
            self.hand = (self.hand + 1) % width::short(self.routes.len());
            if self.hand == keep || self.routes[self.hand as usize].is_vacant() {
                continue;
            }
            steps -= 1;
            let eviction = match steps < ROUTE_EVICTION_STEPS_MIN / 2 {
                true => Eviction::Any,
                false => Eviction::Unused,
            };
            self.visit(self.hand, eviction);
        }
    }

    fn visit(&mut self, at: u32, eviction: Eviction) {
        let route = &mut self.routes[at as usize];
        let is_meant = match eviction {
            Eviction::Unused => !std::mem::take(&mut route.is_used),
            Eviction::Stale => route.generation != self.generation && route.loan == 0,
            Eviction::Any => true,
        };
        if !is_meant || route.is_vacant() {
            return;
        }
        if at >= FIRST {
            return self.evict(at);
        }
        // It may have a hint to it and just be in use.
        if eviction == Eviction::Stale {
            let scratch = std::mem::take(route);
            self.charge(scratch.charged, 0);
        }
    }

    pub(super) fn evict(&mut self, at: u32) {
        let (routes, hasher) = (&self.routes, &self.hasher);
        let hash = routes[at as usize].hash;
        self.table
            .remove(hash, at, |other| routes[other as usize].hash);
        if routes[at as usize].is_detour() {
            let hash = |at: u32| hasher.hash_one(routes[at as usize].subject());
            self.detours.remove(hash(at), at, hash);
        }
        let route = std::mem::take(&mut self.routes[at as usize]);
        self.vacant.push(at);
        self.charge(route.charged, 0);
    }

    /// Moves routes together if fewer than half of the places have one, and
    /// gives back what that leaves. Places that somebody remembers are hints.
    fn compact(&mut self) {
        if self.routes.len() < PLACES_KEPT || self.vacant.len() < self.routes.len() / 2 {
            return;
        }
        let mut at = 0;
        self.routes.retain(|route| {
            at += 1;
            at <= FIRST || !route.is_vacant()
        });
        self.routes.shrink_to_fit();
        self.vacant = Vec::new();
        self.table = SlotTable::default();
        self.detours = SlotTable::default();
        for at in FIRST..width::short(self.routes.len()) {
            self.enter(at);
        }
        self.hand = SCRATCH;
        self.charge_tables();
    }
}
