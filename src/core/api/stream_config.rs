//! The configuration of a stream as clients write and read it: all fields, their
//! defaults, and what makes them wrong (NATS 2.15.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::json;
use super::words::{CompressionWord, DiscardWord, PersistWord, RetentionWord, StorageWord};
use crate::stream::config::{Discard, Retention, Storage, StreamConfig};
use crate::stream::error::{self, ApiError};
use crate::subject::pattern::{Pattern, has_empty_token, overlap};
use crate::subject::transform::Transform;

/// Bytes of a name, at most.
const NAME_BYTES_MAX: usize = 255;

/// Bytes of a description, at most.
const DESCRIPTION_BYTES_MAX: usize = 4096;

/// Bytes of all metadata, at most.
const METADATA_BYTES_MAX: usize = 128 << 10;

/// The shortest age and window, in nanoseconds.
const SHORTEST_NS: i64 = 100_000_000;

/// The window in which duplicates are known if nothing is said, in nanoseconds.
const DUPLICATE_WINDOW_NS: i64 = 120_000_000_000;

const FIELDS: [&str; 39] = [
    "name",
    "description",
    "subjects",
    "retention",
    "max_consumers",
    "max_msgs",
    "max_bytes",
    "max_age",
    "max_msgs_per_subject",
    "max_msg_size",
    "discard",
    "storage",
    "num_replicas",
    "no_ack",
    "duplicate_window",
    "placement",
    "mirror",
    "sources",
    "compression",
    "first_seq",
    "subject_transform",
    "republish",
    "allow_direct",
    "mirror_direct",
    "discard_new_per_subject",
    "sealed",
    "deny_delete",
    "deny_purge",
    "allow_rollup_hdrs",
    "consumer_limits",
    "allow_msg_ttl",
    "subject_delete_marker_ttl",
    "allow_msg_counter",
    "allow_atomic",
    "allow_msg_schedules",
    "persist_mode",
    "allow_batched",
    "metadata",
    "pedantic",
];

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
    pub placement: Option<serde_json::Value>,
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

/// A configuration that is valid, in both forms.
#[derive(Clone, Debug)]
pub struct CheckedStream {
    /// As clients see it, defaults filled in.
    pub fields: StreamFields,
    /// As the stream needs it.
    pub config: StreamConfig,
}

impl StreamFields {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// 10025 with the reason.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        json::read(body, &FIELDS)
    }

    /// Checks the configuration of a stream that is to be created, and fills in what it
    /// does not say.
    ///
    /// # Errors
    /// As the reference has them; what only comes with a later version of this server is
    /// named.
    pub fn check_new(mut self) -> Result<CheckedStream, ApiError> {
        if self.sealed {
            return Err(invalid("stream configuration for create can not be sealed"));
        }
        self.check_supported()?;
        self.fill_in();
        self.check_values()?;
        self.check_subjects()?;
        let config = self.compile()?;
        Ok(CheckedStream {
            fields: self,
            config,
        })
    }

    /// What is known and not served.
    fn check_supported(&self) -> Result<(), ApiError> {
        let unsupported = [
            (self.mirror.is_some(), "mirror"),
            (!self.sources.is_empty(), "sources"),
            (self.allow_msg_counter, "allow_msg_counter"),
            (self.allow_atomic, "allow_atomic"),
            (self.allow_batched, "allow_batched"),
            (self.allow_msg_schedules, "allow_msg_schedules"),
            (self.allow_msg_ttl, "allow_msg_ttl"),
            (
                self.subject_delete_marker_ttl != 0,
                "subject_delete_marker_ttl",
            ),
        ];
        match unsupported.iter().find(|(is_said, _)| *is_said) {
            Some((_, name)) => Err(invalid(&format!("{name} is not supported by this server"))),
            None => Ok(()),
        }
    }

    fn fill_in(&mut self) {
        if self.subjects.is_empty() {
            self.subjects = vec![self.name.clone()];
        }
        let limits = [
            &mut self.max_consumers,
            &mut self.max_msgs,
            &mut self.max_bytes,
            &mut self.max_msgs_per_subject,
        ];
        for limit in limits {
            if *limit <= 0 {
                *limit = -1;
            }
        }
        if self.max_msg_size <= 0 {
            self.max_msg_size = -1;
        }
        if self.num_replicas == 0 {
            self.num_replicas = 1;
        }
        if self.duplicate_window == 0 {
            self.duplicate_window = match self.max_age {
                0 => DUPLICATE_WINDOW_NS,
                age => age.min(DUPLICATE_WINDOW_NS),
            };
        }
        if let Some(republish) = &mut self.republish
            && republish.src.is_empty()
        {
            republish.src = ">".to_owned();
        }
    }

    fn check_values(&self) -> Result<(), ApiError> {
        let metadata = self.metadata.iter();
        let metadata_len: usize = metadata.map(|(key, value)| key.len() + value.len()).sum();
        let of_subject = self.max_msgs_per_subject > 0;
        let rules: [(bool, &str); 13] = [
            (
                self.name.len() > NAME_BYTES_MAX,
                "stream name is too long, maximum allowed is 255",
            ),
            (
                self.description.len() > DESCRIPTION_BYTES_MAX,
                "stream description is too long, maximum allowed is 4096",
            ),
            (
                metadata_len > METADATA_BYTES_MAX,
                "stream metadata exceeds 128 KiB",
            ),
            (
                !(0..=5).contains(&self.num_replicas),
                "maximum replicas is 5",
            ),
            (self.max_age < 0, "max age can not be negative"),
            (
                self.max_age > 0 && self.max_age < SHORTEST_NS,
                "max age needs to be >= 100ms",
            ),
            (
                self.duplicate_window < 0,
                "duplicates window can not be negative",
            ),
            (
                self.max_age > 0 && self.duplicate_window > self.max_age,
                "duplicates window can not be larger then max age",
            ),
            (
                self.duplicate_window > 0 && self.duplicate_window < SHORTEST_NS,
                "duplicates window needs to be >= 100ms",
            ),
            (
                self.deny_purge && self.allow_rollup_hdrs,
                "roll-ups require the purge permission",
            ),
            (
                self.discard_new_per_subject && self.discard != DiscardWord::New,
                "discard new per subject requires discard new policy to be set",
            ),
            (
                self.discard_new_per_subject && !of_subject,
                "discard new per subject requires max msgs per subject > 0",
            ),
            (
                self.persist_mode == PersistWord::Async && self.storage == StorageWord::Memory,
                "async persist mode is only supported on file storage",
            ),
        ];
        if let Some((_, why)) = rules.iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(invalid(why));
        }
        match self.num_replicas > 1 {
            true => Err(error::REPLICAS_NOT_SUPPORTED),
            false => Ok(()),
        }
    }

    fn check_subjects(&self) -> Result<(), ApiError> {
        for (at, subject) in self.subjects.iter().enumerate() {
            let text = subject.as_bytes();
            if !Pattern::is_valid(text) || has_empty_token(text) || text.contains(&b' ') {
                return Err(invalid("invalid subject"));
            }
            let mut before = self.subjects[..at].iter();
            if let Some(other) = before.find(|other| overlap(other.as_bytes(), text)) {
                let why = format!("subject \"{subject}\" overlaps with \"{other}\"");
                return Err(invalid(&why));
            }
            if subject == ">" && !self.no_ack {
                return Err(invalid("capturing all subjects requires no-ack to be true"));
            }
            let of_server = ["$JS.>", "$JSC.>", "$NRG.>"];
            let is_event = text.starts_with(b"$JS.EVENT.");
            let meets = of_server
                .iter()
                .any(|reserved| overlap(reserved.as_bytes(), text));
            if meets && !is_event && !self.no_ack {
                return Err(invalid(
                    "subjects that overlap with jetstream api require no-ack to be true",
                ));
            }
            let meets = overlap(b"$SYS.>", text) && !text.starts_with(b"$SYS.ACCOUNT.");
            if meets && !self.no_ack {
                return Err(invalid(
                    "subjects that overlap with system api require no-ack to be true",
                ));
            }
        }
        Ok(())
    }

    fn compile(&self) -> Result<StreamConfig, ApiError> {
        let limit = |number: i64| u64::try_from(number).ok().filter(|&number| number > 0);
        let transform = self.subject_transform.as_ref().map(|fields| {
            Transform::parse(&fields.src, &fields.dest)
                .map_err(|why| error::bad_transform(&why.to_string()))
        });
        Ok(StreamConfig {
            name: self.name.as_str().into(),
            subjects: self
                .subjects
                .iter()
                .map(|one| one.as_str().into())
                .collect(),
            retention: match self.retention {
                RetentionWord::Limits => Retention::Limits,
                RetentionWord::Interest => Retention::Interest,
                RetentionWord::WorkQueue => Retention::WorkQueue,
            },
            storage: match self.storage {
                StorageWord::File => Storage::File,
                StorageWord::Memory => Storage::Memory,
            },
            discard: match self.discard {
                DiscardWord::Old => Discard::Old,
                DiscardWord::New => Discard::New,
            },
            discards_new_per_subject: self.discard_new_per_subject,
            max_messages: limit(self.max_msgs),
            max_bytes: limit(self.max_bytes),
            max_messages_per_subject: limit(self.max_msgs_per_subject),
            max_age_ns: limit(self.max_age),
            max_message_bytes: limit(self.max_msg_size.into()),
            duplicate_window_ns: limit(self.duplicate_window).unwrap_or(0),
            no_ack: self.no_ack,
            sealed: self.sealed,
            deny_delete: self.deny_delete,
            deny_purge: self.deny_purge,
            allow_rollup: self.allow_rollup_hdrs,
            allow_message_ttl: self.allow_msg_ttl,
            subject_transform: transform.transpose()?,
            first_sequence: self.first_seq,
        })
    }
}

fn invalid(why: &str) -> ApiError {
    error::invalid_stream_config(why)
}

#[cfg(test)]
#[path = "stream_config_tests.rs"]
mod tests;
