//! What comes of what was asked of a store, for whoever tells clients.

use std::sync::Arc;

use crate::base::id::AccountId;
use crate::format::record::StreamId;
use crate::journal::Lsn;
use crate::stream::admit::Admission;

/// Something that somebody waits for, as that one knows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// Who waits for something that is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiter {
    /// Somebody else.
    Ticket(Ticket),
    /// A consumer.
    Consumer(u32),
}

/// Something that may be told.
#[derive(Debug)]
pub enum Fact {
    /// What became of a message; its publisher wants to know.
    Published {
        /// The account of the stream.
        account: AccountId,
        /// Where the publisher waits for it.
        reply: Box<[u8]>,
        /// The name of the stream.
        stream: Arc<str>,
        /// What became of it.
        admission: Admission,
    },
    /// An answer that was waiting for the disk.
    Answer {
        /// The account.
        account: AccountId,
        /// Where it is waited for.
        reply: Box<[u8]>,
        /// Header block, or nothing.
        header: Box<[u8]>,
        /// The payload.
        payload: Box<[u8]>,
    },
    /// What was waited for has come: it goes on.
    Resume(Ticket),
    /// A consumer may send.
    Ready(u32),
    /// A message is stored that is to be published again, as its stream says.
    Republish {
        /// The slot of the stream.
        slot: u32,
        /// Its sequence.
        sequence: u64,
    },
}

/// Something that waits until its records are durable.
#[derive(Debug)]
pub(super) struct Gated {
    /// The last of those records.
    pub lsn: Lsn,
    /// A stream whose messages up to a sequence are durable then.
    pub visible: Option<Visible>,
    /// What may be told then.
    pub fact: Option<Fact>,
}

/// Messages up to a sequence of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visible {
    pub slot: u32,
    /// The slot may have another stream by then.
    pub id: StreamId,
    pub sequence: u64,
}
