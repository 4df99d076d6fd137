//! Which message `STREAM.MSG.GET` asks for (NATS 2.15.3), and the search for it.

use serde::Deserialize;

use super::stream_requests::{Time, read_needed};
use crate::base::moment::WallNanos;
use crate::stream::error::{self, ApiError};
use crate::stream::log::Log;
use crate::stream::search::{Last, Next, Progress};

/// The fields of requests for messages, of direct ones as well.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct QueryFields {
    pub seq: u64,
    pub last_by_subj: String,
    pub next_by_subj: String,
    pub batch: i64,
    pub max_bytes: i64,
    pub start_time: Option<Time>,
    pub multi_last: Vec<String>,
    pub up_to_seq: u64,
    pub up_to_time: Option<Time>,
    pub no_hdr: bool,
}

impl QueryFields {
    /// Whether fields are said that exclude each other in all requests.
    pub fn is_contradiction(&self) -> bool {
        let is_last = !self.last_by_subj.is_empty();
        let has_time = self.start_time.is_some();
        (self.seq > 0 && (is_last || has_time))
            || (is_last && (has_time || !self.next_by_subj.is_empty()))
    }

    /// Where to begin.
    pub fn start(&self) -> Start {
        match self.start_time {
            Some(time) => Start::Time(time.0),
            None => Start::Sequence(self.seq),
        }
    }
}

/// Where a search begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At a sequence.
    Sequence(u64),
    /// At the first message that was stored then or later.
    Time(WallNanos),
}

impl Start {
    /// The sequence. For a time, see [`Log::at_time`] for what it takes.
    #[must_use]
    pub fn sequence(self, log: &Log) -> u64 {
        match self {
            Self::Sequence(sequence) => sequence,
            Self::Time(time) => log.at_time(time),
        }
    }
}

/// Which message is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// This one, or the first one at a time.
    At(Start),
    /// The next one of subjects.
    Next(Box<[u8]>, Start),
    /// The last one of subjects.
    Last(Box<[u8]>),
}

/// A request for a message that makes sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageQuery {
    /// Which.
    pub which: Which,
    /// Whether the header block is not wanted.
    pub without_header: bool,
}

impl MessageQuery {
    /// Reads the body of `STREAM.MSG.GET`.
    ///
    /// # Errors
    /// 10025, or 10003 if it says nothing, more than one, or of batches.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        let fields: QueryFields = read_needed(body)?;
        let says_nothing = fields.seq == 0
            && fields.last_by_subj.is_empty()
            && fields.next_by_subj.is_empty()
            && fields.start_time.is_none();
        let is_batch = fields.batch > 0 || fields.max_bytes > 0;
        match says_nothing || is_batch || fields.is_contradiction() {
            true => Err(error::BAD_REQUEST),
            false => Ok(Self::of(&fields)),
        }
    }

    /// The last message of a subject.
    pub(super) fn of_last(subject: &[u8], without_header: bool) -> Self {
        Self {
            which: Which::Last(subject.into()),
            without_header,
        }
    }

    pub(super) fn of(fields: &QueryFields) -> Self {
        let which = if !fields.next_by_subj.is_empty() {
            Which::Next(fields.next_by_subj.as_bytes().into(), fields.start())
        } else if !fields.last_by_subj.is_empty() {
            Which::Last(fields.last_by_subj.as_bytes().into())
        } else {
            Which::At(fields.start())
        };
        Self {
            which,
            without_header: fields.no_hdr,
        }
    }
}

/// A search for one message.
#[derive(Clone, Debug)]
pub enum Search {
    /// It is known which it is, if it is there.
    At(u64),
    /// The next one.
    Next(Next),
    /// The last one.
    Last(Last),
}

impl Search {
    /// Begins.
    #[must_use]
    pub fn new(which: &Which, log: &Log) -> Self {
        match which {
            Which::At(start) => Self::At(start.sequence(log)),
            Which::Next(filter, start) => Self::Next(Next::new(filter, start.sequence(log))),
            Which::Last(filter) => Self::Last(Last::new([&**filter].into_iter())),
        }
    }

    /// Goes on, among messages up to a sequence.
    pub fn step(&mut self, log: &Log, visible: u64, steps: &mut usize) -> Progress<Option<u64>> {
        match self {
            Self::At(sequence) => {
                let is_there = *sequence <= visible && log.get(*sequence).is_some();
                Progress::Done(Some(*sequence).filter(|_| is_there))
            }
            Self::Next(next) => next.step(log, visible, steps),
            Self::Last(last) => match last.step(log, visible, usize::MAX, steps) {
                Progress::Done(found) => Progress::Done(found.last().copied()),
                Progress::GoOn => Progress::GoOn,
            },
        }
    }
}
