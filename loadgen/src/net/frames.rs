//! WebSocket frames of a client (RFC 6455), with permessage-deflate without context takeover (RFC 7692), as bytes in
//! and bytes out.
//!
//! Received bytes are always used up, however they are cut: the payload of a plain frame goes straight on, that of a
//! compressed message is collected until the message is whole. Sent bytes become binary frames of the size that the
//! buffers of most clients have. As no context survives a message, all connections of a thread share one compressor.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::random::Random;

/// Most bytes in one frame that we send.
const FRAME_BYTES: usize = 32 * 1024;
/// Messages below this are not compressed; NATS clients and servers do the same.
const COMPRESS_BYTES_MIN: usize = 64;
/// Largest compressed message accepted, and largest message that comes out of one.
const MESSAGE_BYTES_MAX: usize = 128 << 20;
/// Largest payload of a control frame.
const CONTROL_BYTES_MAX: u64 = 125;
/// What a sender leaves out at the end of a compressed message.
const DEFLATE_TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];
const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

thread_local! {
    static DEFLATE: RefCell<(Compress, Decompress, Vec<u8>)> =
        RefCell::new((Compress::new(Compression::fast(), false), Decompress::new(false), Vec::new()));
}

/// The framing of one connection.
pub struct Frames {
    compress: bool,
    masks: Random,
    header: Vec<u8>,
    /// The frame whose payload is being received.
    frame: Option<Frame>,
    /// A compressed message, as far as it has come.
    packed: Option<Vec<u8>>,
    /// A message has begun and has not ended.
    in_message: bool,
    /// Payload of a control frame, as far as it has come.
    control: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Frame {
    first: u8,
    left: u64,
}

impl Frames {
    /// Frames of a connection that has just been upgraded; `seed` decides its masks.
    pub fn new(compress: bool, seed: u64) -> Self {
        Frames {
            compress,
            masks: Random::new(seed),
            header: Vec::new(),
            frame: None,
            packed: None,
            in_message: false,
            control: Vec::new(),
        }
    }

    /// Appends `bytes` to `out`, in frames.
    pub fn wrap(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for part in bytes.chunks(FRAME_BYTES) {
            if self.compress && part.len() >= COMPRESS_BYTES_MIN {
                self.wrap_whole(part, out);
            } else {
                self.put(FINAL | BINARY, part, out);
            }
        }
    }

    /// Appends `bytes` to `out` as one compressed frame, however large.
    pub fn wrap_whole(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        DEFLATE.with_borrow_mut(|(compress, _, packed)| {
            deflate(compress, bytes, packed);
            self.put(FINAL | COMPRESSED | BINARY, packed, out);
        });
    }

    fn put(&mut self, first: u8, payload: &[u8], out: &mut Vec<u8>) {
        let mask = self.masks.next();
        let mask = [
            mask as u8,
            (mask >> 8) as u8,
            (mask >> 16) as u8,
            (mask >> 24) as u8,
        ];
        out.push(first);
        match payload.len() {
            size @ 0..126 => out.push(FINAL | size as u8),
            size @ 126..=0xFFFF => {
                out.push(FINAL | 126);
                out.extend_from_slice(&(size as u16).to_be_bytes());
            }
            size => {
                out.push(FINAL | 127);
                out.extend_from_slice(&(size as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&mask);
        let start = out.len();
        out.extend_from_slice(payload);
        apply_mask(&mut out[start..], mask);
    }

    /// Takes received bytes: appends the payload of messages to `clear` and answers to `out`.
    pub fn unwrap(
        &mut self,
        mut bytes: &[u8],
        clear: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        while !bytes.is_empty() {
            let Some(mut frame) = self.frame else {
                bytes = self.take_header(bytes)?;
                if let Some(frame) = self.frame.filter(|frame| frame.left == 0) {
                    self.end_frame(frame, clear, out)?;
                }
                continue;
            };
            let (payload, rest) = bytes.split_at(bytes.len().min(frame.left as usize));
            bytes = rest;
            frame.left -= payload.len() as u64;
            self.frame = Some(frame);
            if frame.is_control() {
                self.control.extend_from_slice(payload);
            } else if let Some(packed) = &mut self.packed {
                if packed.len() + payload.len() > MESSAGE_BYTES_MAX {
                    return Err("a WebSocket message that is too large".into());
                }
                packed.extend_from_slice(payload);
            } else {
                clear.extend_from_slice(payload);
            }
            if frame.left == 0 {
                self.end_frame(frame, clear, out)?;
            }
        }
        Ok(())
    }

    /// Collects a header; returns what is behind it.
    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let known = self.header.get(1).map_or(2, |second| header_size(*second));
        let (part, rest) = bytes.split_at(bytes.len().min(known - self.header.len()));
        self.header.extend_from_slice(part);
        if self.header.len() < 2 || self.header.len() < header_size(self.header[1]) {
            return Ok(rest);
        }
        let (first, second) = (self.header[0], self.header[1]);
        let left = match second & 0x7F {
            0..126 => u64::from(second & 0x7F),
            _ => self.header[2..]
                .iter()
                .fold(0, |size, byte| size << 8 | u64::from(*byte)),
        };
        self.header.clear();
        let frame = Frame { first, left };
        self.check(frame, second)?;
        if !frame.is_control() {
            self.in_message = true;
            if first & COMPRESSED != 0 {
                self.packed = Some(Vec::new());
            }
        }
        self.frame = Some(frame);
        Ok(rest)
    }

    fn check(&self, frame: Frame, second: u8) -> Result<(), String> {
        let operation = frame.first & 0x0F;
        let wrong = match operation {
            _ if second & 0x80 != 0 => "a masked WebSocket frame from a server",
            _ if frame.first & 0x30 != 0 => "a WebSocket frame with unknown bits",
            _ if frame.first & COMPRESSED != 0 && (!self.compress || operation != BINARY) => {
                "a compressed WebSocket frame where none was agreed on"
            }
            CLOSE | PING | PONG if frame.left > CONTROL_BYTES_MAX || frame.first & FINAL == 0 => {
                "an illegal WebSocket control frame"
            }
            CLOSE | PING | PONG => return Ok(()),
            CONTINUATION if !self.in_message => "a WebSocket frame that continues nothing",
            BINARY if self.in_message => "a WebSocket message within another",
            CONTINUATION | BINARY => return Ok(()),
            _ => "a WebSocket frame that NATS does not use",
        };
        Err(format!("protocol error: the server sent {wrong}"))
    }

    fn end_frame(
        &mut self,
        frame: Frame,
        clear: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        self.frame = None;
        if frame.is_control() {
            let control = std::mem::take(&mut self.control);
            return match frame.first & 0x0F {
                PING => {
                    self.put(FINAL | PONG, &control, out);
                    Ok(())
                }
                CLOSE => Err(closing(&control)),
                _ => Ok(()),
            };
        }
        if frame.first & FINAL == 0 {
            return Ok(());
        }
        self.in_message = false;
        match self.packed.take() {
            Some(mut packed) => {
                packed.extend_from_slice(&DEFLATE_TAIL);
                DEFLATE.with_borrow_mut(|(_, decompress, _)| inflate(decompress, &packed, clear))
            }
            None => Ok(()),
        }
    }
}

impl Frame {
    fn is_control(self) -> bool {
        self.first & 0x08 != 0
    }
}

fn header_size(second: u8) -> usize {
    match second & 0x7F {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}

fn closing(payload: &[u8]) -> String {
    match payload.split_first_chunk::<2>() {
        Some((code, reason)) => format!(
            "the server closed the WebSocket: {} {}",
            u16::from_be_bytes(*code),
            String::from_utf8_lossy(reason)
        ),
        None => "the server closed the WebSocket".into(),
    }
}

/// Sixteen bytes at a time, which the compiler turns into vector instructions.
fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let word = u32::from_ne_bytes(mask);
    let wide = u128::from(word) * 0x0000_0001_0000_0001_0000_0001_0000_0001;
    let (chunks, rest) = bytes.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

fn deflate(compress: &mut Compress, bytes: &[u8], packed: &mut Vec<u8>) {
    compress.reset();
    packed.clear();
    packed.reserve(bytes.len() + 64);
    loop {
        let done = compress.total_in() as usize;
        compress
            .compress_vec(&bytes[done..], packed, FlushCompress::Sync)
            .expect("a fresh stream takes every input");
        // With room left, the flush is complete.
        if packed.len() < packed.capacity() && compress.total_in() as usize == bytes.len() {
            break;
        }
        packed.reserve(bytes.len() + 64);
    }
    packed.truncate(packed.len() - DEFLATE_TAIL.len());
}

fn inflate(decompress: &mut Decompress, packed: &[u8], clear: &mut Vec<u8>) -> Result<(), String> {
    decompress.reset(false);
    let before = clear.len();
    loop {
        clear.reserve((packed.len() * 4).max(4096));
        let done = decompress.total_in() as usize;
        let status = decompress
            .decompress_vec(&packed[done..], clear, FlushDecompress::Sync)
            .map_err(|error| format!("the server sent a damaged compressed message: {error}"))?;
        if clear.len() - before > MESSAGE_BYTES_MAX {
            return Err("a compressed message that grows too large".into());
        }
        let used_up = decompress.total_in() as usize == packed.len();
        if status == Status::StreamEnd || (used_up && clear.len() < clear.capacity()) {
            return Ok(());
        }
    }
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
