//! What is looked for in a stream, in steps: the next message of some subjects, how many
//! there are, and the last ones. Nothing above a sequence that the caller says is seen,
//! and a step is a sequence or a subject that is looked at.

use std::collections::BTreeSet;

use super::log::Log;
use super::stored::Stored;
use crate::subject::pattern::{Pattern, matches};

/// How far a search has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress<T> {
    /// It is over.
    Done(T),
    /// It wants to go on.
    GoOn,
}

/// A pattern of subjects.
#[derive(Clone, Debug)]
enum Filter {
    All,
    Subject(Box<[u8]>),
    Pattern(Box<[u8]>),
}

impl Filter {
    fn new(text: &[u8]) -> Self {
        match text {
            b"" | b">" => Self::All,
            _ if Pattern::parse(text).is_some_and(Pattern::has_wildcard) => {
                Self::Pattern(text.into())
            }
            _ => Self::Subject(text.into()),
        }
    }
}

/// A search for messages at a sequence and behind it; an empty filter is all subjects.
#[derive(Clone, Debug)]
pub struct Next {
    filter: Filter,
    from: u64,
}

impl Next {
    /// Has looked at nothing yet.
    #[must_use]
    pub fn new(filter: &[u8], from: u64) -> Self {
        let filter = Filter::new(filter);
        Self { filter, from }
    }

    /// Where the search is.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.from
    }

    /// Looks for the next message, up to a sequence. The search goes on behind it.
    pub fn step(&mut self, log: &Log, to: u64, steps: &mut usize) -> Progress<Option<u64>> {
        if let Filter::Subject(text) = &self.filter {
            match log.first_of(text) {
                None => return Progress::Done(None),
                Some(first) => self.from = self.from.max(first),
            }
            if log.last_of(text).is_none_or(|last| last < self.from) {
                return Progress::Done(None);
            }
        }
        while *steps > 0 {
            *steps -= 1;
            let next = log.next(self.from, 1);
            self.from = next.map_or_else(|go_on| go_on, |found| found + 1);
            match next {
                Ok(found) if found > to => return Progress::Done(None),
                Ok(found) if self.is_wanted(log, found) => return Progress::Done(Some(found)),
                Err(go_on) if go_on > to.min(log.last()) => return Progress::Done(None),
                _ => {}
            }
        }
        Progress::GoOn
    }

    fn is_wanted(&self, log: &Log, sequence: u64) -> bool {
        let stored = log.get(sequence).expect("it was found");
        let subject = &log.subjects().get(stored.subject).text;
        match &self.filter {
            Filter::All => true,
            Filter::Subject(text) => **subject == **text,
            Filter::Pattern(text) => matches(text, subject),
        }
    }
}

/// Counts messages at a sequence and behind it.
#[derive(Clone, Debug)]
pub struct Count {
    next: Next,
    count: u64,
}

impl Count {
    /// Has counted nothing yet; an empty filter is all subjects.
    #[must_use]
    pub fn new(filter: &[u8], from: u64) -> Self {
        Self {
            next: Next::new(filter, from),
            count: 0,
        }
    }

    /// Counts on, up to a sequence.
    pub fn step(&mut self, log: &Log, to: u64, steps: &mut usize) -> Progress<u64> {
        if matches!(self.next.filter, Filter::All) {
            return Progress::Done(log.count_between(self.next.from, to));
        }
        loop {
            match self.next.step(log, to, steps) {
                Progress::Done(Some(_)) => self.count += 1,
                Progress::Done(None) => return Progress::Done(self.count),
                Progress::GoOn => return Progress::GoOn,
            }
        }
    }
}

/// A search for the last messages of subjects, one of each.
#[derive(Clone, Debug)]
pub struct Last {
    subjects: Vec<Box<[u8]>>,
    patterns: Vec<Box<[u8]>>,
    /// Subjects with lower numbers have been looked at.
    number: u32,
    /// A message of a subject that is too late: the one before is looked for.
    late: Option<u64>,
    found: BTreeSet<u64>,
}

impl Last {
    /// Has found nothing yet. Patterns are compared with every subject, so the caller has
    /// a limit for their number.
    #[must_use]
    pub fn new<'a>(filters: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut subjects, mut patterns) = (Vec::new(), Vec::new());
        for filter in filters {
            match Pattern::parse(filter).is_some_and(Pattern::has_wildcard) {
                true => patterns.push(filter.into()),
                false => subjects.push(filter.into()),
            }
        }
        Self {
            subjects,
            patterns,
            number: 0,
            late: None,
            found: BTreeSet::new(),
        }
    }

    /// Looks on, for messages up to a sequence and until there are more than so many.
    /// When it is over, these are the sequences.
    pub fn step(
        &mut self,
        log: &Log,
        to: u64,
        found_max: usize,
        steps: &mut usize,
    ) -> Progress<BTreeSet<u64>> {
        while *steps > 0 {
            if self.found.len() > found_max || self.is_over(log) {
                return Progress::Done(std::mem::take(&mut self.found));
            }
            *steps = steps.saturating_sub(1 + self.patterns.len());
            let sequence = match self.late.take() {
                Some(late) => log.get(late).and_then(Stored::previous_of_subject),
                None => self.next_subject(log),
            };
            match sequence {
                Some(sequence) if sequence <= to => {
                    self.found.insert(sequence);
                }
                late => self.late = late,
            }
        }
        Progress::GoOn
    }

    fn is_over(&self, log: &Log) -> bool {
        let is_every_looked_at =
            self.patterns.is_empty() || self.number >= log.subjects().numbers();
        self.late.is_none() && self.subjects.is_empty() && is_every_looked_at
    }

    /// The last message of a subject that matches, if the next one does.
    fn next_subject(&mut self, log: &Log) -> Option<u64> {
        if let Some(subject) = self.subjects.pop() {
            return log.last_of(&subject);
        }
        let subject = log.subjects().at(self.number);
        self.number += 1;
        let subject = subject?;
        let mut patterns = self.patterns.iter();
        let is_wanted = patterns.any(|pattern| matches(pattern, &subject.text));
        is_wanted.then_some(subject.last)
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
