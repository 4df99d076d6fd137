//! Ids of messages that a stream had lately: a message with a known one is a duplicate.
//!
//! What is kept of an id is its hash of 128 bits with a key that nobody knows, so ids
//! cost the same however long they are, and nobody can make two that collide. An id
//! stays known for the window even if its message is gone (NATS 2.15).

use std::collections::VecDeque;

use ahash::RandomState;

use crate::base::moment::WallNanos;
use crate::base::slab::Slab;
use crate::base::slot_table::SlotTable;

#[derive(Debug)]
struct Known {
    digest: [u64; 2],
    sequence: u64,
    noted: WallNanos,
}

/// The ids of a stream.
#[derive(Debug)]
pub struct MessageIds {
    window_ns: u64,
    all: Slab<Known>,
    by_digest: SlotTable,
    /// All, those first that were first.
    order: VecDeque<u32>,
    hashers: [RandomState; 2],
}

impl MessageIds {
    /// None yet; 0 nanoseconds: none ever. The seed is secret.
    #[must_use]
    pub fn new(window_ns: u64, seed: u64) -> Self {
        Self {
            window_ns,
            all: Slab::default(),
            by_digest: SlotTable::default(),
            order: VecDeque::new(),
            hashers: [31, 32].map(|salt| RandomState::with_seeds(seed, salt, !seed, salt)),
        }
    }

    /// Number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The sequence of the message that had an id.
    #[must_use]
    pub fn find(&self, id: &[u8]) -> Option<u64> {
        let digest = self.digest(id);
        let is_meant = |&number: &u32| self.all[number].digest == digest;
        let number = self.by_digest.find(digest[0], is_meant)?;
        Some(self.all[number].sequence)
    }

    /// Notes the id of a message. It is not known yet.
    pub fn note(&mut self, id: &[u8], sequence: u64, now: WallNanos) {
        debug_assert!(self.find(id).is_none(), "a duplicate is not stored");
        if self.window_ns == 0 {
            return;
        }
        let digest = self.digest(id);
        let number = self.all.insert(Known {
            digest,
            sequence,
            noted: now,
        });
        let all = &self.all;
        self.by_digest
            .insert(digest[0], number, |other| all[other].digest[0]);
        self.order.push_back(number);
    }

    /// Forgets so many ids whose time is over; when the next one is due.
    pub fn forget(&mut self, now: WallNanos, count_max: usize) -> Option<WallNanos> {
        for _ in 0..count_max {
            let &number = self.order.front()?;
            if self.end_of(number) > now {
                break;
            }
            self.order.pop_front();
            let (all, digest) = (&self.all, self.all[number].digest);
            self.by_digest
                .remove(digest[0], number, |other| all[other].digest[0]);
            self.all.remove(number);
        }
        self.order.front().map(|&number| self.end_of(number))
    }

    /// Ids are known for so many nanoseconds from now on, those that are there as well.
    /// Without a window none of them is known any longer than until the next
    /// [`Self::forget`].
    pub fn set_window(&mut self, window_ns: u64) {
        self.window_ns = window_ns;
    }

    fn end_of(&self, number: u32) -> WallNanos {
        WallNanos(self.all[number].noted.0.saturating_add(self.window_ns))
    }

    fn digest(&self, id: &[u8]) -> [u64; 2] {
        [0, 1].map(|at: usize| self.hashers[at].hash_one(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_for_a_while() {
        let mut ids = MessageIds::new(100, 7);
        for number in 0..1_000_u64 {
            let id = format!("id-{number}");
            assert_eq!(ids.find(id.as_bytes()), None);
            ids.note(id.as_bytes(), number, WallNanos(number));
        }
        assert_eq!(ids.find(b"id-500"), Some(500));
        assert_eq!(ids.forget(WallNanos(599), 10), Some(WallNanos(110)));
        assert_eq!(ids.forget(WallNanos(599), usize::MAX), Some(WallNanos(600)));
        assert_eq!(
            (ids.find(b"id-499"), ids.find(b"id-500")),
            (None, Some(500))
        );
        ids.set_window(200);
        assert_eq!(ids.forget(WallNanos(699), usize::MAX), Some(WallNanos(700)));
        ids.set_window(10);
        assert_eq!(ids.forget(WallNanos(600), usize::MAX), Some(WallNanos(601)));
        assert_eq!(ids.find(b"id-590"), None);
        assert_eq!(ids.forget(WallNanos(u64::MAX), usize::MAX), None);
        assert!(ids.is_empty() && ids.by_digest.is_empty());
    }

    #[test]
    fn without_a_window_nothing_is_known() {
        let mut ids = MessageIds::new(0, 7);
        ids.note(b"a", 1, WallNanos(1));
        assert_eq!(ids.find(b"a"), None);
    }
}
