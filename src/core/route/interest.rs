//! The interest in one account's subjects: subscriptions of this core, and
//! what the other cores have said of theirs.
//!
//! A pattern is one entry however many subscriptions it has: those of this
//! core hang on it as linked lists through the table of subscriptions, one
//! list without a queue group and one per group; other cores are a bit in a
//! set, or a number of members per group. Literal patterns are found by one
//! hash probe, wildcard patterns through the trie.
//!
//! Every change says whether the other cores must hear of it: of a pattern's
//! first and last plain subscription, and of each change in a group's number
//! of members, since members weigh equally wherever they are.

use ahash::RandomState;
use hashbrown::HashTable;

use super::cache::{Lookup, QueueRoute, Route, RouteCache};
use super::rules::Rules;
use super::subscription::{List, Subscription};
use crate::base::core_set::CoreSet;
use crate::base::id::CoreId;
use crate::base::short;
use crate::base::slab::{NONE, Slab};
use crate::base::text::Text;
use crate::base::traffic::Traffic;
use crate::subject::pattern::{Pattern, has_empty_token};
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
    plain: List,
    remote: CoreSet,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    queue: u32,
    local: List,
    remote: Vec<(CoreId, u32)>,
}

#[derive(Debug)]
struct QueueName {
    text: Text,
    groups: u32,
}

/// All interest in the subjects of one account.
#[derive(Debug)]
pub struct Interest {
    pub(super) subscriptions: Slab<Subscription>,
    pub(super) patterns: Slab<PatternEntry>,
    /// All patterns by text, those with wildcards too.
    texts: HashTable<u32>,
    wildcards: WildcardTrie,
    queue_names: Slab<QueueName>,
    queue_table: HashTable<u32>,
    hasher: RandomState,
    pub(super) routes: RouteCache,
    pub(super) rules: Rules,
    /// Messages of the account on this core; what its open connections have
    /// sent is counted with them only.
    pub traffic: Traffic,
    /// Its connections that did not keep up.
    pub slow_consumers: u64,
}

impl Interest {
    /// No interest; the hash functions follow from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            subscriptions: Slab::default(),
            patterns: Slab::default(),
            texts: HashTable::new(),
            wildcards: WildcardTrie::new(seed),
            queue_names: Slab::default(),
            queue_table: HashTable::new(),
            hasher: RandomState::with_seeds(seed, 9, 10, 11),
            routes: RouteCache::new(seed),
            rules: Rules::default(),
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

    /// The name of a queue group that a route mentions.
    #[must_use]
    pub fn queue_name(&self, queue: u32) -> &[u8] {
        &self.queue_names[queue].text
    }

    /// The number of a queue group's name, if the group exists.
    #[must_use]
    pub fn queue_number(&self, name: &[u8]) -> Option<u32> {
        let names = &self.queue_names;
        self.queue_table
            .find(self.hasher.hash_one(name), |&at| *names[at].text == *name)
            .copied()
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
        let entry = self.pattern_or_new(pattern);
        let number = self
            .subscriptions
            .insert(Subscription::new(connection, entry, sid));
        match queue {
            None => {
                self.patterns[entry]
                    .plain
                    .push(&mut self.subscriptions, number);
                if self.patterns[entry].plain.len == 1 {
                    announce(Announcement::Plain {
                        pattern: pattern.text(),
                        present: true,
                    });
                }
            }
            Some(name) => {
                let (queue, at) = self.group_or_new(entry, name);
                self.subscriptions[number].queue = queue;
                let group = &mut self.patterns[entry].groups[at];
                group.local.push(&mut self.subscriptions, number);
                announce(Announcement::Queue {
                    pattern: pattern.text(),
                    queue: name,
                    members: group.local.len,
                });
            }
        }
        self.invalidate(entry);
        number
    }

    /// Removes a subscription in use.
    pub fn unsubscribe(
        &mut self,
        number: u32,
        announce: impl FnOnce(Announcement<'_>),
    ) -> Subscription {
        let (entry, queue) = {
            let subscription = &self.subscriptions[number];
            (subscription.pattern, subscription.queue)
        };
        self.invalidate(entry);
        let pattern = &mut self.patterns[entry];
        if queue == NONE {
            pattern.plain.unlink(&mut self.subscriptions, number);
            if pattern.plain.len == 0 {
                announce(Announcement::Plain {
                    pattern: &pattern.text,
                    present: false,
                });
            }
        } else {
            let group = pattern
                .groups
                .iter_mut()
                .find(|group| group.queue == queue)
                .expect("the group of a member exists");
            group.local.unlink(&mut self.subscriptions, number);
            announce(Announcement::Queue {
                pattern: &pattern.text,
                queue: &self.queue_names[queue].text,
                members: group.local.len,
            });
        }
        self.drop_if_unused(entry);
        self.subscriptions.remove(number)
    }

    /// Applies what another core has said.
    pub fn hear(&mut self, core: CoreId, announcement: Announcement<'_>) {
        let (text, arrives) = match announcement {
            Announcement::Plain { pattern, present } => (pattern, present),
            Announcement::Queue {
                pattern, members, ..
            } => (pattern, members > 0),
        };
        let pattern = Pattern::parse(text).expect("cores announce valid patterns only");
        let entry = match self.pattern(text) {
            Some(entry) => entry,
            None if arrives => self.pattern_or_new(pattern),
            None => return,
        };
        match announcement {
            Announcement::Plain { present: true, .. } => self.patterns[entry].remote.insert(core),
            Announcement::Plain { present: false, .. } => self.patterns[entry].remote.remove(core),
            Announcement::Queue { queue, members, .. } => {
                let (_, at) = self.group_or_new(entry, queue);
                let remote = &mut self.patterns[entry].groups[at].remote;
                remote.retain(|&(other, _)| other != core);
                if members > 0 {
                    remote.push((core, members));
                }
            }
        }
        self.invalidate(entry);
        self.drop_if_unused(entry);
    }

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
            Lookup::Unmatched(at) => self.match_route(subject, at),
        }
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

    /// Checks what must hold between the tables; for tests and debug builds.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        let mut listed = 0;
        for (entry, pattern) in self.patterns.iter() {
            let locals = pattern.groups.iter().map(|group| group.local);
            for list in locals.chain([pattern.plain]) {
                let mut members = Vec::new();
                list.targets(&self.subscriptions, &mut members);
                assert_eq!(members.len(), list.len as usize, "a list has its length");
                for member in &members {
                    let subscription = &self.subscriptions[member.subscription];
                    assert_eq!(subscription.pattern, entry, "a member knows its pattern");
                }
                listed += members.len();
            }
            assert!(
                Pattern::parse(&pattern.text).is_some(),
                "only valid patterns"
            );
            let is_used =
                pattern.plain.len > 0 || !pattern.remote.is_empty() || !pattern.groups.is_empty();
            assert!(is_used, "an unused pattern is dropped");
        }
        assert_eq!(
            listed,
            self.subscriptions.len(),
            "every subscription is listed"
        );
        assert_eq!(
            self.texts.len(),
            self.patterns.len(),
            "every pattern is found"
        );
    }

    #[cold]
    pub(super) fn match_route(&mut self, subject: &[u8], at: u32) -> u32 {
        let route = self.routes.get_mut(at);
        if !has_empty_token(subject) {
            let (patterns, subscriptions) = (&self.patterns, &self.subscriptions);
            let literal = self.texts.find(self.hasher.hash_one(subject), |&entry| {
                short::equal(&patterns[entry].text, subject)
            });
            // In a message wildcards are letters: a subject that reads like a
            // pattern is matched by the trie alone.
            if let Some(&entry) = literal
                && !patterns[entry].has_wildcard
            {
                collect(&patterns[entry], subscriptions, route);
            }
            self.wildcards.matches(subject, |entry| {
                collect(&patterns[entry], subscriptions, route);
            });
        }
        let names = &self.queue_names;
        let name = |queue: u32| -> &[u8] { &names[queue].text };
        self.rules.apply(route, &self.subscriptions, name);
        self.routes.filled(at)
    }

    fn invalidate(&mut self, entry: u32) {
        let pattern = &self.patterns[entry];
        if pattern.has_wildcard {
            self.routes.invalidate_all();
        } else {
            self.routes.invalidate(&pattern.text);
        }
    }

    fn pattern(&self, text: &[u8]) -> Option<u32> {
        let patterns = &self.patterns;
        self.texts
            .find(self.hasher.hash_one(text), |&entry| {
                short::equal(&patterns[entry].text, text)
            })
            .copied()
    }

    fn pattern_or_new(&mut self, pattern: Pattern<'_>) -> u32 {
        if let Some(entry) = self.pattern(pattern.text()) {
            return entry;
        }
        let entry = self.patterns.insert(PatternEntry {
            text: Text::new(pattern.text()),
            has_wildcard: pattern.has_wildcard(),
            plain: List::EMPTY,
            remote: CoreSet::EMPTY,
            groups: Vec::new(),
        });
        let (patterns, hasher) = (&self.patterns, &self.hasher);
        self.texts
            .insert_unique(hasher.hash_one(pattern.text()), entry, |&other| {
                hasher.hash_one(&*patterns[other].text)
            });
        if pattern.has_wildcard() {
            self.wildcards.insert(pattern.text(), entry);
        }
        entry
    }

    fn group_or_new(&mut self, entry: u32, name: &[u8]) -> (u32, usize) {
        let queue = self.queue_number(name);
        let groups = &self.patterns[entry].groups;
        if let Some(queue) = queue
            && let Some(at) = groups.iter().position(|group| group.queue == queue)
        {
            return (queue, at);
        }
        let queue = queue.unwrap_or_else(|| self.add_queue_name(name));
        self.queue_names[queue].groups += 1;
        let groups = &mut self.patterns[entry].groups;
        groups.push(Group {
            queue,
            local: List::EMPTY,
            remote: Vec::new(),
        });
        (queue, groups.len() - 1)
    }

    fn add_queue_name(&mut self, name: &[u8]) -> u32 {
        let queue = self.queue_names.insert(QueueName {
            text: Text::new(name),
            groups: 0,
        });
        let (names, hasher) = (&self.queue_names, &self.hasher);
        self.queue_table
            .insert_unique(hasher.hash_one(name), queue, |&other| {
                hasher.hash_one(&*names[other].text)
            });
        queue
    }

    fn drop_if_unused(&mut self, entry: u32) {
        let pattern = &mut self.patterns[entry];
        let (names, table, hasher) = (&mut self.queue_names, &mut self.queue_table, &self.hasher);
        pattern.groups.retain(|group| {
            let used = group.local.len > 0 || !group.remote.is_empty();
            if !used {
                release_queue_name(names, table, hasher, group.queue);
            }
            used
        });
        if pattern.plain.len > 0 || !pattern.remote.is_empty() || !pattern.groups.is_empty() {
            return;
        }
        if pattern.has_wildcard {
            self.wildcards.remove(&pattern.text);
        }
        self.texts
            .find_entry(hasher.hash_one(&*pattern.text), |&other| other == entry)
            .expect("every pattern is in the table")
            .remove();
        self.patterns.remove(entry);
    }
}

fn release_queue_name(
    names: &mut Slab<QueueName>,
    table: &mut HashTable<u32>,
    hasher: &RandomState,
    queue: u32,
) {
    names[queue].groups -= 1;
    if names[queue].groups == 0 {
        table
            .find_entry(hasher.hash_one(&*names[queue].text), |&other| {
                other == queue
            })
            .expect("every queue name is in the table")
            .remove();
        names.remove(queue);
    }
}

/// Adds the receivers of one matching pattern to a route.
fn collect(pattern: &PatternEntry, subscriptions: &Slab<Subscription>, route: &mut Route) {
    pattern.plain.targets(subscriptions, &mut route.plain);
    route.remote = route.remote.union(pattern.remote);
    for group in &pattern.groups {
        let known = route
            .queues
            .iter()
            .position(|queue| queue.queue == group.queue);
        let at = known.unwrap_or_else(|| {
            route.queues.push(QueueRoute {
                queue: group.queue,
                ..QueueRoute::default()
            });
            route.queues.len() - 1
        });
        let queue = &mut route.queues[at];
        group.local.targets(subscriptions, &mut queue.local);
        for &(core, members) in &group.remote {
            queue.remote_members += members;
            match queue.remote.iter_mut().find(|(other, _)| *other == core) {
                Some((_, sum)) => *sum += members,
                None => queue.remote.push((core, members)),
            }
        }
    }
}

#[cfg(test)]
#[path = "interest_tests.rs"]
mod tests;
