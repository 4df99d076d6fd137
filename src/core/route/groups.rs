//! Queue groups: those that hang on a pattern, and the names that they have in
//! common with groups of other patterns.
//!
//! A client chooses how many groups a pattern has, so nothing here looks for a
//! group among those of its pattern: groups are found by pattern and name in
//! one table, linked to each other so that one can leave, and gathered into a
//! route by what the name has noted of it.

use ahash::RandomState;

use super::members::Members;
use super::receivers::{QueueRoute, Route};
use crate::base::id::CoreId;
use crate::base::slab::{NONE, Slab};
use crate::base::slot_table::SlotTable;
use crate::base::text::Text;

/// The groups of all patterns of one account.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Slab<Group>,
    /// Groups by pattern and name.
    table: SlotTable,
    names: Slab<Name>,
    /// Names by text.
    name_table: SlotTable,
    hasher: RandomState,
    /// Number of the match under way.
    matches: u64,
}

/// One queue group of one pattern.
#[derive(Debug)]
pub(super) struct Group {
    /// Slot of the pattern.
    pub pattern: u32,
    /// Number of its name.
    pub name: u32,
    /// Members on this core.
    pub local: Members,
    /// Members on other cores.
    pub remote: Vec<(CoreId, u32)>,
    previous: u32,
    next: u32,
}

#[derive(Debug)]
struct Name {
    text: Text,
    /// Groups of this name, and routes that are lent and mention it.
    groups: u32,
    /// The last match that found a group of this name...
    found_by: u64,
    /// ...and its place among the queues of the route.
    place: usize,
}

impl Group {
    fn is_needed(&self) -> bool {
        !self.local.is_empty() || !self.remote.is_empty()
    }
}

impl Groups {
    /// None at all.
    pub fn new(hasher: RandomState) -> Self {
        Self {
            groups: Slab::default(),
            table: SlotTable::default(),
            names: Slab::default(),
            name_table: SlotTable::default(),
            hasher,
            matches: 0,
        }
    }

    /// The text of a name.
    pub fn name(&self, number: u32) -> &[u8] {
        &self.names[number].text
    }

    /// The text of a group's name.
    pub fn name_of(&self, group: u32) -> &[u8] {
        self.name(self.groups[group].name)
    }

    /// The number of a name, if there is a group of it.
    pub fn number(&self, name: &[u8]) -> Option<u32> {
        let names = &self.names;
        self.name_table
            .find(self.hasher.hash_one(name), |&at| *names[at].text == *name)
    }

    /// A group.
    pub fn get_mut(&mut self, group: u32) -> &mut Group {
        &mut self.groups[group]
    }

    /// The group of a pattern by its name, if there is one.
    pub fn find(&self, pattern: u32, name: &[u8]) -> Option<u32> {
        let name = self.number(name)?;
        let groups = &self.groups;
        let is_meant = |&at: &u32| (groups[at].pattern, groups[at].name) == (pattern, name);
        self.table
            .find(self.hasher.hash_one((pattern, name)), is_meant)
    }

    /// The group of a pattern by its name; a new one becomes the first of the
    /// pattern.
    pub fn find_or_add(&mut self, pattern: u32, name: &[u8], first: &mut u32) -> u32 {
        if let Some(group) = self.find(pattern, name) {
            return group;
        }
        let name = self.number(name).unwrap_or_else(|| self.add_name(name));
        self.names[name].groups += 1;
        let group = self.groups.insert(Group {
            pattern,
            name,
            local: Members::None,
            remote: Vec::new(),
            previous: NONE,
            next: *first,
        });
        if *first != NONE {
            self.groups[*first].previous = group;
        }
        *first = group;
        let (groups, hasher) = (&self.groups, &self.hasher);
        let hash = |at: u32| hasher.hash_one((groups[at].pattern, groups[at].name));
        self.table.insert(hash(group), group, hash);
        group
    }

    /// Removes a group that has no members left.
    pub fn drop_if_unused(&mut self, group: u32, first: &mut u32) {
        let one = &self.groups[group];
        if one.is_needed() {
            return;
        }
        let (previous, next) = (one.previous, one.next);
        let (groups, hasher) = (&self.groups, &self.hasher);
        let hash = |at: u32| hasher.hash_one((groups[at].pattern, groups[at].name));
        self.table.remove(hash(group), group, hash);
        match previous {
            NONE => *first = next,
            previous => self.groups[previous].next = next,
        }
        if next != NONE {
            self.groups[next].previous = previous;
        }
        let name = self.groups.remove(group).name;
        self.release_name(name);
    }

    /// To be called before the patterns of one match.
    pub fn begin_match(&mut self) {
        self.matches += 1;
    }

    /// Adds the members of a pattern's groups to a route; returns how many
    /// groups and members of this core they are.
    pub fn collect(&mut self, first: u32, route: &mut Route) -> usize {
        let (mut at, mut work) = (first, 0);
        while at != NONE {
            let group = &self.groups[at];
            let name = &mut self.names[group.name];
            if name.found_by != self.matches {
                name.found_by = self.matches;
                name.place = route.queues.len();
                route.queues.push(QueueRoute {
                    queue: group.name,
                    ..QueueRoute::default()
                });
            }
            let queue = &mut route.queues[name.place];
            queue.local.extend_from_slice(group.local.as_slice());
            for &(core, members) in &group.remote {
                queue.remote_members += members;
                match queue.remote.iter_mut().find(|(other, _)| *other == core) {
                    Some((_, sum)) => *sum += members,
                    None => queue.remote.push((core, members)),
                }
            }
            work += 1 + group.local.len();
            at = group.next;
        }
        work
    }

    /// Numbers of the groups of a pattern; for tests and debug builds.
    pub fn of_pattern(&self, first: u32) -> impl Iterator<Item = (u32, &Group)> {
        let mut at = first;
        std::iter::from_fn(move || {
            let group = self.groups.get(at)?;
            let number = std::mem::replace(&mut at, group.next);
            Some((number, group))
        })
    }

    /// Numbers of groups and of names.
    pub fn counts(&self) -> (usize, usize) {
        (self.groups.len(), self.names.len())
    }

    /// Gives up so many free slots of each kind at most.
    pub fn trim(&mut self, slots_max: usize) {
        self.groups.trim(slots_max);
        self.names.trim(slots_max);
    }

    /// Memory of groups and names; what hangs on them is not counted.
    pub fn bytes(&self) -> usize {
        self.groups.bytes() + self.names.bytes() + self.table.bytes() + self.name_table.bytes()
    }

    fn add_name(&mut self, name: &[u8]) -> u32 {
        let number = self.names.insert(Name {
            text: Text::new(name),
            groups: 0,
            found_by: 0,
            place: 0,
        });
        let (names, hasher) = (&self.names, &self.hasher);
        self.name_table
            .insert(hasher.hash_one(name), number, |other| {
                hasher.hash_one(&*names[other].text)
            });
        number
    }

    /// Keeps a name's number although all its groups may go.
    pub fn hold_name(&mut self, number: u32) {
        self.names[number].groups += 1;
    }

    /// Ends [`Self::hold_name`], or the name's being that of a group.
    pub fn release_name(&mut self, number: u32) {
        let name = &mut self.names[number];
        name.groups -= 1;
        if name.groups > 0 {
            return;
        }
        let (names, hasher) = (&self.names, &self.hasher);
        let hash = |at: u32| hasher.hash_one(&*names[at].text);
        self.name_table.remove(hash(number), number, hash);
        self.names.remove(number);
    }
}
