//! What time it is, on both clocks: set once per turn by the shell, and the only
//! time that the core knows.
//!
//! Deadlines and intervals go by the monotonic clock, which the core only
//! compares; what is stored or shown to people carries the wall clock, which may
//! jump.

use super::id::Nanos;

/// Nanoseconds since the Unix epoch on the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WallNanos(pub u64);

/// A moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// On the monotonic clock.
    pub mono: Nanos,
    /// On the wall clock.
    pub wall: WallNanos,
}

impl Moment {
    /// A moment of which only the monotonic clock is known: for tests and
    /// benches, in which nothing is dated.
    #[must_use]
    pub fn undated(mono: Nanos) -> Self {
        Self {
            mono,
            wall: WallNanos(0),
        }
    }
}
