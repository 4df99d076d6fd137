//! Deflating and inflating of messages (RFC 7692), one of each per core.
//!
//! Both sides agree to forget everything between two messages, so one pair
//! serves all connections. A message is a deflate stream that ends in a sync
//! flush whose last four bytes are left out.
//!
//! Bounds: what is inflated never exceeds `max_payload` (NATS 2.15), however
//! small it came; buffers that grew beyond [`KEPT_BYTES_MAX`] are not kept.

use crate::base::width::size;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::close::Violation;

/// Buffers of this size stay for the next message; larger ones are freed.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// Room that a buffer grows by.
const STEP_BYTES: usize = 32 << 10;

/// What the sender has left out, and an empty last block, so that inflating
/// ends (NATS 2.15).
const TAIL: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// Bytes that every sync flush ends with.
const FLUSH_BYTES: usize = 4;

/// Deflater, inflater and buffers of one core. They are made when first used.
#[derive(Default)]
pub struct Codec {
    deflater: Option<Compress>,
    inflater: Option<Decompress>,
    /// The message inflated last.
    inflated: Vec<u8>,
    /// A buffer for deflated messages that no connection holds.
    spare: Vec<u8>,
}

impl Codec {
    /// An empty buffer for a deflated message.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.spare)
    }

    /// Takes a buffer back for the next one.
    pub fn give_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX && buffer.capacity() > self.spare.capacity() {
            buffer.clear();
            self.spare = buffer;
        }
    }

    /// Appends one deflated message.
    pub fn deflate<'a>(&mut self, message: impl Iterator<Item = &'a [u8]>, into: &mut Vec<u8>) {
        let deflater = self
            .deflater
            .get_or_insert_with(|| Compress::new(Compression::fast(), false));
        deflater.reset();
        for slice in message {
            let mut rest = slice;
            while !rest.is_empty() {
                let taken = step(deflater, rest, into, FlushCompress::None);
                rest = &rest[taken..];
            }
        }
        // A flush is whole when it leaves room.
        loop {
            step(deflater, &[], into, FlushCompress::Sync);
            if into.len() < into.capacity() {
                break;
            }
        }
        debug_assert!(into.ends_with(&TAIL[..FLUSH_BYTES]));
        into.truncate(into.len() - FLUSH_BYTES);
    }

    /// Inflates one message. If it has more than `max_bytes`, as many are
    /// there and the result says so.
    pub fn inflate(&mut self, message: &[u8], max_bytes: usize) -> Result<(), Violation> {
        if self.inflated.capacity() > KEPT_BYTES_MAX {
            self.inflated = Vec::new();
        }
        self.inflated.clear();
        let inflater = self.inflater.get_or_insert_with(|| Decompress::new(false));
        inflater.reset(false);
        for part in [message, &TAIL] {
            let is_over = inflate_part(inflater, part, &mut self.inflated, max_bytes);
            if self.inflated.len() > max_bytes {
                self.inflated.truncate(max_bytes);
                return Err(Violation::too_big());
            }
            if is_over? {
                return Ok(());
            }
        }
        Err(Violation::unreadable("unexpected EOF"))
    }

    /// The message that was inflated last.
    pub fn inflated(&self) -> &[u8] {
        &self.inflated
    }
}

fn step(deflater: &mut Compress, from: &[u8], into: &mut Vec<u8>, flush: FlushCompress) -> usize {
    into.reserve(from.len().clamp(64, STEP_BYTES));
    let before = deflater.total_in();
    deflater
        .compress_vec(from, into, flush)
        .expect("a deflater takes any bytes");
    size(deflater.total_in() - before)
}

/// Inflates until the bytes are used up, the stream ends (true) or there is
/// more than `max_bytes`.
fn inflate_part(
    inflater: &mut Decompress,
    mut from: &[u8],
    into: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<bool, Violation> {
    loop {
        let room = (max_bytes + 1 - into.len()).min(STEP_BYTES);
        if into.capacity() == into.len() {
            into.reserve(room);
        }
        let before = (inflater.total_in(), inflater.total_out());
        let status = inflater
            .decompress_vec(from, into, FlushDecompress::None)
            .map_err(|_| Violation::unreadable("corrupt compressed message"))?;
        from = &from[size(inflater.total_in() - before.0)..];
        let is_stuck = before == (inflater.total_in(), inflater.total_out());
        match status {
            Status::StreamEnd => return Ok(true),
            _ if into.len() > max_bytes => return Ok(false),
            _ if from.is_empty() && into.len() < into.capacity() => return Ok(false),
            _ if is_stuck => return Err(Violation::unreadable("corrupt compressed message")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn deflated(codec: &mut Codec, message: &[u8]) -> Vec<u8> {
        let mut into = codec.take_buffer();
        codec.deflate(std::iter::once(message), &mut into);
        let result = into.clone();
        codec.give_buffer(into);
        result
    }

    #[test]
    fn inflating_undoes_deflating_whatever_came_before() {
        let mut rng = Rng::new(3);
        let mut codec = Codec::default();
        for len in [0, 1, 63, 64, 128, 4_095, 33_000, 300_000, 1_000_000, 5] {
            for letters in [1, 4, 256] {
                let message: Vec<u8> = (0..len).map(|_| rng.below(letters) as u8).collect();
                let small = deflated(&mut codec, &message);
                assert_eq!(codec.inflate(&small, 1 << 20), Ok(()));
                assert!(codec.inflated() == message, "{len} bytes");
            }
        }
    }

    #[test]
    fn bombs_and_garbage_end_at_the_bound() {
        let mut codec = Codec::default();
        let bomb = deflated(&mut codec, &vec![0; 10 << 20]);
        assert!(bomb.len() < 1 << 20);
        let too_large = Err(Violation::too_big());
        for max_bytes in [1, 1_000, 32 << 10, 1 << 20] {
            assert_eq!(codec.inflate(&bomb, max_bytes), too_large);
            assert_eq!(codec.inflated().len(), max_bytes);
            assert!(codec.inflated.capacity() <= 2 * max_bytes + 2 * STEP_BYTES);
        }
        let exact = deflated(&mut codec, &[7; 1_000]);
        assert_eq!(codec.inflate(&exact, 1_000), Ok(()));
        assert_eq!(codec.inflate(&exact, 999), too_large);
        assert!(codec.inflate(&[0xff; 50], 1_000).is_err());
        let cut = deflated(&mut codec, b"something to cut in the middle of it");
        assert!(codec.inflate(&cut[..cut.len() / 2], 1_000).is_err());
        assert_eq!(codec.inflate(&exact, 1_000), Ok(()), "usable afterwards");
    }

    #[test]
    fn bytes_after_the_end_of_the_stream_are_ignored() {
        let mut codec = Codec::default();
        // A last block of three stored bytes, then garbage.
        let message = b"\x01\x03\x00\xfc\xffabc\xff\xff\xff";
        assert_eq!(codec.inflate(message, 100), Ok(()));
        assert_eq!(codec.inflated(), b"abc");
    }
}
