//! The messages of a stream in memory, by sequence, and linked by subject.
//!
//! Sequences without a message take a slot until what is before them is gone, in
//! chunks; a chunk without messages takes next to nothing. So no step of a log moves
//! more than a chunk, however long it is.

use std::collections::VecDeque;

use super::config::{Storage, record_bytes};
use super::subjects::Subjects;
use crate::base::moment::WallNanos;
use crate::base::width;

/// Sequences of a chunk.
const CHUNK: u64 = 64;

/// A stored message.
#[derive(Debug)]
pub struct Stored {
    /// Number of its subject.
    pub subject: u32,
    /// Bytes of the header block.
    pub header_len: u32,
    /// When it was stored.
    pub time: WallNanos,
    /// Header block, payload, CR LF: as a client gets it.
    pub body: Box<[u8]>,
    /// The next message of its subject, or 0.
    next: u64,
    /// The one before, or 0.
    previous: u64,
}

impl Stored {
    /// The header block, or nothing.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.body[..self.header_len as usize]
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.body[self.header_len as usize..self.body.len() - 2]
    }
}

/// What is new, to be stored.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Its subject.
    pub subject: &'a [u8],
    /// The header block, or nothing.
    pub header: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// When it came.
    pub time: WallNanos,
}

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

    /// Messages from a sequence to another one. Whole chunks are counted at once, so this
    /// takes a step for every 64 sequences between the first one and the nearer end.
    #[must_use]
    pub fn count_between(&self, from: u64, to: u64) -> u64 {
        match from <= self.first {
            true => self.count - self.count_from(to.saturating_add(1)),
            false => self.count_from(from) - self.count_from(to.saturating_add(1)),
        }
    }

    fn count_from(&self, from: u64) -> u64 {
        if from > self.last {
            return 0;
        }
        let Some((at, slot)) = self.place_of(from.max(self.first)) else {
            return self.count;
        };
        let mut behind = self.chunks.range(at..);
        let part = behind.next().map_or(0, |chunk| {
            let slots = chunk.slots.iter().skip(slot);
            slots.filter(|stored| stored.is_some()).count()
        });
        (part + behind.map(|chunk| chunk.count).sum::<usize>()) as u64
    }

    /// Sequences without a message between the first message and a sequence, so many at
    /// most. Chunks without any are skipped, so this takes a step for every 64 sequences
    /// and for every one that is found.
    #[must_use]
    pub fn missing(&self, to: u64, count_max: usize) -> Vec<u64> {
        let mut found = Vec::new();
        let mut sequence = self.first;
        while sequence <= to.min(self.last) && found.len() < count_max {
            let chunk = self.place_of(sequence).map(|(at, _)| &self.chunks[at]);
            let is_full = chunk.is_some_and(|chunk| chunk.count == width::size(CHUNK));
            if is_full {
                sequence = self.end_of_chunk(sequence);
                continue;
            }
            if self.get(sequence).is_none() {
                found.push(sequence);
            }
            sequence += 1;
        }
        found
    }

    /// The first message that was stored at a time or later, or the sequence behind the
    /// last one. It is looked for among half as many every time; sequences without
    /// messages are walked over, by chunks.
    #[must_use]
    pub fn at_time(&self, time: WallNanos) -> u64 {
        let (mut low, mut high) = (self.first, self.last + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next_from(middle).filter(|&found| found < high) {
                None => high = middle,
                Some(found) => match self.get(found).is_some_and(|one| one.time >= time) {
                    true => high = middle,
                    false => low = found + 1,
                },
            }
        }
        self.next_from(low).unwrap_or(self.last + 1)
    }

    /// The message of the same subject before another one.
    #[must_use]
    pub fn previous_of(&self, sequence: u64) -> Option<u64> {
        let previous = self.get(sequence)?.previous;
        Some(previous).filter(|&previous| previous > 0)
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
        let sequence = self.last + 1;
        let known = self.subjects.find(new.subject);
        let previous = known.map_or(0, |number| self.subjects.get(number).last);
        let subject = match known {
            Some(number) => {
                let subject = self.subjects.get_mut(number);
                subject.count += 1;
                subject.last = sequence;
                number
            }
            None => self.subjects.add(new.subject, sequence),
        };
        if let Some(before) = self.get_mut(previous) {
            before.next = sequence;
        }
        let stored = Stored {
            subject,
            header_len: width::short(new.header.len()),
            time: new.time,
            body: [new.header, new.payload, b"\r\n"].concat().into(),
            next: 0,
            previous,
        };
        self.bytes += self.bytes_of(&stored);
        self.count += 1;
        self.push(Some(Box::new(stored)));
        sequence
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
        self.unlink(&stored);
        if sequence == self.first {
            self.clear_front(sequence + 1);
        }
        true
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
        let (header, payload) = (stored.header().len(), stored.payload().len());
        record_bytes(self.storage, subject.len(), header, payload)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use std::collections::BTreeMap;

    const SUBJECTS: [&[u8]; 5] = [b"a", b"a.b", b"c.d.e", b"x", b"y"];

    #[test]
    fn it_agrees_with_a_naive_list() {
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let first = 1 + rng.below(200);
            let mut log = Log::new(Storage::Memory, first, seed);
            let mut model: BTreeMap<u64, (&[u8], Vec<u8>)> = BTreeMap::new();
            let mut last = first - 1;
            for step in 0..1_500 {
                let removes = if step / 300 % 2 == 0 { 3 } else { 7 };
                if rng.below(10) >= removes {
                    let subject = SUBJECTS[width::size(rng.below(5))];
                    let payload = vec![b'p'; width::size(rng.below(30))];
                    last += 1;
                    let new = New {
                        subject,
                        header: b"",
                        payload: &payload,
                        time: WallNanos(step),
                    };
                    assert_eq!(log.append(&new), last);
                    model.insert(last, (subject, payload));
                } else if rng.below(20) == 0 {
                    last += 1;
                    assert_eq!(log.skip(), last);
                } else {
                    let sequence = match rng.below(2) {
                        0 => model.keys().next().copied().unwrap_or(last),
                        _ => first + rng.below(last + 2 - first),
                    };
                    assert_eq!(log.remove(sequence), model.remove(&sequence).is_some());
                }
                let expected = model.keys().next().copied().unwrap_or(last + 1);
                assert_eq!((log.first(), log.last()), (expected, last), "seed {seed}");
                assert_eq!(log.count(), model.len() as u64);
                let from = first + rng.below(last + 2 - first);
                let next = model.range(from..).next().map(|(&sequence, _)| sequence);
                assert_eq!(log.next_from(from), next);
                let to = from + rng.below(100);
                let between = model.range(from..=to).count() as u64;
                assert_eq!(log.count_between(from, to), between);
                if step % 50 == 0 {
                    let gaps = expected..=to.min(last);
                    let gaps = gaps.filter(|sequence| !model.contains_key(sequence));
                    let gaps: Vec<u64> = gaps.take(30).collect();
                    assert_eq!(log.missing(to, 30), gaps);
                    let time = WallNanos(rng.below(step + 2));
                    let mut times = model.keys().copied();
                    let at = times.find(|&at| log.get(at).is_some_and(|one| one.time >= time));
                    assert_eq!(log.at_time(time), at.unwrap_or(last + 1));
                }
                let subject = SUBJECTS[width::size(rng.below(5))];
                let of_subject = model.iter().filter(|(_, (other, _))| *other == subject);
                assert_eq!(
                    log.last_of(subject),
                    of_subject.map(|(&at, _)| at).next_back()
                );
                if let Some((&at, (_, payload))) = model.range(from..).next() {
                    assert_eq!(log.get(at).map(Stored::payload), Some(&payload[..]));
                }
            }
            log.check_invariants();
            assert!(log.chunks.len() as u64 <= (log.last() + 1 - log.first()) / CHUNK + 2);
        }
    }
}
