//! Reads a stream from its beginning with an ordered consumer: no acknowledgements, and a gap is a loss. The consumer
//! pushes with flow control, or is asked for batches, of which the next is asked for when half of one has come.

use crate::plans::jetstream::api::error_text;
use crate::plans::jetstream::crew::{Actor, Turn};
use crate::plans::jetstream::words;
use crate::wire::encode;
use crate::wire::scan::Message;

/// How long a request for messages is good for, ns.
const EXPIRES_NS: u64 = 60_000_000_000;

/// Where a consumer delivers to, for a connection with this inbox; subscribed to by its name, because nats-server 2.15
/// pushes nothing where only a wildcard matches.
pub fn delivery_subject(inbox: &str) -> String {
    format!("{inbox}-next")
}

/// What becomes of the messages that are read.
pub trait Taker: Send {
    /// Takes the message at `sequence` of the stream.
    fn take(&mut self, sequence: u64, payload: &[u8], turn: &mut Turn<'_>);
}

/// How messages are got.
pub enum Way {
    /// They are pushed, once the consumer is there.
    Push {
        /// `$JS.API.CONSUMER.CREATE.…`
        subject: String,
        /// What is sent there.
        body: String,
    },
    /// So many are asked for at once, on this subject.
    Pull {
        /// `$JS.API.CONSUMER.MSG.NEXT.…`
        subject: String,
        /// How many.
        batch: u64,
    },
}

/// One connection that reads.
pub struct Reader<T> {
    way: Way,
    /// Where messages come to.
    inbox: String,
    /// Where the answer to the making of the consumer comes to.
    made: String,
    /// Messages that have not come.
    left: u64,
    /// Messages asked for that have not come.
    asked: u64,
    /// Number of the next delivery.
    next: u64,
    /// What takes the messages.
    pub taker: T,
}

impl<T: Taker> Reader<T> {
    /// Reads `count` messages, which a consumer delivers to [`delivery_subject`] of `inbox`.
    pub fn new(way: Way, inbox: &str, count: u64, taker: T) -> Self {
        Reader {
            way,
            inbox: delivery_subject(inbox),
            made: format!("{inbox}.made"),
            left: count,
            asked: 0,
            next: 1,
            taker,
        }
    }

    fn ask(&mut self, turn: &mut Turn<'_>) {
        let Way::Pull { subject, batch } = &self.way else {
            return;
        };
        if self.asked > batch / 2 || self.asked >= self.left {
            return;
        }
        let wanted = (*batch).min(self.left - self.asked);
        let body = format!("{{\"batch\":{wanted},\"expires\":{EXPIRES_NS}}}");
        let (subject, reply) = (subject.as_bytes(), self.inbox.as_bytes());
        encode::publish(turn.out, subject, reply, body.as_bytes());
        self.asked += wanted;
    }

    /// The answer to the making of the consumer.
    fn is_made(&mut self, payload: &[u8], turn: &mut Turn<'_>) {
        let answer: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
        let text = match (answer.get("error"), answer.get("name")) {
            (None, Some(_)) => return,
            (Some(error), _) => error_text(error),
            (None, None) => "no consumer in the answer".into(),
        };
        turn.tally
            .error(format!("the consumer was not made: {text}"));
        self.left = 0;
    }

    /// Heartbeats, requests of flow control, ends of requests.
    fn status(&mut self, message: &Message<'_>, turn: &mut Turn<'_>) {
        match words::status(message.headers) {
            // Flow control: the server wants to know how far we are.
            Some((100, _)) if !message.reply.is_empty() => {
                encode::publish(turn.out, message.reply, b"", b"");
            }
            Some((100, _)) => {
                let stalled = words::header(message.headers, "Nats-Consumer-Stalled");
                if let Some(subject) = stalled {
                    encode::publish(turn.out, subject, b"", b"");
                }
            }
            Some((code, words)) => {
                let words = String::from_utf8_lossy(words);
                turn.tally
                    .error(format!("the consumer says {code} {words}"));
                // Nothing more will come of it.
                self.left = 0;
            }
            None => turn.tally.error("a message without a place".into()),
        }
    }
}

impl<T: Taker> Actor for Reader<T> {
    fn begin(&mut self, turn: &mut Turn<'_>) {
        match &self.way {
            Way::Push { subject, body } => {
                let (subject, reply) = (subject.as_bytes(), self.made.as_bytes());
                encode::publish(turn.out, subject, reply, body.as_bytes());
            }
            Way::Pull { .. } => self.ask(turn),
        }
    }

    fn message(&mut self, message: &Message<'_>, turn: &mut Turn<'_>) {
        if message.subject == self.made.as_bytes() {
            self.is_made(message.payload, turn);
            return;
        }
        let Some(place) = words::place(message.reply) else {
            self.status(message, turn);
            return;
        };
        if place.consumer_sequence != self.next {
            let (came, next) = (place.consumer_sequence, self.next);
            let text = format!("delivery {came} of an ordered consumer came, not {next}");
            turn.tally.error(text);
        }
        self.next = place.consumer_sequence + 1;
        self.asked = self.asked.saturating_sub(1);
        turn.tally.received += 1;
        turn.tally.received_bytes += message.payload.len() as u64;
        turn.tally.last_ns = turn.now_ns;
        match self.left {
            0 => turn.tally.surplus += 1,
            _ => self.left -= 1,
        }
        let sequence = place.stream_sequence;
        self.taker.take(sequence, message.payload, turn);
        self.ask(turn);
    }

    fn is_done(&self) -> bool {
        self.left == 0
    }

    fn awaits(&self) -> String {
        format!("{} messages", self.left)
    }
}
