//! Subscriptions that ended while a route is lent: whoever goes on with the
//! receivers of such a route must leave them out, since their slots are free
//! or belong to others by now.
//!
//! Costs nothing while nothing is lent. Bound: one entry per slot.

use ahash::RandomState;
use hashbrown::HashMap;

/// The ends of subscriptions during loans of routes.
#[derive(Debug)]
pub struct Removals {
    /// Routes that are lent.
    loans: usize,
    /// Ends that were noted.
    sequence: u64,
    /// By slot: the number of its last end.
    last: HashMap<u32, u64, RandomState>,
}

impl Removals {
    /// Nothing is lent.
    pub fn new(hasher: RandomState) -> Self {
        Self {
            loans: 0,
            sequence: 0,
            last: HashMap::with_hasher(hasher),
        }
    }

    /// A route is lent.
    pub fn begin(&mut self) {
        self.loans += 1;
    }

    /// A route has come back.
    pub fn end(&mut self) {
        self.loans = self.loans.checked_sub(1).expect("it was lent");
        if self.loans == 0 && !self.last.is_empty() {
            self.last = HashMap::with_hasher(self.last.hasher().clone());
        }
    }

    /// A subscription has ended.
    #[inline]
    pub fn note(&mut self, number: u32) {
        if self.loans > 0 {
            self.sequence += 1;
            self.last.insert(number, self.sequence);
        }
    }

    /// The number of the last end.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether a subscription ended after the end with this number.
    #[inline]
    pub fn is_gone_since(&self, number: u32, sequence: u64) -> bool {
        self.sequence > sequence && self.last.get(&number).is_some_and(|&at| at > sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_known_during_loans_only() {
        let mut removals = Removals::new(RandomState::with_seeds(1, 2, 3, 4));
        removals.note(7);
        let before = removals.sequence();
        removals.begin();
        assert!(!removals.is_gone_since(7, before));
        removals.note(7);
        assert!(removals.is_gone_since(7, before));
        let between = removals.sequence();
        removals.begin();
        assert!(!removals.is_gone_since(7, between));
        removals.note(8);
        removals.note(7);
        removals.end();
        assert!(removals.is_gone_since(7, between) && removals.is_gone_since(8, between));
        removals.end();
        assert!(!removals.is_gone_since(7, before) && removals.last.is_empty());
    }
}
