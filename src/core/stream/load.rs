//! A log from the records of a journal, in the order in which they were written. That is
//! the order of sequences, but for records that were copied to the front of the journal
//! since: those wait beside the log until everything has been read.

use std::collections::BTreeMap;

use super::config::Storage;
use super::log::Log;
use super::stored::New;
use crate::base::moment::WallNanos;

/// A message as its record tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Loaded<'a> {
    /// Its sequence.
    pub sequence: u64,
    /// Its subject, header block and payload, and when it was stored.
    pub new: New<'a>,
    /// Where its record lies.
    pub position: u64,
}

/// A message that waits.
#[derive(Debug)]
struct Late {
    subject: Box<[u8]>,
    header_len: usize,
    payload_len: usize,
    time: WallNanos,
    position: u64,
}

/// A log that is being loaded.
#[derive(Debug)]
pub struct Loading {
    log: Log,
    seed: u64,
    late: BTreeMap<u64, Late>,
}

impl Loading {
    /// Nothing is known of it yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            log: Log::new(Storage::File, 1, seed),
            seed,
            late: BTreeMap::new(),
        }
    }

    /// Takes a message, or another record of one that is known.
    pub fn store(&mut self, loaded: &Loaded<'_>) {
        let Loaded {
            sequence, position, ..
        } = *loaded;
        if sequence > self.log.last() {
            self.log.append_at(sequence, &loaded.new, position);
        } else if self.log.get(sequence).is_some() {
            self.log.set_position(sequence, position);
        } else {
            let new = &loaded.new;
            let late = Late {
                subject: new.subject.into(),
                header_len: new.header.len(),
                payload_len: new.payload.len(),
                time: new.time,
                position,
            };
            self.late.insert(sequence, late);
        }
        self.log.take_gone();
    }

    /// Takes messages away.
    pub fn remove(&mut self, first: u64, count: u64) {
        let end = first.saturating_add(count).min(self.log.last() + 1);
        let mut sequence = first.max(self.log.first());
        while sequence < end {
            // Of those that are there, however far they are from each other.
            match self.log.next(sequence, usize::MAX) {
                Ok(found) if found < end => {
                    self.log.remove(found);
                    sequence = found + 1;
                }
                Ok(_) => break,
                Err(go_on) => sequence = go_on.max(sequence + 1),
            }
        }
        let is_late = |&at: &u64| at >= first && at - first < count;
        while let Some(at) = self
            .late
            .range(first..)
            .next()
            .map(|(&at, _)| at)
            .filter(is_late)
        {
            self.late.remove(&at);
        }
        self.log.take_gone();
    }

    /// Everything up to a sequence was used.
    pub fn use_up(&mut self, last: u64) {
        while self.log.last() < last {
            if self.log.count() == 0 {
                return self.log.skip_to(last + 1);
            }
            self.log.skip();
        }
    }

    /// Everything was read.
    #[must_use]
    pub fn finish(self) -> Log {
        if self.late.is_empty() {
            return self.log;
        }
        let last = self.log.last();
        let mut merged = Log::new(Storage::File, 1, self.seed);
        let mut late = self.late.into_iter().peekable();
        let mut sequence = self.log.first();
        loop {
            let next = self.log.next(sequence, usize::MAX);
            let here = next.ok();
            let Some(before) = late.peek().map(|(at, _)| *at).into_iter().chain(here).min() else {
                match next {
                    Err(go_on) if go_on <= last => {
                        sequence = go_on;
                        continue;
                    }
                    _ => break,
                }
            };
            if Some(before) == here {
                let stored = self.log.get(before).expect("it was found");
                let subject = &self.log.subjects().get(stored.subject).text;
                merged.append_placed(before, subject, stored.lens(), stored.time, stored.position);
                sequence = before + 1;
            } else if let Some((at, one)) = late.next() {
                let lens = (one.header_len, one.payload_len);
                merged.append_placed(at, &one.subject, lens, one.time, one.position);
            }
        }
        let mut loading = Self {
            log: merged,
            seed: self.seed,
            late: BTreeMap::new(),
        };
        loading.use_up(last);
        loading.log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn loaded(sequence: u64, subject: &[u8], position: u64) -> Loaded<'_> {
        Loaded {
            sequence,
            new: New {
                subject,
                header: b"",
                payload: b"payload",
                time: WallNanos(sequence),
            },
            position,
        }
    }

    #[test]
    fn copies_and_removals_come_in_any_order() {
        const SUBJECTS: [&[u8]; 3] = [b"a", b"b", b"c"];
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut loading = Loading::new(seed);
            let mut model: BTreeMap<u64, u64> = BTreeMap::new();
            let mut last = 0;
            for position in 0..400 {
                match rng.below(10) {
                    0..5 => {
                        last += 1 + rng.below(3);
                        model.insert(last, position);
                    }
                    5..8 => {
                        let sequence = 1 + rng.below(last + 1);
                        last = last.max(sequence);
                        model.insert(sequence, position);
                    }
                    _ => {
                        let (first, count) = (1 + rng.below(last + 1), 1 + rng.below(4));
                        loading.remove(first, count);
                        model.retain(|&at, _| at < first || at >= first + count);
                        continue;
                    }
                }
                let (&sequence, _) = model.iter().find(|&(_, &at)| at == position).expect("new");
                let subject = SUBJECTS[usize::try_from(sequence % 3).expect("short")];
                loading.store(&loaded(sequence, subject, position));
            }
            last += rng.below(3);
            loading.use_up(last);
            let log = loading.finish();
            log.check_invariants();
            assert_eq!((log.count(), log.last()), (model.len() as u64, last));
            for (&sequence, &position) in &model {
                let stored = log.get(sequence).expect("it is there");
                assert_eq!((stored.position, stored.time.0), (position, sequence));
            }
        }
    }
}
