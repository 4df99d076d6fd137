//! Messages without the API: what `DIRECT.GET` asks for, and one after the other what it
//! is answered (ADR-31, NATS 2.15.3).
//!
//! All that looks at many sequences or subjects goes in steps.

use std::collections::VecDeque;

use super::json;
use super::message_answers::{self as answers, BatchPlace, status};
use super::message_query::{MessageQuery, QueryFields, Search, Start};
use super::stream_requests::check_level;
use crate::base::moment::WallNanos;
use crate::stream::Stream;
use crate::stream::search::{Count, Last, Next, Progress};

/// Subjects whose last messages are answered at once, and filters for them, at most. The
/// reference has no limit of filters.
const LAST_MAX: usize = 1024;

/// A request that makes sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DirectRequest {
    /// One message.
    One(MessageQuery),
    /// Several in a row.
    Batch(BatchQuery),
    /// The last ones of subjects.
    Multi(MultiQuery),
}

/// Several messages in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchQuery {
    /// Of which subjects, empty: all.
    filter: Box<[u8]>,
    start: Start,
    /// So many.
    count: u64,
    /// No more when these are reached.
    bytes_max: Option<u64>,
    without_header: bool,
}

/// The last messages of subjects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MultiQuery {
    filters: Vec<Box<[u8]>>,
    /// None before.
    from: u64,
    /// As of when.
    until: Until,
    count: Option<u64>,
    bytes_max: Option<u64>,
}

/// As of when the last messages are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Until {
    Now,
    Sequence(u64),
    Time(WallNanos),
}

impl DirectRequest {
    /// Reads a request: header block and body, and the subject that stands behind the
    /// stream in the subject of the request, if one does.
    ///
    /// # Errors
    /// The header block of the answer.
    pub fn read(header: &[u8], body: &[u8], subject: &[u8]) -> Result<Self, String> {
        if check_level(header).is_err() {
            return Err(status("412 Required Api Level"));
        }
        match subject.is_empty() {
            true => Self::of_body(body),
            false => Self::of_subject(body, subject),
        }
    }

    fn of_body(body: &[u8]) -> Result<Self, String> {
        if body.is_empty() {
            return Err(status("408 Empty Request"));
        }
        let fields: QueryFields =
            json::read_known(body).ok_or_else(|| status("408 Malformed Request"))?;
        let is_multi = !fields.multi_last.is_empty();
        let is_last = !fields.last_by_subj.is_empty();
        let is_next = !fields.next_by_subj.is_empty();
        let has_start = fields.seq > 0 || fields.start_time.is_some();
        if !(is_multi || is_last || is_next || has_start) {
            return Err(status("408 Empty Request"));
        }
        if fields.is_contradiction()
            || (is_last && (fields.batch > 0 || is_multi))
            || (is_next && is_multi)
            || (fields.up_to_seq > 0 && fields.up_to_time.is_some())
        {
            return Err(status("408 Bad Request"));
        }
        if is_multi {
            return MultiQuery::of(fields).map(Self::Multi);
        }
        // A negative number is a batch of none.
        Ok(match fields.batch {
            0 => Self::One(MessageQuery::of(&fields)),
            _ if is_last => Self::One(MessageQuery::of(&fields)),
            _ => Self::Batch(BatchQuery::of(&fields)),
        })
    }

    fn of_subject(body: &[u8], subject: &[u8]) -> Result<Self, String> {
        let fields = match body.is_empty() {
            true => QueryFields::default(),
            false => json::read_known(body).ok_or_else(|| status("408 Malformed Request"))?,
        };
        let plain = QueryFields {
            max_bytes: fields.max_bytes,
            no_hdr: fields.no_hdr,
            ..QueryFields::default()
        };
        if fields != plain {
            return Err(status("408 Bad Request"));
        }
        Ok(Self::One(MessageQuery::of_last(subject, fields.no_hdr)))
    }
}

impl BatchQuery {
    fn of(fields: &QueryFields) -> Self {
        Self {
            filter: fields.next_by_subj.as_bytes().into(),
            start: fields.start(),
            count: u64::try_from(fields.batch).unwrap_or(0),
            bytes_max: bytes_max(fields.max_bytes),
            without_header: fields.no_hdr,
        }
    }
}

impl MultiQuery {
    fn of(fields: QueryFields) -> Result<Self, String> {
        if fields.multi_last.len() > LAST_MAX {
            return Err(status("413 Too Many Results"));
        }
        let until = match (fields.up_to_time, fields.up_to_seq) {
            (Some(time), _) => Until::Time(time.0),
            (None, 0) => Until::Now,
            (None, sequence) => Until::Sequence(sequence),
        };
        let filters = fields.multi_last.into_iter();
        Ok(Self {
            filters: filters.map(|filter| filter.into_bytes().into()).collect(),
            from: fields.seq,
            until,
            count: u64::try_from(fields.batch).ok().filter(|&count| count > 0),
            bytes_max: bytes_max(fields.max_bytes),
        })
    }
}

/// What is negative is reached at once.
fn bytes_max(said: i64) -> Option<u64> {
    match said {
        0 => None,
        _ => Some(u64::try_from(said).unwrap_or(0)),
    }
}

/// A message of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// Its sequence.
    pub sequence: u64,
    /// Where it is in a batch.
    pub place: Option<BatchPlace>,
    /// Whether it goes without any header.
    pub without_header: bool,
}

/// What comes next of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// A message; more follows.
    Message(Chosen),
    /// There is more to be looked for.
    GoOn,
    /// It is over, with this header block of a message without a payload.
    End(String),
    /// It is over.
    Over,
}

/// An answer under way.
#[derive(Debug)]
pub struct DirectGet {
    stage: Stage,
    /// Bytes that are reached with what was answered, at most.
    bytes_left: u64,
}

#[derive(Debug)]
enum Stage {
    One {
        search: Search,
        without_header: bool,
    },
    Batch(Batch),
    Multi(Multi),
    End(String),
    Over,
}

#[derive(Debug)]
struct Batch {
    filter: Box<[u8]>,
    next: Next,
    /// So many more.
    left: u64,
    /// Asked for.
    count: u64,
    without_header: bool,
    /// Counts what is pending, as long as that is not known.
    counting: Option<Count>,
    /// Counted up to here.
    counted_to: u64,
    place: BatchPlace,
}

#[derive(Debug)]
struct Multi {
    search: Option<Last>,
    found: VecDeque<u64>,
    from: u64,
    /// Shown at the end.
    until: u64,
    left: u64,
    place: BatchPlace,
}

impl DirectGet {
    /// Begins to answer a request. Without a limit of its own an answer ends when it has
    /// so many bytes.
    #[must_use]
    pub fn new(request: DirectRequest, stream: &Stream, visible: u64, bytes_max: u64) -> Self {
        let (stage, said_max) = match request {
            DirectRequest::One(query) => (Stage::one(&query, stream), None),
            DirectRequest::Batch(query) => {
                let max = query.bytes_max;
                (Stage::Batch(Batch::new(query, stream, visible)), max)
            }
            DirectRequest::Multi(query) => {
                let max = query.bytes_max;
                (Multi::begin(query, stream, visible), max)
            }
        };
        Self {
            stage,
            bytes_left: said_max.unwrap_or(bytes_max),
        }
    }

    /// What comes next, among messages up to a sequence.
    pub fn next(&mut self, stream: &Stream, visible: u64, steps: &mut usize) -> Part {
        let part = match &mut self.stage {
            Stage::One {
                search,
                without_header,
            } => match search.step(stream.log(), visible, steps) {
                Progress::GoOn => return Part::GoOn,
                Progress::Done(None) => Part::End(status("404 Message Not Found")),
                Progress::Done(Some(sequence)) => Part::Message(Chosen {
                    sequence,
                    place: None,
                    without_header: *without_header,
                }),
            },
            Stage::Batch(batch) => batch.next(stream, visible, steps),
            Stage::Multi(multi) => multi.next(stream, visible, steps),
            Stage::End(header) => Part::End(std::mem::take(header)),
            Stage::Over => Part::Over,
        };
        match &part {
            Part::Message(chosen) => self.charge(stream, chosen.sequence),
            Part::GoOn => {}
            Part::End(_) | Part::Over => self.stage = Stage::Over,
        }
        part
    }

    /// Counts a message that was chosen; with the last one that fits the batch is full.
    fn charge(&mut self, stream: &Stream, sequence: u64) {
        let log = stream.log();
        let bytes = log.get(sequence).map_or(0, |stored| {
            let subject = log.subjects().get(stored.subject).text.len();
            (subject + stored.len()) as u64
        });
        let is_full = bytes >= self.bytes_left;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        match &mut self.stage {
            Stage::Batch(batch) if is_full => batch.left = 0,
            Stage::Multi(multi) if is_full => multi.left = 0,
            Stage::One { .. } => self.stage = Stage::Over,
            _ => {}
        }
    }
}

impl Stage {
    fn one(query: &MessageQuery, stream: &Stream) -> Self {
        Self::One {
            search: Search::new(&query.which, stream.log()),
            without_header: query.without_header,
        }
    }
}

impl Batch {
    fn new(query: BatchQuery, stream: &Stream, visible: u64) -> Self {
        let from = query.start.sequence(stream.log());
        Self {
            next: Next::new(&query.filter, from),
            counting: Some(Count::new(&query.filter, from)),
            filter: query.filter,
            left: query.count,
            count: query.count,
            without_header: query.without_header,
            counted_to: visible,
            place: BatchPlace::default(),
        }
    }

    fn next(&mut self, stream: &Stream, visible: u64, steps: &mut usize) -> Part {
        let log = stream.log();
        if let Some(counting) = &mut self.counting {
            match counting.step(log, self.counted_to, steps) {
                Progress::GoOn => return Part::GoOn,
                Progress::Done(count) => self.place.pending = count,
            }
            self.counting = None;
        }
        if self.left > 0 {
            match self.next.step(log, visible, steps) {
                Progress::GoOn => return Part::GoOn,
                Progress::Done(Some(sequence)) => return self.choose(sequence),
                Progress::Done(None) if self.left == self.count => {
                    return Part::End(status("404 Message Not Found"));
                }
                Progress::Done(None) => self.left = 0,
            }
        }
        if visible > self.counted_to {
            // There are new ones: what is said at the end is of now.
            self.counted_to = visible;
            self.counting = Some(Count::new(&self.filter, self.next.from()));
            return Part::GoOn;
        }
        Part::End(answers::end_of_batch(self.place, None))
    }

    fn choose(&mut self, sequence: u64) -> Part {
        self.left -= 1;
        // The reference counts down with the headers that it writes.
        if !self.without_header {
            self.place.pending = self.place.pending.saturating_sub(1);
        }
        let place = self.place;
        self.place.last = sequence;
        Part::Message(Chosen {
            sequence,
            place: Some(place),
            without_header: self.without_header,
        })
    }
}

impl Multi {
    fn begin(query: MultiQuery, stream: &Stream, visible: u64) -> Stage {
        let log = stream.log();
        let until = match query.until {
            Until::Now => visible,
            Until::Sequence(sequence) => sequence,
            Until::Time(time) => match log.at_time(time) {
                first if first <= log.first() => return Stage::End(status("404 No Results")),
                after => (after - 1).min(visible),
            },
        };
        let filters = query.filters.iter().map(|filter| &**filter);
        Stage::Multi(Self {
            search: Some(Last::new(filters)),
            found: VecDeque::new(),
            from: query.from,
            until,
            left: query.count.unwrap_or(u64::MAX),
            place: BatchPlace::default(),
        })
    }

    fn next(&mut self, stream: &Stream, visible: u64, steps: &mut usize) -> Part {
        let log = stream.log();
        if let Some(search) = &mut self.search {
            let to = self.until.min(visible);
            match search.step(log, to, LAST_MAX, steps) {
                Progress::GoOn => return Part::GoOn,
                Progress::Done(found) if found.is_empty() => {
                    return Part::End(status("404 No Results"));
                }
                Progress::Done(found) if found.len() > LAST_MAX => {
                    return Part::End(status("413 Too Many Results"));
                }
                Progress::Done(found) => self.found = found.into_iter().collect(),
            }
            self.search = None;
            self.place.pending = self.found.len() as u64;
        }
        while self.left > 0
            && let Some(sequence) = self.found.pop_front()
        {
            self.place.pending -= 1;
            if sequence < self.from {
                continue;
            }
            if log.get(sequence).is_none() {
                return Part::End(status("404 Message Not Found"));
            }
            self.left -= 1;
            let place = self.place;
            self.place.last = sequence;
            return Part::Message(Chosen {
                sequence,
                place: Some(place),
                without_header: false,
            });
        }
        Part::End(answers::end_of_batch(self.place, Some(self.until)))
    }
}

#[cfg(test)]
#[path = "direct_get_tests.rs"]
mod tests;
