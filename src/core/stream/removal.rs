//! Messages that go on purpose, the oldest first: by a rollup or a purge. There may be
//! very many, so they go in steps, and what looks for them is bounded too.

use super::log::Log;
use crate::subject::pattern::{Pattern, matches};

/// What a purge asks for (`$JS.API.STREAM.PURGE`, ADR-10).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Purge<'a> {
    /// Only messages whose subject matches.
    pub filter: Option<&'a [u8]>,
    /// Only those before this sequence.
    pub before: Option<u64>,
    /// All but so many.
    pub keep: u64,
}

/// A removal under way.
#[derive(Debug)]
pub(super) struct Removal {
    /// Only those of these subjects.
    filter: Option<Box<[u8]>>,
    /// Whether the filter is a subject.
    is_literal: bool,
    /// Only those before this sequence.
    before: u64,
    /// So many at most.
    left: u64,
    /// Everything before was looked at.
    cursor: u64,
    /// So many are gone.
    pub removed: u64,
}

impl Removal {
    /// All messages before one, of its subject or of all.
    pub fn before(sequence: u64, subject: Option<&[u8]>) -> Self {
        Self {
            filter: subject.map(Into::into),
            is_literal: true,
            before: sequence,
            left: u64::MAX,
            cursor: 0,
            removed: 0,
        }
    }

    /// What a purge removes from a log.
    pub fn of(purge: &Purge<'_>, log: &Log) -> Self {
        let filter = purge.filter.filter(|filter| *filter != b">");
        let left = match purge.keep {
            0 => u64::MAX,
            keep => count(log, filter).saturating_sub(keep),
        };
        Self {
            filter: filter.map(Into::into),
            is_literal: filter
                .is_none_or(|filter| Pattern::parse(filter).is_some_and(|one| !one.has_wildcard())),
            before: purge.before.unwrap_or(u64::MAX),
            left,
            cursor: 0,
            removed: 0,
        }
    }

    /// Removes a message, or looks at one; false if it is over.
    pub fn step(&mut self, log: &mut Log) -> bool {
        if self.left == 0 {
            return false;
        }
        let next = match &self.filter {
            None => Some(log.first()).filter(|_| log.count() > 0),
            Some(filter) if self.is_literal => log.first_of(filter),
            Some(filter) => return self.look(&filter.clone(), log),
        };
        match next.filter(|&next| next < self.before) {
            Some(next) => self.remove(next, log),
            None => false,
        }
    }

    /// Looks at the next message, which may match.
    fn look(&mut self, filter: &[u8], log: &mut Log) -> bool {
        const SLOTS: usize = 64;
        match log.next(self.cursor, SLOTS) {
            Err(go_on) => {
                self.cursor = go_on;
                go_on <= log.last() && go_on < self.before
            }
            Ok(next) if next >= self.before => false,
            Ok(next) => {
                self.cursor = next + 1;
                let stored = log.get(next).expect("it was found");
                let subject = &log.subjects().get(stored.subject).text;
                match matches(filter, subject) {
                    true => self.remove(next, log),
                    false => true,
                }
            }
        }
    }

    /// The sequence before which nothing is used any more, if the stream does not come
    /// that far: that of a purge without filter (NATS 2.15).
    pub fn next_sequence(&self, log: &Log) -> Option<u64> {
        let is_all = self.filter.is_none() && log.count() == 0;
        (is_all && self.before < u64::MAX).then_some(self.before)
    }

    fn remove(&mut self, sequence: u64, log: &mut Log) -> bool {
        log.remove(sequence);
        self.left -= 1;
        self.removed += 1;
        true
    }
}

/// Messages whose subject matches.
fn count(log: &Log, filter: Option<&[u8]>) -> u64 {
    let Some(filter) = filter else {
        return log.count();
    };
    let subjects = log.subjects().iter();
    let matching = subjects.filter(|subject| matches(filter, &subject.text));
    matching.map(|subject| subject.count).sum()
}
