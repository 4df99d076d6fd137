//! Bytes waiting for one socket.
//!
//! A row of blocks, filled at the back and sent from the front. An idle outbox
//! holds none. The first block is small, so that ten thousand connections with
//! one message each stay cheap; further ones are large, so that a busy one is
//! sent in few pieces. Emptied blocks return to the core's pool, which keeps a
//! bounded number of bytes. Blocks are zeroed once in their life and then only
//! overwritten.
//!
//! Bound: the shard closes a connection whose pending bytes exceed
//! `max_pending_bytes`. Not here: that decision, and the sending (shell).

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::base::limits::{
    OUTBOX_BLOCK_BYTES, OUTBOX_POOL_BYTES, OUTBOX_SMALL_BLOCK_BYTES, SEND_BLOCKS_MAX,
};

#[derive(Debug, Default)]
struct Block {
    bytes: Box<[u8]>,
    /// Bytes from here on are free.
    filled: usize,
}

/// Unused blocks of one core.
#[derive(Debug, Default)]
pub struct BlockPool {
    small: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
}

impl BlockPool {
    fn take(&mut self, len_min: usize, first: bool) -> Block {
        let bytes = if first && len_min <= OUTBOX_SMALL_BLOCK_BYTES {
            take_or_new(&mut self.small, OUTBOX_SMALL_BLOCK_BYTES)
        } else if len_min <= OUTBOX_BLOCK_BYTES {
            take_or_new(&mut self.large, OUTBOX_BLOCK_BYTES)
        } else {
            vec![0; len_min].into_boxed_slice()
        };
        Block { bytes, filled: 0 }
    }

    fn give(&mut self, bytes: Box<[u8]>) {
        let (list, kept_max) = match bytes.len() {
            OUTBOX_SMALL_BLOCK_BYTES => (
                &mut self.small,
                OUTBOX_POOL_BYTES / 4 / OUTBOX_SMALL_BLOCK_BYTES,
            ),
            OUTBOX_BLOCK_BYTES => (&mut self.large, OUTBOX_POOL_BYTES / OUTBOX_BLOCK_BYTES),
            _ => return,
        };
        if list.len() < kept_max {
            list.push(bytes);
        }
    }
}

fn take_or_new(list: &mut Vec<Box<[u8]>>, len: usize) -> Box<[u8]> {
    list.pop()
        .unwrap_or_else(|| vec![0; len].into_boxed_slice())
}

/// What waits to be sent to one peer.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The block being filled; without bytes while nothing waits.
    back: Block,
    /// Full blocks, the oldest first.
    full: VecDeque<Block>,
    /// Bytes of the front block that are sent already.
    sent: usize,
    pending: u64,
}

impl Outbox {
    /// Bytes that wait.
    #[must_use]
    #[inline]
    pub fn pending_bytes(&self) -> u64 {
        self.pending
    }

    /// Room for exactly `len` bytes at the back, which count as waiting from
    /// now on and must be overwritten by the caller.
    #[inline]
    pub fn extend(&mut self, len: usize, pool: &mut BlockPool) -> &mut [u8] {
        if self.back.bytes.len() - self.back.filled < len {
            self.next_block(len, pool);
        }
        self.pending += len as u64;
        let start = self.back.filled;
        self.back.filled += len;
        &mut self.back.bytes[start..start + len]
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8], pool: &mut BlockPool) {
        self.extend(bytes.len(), pool).copy_from_slice(bytes);
    }

    /// The waiting bytes, or the first of them, as slices for one vectored
    /// send.
    pub fn slices<'a, 'b>(
        &'a self,
        into: &'b mut [IoSlice<'a>; SEND_BLOCKS_MAX],
    ) -> &'b [IoSlice<'a>] {
        let mut skip = self.sent;
        let mut count = 0;
        let blocks = self.full.iter().chain([&self.back]);
        for (slice, block) in into.iter_mut().zip(blocks) {
            if block.filled > skip {
                *slice = IoSlice::new(&block.bytes[skip..block.filled]);
                count += 1;
            }
            skip = 0;
        }
        &into[..count]
    }

    /// Notes that the peer's socket has accepted this many bytes.
    pub fn advance(&mut self, mut accepted: usize, pool: &mut BlockPool) {
        assert!(accepted as u64 <= self.pending, "more sent than waited");
        self.pending -= accepted as u64;
        while let Some(front) = self.full.front() {
            let left = front.filled - self.sent;
            if accepted < left {
                self.sent += accepted;
                return;
            }
            accepted -= left;
            self.sent = 0;
            if let Some(front) = self.full.pop_front() {
                pool.give(front.bytes);
            }
        }
        self.sent += accepted;
        if self.sent == self.back.filled {
            self.sent = 0;
            pool.give(std::mem::take(&mut self.back).bytes);
        }
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self, pool: &mut BlockPool) {
        let pending = self.pending as usize;
        self.advance(pending, pool);
        self.full = VecDeque::new();
    }

    #[cold]
    fn next_block(&mut self, len_min: usize, pool: &mut BlockPool) {
        let first = self.back.bytes.is_empty();
        let block = pool.take(len_min, first);
        let previous = std::mem::replace(&mut self.back, block);
        if first {
            return;
        }
        // A block whose bytes are all sent would be an empty front.
        if self.full.is_empty() && self.sent == previous.filled {
            self.sent = 0;
            pool.give(previous.bytes);
        } else {
            self.full.push_back(previous);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn waiting(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
        let slices = outbox.slices(&mut slices);
        slices.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn gives_back_what_was_put_in() {
        let mut rng = Rng::new(5);
        let mut pool = BlockPool::default();
        let mut outbox = Outbox::default();
        let mut model: VecDeque<u8> = VecDeque::new();
        for _ in 0..3_000 {
            let len = match rng.below(20) {
                0 => rng.below(200_000),
                1..5 => rng.below(9_000),
                _ => rng.below(300),
            };
            let bytes: Vec<u8> = (0..len).map(|_| rng.below(256) as u8).collect();
            outbox.push(&bytes, &mut pool);
            model.extend(&bytes);
            while rng.below(3) > 0 && !model.is_empty() {
                let sent = waiting(&outbox);
                let accepted = rng.below(sent.len() as u64 + 1) as usize;
                let expected: Vec<u8> = model.drain(..accepted).collect();
                assert_eq!(&sent[..accepted], expected);
                outbox.advance(accepted, &mut pool);
            }
            assert_eq!(outbox.pending_bytes(), model.len() as u64);
        }
        outbox.clear(&mut pool);
        assert_eq!(outbox.pending_bytes(), 0);
        assert!(
            outbox.back.bytes.is_empty(),
            "an idle outbox holds no block"
        );
        let kept = pool.large.len() * OUTBOX_BLOCK_BYTES;
        assert!(kept <= OUTBOX_POOL_BYTES);
    }
}
