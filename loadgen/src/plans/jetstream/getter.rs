//! Gets values of keys: the last message of a subject, by direct get, as the clients of key-value buckets do.

use std::sync::Arc;

use crate::plans::jetstream::crew::{Actor, Turn};
use crate::plans::jetstream::flights::Flights;
use crate::plans::jetstream::ledger::Value;
use crate::plans::jetstream::subjects::Keys;
use crate::plans::jetstream::words;
use crate::verify::Verdict;
use crate::wire::encode;
use crate::wire::scan::{Message, digits};

/// Which keys are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Drawn.
    Drawn,
    /// Each in turn.
    InTurn,
}

/// The subjects that the values of a bucket's keys are asked for on, as keys.
pub fn keys_of(stream: &str, keys: &Keys) -> Keys {
    Keys {
        prefix: format!("$JS.API.DIRECT.GET.{stream}.{}", keys.prefix),
        count: keys.count,
    }
}

/// What all getters share.
pub struct Style {
    /// The keys, whose prefix is that of requests for them.
    pub keys: Keys,
    /// Which are asked for.
    pub order: Order,
    /// Most requests of one getter that are under way.
    pub window: usize,
    /// What the keys' values must be; empty where nobody looks.
    pub values: Vec<Value>,
}

/// One client.
pub struct Getter {
    id: u32,
    style: Arc<Style>,
    flights: Flights,
    subject: Vec<u8>,
    reply: Vec<u8>,
    is_out_of_work: bool,
    /// What was wrong with the values.
    pub verdict: Verdict,
}

impl Getter {
    /// A client that gets values below `inbox`.
    pub fn new(id: u32, style: Arc<Style>, inbox: &str) -> Self {
        Getter {
            id,
            style,
            flights: Flights::new(inbox),
            subject: Vec::new(),
            reply: Vec::new(),
            is_out_of_work: false,
            verdict: Verdict::default(),
        }
    }

    /// The key that request `number` is about.
    fn key(&self, number: u64) -> u64 {
        match self.style.order {
            Order::Drawn => self.style.keys.drawn(self.id, number),
            Order::InTurn => number,
        }
    }

    fn ask(&mut self, turn: &mut Turn<'_>) {
        while !self.is_out_of_work && self.flights.open() < self.style.window {
            let number = self.flights.next();
            let key = self.key(number);
            let is_left = key < self.style.keys.count && turn.work.take(1, turn.now_ns) > 0;
            if !is_left {
                self.is_out_of_work = true;
                return;
            }
            self.subject.clear();
            self.style.keys.write(key, &mut self.subject);
            self.reply.clear();
            self.flights.reply(number, &mut self.reply);
            encode::publish(turn.out, &self.subject, &self.reply, b"");
            self.flights.send(turn.now_ns);
            turn.tally.published += 1;
        }
    }

    /// Compares what came with what was acknowledged; true when there is a value or there must be none.
    fn check(&mut self, number: u64, message: &Message<'_>) -> bool {
        let is_missing = words::status(message.headers).is_some();
        let Some(value) = self.style.values.get(self.key(number) as usize) else {
            return !is_missing;
        };
        if is_missing {
            self.verdict.lost += u64::from(value.revision > 0);
            return true;
        }
        let revision = words::header(message.headers, "Nats-Sequence").and_then(digits);
        let is_right = revision == Some(value.revision) && value.is_in(message.payload);
        self.verdict.corrupt += u64::from(!is_right);
        true
    }
}

impl Actor for Getter {
    fn begin(&mut self, turn: &mut Turn<'_>) {
        self.is_out_of_work = false;
        self.ask(turn);
    }

    fn message(&mut self, message: &Message<'_>, turn: &mut Turn<'_>) {
        let Some((number, sent_ns)) = self.flights.answer(message.subject) else {
            turn.tally.surplus += 1;
            return;
        };
        if self.check(number, message) {
            turn.tally.received += 1;
            turn.tally.received_bytes += message.payload.len() as u64;
            let latency_ns = turn.now_ns.saturating_sub(sent_ns).max(1);
            turn.tally.latency.saturating_record(latency_ns);
        } else {
            let (code, words) = words::status(message.headers).unwrap_or((0, b""));
            let words = String::from_utf8_lossy(words);
            turn.tally.error(format!("a get says {code} {words}"));
        }
        turn.tally.last_ns = turn.now_ns;
        self.ask(turn);
    }

    fn is_done(&self) -> bool {
        self.is_out_of_work && self.flights.open() == 0
    }

    fn awaits(&self) -> String {
        format!("{} values", self.flights.open())
    }
}
