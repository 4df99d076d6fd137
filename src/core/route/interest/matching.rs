//! Whom a subject reaches: the route that is remembered, or a match against all
//! patterns.

use super::{Interest, PatternEntry};
use crate::base::short;
use crate::base::slab::NONE;
use crate::route::cache::Lookup;
use crate::route::groups::Groups;
use crate::route::receivers::Route;
use crate::subject::pattern::has_empty_token;

impl Interest {
    /// The route of a message that is mapped no more, matched if need be; `hint`
    /// is the place of the last one.
    #[inline]
    pub fn route(&mut self, subject: &[u8], hint: u32) -> u32 {
        let is_detour = self.routes.is_detour_from(hint, subject);
        self.published_route(subject, if is_detour { NONE } else { hint })
    }

    /// The route of a message that a publisher has just sent: it may say that
    /// the message is mapped (see [`Self::redirect`]), or be a detour. `hint`
    /// is the place of the publisher's last route.
    #[inline]
    pub fn published_route(&mut self, subject: &[u8], hint: u32) -> u32 {
        match self.routes.find(subject, hint) {
            Lookup::Current(at) => at,
            Lookup::Unmatched(at) => {
                self.match_route(subject, at);
                at
            }
        }
    }

    /// The same for a subject that the publisher repeats: `stamp` is that of its
    /// route, and becomes that of the one that is found. Nothing is compared while
    /// both are the last ones.
    #[inline]
    pub fn repeated_route(&mut self, subject: &[u8], hint: u32, stamp: &mut u64) -> u32 {
        if self.routes.is_unchanged(hint, *stamp) {
            return hint;
        }
        let at = self.published_route(subject, hint);
        *stamp = self.routes.stamp(at);
        at
    }

    /// The route of a subject to which nobody publishes now; that of a message
    /// which is on its way stays where it is.
    pub fn asked_route(&mut self, subject: &[u8]) -> &Route {
        let at = match self.routes.find_asked(subject) {
            Lookup::Current(at) => at,
            Lookup::Unmatched(at) => {
                self.match_route(subject, at);
                at
            }
        };
        self.routes.get(at)
    }

    /// Fills the route at a place with everybody whom a subject reaches.
    #[inline(never)]
    pub(in crate::route) fn match_route(&mut self, subject: &[u8], at: u32) {
        let hash = self.routes.subject_hash(at);
        let route = self.routes.get_mut(at);
        let (patterns, groups) = (&self.patterns, &mut self.groups);
        groups.begin_match();
        let mut work = 1;
        let literal = self
            .texts
            .find(hash, |&entry| short::equal(&patterns[entry].text, subject));
        // In a message wildcards are letters: a subject that reads like a
        // pattern is matched by the trie alone.
        if let Some(entry) = literal
            && !patterns[entry].has_wildcard
        {
            work += collect(&patterns[entry], groups, route);
        }
        if !self.wildcards.is_empty() && !has_empty_token(subject) {
            let mut collected = 0;
            let visited = self.wildcards.matches(subject, |entry| {
                collected += collect(&patterns[entry], groups, route);
            });
            work += visited + collected;
        }
        route.queues.sort_unstable_by_key(|queue| queue.queue);
        if self.filtered > 0 {
            let name = |queue: u32| groups.name(queue);
            self.rules.filter(route, &self.subscriptions, name);
        }
        self.rules.map(route);
        self.routes.filled(at);
        self.charge_work(work);
    }
}

/// Adds the receivers of one matching pattern to a route; returns how many
/// that were.
fn collect(entry: &PatternEntry, groups: &mut Groups, route: &mut Route) -> usize {
    let plain = entry.plain.as_slice();
    route.plain.extend_from_slice(plain);
    route.remote = route.remote.union(entry.remote);
    if let Some(stores) = &entry.stores {
        route.stores.extend_from_slice(&stores.0);
    }
    plain.len() + groups.collect(entry.first_group, route)
}
