//! Prebuilt PUB bytes: what publishers send again and again with few large writes.

use crate::parse::SizeSpec;
use crate::random::Random;
use crate::stamp;
use crate::wire::encode;

/// Most messages in one batch.
const MESSAGES_MAX: usize = 4 << 20;
/// Most bytes in one batch.
const BYTES_MAX: usize = 512 << 20;

/// A cycle of encoded messages; message `sequence` of a publisher is the one at `sequence % len()`.
pub struct Batch {
    bytes: Vec<u8>,
    messages: Vec<Place>,
    /// Deliveries expected from the first `n` messages of the cycle, if not one per subscriber.
    deliveries_before: Option<Vec<u64>>,
}

#[derive(Clone, Copy)]
struct Place {
    start: u32,
    payload: u32,
    payload_size: u32,
    /// Payload bytes of all messages before this one.
    payload_before: u64,
}

impl Batch {
    /// Encodes a cycle over `subjects` of about `bytes_wanted` bytes: whole rounds over the subjects, and for
    /// distributions enough messages to show them.
    pub fn build(
        subjects: &[String],
        size: &SizeSpec,
        bytes_wanted: usize,
    ) -> Result<Self, String> {
        assert!(!subjects.is_empty(), "a publisher has a subject");
        let mut random = Random::new(0x1DEA);
        let (mut bytes, mut messages, mut payload_before) =
            (Vec::with_capacity(bytes_wanted + 4096), Vec::new(), 0);
        let least = if matches!(size, SizeSpec::Fixed(_)) {
            1
        } else {
            256
        };
        let mut payload = vec![0; size.max()];
        stamp::fill(&mut payload);
        loop {
            for subject in subjects {
                let start = bytes.len();
                let payload_size = size.draw(&mut random);
                encode::publish(
                    &mut bytes,
                    subject.as_bytes(),
                    b"",
                    &payload[..payload_size],
                );
                let place = bytes.len() - payload_size - 2;
                let (start, place) = (start as u32, (place - start) as u32);
                messages.push(Place {
                    start,
                    payload: place,
                    payload_size: payload_size as u32,
                    payload_before,
                });
                payload_before += payload_size as u64;
                if bytes.len() > BYTES_MAX || messages.len() > MESSAGES_MAX {
                    return Err(format!(
                        "{} subjects with payloads up to {} bytes do not fit into memory; use fewer or smaller",
                        subjects.len(),
                        size.max()
                    ));
                }
            }
            if bytes.len() >= bytes_wanted && messages.len() >= least {
                return Ok(Batch {
                    bytes,
                    messages,
                    deliveries_before: None,
                });
            }
        }
    }

    /// Gives each message of the cycle its own expected number of deliveries.
    pub fn with_deliveries(mut self, deliveries_of: impl Fn(usize) -> u64) -> Self {
        let mut sum = 0;
        let mut before = vec![0];
        before.extend((0..self.len()).map(|index| {
            sum += deliveries_of(index);
            sum
        }));
        self.deliveries_before = Some(before);
        self
    }

    /// Messages in the cycle.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Deliveries (per member of the group, or of the joint group) expected from `count` messages from `first` on.
    pub fn deliveries(&self, first: u64, count: u64) -> u64 {
        let Some(before) = &self.deliveries_before else {
            return count;
        };
        let cycle = self.len() as u64;
        let until = |sequence: u64| {
            (sequence / cycle) * before[self.len()] + before[(sequence % cycle) as usize]
        };
        until(first + count) - until(first)
    }

    /// Size of the payload of message `sequence`.
    pub fn payload_size(&self, sequence: u64) -> usize {
        self.messages[(sequence % self.len() as u64) as usize].payload_size as usize
    }

    /// Subject of message `sequence`.
    pub fn subject(&self, sequence: u64) -> &[u8] {
        let place = self.messages[(sequence % self.len() as u64) as usize];
        let line = &self.bytes[place.start as usize + 4..(place.start + place.payload) as usize];
        &line[..memchr::memchr(b' ', line).unwrap_or(line.len())]
    }

    /// Byte range of `count` messages from cycle position `first`, which must not pass the end of the cycle.
    pub fn range(&self, first: usize, count: usize) -> std::ops::Range<usize> {
        let end = self
            .messages
            .get(first + count)
            .map_or(self.bytes.len(), |place| place.start as usize);
        self.messages[first].start as usize..end
    }

    /// Payload bytes of `count` (≥ 1) messages from cycle position `first`, which must not pass the end of the cycle.
    pub fn payload_bytes(&self, first: usize, count: usize) -> u64 {
        let last = self.messages[first + count - 1];
        last.payload_before + u64::from(last.payload_size) - self.messages[first].payload_before
    }

    /// How many messages from `first` on (at least one, at most `limit`) fit into `bytes_max` without passing the end.
    pub fn fitting(&self, first: usize, limit: u64, bytes_max: usize) -> usize {
        let most = (self.len() - first).min(usize::try_from(limit).unwrap_or(usize::MAX));
        if most <= 1 {
            return 1;
        }
        let stop = self.messages[first].start as usize + bytes_max;
        if self.range(first, most).end <= stop {
            return most;
        }
        self.messages[first + 1..first + most]
            .partition_point(|place| place.start as usize <= stop)
            .max(1)
    }

    /// All bytes of the cycle.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the payload of the message at cycle position `index` starts, relative to the message, and its size.
    pub fn payload_place(&self, index: usize) -> (usize, usize) {
        (
            self.messages[index].payload as usize,
            self.messages[index].payload_size as usize,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("s.{index}")).collect()
    }

    #[test]
    fn fixed_sizes_fill_the_wanted_bytes_with_whole_rounds() {
        let batch = Batch::build(&names(3), &SizeSpec::Fixed(16), 1000).unwrap();
        assert!(batch.len().is_multiple_of(3) && batch.bytes().len() >= 1000);
        assert!(batch.bytes().starts_with(b"PUB s.0 16\r\n"));
        assert_eq!(batch.range(0, batch.len()), 0..batch.bytes().len());
        let one = batch.range(0, 1).len();
        assert_eq!(batch.fitting(0, u64::MAX, 10 * one), 10);
        assert_eq!(batch.fitting(0, u64::MAX, 10 * one + one - 1), 10);
        assert_eq!(batch.fitting(0, 4, 10 * one), 4);
        assert_eq!(
            batch.fitting(0, u64::MAX, 1),
            1,
            "a message larger than the bound still goes"
        );
        assert_eq!(batch.fitting(batch.len() - 2, u64::MAX, 10 * one), 2);
        let (at, size) = batch.payload_place(1);
        assert_eq!(
            (size, &batch.bytes()[batch.range(1, 1)][at - 2..at]),
            (16, &b"\r\n"[..])
        );
    }

    #[test]
    fn deliveries_are_summed_over_cycles() {
        let batch = Batch::build(&names(4), &SizeSpec::Fixed(0), 1).unwrap();
        assert_eq!((batch.len(), batch.deliveries(7, 9)), (4, 9));
        let batch = batch.with_deliveries(|index| index as u64);
        for first in 0..9u64 {
            for count in 0..9u64 {
                let naive: u64 = (first..first + count).map(|sequence| sequence % 4).sum();
                assert_eq!(batch.deliveries(first, count), naive);
            }
        }
    }

    #[test]
    fn too_much_is_refused() {
        assert!(Batch::build(&names(600), &SizeSpec::Fixed(1 << 20), 1).is_err());
    }
}
