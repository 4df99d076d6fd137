//! The first 16 bytes of a stamped payload (time, publisher, sequence) and the pattern behind them.

use std::sync::OnceLock;

/// Bytes at the start of a stamped payload: 8 of time, 8 of publisher and sequence.
pub const STAMP_BYTES: usize = 16;
/// Bits of the second word that hold the sequence; the rest is the publisher.
const SEQUENCE_BITS: u32 = 44;
/// Most publishers one run can have.
pub const PUBLISHERS_MAX: usize = 1 << (64 - SEQUENCE_BITS);
/// A prime, so that a payload shifted by any usual power of two does not match.
const PATTERN_PERIOD: usize = 251;

/// What a stamped payload says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Send time: the intended one in an open loop.
    pub time_ns: u64,
    /// Which publisher.
    pub publisher: u32,
    /// Counts this publisher's messages from 0.
    pub sequence: u64,
}

impl Stamp {
    /// Writes the stamp over the first bytes of `payload`.
    #[inline]
    pub fn write(self, payload: &mut [u8]) {
        let word = u64::from(self.publisher) << SEQUENCE_BITS | self.sequence;
        payload[..8].copy_from_slice(&self.time_ns.to_le_bytes());
        payload[8..STAMP_BYTES].copy_from_slice(&word.to_le_bytes());
    }

    /// Reads the stamp of `payload`; `None` when it is too short to have one.
    #[inline]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (time, rest) = payload.split_first_chunk::<8>()?;
        let (word, _) = rest.split_first_chunk::<8>()?;
        let word = u64::from_le_bytes(*word);
        Some(Stamp {
            time_ns: u64::from_le_bytes(*time),
            publisher: (word >> SEQUENCE_BITS) as u32,
            sequence: word & ((1 << SEQUENCE_BITS) - 1),
        })
    }
}

/// Fills a payload with the pattern (a stamp is written over its beginning later).
pub fn fill(payload: &mut [u8]) {
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte = (index % PATTERN_PERIOD) as u8;
    }
}

/// Whether everything behind the stamp is the pattern.
pub fn rest_is_intact(payload: &[u8]) -> bool {
    static PERIOD: OnceLock<Vec<u8>> = OnceLock::new();
    // Two periods in a row, so that any phase can be compared with one slice comparison per period.
    let period = PERIOD.get_or_init(|| {
        let mut bytes = vec![0; PATTERN_PERIOD * 16];
        fill(&mut bytes);
        bytes
    });
    let head = payload.len().min(period.len());
    payload
        .get(STAMP_BYTES..head)
        .is_none_or(|rest| rest == &period[STAMP_BYTES..head])
        && payload[head..]
            .chunks(period.len())
            .all(|chunk| chunk == &period[..chunk.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_survive_and_any_changed_byte_is_seen() {
        let stamp = Stamp {
            time_ns: u64::MAX - 3,
            publisher: 1_000_000,
            sequence: (1 << 44) - 2,
        };
        for size in [16, 17, 250, 251, 4016, 4017, 10_000] {
            let mut payload = vec![0; size];
            fill(&mut payload);
            stamp.write(&mut payload);
            assert_eq!(Stamp::read(&payload), Some(stamp));
            assert!(rest_is_intact(&payload), "{size}");
            for at in STAMP_BYTES..size {
                payload[at] ^= 1;
                assert!(!rest_is_intact(&payload), "{size} changed at {at}");
                payload[at] ^= 1;
            }
        }
        assert_eq!(Stamp::read(&[0; 15]), None);
    }
}
