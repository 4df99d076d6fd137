//! Deflating and inflating of messages (RFC 7692), one of each per core.
//!
//! Both sides agree to forget everything between two messages, so one pair
//! serves all connections. A message is a deflate stream that ends in a sync
//! flush whose last four bytes are left out.
//!
//! A message may inflate to a thousand times its size, so it is inflated in steps
//! of [`STEP_BYTES`] ([`Inflation`]). One that takes several is inflated twice: first
//! to measure it, since nothing of a message that is too large or damaged may count,
//! then to hand it out. So no more than a step of it is ever in memory.
//!
//! Bounds: what is inflated never exceeds `max_payload` (NATS 2.15), however
//! small it came; buffers that grew beyond [`KEPT_BYTES_MAX`] are not kept.

use crate::base::width::size;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::close::Violation;

/// Buffers of this size stay for the next message; larger ones are freed.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// Room that the buffer of a deflated message grows by.
const ROOM_BYTES: usize = 32 << 10;

/// What is inflated in one step.
pub const STEP_BYTES: usize = 64 << 10;

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
    /// What was inflated last.
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

    /// Begins to inflate a message, which may have so many bytes.
    pub fn begin_inflation(&mut self, max_bytes: usize) -> Inflation {
        let spare = self.inflater.take();
        let mut inflater = spare.unwrap_or_else(|| Decompress::new(false));
        inflater.reset(false);
        Inflation {
            inflater,
            at: 0,
            total: 0,
            max_bytes,
            pass: Pass::First,
        }
    }

    /// Takes back what an inflation that is over does not need any more.
    pub fn end_inflation(&mut self, inflation: Inflation) {
        self.inflater = Some(inflation.inflater);
    }

    /// What was inflated last: at most [`STEP_BYTES`].
    pub fn inflated(&self) -> &[u8] {
        &self.inflated
    }
}

/// What a step of an [`Inflation`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// So many bytes were inflated to be counted.
    Measured(usize),
    /// [`Codec::inflated`] is the next part of the message.
    Part,
    /// [`Codec::inflated`] is its last part, or all of it.
    Last,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pass {
    /// It may fit into one step.
    First,
    /// It does not, and is measured.
    Measuring,
    /// It is handed out.
    HandingOut,
}

/// A message that is being inflated.
#[derive(Debug)]
pub struct Inflation {
    inflater: Decompress,
    /// How far it has read the message and what follows it.
    at: usize,
    /// What has come out in this pass.
    total: usize,
    max_bytes: usize,
    pass: Pass,
}

impl Inflation {
    /// Goes on with the message, which is the same each time.
    ///
    /// # Errors
    /// If it is damaged or has too many bytes.
    pub fn step(&mut self, message: &[u8], codec: &mut Codec) -> Result<Step, Violation> {
        codec.inflated.clear();
        codec.inflated.reserve_exact(STEP_BYTES);
        let is_over = self.fill(message, &mut codec.inflated)?;
        let len = codec.inflated.len();
        self.total += len;
        if self.total > self.max_bytes {
            return Err(Violation::too_big());
        }
        Ok(match (self.pass, is_over) {
            (Pass::First | Pass::HandingOut, true) => Step::Last,
            (Pass::HandingOut, false) => Step::Part,
            (Pass::First | Pass::Measuring, false) => {
                self.pass = Pass::Measuring;
                Step::Measured(len)
            }
            (Pass::Measuring, true) => {
                self.inflater.reset(false);
                (self.at, self.total) = (0, 0);
                self.pass = Pass::HandingOut;
                Step::Measured(len)
            }
        })
    }

    /// Inflates until a step is full (false) or the message ends (true).
    fn fill(&mut self, message: &[u8], into: &mut Vec<u8>) -> Result<bool, Violation> {
        while into.len() < STEP_BYTES {
            let from = match self.at.checked_sub(message.len()) {
                None => &message[self.at..],
                Some(beyond) => &TAIL[beyond..],
            };
            if from.is_empty() {
                return Err(Violation::unreadable("unexpected EOF"));
            }
            let before = (self.inflater.total_in(), self.inflater.total_out());
            let status = self
                .inflater
                .decompress_vec(from, into, FlushDecompress::None)
                .map_err(|_| Violation::unreadable("corrupt compressed message"))?;
            self.at += size(self.inflater.total_in() - before.0);
            if status == Status::StreamEnd {
                return Ok(true);
            }
            if before == (self.inflater.total_in(), self.inflater.total_out()) {
                return Err(Violation::unreadable("corrupt compressed message"));
            }
        }
        Ok(false)
    }
}

fn step(deflater: &mut Compress, from: &[u8], into: &mut Vec<u8>, flush: FlushCompress) -> usize {
    into.reserve(from.len().clamp(64, ROOM_BYTES));
    let before = deflater.total_in();
    deflater
        .compress_vec(from, into, flush)
        .expect("a deflater takes any bytes");
    size(deflater.total_in() - before)
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

    /// Inflates a whole message; also says how many steps did not hand it out.
    fn inflate(
        codec: &mut Codec,
        message: &[u8],
        max_bytes: usize,
    ) -> Result<(Vec<u8>, usize), Violation> {
        let mut inflation = codec.begin_inflation(max_bytes);
        let (mut whole, mut measured) = (Vec::new(), 0);
        loop {
            match inflation.step(message, codec)? {
                Step::Measured(len) => {
                    assert_eq!(len, codec.inflated().len());
                    measured += 1;
                    continue;
                }
                Step::Part => whole.extend_from_slice(codec.inflated()),
                Step::Last => break,
            }
        }
        whole.extend_from_slice(codec.inflated());
        codec.end_inflation(inflation);
        assert!(codec.inflated.capacity() <= STEP_BYTES);
        Ok((whole, measured))
    }

    #[test]
    fn inflating_undoes_deflating_whatever_came_before() {
        let mut rng = Rng::new(3);
        let mut codec = Codec::default();
        for len in [0, 1, 63, 64, 128, 4_095, 33_000, 300_000, 1_000_000, 5] {
            for letters in [1, 4, 256] {
                let message: Vec<u8> = (0..len).map(|_| rng.below(letters) as u8).collect();
                let small = deflated(&mut codec, &message);
                let (whole, measured) = inflate(&mut codec, &small, 1 << 20).expect("intact");
                assert!(whole == message, "{len} bytes");
                assert_eq!(measured > 0, len > STEP_BYTES, "{len} bytes");
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
            assert_eq!(inflate(&mut codec, &bomb, max_bytes), too_large);
        }
        let exact = deflated(&mut codec, &[7; 1_000]);
        let whole = Ok((vec![7; 1_000], 0));
        assert_eq!(inflate(&mut codec, &exact, 1_000), whole);
        assert_eq!(inflate(&mut codec, &exact, 999), too_large);
        assert!(inflate(&mut codec, &[0xff; 50], 1_000).is_err());
        let cut = deflated(&mut codec, b"something to cut in the middle of it");
        assert!(inflate(&mut codec, &cut[..cut.len() / 2], 1_000).is_err());
        assert_eq!(
            inflate(&mut codec, &exact, 1_000),
            whole,
            "usable afterwards"
        );
        // Damaged at its end only: nothing of it is handed out.
        let mut rng = Rng::new(5);
        let message: Vec<u8> = (0..200_000).map(|_| rng.below(256) as u8).collect();
        let long = deflated(&mut codec, &message);
        let mut inflation = codec.begin_inflation(1 << 20);
        let cut = &long[..long.len() - 100];
        let steps = std::iter::from_fn(|| Some(inflation.step(cut, &mut codec)));
        let last = steps
            .take(10)
            .find(|step| !matches!(step, Ok(Step::Measured(_))));
        assert!(matches!(last, Some(Err(_))), "{last:?}");
    }

    #[test]
    fn bytes_after_the_end_of_the_stream_are_ignored() {
        let mut codec = Codec::default();
        // A last block of three stored bytes, then garbage.
        let message = b"\x01\x03\x00\xfc\xffabc\xff\xff\xff";
        let whole = Ok((b"abc".to_vec(), 0));
        assert_eq!(inflate(&mut codec, message, 100), whole);
    }
}
