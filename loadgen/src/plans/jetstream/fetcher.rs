//! Fetches batches from a durable consumer and acknowledges every message on its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::plans::jetstream::crew::{Actor, Turn};
use crate::plans::jetstream::reader::delivery_subject;
use crate::plans::jetstream::words;
use crate::stamp::{self, Stamp};
use crate::wire::encode;
use crate::wire::scan::Message;

/// How long a request for messages is good for, ns.
const EXPIRES_NS: u64 = 60_000_000_000;
const ACK: &[u8] = b"+ACK";

/// What all clients of one consumer share.
pub struct Shared {
    /// `$JS.API.CONSUMER.MSG.NEXT.…`
    pub subject: String,
    /// Messages in one batch.
    pub batch: u64,
    /// The publisher whose messages the stream holds, from its first on.
    pub publisher: u32,
    /// Messages that nobody has asked for.
    pub left: AtomicU64,
    /// What was delivered is noted.
    pub noted: bool,
}

/// One client.
pub struct Fetcher {
    shared: Arc<Shared>,
    reply: String,
    /// When the batch under way was asked for; what is timed is from then to its last message.
    asked_ns: u64,
    /// Messages of the batch under way that have not come.
    awaited: u64,
    /// Stream sequences in the order of their delivery.
    pub delivered: Vec<u64>,
    /// Messages that are not what was stored.
    pub corrupt: u64,
}

impl Fetcher {
    /// A client that gets batches at [`delivery_subject`] of `inbox`.
    pub fn new(shared: Arc<Shared>, inbox: &str) -> Self {
        Fetcher {
            shared,
            reply: delivery_subject(inbox),
            asked_ns: 0,
            awaited: 0,
            delivered: Vec::new(),
            corrupt: 0,
        }
    }

    /// The publisher whose messages it gets.
    pub fn publisher(&self) -> u32 {
        self.shared.publisher
    }

    fn fetch(&mut self, turn: &mut Turn<'_>) {
        let shared = &self.shared;
        let taken = shared.left.fetch_update(Relaxed, Relaxed, |left| {
            Some(left.saturating_sub(shared.batch))
        });
        self.awaited = taken.unwrap_or(0).min(shared.batch);
        if self.awaited == 0 {
            return;
        }
        let body = format!("{{\"batch\":{},\"expires\":{EXPIRES_NS}}}", self.awaited);
        let (subject, reply) = (shared.subject.as_bytes(), self.reply.as_bytes());
        encode::publish(turn.out, subject, reply, body.as_bytes());
        self.asked_ns = turn.now_ns;
    }

    fn note(&mut self, sequence: u64, payload: &[u8]) {
        self.delivered.push(sequence);
        let own = |stamp: Stamp| {
            stamp.publisher == self.shared.publisher && stamp.sequence + 1 == sequence
        };
        let is_right = Stamp::read(payload).is_some_and(own) && stamp::rest_is_intact(payload);
        self.corrupt += u64::from(!is_right);
    }
}

impl Actor for Fetcher {
    fn begin(&mut self, turn: &mut Turn<'_>) {
        self.fetch(turn);
    }

    fn message(&mut self, message: &Message<'_>, turn: &mut Turn<'_>) {
        let Some(place) = words::place(message.reply) else {
            let (code, words) = words::status(message.headers).unwrap_or((0, b""));
            let words = String::from_utf8_lossy(words);
            turn.tally
                .error(format!("the consumer says {code} {words}"));
            self.awaited = 0;
            return;
        };
        encode::publish(turn.out, message.reply, b"", ACK);
        turn.tally.received += 1;
        turn.tally.received_bytes += message.payload.len() as u64;
        turn.tally.last_ns = turn.now_ns;
        turn.tally.surplus += u64::from(place.deliveries > 1);
        if self.shared.noted {
            self.note(place.stream_sequence, message.payload);
        }
        self.awaited = self.awaited.saturating_sub(1);
        if self.awaited == 0 {
            let latency_ns = turn.now_ns.saturating_sub(self.asked_ns).max(1);
            turn.tally.latency.saturating_record(latency_ns);
            self.fetch(turn);
        }
    }

    fn is_done(&self) -> bool {
        self.awaited == 0
    }

    fn awaits(&self) -> String {
        format!("{} messages of a batch", self.awaited)
    }
}
