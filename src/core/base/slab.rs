//! Slots with small stable numbers: connections, subscriptions, patterns.
//!
//! Free slots at the end are given up, so a slab shrinks as far as what is left
//! in it allows: numbers in use never change. Every step is paid for by the
//! insertions before it.

/// A marker for "no slot" in links between slots.
pub const NONE: u32 = u32::MAX;

/// Slots below which no memory is given back.
const KEPT_MIN: usize = 64;

/// A vector whose freed slots are used again, last freed first.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    first_free: u32,
    len: usize,
}

#[derive(Debug)]
enum Slot<T> {
    Used(T),
    /// Free slots are linked both ways, so that those at the end can leave.
    Free {
        previous: u32,
        next: u32,
    },
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            first_free: NONE,
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Puts a value into a free slot and returns the slot's number.
    pub fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if self.first_free == NONE {
            let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 slots");
            assert!(index != NONE, "slab is full");
            self.slots.push(Slot::Used(value));
            return index;
        }
        let index = self.first_free;
        self.unlink(index);
        self.slots[index as usize] = Slot::Used(value);
        index
    }

    /// Takes a value out and frees its slot. The slot must be in use.
    pub fn remove(&mut self, index: u32) -> T {
        let next = self.first_free;
        let freed = Slot::Free {
            previous: NONE,
            next,
        };
        let Slot::Used(value) = std::mem::replace(&mut self.slots[index as usize], freed) else {
            unreachable!("only used slots are removed");
        };
        self.link_back(next, index);
        self.first_free = index;
        self.len -= 1;
        self.give_back();
        value
    }

    /// Makes a free slot know which one is before it.
    fn link_back(&mut self, index: u32, to: u32) {
        if let Some(Slot::Free { previous, .. }) = self.slots.get_mut(index as usize) {
            *previous = to;
        }
    }

    /// Takes a slot out of the list of free ones.
    fn unlink(&mut self, index: u32) {
        let Slot::Free { previous, next } = self.slots[index as usize] else {
            unreachable!("the free list holds free slots only");
        };
        self.link_back(next, previous);
        match self.slots.get_mut(previous as usize) {
            Some(Slot::Free { next: link, .. }) => *link = next,
            _ => self.first_free = next,
        }
    }

    /// Gives up free slots at the end, and memory when most of it is unused.
    fn give_back(&mut self) {
        while matches!(self.slots.last(), Some(Slot::Free { .. })) {
            self.unlink(self.slots() - 1);
            self.slots.pop();
        }
        if self.slots.capacity() > KEPT_MIN && self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to(2 * self.slots.len());
        }
    }

    /// Memory of the slots.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<T>>()
    }

    /// The value in a slot, if the slot is in use.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        match self.slots.get(index as usize) {
            Some(Slot::Used(value)) => Some(value),
            _ => None,
        }
    }

    /// Mutable access to the value in a slot, if the slot is in use.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match self.slots.get_mut(index as usize) {
            Some(Slot::Used(value)) => Some(value),
            _ => None,
        }
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
        slots.filter_map(|(index, slot)| match slot {
            Slot::Used(value) => Some((index, value)),
            Slot::Free { .. } => None,
        })
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        match &self.slots[index as usize] {
            Slot::Used(value) => value,
            Slot::Free { .. } => panic!("slot {index} is free"),
        }
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        match &mut self.slots[index as usize] {
            Slot::Used(value) => value,
            Slot::Free { .. } => panic!("slot {index} is free"),
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
        }
        for (number, value) in std::mem::take(&mut model) {
            assert_eq!(slab.remove(number), value);
        }
        assert_eq!((slab.slots(), slab.first_free), (0, NONE));
        assert!(slab.bytes() <= KEPT_MIN * size_of::<Slot<u64>>());
    }

    #[test]
    fn links_need_no_room_of_their_own() {
        assert_eq!(size_of::<Slot<Box<[u8; 9]>>>(), 16);
        assert_eq!(size_of::<Slot<[u64; 4]>>(), 40);
        assert_eq!(size_of::<Slot<(u64, crate::base::text::Text)>>(), 32);
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
