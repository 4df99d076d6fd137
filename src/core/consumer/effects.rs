//! What a consumer leaves for others to do: messages to send, and what they are to know.

use bytes::Bytes;

use super::notes::Sequences;
use super::status::Say;
use crate::base::moment::WallNanos;

/// What a consumer has to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// A message of the stream.
    Deliver(Deliver),
    /// A message of its own.
    Say(Say),
    /// Nothing yet: it has worked as much as it may, and goes on when it is asked again.
    NotYet,
    /// Nothing before something happens, or its next deadline.
    Wait,
    /// Nobody has used it for so long that it is to be deleted.
    Unused,
}

/// A message of the stream that is delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deliver {
    /// Its sequences.
    pub sequences: Sequences,
    /// Where it goes to: an inbox, or the deliver subject. Clients see its own subject.
    pub to: Bytes,
    /// How often it has been delivered, this time included.
    pub count: u64,
    /// Whether the payload is left out
    /// ([`headers_only`](super::status::headers_only)).
    pub headers_only: bool,
}

/// What a turn of a consumer works with.
pub struct Turn<'a> {
    /// How many messages may still be looked at.
    pub work: usize,
    /// Whether somebody listens to an inbox.
    pub is_heard: &'a mut dyn FnMut(&[u8]) -> bool,
    /// The subject of the acknowledgement of a message that is delivered is written here.
    pub ack_reply: &'a mut Vec<u8>,
}

/// What somebody may want to be told (advisories and metrics).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// An acknowledgement that is sampled.
    Acked {
        /// The delivery that it named.
        at: Sequences,
        /// How often the message had been delivered.
        deliveries: u64,
        /// Nanoseconds from the delivery to here.
        ack_time_ns: u64,
    },
    /// A message was refused.
    Refused {
        /// The delivery that it named.
        at: Sequences,
        /// How often the message had been delivered.
        deliveries: u64,
    },
    /// A message is never delivered again.
    Terminated {
        /// The delivery.
        at: Sequences,
        /// How often the message had been delivered.
        deliveries: u64,
        /// Why, as the client said it.
        reason: Box<[u8]>,
    },
    /// A message has had all its deliveries.
    MaxDeliveries {
        /// Its sequence in the stream.
        stream: u64,
        /// How many these were.
        deliveries: u64,
    },
    /// The time that the consumer was paused for is over.
    PauseEnded,
}

/// What an acknowledgement asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckOutcome<'a> {
    /// Whether whoever wants to hear of it is answered, with nothing.
    pub is_answered: bool,
    /// The body of a request for more.
    pub request: Option<&'a [u8]>,
}

/// How a consumer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Info {
    /// The last delivery.
    pub delivered: Sequences,
    /// Everything before is done.
    pub floor: Sequences,
    /// When something was delivered last.
    pub last_delivered: Option<WallNanos>,
    /// When something was acknowledged last.
    pub last_acked: Option<WallNanos>,
    /// Messages that wait for an acknowledgement.
    pub ack_pending: u64,
    /// Those that were delivered more than once.
    pub redelivered: u64,
    /// Requests that wait.
    pub waiting: u64,
    /// Messages to come.
    pub pending: u64,
    /// Whether somebody listens where it delivers.
    pub is_push_bound: bool,
    /// Until when it is paused, perhaps in the past.
    pub paused_until: Option<WallNanos>,
}
