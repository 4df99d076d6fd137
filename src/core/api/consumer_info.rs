//! What clients are told of a consumer (`ConsumerInfo`, NATS 2.15.3).

use serde::Serialize;

use super::answer::{ErrorPart, moment};
use super::consumer_config::ConsumerFields;
use super::json;
use crate::base::moment::WallNanos;
use crate::consumer::Info;
use crate::stream::error::ApiError;

/// The types of answers.
pub mod answer_type {
    /// To `CONSUMER.CREATE`.
    pub const CREATE: &str = "io.nats.jetstream.api.v1.consumer_create_response";
    /// To `CONSUMER.INFO`.
    pub const INFO: &str = "io.nats.jetstream.api.v1.consumer_info_response";
    /// To `CONSUMER.DELETE`.
    pub const DELETE: &str = "io.nats.jetstream.api.v1.consumer_delete_response";
    /// To `CONSUMER.PAUSE`.
    pub const PAUSE: &str = "io.nats.jetstream.api.v1.consumer_pause_response";
    /// To `CONSUMER.RESET`.
    pub const RESET: &str = "io.nats.jetstream.api.v1.consumer_reset_response";
    /// To `CONSUMER.NAMES`.
    pub const NAMES: &str = "io.nats.jetstream.api.v1.consumer_names_response";
    /// To `CONSUMER.LIST`.
    pub const LIST: &str = "io.nats.jetstream.api.v1.consumer_list_response";
}

/// A pair of sequences, and when it last changed.
#[derive(Serialize)]
struct SequenceFields {
    consumer_seq: u64,
    stream_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_active: Option<String>,
}

/// A consumer, as clients see it.
#[derive(Serialize)]
pub struct InfoFields<'a> {
    stream_name: &'a str,
    name: &'a str,
    created: String,
    config: &'a ConsumerFields,
    delivered: SequenceFields,
    ack_floor: SequenceFields,
    num_ack_pending: u64,
    num_redelivered: u64,
    num_waiting: u64,
    num_pending: u64,
    #[serde(skip_serializing_if = "is_false")]
    push_bound: bool,
    #[serde(skip_serializing_if = "is_false")]
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_remaining: Option<u64>,
    ts: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl<'a> InfoFields<'a> {
    /// A consumer at a moment.
    #[must_use]
    pub fn new(
        stream_name: &'a str,
        name: &'a str,
        created: WallNanos,
        config: &'a ConsumerFields,
        info: &Info,
        now: WallNanos,
    ) -> Self {
        let time = |time: Option<WallNanos>| time.map(moment);
        let remaining = info.paused_until.map(|until| until.0.saturating_sub(now.0));
        let remaining = remaining.filter(|&ns| ns > 0);
        Self {
            stream_name,
            name,
            created: moment(created),
            config,
            delivered: SequenceFields {
                consumer_seq: info.delivered.consumer,
                stream_seq: info.delivered.stream,
                last_active: time(info.last_delivered),
            },
            ack_floor: SequenceFields {
                consumer_seq: info.floor.consumer,
                stream_seq: info.floor.stream,
                last_active: time(info.last_acked),
            },
            num_ack_pending: info.ack_pending,
            num_redelivered: info.redelivered,
            num_waiting: info.waiting,
            num_pending: info.pending,
            push_bound: info.is_push_bound,
            paused: remaining.is_some(),
            pause_remaining: remaining,
            ts: moment(now),
        }
    }
}

/// The answer that tells of a consumer.
#[derive(Serialize)]
struct InfoAnswer<'a> {
    r#type: &'a str,
    #[serde(flatten)]
    info: &'a InfoFields<'a>,
}

/// The answer to a request that is refused.
#[derive(Serialize)]
struct ErrorAnswer<'a> {
    r#type: &'a str,
    error: ErrorPart<'a>,
}

/// The answer that tells of a consumer, of one of the types above.
#[must_use]
pub fn answer(r#type: &str, info: Result<&InfoFields<'_>, &ApiError>) -> String {
    match info {
        Ok(info) => json::write(&InfoAnswer { r#type, info }),
        Err(error) => {
            let error = ErrorPart::from(error);
            json::write(&ErrorAnswer { r#type, error })
        }
    }
}
