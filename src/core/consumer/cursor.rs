//! Where a consumer stands in its stream: which message is the next one, and how many
//! are still to come.
//!
//! Messages beyond the last visible one do not exist here, although the log has them.
//! What would take long, counting and looking for messages that match, goes in steps.
//! Until the first count is over ([`Cursor::is_ready`]) nothing is found.
//!
//! Invariant: `ahead` is the number of visible messages at the position or behind it
//! that match, but for those that `last_ones` has.

use std::collections::BTreeSet;

use super::config::Start;
use super::filter::Filter;
use super::preparation::Preparation;
use super::view::{View, count_visible, first_since, last_visible, next_of_subject};

mod steps;

/// What the next message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// This one, by its sequence.
    Message(u64),
    /// There is none yet.
    Nothing,
    /// It is still looked for.
    NotYet,
}

/// The last messages of all subjects when a consumer was made, which begins with them.
#[derive(Debug)]
struct LastOnes {
    sequences: BTreeSet<u64>,
    /// They end here.
    until: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Cursor {
    filter: Filter,
    /// The sequence of the next message, or before it.
    position: u64,
    ahead: u64,
    last_ones: Option<Box<LastOnes>>,
    /// The last sequence that it was told of.
    seen: u64,
    /// A message of the subject, if the filter is one, at or before the position.
    known: u64,
    preparation: Option<Preparation>,
}

impl Cursor {
    /// Stands where a new consumer begins; `is_each_last`: every message is the last one
    /// of its subject.
    #[must_use]
    pub fn new(start: Start, filter: Filter, view: View<'_>, is_each_last: bool) -> Self {
        let mut cursor = Self {
            filter,
            position: 0,
            ahead: 0,
            last_ones: None,
            seen: view.visible,
            known: 0,
            preparation: None,
        };
        cursor.begin(start, view, is_each_last);
        cursor
    }

    /// Stands where one stood before: at a position, perhaps with last messages of
    /// subjects still to come up to `until`.
    #[must_use]
    pub fn resume(filter: Filter, view: View<'_>, position: u64, until: Option<u64>) -> Self {
        let mut cursor = Self::new(Start::New, filter, view, false);
        match until {
            Some(until) => cursor.list_last_ones(position, until),
            None => cursor.stand_at(position, view),
        }
        cursor
    }

    fn begin(&mut self, start: Start, view: View<'_>, is_each_last: bool) {
        let (log, visible) = (view.log, view.visible);
        let first = log.first().min(visible + 1);
        match start {
            Start::All => self.stand_at(first, view),
            Start::New => self.stand_at(visible + 1, view),
            Start::Sequence(sequence) => self.stand_at(sequence.max(first), view),
            Start::Time(time) => {
                let since = self.first_of_filter(first_since(view, time), view);
                self.stand_at(since, view);
            }
            Start::LastPerSubject if is_each_last => self.stand_at(first, view),
            Start::LastPerSubject => self.list_last_ones(first, visible),
            Start::Last => self.begin_with_last(first, view),
        }
    }

    /// The first message of one of its subjects, if that lies behind a position and
    /// before the last message: what is between is not looked at (NATS 2.15).
    fn first_of_filter(&self, position: u64, view: View<'_>) -> u64 {
        let subjects = self.filter.literals().unwrap_or_default();
        let firsts = subjects
            .iter()
            .filter_map(|subject| view.log.first_of(subject));
        let first = firsts.filter(|&first| first >= position).min();
        first
            .filter(|&first| first < view.visible)
            .unwrap_or(position)
    }

    fn begin_with_last(&mut self, first: u64, view: View<'_>) {
        let last = match &self.filter {
            Filter::All => Some(view.visible),
            filter => filter.literals().map(|subjects| {
                let lasts = subjects.iter().map(|subject| last_visible(view, subject));
                lasts.max().unwrap_or(0)
            }),
        };
        match last {
            Some(last) if self.filter == Filter::All => self.stand_at(last.max(first), view),
            Some(0) => self.position = first,
            Some(last) => {
                self.position = last;
                self.ahead = 1;
            }
            None => {
                self.position = first;
                self.preparation = Some(Preparation::of_last(self.seen));
            }
        }
    }

    /// The last messages of subjects from a position on are to come, and then what
    /// follows `until`.
    pub fn list_last_ones(&mut self, position: u64, until: u64) {
        self.position = position;
        self.ahead = 0;
        self.last_ones = Some(Box::new(LastOnes {
            sequences: BTreeSet::new(),
            until,
        }));
        self.preparation = Some(Preparation::of_list(self.seen));
    }

    /// Goes on at a position, forwards or backwards.
    pub fn stand_at(&mut self, position: u64, view: View<'_>) {
        self.position = position;
        self.last_ones = None;
        self.known = 0;
        self.count(view);
    }

    /// Wants other messages from now on.
    pub fn set_filter(&mut self, filter: Filter, view: View<'_>) {
        if filter == self.filter {
            return;
        }
        self.filter = filter;
        self.known = 0;
        match &self.last_ones {
            Some(list) => self.list_last_ones(self.position, list.until),
            None => self.count(view),
        }
    }

    /// Counts what is to come, at once or in steps.
    fn count(&mut self, view: View<'_>) {
        let (log, seen) = (view.log, self.seen);
        self.ahead = 0;
        self.preparation = None;
        if self.position > seen {
            return;
        }
        match &self.filter {
            Filter::All => self.ahead = log.count_between(self.position, seen),
            _ if self.position <= log.first() => match self.filter.literals() {
                Some(subjects) => {
                    let number = |subject: &&[u8]| log.subjects().find(subject);
                    let numbers = subjects.iter().filter_map(number);
                    let counts = numbers.map(|number| count_visible(view, seen, number));
                    self.ahead = counts.sum();
                }
                None => self.preparation = Some(Preparation::of_count()),
            },
            _ => self.preparation = Some(Preparation::of_scan(self.position, seen)),
        }
    }

    /// Whether everything is counted.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.preparation.is_none()
    }

    /// Goes on with counting; charges what it takes.
    pub fn prepare(&mut self, view: View<'_>, work: &mut usize) {
        while let Some(mut preparation) = self.preparation.take() {
            if *work == 0 {
                self.preparation = Some(preparation);
                return;
            }
            *work -= 1;
            self.preparation = match self.step(&mut preparation, view) {
                true => Some(preparation),
                false => self.next_preparation(&preparation, view),
            };
        }
    }

    fn next_preparation(&mut self, over: &Preparation, view: View<'_>) -> Option<Preparation> {
        match *over {
            Preparation::List { until, .. } => {
                let list = self.last_ones.as_ref();
                let end = list.map_or(0, |list| list.until);
                let first = list.and_then(|list| list.sequences.first());
                // Without any it stands at the last message, which it does not want.
                self.position = self.position.max(first.copied().unwrap_or(end));
                let from = end + 1;
                if first.is_none() {
                    self.last_ones = None;
                }
                (from <= until).then(|| Preparation::of_scan(from, until))
            }
            Preparation::Last { best, .. } if best > 0 => {
                self.position = best;
                let is_there = view.log.get(best).is_some();
                self.ahead += u64::from(is_there);
                None
            }
            _ => None,
        }
    }

    /// The position; everything before it is delivered, or not wanted.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Messages still to come (`num_pending`).
    #[must_use]
    pub fn pending(&self) -> u64 {
        let last_ones = self.last_ones.as_ref();
        self.ahead + last_ones.map_or(0, |list| list.sequences.len() as u64)
    }

    /// The end of the last messages that it begins with, if it has not come so far.
    #[must_use]
    pub fn last_ones_until(&self) -> Option<u64> {
        self.last_ones.as_ref().map(|list| list.until)
    }

    /// Whether a message of a subject is wanted.
    #[must_use]
    pub fn wants(&self, subject: &[u8]) -> bool {
        self.filter.matches(subject)
    }

    /// Whether a message that is wanted is still to come.
    #[must_use]
    pub fn is_ahead(&self, sequence: u64) -> bool {
        match &self.last_ones {
            Some(list) if sequence <= list.until => {
                !self.is_ready() || list.sequences.contains(&sequence)
            }
            _ => sequence >= self.position,
        }
    }

    /// A message is visible now. True if it is wanted.
    pub fn on_stored(&mut self, sequence: u64, subject: &[u8], number: u32) -> bool {
        debug_assert!(sequence > self.seen, "in their order");
        self.seen = sequence;
        if !self.filter.matches(subject) {
            return false;
        }
        let is_counted_later = match &self.preparation {
            Some(preparation) => preparation.will_meet(number),
            None => false,
        };
        if sequence >= self.position && !is_counted_later {
            self.ahead += 1;
        }
        true
    }

    /// A message is gone. Comes after it has left the log.
    pub fn on_removed(&mut self, sequence: u64, subject: &[u8], number: u32) {
        if sequence > self.seen || !self.filter.matches(subject) {
            return;
        }
        if let Some(list) = &mut self.last_ones
            && sequence <= list.until
        {
            list.sequences.remove(&sequence);
            if self.preparation.is_none() {
                self.finish_list();
            }
            return;
        }
        let is_counted = match &self.preparation {
            Some(preparation) => preparation.has_met(sequence, number),
            None => true,
        };
        if sequence >= self.position && is_counted {
            self.ahead = self.ahead.saturating_sub(1);
        }
    }

    /// Looks for the next message; charges what it takes.
    pub fn find(&mut self, view: View<'_>, work: &mut usize) -> Found {
        self.prepare(view, work);
        if !self.is_ready() {
            return Found::NotYet;
        }
        self.finish_list();
        if let Some(list) = &self.last_ones
            && let Some(&first) = list.sequences.first()
        {
            return Found::Message(first);
        }
        self.position = self.position.max(view.log.first().min(view.visible + 1));
        if self.position > view.visible {
            return Found::Nothing;
        }
        match self.filter {
            Filter::Subject(_) => self.follow(view, work),
            Filter::All | Filter::Patterns { .. } => self.scan(view, work),
        }
    }

    fn scan(&mut self, view: View<'_>, work: &mut usize) -> Found {
        while self.position <= view.visible {
            if *work == 0 {
                return Found::NotYet;
            }
            *work -= 1;
            match view.log.next(self.position, 1) {
                Ok(sequence) if sequence > view.visible => self.position = view.visible + 1,
                Ok(sequence) if self.is_wanted(sequence, view) => {
                    self.position = sequence;
                    return Found::Message(sequence);
                }
                Ok(sequence) => self.position = sequence + 1,
                Err(go_on) => self.position = go_on.min(view.visible + 1),
            }
        }
        Found::Nothing
    }

    fn is_wanted(&self, sequence: u64, view: View<'_>) -> bool {
        self.filter == Filter::All
            || view.log.get(sequence).is_some_and(|stored| {
                let subject = &view.log.subjects().get(stored.subject).text;
                self.filter.matches(subject)
            })
    }

    /// Looks for the next message of the only subject along its chain.
    fn follow(&mut self, view: View<'_>, work: &mut usize) -> Found {
        let Filter::Subject(subject) = &self.filter else {
            unreachable!("there is one subject");
        };
        let log = view.log;
        let number = log.subjects().find(subject);
        let Some(number) = number else {
            self.position = view.visible + 1;
            return Found::Nothing;
        };
        let known = log
            .get(self.known)
            .filter(|stored| stored.subject == number);
        let mut at = match known {
            Some(_) => self.known,
            None => log.subjects().get(number).first,
        };
        while at != 0 && at < self.position {
            if *work == 0 {
                return Found::NotYet;
            }
            *work -= 1;
            self.known = at;
            at = next_of_subject(log, at);
        }
        if at == 0 || at > view.visible {
            self.position = view.visible + 1;
            return Found::Nothing;
        }
        self.known = at;
        self.position = at;
        Found::Message(at)
    }

    /// The message that was found is delivered.
    pub fn pass(&mut self, sequence: u64) {
        self.position = sequence + 1;
        let list = self.last_ones.as_mut();
        match list.is_some_and(|list| list.sequences.remove(&sequence)) {
            true => self.finish_list(),
            false => self.ahead = self.ahead.saturating_sub(1),
        }
    }

    fn finish_list(&mut self) {
        if let Some(list) = &self.last_ones
            && list.sequences.is_empty()
        {
            self.position = list.until + 1;
            self.last_ones = None;
        }
    }

    fn note_last_one(&mut self, sequence: u64) {
        let position = self.position;
        if let Some(list) = &mut self.last_ones
            && sequence >= position
            && sequence <= list.until
        {
            list.sequences.insert(sequence);
        }
    }
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;
