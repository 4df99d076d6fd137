//! Errors of JetStream as clients get them: what HTTP would call them, their own number,
//! and a text (`errors.json` of NATS 2.15.3).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::config::Storage;

/// An error in an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// Its kind, as HTTP has them.
    pub code: u16,
    /// Its number.
    pub err_code: u16,
    /// Its text.
    pub description: Cow<'static, str>,
}

impl ApiError {
    const fn new(code: u16, err_code: u16, description: &'static str) -> Self {
        Self {
            code,
            err_code,
            description: Cow::Borrowed(description),
        }
    }

    fn said(code: u16, err_code: u16, description: String) -> Self {
        Self {
            code,
            err_code,
            description: Cow::Owned(description),
        }
    }
}

/// The stream is sealed.
pub const STREAM_SEALED: ApiError =
    ApiError::new(400, 10_109, "invalid operation on sealed stream");
/// The message is larger than `max_msg_size`.
pub const MESSAGE_TOO_LARGE: ApiError =
    ApiError::new(400, 10_054, "message size exceeds maximum allowed");
/// The header block is too long.
pub const HEADER_TOO_LARGE: ApiError =
    ApiError::new(400, 10_097, "header size exceeds maximum allowed of 64k");
/// `Nats-Expected-Stream` names another one.
pub const OTHER_STREAM: ApiError = ApiError::new(400, 10_060, "expected stream does not match");
/// `Nats-TTL` where `allow_msg_ttl` is off.
pub const TTL_DISABLED: ApiError = ApiError::new(400, 10_166, "per-message TTL is disabled");
/// `Nats-TTL` that is no time to live.
pub const TTL_INVALID: ApiError = ApiError::new(400, 10_165, "invalid per-message TTL");
/// A subject for an expected sequence that is not said.
pub const EXPECTED_SUBJECT_SEQUENCE_MISSING: ApiError = ApiError::new(
    400,
    10_193,
    "missing sequence for expected last sequence per subject",
);
/// The account has no more room.
pub const ACCOUNT_RESOURCES: ApiError =
    ApiError::new(400, 10_002, "resource limits exceeded for account");
/// The server has no more room.
pub const SERVER_RESOURCES: ApiError = ApiError::new(503, 10_023, "insufficient resources");
/// Too much waits to be stored.
pub const TOO_MANY_REQUESTS: ApiError = ApiError::new(429, 10_167, "too many requests");

/// Another sequence was expected to be the last one.
#[must_use]
pub fn wrong_last_sequence(actual: u64) -> ApiError {
    ApiError::said(400, 10_071, format!("wrong last sequence: {actual}"))
}

/// Another message id was expected to be the last one.
#[must_use]
pub fn wrong_last_message_id(actual: &[u8]) -> ApiError {
    let actual = String::from_utf8_lossy(actual);
    ApiError::said(400, 10_070, format!("wrong last msg ID: {actual}"))
}

/// A rollup that is not allowed, or none of those that there are.
#[must_use]
pub fn rollup_failed(why: String) -> ApiError {
    ApiError::said(500, 10_111, why)
}

/// The message does not fit into the stream, by its limits.
#[must_use]
pub fn store_failed(why: &'static str) -> ApiError {
    ApiError::new(503, 10_077, why)
}

/// Copies on other servers, where there are none.
pub const REPLICAS_NOT_SUPPORTED: ApiError = ApiError::new(
    500,
    10_074,
    "replicas > 1 not supported in non-clustered mode",
);

/// Less than no copies.
pub const REPLICAS_NEGATIVE: ApiError =
    ApiError::new(400, 10_133, "replicas count cannot be negative");
/// The subject of a request names another stream than its body.
pub const STREAM_MISMATCH: ApiError =
    ApiError::new(400, 10_056, "stream name in subject does not match request");
/// A name that could be one of a directory elsewhere.
pub const NAME_HAS_PATH_SEPARATORS: ApiError =
    ApiError::new(400, 10_128, "Stream name can not contain path separators");
/// There is a stream of this name.
pub const STREAM_NAME_IN_USE: ApiError = ApiError::new(
    400,
    10_058,
    "stream name already in use with a different configuration",
);

/// There is no such stream.
pub const STREAM_NOT_FOUND: ApiError = ApiError::new(404, 10_059, "stream not found");
/// Another stream stores some of the subjects.
pub const SUBJECTS_OVERLAP: ApiError =
    ApiError::new(400, 10_065, "subjects overlap with an existing stream");
/// A request that makes no sense.
pub const BAD_REQUEST: ApiError = ApiError::new(400, 10_003, "bad request");
/// A request that says something where nothing is to be said.
pub const NOT_EMPTY_REQUEST: ApiError =
    ApiError::new(400, 10_038, "expected an empty request payload");
/// A request that needs a later version of the API.
pub const LEVEL_REQUIRED: ApiError =
    ApiError::new(412, 10_185, "JetStream minimum api level required");
/// JetStream is off for the account.
pub const NOT_ENABLED_FOR_ACCOUNT: ApiError =
    ApiError::new(503, 10_039, "JetStream not enabled for account");
/// There is no such message.
pub const NO_MESSAGE: ApiError = ApiError::new(404, 10_037, "no message found");
/// The stream may not be purged by hand.
pub const PURGE_NOT_PERMITTED: ApiError = ApiError::new(500, 10_110, "stream purge not permitted");
/// No message may be deleted by hand.
pub const DELETE_NOT_PERMITTED: ApiError =
    ApiError::new(500, 10_057, "message delete not permitted");

/// There is no message to be deleted, in a stream that has had these sequences.
#[must_use]
pub fn nothing_to_delete(storage: Storage, sequence: u64, log: RangeInclusive<u64>) -> ApiError {
    match storage {
        Storage::File if sequence > *log.end() => ApiError::new(500, 10_057, "stream store EOF"),
        Storage::File if sequence < *log.start() => ApiError::new(500, 10_057, "no message found"),
        _ => ApiError::said(400, 10_043, format!("sequence {sequence} not found")),
    }
}

/// What a client that is particular about it would have had to say itself.
#[must_use]
pub fn pedantic(why: &str) -> ApiError {
    ApiError::said(400, 10_157, format!("pedantic mode: {why}"))
}

/// The source of a transform of subjects is none.
#[must_use]
pub fn bad_transform_source(why: &str) -> ApiError {
    ApiError::said(400, 10_155, format!("stream transform source: {why}"))
}

/// The body is not what it should be.
#[must_use]
pub fn invalid_json(why: &str) -> ApiError {
    ApiError::said(400, 10_025, format!("invalid JSON: {why}"))
}

/// The configuration of a stream is wrong.
#[must_use]
pub fn invalid_stream_config(why: &str) -> ApiError {
    ApiError::said(500, 10_052, why.to_owned())
}

/// A transform of subjects is wrong.
#[must_use]
pub fn bad_transform(why: &str) -> ApiError {
    ApiError::said(400, 10_156, format!("stream transform: {why}"))
}

// Of consumers.

/// The stream in the subject is not the one in the body.
pub const CONSUMER_CREATE_STREAM_MISMATCH: ApiError =
    ApiError::new(400, 10_056, "stream name in subject does not match request");
/// There is no such consumer.
pub const CONSUMER_NOT_FOUND: ApiError = ApiError::new(404, 10_014, "consumer not found");
/// Somebody listens where a push consumer delivered until now.
pub const CONSUMER_NAME_IN_USE: ApiError =
    ApiError::new(400, 10_013, "consumer name already in use");
/// The name in the subject is not the durable one.
pub const DURABLE_NAME_NOT_MATCHED: ApiError = ApiError::new(
    400,
    10_017,
    "consumer name in subject does not match durable name in request",
);
/// A durable consumer without its name.
pub const DURABLE_NAME_NOT_SET: ApiError = ApiError::new(
    400,
    10_018,
    "consumer expected to be durable but a durable name was not set",
);
/// A durable name where none is expected.
pub const EPHEMERAL_WITH_DURABLE_NAME: ApiError = ApiError::new(
    400,
    10_020,
    "consumer expected to be ephemeral but a durable name was set in request",
);
/// The stream has as many consumers as it may.
pub const MAX_CONSUMERS: ApiError = ApiError::new(400, 10_026, "maximum consumers limit reached");
/// A pattern to deliver to.
pub const DELIVER_TO_WILDCARDS: ApiError =
    ApiError::new(400, 10_079, "consumer deliver subject has wildcards");
/// `max_waiting` where nobody asks.
pub const PUSH_MAX_WAITING: ApiError =
    ApiError::new(400, 10_080, "consumer in push mode can not set max waiting");
/// The stream stores what is delivered.
pub const DELIVER_CYCLE: ApiError =
    ApiError::new(400, 10_081, "consumer deliver subject forms a cycle");
/// `max_ack_pending` without acknowledgements.
pub const MAX_PENDING_NEEDS_ACKS: ApiError = ApiError::new(
    400,
    10_082,
    "consumer requires ack policy for max ack pending",
);
/// `idle_heartbeat` is too short.
pub const SMALL_HEARTBEAT: ApiError =
    ApiError::new(400, 10_083, "consumer idle heartbeat needs to be >= 100ms");
/// A work queue without acknowledgements.
pub const PULL_NEEDS_ACKS: ApiError = ApiError::new(
    400,
    10_084,
    "consumer in pull mode requires explicit ack policy on workqueue stream",
);
/// `rate_limit_bps` where clients ask.
pub const PULL_WITH_RATE_LIMIT: ApiError = ApiError::new(
    400,
    10_086,
    "consumer in pull mode can not have rate limit set",
);
/// `idle_heartbeat` where clients ask.
pub const HEARTBEAT_NEEDS_PUSH: ApiError = ApiError::new(
    400,
    10_088,
    "consumer idle heartbeat requires a push based consumer",
);
/// `flow_control` where clients ask.
pub const FLOW_CONTROL_NEEDS_PUSH: ApiError = ApiError::new(
    400,
    10_089,
    "consumer flow control requires a push based consumer",
);
/// `direct` where clients ask.
pub const DIRECT_NEEDS_PUSH: ApiError = ApiError::new(
    400,
    10_090,
    "consumer direct requires a push based consumer",
);
/// A work queue whose acknowledgements are not explicit.
pub const WORK_QUEUE_NEEDS_EXPLICIT_ACKS: ApiError =
    ApiError::new(400, 10_098, "workqueue stream requires explicit ack");
/// A second consumer of everything on a work queue.
pub const WORK_QUEUE_SECOND_UNFILTERED: ApiError = ApiError::new(
    400,
    10_099,
    "multiple non-filtered consumers not allowed on workqueue stream",
);
/// Two consumers for one message of a work queue.
pub const WORK_QUEUE_OVERLAP: ApiError = ApiError::new(
    400,
    10_100,
    "filtered consumer not unique on workqueue stream",
);
/// A consumer that leaves out messages of a work queue.
pub const WORK_QUEUE_NEEDS_ALL: ApiError = ApiError::new(
    400,
    10_101,
    "consumer must be deliver all on workqueue stream",
);
/// A name that is too long.
pub const CONSUMER_NAME_TOO_LONG: ApiError = ApiError::new(
    400,
    10_102,
    "consumer name is too long, maximum allowed is 255",
);
/// A description that is too long.
pub const CONSUMER_DESCRIPTION_TOO_LONG: ApiError = ApiError::new(
    400,
    10_107,
    "consumer description is too long, maximum allowed is 4096",
);
/// `flow_control` without `idle_heartbeat`.
pub const FLOW_CONTROL_NEEDS_HEARTBEATS: ApiError = ApiError::new(
    400,
    10_108,
    "consumer with flow control also needs heartbeats",
);
/// What is delivered to is no subject, or one of the server.
pub const INVALID_DELIVER_SUBJECT: ApiError =
    ApiError::new(400, 10_112, "invalid push consumer deliver subject");
/// `max_expires` is too short.
pub const MAX_EXPIRES_TOO_SMALL: ApiError = ApiError::new(
    400,
    10_115,
    "consumer max request expires needs to be >= 1ms",
);
/// More steps than deliveries.
pub const MAX_DELIVER_BACKOFF: ApiError = ApiError::new(
    400,
    10_116,
    "max deliver is required to be > length of backoff values",
);
/// A name that is a path.
pub const CONSUMER_NAME_PATH: ApiError =
    ApiError::new(400, 10_127, "Consumer name can not contain path separators");
/// The filter in the subject is not the one in the body.
pub const CREATE_FILTER_MISMATCH: ApiError = ApiError::new(
    400,
    10_131,
    "Consumer create request did not match filtered subject from create subject",
);
/// Two names.
pub const DURABLE_AND_NAME_DIFFER: ApiError = ApiError::new(
    400,
    10_132,
    "Consumer Durable and Name have to be equal if both are provided",
);
/// Metadata that is too long.
pub const CONSUMER_METADATA_TOO_LONG: ApiError = ApiError::new(
    400,
    10_135,
    "consumer metadata exceeds maximum size of 128KB",
);
/// One filter, and several.
pub const BOTH_FILTERS: ApiError = ApiError::new(
    400,
    10_136,
    "consumer cannot have both FilterSubject and FilterSubjects specified",
);
/// Several filters, and one in the subject.
pub const FILTERS_IN_SUBJECT: ApiError = ApiError::new(
    400,
    10_137,
    "consumer with multiple subject filters cannot use subject based API",
);
/// A filter within another one.
pub const FILTERS_OVERLAP: ApiError =
    ApiError::new(400, 10_138, "consumer subject filters cannot overlap");
/// A filter that is nothing.
pub const FILTER_EMPTY: ApiError = ApiError::new(
    400,
    10_139,
    "consumer filter in FilterSubjects cannot be empty",
);
/// There is one of this name that is configured otherwise.
pub const CONSUMER_EXISTS: ApiError = ApiError::new(400, 10_148, "consumer already exists");
/// There is none to be updated.
pub const CONSUMER_DOES_NOT_EXIST: ApiError = ApiError::new(400, 10_149, "consumer does not exist");
/// `ack_wait` is negative.
pub const ACK_WAIT_NEGATIVE: ApiError =
    ApiError::new(400, 10_183, "consumer ack wait needs to be positive");
/// A step of `backoff` is negative.
pub const BACKOFF_NEGATIVE: ApiError =
    ApiError::new(400, 10_184, "consumer backoff needs to be positive");
/// More copies than the stream has.
pub const REPLICAS_EXCEED_STREAM: ApiError = ApiError::new(
    400,
    10_126,
    "consumer config replica count exceeds parent stream",
);
/// Fewer copies than the stream, which waits for the consumer.
pub const REPLICAS_MATCH_STREAM: ApiError = ApiError::new(
    400,
    10_134,
    "consumer config replicas must match interest retention stream's replicas",
);
/// Acknowledgements by flow control where clients ask.
pub const ACK_FLOW_CONTROL_NEEDS_PUSH: ApiError = ApiError::new(
    400,
    10_218,
    "flow control ack policy requires a push based consumer",
);
/// Priorities where nobody asks.
pub const PUSH_WITH_GROUPS: ApiError = ApiError::new(
    400,
    10_178,
    "priority groups can not be used with push consumers",
);
/// Priorities of nobody.
pub const PRIORITY_WITHOUT_GROUP: ApiError = ApiError::new(
    400,
    10_159,
    "Setting PriorityPolicy requires at least one PriorityGroup to be set",
);
/// Groups without priorities.
pub const GROUPS_WITHOUT_PRIORITY: ApiError = ApiError::new(
    400,
    10_196,
    "consumer can not have priority groups when policy is none",
);
/// A timeout of nothing.
pub const TIMEOUT_WITHOUT_PRIORITY: ApiError = ApiError::new(
    400,
    10_197,
    "PinnedTTL cannot be set when PriorityPolicy is none",
);

/// What of a consumer stays as it is.
#[must_use]
pub fn consumer_update_failed(what: &str) -> ApiError {
    ApiError::said(500, 10_012, format!("{what} can not be updated"))
}

/// A consumer is not created, or not changed in this way.
#[must_use]
pub fn consumer_create_failed(why: &'static str) -> ApiError {
    ApiError::new(500, 10_012, why)
}

/// Where a consumer begins is said twice, or not at all.
#[must_use]
pub fn invalid_deliver_policy(why: String) -> ApiError {
    ApiError::said(400, 10_094, why)
}

/// `sample_freq` is no percentage.
#[must_use]
pub fn invalid_sampling(why: &str) -> ApiError {
    let text = format!("failed to parse consumer sampling configuration: {why}");
    ApiError::said(400, 10_095, text)
}

/// `max_ack_pending` is beyond what the stream or the account allows.
#[must_use]
pub fn max_ack_pending_exceeds(limit: i64) -> ApiError {
    let text = format!("consumer max ack pending exceeds system limit of {limit}");
    ApiError::said(400, 10_121, text)
}

/// `inactive_threshold` is beyond what the stream allows.
#[must_use]
pub fn inactive_threshold_exceeds(limit: &str) -> ApiError {
    let text = format!("consumer inactive threshold exceeds system limit of {limit}");
    ApiError::said(400, 10_153, text)
}

/// A consumer can not begin again there.
#[must_use]
pub fn invalid_reset(why: &str) -> ApiError {
    ApiError::said(400, 10_204, format!("invalid reset: {why}"))
}
