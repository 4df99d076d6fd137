//! Moments at which connections want to be looked at.
//!
//! A heap with lazy deletion: an entry that no longer counts is dropped by the
//! caller when it comes up. A connection keeps at most one live entry, so the
//! heap holds few more entries than there are connections; a timing wheel was
//! not needed, since deadlines are touched per connection and minute, never
//! per message.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::id::{ConnectionKey, Nanos};

/// Pending deadlines, the earliest first.
#[derive(Debug, Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Deadlines {
    /// Notes that a connection wants attention at a moment.
    pub fn insert(&mut self, at: Nanos, connection: ConnectionKey) {
        self.heap.push(Reverse((at.0, connection.to_bits())));
    }

    /// The earliest moment noted, stale entries included.
    #[must_use]
    pub fn next(&self) -> Nanos {
        self.heap
            .peek()
            .map_or(Nanos::NEVER, |&Reverse((at, _))| Nanos(at))
    }

    /// Takes the earliest entry that is due.
    pub fn pop_due(&mut self, now: Nanos) -> Option<(Nanos, ConnectionKey)> {
        let &Reverse((at, bits)) = self.heap.peek()?;
        if at > now.0 {
            return None;
        }
        self.heap.pop();
        Some((Nanos(at), ConnectionKey::from_bits(bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
