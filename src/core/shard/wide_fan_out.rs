//! A fan-out over so many receivers that it takes several turns: what is known of it
//! between them.
//!
//! Plain data. Not here: its steps (`fanout`), who waits for it (`backlog`).

use super::frame::{MessageFrame, Publisher, Reader};
use super::message::{Flight, Message, Place, Source};
use super::message_trace::Published;
use super::trace_notes::Notes;
use crate::base::id::{AccountId, ConnectionKey, CoreId};
use crate::route::receivers::Route;

/// A fan-out under way.
pub(super) struct WideFanOut {
    pub place: Place,
    /// The route, out of the cache.
    pub route: Route,
    /// When it began, as the interest counts ended subscriptions.
    pub since: u64,
    pub source: Source,
    pub text: WideText,
    pub flight: Flight,
    /// Receivers that have had their turn: those without a queue group first, then
    /// groups.
    pub done: usize,
    pub delivered: bool,
    pub queue_forwards: Vec<(CoreId, u32)>,
    pub from: From,
    pub notes: Option<Notes>,
}

/// What is delivered.
pub(super) struct WideText {
    /// What a delivery begins with if that is not the route's; or empty.
    pub shown: Vec<u8>,
    pub line: Vec<u8>,
    pub has_header: bool,
    pub size: usize,
}

impl WideFanOut {
    /// The account that it is in.
    pub fn account(&self) -> AccountId {
        self.place.account
    }

    /// The core whose link waits for it.
    pub fn link(&self) -> Option<CoreId> {
        match &self.from {
            From::Link(frame) => Some(frame.from),
            From::Connection(..) | From::Server => None,
        }
    }
}

/// Who waits for it.
pub(super) enum From {
    /// A connection of this core, with its traced message if it is one.
    Connection(ConnectionKey, Option<Box<Published>>),
    /// The link from a core.
    Link(LinkFrame),
    /// Nobody.
    Server,
}

/// What has to be remembered of a message from another core.
pub(super) struct LinkFrame {
    pub from: CoreId,
    pub origin: CoreId,
    pub publisher: Option<Publisher>,
    pub hops: u8,
    pub is_for_plain: bool,
    pub subject: Vec<u8>,
    /// Names of queue groups of which a member here was chosen, as in the frame.
    pub queues: Vec<u8>,
    /// Where in them the next one stands.
    pub next_queue: usize,
}

impl LinkFrame {
    /// The next name of a queue group.
    pub fn take_name(&mut self) -> Option<Vec<u8>> {
        let mut reader = Reader(&self.queues[self.next_queue..]);
        if reader.0.is_empty() {
            return None;
        }
        let name = reader.text().to_vec();
        self.next_queue = self.queues.len() - reader.0.len();
        Some(name)
    }

    /// The message as it goes on to another core.
    pub fn as_message<'a>(&'a self, place: Place, text: &'a WideText) -> MessageFrame<'a> {
        MessageFrame {
            account: place.account,
            is_for_plain: self.is_for_plain,
            hops: self.hops,
            origin: self.origin,
            publisher: self.publisher,
            is_errand: false,
            subject: &self.subject,
            shown: &text.shown,
            tail: &text.line,
            has_header: text.has_header,
        }
    }
}

/// The message that is being delivered; its parts are given one by one, since others of
/// the fan-out change meanwhile.
pub(super) fn message_of(source: Source, text: &WideText) -> Message<'_> {
    Message {
        source,
        shown: (!text.shown.is_empty()).then_some(&text.shown[..]),
        line: &text.line,
        body: b"",
        has_header: text.has_header,
        size: text.size,
    }
}
