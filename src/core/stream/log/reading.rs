//! What is read from a log about many messages at once: how many there are, which are
//! missing, and which was there at a time.

use super::{CHUNK, Log};
use crate::base::moment::WallNanos;
use crate::base::width;
use crate::stream::stored::Stored;

impl Log {
    /// The first message at a sequence or behind it. That may take long; for who loads or
    /// drops a whole log.
    #[must_use]
    pub fn first_from(&self, from: u64) -> Option<(u64, &Stored)> {
        let sequence = self.next_from(from)?;
        Some((sequence, self.get(sequence)?))
    }

    /// Messages from a sequence to another one. Whole chunks are counted at once, so this
    /// takes a step for every 64 sequences between the first one and the nearer end.
    #[must_use]
    pub fn count_between(&self, from: u64, to: u64) -> u64 {
        if from > to {
            return 0;
        }
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
}
