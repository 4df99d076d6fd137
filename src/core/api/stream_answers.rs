//! Answers to requests about streams, as the reference writes them (NATS 2.15.3).

use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{answer, moment};
use super::stream_config::StreamFields;
use super::stream_state::{SUBJECTS_PAGE, StreamState, SubjectsPage};
use crate::base::moment::WallNanos;
use crate::subject::pattern::overlap;

/// Names in an answer, at most.
const NAMES_PAGE: usize = 1024;

/// Streams in an answer, at most.
pub const STREAMS_PAGE: usize = 256;

/// A stream in an answer.
#[derive(Serialize)]
pub struct StreamPart {
    config: StreamFields,
    created: String,
    state: StreamState,
    #[serde(skip_serializing_if = "String::is_empty")]
    domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Cluster>,
    ts: String,
}

#[derive(Serialize)]
struct Cluster {
    leader: String,
}

impl StreamPart {
    /// A stream as lists show it.
    #[must_use]
    pub fn new(
        fields: &StreamFields,
        created: WallNanos,
        state: StreamState,
        now: WallNanos,
    ) -> Self {
        Self {
            config: fields.clone(),
            created: moment(created),
            state,
            domain: String::new(),
            cluster: None,
            ts: moment(now),
        }
    }

    /// With the domain of the server, if it has one.
    #[must_use]
    pub fn with_domain(mut self, domain: &str) -> Self {
        domain.clone_into(&mut self.domain);
        self
    }

    fn with_server(mut self) -> Self {
        self.config.metadata = self.config.shown_metadata();
        self
    }
}

/// The answer to `STREAM.CREATE`, also if the stream was there already.
#[must_use]
pub fn created(stream: StreamPart) -> String {
    #[derive(Serialize)]
    struct Said {
        #[serde(flatten)]
        stream: StreamPart,
        did_create: bool,
    }
    let stream = stream.with_server();
    answer(
        "stream_create",
        Said {
            stream,
            did_create: true,
        },
    )
}

/// The answer to `STREAM.UPDATE`.
#[must_use]
pub fn updated(stream: StreamPart) -> String {
    answer("stream_update", stream.with_server())
}

#[derive(Serialize, Default)]
struct Page {
    total: usize,
    offset: usize,
    limit: usize,
}

/// The answer to `STREAM.INFO`, from a server of this name. The page of subjects is there
/// if it was asked for; it began at the offset.
#[must_use]
pub fn info(
    stream: StreamPart,
    server_name: &str,
    subjects: Option<SubjectsPage>,
    offset: usize,
) -> String {
    #[derive(Serialize)]
    struct Said {
        #[serde(flatten)]
        page: Page,
        #[serde(flatten)]
        stream: StreamPart,
    }
    let mut stream = stream.with_server();
    stream.cluster = Some(Cluster {
        leader: server_name.to_owned(),
    });
    let mut page = Page::default();
    if let Some(subjects) = subjects.filter(|subjects| subjects.total > 0) {
        page = Page {
            total: subjects.total,
            // One of a page in the middle does not go beyond the end.
            offset,
            limit: SUBJECTS_PAGE,
        };
        stream.state = stream.state.with_subjects(subjects);
    }
    answer("stream_info", Said { page, stream })
}

/// Whether a stream is meant by the subject of a list; an empty one means all.
#[must_use]
pub fn is_listed(fields: &StreamFields, subject: &str) -> bool {
    let mut subjects = fields.subjects.iter();
    subject.is_empty() || subjects.any(|one| overlap(subject.as_bytes(), one.as_bytes()))
}

/// The answer to `STREAM.NAMES`: a page of all these names, which are in order.
#[must_use]
pub fn names(all: &[&str], offset: usize) -> String {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        page: Page,
        streams: Option<&'a [&'a str]>,
    }
    let offset = offset.min(all.len());
    let rest = &all[offset..];
    let streams = &rest[..rest.len().min(NAMES_PAGE)];
    let page = Page {
        total: all.len(),
        offset,
        limit: NAMES_PAGE,
    };
    let streams = Some(streams).filter(|streams| !streams.is_empty());
    answer("stream_names", Said { page, streams })
}

/// The answer to `STREAM.LIST`: those of all streams, in the order of their names, that
/// are behind the offset, [`STREAMS_PAGE`] at most.
#[must_use]
pub fn list(total: usize, offset: usize, streams: &[Box<RawValue>]) -> String {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        page: Page,
        streams: &'a [Box<RawValue>],
    }
    debug_assert!(streams.len() <= STREAMS_PAGE, "a page has so many");
    let page = Page {
        total,
        offset: offset.min(total),
        limit: STREAMS_PAGE,
    };
    answer("stream_list", Said { page, streams })
}

#[derive(Serialize)]
struct Success {
    success: bool,
}

/// The answer to `STREAM.DELETE`.
#[must_use]
pub fn deleted() -> String {
    answer("stream_delete", Success { success: true })
}

/// The answer to `STREAM.MSG.DELETE`.
#[must_use]
pub fn message_deleted() -> String {
    answer("stream_msg_delete", Success { success: true })
}

/// The answer to `STREAM.PURGE`: so many messages are gone.
#[must_use]
pub fn purged(count: u64) -> String {
    #[derive(Serialize)]
    struct Said {
        success: bool,
        purged: u64,
    }
    let said = Said {
        success: true,
        purged: count,
    };
    answer("stream_purge", said)
}

#[cfg(test)]
#[path = "stream_answers_tests.rs"]
mod tests;
