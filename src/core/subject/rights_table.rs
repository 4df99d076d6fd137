//! All different sets of rights of a policy, each with a number.
//!
//! A table that follows another one keeps the numbers of its sets, so that
//! whoever has a number goes on with it; a number never comes to mean another
//! set. Sets are shared by the tables that have them.
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

    /// Whether nobody is restricted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether numbers of another table mean the same in this one.
    #[must_use]
    pub fn continues(&self, older: &Self) -> bool {
        let pairs = || self.0.iter().zip(older.0.iter());
        self.len() >= older.len() && pairs().all(|(own, other)| Arc::ptr_eq(own, other))
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
    hasher: RandomState,
}

impl RightsCollector {
    /// Begins with the sets of an older table.
    #[must_use]
    pub fn new(older: &RightsTable) -> Self {
        let mut collector = Self {
            sets: Vec::with_capacity(older.len()),
            numbers: HashTable::with_capacity(older.len()),
            hasher: RandomState::with_seeds(17, 18, 19, 20),
        };
        for set in older.0.iter() {
            collector.add(set.clone());
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
            Some(&known) => Some(known),
            None => self.add(Arc::new(rights)),
        }
    }

    fn add(&mut self, rights: Arc<Rights>) -> Option<RightsId> {
        let id = RightsId::at(self.sets.len())?;
        let hash = self.hasher.hash_one(&*rights);
        self.sets.push(rights);
        let (sets, hasher) = (&self.sets, &self.hasher);
        let hash_of = |id: &RightsId| hasher.hash_one(&*sets[id.index()]);
        self.numbers.insert_unique(hash, id, hash_of);
        Some(id)
    }

    /// The whole table.
    #[must_use]
    pub fn finish(self) -> RightsTable {
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
    fn numbers_end_where_they_must() {
        let last = u32::MAX as usize - 1;
        assert_eq!(RightsId::at(0).map(RightsId::index), Some(0));
        assert_eq!(RightsId::at(last).map(RightsId::index), Some(last));
        assert_eq!(RightsId::at(last + 1), None);
        assert_eq!(RightsId::at(usize::MAX), None);
    }

    #[test]
    fn more_than_sixteen_bits_of_sets_keep_their_numbers() {
        const SETS: usize = 70_000;
        let mut first = RightsCollector::new(&RightsTable::default());
        for number in 0..SETS {
            let id = first.number_of(set(number)).expect("there is room");
            assert_eq!(id.index(), number);
        }
        let first = first.finish();
        let mut second = RightsCollector::new(&first);
        for number in (0..SETS + 10).rev().step_by(7) {
            let id = second.number_of(set(number)).expect("there is room");
            assert_eq!(second.sets[id.index()], Arc::new(set(number)));
            assert_eq!(id.index() < SETS, number < SETS, "known ones are found");
        }
        let second = second.finish();
        assert!(second.continues(&first) && !first.continues(&second));
        assert!(second.get(None).is_none());
        let id = RightsId::at(SETS - 1).expect("a number");
        assert!(second[id].may_publish(format!("s.{}", SETS - 1).as_bytes()));
        assert!(!second[id].may_publish(b"s.65535"));
    }
}
