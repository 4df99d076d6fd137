//! All different sets of rights of a policy, each with a number.
//!
//! A table that follows another one keeps the numbers of the sets that were in
//! use, so that whoever has a number goes on with it. A number that nobody had any
//! more may come to mean another set: so a third table must not follow before all
//! who had numbers of the first have those of the second. Sets are shared by the
//! tables that have them.
//!
//! Not here: which user has which set (`session::authority`).

use std::num::NonZeroU32;
use std::ops::Index;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;

use super::rights::Rights;

/// The number of a set of rights in a [`RightsTable`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RightsId(NonZeroU32);

const _: () = assert!(size_of::<Option<RightsId>>() == 4);

impl RightsId {
    /// The number of the set at a position; `None` beyond 2³² − 2.
    #[must_use]
    pub fn at(index: usize) -> Option<Self> {
        let number = u32::try_from(index).ok()?.checked_add(1)?;
        NonZeroU32::new(number).map(Self)
    }

    /// The position of this set in tables that hold one entry per set.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// All different sets of rights.
#[derive(Clone, Debug, Default)]
pub struct RightsTable(Arc<[Arc<Rights>]>);

impl RightsTable {
    /// The set of a number, if it is restricted at all.
    #[must_use]
    pub fn get(&self, id: Option<RightsId>) -> Option<&Rights> {
        self.0.get(id?.index()).map(Arc::as_ref)
    }

    /// Number of sets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a number means the same set here as in another table.
    #[must_use]
    pub fn agrees_on(&self, id: RightsId, other: &Self) -> bool {
        let [own, others] = [self, other].map(|table| table.0.get(id.index()));
        own.zip(others)
            .is_some_and(|(own, other)| Arc::ptr_eq(own, other))
    }

    /// Whether nobody is restricted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Index<RightsId> for RightsTable {
    type Output = Rights;

    fn index(&self, id: RightsId) -> &Rights {
        &self.0[id.index()]
    }
}

/// A table in the making.
pub struct RightsCollector {
    sets: Vec<Arc<Rights>>,
    numbers: HashTable<RightsId>,
    /// By number: nobody has had the set, and nobody has asked for it again.
    is_free: Vec<bool>,
    /// Numbers that were free at the beginning, those to be taken first at the end.
    free: Vec<RightsId>,
    hasher: RandomState,
}

impl RightsCollector {
    /// Begins with the sets of an older table, of which these were in use.
    #[must_use]
    pub fn new(older: &RightsTable, in_use: impl IntoIterator<Item = RightsId>) -> Self {
        let mut collector = Self {
            sets: older.0.to_vec(),
            numbers: HashTable::with_capacity(older.len()),
            is_free: vec![true; older.len()],
            free: Vec::new(),
            hasher: RandomState::with_seeds(17, 18, 19, 20),
        };
        for id in in_use {
            collector.is_free[id.index()] = false;
        }
        for id in (0..older.len()).rev().filter_map(RightsId::at) {
            collector.enter(id);
            if collector.is_free[id.index()] {
                collector.free.push(id);
            }
        }
        collector
    }

    /// The number of a set, a new one if no equal set has been seen; `None` if
    /// there are too many.
    pub fn number_of(&mut self, rights: Rights) -> Option<RightsId> {
        let hash = self.hasher.hash_one(&rights);
        let sets = &self.sets;
        let is_same = |id: &RightsId| *sets[id.index()] == rights;
        match self.numbers.find(hash, is_same) {
            Some(&known) => {
                self.is_free[known.index()] = false;
                Some(known)
            }
            None => self.add(Arc::new(rights)),
        }
    }

    /// Gives a new set a number, one of a set that nobody has if there is one.
    fn add(&mut self, rights: Arc<Rights>) -> Option<RightsId> {
        let id = match self.take_free() {
            Some(id) => {
                self.forget(id);
                self.sets[id.index()] = rights;
                id
            }
            None => {
                let id = RightsId::at(self.sets.len())?;
                self.sets.push(rights);
                self.is_free.push(false);
                id
            }
        };
        self.enter(id);
        Some(id)
    }

    /// A number whose set nobody has asked for.
    fn take_free(&mut self) -> Option<RightsId> {
        while let Some(id) = self.free.pop() {
            if std::mem::take(&mut self.is_free[id.index()]) {
                return Some(id);
            }
        }
        None
    }

    fn enter(&mut self, id: RightsId) {
        let (sets, hasher) = (&self.sets, &self.hasher);
        let hash_of = |id: &RightsId| hasher.hash_one(&*sets[id.index()]);
        self.numbers.insert_unique(hash_of(&id), id, hash_of);
    }

    fn forget(&mut self, id: RightsId) {
        let hash = self.hasher.hash_one(&*self.sets[id.index()]);
        let entry = self.numbers.find_entry(hash, |&other| other == id);
        entry.expect("each set is entered").remove();
    }

    /// The whole table. Sets that nobody has are given up.
    #[must_use]
    pub fn finish(mut self) -> RightsTable {
        let last = self.is_free.iter().rposition(|is_free| !is_free);
        self.sets.truncate(last.map_or(0, |last| last + 1));
        let nothing = Arc::new(Rights::nothing());
        for (set, is_free) in self.sets.iter_mut().zip(self.is_free) {
            if is_free {
                *set = Arc::clone(&nothing);
            }
        }
        RightsTable(self.sets.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(number: usize) -> Rights {
        let allowed = [format!("s.{number}")];
        Rights::parse((Some(&allowed), &[]), (None, &[]), None).expect("valid")
    }

    #[test]
    fn numbers_where_they_must() {
        let last = u32::MAX as usize - 1;
        assert_eq!(RightsId::at(0).map(RightsId::index), Some(0));
        assert_eq!(RightsId::at(last).map(RightsId::index), Some(last));
        assert_eq!(RightsId::at(last + 1), None);
        assert_eq!(RightsId::at(usize::MAX), None);
    }

    #[test]
    fn more_than_sixteen_bits_of_sets_keep_their_numbers() {
        const SETS: usize = 70_000;
        let mut first = RightsCollector::new(&RightsTable::default(), None);
        for number in 0..SETS {
            let id = first.number_of(set(number)).expect("there is room");
            assert_eq!(id.index(), number);
        }
        let first = first.finish();
        let everybody = (0..SETS).filter_map(RightsId::at);
        let mut second = RightsCollector::new(&first, everybody);
        for number in (0..SETS + 10).rev().step_by(7) {
            let id = second.number_of(set(number)).expect("there is room");
            assert_eq!(second.sets[id.index()], Arc::new(set(number)));
            assert_eq!(id.index() < SETS, number < SETS, "known ones are found");
        }
        let second = second.finish();
        let mut numbers = (0..SETS).filter_map(RightsId::at);
        assert!(numbers.all(|id| second.agrees_on(id, &first)));
        assert!(second.get(None).is_none());
        let id = RightsId::at(SETS - 1).expect("a number");
        assert!(second[id].may_publish(format!("s.{}", SETS - 1).as_bytes()));
        assert!(!second[id].may_publish(b"s.65535"));
    }

    #[test]
    fn numbers_of_sets_that_nobody_had_are_given_again() {
        let table = |older: &RightsTable, in_use: &[usize], wanted: &[usize]| {
            let in_use = in_use.iter().filter_map(|&at| RightsId::at(at));
            let mut next = RightsCollector::new(older, in_use);
            let numbers = wanted.iter().map(|&number| next.number_of(set(number)));
            let numbers: Vec<usize> = numbers.flatten().map(RightsId::index).collect();
            (next.finish(), numbers)
        };
        let (first, numbers) = table(&RightsTable::default(), &[], &[0, 1, 2, 3]);
        assert_eq!(numbers, [0, 1, 2, 3]);
        // Nobody had 1 and 3; 3 is wanted again, but comes after the first new one.
        let (second, numbers) = table(&first, &[0, 2], &[2, 10, 3, 11]);
        assert_eq!(numbers, [2, 1, 3, 4]);
        assert!(second.0[0].may_publish(b"s.0"), "whoever has it may still");
        // What nobody has at the end goes.
        let (third, numbers) = table(&second, &[2, 1], &[10]);
        assert_eq!((third.len(), numbers), (3, vec![1]));
        assert!(!third.0[0].may_publish(b"s.0"), "it takes no memory");
        let (fourth, _) = table(&third, &[1], &[]);
        assert_eq!(fourth.len(), 2);
    }
}
