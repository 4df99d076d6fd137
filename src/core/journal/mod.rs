//! L2: many small intentions become one durable write, and stay where they were written.
//!
//! All streams and consumers of a partition append their records to its journal. What
//! is appended goes into the *open group*; while a group is in flight to the device the
//! open one grows, and is closed as soon as the other one is durable: so a commit
//! costs one flush however many streams took part in it, and nobody waits for a timer.
//! A record is *committed* once its group is durable; nothing of it may be told or
//! shown before.
//!
//! The journal is a row of numbered files of equal size that were written once before
//! they are used. A position counts the bytes before it in all files, those included
//! that are gone; a group never lies in two files. Where the open group lies is known
//! from its first record on, so a record has its position at once. The *tail* is where
//! the oldest file begins; files go whole, from the tail, when nothing in them is
//! needed any more (`store`).
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

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::pages::Pages;
use crate::format::group::{self, HEAD_BYTES, Place};
use crate::format::record::Record;
use layout::Layout;

/// A record by how many have been appended up to it, itself included, since the
/// journal was opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Lsn(pub u64);

/// A record that was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// When it is durable: as soon as this is committed.
    pub lsn: Lsn,
    /// Where it lies.
    pub position: u64,
}

/// Why a record was not appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Too much waits to be durable: later perhaps.
    Full,
    /// It does not fit into a file: never.
    TooLarge,
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
    pub pages: Arc<Pages>,
}

/// A group that is sealed.
#[derive(Clone, Debug)]
pub struct Group {
    /// Where it lies.
    pub position: u64,
    /// Its bytes.
    pub pages: Arc<Pages>,
    /// The last record of it.
    last: Lsn,
}

/// The device could not do what it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteFailed;

/// Where a journal goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// The place of the next group: its epoch is greater than all before.
    pub next: Place,
    /// Number of the oldest file.
    pub first_file: u32,
    /// Number of the first file that does not exist.
    pub end_file: u32,
}

/// The journal of a partition.
#[derive(Debug)]
pub struct Journal {
    layout: Layout,
    /// The place of the group that is sealed next; its position is that of the open
    /// group as soon as that has a record.
    next: Place,
    first_file: u32,
    end_file: u32,
    /// Whether the next file is being made.
    is_making: bool,
    open: Pages,
    open_count: u32,
    /// Groups that wait for the one in flight, or for their file.
    sealed: VecDeque<Group>,
    in_flight: Option<Group>,
    /// Bytes of groups that are sealed and not committed.
    sealed_bytes: usize,
    appended: Lsn,
    committed: Lsn,
    is_frozen: bool,
    spare: Option<Pages>,
}

impl Journal {
    /// A journal that goes on there.
    #[must_use]
    pub fn new(layout: Layout, opening: Opening) -> Self {
        assert!(
            layout.begin_of(opening.first_file) <= opening.next.position,
            "the tail comes first"
        );
        Self {
            layout,
            next: opening.next,
            first_file: opening.first_file,
            end_file: opening.end_file,
            is_making: false,
            open: Pages::zeroed(HEAD_BYTES),
            open_count: 0,
            sealed: VecDeque::new(),
            in_flight: None,
            sealed_bytes: 0,
            appended: Lsn(0),
            committed: Lsn(0),
            is_frozen: false,
            spare: None,
        }
    }

    /// Whether a record of so many bytes would be appended.
    ///
    /// # Errors
    /// If it would not.
    pub fn check_room(&self, encoded_len: usize) -> Result<(), Refusal> {
        if self.is_frozen {
            return Err(Refusal::Frozen);
        }
        let alone = group::padded(HEAD_BYTES + encoded_len);
        if alone as u64 > self.layout.file_bytes {
            return Err(Refusal::TooLarge);
        }
        let staged = self.sealed_bytes + self.open.len() + encoded_len;
        // One record always fits in.
        match staged > self.layout.staged_bytes_max && self.appended > self.committed {
            true => Err(Refusal::Full),
            false => Ok(()),
        }
    }

    /// Appends a record.
    ///
    /// # Errors
    /// If there is no room for it, or never will be again.
    pub fn append(&mut self, record: &Record<'_>) -> Result<Appended, Refusal> {
        let encoded_len = record.encoded_len();
        self.check_room(encoded_len)?;
        Ok(self.append_anyway(record, encoded_len))
    }

    /// Appends a short record that follows from others, beyond the bound if need be;
    /// `None` if a write has failed.
    pub fn append_note(&mut self, record: &Record<'_>) -> Option<Appended> {
        let encoded_len = record.encoded_len();
        let fits = group::padded(HEAD_BYTES + encoded_len) as u64 <= self.layout.file_bytes;
        (fits && !self.is_frozen).then(|| self.append_anyway(record, encoded_len))
    }

    fn append_anyway(&mut self, record: &Record<'_>, encoded_len: usize) -> Appended {
        if self.open_count > 0 && self.open.len() + encoded_len > self.layout.group_bytes_max {
            self.seal_open();
        }
        if self.open_count == 0 {
            let alone = group::padded(HEAD_BYTES + encoded_len);
            let reserved = alone.max(group::padded(self.layout.group_bytes_max));
            let place = self.layout.place_for(self.next.position, reserved);
            let place = place.or_else(|| self.layout.place_for(self.next.position, alone));
            self.next.position = place.expect("it fits into a file, which was checked");
        }
        let at = self.open.len();
        self.open.resize(at + encoded_len);
        let taken = record.encode(&mut self.open.bytes_mut()[at..]);
        debug_assert_eq!(taken, encoded_len, "a record takes what it says");
        self.open_count += 1;
        self.appended.0 += 1;
        Appended {
            lsn: self.appended,
            position: self.next.position + at as u64,
        }
    }

    fn seal_open(&mut self) {
        let spare = self.spare.take().unwrap_or_default();
        let mut pages = std::mem::replace(&mut self.open, spare);
        self.open.reset(HEAD_BYTES);
        let len = pages.len();
        pages.resize(group::padded(len));
        group::seal(pages.bytes_mut(), len, self.open_count, self.next);
        self.open_count = 0;
        let position = self.next.position;
        self.next.position += pages.len() as u64;
        self.next.number += 1;
        self.sealed_bytes += pages.len();
        self.sealed.push_back(Group {
            position,
            pages: Arc::new(pages),
            last: self.appended,
        });
    }

    /// The next group to be written, unless one is in flight.
    pub fn next_write(&mut self) -> Option<GroupWrite> {
        if self.in_flight.is_some() || self.is_frozen {
            return None;
        }
        if self.sealed.is_empty() && self.open_count > 0 {
            self.seal_open();
        }
        let (file, at) = self.layout.file_of(self.sealed.front()?.position);
        if file >= self.end_file {
            return None;
        }
        let group = self.sealed.pop_front()?;
        let pages = Arc::clone(&group.pages);
        self.in_flight = Some(group);
        Some(GroupWrite { file, at, pages })
    }

    /// The number of a file that is to be made; told of with [`Self::on_file_made`].
    /// There is one ahead of what is appended as soon as half of the last one is full.
    pub fn next_file(&mut self) -> Option<u32> {
        let ahead = self.end() + self.layout.file_bytes / 2;
        let is_wanted = self.appended.0 > 0 && ahead >= self.layout.begin_of(self.end_file);
        if self.is_making || self.is_frozen || !is_wanted {
            return None;
        }
        self.is_making = true;
        Some(self.end_file)
    }

    /// A file was made, or could not be.
    pub fn on_file_made(&mut self, file: u32, result: Result<(), WriteFailed>) {
        assert!(self.is_making && file == self.end_file, "it is this one");
        self.is_making = false;
        if result.is_ok() {
            self.end_file += 1;
        }
    }

    /// A group is durable, which is given back, or could not be made so. Everything up to
    /// [`Self::committed`] may be told.
    pub fn on_written(&mut self, result: Result<(), WriteFailed>) -> Option<Group> {
        let group = self.in_flight.take().expect("one was in flight");
        self.sealed_bytes -= group.pages.len();
        if result.is_err() {
            self.is_frozen = true;
            return None;
        }
        assert!(
            self.committed < group.last && !self.is_frozen,
            "groups become durable in their order"
        );
        self.committed = group.last;
        Some(group)
    }

    /// Takes a buffer that nobody reads any more.
    pub fn recycle(&mut self, pages: Pages) {
        self.spare = Some(pages);
    }

    /// The bytes from a position on, if they are not durable yet.
    #[must_use]
    pub fn staged_bytes(&self, position: u64) -> Option<&[u8]> {
        let within = |begin: u64, bytes| bytes_from(begin, bytes, position);
        let sealed = self.in_flight.iter().chain(&self.sealed);
        let mut found = sealed.filter_map(|group| within(group.position, group.pages.bytes()));
        let open = || within(self.next.position, self.open.bytes());
        found.next().or_else(open)
    }

    /// The oldest file is needed no more, and is going: it is not the last one.
    pub fn drop_first_file(&mut self) -> u32 {
        let file = self.first_file;
        self.first_file += 1;
        assert!(
            self.layout.begin_of(self.first_file) <= self.first_uncommitted(),
            "the tail goes forward, not beyond what is durable"
        );
        file
    }

    /// Where the first group lies that is not durable.
    #[must_use]
    pub fn first_uncommitted(&self) -> u64 {
        let sealed = self.in_flight.as_ref().or_else(|| self.sealed.front());
        sealed.map_or(self.next.position, |group| group.position)
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

    /// How the journal is divided.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of the oldest file.
    #[must_use]
    pub fn first_file(&self) -> u32 {
        self.first_file
    }

    /// Where what is appended next lies, or behind that.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.next.position + self.open.len() as u64
    }

    /// Bytes that wait to be durable.
    #[must_use]
    pub fn staged_len(&self) -> usize {
        self.sealed_bytes + self.open.len()
    }

    /// Whether a write has failed.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.is_frozen
    }
}

/// What of some bytes that begin at a position lies from another one on.
#[must_use]
pub fn bytes_from(begin: u64, bytes: &[u8], position: u64) -> Option<&[u8]> {
    let at = usize::try_from(position.checked_sub(begin)?).ok()?;
    bytes.get(at..).filter(|rest| !rest.is_empty())
}
