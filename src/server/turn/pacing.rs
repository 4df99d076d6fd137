//! How eagerly a core wakes: whether it naps before it sleeps.
//!
//! Many connections with a small message each wake a core for every few of them,
//! and each time there is a sleep, a wake-up and a send for those few. A core that
//! is in the middle of such a load naps first: it stays away from its poller for
//! [`NAP_NS`], and one wake-up and one send serve what has come meanwhile. Output
//! leaves before a nap, so a nap delays only what arrives during it.
//!
//! Nothing is to be set. Over windows of [`WINDOW_NS`] a core counts the sockets it reads, its sleeps and how long they
//! are. Naps begin when it is busy and yet sleeps all the time, and there are [`READS_PER_SECOND_MIN`]. They end as
//! soon as one finds nothing, or a window of them has gathered less than [`READS_PER_NAP_MIN`] each.
//!
//! Clients that wait for answers before they send on (request and reply) would
//! only be slowed down: the first window with naps is a trial, after which naps
//! end again if there were fewer reads than before. The next trial is later each time.
//!
//! A pure state machine: no clock, no system call. What else was tried is in `tuning/`.

use trunkline_core::base::id::Nanos;

/// How long a nap is.
pub const NAP_NS: u64 = 50_000;

/// Below that many reads latency matters more than the CPU time that naps save.
const READS_PER_SECOND_MIN: u64 = 120_000;

/// Sleeps that are further apart than this on average cost too little to be worth a nap: so it is with some
/// dozens of clients that ask all at once whenever they have been answered.
const SLEEP_APART_MAX_NS: u64 = 60_000;

/// What a nap has to gather, with what is read until the next one. At 100,000 reads a second and 3.5 µs for each
/// it would be 9.
const READS_PER_NAP_MIN: u64 = 12;

/// Over which time a core looks at itself.
const WINDOW_NS: u64 = 2_000_000;

/// After a trial that failed, the next one is this much later at first,
const BACKOFF_MIN_NS: u64 = 8_000_000;
/// and in the end.
const BACKOFF_MAX_NS: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    /// Sleeps at once.
    Eager,
    /// Naps, to compare with the reads of the window before.
    Trial { reads_per_second: u64 },
    /// Naps.
    Napping,
}

/// What is counted in a window.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began: Nanos,
    reads: u64,
    sleeps: u64,
    naps: u64,
    asleep_ns: u64,
}

/// A core's habits of sleep.
#[derive(Debug)]
pub struct Pacing {
    mode: Mode,
    window: Window,
    /// Since when the core sleeps.
    asleep_since: Option<Nanos>,
    backoff_ns: u64,
    next_trial: Nanos,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            mode: Mode::Eager,
            window: Window::default(),
            asleep_since: None,
            backoff_ns: BACKOFF_MIN_NS,
            next_trial: Nanos(0),
        }
    }
}

impl Pacing {
    /// A turn begins, and with it the end of a sleep, if there was one.
    #[inline]
    pub fn begin_turn(&mut self, now: Nanos) {
        if let Some(since) = self.asleep_since.take() {
            self.window.asleep_ns += now.since_ns(since);
        }
    }

    /// A socket was read.
    #[inline]
    pub fn note_read(&mut self) {
        self.window.reads += 1;
    }

    /// The core has nothing to do; returns whether it is to nap before it sleeps.
    pub fn begin_sleep(&mut self, now: Nanos) -> bool {
        self.asleep_since = Some(now);
        if now.since_ns(self.window.began) >= WINDOW_NS {
            self.end_window(now);
        }
        self.window.sleeps += 1;
        let naps = self.mode != Mode::Eager;
        self.window.naps += u64::from(naps);
        naps
    }

    /// A nap has gathered nothing: the input has dried up.
    pub fn note_empty_nap(&mut self) {
        self.mode = Mode::Eager;
    }

    fn end_window(&mut self, now: Nanos) {
        let window = self.window;
        self.window = Window {
            began: now,
            ..Window::default()
        };
        let length_ns = now.since_ns(window.began);
        let reads_per_second = per_second(window.reads, length_ns);
        self.mode = match self.mode {
            Mode::Eager => {
                let is_busy = window.asleep_ns < length_ns / 2;
                let is_restless = window.sleeps * SLEEP_APART_MAX_NS >= length_ns;
                let is_loaded = reads_per_second >= READS_PER_SECOND_MIN;
                match is_busy && is_restless && is_loaded && self.next_trial <= now {
                    true => Mode::Trial { reads_per_second },
                    false => Mode::Eager,
                }
            }
            Mode::Trial {
                reads_per_second: before,
            } => self.judge_trial(now, before, reads_per_second),
            Mode::Napping => match window.reads >= window.naps * READS_PER_NAP_MIN {
                true => Mode::Napping,
                false => Mode::Eager,
            },
        };
    }

    fn judge_trial(&mut self, now: Nanos, before: u64, with_naps: u64) -> Mode {
        if with_naps >= before - before / 8 {
            self.backoff_ns = BACKOFF_MIN_NS;
            return Mode::Napping;
        }
        self.next_trial = now.after_ns(self.backoff_ns);
        self.backoff_ns = (self.backoff_ns * 2).min(BACKOFF_MAX_NS);
        Mode::Eager
    }
}

fn per_second(count: u64, length_ns: u64) -> u64 {
    count.saturating_mul(1_000_000_000) / length_ns.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core under a load, as far as its pacing knows.
    struct Load {
        pacing: Pacing,
        now: Nanos,
        naps: u64,
    }

    impl Load {
        fn new() -> Self {
            Self {
                pacing: Pacing::default(),
                now: Nanos(0),
                naps: 0,
            }
        }

        fn pass(&mut self, ns: u64) {
            self.now = self.now.after_ns(ns);
        }

        /// Turns of 8 µs and 3 more for each of `reads` sockets, then a sleep of `asleep_ns`; or a nap, after
        /// which `gathered` sockets are read.
        fn run(&mut self, turns: u64, reads: u64, asleep_ns: u64, gathered: u64) -> u64 {
            let naps_before = self.naps;
            let mut reads_now = reads;
            for _ in 0..turns {
                self.pacing.begin_turn(self.now);
                self.pass(8_000);
                for _ in 0..reads_now {
                    self.pacing.note_read();
                    self.pass(3_000);
                }
                reads_now = reads;
                if !self.pacing.begin_sleep(self.now) {
                    self.pass(asleep_ns);
                    continue;
                }
                self.naps += 1;
                self.pass(NAP_NS);
                reads_now = gathered;
                if gathered == 0 {
                    self.pacing.note_empty_nap();
                    reads_now = reads;
                    self.pass(asleep_ns);
                }
            }
            self.naps - naps_before
        }
    }

    #[test]
    fn telemetry_naps() {
        let mut load = Load::new();
        load.run(200, 5, 2_000, 30);
        assert_eq!(load.pacing.mode, Mode::Napping);
        assert_eq!(load.run(1_000, 5, 2_000, 30), 1_000, "and goes on");
    }

    #[test]
    fn a_lone_client_and_a_calm_load_never_nap() {
        let mut lone = Load::new();
        assert_eq!(lone.run(100_000, 1, 20_000, 0), 0);
        // 100,000 reads a second, and busy with them.
        let mut calm = Load::new();
        assert_eq!(calm.run(100_000, 2, 6_000, 1), 0);
        // A core that could take twice as much.
        let mut idle = Load::new();
        assert_eq!(idle.run(100_000, 10, 40_000, 10), 0);
        // 64 clients that ask all at once: busy, and seldom asleep.
        let mut rounds = Load::new();
        assert_eq!(rounds.run(100_000, 64, 5_000, 64), 0);
    }

    #[test]
    fn clients_that_wait_for_answers_are_left_alone() {
        let mut load = Load::new();
        // 8 clients: all have asked again 10 µs after their answers, a nap takes 40 more.
        let (turns, clients) = (40_000, 8);
        let naps = load.run(turns, clients, 10_000, clients);
        assert!(naps > 0, "a trial there is");
        assert!(naps < turns / 100, "{naps} naps in {turns} turns");
    }

    #[test]
    fn naps_end_with_the_input() {
        let mut load = Load::new();
        load.run(200, 5, 2_000, 30);
        assert_eq!(load.run(1, 5, 2_000, 0), 1);
        assert_eq!(load.pacing.mode, Mode::Eager, "at once");
        let mut load = Load::new();
        load.run(200, 5, 2_000, 30);
        assert!(
            load.run(2_000, 5, 2_000, 3) < 200,
            "or as they gather little"
        );
    }

    #[test]
    fn long_sleeps_are_no_load() {
        let mut load = Load::new();
        load.run(10, 5, 3_600_000_000_000, 30);
        assert_eq!(load.pacing.mode, Mode::Eager);
    }
}
