//! A stream as its store has it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::fact::Ticket;
use super::records::Ranges;
use crate::base::id::AccountId;
use crate::base::moment::WallNanos;
use crate::format::record::StreamId;
use crate::stream::Stream;
use crate::stream::config::Storage;

/// A stream of a store.
#[derive(Debug)]
pub struct Entry {
    /// The account that it belongs to.
    pub account: AccountId,
    /// The name of that.
    pub account_name: Box<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its configuration as clients see it, in JSON.
    pub fields: Box<str>,
    /// When it was created.
    pub created: WallNanos,
    /// Its number in records.
    pub(super) id: StreamId,
    pub(super) stream: Stream,
    /// The last sequence that may be shown.
    pub(super) visible: u64,
    /// Messages that are removed, and of which no record says so yet.
    pub(super) removed: Ranges,
    /// What waits until the stream is tidy, in its order.
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) waiting_bytes: usize,
    /// Its consumers, by name.
    pub(super) consumers: BTreeMap<Box<str>, u32>,
    /// Messages from here on are looked at, whether a consumer needs them still.
    pub(super) sweep: Option<u64>,
    /// Whether a purge is under way, of which consumers are to hear.
    pub(super) is_purging: bool,
    /// Where its last record lies that says what it is.
    pub(super) anchor: u64,
    /// When its first message is too old, as it is noted.
    pub(super) expiry: Option<WallNanos>,
    /// Whether it is among the untidy ones.
    pub(super) is_untidy: bool,
}

/// Something that waits until a stream is tidy.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A message.
    Message {
        subject: Box<[u8]>,
        reply: Box<[u8]>,
        header: Box<[u8]>,
        payload: Box<[u8]>,
    },
    /// Somebody else.
    Somebody(Ticket),
}

impl Entry {
    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The last sequence that may be shown.
    #[must_use]
    pub fn visible(&self) -> u64 {
        self.visible
    }

    /// Whether it is on disk.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.stream.config().storage == Storage::File
    }

    /// Whether something has to be done before it takes or shows anything.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let is_tidy = self.stream.is_tidy() && self.sweep.is_none() && !self.is_purging;
        !self.waiting.is_empty() || !is_tidy
    }
}
