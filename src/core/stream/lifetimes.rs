//! How long single messages are kept, where that is said (`Nats-TTL`, ADR-43).
//!
//! Bounds: an entry per message that says so and is there.

use std::collections::{BTreeMap, BTreeSet};

use super::requirements::TimeToLive;
use crate::base::moment::WallNanos;

const SECOND_NS: u64 = 1_000_000_000;

/// The messages of a stream that say how long they are kept.
#[derive(Debug, Default)]
pub struct Lifetimes {
    until: BTreeMap<u64, WallNanos>,
    by_time: BTreeSet<(WallNanos, u64)>,
    /// They are kept whatever their age.
    for_ever: BTreeSet<u64>,
}

impl Lifetimes {
    /// A message that was stored at a time says how long it is kept.
    pub fn note(&mut self, sequence: u64, time: WallNanos, lifetime: TimeToLive) {
        match lifetime {
            TimeToLive::Forever => drop(self.for_ever.insert(sequence)),
            TimeToLive::Seconds(seconds) => {
                let lifetime_ns = seconds.saturating_mul(SECOND_NS);
                let until = WallNanos(time.0.saturating_add(lifetime_ns));
                self.until.insert(sequence, until);
                self.by_time.insert((until, sequence));
            }
            TimeToLive::Invalid => {}
        }
    }

    /// A message is gone.
    pub fn forget(&mut self, sequence: u64) {
        if let Some(until) = self.until.remove(&sequence) {
            self.by_time.remove(&(until, sequence));
        }
        self.for_ever.remove(&sequence);
    }

    /// The message whose time is over first, and when.
    #[must_use]
    pub fn first(&self) -> Option<(WallNanos, u64)> {
        self.by_time.first().copied()
    }

    /// Whether a message is kept whatever its age.
    #[must_use]
    pub fn is_for_ever(&self, sequence: u64) -> bool {
        self.for_ever.contains(&sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_is_known() {
        let mut lifetimes = Lifetimes::default();
        for (sequence, seconds) in [(1, 9), (2, 3), (3, 6)] {
            lifetimes.note(sequence, WallNanos(5), TimeToLive::Seconds(seconds));
        }
        lifetimes.note(4, WallNanos(5), TimeToLive::Forever);
        let at = |seconds: u64| WallNanos(5 + seconds * SECOND_NS);
        assert_eq!(lifetimes.first(), Some((at(3), 2)));
        lifetimes.forget(2);
        assert_eq!(lifetimes.first(), Some((at(6), 3)));
        assert!(lifetimes.is_for_ever(4) && !lifetimes.is_for_ever(1));
        (1..5).for_each(|sequence| lifetimes.forget(sequence));
        assert!(lifetimes.first().is_none() && lifetimes.until.is_empty());
        assert!(!lifetimes.is_for_ever(4));
    }
}
