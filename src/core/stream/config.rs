//! What is configured of a stream. A value of this type is valid: whoever reads one from
//! a request has checked it.

use crate::subject::transform::Transform;

/// When messages go, apart from limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Retention {
    /// By limits alone.
    #[default]
    Limits,
    /// When no consumer needs them any more.
    Interest,
    /// When a consumer has acknowledged them.
    WorkQueue,
}

/// What happens at a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Discard {
    /// The oldest messages go.
    #[default]
    Old,
    /// The new one is refused.
    New,
}

/// Where messages are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Storage {
    /// On disk, before they are acknowledged.
    #[default]
    File,
    /// In memory alone.
    Memory,
}

/// Where messages that were stored are published again (ADR-28).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Republish {
    /// Which subjects become which.
    pub transform: Transform,
    /// Whether payloads are left out.
    pub headers_only: bool,
}

/// What a stream is made from (`StreamConfig`, NATS 2.15).
#[derive(Clone, Debug, Default)]
pub struct StreamConfig {
    /// Its name.
    pub name: Box<str>,
    /// Patterns of the subjects whose messages it stores.
    pub subjects: Vec<Box<str>>,
    /// When messages go, apart from limits.
    pub retention: Retention,
    /// Where messages are.
    pub storage: Storage,
    /// What happens at a limit.
    pub discard: Discard,
    /// Whether a new message is refused at the limit of its subject, too.
    pub discards_new_per_subject: bool,
    /// Most messages.
    pub max_messages: Option<u64>,
    /// Most bytes, as [`record_bytes`] counts them.
    pub max_bytes: Option<u64>,
    /// Most messages of a subject.
    pub max_messages_per_subject: Option<u64>,
    /// Age at which messages go, in nanoseconds.
    pub max_age_ns: Option<u64>,
    /// Most bytes of header block and payload.
    pub max_message_bytes: Option<u64>,
    /// Most consumers.
    pub max_consumers: Option<u64>,
    /// How long message ids are known, in nanoseconds; 0: not at all.
    pub duplicate_window_ns: u64,
    /// Whether publishers get no answer.
    pub no_ack: bool,
    /// Whether nothing may be changed any more.
    pub sealed: bool,
    /// Whether messages may not be deleted by hand.
    pub deny_delete: bool,
    /// Whether the stream may not be purged by hand.
    pub deny_purge: bool,
    /// Whether `Nats-Rollup` is obeyed.
    pub allow_rollup: bool,
    /// Whether messages may be read without asking the API (`DIRECT.GET`, ADR-31).
    pub allow_direct: bool,
    /// Whether `Nats-TTL` is obeyed.
    pub allow_message_ttl: bool,
    /// What subjects become before anything is checked.
    pub subject_transform: Option<Transform>,
    /// Where messages that were stored are published again.
    pub republish: Option<Republish>,
    /// The first sequence.
    pub first_sequence: u64,
}

/// Bytes that a message counts for in limits, usage and `state.bytes` (NATS 2.15).
#[must_use]
pub fn record_bytes(storage: Storage, subject: usize, header: usize, payload: usize) -> u64 {
    const FILE_HEAD: usize = 30;
    const FILE_HEADER_LENGTH: usize = 4;
    const MEMORY_HEAD: usize = 16;
    let head = match storage {
        Storage::File if header > 0 => FILE_HEAD + FILE_HEADER_LENGTH,
        Storage::File => FILE_HEAD,
        Storage::Memory => MEMORY_HEAD,
    };
    (head + subject + header + payload) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_reference() {
        assert_eq!(record_bytes(Storage::File, 3, 0, 5), 38);
        assert_eq!(record_bytes(Storage::File, 3, 20, 5), 62);
        assert_eq!(record_bytes(Storage::Memory, 3, 20, 5), 44);
    }
}
