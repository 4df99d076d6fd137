//! What a consumer says besides messages: header blocks without payload (ADR-13, ADR-15).

use bytes::Bytes;

use super::notes::Sequences;

/// A message of the consumer itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Say {
    /// The subject that it goes to.
    pub to: Bytes,
    /// Where an answer goes, or nothing.
    pub reply: Bytes,
    /// The header block.
    pub header: Vec<u8>,
}

/// With what a request ends, or why it is not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// `400 Bad Request`, and why.
    BadRequest(&'static str),
    /// `404 No Messages`.
    NoMessages,
    /// `408 Request Timeout`.
    Timeout,
    /// `408 Requests Pending`: others have claimed what is there.
    RequestsPending,
    /// `409 Consumer is push based`.
    PushBased,
    /// `409 Exceeded MaxWaiting`.
    TooManyWaiting,
    /// `409 Exceeded MaxRequestBatch` and the like: of what, and how many are allowed.
    Exceeded(&'static str, String),
    /// `409 Message Size Exceeds MaxBytes`.
    MessageTooLarge,
    /// `409 Batch Completed`.
    BatchCompleted,
    /// `409 Consumer Deleted`.
    ConsumerDeleted,
    /// `409 Server Shutdown`.
    ServerShutdown,
}

/// What a request did not get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// Messages,
    pub messages: u64,
    /// and bytes.
    pub bytes: u64,
}

impl Status {
    /// The header block; what is left is said by those that say it.
    #[must_use]
    pub fn header(&self, left: Left) -> Vec<u8> {
        let line = match self {
            Self::BadRequest(why) => format!("400 Bad Request - {why}"),
            Self::NoMessages => "404 No Messages".to_owned(),
            Self::Timeout => "408 Request Timeout".to_owned(),
            Self::RequestsPending => "408 Requests Pending".to_owned(),
            Self::PushBased => "409 Consumer is push based".to_owned(),
            Self::TooManyWaiting => "409 Exceeded MaxWaiting".to_owned(),
            Self::Exceeded(what, max) => format!("409 Exceeded {what} of {max}"),
            Self::MessageTooLarge => "409 Message Size Exceeds MaxBytes".to_owned(),
            Self::BatchCompleted => "409 Batch Completed".to_owned(),
            Self::ConsumerDeleted => "409 Consumer Deleted".to_owned(),
            Self::ServerShutdown => "409 Server Shutdown".to_owned(),
        };
        let tells_left = matches!(
            self,
            Self::Timeout | Self::MessageTooLarge | Self::BatchCompleted | Self::ServerShutdown
        );
        let Left { messages, bytes } = left;
        match tells_left {
            true => format!(
                "NATS/1.0 {line}\r\nNats-Pending-Messages: {messages}\r\nNats-Pending-Bytes: {bytes}\r\n\r\n"
            ),
            false => format!("NATS/1.0 {line}\r\n\r\n"),
        }
        .into_bytes()
    }
}

/// The header block that says that a consumer lives: what it delivered last, and the
/// answer that it waits for, if it does.
#[must_use]
pub fn heartbeat(last: Sequences, stalled: &[u8]) -> Vec<u8> {
    let Sequences { consumer, stream } = last;
    let mut header = format!(
        "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: {consumer}\r\nNats-Last-Stream: {stream}\r\n"
    )
    .into_bytes();
    if !stalled.is_empty() {
        header.extend_from_slice(b"Nats-Consumer-Stalled: ");
        header.extend_from_slice(stalled);
        header.extend_from_slice(b"\r\n");
    }
    header.extend_from_slice(b"\r\n");
    header
}

/// The header block that asks how far a client has come.
pub const FLOW_CONTROL: &[u8] = b"NATS/1.0 100 FlowControl Request\r\n\r\n";

/// Bytes of the header block of a message without its payload.
#[must_use]
pub fn headers_only_len(header_len: usize, payload_len: usize) -> usize {
    let (before, _) = headers_only_parts(header_len);
    before + SIZE_FIELD.len() + payload_len.to_string().len() + 2 * LINE_END.len()
}

/// Appends the header block of a message without its payload, whose length it says.
pub fn headers_only(header: &[u8], payload_len: usize, into: &mut Vec<u8>) {
    let (_, is_new) = headers_only_parts(header.len());
    match is_new {
        true => into.extend_from_slice(HEADER_LINE),
        false => into.extend_from_slice(&header[..header.len() - LINE_END.len()]),
    }
    into.extend_from_slice(SIZE_FIELD);
    into.extend_from_slice(payload_len.to_string().as_bytes());
    into.extend_from_slice(LINE_END);
    into.extend_from_slice(LINE_END);
}

const HEADER_LINE: &[u8] = b"NATS/1.0\r\n";
const SIZE_FIELD: &[u8] = b"Nats-Msg-Size: ";
const LINE_END: &[u8] = b"\r\n";

/// Bytes before the field, and whether a header block begins.
fn headers_only_parts(header_len: usize) -> (usize, bool) {
    match header_len.checked_sub(LINE_END.len()) {
        Some(before) => (before, false),
        None => (HEADER_LINE.len(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_blocks_are_those_of_the_reference() {
        let left = Left {
            messages: 3,
            bytes: 0,
        };
        let cases = [
            (Status::NoMessages, "NATS/1.0 404 No Messages\r\n\r\n"),
            (
                Status::Timeout,
                "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 3\r\nNats-Pending-Bytes: 0\r\n\r\n",
            ),
            (
                Status::Exceeded("MaxRequestBatch", "5".to_owned()),
                "NATS/1.0 409 Exceeded MaxRequestBatch of 5\r\n\r\n",
            ),
            (
                Status::BadRequest("heartbeat value too large"),
                "NATS/1.0 400 Bad Request - heartbeat value too large\r\n\r\n",
            ),
        ];
        for (status, text) in cases {
            assert_eq!(status.header(left), text.as_bytes());
        }
        let last = Sequences {
            consumer: 7,
            stream: 9,
        };
        let plain =
            "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\nNats-Last-Stream: 9\r\n\r\n";
        assert_eq!(heartbeat(last, b""), plain.as_bytes());
        let stalled = "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\nNats-Last-Stream: 9\r\nNats-Consumer-Stalled: $JS.FC.S.C.abcd\r\n\r\n";
        assert_eq!(heartbeat(last, b"$JS.FC.S.C.abcd"), stalled.as_bytes());
    }

    #[test]
    fn a_message_without_payload_says_its_size() {
        let cases: [(&[u8], usize, &str); 2] = [
            (b"", 5, "NATS/1.0\r\nNats-Msg-Size: 5\r\n\r\n"),
            (
                b"NATS/1.0\r\nA: b\r\n\r\n",
                120,
                "NATS/1.0\r\nA: b\r\nNats-Msg-Size: 120\r\n\r\n",
            ),
        ];
        for (header, payload_len, expected) in cases {
            let mut written = Vec::new();
            headers_only(header, payload_len, &mut written);
            assert_eq!(written, expected.as_bytes());
            assert_eq!(headers_only_len(header.len(), payload_len), expected.len());
        }
    }
}
