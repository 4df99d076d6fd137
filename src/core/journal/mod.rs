//! L2: many small intentions become one durable write.
//!
//! All streams and consumers of a core append their records to its journal. What is
//! appended goes into the *open group*; while a group is in flight to the device the
//! open one grows, and is closed as soon as the other one is durable: so a commit
//! costs one flush however many streams took part in it, and nobody waits for a timer.
//! A record is *committed* once its group is durable; nothing of it may be told or
//! shown before.
//!
//! The journal is a ring of files of equal size that were written once and are
//! overwritten for ever. A position counts the bytes written before, of all laps;
//! a group never lies in two files. What lies before the *tail* is elsewhere by now
//! (segments, checkpoints) and may be overwritten.
//!
//! At most one group is in flight. So after a crash the first group that is not whole
//! is the last one that was begun, and nobody was told of it; a whole group behind a
//! broken one means that the device lost what it had confirmed ([`recover`]).
//!
//! After a failed write nothing is known of what the device has: the journal is
//! *frozen*, and nothing is committed any more until the server starts again.
//!
//! Not here: what records mean; who carries operations out.

pub mod layout;
pub mod recover;

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;

use crate::base::pages::Pages;
use crate::format::group::{self, HEAD_BYTES, Place};
use crate::format::record::Record;
use layout::Layout;

/// A record by how many have been appended up to it, itself included, since the
/// journal was opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Lsn(pub u64);

/// Why a record was not appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The open group has its size, or the ring is full: later perhaps.
    Full,
    /// A write has failed: never.
    Frozen,
}

/// A group that is to be written and made durable, and told of with
/// [`Journal::on_written`].
#[derive(Debug)]
pub struct GroupWrite {
    /// Number of the file.
    pub file: u32,
    /// Where in it.
    pub at: u64,
    /// What.
    pub pages: Pages,
}

/// The device could not do what it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteFailed;

/// Where a journal goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// The place of the next group: its epoch is greater than all before.
    pub next: Place,
    /// The tail.
    pub tail: u64,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    /// The last record of the group.
    last: Lsn,
    /// Where the next group may lie.
    end: u64,
    len: usize,
}

/// The journal of a core.
#[derive(Debug)]
pub struct Journal {
    layout: Layout,
    /// The place of the open group, unless it does not fit into the rest of a file.
    next: Place,
    tail: u64,
    open: Pages,
    open_count: u32,
    in_flight: Option<InFlight>,
    appended: Lsn,
    committed: Lsn,
    is_frozen: bool,
    /// The buffer that was in flight last.
    spare: Option<Pages>,
}

impl Journal {
    /// A journal that goes on there.
    #[must_use]
    pub fn new(layout: Layout, opening: Opening) -> Self {
        assert!(
            opening.tail <= opening.next.position,
            "the tail comes first"
        );
        Self {
            layout,
            next: opening.next,
            tail: opening.tail,
            open: Pages::zeroed(HEAD_BYTES),
            open_count: 0,
            in_flight: None,
            appended: Lsn(0),
            committed: Lsn(0),
            is_frozen: false,
            spare: None,
        }
    }

    /// Appends a record to the open group.
    ///
    /// # Errors
    /// If there is no room for it, or never will be again.
    pub fn append(&mut self, record: &Record<'_>) -> Result<Lsn, Refusal> {
        if self.is_frozen {
            return Err(Refusal::Frozen);
        }
        let at = self.open.len();
        let len = at + record.encoded_len();
        let is_first = self.open_count == 0;
        if (len > self.layout.group_bytes_max && !is_first) || !self.has_room(group::padded(len)) {
            return Err(Refusal::Full);
        }
        self.open.resize(len);
        let taken = record.encode(&mut self.open.bytes_mut()[at..]);
        debug_assert_eq!(at + taken, len, "a record takes what it says");
        self.open_count += 1;
        self.appended.0 += 1;
        Ok(self.appended)
    }

    /// Whether a group of so many bytes has room in the ring.
    fn has_room(&self, padded_len: usize) -> bool {
        let end = self.layout.place_for(self.position_of_open(), padded_len);
        end.is_some_and(|at| at + padded_len as u64 <= self.tail + self.layout.bytes())
    }

    fn position_of_open(&self) -> u64 {
        let in_flight = self.in_flight.map(|in_flight| in_flight.end);
        in_flight.unwrap_or(self.next.position)
    }

    /// Closes the open group if none is in flight: it is to be written.
    pub fn close_group(&mut self) -> Option<GroupWrite> {
        if self.in_flight.is_some() || self.open_count == 0 || self.is_frozen {
            return None;
        }
        let spare = self.spare.take().unwrap_or_default();
        let mut pages = std::mem::replace(&mut self.open, spare);
        self.open.reset(HEAD_BYTES);
        let len = pages.len();
        let padded = group::padded(len);
        pages.resize(padded);
        let place = self.layout.place_for(self.next.position, padded);
        self.next.position = place.expect("a record is refused if there is no place for it");
        group::seal(pages.bytes_mut(), len, self.open_count, self.next);
        let (file, at) = self.layout.file_of(self.next.position);
        self.in_flight = Some(InFlight {
            last: self.appended,
            end: self.next.position + padded as u64,
            len: padded,
        });
        self.open_count = 0;
        debug_assert!(
            self.next.position + padded as u64 <= self.tail + self.layout.bytes(),
            "nothing behind the tail is overwritten"
        );
        Some(GroupWrite { file, at, pages })
    }

    /// A group is durable, or could not be made so; gives back its buffer. Everything
    /// up to [`Self::committed`] may be told.
    pub fn on_written(&mut self, pages: Pages, result: Result<(), WriteFailed>) {
        let in_flight = self.in_flight.take().expect("one was in flight");
        assert_eq!(pages.len(), in_flight.len, "it is this one");
        match result {
            Ok(()) => {
                assert!(
                    self.committed < in_flight.last && !self.is_frozen,
                    "groups become durable in their order"
                );
                self.committed = in_flight.last;
                self.next.position = in_flight.end;
                self.next.number += 1;
            }
            Err(WriteFailed) => self.is_frozen = true,
        }
        self.spare = Some(pages);
    }

    /// What lies before a position is needed no more.
    pub fn advance_tail(&mut self, position: u64) {
        assert!(
            self.tail <= position && position <= self.next.position,
            "the tail goes forward, not beyond what is durable"
        );
        self.tail = position;
    }

    /// The last record that is durable, with all before it.
    #[must_use]
    pub fn committed(&self) -> Lsn {
        self.committed
    }

    /// The last record that was appended.
    #[must_use]
    pub fn appended(&self) -> Lsn {
        self.appended
    }

    /// The place of the first group that is not durable: what comes before may be
    /// the tail one day.
    #[must_use]
    pub fn place(&self) -> Place {
        self.next
    }

    /// Where the first group begins that is not durable.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next.position
    }

    /// Bytes between tail and end.
    #[must_use]
    pub fn occupied_bytes(&self) -> u64 {
        self.position_of_open() - self.tail
    }

    /// Whether a write has failed.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.is_frozen
    }
}
