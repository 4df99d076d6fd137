//! The messages of a stream, by sequence, and linked by subject.
//!
//! Of a stream in memory the log holds header blocks and payloads; of one on disk it
//! knows where in the journal they lie. What is removed is noted until it is taken
//! ([`Log::take_gone`]): it is written down, and consumers hear of it.
//!
//! Sequences without a message take a slot until what is before them is gone, in
//! chunks; a chunk without messages takes next to nothing. So no step of a log moves
//! more than a chunk, however long it is.

mod reading;

use std::collections::VecDeque;

use super::config::{Storage, record_bytes};
use super::stored::{Gone, New, Stored};
use super::subjects::Subjects;
use crate::base::moment::WallNanos;
use crate::base::width;
use crate::format::record;

/// Sequences of a chunk.
const CHUNK: u64 = 64;

#[derive(Debug, Default)]
struct Chunk {
    slots: Vec<Option<Box<Stored>>>,
    count: usize,
}

/// The messages.
#[derive(Debug)]
pub struct Log {
    storage: Storage,
    chunks: VecDeque<Chunk>,
    /// The sequence of the first slot of the first chunk.
    base: u64,
    /// The first message, or the next sequence if there is none.
    first: u64,
    last: u64,
    count: u64,
    bytes: u64,
    subjects: Subjects,
    gone: Vec<Gone>,
    /// Whether subjects of what goes are noted.
    is_watched: bool,
}

impl Log {
    /// Without messages; the first one will have this sequence.
    #[must_use]
    pub fn new(storage: Storage, first: u64, seed: u64) -> Self {
        assert!(first > 0, "sequences count from 1");
        Self {
            storage,
            chunks: VecDeque::new(),
            base: first,
            first,
            last: first - 1,
            count: 0,
            bytes: 0,
            subjects: Subjects::new(seed),
            gone: Vec::new(),
            is_watched: false,
        }
    }

    /// Whether subjects of messages that go are to be noted.
    pub fn watch(&mut self, is_watched: bool) {
        self.is_watched = is_watched;
    }

    /// What was removed since this was asked last.
    pub fn take_gone(&mut self) -> Vec<Gone> {
        std::mem::take(&mut self.gone)
    }

    /// Notes where the record of a message lies.
    pub fn set_position(&mut self, sequence: u64, position: u64) {
        if let Some(stored) = self.get_mut(sequence) {
            stored.position = position;
        }
    }

    /// The sequence of the first message, or the next one if there is none.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The last sequence, of a message or of one that is gone.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Number of messages.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their bytes ([`record_bytes`]).
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Their subjects.
    #[must_use]
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// The message that has a sequence.
    #[must_use]
    pub fn get(&self, sequence: u64) -> Option<&Stored> {
        let (chunk, slot) = self.place_of(sequence)?;
        self.chunks.get(chunk)?.slots.get(slot)?.as_deref()
    }

    /// The last message of a subject.
    #[must_use]
    pub fn last_of(&self, subject: &[u8]) -> Option<u64> {
        let number = self.subjects.find(subject)?;
        Some(self.subjects.get(number).last)
    }

    /// The first message of a subject.
    #[must_use]
    pub fn first_of(&self, subject: &[u8]) -> Option<u64> {
        let number = self.subjects.find(subject)?;
        Some(self.subjects.get(number).first)
    }

    /// Bytes of the message that has a sequence, 0 if there is none.
    #[must_use]
    pub fn bytes_at(&self, sequence: u64) -> u64 {
        self.get(sequence).map_or(0, |stored| self.bytes_of(stored))
    }

    /// The first message at a sequence or behind it, looked for in so many slots at
    /// most: its sequence, or where to go on.
    pub fn next(&self, from: u64, slots_max: usize) -> Result<u64, u64> {
        let mut sequence = from.max(self.first);
        for _ in 0..slots_max {
            if sequence > self.last {
                break;
            }
            let place = self.place_of(sequence);
            let chunk = place.and_then(|(chunk, _)| self.chunks.get(chunk));
            match chunk {
                Some(chunk) if chunk.count == 0 => sequence = self.end_of_chunk(sequence),
                _ if self.get(sequence).is_some() => return Ok(sequence),
                _ => sequence += 1,
            }
        }
        Err(sequence)
    }

    fn end_of_chunk(&self, sequence: u64) -> u64 {
        self.base + ((sequence - self.base) / CHUNK + 1) * CHUNK
    }

    fn place_of(&self, sequence: u64) -> Option<(usize, usize)> {
        let at = sequence.checked_sub(self.base)?;
        Some((width::size(at / CHUNK), width::size(at % CHUNK)))
    }

    /// Stores a message under the next sequence.
    pub fn append(&mut self, new: &New<'_>) -> u64 {
        let lens = (new.header.len(), new.payload.len());
        let held = self.hold(new);
        self.append_next(new.subject, lens, new.time, 0, held)
    }

    /// Stores a message, whose record lies there, under a later sequence than all.
    pub fn append_at(&mut self, sequence: u64, new: &New<'_>, position: u64) {
        let lens = (new.header.len(), new.payload.len());
        self.append_placed(sequence, new.subject, lens, new.time, position);
    }

    /// The same of a message of which only the lengths are known.
    pub(super) fn append_placed(
        &mut self,
        sequence: u64,
        subject: &[u8],
        lens: (usize, usize),
        time: WallNanos,
        position: u64,
    ) {
        debug_assert!(sequence > self.last, "sequences go forward");
        if self.count == 0 {
            self.skip_to(sequence);
        }
        while self.last + 1 < sequence {
            self.push(None);
        }
        self.append_next(subject, lens, time, position, None);
    }

    fn append_next(
        &mut self,
        subject: &[u8],
        (header_len, payload_len): (usize, usize),
        time: WallNanos,
        position: u64,
        held: Option<Box<[u8]>>,
    ) -> u64 {
        let sequence = self.last + 1;
        let known = self.subjects.find(subject);
        let previous = known.map_or(0, |number| self.subjects.get(number).last);
        let subject = match known {
            Some(number) => {
                let subject = self.subjects.get_mut(number);
                subject.count += 1;
                subject.last = sequence;
                number
            }
            None => self.subjects.add(subject, sequence),
        };
        if let Some(before) = self.get_mut(previous) {
            before.next = sequence;
        }
        let stored = Stored {
            subject,
            header_len: width::short(header_len),
            payload_len: width::short(payload_len),
            time,
            position,
            held,
            next: 0,
            previous,
        };
        self.bytes += self.bytes_of(&stored);
        self.count += 1;
        self.push(Some(Box::new(stored)));
        sequence
    }

    fn hold(&self, new: &New<'_>) -> Option<Box<[u8]>> {
        let body = || [new.header, new.payload, b"\r\n"].concat().into();
        (self.storage == Storage::Memory).then(body)
    }

    /// Uses up a sequence without a message.
    pub fn skip(&mut self) -> u64 {
        self.push(None);
        if self.count == 0 {
            self.clear_front(self.last + 1);
        }
        self.last
    }

    /// The next message has at least this sequence: those before are never used. There
    /// is none now.
    pub fn skip_to(&mut self, sequence: u64) {
        assert!(self.count == 0, "sequences go forward");
        if sequence <= self.last + 1 {
            return;
        }
        self.chunks.clear();
        self.last = sequence - 1;
        self.first = sequence;
        self.base = sequence;
    }

    fn push(&mut self, slot: Option<Box<Stored>>) {
        let chunk_len = width::size(CHUNK);
        if self
            .chunks
            .back()
            .is_none_or(|chunk| chunk.slots.len() == chunk_len)
        {
            self.chunks.push_back(Chunk::default());
        }
        let chunk = self.chunks.back_mut().expect("there is one now");
        chunk.count += usize::from(slot.is_some());
        chunk.slots.push(slot);
        self.last += 1;
    }

    fn get_mut(&mut self, sequence: u64) -> Option<&mut Stored> {
        let (chunk, slot) = self.place_of(sequence)?;
        self.chunks
            .get_mut(chunk)?
            .slots
            .get_mut(slot)?
            .as_deref_mut()
    }

    /// Removes a message; false if there is none.
    pub fn remove(&mut self, sequence: u64) -> bool {
        let Some((at, slot)) = self.place_of(sequence) else {
            return false;
        };
        let Some(chunk) = self.chunks.get_mut(at) else {
            return false;
        };
        let Some(stored) = chunk.slots.get_mut(slot).and_then(Option::take) else {
            return false;
        };
        chunk.count -= 1;
        let chunk_len = width::size(CHUNK);
        if chunk.count == 0 && chunk.slots.len() == chunk_len {
            // Nothing stands there any more, and nothing comes.
            chunk.slots.shrink_to(0);
        }
        self.count -= 1;
        self.bytes -= self.bytes_of(&stored);
        self.note_gone(sequence, &stored);
        self.unlink(&stored);
        if sequence == self.first {
            self.clear_front(sequence + 1);
        }
        true
    }

    fn note_gone(&mut self, sequence: u64, stored: &Stored) {
        if self.storage == Storage::Memory && !self.is_watched {
            return;
        }
        let subject = &self.subjects.get(stored.subject).text;
        self.gone.push(Gone {
            sequence,
            position: stored.position,
            record_len: record_len(subject.len(), stored),
            subject: self.is_watched.then(|| (**subject).into()),
            number: stored.subject,
        });
    }

    fn unlink(&mut self, stored: &Stored) {
        if let Some(next) = self.get_mut(stored.next) {
            next.previous = stored.previous;
        }
        if let Some(previous) = self.get_mut(stored.previous) {
            previous.next = stored.next;
        }
        let subject = self.subjects.get_mut(stored.subject);
        subject.count -= 1;
        if stored.previous == 0 {
            subject.first = stored.next;
        }
        if stored.next == 0 {
            subject.last = stored.previous;
        }
        if subject.count == 0 {
            self.subjects.remove(stored.subject);
        }
    }

    /// Everything before a sequence is gone: the first message is looked for, and
    /// chunks before it are given back. What this takes, the messages that were there
    /// have paid for.
    fn clear_front(&mut self, from: u64) {
        self.first = match self.count {
            0 => self.last + 1,
            _ => match self.next_from(from) {
                Some(first) => first,
                None => unreachable!("there are messages, and none before"),
            },
        };
        while self.base + CHUNK <= self.first && !self.chunks.is_empty() {
            self.chunks.pop_front();
            self.base += CHUNK;
        }
        if self.chunks.is_empty() {
            self.base = self.first;
        }
    }

    fn next_from(&self, from: u64) -> Option<u64> {
        let mut from = from;
        while from <= self.last {
            match self.next(from, usize::MAX) {
                Ok(sequence) => return Some(sequence),
                Err(go_on) => from = go_on,
            }
        }
        None
    }

    fn bytes_of(&self, stored: &Stored) -> u64 {
        let subject = &self.subjects.get(stored.subject).text;
        let (header, payload) = stored.lens();
        record_bytes(self.storage, subject.len(), header, payload)
    }

    /// Bytes that the record of a message takes in the journal.
    #[must_use]
    pub fn record_len(&self, stored: &Stored) -> u64 {
        record_len(self.subjects.get(stored.subject).text.len(), stored)
    }

    /// Checks what must hold between log and subjects; for tests.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        let (mut count, mut bytes) = (0, 0);
        let mut linked = 0;
        let mut sequence = self.first;
        while let Some(at) = self.next_from(sequence) {
            let stored = self.get(at).expect("it was found");
            let subject = self.subjects.get(stored.subject);
            assert_eq!(stored.previous == 0, subject.first == at);
            assert_eq!(stored.next == 0, subject.last == at);
            assert!(
                stored.next == 0
                    || self
                        .get(stored.next)
                        .is_some_and(|next| next.previous == at)
            );
            count += 1;
            bytes += self.bytes_of(stored);
            linked += u64::from(stored.previous == 0);
            sequence = at + 1;
        }
        assert_eq!((count, bytes), (self.count, self.bytes));
        assert_eq!(linked, self.subjects.len() as u64);
        assert!(self.count == 0 || self.get(self.first).is_some());
        assert!(self.count > 0 || self.first == self.last + 1);
    }
}

fn record_len(subject_len: usize, stored: &Stored) -> u64 {
    let (header_len, payload_len) = stored.lens();
    record::encoded_len(subject_len, header_len, payload_len) as u64
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
