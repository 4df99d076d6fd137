//! Leave to answer: the reply subjects that a connection has been asked under
//! and may publish to although its rights do not say so (`allow_responses`).

use std::collections::BTreeMap;

use crate::base::id::Nanos;
use crate::base::limits::{RESPONSES_MAX, RESPONSES_PRUNE_AFTER, RESPONSES_PRUNE_NS};

/// The requests that a connection may still answer.
#[derive(Debug)]
pub struct Responses {
    /// Answers per request; zero: no limit.
    messages_max: u32,
    /// How long after the request; zero: without end.
    expires_ns: u64,
    open: BTreeMap<Vec<u8>, Request>,
    since_pruned: usize,
    pruned_at: Nanos,
}

#[derive(Debug)]
struct Request {
    at: Nanos,
    answers: u32,
}

impl Responses {
    /// No request yet.
    #[must_use]
    pub fn new(messages_max: u32, expires_ns: u64) -> Self {
        Self {
            messages_max,
            expires_ns,
            open: BTreeMap::new(),
            since_pruned: 0,
            pruned_at: Nanos(0),
        }
    }

    /// Answers per request and nanoseconds after it.
    #[must_use]
    pub fn limits(&self) -> (u32, u64) {
        (self.messages_max, self.expires_ns)
    }

    /// Notes that a request with this reply subject was delivered. Beyond the
    /// bound the request cannot be answered. While an older request under the
    /// same subject may be answered, a further one counts as an answer of that
    /// (NATS 2.15).
    pub fn note(&mut self, now: Nanos, reply: &[u8]) {
        if self.take(now, reply) {
            return;
        }
        self.since_pruned += 1;
        if self.since_pruned > RESPONSES_PRUNE_AFTER
            || now.since_ns(self.pruned_at) > RESPONSES_PRUNE_NS
        {
            self.prune(now);
        }
        if self.open.len() < RESPONSES_MAX {
            let request = Request {
                at: now,
                answers: 0,
            };
            self.open.insert(reply.to_vec(), request);
        }
    }

    /// Whether a message to this subject is an answer that is allowed, and
    /// counts it.
    pub fn take(&mut self, now: Nanos, subject: &[u8]) -> bool {
        let Some(request) = self.open.get_mut(subject) else {
            return false;
        };
        request.answers = request.answers.saturating_add(1);
        let is_over = self.messages_max > 0 && request.answers > self.messages_max;
        let is_late = self.expires_ns > 0 && now.since_ns(request.at) > self.expires_ns;
        if is_over || is_late {
            self.open.remove(subject);
        }
        !is_over && !is_late
    }

    fn prune(&mut self, now: Nanos) {
        let (messages_max, expires_ns) = (self.messages_max, self.expires_ns);
        self.open.retain(|_, request| {
            let is_over = messages_max > 0 && request.answers >= messages_max;
            let is_late = expires_ns > 0 && now.since_ns(request.at) > expires_ns;
            !is_over && !is_late
        });
        self.since_pruned = 0;
        self.pruned_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_and_expire() {
        let mut responses = Responses::new(2, 100);
        responses.note(Nanos(1000), b"r");
        assert!(!responses.take(Nanos(1000), b"other"));
        assert!(responses.take(Nanos(1001), b"r"));
        assert!(responses.take(Nanos(1002), b"r"));
        assert!(!responses.take(Nanos(1003), b"r"));
        responses.note(Nanos(2000), b"r");
        assert!(!responses.take(Nanos(2101), b"r"));
    }

    #[test]
    fn number_of_requests_is_bounded() {
        let mut responses = Responses::new(0, 0);
        for number in 0..=RESPONSES_MAX {
            responses.note(Nanos(0), format!("r.{number}").as_bytes());
        }
        assert_eq!(responses.open.len(), RESPONSES_MAX);
        assert!(responses.take(Nanos(u64::MAX), b"r.0"));
    }
}
