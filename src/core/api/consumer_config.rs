//! The configuration of a consumer as clients write and read it: all fields, and what is
//! filled in where they say nothing (NATS 2.15.3).
//!
//! Not here: what makes it wrong (`consumer_rules`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::json;
use super::stream_config::ConsumerLimitFields;
use super::time_field::TimeField;
use super::words::{AckWord, DeliverWord, PriorityWord, ReplayWord};
use crate::base::width;
use crate::consumer::config::{
    AckPolicy, ConsumerConfig, Kind, PullConfig, PushConfig, Redelivery, Start,
};
use crate::stream::error::{self, ApiError};

/// Nanoseconds that an acknowledgement may take if nothing is said.
const ACK_WAIT_NS: i64 = 30_000_000_000;

/// Messages that may wait for an acknowledgement if nothing is said.
const MAX_ACK_PENDING: i64 = 1000;

/// Requests that may wait if nothing is said.
const MAX_WAITING: i64 = 512;

/// Requests that may wait at most, whatever is said.
const MAX_WAITING_MAX: u64 = 1 << 16;

/// Nanoseconds that an ephemeral consumer lives unused if nothing is said.
pub const EPHEMERAL_NS: i64 = 5_000_000_000;

/// Whether a field says nothing.
fn is_unsaid<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The fields, in the order in which they are written.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerFields {
    /// `durable_name`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub durable_name: String,
    /// `name`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub name: String,
    /// `description`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub description: String,
    /// `deliver_policy`.
    pub deliver_policy: DeliverWord,
    /// `opt_start_seq`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub opt_start_seq: u64,
    /// `opt_start_time`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub opt_start_time: Option<TimeField>,
    /// `ack_policy`.
    pub ack_policy: AckWord,
    /// `ack_wait`, in nanoseconds.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub ack_wait: i64,
    /// `max_deliver`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub max_deliver: i64,
    /// `backoff`, in nanoseconds.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub backoff: Vec<i64>,
    /// `filter_subject`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub filter_subject: String,
    /// `filter_subjects`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub filter_subjects: Vec<String>,
    /// `replay_policy`.
    pub replay_policy: ReplayWord,
    /// `rate_limit_bps`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub rate_limit_bps: u64,
    /// `sample_freq`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub sample_freq: String,
    /// `max_waiting`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub max_waiting: i64,
    /// `max_ack_pending`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub max_ack_pending: i64,
    /// `flow_control`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub flow_control: bool,
    /// `headers_only`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub headers_only: bool,
    /// `max_batch`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub max_batch: i64,
    /// `max_expires`, in nanoseconds.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub max_expires: i64,
    /// `max_bytes`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub max_bytes: i64,
    /// `deliver_subject`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub deliver_subject: String,
    /// `deliver_group`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub deliver_group: String,
    /// `idle_heartbeat`, in nanoseconds.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub idle_heartbeat: i64,
    /// `inactive_threshold`, in nanoseconds.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub inactive_threshold: i64,
    /// `num_replicas`.
    pub num_replicas: i64,
    /// `mem_storage`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub mem_storage: bool,
    /// `direct`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub direct: bool,
    /// `sourcing`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub sourcing: bool,
    /// `metadata`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub metadata: BTreeMap<String, String>,
    /// `pause_until`.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub pause_until: Option<TimeField>,
    /// `priority_groups`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub priority_groups: Vec<String>,
    /// `priority_policy`: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub priority_policy: PriorityWord,
    /// `priority_timeout`, in nanoseconds: not yet.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub priority_timeout: i64,
}

/// What is to be done with a consumer that is configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Action {
    /// It is created, or changed if there is one.
    #[default]
    Either,
    /// There must be none that is configured otherwise.
    Create,
    /// There must be one.
    Update,
}

impl TryFrom<String> for Action {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match &*word {
            "" => Ok(Self::Either),
            "create" => Ok(Self::Create),
            "update" => Ok(Self::Update),
            _ => Err(format!("unknown consumer action: \"{word}\"")),
        }
    }
}

/// A request to create or to change a consumer.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    /// Of which stream.
    pub stream_name: String,
    /// How.
    pub config: ConsumerFields,
    /// Which of both.
    pub action: Action,
    /// Whether a field that the server would change is an error.
    pub pedantic: bool,
}

impl CreateRequest {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// 10025 with the reason.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        json::read(body)
    }
}

/// A configuration that is valid, in both forms.
#[derive(Clone, Debug)]
pub struct CheckedConsumer {
    /// As clients see it, defaults filled in.
    pub fields: ConsumerFields,
    /// As the consumer needs it.
    pub config: ConsumerConfig,
}

impl ConsumerFields {
    /// Reads a configuration that was checked and stored before.
    ///
    /// # Errors
    /// 10025 with the reason.
    pub fn read(text: &[u8]) -> Result<Self, ApiError> {
        json::read(text)
    }

    /// The filters, one or several.
    #[must_use]
    pub fn filters(&self) -> &[String] {
        match self.filter_subject.is_empty() {
            true => &self.filter_subjects,
            false => std::slice::from_ref(&self.filter_subject),
        }
    }

    /// Whether clients ask for messages.
    #[must_use]
    pub fn is_pull(&self) -> bool {
        self.deliver_subject.is_empty()
    }

    /// The least level of the API that knows what is used of it (`_nats.req.level`).
    #[must_use]
    pub fn required_level(&self) -> u8 {
        u8::from(self.pause_until.is_some() || self.priority_policy != PriorityWord::None)
    }

    /// Fills in what is not said.
    ///
    /// # Errors
    /// 10157 if the client is pedantic and has said something that is changed.
    pub(super) fn fill_in(
        &mut self,
        limits: &ConsumerLimitFields,
        max_ack_pending: Option<i64>,
        pedantic: bool,
    ) -> Result<(), ApiError> {
        self.clear_negative(pedantic)?;
        if self.is_pull() && self.max_waiting == 0 {
            self.max_waiting = MAX_WAITING;
        }
        let has_acks = matches!(self.ack_policy, AckWord::Explicit | AckWord::All);
        if self.ack_wait == 0 && has_acks {
            self.ack_wait = ACK_WAIT_NS;
        }
        if let Some(&first) = self.backoff.first() {
            if pedantic && self.ack_wait != first {
                let why = "first backoff value has to equal batch AckWait";
                return Err(error::pedantic(why));
            }
            self.ack_wait = first;
        }
        let of_stream = [
            (
                &mut self.max_ack_pending,
                limits.max_ack_pending,
                "max_ack_pending",
            ),
            (
                &mut self.inactive_threshold,
                limits.inactive_threshold,
                "inactive_threshold",
            ),
        ];
        for (field, limit, name) in of_stream {
            if *field == 0 {
                if pedantic && limit > 0 {
                    let why = format!("{name} must be set if it's configured in stream limits");
                    return Err(error::pedantic(&why));
                }
                *field = limit;
            }
        }
        if self.max_ack_pending == 0 && self.ack_policy != AckWord::None {
            let most = max_ack_pending.filter(|&most| most > 0);
            self.max_ack_pending = most.map_or(MAX_ACK_PENDING, |most| most.min(MAX_ACK_PENDING));
        }
        Ok(())
    }

    fn clear_negative(&mut self, pedantic: bool) -> Result<(), ApiError> {
        let told = |is_changed: bool, why: &str| match pedantic && is_changed {
            true => Err(error::pedantic(why)),
            false => Ok(()),
        };
        told(self.max_deliver < -1, "max_deliver must be set to -1")?;
        if self.max_deliver <= 0 {
            self.max_deliver = -1;
        }
        told(self.max_waiting < 0, "max_waiting must not be negative")?;
        self.max_waiting = self.max_waiting.max(0);
        told(
            self.max_ack_pending < -1,
            "max_ack_pending must be set to -1",
        )?;
        self.max_ack_pending = self.max_ack_pending.max(-1);
        let others = [
            (&mut self.max_batch, "max_batch"),
            (&mut self.max_expires, "max_expires"),
            (&mut self.max_bytes, "max_bytes"),
            (&mut self.idle_heartbeat, "idle_heartbeat"),
            (&mut self.inactive_threshold, "inactive_threshold"),
            (&mut self.priority_timeout, "priority_timeout"),
        ];
        for (field, name) in others {
            told(*field < 0, &format!("{name} must not be negative"))?;
            *field = (*field).max(0);
        }
        Ok(())
    }

    /// As the consumer needs it, if it was checked; the largest message has so many bytes.
    #[must_use]
    pub fn compile(&self, largest_message_bytes: u64) -> ConsumerConfig {
        let limit = |number: i64| u64::try_from(number).ok().filter(|&number| number > 0);
        let is_ephemeral = self.durable_name.is_empty();
        ConsumerConfig {
            start: self.start(),
            ack_policy: match self.ack_policy {
                AckWord::None | AckWord::FlowControl => AckPolicy::None,
                AckWord::All => AckPolicy::All,
                AckWord::Explicit => AckPolicy::Explicit,
            },
            redelivery: Redelivery {
                ack_wait_ns: limit(self.ack_wait).unwrap_or(0),
                backoff_ns: self
                    .backoff
                    .iter()
                    .map(|&step| limit(step).unwrap_or(0))
                    .collect(),
                max_deliver: limit(self.max_deliver),
            },
            filters: self
                .filters()
                .iter()
                .map(|one| one.as_str().into())
                .collect(),
            keeps_original_pace: self.replay_policy == ReplayWord::Original,
            sample_percent: self.sample_percent().unwrap_or(0),
            max_ack_pending: limit(self.max_ack_pending).map(width::size),
            headers_only: self.headers_only,
            inactive_threshold_ns: limit(self.inactive_threshold),
            has_jitter: self.is_pull() || (is_ephemeral && self.inactive_threshold == EPHEMERAL_NS),
            paused_until: self.pause_until.as_ref().map(TimeField::wall),
            kind: match self.is_pull() {
                true => Kind::Pull(PullConfig {
                    max_waiting: width::size(
                        limit(self.max_waiting).unwrap_or(0).min(MAX_WAITING_MAX),
                    ),
                    max_batch: limit(self.max_batch),
                    max_expires_ns: limit(self.max_expires),
                    max_bytes: limit(self.max_bytes),
                }),
                false => Kind::Push(PushConfig {
                    deliver_subject: self.deliver_subject.as_str().into(),
                    deliver_group: self.deliver_group.as_str().into(),
                    heartbeat_ns: limit(self.idle_heartbeat),
                    has_flow_control: self.flow_control,
                    rate_limit_bits: Some(self.rate_limit_bps).filter(|&bits| bits > 0),
                    burst_bytes: largest_message_bytes,
                }),
            },
        }
    }

    fn start(&self) -> Start {
        let time = self.opt_start_time.as_ref().map(TimeField::wall);
        match self.deliver_policy {
            DeliverWord::All => Start::All,
            DeliverWord::Last => Start::Last,
            DeliverWord::New => Start::New,
            DeliverWord::StartSequence => Start::Sequence(self.opt_start_seq),
            DeliverWord::StartTime => time.map_or(Start::All, Start::Time),
            DeliverWord::LastPerSubject => Start::LastPerSubject,
        }
    }

    /// The percentage of acknowledgements that are sampled.
    pub(super) fn sample_percent(&self) -> Result<u64, String> {
        let text = self
            .sample_freq
            .strip_suffix('%')
            .unwrap_or(&self.sample_freq);
        if self.sample_freq.is_empty() {
            return Ok(0);
        }
        match text.parse::<i64>() {
            Ok(percent) => u64::try_from(percent).map_err(|_| "<nil>".to_owned()),
            Err(_) => Err(format!("strconv.Atoi: parsing \"{text}\": invalid syntax")),
        }
    }
}
