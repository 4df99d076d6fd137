//! Answers about consumers that are more than how one stands, and the bodies of those
//! requests (NATS 2.15.3).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::answer;
use super::consumer_config::ConsumerFields;
use super::consumer_info::InfoFields;
use super::json;
use super::stream_change::note_level;
use super::time_field::TimeField;
use crate::base::moment::WallNanos;
use crate::stream::error::ApiError;

/// Names in an answer, at most.
pub const NAMES_PAGE: usize = 1024;

/// Consumers in an answer, at most.
pub const LIST_PAGE: usize = 256;

#[derive(Deserialize, Default)]
#[serde(default)]
struct PageFields {
    offset: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PauseFields {
    pause_until: Option<TimeField>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResetFields {
    seq: u64,
}

/// How many consumers a request for a list leaves out.
///
/// # Errors
/// 10025.
pub fn page_offset(body: &[u8]) -> Result<usize, ApiError> {
    let fields: PageFields = read(body)?;
    Ok(usize::try_from(fields.offset).unwrap_or(0))
}

/// Until when a consumer is to be paused.
///
/// # Errors
/// 10025.
pub fn pause_until(body: &[u8]) -> Result<Option<WallNanos>, ApiError> {
    let fields: PauseFields = read(body)?;
    Ok(fields.pause_until.as_ref().map(TimeField::wall))
}

/// Where a consumer is to begin anew.
///
/// # Errors
/// 10025.
pub fn reset_sequence(body: &[u8]) -> Result<Option<u64>, ApiError> {
    let fields: ResetFields = match body.is_empty() {
        true => ResetFields::default(),
        false => json::read(body)?,
    };
    Ok(Some(fields.seq).filter(|&sequence| sequence > 0))
}

fn read<T: serde::de::DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    match json::says_something(body) {
        true => json::read(body),
        false => Ok(T::default()),
    }
}

/// A configuration in JSON with another pause.
#[must_use]
pub fn with_pause(fields: &str, until: Option<WallNanos>) -> String {
    let mut fields = ConsumerFields::read(fields.as_bytes()).unwrap_or_default();
    fields.pause_until = until.map(TimeField::at);
    let level = fields.required_level().into();
    note_level(&mut fields.metadata, level);
    serde_json::to_string(&fields).expect("it can be written")
}

#[derive(Serialize)]
struct Page {
    total: usize,
    offset: usize,
    limit: usize,
}

/// The answer to `CONSUMER.NAMES`: a page of so many names.
#[must_use]
pub fn names(total: usize, offset: usize, shown: &[&str]) -> String {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        page: Page,
        consumers: &'a [&'a str],
    }
    let page = Page {
        total,
        offset: offset.min(total),
        limit: NAMES_PAGE,
    };
    answer(
        "consumer_names",
        Said {
            page,
            consumers: shown,
        },
    )
}

/// The answer to `CONSUMER.LIST`: a page of so many consumers.
#[must_use]
pub fn list(total: usize, offset: usize, shown: &[Box<RawValue>]) -> String {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        page: Page,
        consumers: &'a [Box<RawValue>],
    }
    let page = Page {
        total,
        offset: offset.min(total),
        limit: LIST_PAGE,
    };
    answer(
        "consumer_list",
        Said {
            page,
            consumers: shown,
        },
    )
}

/// The answer to `CONSUMER.DELETE`.
#[must_use]
pub fn deleted() -> String {
    #[derive(Serialize)]
    struct Said {
        success: bool,
    }
    answer("consumer_delete", Said { success: true })
}

/// The answer to `CONSUMER.PAUSE`.
#[must_use]
pub fn paused(is_paused: bool, until: &str, left_ns: u64) -> String {
    #[derive(Serialize)]
    struct Said<'a> {
        paused: bool,
        pause_until: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pause_remaining: Option<u64>,
    }
    answer(
        "consumer_pause",
        Said {
            paused: is_paused,
            pause_until: until,
            pause_remaining: Some(left_ns).filter(|&left| left > 0),
        },
    )
}

/// The answer to `CONSUMER.RESET`: it begins there.
#[must_use]
pub fn reset(info: &InfoFields<'_>, sequence: u64) -> String {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        info: &'a InfoFields<'a>,
        reset_seq: u64,
    }
    answer(
        "consumer_reset",
        Said {
            info,
            reset_seq: sequence,
        },
    )
}
