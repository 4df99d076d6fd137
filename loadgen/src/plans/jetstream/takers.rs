//! What becomes of messages that are read: compared with what was acknowledged, or with their own numbers.

use crate::plans::jetstream::crew::Turn;
use crate::plans::jetstream::ledger::Ledger;
use crate::plans::jetstream::reader::Taker;
use crate::stamp::{self, Stamp};
use crate::verify::Verdict;

/// Compares a stream with the acknowledgements of its publishers.
pub struct Audit(pub Ledger);

impl Taker for Audit {
    fn take(&mut self, sequence: u64, payload: &[u8], _turn: &mut Turn<'_>) {
        self.0.check(sequence, payload);
    }
}

/// Follows a stream with one publisher, whose message `n` (from 0) stands at sequence `n + 1`.
pub struct Numbered {
    publisher: u32,
    /// Every payload is looked at.
    is_checked: bool,
    /// The time from publishing to here is recorded.
    is_timed: bool,
    next: u64,
    /// What was wrong.
    pub verdict: Verdict,
}

impl Numbered {
    /// Follows `publisher`.
    pub fn new(publisher: u32, is_checked: bool, is_timed: bool) -> Self {
        Numbered {
            publisher,
            is_checked,
            is_timed,
            next: 1,
            verdict: Verdict::default(),
        }
    }

    fn check(&mut self, sequence: u64, payload: &[u8]) {
        let own =
            |stamp: Stamp| stamp.publisher == self.publisher && stamp.sequence + 1 == sequence;
        let is_right = Stamp::read(payload).is_some_and(own) && stamp::rest_is_intact(payload);
        self.verdict.corrupt += u64::from(!is_right);
        if sequence < self.next {
            self.verdict.duplicated += 1;
            return;
        }
        self.verdict.lost += sequence - self.next;
        self.next = sequence + 1;
    }

    /// What did not come of `count` messages is lost.
    pub fn conclude(mut self, count: u64) -> Verdict {
        self.verdict.lost += (count + 1).saturating_sub(self.next);
        self.verdict
    }
}

impl Taker for Numbered {
    fn take(&mut self, sequence: u64, payload: &[u8], turn: &mut Turn<'_>) {
        if self.is_timed
            && let Some(stamp) = Stamp::read(payload)
        {
            let latency_ns = turn.now_ns.saturating_sub(stamp.time_ns).max(1);
            turn.tally.latency.saturating_record(latency_ns);
        }
        if self.is_checked {
            self.check(sequence, payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_repetitions_and_other_messages_are_noticed() {
        let verdict_of = |sequences: &[(u64, u64)]| {
            let mut numbered = Numbered::new(2, true, false);
            for (sequence, number) in sequences {
                let mut payload = vec![0; 20];
                stamp::fill(&mut payload);
                Stamp {
                    time_ns: 1,
                    publisher: 2,
                    sequence: *number,
                }
                .write(&mut payload);
                numbered.check(*sequence, &payload);
            }
            let verdict = numbered.conclude(3);
            [verdict.lost, verdict.duplicated, verdict.corrupt]
        };
        assert_eq!(verdict_of(&[(1, 0), (2, 1), (3, 2)]), [0, 0, 0]);
        assert_eq!(verdict_of(&[(1, 0), (3, 2)]), [1, 0, 0]);
        assert_eq!(verdict_of(&[(1, 0)]), [2, 0, 0]);
        assert_eq!(verdict_of(&[(1, 0), (2, 1), (2, 1), (3, 2)]), [0, 1, 0]);
        assert_eq!(verdict_of(&[(1, 0), (2, 5), (3, 2)]), [0, 0, 1]);
    }
}
