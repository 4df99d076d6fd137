//! Publishes into streams, with so many messages under way; each counts when its acknowledgement comes.

use std::sync::Arc;

use crate::parse::SizeSpec;
use crate::plans::jetstream::crew::{Actor, Turn};
use crate::plans::jetstream::flights::Flights;
use crate::plans::jetstream::subjects::Subjects;
use crate::plans::jetstream::words;
use crate::random::Random;
use crate::stamp::{self, STAMP_BYTES, Stamp};
use crate::wire::encode;
use crate::wire::scan::Message;

/// What all publishers of a plan have in common.
pub struct Style {
    /// Where to.
    pub subjects: Subjects,
    /// How many publishers there are.
    pub publishers: u32,
    /// How large the payloads are.
    pub size: SizeSpec,
    /// Most messages of one publisher that are under way.
    pub window: usize,
    /// The time until the acknowledgement is recorded.
    pub timed: bool,
    /// Acknowledgements are noted, to be compared with what is stored.
    pub noted: bool,
}

/// A publisher.
pub struct Publisher {
    id: u32,
    style: Arc<Style>,
    flights: Flights,
    /// What payloads are cut from.
    pattern: Vec<u8>,
    random: Random,
    subject: Vec<u8>,
    reply: Vec<u8>,
    acknowledged: Vec<u64>,
    /// Nothing more may be begun in this phase.
    is_out_of_work: bool,
}

impl Publisher {
    /// A publisher that gets acknowledgements below `inbox`.
    pub fn new(id: u32, style: Arc<Style>, inbox: &str) -> Self {
        let mut pattern = vec![0; style.size.max()];
        stamp::fill(&mut pattern);
        Publisher {
            id,
            style,
            flights: Flights::new(inbox),
            pattern,
            random: Random::new(u64::from(id)),
            subject: Vec::new(),
            reply: Vec::new(),
            acknowledged: Vec::new(),
            is_out_of_work: false,
        }
    }

    /// Per message, the sequence that it was acknowledged with, or 0.
    pub fn into_acknowledged(self) -> Vec<u64> {
        self.acknowledged
    }

    /// Publishes as many as may be under way.
    fn publish(&mut self, turn: &mut Turn<'_>) {
        while !self.is_out_of_work && self.flights.open() < self.style.window {
            match turn.work.take(1, turn.now_ns) {
                0 => self.is_out_of_work = true,
                _ => self.publish_one(turn),
            }
        }
    }

    fn publish_one(&mut self, turn: &mut Turn<'_>) {
        let sequence = self.flights.next();
        let style = &self.style;
        let index = style.subjects.index(self.id, style.publishers, sequence);
        self.subject.clear();
        style.subjects.write(index, &mut self.subject);
        self.reply.clear();
        self.flights.reply(sequence, &mut self.reply);
        let size = style.size.draw(&mut self.random);
        let payload = &self.pattern[..size];
        encode::publish(turn.out, &self.subject, &self.reply, payload);
        if size >= STAMP_BYTES {
            let start = turn.out.len() - size - 2;
            let stamp = Stamp {
                time_ns: turn.now_ns,
                publisher: self.id,
                sequence,
            };
            stamp.write(&mut turn.out[start..]);
        }
        self.flights.send(turn.now_ns);
        if style.noted {
            self.acknowledged.push(0);
        }
        turn.tally.published_bytes += size as u64;
    }
}

impl Actor for Publisher {
    fn begin(&mut self, turn: &mut Turn<'_>) {
        self.is_out_of_work = false;
        self.publish(turn);
    }

    fn message(&mut self, message: &Message<'_>, turn: &mut Turn<'_>) {
        let Some((number, sent_ns)) = self.flights.answer(message.subject) else {
            turn.tally.surplus += 1;
            return;
        };
        match words::stored_at(message.headers, message.payload) {
            Ok(sequence) => {
                turn.tally.published += 1;
                turn.tally.last_ns = turn.now_ns;
                if self.style.timed {
                    let latency_ns = turn.now_ns.saturating_sub(sent_ns).max(1);
                    turn.tally.latency.saturating_record(latency_ns);
                }
                if self.style.noted {
                    self.acknowledged[number as usize] = sequence;
                }
            }
            Err(text) => turn.tally.error(text),
        }
        self.publish(turn);
    }

    fn is_done(&self) -> bool {
        self.is_out_of_work && self.flights.open() == 0
    }

    fn awaits(&self) -> String {
        format!("{} acknowledgements", self.flights.open())
    }
}
