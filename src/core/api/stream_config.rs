//! The configuration of a stream as clients write and read it (`StreamConfig`, NATS
//! 2.15.3).
//!
//! Not here: what makes it wrong (`stream_checks`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::json;
use super::words::{CompressionWord, DiscardWord, PersistWord, RetentionWord, StorageWord};
use crate::stream::error::ApiError;

/// Whether a field says nothing.
fn is_unsaid<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The fields, in the order in which they are written.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamFields {
    /// `name`.
    pub name: String,
    /// `description`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub description: String,
    /// `subjects`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub subjects: Vec<String>,
    /// `retention`.
    pub retention: RetentionWord,
    /// `max_consumers`.
    pub max_consumers: i64,
    /// `max_msgs`.
    pub max_msgs: i64,
    /// `max_bytes`.
    pub max_bytes: i64,
    /// `max_age`, in nanoseconds.
    pub max_age: i64,
    /// `max_msgs_per_subject`.
    pub max_msgs_per_subject: i64,
    /// `max_msg_size`.
    pub max_msg_size: i32,
    /// `discard`.
    pub discard: DiscardWord,
    /// `storage`.
    pub storage: StorageWord,
    /// `num_replicas`.
    pub num_replicas: i64,
    /// `no_ack`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub no_ack: bool,
    /// `duplicate_window`, in nanoseconds.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub duplicate_window: i64,
    /// `placement`: nothing follows from it on one server.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub placement: Option<PlacementFields>,
    /// `mirror`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub mirror: Option<serde_json::Value>,
    /// `sources`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub sources: Vec<serde_json::Value>,
    /// `compression`.
    pub compression: CompressionWord,
    /// `first_seq`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub first_seq: u64,
    /// `subject_transform`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub subject_transform: Option<TransformFields>,
    /// `republish`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub republish: Option<RepublishFields>,
    /// `allow_direct`.
    pub allow_direct: bool,
    /// `mirror_direct`.
    pub mirror_direct: bool,
    /// `discard_new_per_subject`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub discard_new_per_subject: bool,
    /// `sealed`.
    pub sealed: bool,
    /// `deny_delete`.
    pub deny_delete: bool,
    /// `deny_purge`.
    pub deny_purge: bool,
    /// `allow_rollup_hdrs`.
    pub allow_rollup_hdrs: bool,
    /// `consumer_limits`.
    pub consumer_limits: ConsumerLimitFields,
    /// `allow_msg_ttl`.
    pub allow_msg_ttl: bool,
    /// `subject_delete_marker_ttl`, in nanoseconds.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub subject_delete_marker_ttl: i64,
    /// `allow_msg_counter`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub allow_msg_counter: bool,
    /// `allow_atomic`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub allow_atomic: bool,
    /// `allow_msg_schedules`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub allow_msg_schedules: bool,
    /// `persist_mode`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub persist_mode: PersistWord,
    /// `allow_batched`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub allow_batched: bool,
    /// `metadata`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub metadata: BTreeMap<String, String>,
    /// Whether a field that the server would change is an error.
    #[serde(skip_serializing)]
    pub pedantic: bool,
}

/// `subject_transform`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TransformFields {
    /// What is changed.
    pub src: String,
    /// To what.
    pub dest: String,
}

/// `republish`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RepublishFields {
    /// Of which subjects.
    pub src: String,
    /// As which.
    pub dest: String,
    /// Without payloads.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub headers_only: bool,
}

/// `placement`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlacementFields {
    /// Of which cluster.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub cluster: String,
    /// Where all these are said of servers.
    #[serde(skip_serializing_if = "is_empty")]
    pub tags: Option<Vec<String>>,
    /// On which server.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub preferred: String,
}

fn is_empty(tags: &Option<Vec<String>>) -> bool {
    tags.as_ref().is_none_or(Vec::is_empty)
}

/// `consumer_limits`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerLimitFields {
    /// In nanoseconds.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub inactive_threshold: i64,
    /// Messages that wait for an acknowledgement.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub max_ack_pending: i64,
}

impl StreamFields {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// 10025 with the reason.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        json::read(body)
    }
}
