//! What one connection has asked for and not been answered: numbered from 0, answered in any order.

use std::collections::VecDeque;

use crate::wire::encode;
use crate::wire::scan::digits;

/// Requests under way, of which the oldest are first.
pub struct Flights {
    /// The subject that answers come to, with the last dot.
    inbox: Vec<u8>,
    /// When each was sent; `None` once answered.
    sent_ns: VecDeque<Option<u64>>,
    /// Number of the first of them.
    first: u64,
    /// How many have no answer.
    open: usize,
}

impl Flights {
    /// Nothing is under way.
    pub fn new(inbox: &str) -> Self {
        Flights {
            inbox: format!("{inbox}.").into(),
            sent_ns: VecDeque::new(),
            first: 0,
            open: 0,
        }
    }

    /// The number of the next request.
    pub fn next(&self) -> u64 {
        self.first + self.sent_ns.len() as u64
    }

    /// How many have no answer.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Notes that the next request is sent.
    pub fn send(&mut self, now_ns: u64) {
        self.sent_ns.push_back(Some(now_ns));
        self.open += 1;
    }

    /// Appends the subject that answers to request `number` shall come to.
    pub fn reply(&self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.inbox);
        encode::decimal(out, number);
    }

    /// Which request is answered on `subject`, and when it was sent; `None` when none is or it was answered before.
    pub fn answer(&mut self, subject: &[u8]) -> Option<(u64, u64)> {
        let number = digits(subject.strip_prefix(self.inbox.as_slice())?)?;
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let sent_ns = self.sent_ns.get_mut(index)?.take()?;
        self.open -= 1;
        while let Some(None) = self.sent_ns.front() {
            self.sent_ns.pop_front();
            self.first += 1;
        }
        Some((number, sent_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_any_order_and_once() {
        let mut flights = Flights::new("_INBOX.a");
        (0..3).for_each(|time| flights.send(time * 10));
        let mut reply = Vec::new();
        flights.reply(2, &mut reply);
        assert_eq!(reply, b"_INBOX.a.2");
        assert_eq!(flights.answer(b"_INBOX.a.1"), Some((1, 10)));
        assert_eq!(flights.answer(b"_INBOX.a.1"), None);
        assert_eq!(flights.answer(b"_INBOX.a.3"), None);
        assert_eq!(flights.answer(b"_INBOX.b.0"), None);
        assert_eq!(flights.answer(b"_INBOX.a.0"), Some((0, 0)));
        assert_eq!((flights.open(), flights.next()), (1, 3));
        assert_eq!(flights.answer(b"_INBOX.a.0"), None);
        assert_eq!(flights.answer(b"_INBOX.a.2"), Some((2, 20)));
        assert_eq!((flights.open(), flights.next()), (0, 3));
    }
}
