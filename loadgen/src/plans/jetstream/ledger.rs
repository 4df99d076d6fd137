//! What the server has acknowledged, and whether what it gives back is that: every message once, in the order of its
//! publisher, unchanged, at the sequence of its acknowledgement.

use crate::plans::jetstream::subjects::Subjects;
use crate::stamp::{self, Stamp};
use crate::verify::Verdict;

/// Stands where a message has been found.
const FOUND: u64 = u64::MAX;

/// Acknowledgements of all publishers.
pub struct Ledger {
    /// Per publisher and number of the message, the sequence in its stream; 0 if there was no acknowledgement.
    acknowledged: Vec<Vec<u64>>,
    /// Per publisher, one more than the number last found in the stream that is being read.
    next: Vec<u64>,
    verdict: Verdict,
}

impl Ledger {
    /// Of what publishers have noted.
    pub fn new(acknowledged: Vec<Vec<u64>>) -> Self {
        Ledger {
            next: vec![0; acknowledged.len()],
            acknowledged,
            verdict: Verdict::default(),
        }
    }

    /// Every publisher's message `n` (from 0) was acknowledged with sequence `n + 1`.
    pub fn is_in_order(&self) -> bool {
        let is_next = |(number, sequence): (u64, &u64)| *sequence == number;
        let mut all = self.acknowledged.iter();
        all.all(|own| (1..).zip(own).all(is_next))
    }

    /// Another stream is read from here on.
    pub fn begin_stream(&mut self) {
        self.next.fill(0);
    }

    /// Takes the message at `sequence` of a stream.
    pub fn check(&mut self, sequence: u64, payload: &[u8]) {
        let stamp = Stamp::read(payload).filter(|_| stamp::rest_is_intact(payload));
        let entry = stamp.and_then(|stamp| {
            let own = self.acknowledged.get_mut(stamp.publisher as usize)?;
            Some((stamp, own.get_mut(usize::try_from(stamp.sequence).ok()?)?))
        });
        let Some((stamp, entry)) = entry else {
            self.verdict.corrupt += 1;
            return;
        };
        let next = &mut self.next[stamp.publisher as usize];
        match *entry {
            FOUND => self.verdict.duplicated += 1,
            // Stored, and the acknowledgement never came: that is allowed.
            0 => {}
            acknowledged => {
                self.verdict.corrupt += u64::from(acknowledged != sequence);
                self.verdict.reordered += u64::from(stamp.sequence < *next);
                *entry = FOUND;
            }
        }
        *next = (*next).max(stamp.sequence + 1);
    }

    /// What was not found is lost.
    pub fn conclude(mut self) -> Verdict {
        let all = self.acknowledged.iter().flatten();
        let missing = all.filter(|entry| **entry != 0 && **entry != FOUND);
        self.verdict.lost = missing.count() as u64;
        self.verdict
    }

    /// Of a bucket that keeps one value per key: which revision of each of so many keys must be there, and the message
    /// that is its value.
    pub fn last_values(&self, subjects: &Subjects, keys: u64) -> Vec<Value> {
        let mut last = vec![Value::default(); usize::try_from(keys).unwrap_or(0)];
        let publishers = self.acknowledged.len() as u32;
        for (publisher, own) in (0..).zip(&self.acknowledged) {
            for (number, revision) in (0..).zip(own) {
                let key = subjects.index(publisher, publishers, number);
                let value = &mut last[key as usize];
                if *revision > value.revision {
                    *value = Value {
                        revision: *revision,
                        publisher,
                        number,
                    };
                }
            }
        }
        last
    }
}

/// The value of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Value {
    /// Its revision, 0 if the key never had one.
    pub revision: u64,
    publisher: u32,
    number: u64,
}

impl Value {
    /// Whether this payload is it.
    pub fn is_in(&self, payload: &[u8]) -> bool {
        let own = |stamp: Stamp| stamp.publisher == self.publisher && stamp.sequence == self.number;
        Stamp::read(payload).is_some_and(own) && stamp::rest_is_intact(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::jetstream::subjects::Keys;

    fn payload(publisher: u32, sequence: u64) -> Vec<u8> {
        let mut bytes = vec![0; 20];
        stamp::fill(&mut bytes);
        Stamp {
            time_ns: 1,
            publisher,
            sequence,
        }
        .write(&mut bytes);
        bytes
    }

    fn verdict_of(found: &[(u64, u32, u64)]) -> Verdict {
        // Publisher 0 has messages at 1, 3 and one that was not acknowledged, publisher 1 one at 2.
        let mut ledger = Ledger::new(vec![vec![1, 3, 0], vec![2]]);
        ledger.begin_stream();
        for (sequence, publisher, number) in found {
            ledger.check(*sequence, &payload(*publisher, *number));
        }
        ledger.conclude()
    }

    #[test]
    fn every_kind_of_fault_is_told_apart() {
        let verdict = |lost, duplicated, reordered, corrupt| Verdict {
            lost,
            duplicated,
            reordered,
            corrupt,
        };
        let all = [(1, 0, 0), (2, 1, 0), (3, 0, 1)];
        assert_eq!(verdict_of(&all), verdict(0, 0, 0, 0));
        let also_stored = [all.as_slice(), &[(4, 0, 2)]].concat();
        assert_eq!(verdict_of(&also_stored), verdict(0, 0, 0, 0));
        assert_eq!(verdict_of(&all[..2]), verdict(1, 0, 0, 0));
        let again = [all.as_slice(), &[(4, 0, 1)]].concat();
        assert_eq!(verdict_of(&again), verdict(0, 1, 0, 0));
        let swapped = [(3, 0, 1), (1, 0, 0), (2, 1, 0)];
        assert_eq!(verdict_of(&swapped), verdict(0, 0, 1, 0));
        let elsewhere = [(1, 0, 0), (2, 1, 0), (9, 0, 1)];
        assert_eq!(verdict_of(&elsewhere), verdict(0, 0, 0, 1));
        let unknown = [all.as_slice(), &[(4, 0, 99), (5, 7, 0)]].concat();
        assert_eq!(verdict_of(&unknown), verdict(0, 0, 0, 2));
        let mut damaged = payload(0, 0);
        damaged[19] ^= 1;
        let mut ledger = Ledger::new(vec![vec![1]]);
        ledger.check(1, &damaged);
        assert_eq!(ledger.conclude(), verdict(1, 0, 0, 1));
        assert!(Ledger::new(vec![vec![1, 2], vec![1]]).is_in_order());
        assert!(!Ledger::new(vec![vec![1, 2], vec![2]]).is_in_order());
    }

    #[test]
    fn the_last_acknowledged_value_of_a_key_counts() {
        let keys = Keys {
            prefix: String::new(),
            count: 3,
        };
        // Publisher 0 writes the keys 0, 2, 0, 2, publisher 1 only 1.
        let ledger = Ledger::new(vec![vec![1, 2, 5, 0], vec![3, 4]]);
        let last = ledger.last_values(&Subjects::KeysInTurn(keys), 3);
        let revisions: Vec<u64> = last.iter().map(|value| value.revision).collect();
        assert_eq!(revisions, [5, 4, 2]);
        assert!(last[0].is_in(&payload(0, 2)) && !last[0].is_in(&payload(0, 0)));
    }
}
