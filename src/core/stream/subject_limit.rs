//! A limit of messages of a subject that has come down: it is made to hold for one
//! subject after the other, a message at a time.

use super::log::Log;

/// The limit, and how far it holds.
#[derive(Debug)]
pub(super) struct SubjectLimit {
    max: u64,
    /// It holds for subjects with numbers below this one.
    number: u32,
}

impl SubjectLimit {
    /// Holds nowhere yet.
    pub fn new(max: u64) -> Self {
        Self { max, number: 0 }
    }

    /// Removes a message, or goes on to the next subject; false if it holds everywhere.
    pub fn step(&mut self, log: &mut Log) -> bool {
        if self.number >= log.subjects().numbers() {
            return false;
        }
        let subject = log.subjects().at(self.number);
        match subject.filter(|subject| subject.count > self.max) {
            Some(subject) => {
                let first = subject.first;
                log.remove(first);
            }
            None => self.number += 1,
        }
        true
    }
}
