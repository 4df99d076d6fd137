//! Counting what is to come, in steps, while messages come and go: by the table of
//! subjects if everything counts, by messages otherwise.

use super::{Cursor, View, count_visible, last_until};

/// A count under way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preparation {
    /// Of all messages of the subjects that match; those before `number` are done.
    Count { number: u32 },
    /// Of the messages before `until`, it included, that match; those before `at` are
    /// done.
    Scan { at: u64, until: u64 },
    /// Of the last messages of subjects that match. Then what was seen is counted, up
    /// to `until`.
    List { number: u32, until: u64 },
    /// For the last message of all subjects that match, up to `until`.
    Last { number: u32, best: u64, until: u64 },
}

impl Preparation {
    pub fn of_count() -> Self {
        Self::Count { number: 0 }
    }

    pub fn of_scan(from: u64, until: u64) -> Self {
        Self::Scan { at: from, until }
    }

    pub fn of_list(until: u64) -> Self {
        Self::List { number: 0, until }
    }

    pub fn of_last(until: u64) -> Self {
        Self::Last {
            number: 0,
            best: 0,
            until,
        }
    }

    /// Whether a new message is counted when its subject is.
    pub fn will_meet(&self, of_number: u32) -> bool {
        matches!(self, Self::Count { number } if of_number >= *number)
    }

    /// Whether a message that is gone was counted.
    pub fn has_met(&self, sequence: u64, of_number: u32) -> bool {
        match *self {
            Self::Count { number } => of_number < number,
            Self::Scan { at, until } => sequence < at || sequence > until,
            Self::List { until, .. } | Self::Last { until, .. } => sequence > until,
        }
    }

    /// Goes a step on; false if it is over.
    pub fn step(&mut self, cursor: &mut Cursor, view: View<'_>) -> bool {
        let subjects = view.log.subjects();
        match self {
            Self::Count { number } | Self::List { number, .. } | Self::Last { number, .. }
                if *number >= subjects.numbers_end() =>
            {
                false
            }
            Self::Count { number } => {
                let at = *number;
                *number += 1;
                if subjects.at(at).is_some_and(|one| cursor.wants(&one.text)) {
                    cursor.ahead += count_visible(view, cursor.seen, at);
                }
                true
            }
            Self::Scan { at, until } => {
                if *at > *until {
                    return false;
                }
                match view.log.next(*at, 1) {
                    Ok(sequence) if sequence <= *until => {
                        cursor.ahead += u64::from(cursor.is_wanted(sequence, view));
                        *at = sequence + 1;
                    }
                    Ok(_) => *at = *until + 1,
                    Err(go_on) => *at = go_on,
                }
                true
            }
            Self::List { number, .. } => {
                let subject = subjects.at(*number);
                *number += 1;
                if let Some(subject) = subject.filter(|one| cursor.wants(&one.text)) {
                    let until = cursor.last_ones_until().unwrap_or(0);
                    let last = last_until(view.log, subject.last, until);
                    cursor.note_last_one(last);
                }
                true
            }
            Self::Last {
                number,
                best,
                until,
            } => {
                let subject = subjects.at(*number);
                *number += 1;
                if let Some(subject) = subject.filter(|one| cursor.wants(&one.text)) {
                    *best = (*best).max(last_until(view.log, subject.last, *until));
                }
                true
            }
        }
    }
}
