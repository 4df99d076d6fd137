//! Frames out: what waits in an outbox leaves as one message per flush.
//!
//! A plain frame is a header in front of the outbox's own bytes, which are not
//! copied. A compressed frame stands for bytes that stay in the outbox until it
//! is out, so that limits and deadlines count them. Control frames go between
//! data frames.

use std::io::IoSlice;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close::CONTROL_BYTES_MAX;
use super::deflate::Codec;

/// What is smaller is not worth compressing (NATS 2.15).
const COMPRESS_BYTES_MIN: usize = 64;

/// Browsers do better with frames that stand for no more than this (NATS 2.15).
const BROWSER_FRAME_BYTES_MAX: usize = 4096;

/// Pongs that wait, in bytes; a peer that asks faster than it reads gets no
/// more (RFC 6455, 5.5.3).
const CONTROL_WAITING_BYTES_MAX: usize = 16 * (CONTROL_BYTES_MAX + 2);

/// The frames of one connection as they go out.
#[derive(Debug, Default)]
pub struct Encoder {
    compresses: bool,
    is_browser: bool,
    /// Control frames that wait for the end of the data frame under way.
    control: Vec<u8>,
    /// Goes ahead of the data: control frames, then a header.
    prefix: Vec<u8>,
    prefix_sent: usize,
    /// Bytes of the outbox that the plain frame under way still takes.
    plain_left: usize,
    /// The compressed frame under way.
    deflated: Vec<u8>,
    deflated_sent: usize,
    /// Bytes of the outbox that the compressed frame stands for.
    covered: usize,
}

impl Encoder {
    /// A connection whose upgrade is done.
    #[must_use]
    pub fn new(compresses: bool, is_browser: bool) -> Self {
        Self {
            compresses,
            is_browser,
            ..Self::default()
        }
    }

    /// Queues the answer to a ping.
    pub fn pong(&mut self, payload: &[u8]) {
        if self.control.len() + payload.len() + 2 <= CONTROL_WAITING_BYTES_MAX {
            header(
                OpCode::Control(Control::Pong),
                false,
                payload.len(),
                &mut self.control,
            );
            self.control.extend_from_slice(payload);
        }
    }

    /// Begins the next frame, if none is under way, with all that waits; for a
    /// browser with the first part of it.
    pub fn prepare(&mut self, waiting: &[IoSlice<'_>], codec: &mut Codec) {
        if self.is_in_frame() {
            return;
        }
        self.prefix.clear();
        self.prefix_sent = 0;
        self.prefix.append(&mut self.control);
        let mut len: usize = waiting.iter().map(|slice| slice.len()).sum();
        if len == 0 {
            return;
        }
        if self.is_browser {
            len = len.min(BROWSER_FRAME_BYTES_MAX);
        }
        let binary = OpCode::Data(Data::Binary);
        if self.compresses && len > COMPRESS_BYTES_MIN {
            let mut deflated = codec.take_buffer();
            codec.deflate(first(waiting, len), &mut deflated);
            header(binary, true, deflated.len(), &mut self.prefix);
            self.deflated = deflated;
            self.covered = len;
        } else {
            header(binary, false, len, &mut self.prefix);
            self.plain_left = len;
        }
    }

    fn is_in_frame(&self) -> bool {
        self.prefix_sent < self.prefix.len() || self.plain_left > 0 || self.covered > 0
    }

    /// What is to be sent next; `into` has room for two slices more than wait.
    pub fn slices<'a, 'b>(
        &'a self,
        waiting: &'a [IoSlice<'_>],
        into: &'b mut [IoSlice<'a>],
    ) -> &'b [IoSlice<'a>] {
        let mut count = 0;
        let mut push = |bytes: &'a [u8]| {
            if !bytes.is_empty() {
                into[count] = IoSlice::new(bytes);
                count += 1;
            }
        };
        push(&self.prefix[self.prefix_sent..]);
        push(&self.deflated[self.deflated_sent..]);
        for slice in first(waiting, self.plain_left) {
            push(slice);
        }
        &into[..count]
    }

    /// Notes how many bytes are out; returns how many of the outbox they stand
    /// for.
    pub fn advance(&mut self, sent: usize, codec: &mut Codec) -> usize {
        let of_prefix = sent.min(self.prefix.len() - self.prefix_sent);
        self.prefix_sent += of_prefix;
        let sent = sent - of_prefix;
        if self.covered == 0 {
            assert!(sent <= self.plain_left, "no more is sent than was offered");
            self.plain_left -= sent;
            return sent;
        }
        self.deflated_sent += sent;
        if self.deflated_sent < self.deflated.len() {
            return 0;
        }
        codec.give_buffer(std::mem::take(&mut self.deflated));
        self.deflated_sent = 0;
        std::mem::take(&mut self.covered)
    }

    /// What ends the connection: the control frames that wait, then a close
    /// frame. `None` in the middle of a frame, where nothing can be said.
    #[must_use]
    pub fn closing(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        if self.is_in_frame() {
            return None;
        }
        let mut bytes = std::mem::take(&mut self.control);
        header(
            OpCode::Control(Control::Close),
            false,
            payload.len(),
            &mut bytes,
        );
        bytes.extend_from_slice(payload);
        Some(bytes)
    }
}

/// The first bytes of what waits.
fn first<'a>(waiting: &'a [IoSlice<'_>], len: usize) -> impl Iterator<Item = &'a [u8]> {
    waiting.iter().scan(len, |left, slice| {
        let len = slice.len().min(*left);
        *left -= len;
        Some(&slice[..len])
    })
}

fn header(opcode: OpCode, is_compressed: bool, len: usize, into: &mut Vec<u8>) {
    let header = FrameHeader {
        is_final: true,
        rsv1: is_compressed,
        rsv2: false,
        rsv3: false,
        opcode,
        mask: None,
    };
    header
        .format(len as u64, into)
        .expect("memory takes any bytes");
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
