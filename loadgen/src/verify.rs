//! Did every message arrive once, in order and unchanged? One verifier per subscriber, one verdict over all of them.
//!
//! A publisher numbers its messages; a subscriber that gets all of them must see 0, 1, 2, … per publisher (one connection
//! publishes, one receives: the server owes order across all subjects in between, which is stronger than per subject).
//! Members of a joint group see gaps, but rising numbers, and together each number once.

use std::sync::Arc;

use crate::batch::Batch;
use crate::stamp::{self, Stamp};
use crate::wire::scan::Message;

/// Gaps remembered per publisher and subscriber; what falls into gaps beyond that is lost for good.
const GAPS_MAX: usize = 100_000;

/// Sums over a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// Never arrived.
    pub lost: u64,
    /// Arrived again.
    pub duplicated: u64,
    /// Arrived after a later one of the same publisher.
    pub reordered: u64,
    /// Wrong subject, size, publisher or bytes.
    pub corrupt: u64,
}

impl Verdict {
    /// Nothing was wrong.
    pub fn is_clean(&self) -> bool {
        *self == Verdict::default()
    }
}

impl std::iter::Sum for Verdict {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Verdict::default(), |sum, one| Verdict {
            lost: sum.lost + one.lost,
            duplicated: sum.duplicated + one.duplicated,
            reordered: sum.reordered + one.reordered,
            corrupt: sum.corrupt + one.corrupt,
        })
    }
}

/// Checks what one subscriber receives.
pub struct Verifier {
    batches: Arc<Vec<Arc<Batch>>>,
    /// The subscriber's group gets messages of publishers `first..first + trackers.len()`.
    first_publisher: u32,
    trackers: Vec<Tracker>,
    joint: bool,
    corrupt: u64,
}

#[derive(Default)]
struct Tracker {
    /// One more than the highest sequence seen.
    next: u64,
    seen: u64,
    duplicated: u64,
    reordered: u64,
    /// Ascending, disjoint ranges below `next` that have not been seen (not for joint groups).
    gaps: Vec<std::ops::Range<u64>>,
    /// Which sequences were seen (only for joint groups).
    bits: Vec<u64>,
}

impl Verifier {
    /// A verifier for a subscriber that is owed the messages of `publishers` publishers from `first_publisher` on.
    pub fn new(
        batches: Arc<Vec<Arc<Batch>>>,
        first_publisher: u32,
        publishers: usize,
        joint: bool,
    ) -> Self {
        let trackers = (0..publishers).map(|_| Tracker::default()).collect();
        Verifier {
            batches,
            first_publisher,
            trackers,
            joint,
            corrupt: 0,
        }
    }

    /// Takes one message.
    pub fn check(&mut self, message: &Message<'_>) {
        let Some(stamp) = Stamp::read(message.payload) else {
            self.corrupt += 1;
            return;
        };
        let index = stamp.publisher.wrapping_sub(self.first_publisher) as usize;
        let Some(tracker) = self.trackers.get_mut(index) else {
            self.corrupt += 1;
            return;
        };
        let batch = &self.batches[stamp.publisher as usize];
        let right = batch.payload_size(stamp.sequence) == message.payload.len()
            && batch.subject(stamp.sequence) == message.subject
            && stamp::rest_is_intact(message.payload);
        self.corrupt += u64::from(!right);
        if self.joint {
            tracker.see_in_joint(stamp.sequence)
        } else {
            tracker.see(stamp.sequence)
        }
    }
}

impl Tracker {
    #[inline]
    fn see(&mut self, sequence: u64) {
        if sequence == self.next {
            self.next += 1;
            self.seen += 1;
        } else if sequence > self.next {
            if self.gaps.len() < GAPS_MAX {
                self.gaps.push(self.next..sequence);
            }
            self.next = sequence + 1;
            self.seen += 1;
        } else if self.fill_gap(sequence) {
            self.reordered += 1;
            self.seen += 1;
        } else {
            self.duplicated += 1;
        }
    }

    fn fill_gap(&mut self, sequence: u64) -> bool {
        let at = self.gaps.partition_point(|gap| gap.end <= sequence);
        let Some(gap) = self.gaps.get_mut(at).filter(|gap| gap.contains(&sequence)) else {
            return false;
        };
        let above = sequence + 1..gap.end;
        gap.end = sequence;
        let below_is_empty = gap.is_empty();
        match (below_is_empty, above.is_empty()) {
            (true, true) => drop(self.gaps.remove(at)),
            (true, false) => self.gaps[at] = above,
            (false, true) => {}
            (false, false) => self.gaps.insert(at + 1, above),
        }
        true
    }

    fn see_in_joint(&mut self, sequence: u64) {
        let (word, bit) = ((sequence / 64) as usize, 1u64 << (sequence % 64));
        // A corrupt sequence must not make us allocate without bound: it is then no real sequence anyway.
        if word >= self.bits.len() {
            if word > self.bits.len() + (1 << 22) {
                self.reordered += 1;
                return;
            }
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit != 0 {
            self.duplicated += 1;
            return;
        }
        self.bits[word] |= bit;
        self.seen += 1;
        self.reordered += u64::from(sequence < self.next);
        self.next = self.next.max(sequence + 1);
    }
}

/// The verdict over all subscribers; `published[p]` is how many messages publisher `p` sent. Verifiers of the members of
/// one joint group are those that are `joint` and begin at the same publisher.
pub fn conclude(verifiers: &[&Verifier], published: &[u64]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut joint_seen: std::collections::BTreeMap<usize, Vec<u64>> =
        std::collections::BTreeMap::new();
    for verifier in verifiers {
        verdict.corrupt += verifier.corrupt;
        for (index, tracker) in verifier.trackers.iter().enumerate() {
            let publisher = verifier.first_publisher as usize + index;
            verdict.duplicated += tracker.duplicated;
            verdict.reordered += tracker.reordered;
            if !verifier.joint {
                verdict.lost += published[publisher].saturating_sub(tracker.seen);
                continue;
            }
            let union = joint_seen.entry(publisher).or_default();
            union.resize(union.len().max(tracker.bits.len()), 0);
            for (all, own) in union.iter_mut().zip(&tracker.bits) {
                verdict.duplicated += u64::from((*all & own).count_ones());
                *all |= own;
            }
        }
    }
    for (publisher, union) in joint_seen {
        let seen: u64 = union.iter().map(|word| u64::from(word.count_ones())).sum();
        verdict.lost += published[publisher].saturating_sub(seen);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::SizeSpec;

    fn verifier(joint: bool) -> Verifier {
        let batch = Arc::new(
            Batch::build(&["a".to_string(), "b".to_string()], &SizeSpec::Fixed(20), 1).unwrap(),
        );
        Verifier::new(Arc::new(vec![batch.clone(), batch]), 0, 2, joint)
    }

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

    fn give(verifier: &mut Verifier, publisher: u32, sequences: &[u64]) {
        for sequence in sequences {
            let subject: &[u8] = if sequence % 2 == 0 { b"a" } else { b"b" };
            let payload = payload(publisher, *sequence);
            verifier.check(&Message {
                subject,
                sid: 1,
                reply: b"",
                headers: b"",
                payload: &payload,
            });
        }
    }

    fn verdict(lost: u64, duplicated: u64, reordered: u64, corrupt: u64) -> Verdict {
        Verdict {
            lost,
            duplicated,
            reordered,
            corrupt,
        }
    }

    #[test]
    fn every_kind_of_fault_is_told_apart() {
        let cases: [(&[u64], Verdict); 8] = [
            (&[0, 1, 2, 3, 4], verdict(0, 0, 0, 0)),
            (&[0, 1, 3, 4], verdict(1, 0, 0, 0)),
            (&[0, 1, 2, 3], verdict(1, 0, 0, 0)),
            (&[], verdict(5, 0, 0, 0)),
            (&[0, 1, 1, 2, 3, 4], verdict(0, 1, 0, 0)),
            (&[0, 2, 1, 3, 4], verdict(0, 0, 1, 0)),
            (&[4, 2, 0, 1, 3], verdict(0, 0, 4, 0)),
            (&[4, 2, 2, 4, 0], verdict(2, 2, 2, 0)),
        ];
        for (sequences, expected) in cases {
            let mut one = verifier(false);
            give(&mut one, 0, sequences);
            give(&mut one, 1, &[0, 1]);
            assert_eq!(conclude(&[&one], &[5, 2]), expected, "{sequences:?}");
        }
    }

    #[test]
    fn gaps_agree_with_a_naive_set() {
        let mut random = crate::random::Random::new(3);
        for _ in 0..200 {
            let mut tracker = Tracker::default();
            let (mut seen, mut duplicated) = (std::collections::BTreeSet::new(), 0);
            for _ in 0..60 {
                let sequence = random.below(40);
                tracker.see(sequence);
                duplicated += u64::from(!seen.insert(sequence));
            }
            assert_eq!(
                (tracker.seen, tracker.duplicated),
                (seen.len() as u64, duplicated)
            );
        }
    }

    #[test]
    fn members_of_a_queue_group_are_judged_together() {
        let judge = |first: &[u64], second: &[u64]| {
            let (mut one, mut two) = (verifier(true), verifier(true));
            give(&mut one, 0, first);
            give(&mut two, 0, second);
            conclude(&[&one, &two], &[6, 0])
        };
        assert_eq!(judge(&[0, 3, 4], &[1, 2, 5]), verdict(0, 0, 0, 0));
        assert_eq!(judge(&[0, 3, 4], &[1, 2, 4, 5]), verdict(0, 1, 0, 0));
        assert_eq!(judge(&[0, 4, 3], &[1, 2]), verdict(1, 0, 1, 0));
        assert_eq!(judge(&[0, 0, 3], &[1, 2, 4, 5]), verdict(0, 1, 0, 0));
    }

    #[test]
    fn wrong_bytes_subjects_and_publishers_are_corrupt() {
        let mut one = verifier(false);
        let good = payload(0, 0);
        let give = |one: &mut Verifier, subject: &[u8], payload: &[u8]| {
            one.check(&Message {
                subject,
                sid: 1,
                reply: b"",
                headers: b"",
                payload,
            });
        };
        let mut bad = good.clone();
        bad[19] ^= 1;
        give(&mut one, b"a", &bad);
        give(&mut one, b"b", &payload(0, 2));
        give(&mut one, b"a", &good[..19]);
        give(&mut one, b"a", &good[..7]);
        give(&mut one, b"a", &payload(9, 0));
        assert_eq!(conclude(&[&one], &[0, 0]).corrupt, 5);
    }
}
