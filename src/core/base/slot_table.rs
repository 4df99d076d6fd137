//! Numbers of slots, found by a hash of what stands in them.
//!
//! A table of millions that is rehashed in one go keeps everybody on its core
//! waiting, when it grows and when it shrinks. So this one consists of parts of
//! some hundred entries and grows and shrinks by one part at a time (linear
//! hashing, Litwin 1980): the new part takes over the entries of its mate whose
//! hash has one more bit set, the last part gives its entries back to its mate.
//! Every step is paid for by the insertions or removals before it.
//!
//! Most tables are small: their only part needs no second look-up.

use hashbrown::HashTable;

use super::width;

/// Entries per part on average at which a part is added. A part whose turn has
/// not come yet has up to twice as many.
const PART_ENTRIES: usize = 512;

/// Entries per part on average below which the last part goes.
const PART_ENTRIES_MIN: usize = PART_ENTRIES / 4;

/// Entries of a part below which it keeps its memory.
const KEPT_MIN: usize = 64;

/// A set of numbers whose hashes are known to its owner.
#[derive(Debug, Default)]
pub struct SlotTable {
    first: HashTable<u32>,
    others: Vec<HashTable<u32>>,
    len: usize,
    /// Memory of the parts.
    bytes: usize,
}

/// The part of a hash among so many. The table within a part uses the lowest and
/// the highest bits.
#[inline]
fn part_of(hash: u64, parts: usize) -> usize {
    let mask = parts.next_power_of_two() - 1;
    let part = width::size(hash >> 24) & mask;
    if part < parts {
        part
    } else {
        part & (mask >> 1)
    }
}

/// The part that a part comes from, and that it goes back to.
fn mate_of(part: usize) -> usize {
    part ^ (1 << part.ilog2())
}

impl SlotTable {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory of the table.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes + self.others.capacity() * size_of::<HashTable<u32>>()
    }

    /// Number of parts.
    #[must_use]
    pub fn parts(&self) -> usize {
        1 + self.others.len()
    }

    /// The entries of a part.
    #[must_use]
    pub fn part(&self, at: usize) -> &HashTable<u32> {
        match at.checked_sub(1) {
            None => &self.first,
            Some(other) => &self.others[other],
        }
    }

    fn part_mut(&mut self, at: usize) -> &mut HashTable<u32> {
        match at.checked_sub(1) {
            None => &mut self.first,
            Some(other) => &mut self.others[other],
        }
    }

    #[inline]
    fn place_of(&self, hash: u64) -> usize {
        match self.others.len() {
            0 => 0,
            others => part_of(hash, 1 + others),
        }
    }

    /// The number with this hash that is meant.
    #[inline]
    pub fn find(&self, hash: u64, is_meant: impl FnMut(&u32) -> bool) -> Option<u32> {
        let part = self.part(self.place_of(hash));
        part.find(hash, is_meant).copied()
    }

    /// Numbers with this hash, and perhaps some with another one.
    pub fn iter_hash(&self, hash: u64) -> impl Iterator<Item = u32> {
        self.part(self.place_of(hash)).iter_hash(hash).copied()
    }

    /// All numbers.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        std::iter::once(&self.first)
            .chain(&self.others)
            .flatten()
            .copied()
    }

    /// The parts, to be worked off one by one.
    #[must_use]
    pub fn into_parts(self) -> Vec<HashTable<u32>> {
        let mut parts = self.others;
        parts.push(self.first);
        parts
    }

    /// Puts a number in that is not there yet; `hash_of` gives the hash of any
    /// that is.
    pub fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let place = self.place_of(hash);
        self.change(place, |part| {
            part.insert_unique(hash, number, |&other| hash_of(other));
        });
        self.len += 1;
        if self.len > PART_ENTRIES * self.parts() {
            self.split(&hash_of);
        }
    }

    /// Takes a number out.
    ///
    /// # Panics
    /// If it is not there, or if it is there with another hash.
    pub fn remove(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let place = self.place_of(hash);
        self.change(place, |part| {
            let entry = part.find_entry(hash, |&other| other == number);
            entry.expect("the number is in the table").remove();
            if part.capacity() > KEPT_MIN && part.len() < part.capacity() / 8 {
                part.shrink_to(2 * part.len(), |&other| hash_of(other));
            }
        });
        self.len -= 1;
        if self.len < PART_ENTRIES_MIN * self.others.len() {
            self.merge(&hash_of);
        }
    }

    /// Changes a part, and keeps account of its memory.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut HashTable<u32>)) {
        let part = self.part_mut(at);
        let before = part.allocation_size();
        change(part);
        let after = part.allocation_size();
        self.bytes = self.bytes - before + after;
    }

    /// Adds a part.
    fn split(&mut self, hash_of: &impl Fn(u32) -> u64) {
        let new = self.parts();
        let mate = mate_of(new);
        let entries = std::mem::take(self.part_mut(mate));
        self.bytes -= entries.allocation_size();
        let half = || HashTable::with_capacity(entries.len() / 2);
        let mut halves = [half(), half()];
        for number in entries {
            let hash = hash_of(number);
            let part = part_of(hash, new + 1);
            debug_assert!(part == new || part == mate);
            let half = &mut halves[usize::from(part == new)];
            half.insert_unique(hash, number, |&other| hash_of(other));
        }
        self.bytes += halves.iter().map(HashTable::allocation_size).sum::<usize>();
        let [kept, moved] = halves;
        *self.part_mut(mate) = kept;
        self.others.push(moved);
    }

    /// Removes the last part.
    fn merge(&mut self, hash_of: &impl Fn(u32) -> u64) {
        let last = self.others.pop().expect("there is more than one part");
        self.bytes -= last.allocation_size();
        self.change(mate_of(1 + self.others.len()), |mate| {
            mate.reserve(last.len(), |&other| hash_of(other));
            for number in last {
                mate.insert_unique(hash_of(number), number, |&other| hash_of(other));
            }
        });
        if self.others.len() < self.others.capacity() / 4 {
            self.others.shrink_to(2 * self.others.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Spreads as a hash does; one number in `alike` has the hash of another one.
    fn hash(number: u32, alike: u32) -> u64 {
        u64::from(number / alike + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(23)
    }

    /// Fills a table and empties it again; returns the most hashes that one step
    /// has asked for, and the most parts.
    fn grow_and_shrink(count: u32, alike: u32) -> (usize, usize) {
        let asked = Cell::new(0);
        let hash_of = |number| {
            asked.set(asked.get() + 1);
            hash(number, alike)
        };
        let (mut table, mut asked_max) = (SlotTable::default(), 0);
        for number in 0..count {
            asked.set(0);
            table.insert(hash(number, alike), number, hash_of);
            asked_max = asked_max.max(asked.get());
        }
        let parts_max = table.parts();
        assert_eq!(table.len(), count as usize);
        for number in 0..count {
            let found = table.find(hash(number, alike), |&other| other == number);
            assert_eq!(found, Some(number));
            assert!(
                table
                    .iter_hash(hash(number, alike))
                    .any(|other| other == number)
            );
        }
        assert_eq!(table.find(hash(count, 1), |&other| other == count), None);
        assert_eq!(
            table.iter().map(u64::from).sum::<u64>(),
            (0..u64::from(count)).sum::<u64>()
        );
        let parts = || (0..table.parts()).map(|at| table.part(at));
        assert_eq!(parts().map(HashTable::len).sum::<usize>(), table.len());
        assert_eq!(
            parts().map(HashTable::allocation_size).sum::<usize>(),
            table.bytes
        );
        for number in 0..count {
            asked.set(0);
            table.remove(hash(number, alike), number, hash_of);
            asked_max = asked_max.max(asked.get());
            if number % 1000 == 0 && number + 1 < count {
                let found = table.find(hash(count - 1, alike), |&other| other == count - 1);
                assert_eq!(found, Some(count - 1), "others stay");
            }
        }
        assert!(table.is_empty() && table.parts() == 1);
        assert!(table.bytes() < 4096, "{}", table.bytes());
        (asked_max, parts_max)
    }

    #[test]
    fn a_step_costs_the_same_however_large_the_table_is() {
        for count in [1, 500, 10_000, 300_000] {
            let (asked, parts) = grow_and_shrink(count, 1);
            assert!(asked <= 8 * PART_ENTRIES, "{asked} of {count}");
            assert!(parts >= count as usize / PART_ENTRIES);
        }
    }

    #[test]
    fn equal_hashes_do_no_harm() {
        grow_and_shrink(20_000, 100);
    }

    #[test]
    fn parts_are_worked_off_one_by_one() {
        let mut table = SlotTable::default();
        (0..5000).for_each(|number| table.insert(hash(number, 1), number, |other| hash(other, 1)));
        let parts = table.into_parts();
        assert!(parts.len() > 5 && parts.iter().all(|part| part.len() <= 3 * PART_ENTRIES));
        assert_eq!(parts.iter().map(HashTable::len).sum::<usize>(), 5000);
    }
}
