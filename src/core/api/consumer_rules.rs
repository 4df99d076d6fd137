//! What makes the configuration of a consumer wrong, in the reference's order, since
//! clients see the first mistake (NATS 2.15.3).

use super::consumer_config::{
    Action, CheckedConsumer, ConsumerFields, CreateRequest, EPHEMERAL_NS,
};
use super::stream_config::StreamFields;
use super::words::{AckWord, DeliverWord, PriorityWord, RetentionWord};
use crate::base::shown::duration;
use crate::stream::error::{self, ApiError};
use crate::subject::pattern::{Pattern, has_empty_token, is_literal, is_within, overlap};

/// Bytes of a name, at most.
const NAME_BYTES_MAX: usize = 255;

/// Bytes of a description, at most.
const DESCRIPTION_BYTES_MAX: usize = 4096;

/// Bytes of all metadata, at most.
const METADATA_BYTES_MAX: usize = 128 << 10;

/// The shortest heartbeat, in nanoseconds.
const HEARTBEAT_MIN_NS: i64 = 100_000_000;

/// The shortest limit of waits, in nanoseconds.
const MAX_EXPIRES_MIN_NS: i64 = 1_000_000;

/// Filters of a consumer, at most; each is compared with all others.
const FILTERS_MAX: usize = 1000;

/// What a configuration is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The stream.
    pub stream: &'a StreamFields,
    /// The consumer that has this name.
    pub existing: Option<&'a ConsumerFields>,
    /// The other consumers.
    pub others: &'a [&'a ConsumerFields],
    /// Most consumers of the stream.
    pub max_consumers: Option<usize>,
    /// Most messages that may wait for an acknowledgement, of the account.
    pub max_ack_pending: Option<i64>,
    /// Whether somebody listens where the existing one delivers.
    pub is_deliver_subject_used: bool,
    /// Bytes of the largest message that the stream or the server takes.
    pub largest_message_bytes: u64,
}

impl CreateRequest {
    /// Checks the configuration, and fills in what it does not say.
    ///
    /// # Errors
    /// As the reference has them; what only comes with a later version of this server is
    /// named.
    pub fn check(mut self, around: &Surroundings<'_>) -> Result<CheckedConsumer, ApiError> {
        if let Some(existing) = around.existing {
            // That has a request of its own.
            self.config.pause_until.clone_from(&existing.pause_until);
        }
        let limits = &around.stream.consumer_limits;
        self.config
            .fill_in(limits, around.max_ack_pending, self.pedantic)?;
        let config = &self.config;
        config.check_values(around.stream)?;
        config.check_mode(around.stream)?;
        config.check_limits(around)?;
        config.check_filters()?;
        config.check_start()?;
        config.check_rest()?;
        config.check_supported()?;
        match around.existing {
            Some(existing) => self.check_update(existing, around)?,
            None if self.action == Action::Update => return Err(error::CONSUMER_DOES_NOT_EXIST),
            None => self.config.check_place(around)?,
        }
        let mut fields = self.config;
        if fields.durable_name.is_empty() && fields.inactive_threshold == 0 {
            fields.inactive_threshold = EPHEMERAL_NS;
        }
        let config = fields.compile(around.largest_message_bytes);
        Ok(CheckedConsumer { fields, config })
    }

    fn check_update(
        &self,
        existing: &ConsumerFields,
        around: &Surroundings<'_>,
    ) -> Result<(), ApiError> {
        let config = &self.config;
        if self.action == Action::Create && !config.is_same(existing) {
            return Err(error::CONSUMER_EXISTS);
        }
        if around.stream.retention == RetentionWord::WorkQueue && config.meets_others(around) {
            return Err(error::WORK_QUEUE_OVERLAP);
        }
        let time = |fields: &ConsumerFields| fields.opt_start_time.as_ref().map(|time| time.wall());
        let (old, new) = (existing, config);
        let fixed = [
            (old.deliver_policy != new.deliver_policy, "deliver policy"),
            (old.mem_storage != new.mem_storage, "storage type"),
            (old.opt_start_seq != new.opt_start_seq, "start sequence"),
            (time(old) != time(new), "start time"),
            (old.ack_policy != new.ack_policy, "ack policy"),
            (old.replay_policy != new.replay_policy, "replay policy"),
            (old.idle_heartbeat != new.idle_heartbeat, "heart beats"),
            (old.flow_control != new.flow_control, "flow control"),
        ];
        if let Some((_, what)) = fixed.iter().find(|(is_changed, _)| *is_changed) {
            return Err(error::consumer_update_failed(what));
        }
        if old.deliver_subject != new.deliver_subject {
            let why = "can not update pull consumer to push based";
            if old.is_pull() {
                return Err(error::consumer_create_failed(why));
            }
            let why = "can not update push consumer to pull based";
            if new.is_pull() {
                return Err(error::consumer_create_failed(why));
            }
            if around.is_deliver_subject_used {
                return Err(error::CONSUMER_NAME_IN_USE);
            }
        }
        match old.max_waiting != new.max_waiting {
            true => Err(error::consumer_update_failed("max waiting")),
            false => Ok(()),
        }
    }
}

impl ConsumerFields {
    fn is_same(&self, other: &Self) -> bool {
        let without_levels = |fields: &Self| {
            let mut fields = fields.clone();
            fields.metadata.retain(|key, _| !key.starts_with("_nats."));
            fields
        };
        without_levels(self) == without_levels(other)
    }

    fn check_values(&self, stream: &StreamFields) -> Result<(), ApiError> {
        let bad = |name: &str| name.contains(['.', '*', '>', '\\', '/', ' ', '\t', '\r', '\n']);
        if bad(&self.name) {
            let why = "consumer name can not contain '.', '*', '>', '\\', '/'";
            return Err(error::invalid_stream_config(why));
        }
        if bad(&self.durable_name) {
            let why = "consumer durable name can not contain '.', '*', '>', '\\', '/'";
            return Err(error::invalid_stream_config(why));
        }
        let steps = i64::try_from(self.backoff.len()).unwrap_or(i64::MAX);
        let too_long = self.description.len() > DESCRIPTION_BYTES_MAX;
        let replicas = self.num_replicas;
        let is_copied = replicas != 0 && replicas != stream.num_replicas;
        let rules = [
            (
                replicas > stream.num_replicas,
                error::REPLICAS_EXCEED_STREAM,
            ),
            (replicas < 0, error::REPLICAS_NEGATIVE),
            (
                is_copied && stream.retention != RetentionWord::Limits,
                error::REPLICAS_MATCH_STREAM,
            ),
            (
                self.backoff.iter().any(|&step| step < 0),
                error::BACKOFF_NEGATIVE,
            ),
            (self.ack_wait < 0, error::ACK_WAIT_NEGATIVE),
            (
                self.ack_policy == AckWord::FlowControl && self.is_pull(),
                error::ACK_FLOW_CONTROL_NEEDS_PUSH,
            ),
            (
                self.max_deliver != -1 && steps > self.max_deliver,
                error::MAX_DELIVER_BACKOFF,
            ),
            (too_long, error::CONSUMER_DESCRIPTION_TOO_LONG),
        ];
        first(rules)
    }

    fn check_mode(&self, stream: &StreamFields) -> Result<(), ApiError> {
        let has_acks = self.ack_policy != AckWord::None;
        if self.is_pull() {
            let is_work_queue = stream.retention == RetentionWord::WorkQueue;
            let expires = self.max_expires;
            return first([
                (!has_acks && is_work_queue, error::PULL_NEEDS_ACKS),
                (self.rate_limit_bps > 0, error::PULL_WITH_RATE_LIMIT),
                (self.idle_heartbeat > 0, error::HEARTBEAT_NEEDS_PUSH),
                (self.flow_control, error::FLOW_CONTROL_NEEDS_PUSH),
                (
                    expires != 0 && expires < MAX_EXPIRES_MIN_NS,
                    error::MAX_EXPIRES_TOO_SMALL,
                ),
            ]);
        }
        let subject = self.deliver_subject.as_bytes();
        let mut stored = stream.subjects.iter();
        let heartbeat = self.idle_heartbeat;
        first([
            (has_wildcard(subject), error::DELIVER_TO_WILDCARDS),
            (
                !is_valid(subject) || is_of_server(&self.deliver_subject),
                error::INVALID_DELIVER_SUBJECT,
            ),
            (
                stored.any(|pattern| is_within(subject, pattern.as_bytes())),
                error::DELIVER_CYCLE,
            ),
            (self.max_waiting != 0, error::PUSH_MAX_WAITING),
            (
                self.max_ack_pending > 0 && !has_acks,
                error::MAX_PENDING_NEEDS_ACKS,
            ),
            (
                heartbeat > 0 && heartbeat < HEARTBEAT_MIN_NS,
                error::SMALL_HEARTBEAT,
            ),
        ])
    }

    fn check_limits(&self, around: &Surroundings<'_>) -> Result<(), ApiError> {
        let limits = &around.stream.consumer_limits;
        let of_account = around.max_ack_pending.unwrap_or(0);
        for most in [of_account, limits.max_ack_pending] {
            if most > 0 && self.max_ack_pending > most {
                return Err(error::max_ack_pending_exceeds(most));
            }
        }
        let most = limits.inactive_threshold;
        if most > 0 && self.inactive_threshold > most {
            let shown = duration(u64::try_from(most).unwrap_or(0));
            return Err(error::inactive_threshold_exceeds(&shown));
        }
        match self.direct && self.is_pull() {
            true => Err(error::DIRECT_NEEDS_PUSH),
            false => Ok(()),
        }
    }

    fn check_filters(&self) -> Result<(), ApiError> {
        if !self.filter_subject.is_empty() && !self.filter_subjects.is_empty() {
            return Err(error::BOTH_FILTERS);
        }
        if self.filter_subjects.iter().any(String::is_empty) {
            return Err(error::FILTER_EMPTY);
        }
        let filters = self.filters();
        if filters.len() > FILTERS_MAX {
            let why = "consumer has too many subject filters, maximum allowed is 1000";
            return Err(error::invalid_stream_config(why));
        }
        for (at, filter) in filters.iter().enumerate() {
            if !is_valid(filter.as_bytes()) {
                return Err(error::invalid_stream_config("invalid subject"));
            }
            let is_part = |(other_at, other): (usize, &String)| {
                other_at != at && is_within(filter.as_bytes(), other.as_bytes())
            };
            if filters.iter().enumerate().any(is_part) {
                return Err(error::FILTERS_OVERLAP);
            }
        }
        Ok(())
    }

    fn check_start(&self) -> Result<(), ApiError> {
        let (name, wants_sequence, wants_time) = match self.deliver_policy {
            DeliverWord::All => ("all", false, false),
            DeliverWord::Last => ("last", false, false),
            DeliverWord::New => ("new", false, false),
            DeliverWord::LastPerSubject => ("last per subject", false, false),
            DeliverWord::StartSequence => ("by start sequence", true, false),
            DeliverWord::StartTime => ("by start time", false, true),
        };
        let policy = format!("consumer delivery policy is deliver {name}, but optional");
        let wrong = |what: &str| Err(error::invalid_deliver_policy(format!("{policy} {what}")));
        let (sequence, time) = (self.opt_start_seq > 0, self.opt_start_time.is_some());
        match (wants_sequence, wants_time) {
            (true, _) if !sequence => wrong("start sequence is not set"),
            (_, true) if !time => wrong("start time is not set"),
            // With its slip.
            (_, true) if sequence => wrong("start start sequence is also set"),
            (false, false) if sequence => wrong("start sequence is also set"),
            (_, false) if time => wrong("start time is also set"),
            _ if self.deliver_policy == DeliverWord::LastPerSubject
                && self.filters().is_empty() =>
            {
                wrong("filter subject is not set")
            }
            _ => Ok(()),
        }
    }

    fn check_rest(&self) -> Result<(), ApiError> {
        self.sample_percent()
            .map_err(|why| error::invalid_sampling(&why))?;
        let metadata = self.metadata.iter();
        let metadata_len: usize = metadata.map(|(key, value)| key.len() + value.len()).sum();
        let has_policy = self.priority_policy != PriorityWord::None;
        let names = [&self.durable_name, &self.name];
        let groups = &self.priority_groups;
        first([
            (
                self.flow_control && self.idle_heartbeat == 0,
                error::FLOW_CONTROL_NEEDS_HEARTBEATS,
            ),
            (
                names.iter().all(|name| !name.is_empty()) && names[0] != names[1],
                error::DURABLE_AND_NAME_DIFFER,
            ),
            (
                metadata_len > METADATA_BYTES_MAX,
                error::CONSUMER_METADATA_TOO_LONG,
            ),
            (has_policy && !self.is_pull(), error::PUSH_WITH_GROUPS),
            (
                has_policy && groups.is_empty(),
                error::PRIORITY_WITHOUT_GROUP,
            ),
            (
                !has_policy && !groups.is_empty(),
                error::GROUPS_WITHOUT_PRIORITY,
            ),
            (
                !has_policy && self.priority_timeout > 0,
                error::TIMEOUT_WITHOUT_PRIORITY,
            ),
        ])
    }

    /// What is known and not served.
    fn check_supported(&self) -> Result<(), ApiError> {
        let unsupported = [
            (
                self.ack_policy == AckWord::FlowControl,
                "ack_policy flow_control",
            ),
            (
                self.priority_policy != PriorityWord::None,
                "priority_policy",
            ),
            (self.direct, "direct"),
            (self.sourcing, "sourcing"),
        ];
        match unsupported.iter().find(|(is_said, _)| *is_said) {
            Some((_, name)) => {
                let why = format!("{name} is not supported by this server");
                Err(error::invalid_stream_config(&why))
            }
            None => Ok(()),
        }
    }

    /// Whether the stream has room for a new one.
    fn check_place(&self, around: &Surroundings<'_>) -> Result<(), ApiError> {
        let count = around.others.len();
        let is_work_queue = around.stream.retention == RetentionWord::WorkQueue;
        let has_filters = !self.filters().is_empty();
        first([
            (
                around.max_consumers.is_some_and(|max| count >= max),
                error::MAX_CONSUMERS,
            ),
            (
                is_work_queue && self.ack_policy != AckWord::Explicit,
                error::WORK_QUEUE_NEEDS_EXPLICIT_ACKS,
            ),
            (
                is_work_queue && self.deliver_policy != DeliverWord::All,
                error::WORK_QUEUE_NEEDS_ALL,
            ),
            (
                is_work_queue && count > 0 && !has_filters,
                error::WORK_QUEUE_SECOND_UNFILTERED,
            ),
            (
                is_work_queue && self.meets_others(around),
                error::WORK_QUEUE_OVERLAP,
            ),
            (
                self.durable_name.len() > NAME_BYTES_MAX,
                error::CONSUMER_NAME_TOO_LONG,
            ),
            (
                self.name.len() > NAME_BYTES_MAX,
                error::consumer_create_failed("error creating store for consumer"),
            ),
        ])
    }

    /// Whether another consumer may want the same message.
    fn meets_others(&self, around: &Surroundings<'_>) -> bool {
        around.others.iter().any(|other| {
            let theirs = other.filters();
            theirs.is_empty()
                || self.filters().is_empty()
                || self.filters().iter().any(|mine| {
                    let meets = |their: &String| overlap(mine.as_bytes(), their.as_bytes());
                    theirs.iter().any(meets)
                })
        })
    }
}

/// The first rule that is broken.
fn first<const N: usize>(rules: [(bool, ApiError); N]) -> Result<(), ApiError> {
    match rules.into_iter().find(|(is_broken, _)| *is_broken) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

fn is_valid(subject: &[u8]) -> bool {
    Pattern::is_valid(subject)
        && !has_empty_token(subject)
        && !subject.iter().any(u8::is_ascii_whitespace)
}

fn has_wildcard(subject: &[u8]) -> bool {
    !is_literal(subject) && !has_empty_token(subject)
}

/// Whether a subject is one that the server itself listens to (NATS 2.15.3).
fn is_of_server(subject: &str) -> bool {
    let mut tokens = subject.split('.');
    let first = (tokens.next(), tokens.next(), tokens.next());
    matches!(
        first,
        (Some("_R_" | "_GR_"), Some(_), _)
            | (
                Some("$JS"),
                Some("API" | "ACK" | "FC" | "SNAPSHOT" | "EVENT"),
                _
            )
            | (Some("$JS"), Some(_), Some("API"))
    )
}

#[cfg(test)]
#[path = "consumer_rules_tests.rs"]
mod tests;
