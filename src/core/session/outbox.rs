//! Bytes waiting for one socket.
//!
//! A row of blocks, filled at the back and sent from the front. An idle outbox
//! holds none. The first block is small, so that ten thousand connections with
//! one message each stay cheap; further ones are larger and larger, so that a
//! busy one is sent in few pieces. Emptied blocks return to the core's pool,
//! which keeps a bounded number of bytes and few of them while the core is
//! idle. Blocks are zeroed once in their life and then only overwritten. A
//! large message is not copied into their blocks: the outboxes of those who get
//! it share it.
//!
//! Bound: the shard closes a connection whose pending bytes exceed
//! `max_pending_bytes`. Not here: that decision, and the sending (shell).

use crate::base::width::size;
use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Bytes, BytesMut};

use crate::base::limits::{
    OUTBOX_BLOCK_BYTES, OUTBOX_LARGE_BLOCK_BYTES, OUTBOX_POOL_BYTES, OUTBOX_POOL_IDLE_BYTES,
    OUTBOX_SMALL_BLOCK_BYTES, SEND_BLOCKS_MAX,
};

#[derive(Debug, Default)]
struct Block {
    bytes: Box<[u8]>,
    /// Bytes from here on are free.
    filled: usize,
}

/// Sizes of blocks: an outbox begins with the first and goes on with larger
/// ones; a message that fits into none gets a block of its own size.
const CLASSES: [usize; 3] = [
    OUTBOX_SMALL_BLOCK_BYTES,
    OUTBOX_BLOCK_BYTES,
    OUTBOX_LARGE_BLOCK_BYTES,
];

/// Unused blocks of one core.
#[derive(Debug, Default)]
pub struct BlockPool {
    classes: [Vec<Box<[u8]>>; CLASSES.len()],
    /// Blocks for single messages.
    huge: Vec<Box<[u8]>>,
    /// Empty buffers for large messages that are shared.
    shared: Vec<BytesMut>,
    bytes: usize,
}

impl BlockPool {
    /// A block with room for `len_min` bytes, of this class if that is large
    /// enough.
    fn take(&mut self, len_min: usize, class_min: usize) -> Block {
        let fitting = (class_min..CLASSES.len()).find(|&class| CLASSES[class] >= len_min);
        let pooled = match fitting {
            Some(class) => self.classes[class].pop(),
            None => {
                let fits = self.huge.iter().position(|block| block.len() >= len_min);
                fits.map(|at| self.huge.swap_remove(at))
            }
        };
        let bytes = match pooled {
            Some(bytes) => {
                self.bytes -= bytes.len();
                bytes
            }
            None => {
                let exact = len_min.next_multiple_of(OUTBOX_BLOCK_BYTES);
                vec![0; fitting.map_or(exact, |class| CLASSES[class])].into_boxed_slice()
            }
        };
        Block { bytes, filled: 0 }
    }

    fn give(&mut self, bytes: Box<[u8]>) {
        if bytes.is_empty() || self.bytes + bytes.len() > OUTBOX_POOL_BYTES {
            return;
        }
        self.bytes += bytes.len();
        match CLASSES.iter().position(|&class| class == bytes.len()) {
            Some(class) => self.classes[class].push(bytes),
            None => self.huge.push(bytes),
        }
    }

    /// An empty buffer with room for a message of `len` bytes, and not so much
    /// more that a small message would pin a lot of memory.
    pub fn take_shared(&mut self, len: usize) -> BytesMut {
        let fits = |buffer: &BytesMut| (len..=len * 2).contains(&buffer.capacity());
        match self.shared.iter().rposition(fits) {
            Some(at) => {
                let buffer = self.shared.swap_remove(at);
                self.bytes -= buffer.capacity();
                buffer
            }
            None => BytesMut::with_capacity(len),
        }
    }

    /// Takes back a message that was shared, or a part of it; only the last one
    /// who has it really gives it back.
    pub fn give_shared(&mut self, message: Bytes) {
        let Ok(mut buffer) = message.try_into_mut() else {
            return;
        };
        buffer.clear();
        // The room before a part comes back as well.
        let _ = buffer.try_reclaim(buffer.capacity() + 1);
        let len = buffer.capacity();
        if len > 0 && self.bytes + len <= OUTBOX_POOL_BYTES {
            self.bytes += len;
            self.shared.push(buffer);
        }
    }

    /// Frees what an idle core does not need.
    pub fn trim(&mut self) {
        if self.bytes <= OUTBOX_POOL_IDLE_BYTES {
            return;
        }
        self.huge = Vec::new();
        self.shared = Vec::new();
        let mut left = OUTBOX_POOL_IDLE_BYTES;
        for (list, len) in self.classes.iter_mut().zip(CLASSES) {
            list.truncate(left / len);
            list.shrink_to_fit();
            left -= list.len() * len;
        }
        self.bytes = OUTBOX_POOL_IDLE_BYTES - left;
    }
}

/// A piece of what waits.
#[derive(Debug)]
enum Piece {
    /// Bytes copied for this peer.
    Own(Block),
    /// A large message, which other peers may get as well.
    Shared(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(block) => &block.bytes[..block.filled],
            Self::Shared(bytes) => bytes,
        }
    }
}

/// What waits to be sent to one peer.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The block being filled; without bytes while nothing waits.
    back: Block,
    /// Pieces before it, the oldest first.
    full: VecDeque<Piece>,
    /// Bytes of the oldest piece that are sent already.
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

    /// Appends a large message without copying it.
    pub fn push_shared(&mut self, bytes: Bytes, pool: &mut BlockPool) {
        let back = std::mem::take(&mut self.back);
        self.keep(back, pool);
        self.pending += bytes.len() as u64;
        self.full.push_back(Piece::Shared(bytes));
    }

    /// The waiting bytes, or the first of them, as slices for one vectored
    /// send.
    pub fn slices<'a, 'b>(
        &'a self,
        into: &'b mut [IoSlice<'a>; SEND_BLOCKS_MAX],
    ) -> &'b [IoSlice<'a>] {
        let mut skip = self.sent;
        let mut count = 0;
        let pieces = self.full.iter().map(Piece::bytes);
        let back = &self.back.bytes[..self.back.filled];
        for (slice, bytes) in into.iter_mut().zip(pieces.chain([back])) {
            // Only the last one can be empty.
            if bytes.len() > skip {
                *slice = IoSlice::new(&bytes[skip..]);
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
            let left = front.bytes().len() - self.sent;
            if accepted < left {
                self.sent += accepted;
                return;
            }
            accepted -= left;
            self.sent = 0;
            match self.full.pop_front() {
                Some(Piece::Own(front)) => pool.give(front.bytes),
                Some(Piece::Shared(front)) => pool.give_shared(front),
                None => {}
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
        let pending = size(self.pending);
        self.advance(pending, pool);
        self.full = VecDeque::new();
    }

    #[cold]
    fn next_block(&mut self, len_min: usize, pool: &mut BlockPool) {
        let first = self.back.bytes.is_empty();
        let class = match (first, self.full.is_empty()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        let block = pool.take(len_min, class);
        let previous = std::mem::replace(&mut self.back, block);
        self.keep(previous, pool);
    }

    /// Puts a block that is filled no further behind the other pieces.
    fn keep(&mut self, block: Block, pool: &mut BlockPool) {
        // A block whose bytes are all sent would be an empty piece.
        let is_sent = self.full.is_empty() && self.sent == block.filled;
        if is_sent {
            self.sent = 0;
        }
        if is_sent || block.filled == 0 {
            pool.give(block.bytes);
        } else {
            self.full.push_back(Piece::Own(block));
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
    fn shared_buffers_come_back_from_the_last_who_has_them() {
        let mut pool = BlockPool::default();
        let mut outboxes = [Outbox::default(), Outbox::default()];
        for round in 0..100u8 {
            let mut buffer = pool.take_shared(20_000);
            assert!(buffer.is_empty() && pool.bytes == 0, "one goes round");
            buffer.resize(20_000, round);
            let whole = buffer.freeze();
            for outbox in &mut outboxes {
                outbox.push_shared(whole.slice(10..), &mut pool);
            }
            pool.give_shared(whole);
            for outbox in &mut outboxes {
                assert!(pool.shared.is_empty(), "somebody still has it");
                assert!(waiting(outbox).iter().all(|&byte| byte == round));
                outbox.advance(19_990, &mut pool);
            }
            assert_eq!((pool.shared.len(), pool.bytes), (1, 20_000));
        }
        assert_eq!(
            pool.take_shared(9_000).capacity(),
            9_000,
            "not the large one"
        );
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
            if rng.below(5) == 0 && !bytes.is_empty() {
                outbox.push_shared(Bytes::copy_from_slice(&bytes), &mut pool);
            } else {
                outbox.push(&bytes, &mut pool);
            }
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
        let kept = |pool: &BlockPool| -> usize {
            let blocks = pool.classes.iter().flatten().chain(&pool.huge);
            let own: usize = blocks.map(|block| block.len()).sum();
            own + pool.shared.iter().map(BytesMut::capacity).sum::<usize>()
        };
        assert_eq!(kept(&pool), pool.bytes);
        assert!(pool.bytes > 0 && pool.bytes <= OUTBOX_POOL_BYTES);
        pool.trim();
        assert_eq!(kept(&pool), pool.bytes);
        assert!(pool.bytes <= OUTBOX_POOL_IDLE_BYTES);
    }
}
