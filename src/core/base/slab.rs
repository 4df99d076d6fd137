//! Slots with small stable numbers: connections, subscriptions, patterns.

/// A marker for "no slot" in links between slots.
pub const NONE: u32 = u32::MAX;

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
    Free { next: u32 },
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
        let slot = &mut self.slots[index as usize];
        let Slot::Free { next } = *slot else {
            unreachable!("the free list holds free slots only");
        };
        self.first_free = next;
        *slot = Slot::Used(value);
        index
    }

    /// Takes a value out and frees its slot. The slot must be in use.
    pub fn remove(&mut self, index: u32) -> T {
        let freed = Slot::Free {
            next: self.first_free,
        };
        let Slot::Used(value) = std::mem::replace(&mut self.slots[index as usize], freed) else {
            unreachable!("only used slots are removed");
        };
        self.first_free = index;
        self.len -= 1;
        value
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
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| match slot {
                Slot::Used(value) => Some((index as u32, value)),
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
