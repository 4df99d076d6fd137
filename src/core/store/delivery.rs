//! What consumers send: messages of their streams, with their bytes, one after the other.

use super::fact::Waiter;
use super::read::Body;
use super::{Entry, Store};
use crate::base::id::AccountId;
use crate::base::moment::Moment;
use crate::consumer::effects::{Deliver, Next, Turn};
use crate::consumer::status::{Say, headers_only};

/// Messages that a consumer looks at before others have their turn.
const WORK_AT_ONCE: usize = 4096;

/// What a consumer has to send.
#[derive(Debug)]
pub enum Served {
    /// A message; its parts are in the buffers.
    Message(Deliver),
    /// A message of its own.
    Say(Say),
    /// Nothing now: it says when it has something again.
    Nothing,
    /// Nobody has used it for so long that it is to be deleted.
    Unused,
}

/// Buffers for a message that is delivered.
#[derive(Debug, Default)]
pub struct Delivery {
    /// What it begins with for clients: `HMSG subject `.
    pub shown: Vec<u8>,
    /// Where it is acknowledged.
    pub reply: Vec<u8>,
    /// Header block, payload, CR LF.
    pub body: Vec<u8>,
    /// Bytes of the header block.
    pub header_len: usize,
}

impl Store {
    /// The account of a consumer.
    #[must_use]
    pub fn account_of_consumer(&self, slot: u32) -> AccountId {
        self.streams[self.consumers[slot].stream].account
    }

    /// What a consumer sends next.
    pub fn serve(
        &mut self,
        slot: u32,
        now: Moment,
        is_heard: &mut dyn FnMut(&[u8]) -> bool,
        into: &mut Delivery,
    ) -> Served {
        let one = &mut self.consumers[slot];
        let deliver = match one.held.take() {
            Some((deliver, reply)) => {
                into.reply.clear();
                into.reply.extend_from_slice(&reply);
                deliver
            }
            None => {
                let view = self.streams[one.stream].view();
                let mut turn = Turn {
                    work: WORK_AT_ONCE,
                    is_heard,
                    ack_reply: &mut into.reply,
                };
                let served = match one.consumer.next(view, now, &mut turn) {
                    Next::Deliver(deliver) => return self.fill(slot, deliver, into, now),
                    Next::Say(say) => Served::Say(say),
                    Next::NotYet => {
                        self.make_ready(slot);
                        Served::Nothing
                    }
                    Next::Wait => Served::Nothing,
                    Next::Unused => Served::Unused,
                };
                self.after_consumer(slot, now);
                return served;
            }
        };
        self.fill(slot, deliver, into, now)
    }

    /// A message that a consumer has delivered has gone.
    pub fn sent(&mut self, slot: u32, now: Moment) {
        self.after_consumer(slot, now);
    }

    /// A message that a consumer has delivered could not go: it is the next one again.
    pub fn hold(&mut self, slot: u32, deliver: Deliver, reply: &[u8], now: Moment) {
        self.consumers[slot].held = Some((deliver, reply.into()));
        self.after_consumer(slot, now);
    }

    fn fill(&mut self, slot: u32, deliver: Deliver, into: &mut Delivery, now: Moment) -> Served {
        let stream = self.consumers[slot].stream;
        let sequence = deliver.sequences.stream;
        let entry: &Entry = &self.streams[stream];
        let log = entry.stream.log();
        let Some(stored) = log.get(sequence) else {
            // It went meanwhile: the consumer goes on.
            self.make_ready(slot);
            self.after_consumer(slot, now);
            return Served::Nothing;
        };
        let body = match self.body(entry, sequence, stored) {
            Body::Here(body) => body,
            Body::OnDisk => {
                self.hold(slot, deliver, &into.reply, now);
                self.read_for(stream, sequence, Waiter::Consumer(slot));
                return Served::Nothing;
            }
            Body::Damaged => {
                self.make_ready(slot);
                self.after_consumer(slot, now);
                return Served::Nothing;
            }
        };
        into.shown.clear();
        into.shown.extend_from_slice(b"HMSG ");
        into.shown
            .extend_from_slice(&log.subjects().get(stored.subject).text);
        into.shown.push(b' ');
        into.body.clear();
        let (header_len, payload_len) = stored.lens();
        if deliver.headers_only {
            headers_only(&body[..header_len], payload_len, &mut into.body);
            into.header_len = into.body.len();
            into.body.extend_from_slice(b"\r\n");
        } else {
            into.header_len = header_len;
            into.body.extend_from_slice(body);
        }
        Served::Message(deliver)
    }
}
