//! Bodies of requests about streams and their messages, checked (NATS 2.15.3).

use serde::Deserialize;

use super::stream_checks::SEQUENCE_MAX;
use super::{API_LEVEL, json};
use crate::base::moment::WallNanos;
use crate::base::shown::quoted;
use crate::stream::error::{self, ApiError};
use crate::stream::removal::Purge;
use crate::wire::headers::value;

/// Field of a request that says which level of the API it needs (ADR-44).
const REQUIRED_LEVEL: &str = "Nats-Required-Api-Level";

/// Whether a request may be served, by what its header block says.
///
/// # Errors
/// 10185 if it needs a level that is not served, or says none.
pub fn check_level(header: &[u8]) -> Result<(), ApiError> {
    let Some(level) = value(header, REQUIRED_LEVEL).filter(|level| !level.is_empty()) else {
        return Ok(());
    };
    let level = std::str::from_utf8(level).ok();
    let level = level.and_then(|level| level.parse::<i64>().ok());
    match level.is_some_and(|level| level <= API_LEVEL.into()) {
        true => Ok(()),
        false => Err(error::LEVEL_REQUIRED),
    }
}

/// A moment in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub WallNanos);

impl TryFrom<String> for Time {
    type Error = String;

    /// What was before 1970 counts as then.
    fn try_from(text: String) -> Result<Self, String> {
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|_| format!("parsing time {}: it is none", quoted(&text)))?;
        let nanos = u64::try_from(time.as_nanosecond().max(0)).unwrap_or(u64::MAX);
        Ok(Self(WallNanos(nanos)))
    }
}

/// Body of `STREAM.INFO`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct InfoRequest {
    /// Subjects that are left out.
    offset: i64,
    /// Whether the sequences of deleted messages are wanted.
    pub deleted_details: bool,
    /// Of which subjects the counts are wanted; empty: of none.
    pub subjects_filter: String,
}

impl InfoRequest {
    /// Reads a body; what is no object or array counts as empty.
    ///
    /// # Errors
    /// 10025.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read_optional(body)
    }

    /// Subjects that are left out.
    #[must_use]
    pub fn offset(&self) -> usize {
        offset(self.offset)
    }
}

/// Body of `STREAM.NAMES` and `STREAM.LIST`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PageRequest {
    /// Streams that are left out.
    offset: i64,
    /// Only streams one of whose subjects overlaps with this; empty: all.
    pub subject: String,
}

impl PageRequest {
    /// Reads a body; what is no object or array counts as empty.
    ///
    /// # Errors
    /// 10025.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read_optional(body)
    }

    /// Streams that are left out.
    #[must_use]
    pub fn offset(&self) -> usize {
        offset(self.offset)
    }
}

/// Body of `STREAM.PURGE` (ADR-10).
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PurgeRequest {
    filter: String,
    seq: u64,
    keep: u64,
}

impl PurgeRequest {
    /// Reads a body; what is no object or array means everything.
    ///
    /// # Errors
    /// 10025, or 10003 if both a sequence and a number of messages is said.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        let request: Self = read_optional(body)?;
        match request.seq > 0 && request.keep > 0 {
            true => Err(error::BAD_REQUEST),
            false => Ok(request),
        }
    }

    /// What is to be purged.
    #[must_use]
    pub fn purge(&self) -> Purge<'_> {
        Purge {
            filter: Some(self.filter.as_bytes()).filter(|filter| !filter.is_empty()),
            before: Some(self.seq.min(SEQUENCE_MAX)).filter(|&sequence| sequence > 0),
            keep: self.keep,
        }
    }
}

/// Body of `STREAM.MSG.DELETE`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeleteRequest {
    /// The message.
    pub seq: u64,
    /// Whether its bytes may stay where they are.
    pub no_erase: bool,
}

impl DeleteRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10003 if it is empty, 10025.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read_needed(body)
    }
}

/// The body of `STREAM.DELETE` is empty.
///
/// # Errors
/// 10038 if it is not.
pub fn check_empty(body: &[u8]) -> Result<(), ApiError> {
    match json::is_empty(body) {
        true => Ok(()),
        false => Err(error::NOT_EMPTY_REQUEST),
    }
}

fn read_optional<T: serde::de::DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    match json::says_something(body) {
        true => json::read(body),
        false => Ok(T::default()),
    }
}

/// Reads a body that may not be empty.
///
/// # Errors
/// 10003 if it is empty, 10025.
pub(super) fn read_needed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    match json::is_empty(body) {
        true => Err(error::BAD_REQUEST),
        false => json::read(body),
    }
}

fn offset(said: i64) -> usize {
    usize::try_from(said).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_not_served_is_refused() {
        let check = |level: &str| {
            let header = format!("NATS/1.0\r\n{REQUIRED_LEVEL}: {level}\r\n\r\n");
            check_level(header.as_bytes()).is_ok()
        };
        assert!(check("5") && check("-1") && check(""));
        assert!(!check("6") && !check("x") && !check("5 "));
        assert_eq!(check_level(b""), Ok(()));
    }

    #[test]
    fn purges_are_read() {
        let read = |body: &str| PurgeRequest::read(body.as_bytes());
        let bad = Err(error::BAD_REQUEST);
        assert_eq!(read(r#"{"seq":1,"keep":1}"#), bad);
        for all in ["", "x", "{}", "5"] {
            let request = read(all).expect("it is taken");
            assert_eq!(request.purge(), Purge::default(), "{all}");
        }
        let request = read(r#"{"filter":"a.>","seq":18446744073709551615}"#).expect("it is fine");
        let expected = Purge {
            filter: Some(b"a.>"),
            before: Some(SEQUENCE_MAX),
            keep: 0,
        };
        assert_eq!(request.purge(), expected);
        assert!(read(r#"{"x":1}"#).is_err() && read("[]").is_err());
    }

    #[test]
    fn pages_and_details_are_read() {
        let request = InfoRequest::read(br#"{"offset":-3,"deleted_details":true}"#);
        let request = request.expect("it is fine");
        assert!(request.deleted_details && request.offset() == 0);
        assert_eq!(InfoRequest::read(b"x"), Ok(InfoRequest::default()));
        let request = PageRequest::read(br#"{"offset":7,"subject":"a"}"#).expect("it is fine");
        assert_eq!((request.offset(), &*request.subject), (7, "a"));
    }

    #[test]
    fn some_bodies_are_needed_and_some_are_not_wanted() {
        assert_eq!(DeleteRequest::read(b"{}"), Err(error::BAD_REQUEST));
        let request = DeleteRequest::read(br#"{"seq":3}"#).expect("it is fine");
        assert_eq!((request.seq, request.no_erase), (3, false));
        assert_eq!(check_empty(b"{}"), Ok(()));
        assert_eq!(check_empty(b"x"), Err(error::NOT_EMPTY_REQUEST));
    }

    #[test]
    fn moments_are_read() {
        let time = |text: &str| Time::try_from(text.to_owned()).map(|time| time.0.0);
        assert_eq!(time("1970-01-01T00:00:01.5Z"), Ok(1_500_000_000));
        assert_eq!(time("1970-01-01T02:00:00+01:00"), Ok(3_600_000_000_000));
        assert_eq!(time("1960-01-01T00:00:00Z"), Ok(0));
        assert_eq!(time("9000-01-01T00:00:00Z"), Ok(u64::MAX));
        assert!(time("x").is_err());
    }
}
