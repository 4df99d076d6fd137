//! Leave to answer: the reply subjects that a connection has been asked under
//! and may publish to although its rights do not say so (`allow_responses`).
//!
//! Bounds: [`RESPONSES_MAX`] requests and [`RESPONSES_BYTES_MAX`] bytes; beyond, the
//! oldest one gives way. Every step costs as much as a look-up, on average.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::id::Nanos;
use crate::base::limits::{RESPONSES_BYTES_MAX, RESPONSES_MAX};

/// Requests in the order that may be over without being forgotten, beside as many
/// as are open.
const OVER_MAX: usize = 64;

/// The requests that a connection may still answer.
#[derive(Debug)]
pub struct Responses {
    /// Answers per request; zero: no limit.
    messages_max: u32,
    /// How long after the request; zero: without end.
    expires_ns: u64,
    open: BTreeMap<Arc<[u8]>, Request>,
    /// All that are open, the oldest first, among others that are over.
    order: VecDeque<(Arc<[u8]>, u64)>,
    /// Bytes of the subjects of those that are open.
    bytes: usize,
    /// The number of the last one.
    last: u64,
}

#[derive(Debug)]
struct Request {
    number: u64,
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
            order: VecDeque::new(),
            bytes: 0,
            last: 0,
        }
    }

    /// Answers per request and nanoseconds after it.
    #[must_use]
    pub fn limits(&self) -> (u32, u64) {
        (self.messages_max, self.expires_ns)
    }

    /// Notes that a request with this reply subject was delivered. While an older
    /// request under the same subject may be answered, a further one counts as an
    /// answer of that (NATS 2.15).
    pub fn note(&mut self, now: Nanos, reply: &[u8]) {
        if self.take(now, reply) {
            return;
        }
        self.make_room(now, reply.len());
        let reply: Arc<[u8]> = reply.into();
        self.last += 1;
        self.bytes += reply.len();
        self.order.push_back((Arc::clone(&reply), self.last));
        let request = Request {
            number: self.last,
            at: now,
            answers: 0,
        };
        self.open.insert(reply, request);
        debug_assert!(self.open.len() <= RESPONSES_MAX);
    }

    /// Whether a message to this subject is an answer that is allowed, and
    /// counts it.
    pub fn take(&mut self, now: Nanos, subject: &[u8]) -> bool {
        let expires_ns = self.expires_ns;
        let Some(request) = self.open.get_mut(subject) else {
            return false;
        };
        request.answers = request.answers.saturating_add(1);
        let is_last = request.answers == self.messages_max;
        let is_late = request.is_late(now, expires_ns);
        if is_last || is_late {
            self.open.remove(subject);
            self.bytes -= subject.len();
        }
        !is_late
    }

    /// Forgets those that cannot be answered any more, and as many of the oldest
    /// as stand in the way of another one.
    fn make_room(&mut self, now: Nanos, len: usize) {
        let expires_ns = self.expires_ns;
        while let Some((subject, number)) = self.order.front() {
            let is_full =
                self.open.len() >= RESPONSES_MAX || self.bytes + len > RESPONSES_BYTES_MAX;
            let request = self.open.get(subject);
            let request = request.filter(|request| request.number == *number);
            if let Some(request) = request {
                if !is_full && !request.is_late(now, expires_ns) {
                    break;
                }
                self.bytes -= subject.len();
                self.open.remove(subject);
            }
            self.order.pop_front();
        }
        if self.order.len() > 2 * self.open.len() + OVER_MAX {
            let open = &self.open;
            let is_open = |subject: &Arc<[u8]>, number| {
                let request = open.get(subject);
                request.is_some_and(|request| request.number == number)
            };
            self.order
                .retain(|(subject, number)| is_open(subject, *number));
        }
    }
}

impl Request {
    fn is_late(&self, now: Nanos, expires_ns: u64) -> bool {
        expires_ns > 0 && now.since_ns(self.at) > expires_ns
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
    fn the_oldest_request_gives_way() {
        let mut responses = Responses::new(0, 0);
        for number in 0..=RESPONSES_MAX {
            responses.note(Nanos(0), format!("r.{number}").as_bytes());
        }
        assert_eq!(responses.open.len(), RESPONSES_MAX);
        assert!(!responses.take(Nanos(0), b"r.0"));
        assert!(responses.take(Nanos(u64::MAX), b"r.1"));
        let last = format!("r.{RESPONSES_MAX}");
        assert!(responses.take(Nanos(0), last.as_bytes()));
        // Subjects that are long count for more.
        let long = vec![b'x'; RESPONSES_BYTES_MAX - 1];
        responses.note(Nanos(0), &long);
        assert!(responses.take(Nanos(0), &long) && !responses.take(Nanos(0), last.as_bytes()));
        assert!(responses.bytes <= RESPONSES_BYTES_MAX);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut responses = Responses::new(1, 1000);
        responses.note(Nanos(0), b"never.answered");
        for number in 0..10_000 {
            let reply = format!("r.{number}");
            responses.note(Nanos(1), reply.as_bytes());
            assert!(responses.take(Nanos(1), reply.as_bytes()));
            assert!(!responses.take(Nanos(1), reply.as_bytes()));
            assert!(responses.order.len() <= 2 * responses.open.len() + OVER_MAX + 1);
        }
        assert_eq!(responses.open.len(), 1);
        responses.note(Nanos(2000), b"later");
        assert!(responses.open.len() == 1 && responses.order.len() == 1);
        assert_eq!(responses.bytes, b"later".len());
    }
}
