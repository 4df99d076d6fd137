//! What a stream has, as answers show it. Nothing above a sequence is shown that the
//! caller says: what is not yet safe on disk has not happened.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answer::{NEVER, moment};
use crate::stream::Stream;
use crate::subject::pattern::matches;

/// Sequences of deleted messages in an answer, at most. The reference has no such limit.
const DELETED_MAX: usize = 500_000;

/// Subjects in an answer, at most.
pub const SUBJECTS_PAGE: usize = 100_000;

/// `state`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StreamState {
    messages: u64,
    bytes: u64,
    first_seq: u64,
    first_ts: String,
    last_seq: u64,
    last_ts: String,
    #[serde(skip_serializing_if = "is_zero")]
    num_subjects: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    subjects: Option<BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "is_zero")]
    num_deleted: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted: Vec<u64>,
    consumer_count: usize,
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A page of counts of subjects.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubjectsPage {
    /// Subjects that match.
    pub total: usize,
    /// Those that are shown, with the number of their messages.
    pub shown: BTreeMap<String, u64>,
}

/// Messages that are not shown yet.
#[derive(Default)]
struct Hidden {
    count: u64,
    bytes: u64,
    /// By subject.
    counts: BTreeMap<u32, u64>,
    /// Subjects that have no others.
    subjects: usize,
}

impl Hidden {
    fn of(stream: &Stream, visible: u64) -> Self {
        let log = stream.log();
        let mut hidden = Self::default();
        let mut sequence = (visible + 1).max(log.first());
        while sequence <= log.last() {
            if let Some(stored) = log.get(sequence) {
                hidden.count += 1;
                hidden.bytes += log.bytes_at(sequence);
                *hidden.counts.entry(stored.subject).or_default() += 1;
                let subject = log.subjects().get(stored.subject);
                hidden.subjects += usize::from(subject.first == sequence);
            }
            sequence += 1;
        }
        hidden
    }
}

impl StreamState {
    /// What a stream has up to a sequence. Takes a step for every sequence above.
    #[must_use]
    pub fn of(stream: &Stream, visible: u64, consumers: usize) -> Self {
        let log = stream.log();
        let visible = visible.min(log.last());
        let hidden = Hidden::of(stream, visible);
        let messages = log.count() - hidden.count;
        let first_seq = match messages {
            0 => visible + 1,
            _ => log.first(),
        };
        // A stream that has never had a message begins nowhere, unless that is configured.
        let has_begun = visible > 0;
        let time = |sequence| log.get(sequence).map(|stored| moment(stored.time));
        let never = || NEVER.to_owned();
        let last_time = match stream.last_time() {
            last if last.0 == 0 => never(),
            last if visible == log.last() => moment(last),
            last => time(visible).unwrap_or_else(|| moment(last)),
        };
        Self {
            messages,
            bytes: log.bytes() - hidden.bytes,
            first_seq: if has_begun { first_seq } else { 0 },
            first_ts: Some(first_seq)
                .filter(|_| messages > 0)
                .and_then(time)
                .unwrap_or_else(never),
            last_seq: visible,
            last_ts: last_time,
            num_subjects: log.subjects().len() - hidden.subjects,
            subjects: None,
            num_deleted: (visible + 1).saturating_sub(first_seq) - messages,
            deleted: Vec::new(),
            consumer_count: consumers,
        }
    }

    /// With the sequences of deleted messages. Takes a step for every one of these and
    /// for every 64 sequences of the stream.
    #[must_use]
    pub fn with_deleted(mut self, stream: &Stream) -> Self {
        if self.num_deleted > 0 {
            self.deleted = stream.log().missing(self.last_seq, DELETED_MAX);
        }
        self
    }

    /// With the counts of subjects.
    #[must_use]
    pub fn with_subjects(mut self, page: SubjectsPage) -> Self {
        self.subjects = Some(page.shown).filter(|shown| !shown.is_empty());
        self
    }
}

impl SubjectsPage {
    /// Counts the messages of subjects up to a sequence and shows a page of them in
    /// order. Takes a step for every subject of the stream and for every sequence above;
    /// what is put in order is the page alone.
    #[must_use]
    pub fn of(stream: &Stream, visible: u64, filter: &str, offset: usize) -> Self {
        let log = stream.log();
        let hidden = Hidden::of(stream, visible.min(log.last()));
        let subjects = log.subjects();
        let mut all: Vec<(&[u8], u64)> = (0..subjects.numbers())
            .filter_map(|number| {
                let subject = subjects.at(number)?;
                let hidden = hidden.counts.get(&number).copied().unwrap_or(0);
                Some((&*subject.text, subject.count - hidden))
            })
            .filter(|(text, count)| *count > 0 && matches(filter.as_bytes(), text))
            .collect();
        let total = all.len();
        let offset = offset.min(total);
        if offset > 0 {
            all.select_nth_unstable(offset - 1);
        }
        let mut rest = all.split_off(offset);
        if rest.len() > SUBJECTS_PAGE {
            rest.select_nth_unstable(SUBJECTS_PAGE);
            rest.truncate(SUBJECTS_PAGE);
        }
        let text = |text| String::from_utf8_lossy(text).into_owned();
        let shown = rest.into_iter().map(|(name, count)| (text(name), count));
        Self {
            total,
            shown: shown.collect(),
        }
    }
}
