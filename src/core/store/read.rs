//! Messages, wherever they are.

use std::sync::Arc;

use super::disk::{DiskError, DiskOp, ReadTicket};
use super::fact::Waiter;
use super::{Entry, Fact, Store, Ticket};
use crate::base::pages::Pages;
use crate::format::group::{PAGE_BYTES, padded};
use crate::format::record::{HEAD_BYTES, Record};
use crate::stream::stored::Stored;

/// Bytes that are read at a time, at least: what follows is likely to be wanted, too.
const READ_BYTES: usize = 128 << 10;

/// The bytes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// Here they are: header block, payload, CR LF.
    Here(&'a [u8]),
    /// They have to be read ([`Store::when_read`]).
    OnDisk,
    /// They cannot be read, or are others.
    Damaged,
}

impl Store {
    /// The bytes of a message of a stream.
    #[must_use]
    pub fn body<'a>(&'a self, entry: &'a Entry, sequence: u64, stored: &'a Stored) -> Body<'a> {
        if let Some(held) = stored.held() {
            return Body::Here(held);
        }
        let len = usize::try_from(entry.stream.log().record_len(stored)).unwrap_or(usize::MAX);
        let bytes = match self.journal.staged_bytes(stored.position) {
            Some(bytes) => bytes,
            None => match self.cache.find(stored.position, len) {
                Some(bytes) => bytes,
                None if self.unreadable.contains(&begin_of(stored.position)) => {
                    return Body::Damaged;
                }
                None => return Body::OnDisk,
            },
        };
        match Record::decode(bytes) {
            Ok((record, _)) if record.stream == entry.id && record.sequence == sequence => {
                let begin = HEAD_BYTES + record.subject.len();
                let len = record.header.len() + record.payload.len() + 2;
                Body::Here(&bytes[begin..begin + len])
            }
            _ => Body::Damaged,
        }
    }

    /// Has somebody go on when a message was read, or could not be ([`Fact::Resume`]).
    pub fn when_read(&mut self, slot: u32, sequence: u64, ticket: Ticket) {
        self.read_for(slot, sequence, Waiter::Ticket(ticket));
    }

    pub(super) fn read_for(&mut self, slot: u32, sequence: u64, waiter: Waiter) {
        let entry = self.streams.get(slot);
        let Some((entry, stored)) =
            entry.and_then(|entry| Some((entry, entry.stream.log().get(sequence)?)))
        else {
            return self.wake(waiter);
        };
        let len = usize::try_from(entry.stream.log().record_len(stored)).unwrap_or(usize::MAX);
        let begin = begin_of(stored.position);
        if let Some(waiting) = self.reads.get_mut(&begin) {
            return waiting.push(waiter);
        }
        self.reads.insert(begin, vec![waiter]);
        let (file, at) = self.journal.layout().file_of(begin);
        let needed = padded(usize::try_from(stored.position - begin).unwrap_or(0) + len);
        let left = self.journal.layout().file_bytes - at;
        let len = needed
            .max(READ_BYTES)
            .min(usize::try_from(left).unwrap_or(needed));
        self.ops.push_back(DiskOp::Read {
            ticket: ReadTicket(begin),
            file,
            at,
            pages: Pages::zeroed(len),
        });
    }

    pub(super) fn on_read(
        &mut self,
        ticket: ReadTicket,
        pages: Pages,
        result: Result<(), DiskError>,
    ) {
        let begin = ticket.0;
        match result {
            Ok(()) => drop(self.cache.add(begin, Arc::new(pages))),
            Err(_) => drop(self.unreadable.insert(begin)),
        }
        for waiter in self.reads.remove(&begin).unwrap_or_default() {
            self.wake(waiter);
        }
    }

    fn wake(&mut self, waiter: Waiter) {
        match waiter {
            Waiter::Ticket(ticket) => self.ready.push_back(Fact::Resume(ticket)),
            Waiter::Consumer(slot) => self.make_ready(slot),
        }
    }
}

/// Where the page of a position begins.
fn begin_of(position: u64) -> u64 {
    position - position % PAGE_BYTES as u64
}
