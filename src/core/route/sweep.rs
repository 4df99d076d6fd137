//! Memory of routes given back over all accounts of a core, and routes lent.
//!
//! A cache pays for its own routes only when the budget is used up. Before
//! that, the core goes round all accounts at the end of its turns, some places
//! at a time, and takes the routes out that nobody has looked up since it came
//! by last: so an account that was busy once does not keep what others need.

use super::budget::RouteBudget;
use super::cache::Eviction;
use super::interest::Interest;
use super::receivers::Route;
use crate::base::limits::{ROUTE_SWEEP_PLACES_PER_TURN, ROUTE_TRIM_PLACES_MAX};

/// How far the core has gone round its accounts.
#[derive(Debug, Default)]
pub struct RouteSweep {
    account: usize,
    place: u32,
}

impl RouteSweep {
    /// To be called at the end of every turn.
    #[inline]
    pub fn turn(&mut self, interests: &mut [Interest], budget: &RouteBudget) {
        if budget.is_tight() {
            self.go_on(interests, ROUTE_SWEEP_PLACES_PER_TURN, Eviction::Unused);
        }
    }

    /// To be called before a longer sleep: gives back what would have to be
    /// matched anew anyway, in several calls if there is much.
    pub fn trim(&mut self, interests: &mut [Interest]) {
        self.go_on(interests, ROUTE_TRIM_PLACES_MAX, Eviction::Stale);
    }

    fn go_on(&mut self, interests: &mut [Interest], places: u32, eviction: Eviction) {
        let mut left = places;
        for _ in 0..interests.len() {
            if self.account >= interests.len() {
                self.account = 0;
            }
            let routes = &mut interests[self.account].routes;
            let next = routes.sweep(self.place, left, eviction);
            // An account without routes costs a look, too.
            let end = next.unwrap_or(routes.places());
            left = left.saturating_sub(end.saturating_sub(self.place).max(1));
            self.place = next.unwrap_or(0);
            self.account += usize::from(next.is_none());
            if left == 0 {
                return;
            }
        }
    }
}

impl Interest {
    /// Takes a route out of the cache for a fan-out that is not done in one
    /// turn; look-ups of its subject match anew meanwhile. It has to be put
    /// back, whatever has become of its subject. The names of its queue groups
    /// keep their numbers meanwhile.
    pub fn take_route(&mut self, at: u32) -> Route {
        self.removals.begin();
        let route = self.routes.lend(at);
        for queue in &route.queues {
            self.groups.hold_name(queue.queue);
        }
        route
    }

    /// Puts a route back that was taken out. If it is not current any more, or
    /// its place has been used otherwise, it is dropped.
    pub fn put_back(&mut self, at: u32, route: Route) {
        self.removals.end();
        for queue in &route.queues {
            self.groups.release_name(queue.queue);
        }
        self.routes.put_back(at, route);
    }

    /// To be noted when a route is taken out: see [`Self::is_gone_since`].
    #[must_use]
    pub fn gone_sequence(&self) -> u64 {
        self.removals.sequence()
    }

    /// Whether a subscription of a route that is taken out has ended since a
    /// moment: its slot is free, or another's.
    #[must_use]
    #[inline]
    pub fn is_gone_since(&self, number: u32, sequence: u64) -> bool {
        self.removals.is_gone_since(number, sequence)
    }

    /// Memory of the account's routes, as the budget is charged for it.
    #[must_use]
    pub fn route_bytes(&self) -> usize {
        self.routes.bytes()
    }
}
