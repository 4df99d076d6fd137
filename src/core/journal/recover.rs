//! What a journal held when the server stopped, however it stopped.
//!
//! A plain machine: [`Recovery::next_step`] says what it wants of the disk, whoever
//! carries that out gives it the bytes and gets the records of whole groups, in order.
//!
//! The journal ends before the first group that is not whole: it was in flight, and
//! nobody was told of it. Unless a later group stands behind it: that one was begun
//! only when the broken one was durable. Then the device has lost what it had
//! confirmed, which is reported ([`Recovered::lost`]) and never taken for the end.
//!
//! A group that was read need not be durable: a process that was killed may have
//! written it and not flushed it. So the files are flushed before the journal is
//! said to be recovered.
//!
//! Files that are no longer needed are gone, oldest first; so the first group has any
//! number.

use std::ops::Range;

use super::Opening;
use super::layout::Layout;
use crate::base::pages::Pages;
use crate::format::group::{self, Group, Head, PAGE_BYTES, Place};
use crate::format::record::Record;

/// What a recovery wants of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// To read; answered by [`Recovery::on_read`].
    Read {
        /// Number of the file.
        file: u32,
        /// Where in it.
        at: u64,
        /// How much: a multiple of pages.
        len: usize,
    },
    /// To flush all files of the journal; answered by [`Recovery::on_flushed`].
    Flush,
    /// Nothing more.
    Done,
}

/// Groups that are missing in the middle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The number of the first one.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What a recovery has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// Where the journal goes on.
    pub opening: Opening,
    /// Damage.
    pub lost: Vec<Lost>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Groups follow each other from here on.
    Following,
    /// A group that is longer than usual is read again as a whole.
    Growing(usize),
    /// What stands here is broken: the beginning of a later file may go on.
    Jumping(u32),
    Flushing,
    Done,
}

/// See the module.
#[derive(Debug)]
pub struct Recovery {
    layout: Layout,
    files: Range<u32>,
    /// The place of the next group; its epoch is that of the last one.
    next: Place,
    /// Whether a group has been found.
    has_begun: bool,
    state: State,
    lost: Vec<Lost>,
}

impl Recovery {
    /// Begins with the oldest of the files that there are.
    #[must_use]
    pub fn new(layout: Layout, files: Range<u32>) -> Self {
        Self {
            next: Place {
                epoch: 0,
                number: 0,
                position: layout.begin_of(files.start),
            },
            layout,
            has_begun: false,
            state: match files.is_empty() {
                true => State::Flushing,
                false => State::Following,
            },
            files,
            lost: Vec::new(),
        }
    }

    /// What is to be done next.
    #[must_use]
    pub fn next_step(&self) -> Step {
        let position = self.next.position;
        match self.state {
            State::Following => self.read(position, self.window()),
            State::Growing(len) => self.read(position, len),
            State::Jumping(file) => self.read(self.layout.begin_of(file), PAGE_BYTES),
            State::Flushing => Step::Flush,
            State::Done => Step::Done,
        }
    }

    fn read(&self, position: u64, len: usize) -> Step {
        let (file, at) = self.layout.file_of(position);
        let left = usize::try_from(self.layout.file_bytes - at).unwrap_or(usize::MAX);
        Step::Read {
            file,
            at,
            len: len.min(left),
        }
    }

    /// The successor of any usual group begins within this.
    fn window(&self) -> usize {
        group::padded(2 * self.layout.group_bytes_max)
    }

    /// Bytes that were read: `None` if they could not be, as good as broken ones.
    /// `each` gets the records and their positions.
    pub fn on_read(&mut self, pages: Option<&Pages>, mut each: impl FnMut(u64, &Record<'_>)) {
        let bytes = pages.map_or(&[][..], Pages::bytes);
        match self.state {
            State::Following => self.follow(bytes, &mut each),
            State::Growing(_) => {
                self.state = State::Following;
                if self.take(bytes, &mut each).is_none() {
                    self.look_behind(bytes);
                }
            }
            State::Jumping(file) => self.jump(bytes, file),
            State::Flushing | State::Done => unreachable!("nothing was asked for"),
        }
        let end = self.layout.begin_of(self.files.end);
        if self.state == State::Following && self.next.position >= end {
            self.state = State::Flushing;
        }
    }

    /// The files are durable as they were read.
    pub fn on_flushed(&mut self) {
        assert_eq!(self.state, State::Flushing, "it was asked for");
        self.state = State::Done;
    }

    /// What was found.
    ///
    /// # Panics
    /// If it is not done.
    #[must_use]
    pub fn finish(self) -> Recovered {
        assert_eq!(self.state, State::Done, "everything has been read");
        Recovered {
            opening: Opening {
                next: Place {
                    epoch: self.next.epoch + 1,
                    ..self.next
                },
                first_file: self.files.start,
                end_file: self.files.end,
            },
            lost: self.lost,
        }
    }

    /// Takes the groups that follow each other.
    fn follow(&mut self, bytes: &[u8], each: &mut impl FnMut(u64, &Record<'_>)) {
        let mut at = 0;
        while at < bytes.len() {
            match self.take(&bytes[at..], each) {
                Some(taken) => at += taken,
                None if at > 0 => return,
                None => return self.grow_or_look_behind(bytes),
            }
        }
        if bytes.is_empty() {
            self.look_behind(bytes);
        }
    }

    /// Takes the group at the front if it is the next one; its length on the device.
    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(u64, &Record<'_>)) -> Option<usize> {
        let group = Group::read(bytes).ok()?;
        let place = group.head.place;
        let is_next = (place.number == self.next.number || !self.has_begun)
            && place.position == self.next.position
            && place.epoch >= self.next.epoch;
        if !is_next {
            return None;
        }
        for (at, record) in group.records().flatten() {
            each(place.position + at as u64, &record);
        }
        self.has_begun = true;
        self.next = Place {
            epoch: place.epoch,
            number: place.number + 1,
            position: place.position + group.padded_len() as u64,
        };
        Some(group.padded_len())
    }

    fn grow_or_look_behind(&mut self, bytes: &[u8]) {
        let announced = Head::read(bytes).map(|head| group::padded(head.len));
        let (_, at) = self.layout.file_of(self.next.position);
        let fits = |len: &usize| at + *len as u64 <= self.layout.file_bytes;
        match announced.ok().filter(fits) {
            Some(len) if len > bytes.len() => self.state = State::Growing(len),
            _ => self.look_behind(bytes),
        }
    }

    /// What stands here is broken, or nothing: is there a later group behind it?
    fn look_behind(&mut self, bytes: &[u8]) {
        let here = self.next.position;
        let mut pages = (PAGE_BYTES..bytes.len()).step_by(PAGE_BYTES);
        let behind = pages.find_map(|at| self.later_group(bytes.get(at..)?, here + at as u64));
        match behind {
            Some(place) => self.go_on_at(place),
            None => self.jump_to(self.layout.file_of(here).0 + 1),
        }
    }

    /// The place of the group at a position, if it was begun in place of what was
    /// expected here, or after it.
    fn later_group(&self, bytes: &[u8], position: u64) -> Option<Place> {
        let place = Head::read(bytes).ok()?.place;
        let is_later = place.position == position
            && (place.number >= self.next.number || !self.has_begun)
            && place.epoch >= self.next.epoch;
        is_later.then_some(place)
    }

    fn jump_to(&mut self, file: u32) {
        // At the end: what is written next begins where nothing whole stands.
        self.state = match file < self.files.end {
            true => State::Jumping(file),
            false => State::Flushing,
        };
    }

    /// Looks at the beginning of a later file.
    fn jump(&mut self, bytes: &[u8], file: u32) {
        match self.later_group(bytes, self.layout.begin_of(file)) {
            Some(place) => self.go_on_at(place),
            None => self.jump_to(file + 1),
        }
    }

    fn go_on_at(&mut self, place: Place) {
        let first = match self.has_begun {
            true => self.next.number,
            // How many there were before nobody knows: one at least.
            false => place.number.saturating_sub(1),
        };
        if place.number > first {
            self.lost.push(Lost {
                first,
                count: place.number - first,
            });
        }
        self.has_begun = true;
        self.next = Place {
            epoch: self.next.epoch,
            ..place
        };
        self.state = State::Following;
    }
}
