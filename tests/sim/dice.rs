//! Random choices that follow from the seed.

use trunkline_core::base::rng::Rng;

/// A source of choices.
pub struct Dice(Rng);

impl Dice {
    /// The choices of a seed; `stream` separates those of different actors, so
    /// that one more choice of one does not change all the others.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Rng::new(seed ^ stream.wrapping_mul(0x9e6c_63d0_876a_3f2b));
        rng.next_u64();
        Self(rng)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    /// True once in so many cases.
    pub fn one_in(&mut self, cases: u64) -> bool {
        self.0.below(cases) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.below(from.len() as u64) as usize]
    }

    /// A number up to `high` whose magnitude is evenly spread: mostly small.
    pub fn skewed(&mut self, high: u64) -> u64 {
        let bits = self.0.below(u64::from(64 - high.leading_zeros()) + 1);
        self.between(0, (1u64 << bits) - 1).min(high)
    }
}
