//! How long the turns of a core take, and what else is counted of them: plain
//! integers of the core, which monitoring copies.
//!
//! No clock is read for it. A turn lasts from its beginning to that of the next
//! one, or to the moment before a sleep, at which the clock is read anyway; so
//! it also contains what the kernel took the core away for.

use trunkline_core::base::id::Nanos;

/// Upper bounds of the buckets in nanoseconds; one more bucket is for the rest.
pub const BOUNDS_NS: [u64; 13] = [
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
];

/// After this time, what was recent begins to be forgotten.
const HALF_MINUTE_NS: u64 = 30_000_000_000;

/// Durations, by size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many fell into each bucket; not cumulative.
    pub buckets: [u64; BOUNDS_NS.len() + 1],
    /// All together.
    pub sum_ns: u64,
    /// The longest one.
    pub max_ns: u64,
}

impl Durations {
    #[inline]
    pub(super) fn record(&mut self, duration_ns: u64) {
        let bucket = BOUNDS_NS.iter().position(|&bound| duration_ns <= bound);
        self.buckets[bucket.unwrap_or(BOUNDS_NS.len())] += 1;
        self.sum_ns += duration_ns;
        self.max_ns = self.max_ns.max(duration_ns);
    }
}

/// What a core counts of its work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// When the turn under way began; `None` while the core sleeps.
    began: Option<Nanos>,
    /// Turns.
    pub turns: Durations,
    /// The longest turn of this half minute and of the one before,
    recent_max_ns: [u64; 2],
    /// and when this half minute ends.
    recent_until: Nanos,
    /// Processor time of letters.
    pub letters: Durations,
    /// Handshakes of TLS that are under way,
    pub handshakes_under_way: u64,
    /// those that were completed,
    pub handshakes_completed: u64,
    /// and those that came to nothing.
    pub handshakes_failed: u64,
}

impl Meter {
    /// A turn begins, which ends the one before it.
    #[inline]
    pub(super) fn begin_turn(&mut self, now: Nanos) {
        self.end_turn(now);
        if now >= self.recent_until {
            self.pass_half_minute(now);
        }
        self.began = Some(now);
    }

    /// The turn under way, if there is one, ends.
    #[inline]
    pub(super) fn end_turn(&mut self, now: Nanos) {
        if let Some(began) = self.began.take() {
            let duration_ns = now.since_ns(began);
            self.turns.record(duration_ns);
            self.recent_max_ns[0] = self.recent_max_ns[0].max(duration_ns);
        }
    }

    /// The longest turn of the last half minute to minute, whoever looks.
    pub fn recent_max_ns(&self) -> u64 {
        self.recent_max_ns[0].max(self.recent_max_ns[1])
    }

    #[cold]
    fn pass_half_minute(&mut self, now: Nanos) {
        let is_older = now.since_ns(self.recent_until) >= HALF_MINUTE_NS;
        let before = if is_older { 0 } else { self.recent_max_ns[0] };
        self.recent_max_ns = [0, before];
        self.recent_until = Nanos(now.0 + HALF_MINUTE_NS);
    }

    /// A handshake is over.
    pub(super) fn end_handshake(&mut self, is_completed: bool) {
        self.handshakes_under_way -= 1;
        match is_completed {
            true => self.handshakes_completed += 1,
            false => self.handshakes_failed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_sorted_into_buckets() {
        let mut meter = Meter::default();
        meter.begin_turn(Nanos(0));
        meter.begin_turn(Nanos(10_000));
        meter.end_turn(Nanos(10_000 + 5_000_001));
        // Sleep is no turn.
        meter.begin_turn(Nanos(900_000_000));
        meter.begin_turn(Nanos(1_100_000_000));
        let turns = meter.turns;
        assert_eq!(turns.buckets.iter().sum::<u64>(), 3);
        assert_eq!(turns.buckets[0], 1, "the bound belongs to its bucket");
        assert_eq!(turns.buckets[9], 1);
        assert_eq!(turns.buckets[BOUNDS_NS.len()], 1);
        assert_eq!(turns.max_ns, 200_000_000);
        assert_eq!(turns.sum_ns, 10_000 + 5_000_001 + 200_000_000);
    }

    #[test]
    fn what_was_recent_is_forgotten_in_time_and_not_by_a_look() {
        let seconds = |seconds: u64| Nanos(seconds * 1_000_000_000);
        let mut meter = Meter::default();
        meter.begin_turn(seconds(0));
        meter.end_turn(Nanos(7));
        for _ in 0..2 {
            assert_eq!(meter.recent_max_ns(), 7);
        }
        meter.begin_turn(seconds(31));
        meter.end_turn(Nanos(31_000_000_005));
        assert_eq!(meter.recent_max_ns(), 7);
        meter.begin_turn(seconds(62));
        assert_eq!(meter.recent_max_ns(), 5);
        meter.end_turn(seconds(62));
        meter.begin_turn(seconds(200));
        assert_eq!(meter.recent_max_ns(), 0);
    }
}
