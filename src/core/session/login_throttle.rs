//! Log-in tries by where they come from: whoever fails too often has to wait,
//! and nobody gets more than a share of the password checks.
//!
//! Credentials are looked at whatever their source did before: many clients share
//! an address, and those that know the password must get in beside those that
//! still try an old one. What waits is the answer to a failure. A source has
//! [`FAILED_TRIES_FREE`] failures, forgotten one after the other; while they are
//! used up the answers to further ones stand in line, one per
//! [`FAILED_TRY_PAUSE_NS`]. Whatever a source does, others do not notice.
//!
//! Bounds: [`FAILED_TRY_SOURCES_MAX`] sources; beyond, the half that failed
//! longest ago is forgotten. Checks under way are bounded by their asker.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ahash::RandomState;
use hashbrown::HashMap;

use crate::base::id::Nanos;
use crate::base::limits::{
    FAILED_TRIES_FREE, FAILED_TRIES_LOG_NS, FAILED_TRIES_WAITING_MAX, FAILED_TRY_FORGOTTEN_NS,
    FAILED_TRY_PAUSE_NS, FAILED_TRY_SOURCES_MAX, PASSWORD_CHECKS_SOURCE_MAX,
};

/// Failures that are remembered at most, so that a source that stops is free
/// again soon.
const FAILURES_MAX: u32 = FAILED_TRIES_FREE * 2;

/// Where a connection comes from: an IPv4 address, or the network of an IPv6
/// address, whose lower half its owner may choose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source(IpAddr);

impl Source {
    /// The source of a peer.
    #[must_use]
    pub fn of(peer: &SocketAddr) -> Self {
        match peer.ip().to_canonical() {
            IpAddr::V6(ip) => {
                let network = ip.to_bits() & !u128::from(u64::MAX);
                Self(Ipv6Addr::from_bits(network).into())
            }
            ip @ IpAddr::V4(_) => Self(ip),
        }
    }
}

/// What comes of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It is said at once, to the client and in the log.
    Usual,
    /// There are too many.
    TooMany {
        /// When the client is told.
        answer_at: Nanos,
        /// How many there were since the log last said so; `None`: it is silent.
        said: Option<u64>,
    },
}

#[derive(Debug)]
struct Record {
    failures: u32,
    /// Until when failures are forgotten.
    forgotten: Nanos,
    /// When the last one in line is answered.
    last_turn: Nanos,
    /// When it was last said how many have failed, and how many have since.
    said: Option<Nanos>,
    unsaid: u64,
}

/// All sources of one core.
#[derive(Debug)]
pub struct LoginThrottle {
    records: HashMap<Source, Record, RandomState>,
    checks: HashMap<Source, u32, RandomState>,
}

impl Record {
    fn forget(&mut self, now: Nanos) {
        let count = now.since_ns(self.forgotten) / FAILED_TRY_FORGOTTEN_NS;
        let left = u32::try_from(count).map_or(0, |count| self.failures.saturating_sub(count));
        self.failures = left;
        self.forgotten = match left {
            0 => now,
            _ => self.forgotten.after_ns(count * FAILED_TRY_FORGOTTEN_NS),
        };
    }
}

impl LoginThrottle {
    /// No tries yet; the hash functions follow from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let hasher = RandomState::with_seeds(seed, 16, 17, 18);
        Self {
            records: HashMap::with_hasher(hasher.clone()),
            checks: HashMap::with_hasher(hasher),
        }
    }

    /// Notes a try that has failed.
    pub fn fail(&mut self, now: Nanos, source: Source) -> Failure {
        if self.records.len() >= FAILED_TRY_SOURCES_MAX && !self.records.contains_key(&source) {
            self.make_room(now);
        }
        let record = self.records.entry(source).or_insert(Record {
            failures: 0,
            forgotten: now,
            last_turn: Nanos(0),
            said: None,
            unsaid: 0,
        });
        record.forget(now);
        record.failures = (record.failures + 1).min(FAILURES_MAX);
        if record.failures < FAILED_TRIES_FREE {
            return Failure::Usual;
        }
        let last = now.after_ns(FAILED_TRY_PAUSE_NS * u64::from(FAILED_TRIES_WAITING_MAX));
        let answer_at = record.last_turn.max(now).after_ns(FAILED_TRY_PAUSE_NS);
        let answer_at = answer_at.min(last);
        record.last_turn = answer_at;
        record.unsaid += 1;
        let is_due = |said: Nanos| now.since_ns(said) >= FAILED_TRIES_LOG_NS;
        let said = record.said.is_none_or(is_due).then(|| {
            record.said = Some(now);
            std::mem::take(&mut record.unsaid)
        });
        Failure::TooMany { answer_at, said }
    }

    /// Notes that a password check begins; false if the source has too many.
    pub fn begin_check(&mut self, source: Source) -> bool {
        let checks = self.checks.entry(source).or_default();
        let is_allowed = *checks < PASSWORD_CHECKS_SOURCE_MAX;
        *checks += u32::from(is_allowed);
        is_allowed
    }

    /// Notes that a password check is over.
    pub fn end_check(&mut self, source: Source) {
        if let Some(checks) = self.checks.get_mut(&source) {
            *checks -= 1;
            if *checks == 0 {
                self.checks.remove(&source);
            }
        }
    }

    fn make_room(&mut self, now: Nanos) {
        self.records.retain(|_, record| {
            record.forget(now);
            record.failures > 0
        });
        if self.records.len() < FAILED_TRY_SOURCES_MAX {
            return;
        }
        let mut moments: Vec<Nanos> = self.records.values().map(|r| r.forgotten).collect();
        let middle = moments.len() / 2;
        let middle = *moments.select_nth_unstable(middle).1;
        self.records.retain(|_, record| record.forgotten > middle);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(&SocketAddr::new(text.parse().unwrap(), 1))
    }

    fn throttle_after(failures: u32, now: Nanos, from: Source) -> LoginThrottle {
        let mut throttle = LoginThrottle::new(1);
        for _ in 0..failures {
            assert_eq!(throttle.fail(now, from), Failure::Usual);
        }
        throttle
    }

    /// When the next failure is answered; `None`: at once.
    fn answer_at(throttle: &mut LoginThrottle, now: Nanos, from: Source) -> Option<Nanos> {
        match throttle.fail(now, from) {
            Failure::Usual => None,
            Failure::TooMany { answer_at, .. } => Some(answer_at),
        }
    }

    fn said(throttle: &mut LoginThrottle, now: Nanos, from: Source) -> Option<u64> {
        match throttle.fail(now, from) {
            Failure::Usual => None,
            Failure::TooMany { said, .. } => said,
        }
    }

    #[test]
    fn sources_are_addresses_or_networks() {
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_ne!(source("10.0.0.2"), source("10.0.0.1"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1:2:3"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
    }

    #[test]
    fn who_fails_too_often_waits_in_line() {
        let (now, bad, good) = (Nanos(5), source("10.0.0.1"), source("10.0.0.2"));
        let mut throttle = throttle_after(FAILED_TRIES_FREE - 1, now, bad);
        let last = FAILED_TRIES_WAITING_MAX;
        for place in (1..=last).chain([last; 5]) {
            let turn = now.after_ns(FAILED_TRY_PAUSE_NS * u64::from(place));
            assert_eq!(answer_at(&mut throttle, now, bad), Some(turn));
        }
        assert_eq!(answer_at(&mut throttle, now, good), None);
        let forgotten = u64::from(FAILURES_MAX);
        let much_later = now.after_ns(FAILED_TRY_FORGOTTEN_NS * forgotten);
        assert_eq!(answer_at(&mut throttle, much_later, bad), None);
    }

    #[test]
    fn it_is_said_once_and_then_once_a_minute() {
        let (now, bad) = (Nanos(0), source("10.0.0.1"));
        let mut throttle = throttle_after(FAILED_TRIES_FREE - 1, now, bad);
        assert_eq!(said(&mut throttle, now, bad), Some(1));
        for _ in 0..5 {
            assert_eq!(said(&mut throttle, now, bad), None);
        }
        let later = now.after_ns(FAILED_TRIES_LOG_NS);
        for _ in 1..FAILED_TRIES_FREE {
            assert_eq!(throttle.fail(later, bad), Failure::Usual);
        }
        assert_eq!(said(&mut throttle, later, bad), Some(6));
    }

    #[test]
    fn few_failures_mean_nothing() {
        let (mut now, from) = (Nanos(0), source("::1"));
        let mut throttle = LoginThrottle::new(1);
        for _ in 0..1000 {
            assert_eq!(throttle.fail(now, from), Failure::Usual);
            now = now.after_ns(FAILED_TRY_FORGOTTEN_NS);
        }
    }

    #[test]
    fn memory_is_bounded_and_the_latest_are_kept() {
        let mut throttle = LoginThrottle::new(1);
        let address = |number: u32| Source(IpAddr::V4(number.into()));
        let count = FAILED_TRY_SOURCES_MAX as u32 * 3;
        for number in 0..count {
            throttle.fail(Nanos(u64::from(number)), address(number));
            assert!(throttle.records.len() <= FAILED_TRY_SOURCES_MAX);
        }
        assert!(throttle.records.contains_key(&address(count - 1)));
        assert!(!throttle.records.contains_key(&address(0)));
    }

    #[test]
    fn checks_of_one_source_are_bounded() {
        let (mut throttle, one, other) = (
            LoginThrottle::new(1),
            source("10.0.0.1"),
            source("10.0.0.2"),
        );
        for _ in 0..PASSWORD_CHECKS_SOURCE_MAX {
            assert!(throttle.begin_check(one));
        }
        assert!(!throttle.begin_check(one) && throttle.begin_check(other));
        throttle.end_check(one);
        assert!(throttle.begin_check(one) && !throttle.begin_check(one));
    }
}
