//! Moments at which something wants to be looked at: a connection, a stream, a
//! consumer; each owner has its own kind of key.
//!
//! A heap with lazy deletion: an entry that no longer counts is dropped by the
//! caller when it comes up. Every owner keeps at most one live entry, so the
//! heap holds few more entries than there are owners; a timing wheel was not
//! needed, since deadlines are touched per connection and minute, never per
//! message.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::id::Nanos;

/// Pending deadlines, the earliest first.
#[derive(Debug)]
pub struct Deadlines<K> {
    heap: BinaryHeap<Reverse<(Nanos, K)>>,
}

impl<K: Ord> Default for Deadlines<K> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
        }
    }
}

impl<K: Ord + Copy> Deadlines<K> {
    /// Notes that the owner of a key wants attention at a moment.
    pub fn insert(&mut self, at: Nanos, key: K) {
        self.heap.push(Reverse((at, key)));
    }

    /// The earliest moment noted, stale entries included.
    #[must_use]
    pub fn next(&self) -> Nanos {
        self.heap
            .peek()
            .map_or(Nanos::NEVER, |&Reverse((at, _))| at)
    }

    /// Takes the earliest entry that is due.
    pub fn pop_due(&mut self, now: Nanos) -> Option<(Nanos, K)> {
        let &Reverse((at, key)) = self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        Some((at, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::ConnectionKey;

    #[test]
    fn due_entries_come_in_order() {
        let key = |index| ConnectionKey {
            index,
            generation: 9,
        };
        let mut deadlines = Deadlines::default();
        deadlines.insert(Nanos(30), key(1));
        deadlines.insert(Nanos(10), key(2));
        assert_eq!(deadlines.next(), Nanos(10));
        assert_eq!(deadlines.pop_due(Nanos(20)), Some((Nanos(10), key(2))));
        assert_eq!(deadlines.pop_due(Nanos(20)), None);
        assert_eq!(deadlines.pop_due(Nanos(30)), Some((Nanos(30), key(1))));
        assert_eq!(deadlines.next(), Nanos::NEVER);
    }
}
