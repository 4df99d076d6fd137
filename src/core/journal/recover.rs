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
    /// What stands here is broken: the next file may go on, perhaps a group behind it.
    Jumping {
        /// Where in this file a later group stands.
        behind: Option<(u64, Place)>,
    },
    Flushing,
    Done,
}

/// Reads a journal from its tail on.
#[derive(Debug)]
pub struct Recovery {
    layout: Layout,
    tail: u64,
    /// The place of the next group; its epoch is that of the last one.
    next: Place,
    state: State,
    lost: Vec<Lost>,
}

impl Recovery {
    /// Begins with the group at the tail, which has this place if it exists; its epoch
    /// is not less.
    #[must_use]
    pub fn new(layout: Layout, tail: Place) -> Self {
        Self {
            layout,
            tail: tail.position,
            next: tail,
            state: State::Following,
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
            State::Jumping { .. } => self.read(self.next_file(), self.window()),
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

    fn next_file(&self) -> u64 {
        (self.next.position / self.layout.file_bytes + 1) * self.layout.file_bytes
    }

    /// Bytes that were read: `None` if they could not be, as good as broken ones.
    /// `each` gets the records.
    pub fn on_read(&mut self, pages: Option<&Pages>, mut each: impl FnMut(&Record<'_>)) {
        let bytes = pages.map_or(&[][..], Pages::bytes);
        match self.state {
            State::Following => self.follow(bytes, &mut each),
            State::Growing(_) => {
                self.state = State::Following;
                match self.take(bytes, &mut each) {
                    Some(_) => {}
                    None => self.look_behind(bytes),
                }
            }
            State::Jumping { behind } => self.jump(bytes, behind),
            State::Flushing | State::Done => unreachable!("nothing was asked for"),
        }
        if self.next.position - self.tail >= self.layout.bytes() {
            // The ring is full of groups.
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
                tail: self.tail,
            },
            lost: self.lost,
        }
    }

    /// Takes the groups that follow each other.
    fn follow(&mut self, bytes: &[u8], each: &mut impl FnMut(&Record<'_>)) {
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
    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(&Record<'_>)) -> Option<usize> {
        let group = Group::read(bytes).ok()?;
        let place = group.head.place;
        let is_next = place.number == self.next.number
            && place.position == self.next.position
            && place.epoch >= self.next.epoch;
        if !is_next {
            return None;
        }
        for record in group.records().flatten() {
            each(&record);
        }
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
        let pages = (PAGE_BYTES..bytes.len()).step_by(PAGE_BYTES);
        let mut groups = pages.filter_map(|at| {
            let place = self.later_group(bytes.get(at..)?, here + at as u64)?;
            Some((here + at as u64, place))
        });
        self.state = State::Jumping {
            behind: groups.next(),
        };
    }

    /// The place of the group at a position, if it was begun in place of what was
    /// expected here, or after it.
    fn later_group(&self, bytes: &[u8], position: u64) -> Option<Place> {
        let place = Head::read(bytes).ok()?.place;
        let is_later = place.position == position
            && place.number >= self.next.number
            && place.epoch >= self.next.epoch;
        is_later.then_some(place)
    }

    /// Looks at the beginning of the next file.
    fn jump(&mut self, bytes: &[u8], behind: Option<(u64, Place)>) {
        let there = self.next_file();
        let first = self.later_group(bytes, there).map(|place| (there, place));
        let Some((position, place)) = behind.or(first) else {
            // The end. What is written next begins where nothing whole stands.
            self.state = State::Flushing;
            return;
        };
        if place.number > self.next.number {
            self.lost.push(Lost {
                first: self.next.number,
                count: place.number - self.next.number,
            });
        }
        self.next = Place {
            position,
            number: place.number,
            ..self.next
        };
        self.state = State::Following;
    }
}
