//! Frames in: bytes of a socket become bytes of the client protocol.
//!
//! Plain payloads are unmasked in place as they come, those of one read are
//! moved together, and nothing is kept but a header that came in part. A
//! control frame is kept until it is whole, a compressed message until it is
//! inflated, step by step.
//!
//! Bounds: a control frame has 125 bytes, a compressed message eight times
//! `max_payload`, at most 64 MiB (NATS 2.15); beyond, the connection ends. A
//! plain frame may have any length, as it is not kept.

use std::borrow::Cow;
use std::io::Cursor;
use std::ops::Range;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close::{CONTROL_BYTES_MAX, Violation, answer_to_close};
use super::deflate::{Codec, Inflation, Step};
use super::unmask::unmask;
use crate::base::width::size;

/// Longest header: two bytes, a length of eight, a key of four.
const HEADER_BYTES_MAX: usize = 14;

/// A compressed message may have this many times `max_payload`...
const COMPRESSED_FACTOR: usize = 8;

/// ...and never more than this.
const COMPRESSED_BYTES_MAX: usize = 64 << 20;

/// Bytes just read, and how many of them are dealt with.
pub struct Input<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// Bytes just read. They are overwritten while they are decoded.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What is not dealt with yet, as it came.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// The payload that [`Piece::Payload`] names.
    #[must_use]
    pub fn payload(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

/// What frames hold.
#[derive(PartialEq, Eq, Debug)]
pub enum Piece {
    /// Bytes of the client protocol, by their place in the input.
    Payload(Range<usize>),
    /// Bytes of the client protocol, in [`Codec::inflated`].
    Inflated,
    /// So many bytes were inflated to measure a message that is yet to come.
    Measured(usize),
    /// To be answered with a pong of the same payload.
    Ping(Vec<u8>),
    /// The peer closes and gets a close frame with this payload.
    Close(Vec<u8>),
    /// The connection has to end, with this reason. Bytes of the client
    /// protocol before it have been handed out.
    Violation(Violation),
}

/// What the frame is whose payload comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Frame {
    Plain,
    Compressed,
    Control(Control),
}

/// The frames of one connection as they come in.
#[derive(Debug)]
pub struct Decoder {
    /// Payloads must be masked; a peer may have agreed with us on not masking.
    expects_mask: bool,
    accepts_compressed: bool,
    /// A header that came in part.
    head: [u8; HEADER_BYTES_MAX],
    head_len: usize,
    /// The frame that has begun.
    frame: Option<Frame>,
    payload_left: u64,
    key: [u8; 4],
    /// The last data frame was the last one of its message.
    is_final: bool,
    /// The open message is compressed.
    is_compressed: bool,
    control: Vec<u8>,
    /// What is here of a compressed message that came in part.
    compressed: Vec<u8>,
    /// A message that takes more steps to be inflated, and how far that is.
    inflating: Option<Box<(Vec<u8>, Inflation)>>,
    is_over: bool,
}

impl Decoder {
    /// A connection whose upgrade is done.
    #[must_use]
    pub fn new(expects_mask: bool, accepts_compressed: bool) -> Self {
        Self {
            expects_mask,
            accepts_compressed,
            head: [0; HEADER_BYTES_MAX],
            head_len: 0,
            frame: None,
            payload_left: 0,
            key: [0; 4],
            is_final: true,
            is_compressed: false,
            control: Vec::new(),
            compressed: Vec::new(),
            inflating: None,
            is_over: false,
        }
    }

    /// Whether there is more to come although no input is left.
    #[must_use]
    pub fn is_inflating(&self) -> bool {
        self.inflating.is_some()
    }

    /// The next piece, or `None` when the input is used up. After a violation
    /// and after a close frame nothing comes any more. `max_payload` is that of
    /// a NATS message in bytes.
    pub fn next(
        &mut self,
        input: &mut Input<'_>,
        codec: &mut Codec,
        max_payload: u32,
    ) -> Option<Piece> {
        if let Some(inflating) = self.inflating.take() {
            let (message, inflation) = *inflating;
            return Some(self.inflate(Cow::Owned(message), inflation, codec));
        }
        let mut merged: Option<Range<usize>> = None;
        while !self.is_over {
            let Some(frame) = self.frame else {
                if input.at == input.bytes.len() {
                    break;
                }
                match self.begin(input, merged.is_some()) {
                    Ok(true) => continue,
                    Ok(false) => break,
                    Err(violation) => return Some(self.end(Piece::Violation(violation))),
                }
            };
            let here = self.take_payload(input, merged.as_ref());
            let is_whole = self.payload_left == 0;
            if is_whole {
                self.frame = None;
            }
            match frame {
                Frame::Plain if here.is_empty() => {}
                Frame::Plain => {
                    let start = merged.map_or(here.start, |before| before.start);
                    merged = Some(start..here.end);
                }
                Frame::Compressed => {
                    let is_last = is_whole && self.is_final;
                    let here = &input.bytes[here];
                    let piece = self.take_compressed(here, is_last, codec, max_payload);
                    if piece.is_some() {
                        return piece;
                    }
                }
                Frame::Control(control) => {
                    self.control.extend_from_slice(&input.bytes[here]);
                    if is_whole && let Some(piece) = self.take_control(control) {
                        return Some(piece);
                    }
                }
            }
            if !is_whole {
                break;
            }
        }
        merged.map(Piece::Payload)
    }

    fn end(&mut self, piece: Piece) -> Piece {
        self.is_over = true;
        self.compressed = Vec::new();
        self.inflating = None;
        piece
    }

    /// Reads a header; false if it must wait, for more bytes or until the
    /// payload before it is handed out.
    fn begin(&mut self, input: &mut Input<'_>, has_payload: bool) -> Result<bool, Violation> {
        let rest = &input.bytes[input.at..];
        let added = rest.len().min(HEADER_BYTES_MAX - self.head_len);
        let mut head = self.head;
        head[self.head_len..self.head_len + added].copy_from_slice(&rest[..added]);
        let len = self.head_len + added;
        let mut cursor = Cursor::new(&head[..len]);
        let parsed = match FrameHeader::parse(&mut cursor) {
            Ok(Some((header, payload_len))) => self.check(&header, payload_len, &head),
            Ok(None) => {
                (self.head, self.head_len) = (head, len);
                input.at += added;
                return Ok(false);
            }
            Err(_) => {
                let text = format!("unknown opcode {}", head[0] & 0x0f);
                Err(Violation::protocol(text))
            }
        };
        let is_plain = matches!(parsed, Ok((Frame::Plain, ..)));
        if has_payload && !is_plain {
            return Ok(false);
        }
        let (frame, payload_len, key) = parsed?;
        if let Frame::Plain | Frame::Compressed = frame {
            self.is_final = head[0] & 0x80 != 0;
            self.is_compressed = frame == Frame::Compressed;
        } else {
            self.control.clear();
        }
        self.frame = Some(frame);
        self.payload_left = payload_len;
        self.key = key;
        input.at += size(cursor.position()) - self.head_len;
        self.head_len = 0;
        Ok(true)
    }

    /// Whether a header may stand here.
    fn check(
        &self,
        header: &FrameHeader,
        payload_len: u64,
        head: &[u8; HEADER_BYTES_MAX],
    ) -> Result<(Frame, u64, [u8; 4]), Violation> {
        let wrong = |text: &'static str| Err(Violation::protocol(text));
        if header.rsv2 || header.rsv3 {
            return wrong("RSV2 and RSV3 must be clear");
        }
        if header.rsv1 && !self.accepts_compressed {
            return wrong("compressed frame received without negotiated permessage-deflate");
        }
        if self.expects_mask && header.mask.is_none() {
            return wrong("mask bit missing");
        }
        let frame = match header.opcode {
            OpCode::Control(control) => {
                // Even a short payload must not be said to be long.
                if usize::from(head[1] & 0x7f) > CONTROL_BYTES_MAX {
                    return wrong("control frame length bigger than maximum allowed of 125 bytes");
                }
                if !header.is_final {
                    return wrong("control frame does not have final bit set");
                }
                if header.rsv1 {
                    return wrong("control frame must not be compressed");
                }
                match control {
                    Control::Reserved(_) => {
                        let text = format!("unknown opcode {}", head[0] & 0x0f);
                        return Err(Violation::protocol(text));
                    }
                    known => Frame::Control(known),
                }
            }
            OpCode::Data(Data::Continue) if self.is_final || header.rsv1 => {
                return wrong("invalid continuation frame");
            }
            OpCode::Data(Data::Continue) => match self.is_compressed {
                true => Frame::Compressed,
                false => Frame::Plain,
            },
            OpCode::Data(Data::Reserved(_)) => {
                let text = format!("unknown opcode {}", head[0] & 0x0f);
                return Err(Violation::protocol(text));
            }
            OpCode::Data(_) if !self.is_final => {
                return wrong(
                    "new message started before final frame for previous message was received",
                );
            }
            OpCode::Data(_) if header.rsv1 => Frame::Compressed,
            OpCode::Data(_) => Frame::Plain,
        };
        if payload_len > i64::MAX as u64 {
            return wrong("invalid 64-bit payload length");
        }
        Ok((frame, payload_len, header.mask.unwrap_or_default()))
    }

    /// Unmasks what is here of the payload, moved behind the payload before it.
    fn take_payload(
        &mut self,
        input: &mut Input<'_>,
        merged: Option<&Range<usize>>,
    ) -> Range<usize> {
        let left = usize::try_from(self.payload_left).unwrap_or(usize::MAX);
        let len = left.min(input.bytes.len() - input.at);
        let to = merged.map_or(input.at, |range| range.end);
        self.key = unmask(input.bytes, input.at..input.at + len, to, self.key);
        input.at += len;
        self.payload_left -= len as u64;
        to..to + len
    }

    /// Takes bytes of a compressed message, and begins to inflate it once it is
    /// whole.
    fn take_compressed(
        &mut self,
        bytes: &[u8],
        is_last: bool,
        codec: &mut Codec,
        max_payload: u32,
    ) -> Option<Piece> {
        let max_payload = max_payload as usize;
        let limit = max_payload
            .saturating_mul(COMPRESSED_FACTOR)
            .min(COMPRESSED_BYTES_MAX);
        if self.compressed.len() + bytes.len() > limit {
            return Some(self.end(Piece::Violation(Violation::too_big())));
        }
        if !is_last {
            self.compressed.extend_from_slice(bytes);
            return None;
        }
        let mut message = Cow::Borrowed(bytes);
        if !self.compressed.is_empty() {
            let mut whole = std::mem::take(&mut self.compressed);
            whole.extend_from_slice(bytes);
            message = Cow::Owned(whole);
        }
        let inflation = codec.begin_inflation(max_payload);
        Some(self.inflate(message, inflation, codec))
    }

    /// Goes on with a compressed message, and keeps it if there is more of it.
    fn inflate(
        &mut self,
        message: Cow<'_, [u8]>,
        mut inflation: Inflation,
        codec: &mut Codec,
    ) -> Piece {
        let step = match inflation.step(&message, codec) {
            Ok(step) => step,
            Err(violation) => return self.end(Piece::Violation(violation)),
        };
        if step == Step::Last {
            codec.end_inflation(inflation);
            return Piece::Inflated;
        }
        self.inflating = Some(Box::new((message.into_owned(), inflation)));
        match step {
            Step::Measured(len) => Piece::Measured(len),
            Step::Part | Step::Last => Piece::Inflated,
        }
    }

    fn take_control(&mut self, control: Control) -> Option<Piece> {
        let payload = std::mem::take(&mut self.control);
        match control {
            Control::Ping => Some(Piece::Ping(payload)),
            Control::Close => Some(match answer_to_close(&payload) {
                Ok(answer) => self.end(Piece::Close(answer)),
                Err(violation) => self.end(Piece::Violation(violation)),
            }),
            Control::Pong | Control::Reserved(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
