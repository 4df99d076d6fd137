//! Slots with small stable numbers: connections, subscriptions, patterns.
//!
//! Free slots at the end are given up, so a slab shrinks as far as what is left
//! in it allows: numbers in use never change. A removal gives up some of them, so
//! that it does not pay for a million others; what it leaves, later ones do, or
//! [`Slab::trim`].

/// A marker for "no slot" in links between slots.
pub const NONE: u32 = u32::MAX;

/// Slots below which no memory is given back.
const KEPT_MIN: usize = 64;

/// Free slots that one removal gives up: a part of a millisecond.
const GIVEN_UP_AT_ONCE: usize = 1 << 18;

/// A vector whose freed slots are used again, last freed first.
#[derive(Debug)]
pub struct Slab<T> {
    /// In boxes, so that a slab of millions has little to move when it grows.
    slots: Vec<Option<Box<T>>>,
    /// Slots that were freed, each once; some of them have been given up since then:
    /// who takes one makes sure.
    freed: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            freed: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Puts a value into a free slot and returns the slot's number.
    pub fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        while let Some(index) = self.freed.pop() {
            if let Some(slot @ None) = self.slots.get_mut(index as usize) {
                *slot = Some(Box::new(value));
                return index;
            }
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 slots");
        assert!(index != NONE, "slab is full");
        self.slots.push(Some(Box::new(value)));
        index
    }

    /// Takes a value out and frees its slot. The slot must be in use.
    pub fn remove(&mut self, index: u32) -> T {
        let slot = self.slots.get_mut(index as usize);
        let value = slot.and_then(Option::take);
        let value = value.expect("only used slots are removed");
        self.len -= 1;
        self.freed.push(index);
        self.trim(GIVEN_UP_AT_ONCE);
        *value
    }

    /// Gives up so many free slots at the end at most, and memory when most of it is
    /// unused.
    pub fn trim(&mut self, slots_max: usize) {
        let from = self.slots.len().saturating_sub(slots_max);
        while self.slots.len() > from && matches!(self.slots.last(), Some(None)) {
            self.slots.pop();
        }
        let len = self.slots.len();
        if self.slots.capacity() > KEPT_MIN && len < self.slots.capacity() / 4 {
            self.slots.shrink_to(2 * len);
        }
        if self.freed.len() > KEPT_MIN && self.freed.len() / 2 > len {
            self.freed.retain(|&index| (index as usize) < len);
            self.freed.shrink_to(2 * self.freed.len());
        }
    }

    /// Memory of the slots.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Option<Box<T>>>()
            + self.len * size_of::<T>()
            + self.freed.capacity() * size_of::<u32>()
    }

    /// The value in a slot, if the slot is in use.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)?.as_deref()
    }

    /// Mutable access to the value in a slot, if the slot is in use.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)?.as_deref_mut()
    }

    /// Number of slots, the empty ones included.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`insert` makes fewer than 2^32"
    )]
    pub fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values with their slots, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = (0u32..).zip(&self.slots);
        slots.filter_map(|(index, slot)| Some((index, slot.as_deref()?)))
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        match &self.slots[index as usize] {
            Some(value) => value,
            None => panic!("slot {index} is free"),
        }
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        match &mut self.slots[index as usize] {
            Some(value) => value,
            None => panic!("slot {index} is free"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn agrees_with_a_list_and_becomes_smaller_with_it() {
        let mut rng = Rng::new(9);
        let mut slab = Slab::default();
        let mut model: Vec<(u32, u64)> = Vec::new();
        for step in 0..40_000u64 {
            let grows = step / 4000 % 2 == 0;
            if rng.below(8) < if grows { 6 } else { 2 } {
                let number = slab.insert(step);
                assert!(model.iter().all(|&(other, _)| other != number));
                model.push((number, step));
            } else if !model.is_empty() {
                let at = rng.below(model.len() as u64) as usize;
                let (number, value) = model.swap_remove(at);
                assert_eq!(slab.remove(number), value);
                assert!(slab.get(number).is_none());
            }
            assert_eq!(slab.len(), model.len());
            if let Some(&(number, value)) = model.last() {
                assert_eq!(slab.get(number), Some(&value));
            }
            let last = slab.slots().checked_sub(1);
            assert!(last.is_none_or(|last| slab.get(last).is_some()), "no tail");
            assert!(slab.freed.len() <= 2 * slab.slots.len() + KEPT_MIN);
        }
        for (number, value) in std::mem::take(&mut model) {
            assert_eq!(slab.remove(number), value);
        }
        assert_eq!(slab.slots(), 0);
        assert!(slab.bytes() <= KEPT_MIN * size_of::<(u64, u32)>());
    }

    #[test]
    fn nobody_pays_for_a_million_others() {
        const COUNT: u32 = 1_000_000;
        let mut slab = Slab::default();
        (0..COUNT).for_each(|number| assert_eq!(slab.insert(number), number));
        // All but the first and the last, so that nothing can be given up.
        (1..COUNT - 1).for_each(|number| assert_eq!(slab.remove(number), number));
        let mut slots = slab.slots();
        slab.remove(COUNT - 1);
        while slab.slots() > 1 {
            assert!(slots - slab.slots() <= 1 << 18, "{slots}");
            slots = slab.slots();
            let number = slab.insert(7);
            assert!(number < slots, "a free slot is used");
            slab.remove(number);
        }
        assert!(slab.bytes() < 10_000, "{}", slab.bytes());
        let (first, second) = (slab.insert(1), slab.insert(2));
        assert!(first != second && first > 0 && second > 0);
        (0..1 << 20).for_each(|number| _ = slab.insert(number));
        (1..slab.slots()).for_each(|number| _ = slab.remove(number));
        slab.remove(0);
        assert!(slab.is_empty() && slab.slots() > 0, "too much at once");
        slab.trim(usize::MAX);
        assert_eq!((slab.slots(), slab.freed.len()), (0, 0));
    }

    #[test]
    fn slots_are_reused_and_never_alias() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        let second = slab.insert('b');
        assert_eq!(slab.remove(first), 'a');
        assert!(slab.get(first).is_none());
        let third = slab.insert('c');
        assert_eq!(third, first);
        assert_eq!((slab[second], slab[third], slab.len()), ('b', 'c', 2));
    }
}
