//! The interest in one account's subjects: subscriptions of this core, and
//! what the other cores have said of theirs.
//!
//! A pattern is one entry however many subscriptions it has: those of this
//! core hang on it as [`Members`], once without a queue group and once per
//! group (`groups`); other cores are a bit in a set, or a number of members per
//! group. Literal patterns are found by one hash probe, wildcard patterns
//! through the trie.
//!
//! Every change says whether the other cores must hear of it: of a pattern's
//! first and last plain subscription, and of each change in a group's number
//! of members, since members weigh equally wherever they are.
//!
//! No step costs more for how many a client has made of something, except a
//! match: its nodes and receivers are counted as work, and so are changes.

mod matching;
mod stores;

use std::rc::Rc;

use ahash::RandomState;

use super::budget::RouteBudget;
use super::cache::RouteCache;
use super::filter::Filter;
use super::groups::Groups;
use super::lent::Removals;
use super::members::Members;
use super::receivers::{Route, StoreTarget, Target};
use super::rules::Rules;
use super::subscription::Subscription;
use crate::base::core_set::CoreSet;
use crate::base::id::CoreId;
use crate::base::limits::{ROUTE_CACHE_BYTES, TRIMMED_SLOTS_MAX};
use crate::base::short;
use crate::base::slab::{NONE, Slab};
use crate::base::slot_table::SlotTable;
use crate::base::text::Text;
use crate::base::traffic::Traffic;
use crate::base::width;
use crate::subject::pattern::Pattern;
use crate::subject::trie::WildcardTrie;

/// What other cores have to hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Announcement<'a> {
    /// This core's first plain subscription of a pattern came, or its last one
    /// went.
    Plain {
        /// The pattern.
        pattern: &'a [u8],
        /// Whether there is one now.
        present: bool,
    },
    /// The number of this core's members of a queue group changed.
    Queue {
        /// The pattern.
        pattern: &'a [u8],
        /// The name of the group.
        queue: &'a [u8],
        /// Members now.
        members: u32,
    },
}

#[derive(Debug)]
pub(super) struct PatternEntry {
    pub(super) text: Text,
    has_wildcard: bool,
    /// Members without a queue group.
    plain: Members,
    remote: CoreSet,
    /// Streams of this core.
    stores: Option<Box<StoreTargets>>,
    /// The first of its queue groups, or [`NONE`].
    first_group: u32,
}

const _: () = assert!(size_of::<PatternEntry>() == 80);

/// Mostly there are none.
#[derive(Debug, Default)]
struct StoreTargets(Vec<StoreTarget>);

impl PatternEntry {
    fn is_needed(&self) -> bool {
        self.is_wanted_here() || !self.remote.is_empty() || self.first_group != NONE
    }

    /// Whether this core has receivers without a queue group.
    fn is_wanted_here(&self) -> bool {
        !self.plain.is_empty() || self.stores.is_some()
    }
}

/// All interest in the subjects of one account.
#[derive(Debug)]
pub struct Interest {
    pub(super) subscriptions: Slab<Subscription>,
    pub(super) patterns: Slab<PatternEntry>,
    /// All patterns by text, those with wildcards too.
    texts: SlotTable,
    wildcards: WildcardTrie,
    pub(super) groups: Groups,
    /// Subjects and patterns have the same hash, here and in the cache.
    hasher: RandomState,
    pub(super) routes: RouteCache,
    pub(super) rules: Rules,
    /// Subscriptions with a filter.
    filtered: usize,
    pub(super) removals: Removals,
    work: u32,
    /// Messages of the account on this core; what its open connections have
    /// sent is counted with them only.
    pub traffic: Traffic,
    /// Its connections that did not keep up.
    pub slow_consumers: u64,
}

impl Interest {
    /// No interest, with a budget of its own for routes; the hash functions
    /// follow from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_budget(seed, RouteBudget::new(ROUTE_CACHE_BYTES))
    }

    /// No interest; routes are remembered within a budget.
    #[must_use]
    pub fn with_budget(seed: u64, budget: Rc<RouteBudget>) -> Self {
        let hasher = RandomState::with_seeds(seed, 9, 10, 11);
        Self {
            subscriptions: Slab::default(),
            patterns: Slab::default(),
            texts: SlotTable::default(),
            wildcards: WildcardTrie::new(seed),
            groups: Groups::new(hasher.clone()),
            routes: RouteCache::new(hasher.clone(), budget),
            rules: Rules::default(),
            filtered: 0,
            removals: Removals::new(hasher.clone()),
            hasher,
            work: 0,
            traffic: Traffic::default(),
            slow_consumers: 0,
        }
    }

    /// Number of subscriptions of this core.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether this core has no subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// A subscription in use.
    #[must_use]
    pub fn subscription(&self, number: u32) -> &Subscription {
        &self.subscriptions[number]
    }

    /// A subscription in use.
    pub fn subscription_mut(&mut self, number: u32) -> &mut Subscription {
        &mut self.subscriptions[number]
    }

    /// What a subscription hears of its pattern.
    #[must_use]
    pub fn filter(&self, number: u32) -> Filter {
        self.subscriptions[number].filter
    }

    /// Changes what a subscription hears of its pattern; known routes do not follow (see [`Self::forget_routes`]).
    pub fn set_filter(&mut self, number: u32, filter: Filter) {
        let before = std::mem::replace(&mut self.subscriptions[number].filter, filter);
        self.filtered += usize::from(filter != Filter::Everything);
        self.filtered -= usize::from(before != Filter::Everything);
    }

    /// The name of a queue group that a route mentions.
    #[must_use]
    pub fn queue_name(&self, queue: u32) -> &[u8] {
        self.groups.name(queue)
    }

    /// The number of a queue group's name, if the group exists.
    #[must_use]
    pub fn queue_number(&self, name: &[u8]) -> Option<u32> {
        self.groups.number(name)
    }

    /// What was done since this was asked last: nodes of the trie visited,
    /// receivers collected, subscriptions changed.
    #[inline]
    pub fn take_work(&mut self) -> u32 {
        std::mem::take(&mut self.work)
    }

    pub(super) fn charge_work(&mut self, units: usize) {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.work = self.work.saturating_add(units);
    }

    /// Adds a subscription.
    pub fn subscribe(
        &mut self,
        connection: u32,
        pattern: Pattern<'_>,
        queue: Option<&[u8]>,
        sid: &[u8],
        announce: impl FnOnce(Announcement<'_>),
    ) -> u32 {
        let at = self.pattern_or_new(pattern);
        let entry = &mut self.patterns[at];
        let group = queue.map(|name| {
            let first = &mut entry.first_group;
            (self.groups.find_or_add(at, name, first), name)
        });
        let slot = group.map_or(NONE, |(group, _)| group);
        let subscription = Subscription::new(connection, at, slot, sid);
        let number = self.subscriptions.insert(subscription);
        let target = Target {
            connection,
            subscription: number,
        };
        let was_wanted = entry.is_wanted_here();
        let members = match group {
            None => &mut entry.plain,
            Some((group, _)) => &mut self.groups.get_mut(group).local,
        };
        self.subscriptions[number].position = members.push(target);
        let members = members.len();
        match group {
            None if !was_wanted => announce(Announcement::Plain {
                pattern: pattern.text(),
                present: true,
            }),
            None => {}
            Some((_, queue)) => announce(Announcement::Queue {
                pattern: pattern.text(),
                queue,
                members: width::short(members),
            }),
        }
        self.changed(at);
        number
    }

    /// Removes a subscription in use.
    pub fn unsubscribe(
        &mut self,
        number: u32,
        announce: impl FnOnce(Announcement<'_>),
    ) -> Subscription {
        let gone = self.subscriptions.remove(number);
        self.removals.note(number);
        self.filtered -= usize::from(gone.filter != Filter::Everything);
        self.changed(gone.pattern);
        let entry = &mut self.patterns[gone.pattern];
        let members = match gone.group {
            NONE => &mut entry.plain,
            group => &mut self.groups.get_mut(group).local,
        };
        if let Some(moved) = members.remove(gone.position) {
            self.subscriptions[moved.subscription].position = gone.position;
        }
        let members = members.len();
        match gone.group {
            NONE if !entry.is_wanted_here() => announce(Announcement::Plain {
                pattern: &entry.text,
                present: false,
            }),
            NONE => {}
            group => announce(Announcement::Queue {
                pattern: &entry.text,
                queue: self.groups.name_of(group),
                members: width::short(members),
            }),
        }
        self.drop_if_unused(gone.pattern, gone.group);
        gone
    }

    /// Applies what another core has said.
    pub fn apply_announcement(&mut self, core: CoreId, announcement: Announcement<'_>) {
        let (text, arrives) = match announcement {
            Announcement::Plain { pattern, present } => (pattern, present),
            Announcement::Queue {
                pattern, members, ..
            } => (pattern, members > 0),
        };
        let pattern = Pattern::parse(text).expect("cores announce valid patterns only");
        let at = match self.pattern(text) {
            Some(at) => at,
            None if arrives => self.pattern_or_new(pattern),
            None => return,
        };
        let entry = &mut self.patterns[at];
        let mut group = NONE;
        match announcement {
            Announcement::Plain { present: true, .. } => entry.remote.insert(core),
            Announcement::Plain { present: false, .. } => entry.remote.remove(core),
            Announcement::Queue { queue, members, .. } => {
                group = self.groups.find_or_add(at, queue, &mut entry.first_group);
                let remote = &mut self.groups.get_mut(group).remote;
                remote.retain(|&(other, _)| other != core);
                if members > 0 {
                    remote.push((core, members));
                }
            }
        }
        self.changed(at);
        self.drop_if_unused(at, group);
    }

    /// The route at a place, with the subscriptions that it names.
    #[inline]
    pub fn route_parts(&mut self, at: u32) -> (&Route, &mut Slab<Subscription>) {
        (self.routes.get(at), &mut self.subscriptions)
    }

    /// The route at a place.
    #[must_use]
    pub fn route_at(&self, at: u32) -> &Route {
        self.routes.get(at)
    }

    /// The subscriptions, for who delivers along a lent route.
    pub fn subscriptions_mut(&mut self) -> &mut Slab<Subscription> {
        &mut self.subscriptions
    }

    /// Checks what must hold between the tables; for tests and debug builds.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        let (mut listed, mut groups) = (0, 0);
        let mut check = |members: &Members, at: u32, group: u32| {
            listed += members.len();
            for (position, member) in (0u32..).zip(members.as_slice()) {
                let subscription = &self.subscriptions[member.subscription];
                let known = (subscription.pattern, subscription.group);
                assert_eq!(known, (at, group), "a member knows where it is");
                assert_eq!(subscription.position, position, "and at which position");
                assert_eq!(subscription.connection, member.connection);
            }
        };
        for (at, entry) in self.patterns.iter() {
            check(&entry.plain, at, NONE);
            for (number, group) in self.groups.of_pattern(entry.first_group) {
                groups += 1;
                assert_eq!(group.pattern, at, "a group knows its pattern");
                check(&group.local, at, number);
            }
            let is_valid = Pattern::parse(&entry.text).is_some();
            assert!(is_valid, "only valid patterns");
            assert!(entry.is_needed(), "an unused pattern is dropped");
        }
        let subscriptions = self.subscriptions.len();
        assert_eq!(listed, subscriptions, "every subscription is listed");
        assert_eq!(groups, self.groups.counts().0, "every group has a pattern");
        let patterns = self.patterns.len();
        assert_eq!(self.texts.len(), patterns, "every pattern is found");
        let filters = self.subscriptions.iter();
        let filters = filters.filter(|(_, one)| one.filter != Filter::Everything);
        assert_eq!(filters.count(), self.filtered, "filters are counted");
        self.routes.check_invariants();
    }

    /// Makes known routes stale that a change of a pattern's members concerns,
    /// and counts the change as work.
    fn changed(&mut self, at: u32) {
        let entry = &self.patterns[at];
        // A walk to a pattern with wildcards takes a step per token.
        let work = 1 + if entry.has_wildcard {
            entry.text.len() / 8
        } else {
            0
        };
        if entry.has_wildcard {
            self.routes.invalidate_all();
        } else {
            self.routes.invalidate(&entry.text);
        }
        self.charge_work(work);
    }

    fn pattern(&self, text: &[u8]) -> Option<u32> {
        let patterns = &self.patterns;
        self.texts.find(self.hasher.hash_one(text), |&entry| {
            short::equal(&patterns[entry].text, text)
        })
    }

    fn pattern_or_new(&mut self, pattern: Pattern<'_>) -> u32 {
        if let Some(entry) = self.pattern(pattern.text()) {
            return entry;
        }
        let entry = self.patterns.insert(PatternEntry {
            text: Text::new(pattern.text()),
            has_wildcard: pattern.has_wildcard(),
            plain: Members::None,
            remote: CoreSet::EMPTY,
            stores: None,
            first_group: NONE,
        });
        let (patterns, hasher) = (&self.patterns, &self.hasher);
        self.texts
            .insert(hasher.hash_one(pattern.text()), entry, |other| {
                hasher.hash_one(&*patterns[other].text)
            });
        if pattern.has_wildcard() {
            self.wildcards.insert(pattern.text(), entry);
        }
        entry
    }

    /// Drops a group and a pattern that nobody needs any more.
    fn drop_if_unused(&mut self, at: u32, group: u32) {
        let entry = &mut self.patterns[at];
        if group != NONE {
            self.groups.drop_if_unused(group, &mut entry.first_group);
        }
        if entry.is_needed() {
            return;
        }
        if entry.has_wildcard {
            self.wildcards.remove(&entry.text);
        }
        let (patterns, hasher) = (&self.patterns, &self.hasher);
        let hash = |other: u32| hasher.hash_one(&*patterns[other].text);
        self.texts.remove(hash(at), at, hash);
        self.patterns.remove(at);
    }

    /// Gives back what the end of very many subscriptions has left; for an idle
    /// core.
    pub fn trim(&mut self) {
        self.subscriptions.trim(TRIMMED_SLOTS_MAX);
        self.patterns.trim(TRIMMED_SLOTS_MAX);
        self.wildcards.trim(TRIMMED_SLOTS_MAX);
        self.groups.trim(TRIMMED_SLOTS_MAX);
    }

    /// Memory of the tables; that of routes is in their budget.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.subscriptions.bytes()
            + self.patterns.bytes()
            + self.texts.bytes()
            + self.wildcards.bytes()
            + self.groups.bytes()
    }
}

#[cfg(test)]
#[path = "interest_tests.rs"]
mod tests;
