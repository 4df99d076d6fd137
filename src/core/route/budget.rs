//! What the remembered routes of all accounts of one core may take together,
//! and which subjects were seen lately without being remembered.
//!
//! One value per core, shared by the [`super::cache::RouteCache`]s of its
//! accounts. Bound: bytes, capacities counted. At it a cache remembers a new
//! route only in the place of others of its own; from seven eighths of it on
//! the core takes the least useful routes of all accounts back at the end of
//! its turns (`super::sweep`).
//!
//! A subject is remembered at its second sight, so that subjects which never
//! come again (inboxes, acknowledgements) neither take room nor the place of
//! others. What was seen once is a part of its hash in one word of a table that
//! never grows, and takes the place of one of the four that the word holds. Which
//! one is drawn: subjects that share a word and take turns would else keep each
//! other out for ever. A subject that comes again only
//! after very many others is a first sight again.

use std::cell::Cell;
use std::rc::Rc;

use crate::base::limits::ROUTE_SIGHTS_MAX;
use crate::base::width;

/// Sights in one word.
const PER_WORD: usize = 4;

/// Memory of remembered routes; see the module's text.
#[derive(Debug)]
pub struct RouteBudget {
    bytes: Cell<usize>,
    bytes_max: Cell<usize>,
    /// Four sights each, sixteen bits of a hash that are not zero.
    sights: Box<[Cell<u64>]>,
    /// The last number drawn.
    drawn: Cell<u32>,
    /// The last stamp of a route.
    stamp: Cell<u64>,
}

impl RouteBudget {
    /// A budget of which nothing is used.
    #[must_use]
    pub fn new(bytes_max: usize) -> Rc<Self> {
        Rc::new(Self {
            bytes: Cell::new(0),
            bytes_max: Cell::new(bytes_max),
            sights: vec![Cell::new(0); ROUTE_SIGHTS_MAX / PER_WORD].into(),
            drawn: Cell::new(0),
            stamp: Cell::new(0),
        })
    }

    /// A stamp that no route of the core has had.
    pub(super) fn next_stamp(&self) -> u64 {
        self.stamp.set(self.stamp.get() + 1);
        self.stamp.get()
    }

    /// Memory of all remembered routes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// The bound.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.bytes_max.get()
    }

    /// Changes the bound.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.bytes_max.set(bytes_max);
    }

    /// What is left of it.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes_max.get().saturating_sub(self.bytes.get())
    }

    /// Whether no more may be remembered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.left() == 0
    }

    /// Whether the core should take routes back before it is full.
    #[must_use]
    #[inline]
    pub fn is_tight(&self) -> bool {
        self.bytes.get() > self.bytes_max.get() / 8 * 7
    }

    pub(super) fn recharge(&self, from: usize, to: usize) {
        let rest = self.bytes.get().checked_sub(from);
        let rest = rest.expect("what is given back was charged");
        self.bytes.set(rest + to);
    }

    /// Notes that a subject was seen; whether it was before.
    #[inline]
    pub(super) fn is_second_sight(&self, hash: u64) -> bool {
        let word = &self.sights[width::size(hash) % (ROUTE_SIGHTS_MAX / PER_WORD)];
        let (sights, own) = (word.get(), hash >> 48 | 1);
        if (0..PER_WORD).any(|at| sights >> (16 * at) & 0xffff == own) {
            return true;
        }
        // A linear congruential generator, whose upper bits are good enough dice.
        let drawn = self.drawn.get().wrapping_mul(1_664_525);
        let drawn = drawn.wrapping_add(1_013_904_223);
        self.drawn.set(drawn);
        let replaced = 16 * (drawn >> 30);
        word.set(sights & !(0xffff << replaced) | own << replaced);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_sight_counts_until_others_have_come_between() {
        let budget = RouteBudget::new(100);
        let one = 5 << 48;
        assert!(!budget.is_second_sight(one) && budget.is_second_sight(one));
        assert!(!budget.is_second_sight(one + 1), "another place");
        for other in 10..1000 {
            budget.is_second_sight(other << 48);
        }
        assert!(!budget.is_second_sight(one));
    }

    #[test]
    fn subjects_that_take_turns_do_not_keep_each_other_out() {
        let budget = RouteBudget::new(100);
        let mut waiting: Vec<u64> = (1..9).map(|number| number << 49).collect();
        for _ in 0..100 {
            waiting.retain(|&hash| !budget.is_second_sight(hash));
        }
        assert!(waiting.is_empty(), "{waiting:?}");
    }

    #[test]
    fn is_tight_before_it_is_full() {
        let budget = RouteBudget::new(80);
        budget.recharge(0, 70);
        assert!(!budget.is_tight() && !budget.is_full());
        budget.recharge(70, 79);
        assert!(budget.is_tight() && !budget.is_full());
        budget.recharge(0, 1);
        assert!(budget.is_full());
        budget.set_bytes_max(800);
        assert!(!budget.is_tight());
    }
}
