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
