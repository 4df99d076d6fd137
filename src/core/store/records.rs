//! What the records of a journal mean, and how those that are no messages are written.
//!
//! Everything that is durable is a record. Messages are found where their records lie, so
//! records are copied when the oldest file of the journal goes; the same record may come
//! twice, and all of them may be replayed twice without harm.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base::moment::WallNanos;
use crate::format::record::Kind;

/// A message; its sequence is that of the stream.
pub(super) const MESSAGE: Kind = Kind(1);
/// Messages that were removed ([`Ranges`]).
pub(super) const REMOVED: Kind = Kind(2);
/// All sequences up to this one were used.
pub(super) const USED: Kind = Kind(3);
/// A stream as it is now ([`StreamRecord`]).
pub(super) const STREAM: Kind = Kind(4);
/// A stream is gone.
pub(super) const STREAM_GONE: Kind = Kind(5);

/// A consumer as it is now ([`ConsumerRecord`]); the sequence is its number.
pub(super) const CONSUMER: Kind = Kind(6);
/// What a consumer has done since.
pub(super) const NOTES: Kind = Kind(7);
/// A consumer is gone.
pub(super) const CONSUMER_GONE: Kind = Kind(8);

/// A stream as it was when this was written; what comes later says what has changed.
#[derive(Serialize, Deserialize)]
pub(super) struct StreamRecord<'a> {
    /// The name of its account.
    pub account: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its configuration as clients see it.
    #[serde(borrow)]
    pub fields: &'a RawValue,
    /// When it was created, in nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// The last sequence that was used.
    pub last_sequence: u64,
    /// When the last message was stored.
    pub last_time_ns: u64,
}

/// A consumer as it was when this was written.
pub(super) struct ConsumerRecord<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its configuration as clients see it, in JSON.
    pub fields: &'a str,
    /// When it was created.
    pub created: WallNanos,
    /// How far it had come.
    pub progress: &'a [u8],
}

impl<'a> ConsumerRecord<'a> {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(self.created.0, &mut bytes);
        for part in [self.name.as_bytes(), self.fields.as_bytes(), self.progress] {
            put_varint(part.len() as u64, &mut bytes);
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// What a record says; `None` if it says nothing.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let created = WallNanos(take_varint(&mut rest)?);
        let mut part = || {
            let len = usize::try_from(take_varint(&mut rest)?).ok()?;
            let (part, behind) = rest.split_at_checked(len)?;
            rest = behind;
            Some(part)
        };
        Some(Self {
            created,
            name: std::str::from_utf8(part()?).ok()?,
            fields: std::str::from_utf8(part()?).ok()?,
            progress: part()?,
        })
    }
}

/// Ranges of sequences, each by its first one and how many they are.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ranges: Vec<(u64, u64)>,
}

impl Ranges {
    /// Adds a sequence, cheaply if it is the next one.
    pub fn add(&mut self, sequence: u64) {
        match self.ranges.last_mut() {
            Some((first, count)) if first.checked_add(*count) == Some(sequence) => *count += 1,
            _ => self.ranges.push((sequence, 1)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Writes them, and forgets them.
    pub fn encode(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.ranges.len() * 4);
        let mut before = 0_u64;
        for (first, count) in self.ranges.drain(..) {
            put_varint(first.wrapping_sub(before), &mut bytes);
            put_varint(count, &mut bytes);
            before = first;
        }
        bytes
    }

    /// Reads them; what is none ends them, which the checksum of the record does not let
    /// happen.
    pub fn decode(bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> {
        let (mut rest, mut before) = (bytes, 0_u64);
        std::iter::from_fn(move || {
            before = before.wrapping_add(take_varint(&mut rest)?);
            Some((before, take_varint(&mut rest)?))
        })
    }
}

fn put_varint(number: u64, into: &mut Vec<u8>) {
    let mut left = number;
    while left >= 0x80 {
        into.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    into.push(left.to_le_bytes()[0]);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_and_read() {
        let mut ranges = Ranges::default();
        for sequence in [1, 2, 3, 7, 5, 6, u64::MAX, 1_000_000] {
            ranges.add(sequence);
        }
        let bytes = ranges.encode();
        let read: Vec<_> = Ranges::decode(&bytes).collect();
        let expected = [(1, 3), (7, 1), (5, 2), (u64::MAX, 1), (1_000_000, 1)];
        assert_eq!((read, ranges.is_empty()), (expected.to_vec(), true));
        let cut: Vec<_> = Ranges::decode(&bytes[..bytes.len() - 1]).collect();
        assert_eq!(cut, expected[..4]);
    }
}
