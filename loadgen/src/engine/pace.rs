//! The schedule of an open loop: when each message was meant to be sent, whatever the server does.
//!
//! Messages are numbered over all sources; source `s` of `n` sends the numbers `s`, `s + n`, `s + 2n`, …, and number `k`
//! is due at `start + k / rate`. Latency is measured from that time, so a server that stalls is charged for every
//! message that had to wait, also for those we could not even send: this is the correction of coordinated omission.

/// Fixed-rate schedule of one worker's sources.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    start_ns: u64,
    interval_ns: f64,
    first_source: u64,
    sources: u64,
}

impl Pace {
    /// A schedule of `rate` messages per second over `sources` sources, of which ours begin at `first_source`.
    pub fn new(start_ns: u64, rate: f64, first_source: usize, sources: usize) -> Self {
        Pace {
            start_ns,
            interval_ns: 1e9 / rate,
            first_source: first_source as u64,
            sources: sources.max(1) as u64,
        }
    }

    /// When our source `source` is meant to send its message `index`.
    pub fn due_ns(&self, source: usize, index: u64) -> u64 {
        let number = index * self.sources + self.first_source + source as u64;
        self.start_ns + (number as f64 * self.interval_ns) as u64
    }

    /// How many messages our source `source` should have sent by `now_ns`.
    pub fn due_count(&self, source: usize, now_ns: u64) -> u64 {
        let elapsed = now_ns.saturating_sub(self.start_ns) as f64;
        let own = self.first_source + source as u64;
        let numbers = (elapsed / self.interval_ns) as u64 + 1;
        let mut count = (numbers + self.sources).saturating_sub(own + 1) / self.sources;
        // Rounding must make no message early, and none late: whoever asks at the due time must be told.
        while self.due_ns(source, count) <= now_ns {
            count += 1;
        }
        while count > 0 && self.due_ns(source, count - 1) > now_ns {
            count -= 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_counts_agree_with_due_times() {
        for (rate, source) in [1e6, 3e6 / 7.0, 3e6, 1.1e6]
            .into_iter()
            .flat_map(|rate| (0..3).map(move |source| (rate, source)))
        {
            let pace = Pace::new(1000, rate, 2, 5);
            for now in 900..30_000u64 {
                let naive = (0..100)
                    .take_while(|index| pace.due_ns(source, *index) <= now)
                    .count() as u64;
                let counted = pace.due_count(source, now);
                assert!(
                    counted == naive,
                    "source {source} at {now}: {counted}, not {naive}"
                );
            }
        }
    }

    #[test]
    fn sources_take_turns() {
        let pace = Pace::new(0, 1e9, 0, 4);
        let mut all: Vec<u64> = (0..4)
            .flat_map(|source| (0..10).map(move |index| pace.due_ns(source, index)))
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<u64>>());
    }
}
