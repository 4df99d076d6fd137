//! Messages in answers: in JSON to `STREAM.MSG.GET`, and as they are, with header fields
//! that say where they are from, to `DIRECT.GET` (ADR-31, NATS 2.15.3).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::answer::{answer, moment};
use crate::base::moment::WallNanos;

/// A stored message.
#[derive(Clone, Copy, Debug)]
pub struct StoredMessage<'a> {
    /// Its subject.
    pub subject: &'a [u8],
    /// Its sequence.
    pub sequence: u64,
    /// When it was stored.
    pub time: WallNanos,
    /// The header block, or nothing.
    pub header: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// The answer to `STREAM.MSG.GET`.
#[must_use]
pub fn message(stored: &StoredMessage<'_>, without_header: bool) -> String {
    #[derive(Serialize)]
    struct Message {
        subject: String,
        seq: u64,
        #[serde(skip_serializing_if = "String::is_empty")]
        hdrs: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        data: String,
        time: String,
    }
    #[derive(Serialize)]
    struct Said {
        message: Message,
    }
    let header = if without_header { b"" } else { stored.header };
    let message = Message {
        subject: String::from_utf8_lossy(stored.subject).into_owned(),
        seq: stored.sequence,
        hdrs: STANDARD.encode(header),
        data: STANDARD.encode(stored.payload),
        time: moment(stored.time),
    };
    answer("stream_msg_get", Said { message })
}

/// Where a message is in a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BatchPlace {
    /// Messages that follow, in this batch or others.
    pub pending: u64,
    /// The sequence of the message before, or 0.
    pub last: u64,
}

/// A header block that is a status alone: what happened instead of a message.
#[must_use]
pub fn status(text: &str) -> String {
    format!("NATS/1.0 {text}\r\n\r\n")
}

/// The header block that ends a batch; the sequence is that as of which last messages
/// were asked for.
#[must_use]
pub fn end_of_batch(place: BatchPlace, until: Option<u64>) -> String {
    let mut header = format!(
        "NATS/1.0 204 EOB\r\nNats-Num-Pending: {}\r\nNats-Last-Sequence: {}\r\n",
        place.pending, place.last
    );
    if let Some(until) = until {
        let written = write!(header, "Nats-UpTo-Sequence: {until}\r\n");
        written.expect("a text takes everything");
    }
    header + "\r\n"
}

/// The header block of a message of a direct get: its own, and where it is from.
#[must_use]
pub fn direct_header(
    stream: &str,
    stored: &StoredMessage<'_>,
    place: Option<BatchPlace>,
) -> Vec<u8> {
    let mut block = match stored.header.strip_suffix(b"\r\n") {
        Some(own) => own.to_vec(),
        None => b"NATS/1.0\r\n".to_vec(),
    };
    let mut add = |key: &str, value: &[u8]| {
        block.extend_from_slice(key.as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value);
        block.extend_from_slice(b"\r\n");
    };
    add("Nats-Stream", stream.as_bytes());
    add("Nats-Subject", stored.subject);
    add("Nats-Sequence", stored.sequence.to_string().as_bytes());
    add("Nats-Time-Stamp", moment(stored.time).as_bytes());
    if let Some(place) = place {
        add("Nats-Num-Pending", place.pending.to_string().as_bytes());
        add("Nats-Last-Sequence", place.last.to_string().as_bytes());
    }
    block.extend_from_slice(b"\r\n");
    block
}
