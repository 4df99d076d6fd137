//! Counting what is to come, a step at a time.

use super::Cursor;
use crate::consumer::preparation::Preparation;
use crate::consumer::view::{View, count_visible, last_until};

impl Cursor {
    /// Goes a step on; false if it is over.
    pub(super) fn step(&mut self, preparation: &mut Preparation, view: View<'_>) -> bool {
        let subjects = view.log.subjects();
        match preparation {
            Preparation::Count { number }
            | Preparation::List { number, .. }
            | Preparation::Last { number, .. }
                if *number >= subjects.numbers() =>
            {
                false
            }
            Preparation::Count { number } => {
                let at = *number;
                *number += 1;
                if subjects.at(at).is_some_and(|one| self.wants(&one.text)) {
                    self.ahead += count_visible(view, self.seen, at);
                }
                true
            }
            Preparation::Scan { at, until } => {
                if *at > *until {
                    return false;
                }
                match view.log.next(*at, 1) {
                    Ok(sequence) if sequence <= *until => {
                        self.ahead += u64::from(self.is_wanted(sequence, view));
                        *at = sequence + 1;
                    }
                    Ok(_) => *at = *until + 1,
                    Err(go_on) => *at = go_on,
                }
                true
            }
            Preparation::List { number, .. } => {
                let subject = subjects.at(*number);
                *number += 1;
                if let Some(subject) = subject.filter(|one| self.wants(&one.text)) {
                    let until = self.last_ones_until().unwrap_or(0);
                    let last = last_until(view.log, subject.last, until);
                    self.note_last_one(last);
                }
                true
            }
            Preparation::Last {
                number,
                best,
                until,
            } => {
                let subject = subjects.at(*number);
                *number += 1;
                if let Some(subject) = subject.filter(|one| self.wants(&one.text)) {
                    *best = (*best).max(last_until(view.log, subject.last, *until));
                }
                true
            }
        }
    }
}
