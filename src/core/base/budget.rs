//! Work, counted, so that no client's input makes a turn long.
//!
//! The unit is a *nominal nanosecond*: what a step costs on average, measured once
//! and written down in `limits`. No clock is read, so the same input is cut into
//! the same turns everywhere. A budget is granted per part of a turn; whoever
//! works charges it and stops once it is spent, at a place where it can go on
//! later. One step may exceed what is left: every step is itself bounded.

/// Work that may still be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    left_ns: u64,
}

impl Budget {
    /// Allows this much work from now on; what was left or overdrawn before is
    /// forgotten.
    pub fn grant(&mut self, work_ns: u64) {
        self.left_ns = work_ns;
    }

    /// Takes work that was done from what is left.
    #[inline]
    pub fn charge(&mut self, work_ns: u64) {
        self.left_ns = self.left_ns.saturating_sub(work_ns);
    }

    /// Whether nothing is left.
    #[must_use]
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.left_ns == 0
    }

    /// The mark at which a slice of what is left is spent, see
    /// [`Self::is_down_to`]. A slice has something in it.
    #[must_use]
    #[inline]
    pub fn mark_after(&self, slice_ns: u64) -> Mark {
        Mark(self.left_ns.saturating_sub(slice_ns.max(1)))
    }

    /// Whether work has reached a mark.
    #[must_use]
    #[inline]
    pub fn is_down_to(&self, mark: Mark) -> bool {
        self.left_ns <= mark.0
    }
}

/// What is left of a budget when a slice of it is spent.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_end_at_their_marks_and_with_the_budget() {
        let mut budget = Budget::default();
        assert!(budget.is_spent());
        budget.grant(1_000);
        let mark = budget.mark_after(300);
        budget.charge(299);
        assert!(!budget.is_down_to(mark));
        budget.charge(1);
        assert!(budget.is_down_to(mark) && !budget.is_spent());
        let last = budget.mark_after(10_000);
        budget.charge(700);
        assert!(budget.is_down_to(last) && budget.is_spent());
        budget.charge(u64::MAX);
        budget.grant(1);
        assert!(!budget.is_spent(), "debts are forgotten");
        assert!(!budget.is_down_to(budget.mark_after(0)), "never empty");
    }
}
