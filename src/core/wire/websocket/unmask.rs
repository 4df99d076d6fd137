//! Takes the mask off a frame's payload.
//!
//! A client masks every payload with four bytes of its own (RFC 6455, 5.3), so
//! each byte that arrives goes through here once. Payloads of consecutive
//! frames are moved together in the same pass, over the headers between them,
//! so that a read full of small frames becomes one run of NATS protocol in the
//! receive buffer. Source and destination may overlap: the destination never
//! lies behind the source, and a block is read whole before it is written.

use std::ops::Range;

const BLOCK_BYTES: usize = 32;

/// Unmasks `from` and writes it at `to`, which is at or before it; returns the
/// key as it goes on with the next byte of the same frame.
pub fn unmask(bytes: &mut [u8], from: Range<usize>, to: usize, key: [u8; 4]) -> [u8; 4] {
    assert!(to <= from.start, "payload only moves to the front");
    let len = from.len();
    let keys: [u8; BLOCK_BYTES] = std::array::from_fn(|at| key[at % 4]);
    // One check of bounds for all blocks.
    let window = &mut bytes[to..from.end];
    let ahead = from.start - to;
    let whole = len - len % BLOCK_BYTES;
    for at in (0..whole).step_by(BLOCK_BYTES) {
        let mut block = [0; BLOCK_BYTES];
        block.copy_from_slice(&window[at + ahead..at + ahead + BLOCK_BYTES]);
        for (byte, key) in block.iter_mut().zip(keys) {
            *byte ^= key;
        }
        window[at..at + BLOCK_BYTES].copy_from_slice(&block);
    }
    for at in whole..len {
        window[at] = window[at + ahead] ^ key[at % 4];
    }
    std::array::from_fn(|at| key[(at + len) % 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition (RFC 6455, 5.3), byte by byte.
    fn naive(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
        let pairs = payload.iter().enumerate();
        pairs.map(|(at, byte)| byte ^ key[at % 4]).collect()
    }

    #[test]
    fn equals_the_definition_for_every_length_distance_and_split() {
        let key = [0x12, 0xf4, 0x00, 0xa7];
        let original: Vec<u8> = (0..400u32).map(|at| (at * 37 % 251) as u8).collect();
        for len in 0..140 {
            for ahead in [0, 1, 3, 6, 8, 14, 33, 200] {
                let mut bytes = original.clone();
                let from = 20 + ahead;
                unmask(&mut bytes, from..from + len, 20, key);
                assert_eq!(bytes[20..20 + len], naive(&original[from..from + len], key));
                assert_eq!(bytes[..20], original[..20]);
                assert_eq!(bytes[from + len..], original[from + len..]);
            }
        }
        for split in 0..100 {
            let mut bytes = original[..100].to_vec();
            let rotated = unmask(&mut bytes, 0..split, 0, key);
            unmask(&mut bytes, split..100, split, rotated);
            assert_eq!(bytes, naive(&original[..100], key), "split at {split}");
        }
    }
}
