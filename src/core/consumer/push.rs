//! A consumer that sends to a subject: whether somebody listens, how much may be on its
//! way (flow control), how fast it may be (rate limit), and heartbeats.

use bytes::Bytes;

use super::config::PushConfig;
use crate::base::id::Nanos;

/// Bytes that may be on their way at first, and at most.
const WINDOW_MIN_BYTES: u64 = 2 << 20;
const WINDOW_MAX_BYTES: u64 = 32 << 20;

const SECOND_NS: u128 = 1_000_000_000;

/// Whether and how messages are pushed.
#[derive(Debug)]
pub struct Push {
    /// Where to.
    pub subject: Bytes,
    /// Whether somebody listens there.
    is_bound: bool,
    window: Option<Box<Window>>,
    heartbeat_ns: Option<u64>,
    heartbeat_at: Nanos,
    /// When all that was sent under a rate limit would have gone at its rate.
    paid_until: Nanos,
}

/// Bytes on their way to clients that say how far they have come.
#[derive(Debug)]
struct Window {
    max_bytes: u64,
    bytes: u64,
    /// Where the answer to the open request goes, or nothing.
    asked: Bytes,
    /// Bytes that the answer is for.
    asked_bytes: u64,
}

impl Push {
    /// Nobody listens.
    #[must_use]
    pub fn new(config: &PushConfig, now: Nanos) -> Self {
        let window = Window {
            max_bytes: WINDOW_MIN_BYTES,
            bytes: 0,
            asked: Bytes::new(),
            asked_bytes: 0,
        };
        let after = |ns: u64| now.after_ns(ns);
        Self {
            subject: Bytes::copy_from_slice(config.deliver_subject.as_bytes()),
            is_bound: false,
            window: config.has_flow_control.then(|| Box::new(window)),
            heartbeat_ns: config.heartbeat_ns,
            heartbeat_at: config.heartbeat_ns.map_or(Nanos::NEVER, after),
            paid_until: Nanos(0),
        }
    }

    /// Whether somebody listens.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.is_bound
    }

    /// Somebody listens, or nobody any more.
    pub fn set_bound(&mut self, is_bound: bool, now: Nanos) {
        if is_bound && !self.is_bound && self.heartbeat_at <= now {
            self.silence_begins(now);
        }
        self.is_bound = is_bound;
    }

    /// Whether a message may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let window = self.window.as_ref();
        self.is_bound && window.is_none_or(|window| window.bytes <= window.max_bytes)
    }

    /// When a message of so many bytes may be sent under a rate limit.
    #[must_use]
    pub fn allowed_at(&self, len: u64, config: &PushConfig, now: Nanos) -> Nanos {
        let Some(bits) = config.rate_limit_bits else {
            return now;
        };
        let burst_ns = time_ns(config.burst_bytes, bits);
        let paid = self.paid_until.max(now).after_ns(time_ns(len, bits));
        Nanos(paid.0.saturating_sub(burst_ns)).max(now)
    }

    /// A message of so many bytes was sent. True if the client is to be asked how far it
    /// has come.
    pub fn sent(&mut self, len: u64, config: &PushConfig, now: Nanos) -> bool {
        self.silence_begins(now);
        if let Some(bits) = config.rate_limit_bits {
            self.paid_until = self.paid_until.max(now).after_ns(time_ns(len, bits));
        }
        let Some(window) = &mut self.window else {
            return false;
        };
        window.bytes += len;
        if window.asked.is_empty() {
            return window.bytes > window.max_bytes / 2;
        }
        if window.bytes.saturating_sub(window.asked_bytes) >= window.max_bytes {
            window.asked_bytes += len;
        }
        false
    }

    /// The client is asked.
    pub fn ask(&mut self, reply: Bytes) {
        if let Some(window) = &mut self.window {
            window.asked = reply;
            window.asked_bytes = window.bytes;
        }
    }

    /// An answer came to a subject. True if it was the one that was waited for.
    pub fn answered(&mut self, subject: &[u8]) -> bool {
        let Some(window) = &mut self.window else {
            return false;
        };
        if window.asked.is_empty() || *window.asked != *subject {
            return false;
        }
        window.max_bytes = (window.max_bytes * 2).min(WINDOW_MAX_BYTES);
        window.bytes = window.bytes.saturating_sub(window.asked_bytes);
        window.asked = Bytes::new();
        window.asked_bytes = 0;
        true
    }

    /// Where the answer that is waited for goes, or nothing.
    #[must_use]
    pub fn asked(&self) -> &[u8] {
        self.window.as_ref().map_or(&[], |window| &window.asked)
    }

    /// When it is to be said that the consumer lives: `NEVER` while nobody listens.
    #[must_use]
    pub fn heartbeat_at(&self) -> Nanos {
        match self.is_bound {
            true => self.heartbeat_at,
            false => Nanos::NEVER,
        }
    }

    /// Something was said.
    pub fn silence_begins(&mut self, now: Nanos) {
        let after = |ns: u64| now.after_ns(ns);
        self.heartbeat_at = self.heartbeat_ns.map_or(Nanos::NEVER, after);
    }
}

/// Nanoseconds that bytes take.
fn time_ns(bytes: u64, bits_per_second: u64) -> u64 {
    let ns = u128::from(bytes) * 8 * SECOND_NS / u128::from(bits_per_second.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn push(config: &PushConfig) -> Push {
        let mut push = Push::new(config, Nanos(0));
        push.set_bound(true, Nanos(0));
        push
    }

    #[test]
    fn a_window_opens_by_answers() {
        let config = PushConfig {
            has_flow_control: true,
            ..PushConfig::default()
        };
        let mut push = push(&config);
        let mib = 1 << 20;
        assert!(!push.sent(mib, &config, Nanos(0)));
        assert!(push.sent(1, &config, Nanos(0)), "more than half of it");
        push.ask(Bytes::from_static(b"fc.1"));
        assert!(!push.sent(mib, &config, Nanos(0)) && !push.is_open());
        assert!(!push.answered(b"fc.0") && !push.is_open());
        assert!(push.answered(b"fc.1") && push.is_open());
        assert!(!push.answered(b""), "nobody has asked");
        assert!(
            !push.sent(mib, &config, Nanos(0)),
            "half of what is doubled"
        );
        assert!(push.sent(1, &config, Nanos(0)));
    }

    #[test]
    fn a_rate_is_kept_on_average() {
        let config = PushConfig {
            rate_limit_bits: Some(8_000),
            burst_bytes: 1_000,
            ..PushConfig::default()
        };
        let mut push = push(&config);
        assert_eq!(push.allowed_at(1_000, &config, Nanos(0)), Nanos(0));
        push.sent(1_000, &config, Nanos(0));
        assert_eq!(push.allowed_at(500, &config, Nanos(0)), Nanos(SECOND / 2));
        assert_eq!(
            push.allowed_at(3_000, &config, Nanos(SECOND)),
            Nanos(3 * SECOND)
        );
        push.sent(3_000, &config, Nanos(3 * SECOND));
        let later = push.allowed_at(1_000, &config, Nanos(3 * SECOND));
        assert_eq!(later, Nanos(6 * SECOND), "it was larger than the bucket");
        let slow = PushConfig {
            rate_limit_bits: Some(1),
            ..config
        };
        assert!(push.allowed_at(1, &slow, Nanos(0)) < Nanos::NEVER);
    }
}
