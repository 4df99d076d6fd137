//! What a consumer may see of its stream: everything up to the last visible message.
//! Some functions that look for messages there.

use crate::base::moment::WallNanos;
use crate::stream::log::Log;
use crate::stream::stored::Stored;

/// What a consumer may see of its stream.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The messages.
    pub log: &'a Log,
    /// The last sequence that may be seen.
    pub visible: u64,
}

/// The last visible message of a subject, or 0.
pub(super) fn last_visible(view: View<'_>, subject: &[u8]) -> u64 {
    let last = view.log.last_of(subject).unwrap_or(0);
    last_until(view.log, last, view.visible)
}

/// The last message of a subject that is not beyond a sequence, going back from its last
/// one; 0 if there is none.
pub(super) fn last_until(log: &Log, last: u64, until: u64) -> u64 {
    let mut at = last;
    while at > until {
        at = previous_of_subject(log, at);
    }
    at
}

/// Number of messages of a subject that are not beyond a sequence. What is beyond waits
/// for its group to be written, so there are few.
pub(super) fn count_visible(view: View<'_>, until: u64, number: u32) -> u64 {
    let Some(subject) = view.log.subjects().at(number) else {
        return 0;
    };
    let (mut count, mut at) = (subject.count, subject.last);
    while at > until {
        count -= 1;
        at = previous_of_subject(view.log, at);
    }
    count
}

/// The first visible message that was stored at a time or later, or the sequence behind
/// the last one. Times rise with sequences.
pub fn first_since(view: View<'_>, time: WallNanos) -> u64 {
    let end = view.visible + 1;
    let next = |from: u64| match view.log.next(from, usize::MAX) {
        Ok(sequence) => sequence.min(end),
        Err(_) => end,
    };
    let (mut low, mut high) = (view.log.first().min(end), end);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = next(middle);
        let stored = view.log.get(found).filter(|_| found < end);
        match stored {
            Some(stored) if stored.time < time => low = found + 1,
            _ => high = middle,
        }
    }
    next(low)
}

/// The message of the same subject behind that of a sequence, or 0.
pub(super) fn next_of_subject(log: &Log, sequence: u64) -> u64 {
    log.get(sequence)
        .and_then(Stored::next_of_subject)
        .unwrap_or(0)
}

fn previous_of_subject(log: &Log, sequence: u64) -> u64 {
    log.get(sequence)
        .and_then(Stored::previous_of_subject)
        .unwrap_or(0)
}
