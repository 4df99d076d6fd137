//! Frames of WebSocket in and out: a plain twin reads the same, cuts do not matter, what is inflated
//! is bounded, and what the encoder makes of it the decoder takes apart again.

use std::io::IoSlice;
use trunkline_core::base::rng::Rng;
use trunkline_core::wire::websocket::close::Violation;
use trunkline_core::wire::websocket::decoder::{Decoder, Input, Piece};
use trunkline_core::wire::websocket::deflate::{Codec, STEP_BYTES, Step};
use trunkline_core::wire::websocket::encoder::Encoder;

/// What frames came to.
#[derive(PartialEq, Eq, Debug, Clone)]
enum Seen {
    Bytes(Vec<u8>),
    Ping(Vec<u8>),
    Close(Vec<u8>),
    /// With its code.
    Violation(u16),
}

#[derive(Clone, Copy)]
struct Rules {
    masks: bool,
    compresses: bool,
    max_payload: u32,
}

/// Input: a byte of flags (no masks, compression, small payloads), a byte that chooses the cuts, the
/// client's bytes.
pub fn websocket(data: &[u8]) {
    let Some((&[flags, cuts], stream)) = data.split_first_chunk() else {
        return;
    };
    let rules = Rules {
        masks: flags & 1 == 0,
        compresses: flags & 2 != 0,
        max_payload: if flags & 4 == 0 { 1 << 20 } else { 20 },
    };
    let whole = decode(rules, &[stream]);
    assert_eq!(whole, twin(rules, stream), "the twin reads something else");
    assert_eq!(
        decode(rules, &super::pieces(stream, cuts)),
        whole,
        "cuts matter"
    );
    if stream.len() <= 256 {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(decode(rules, &bytes), whole, "single bytes differ");
    }
    for seen in &whole {
        if let Seen::Bytes(bytes) = seen {
            check_way_back(bytes, rules.compresses, cuts);
        }
    }
}

fn decode(rules: Rules, pieces: &[&[u8]]) -> Vec<Seen> {
    let mut decoder = Decoder::new(rules.masks, rules.compresses);
    let mut codec = Codec::default();
    let mut seen = Vec::new();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut input = Input::new(&mut bytes);
        while let Some(piece) = decoder.next(&mut input, &mut codec, rules.max_payload) {
            let ended = matches!(seen.last(), Some(Seen::Close(_) | Seen::Violation(_)));
            assert!(!ended, "nothing comes after the end");
            match piece {
                Piece::Payload(range) => append(&mut seen, input.payload(range)),
                Piece::Inflated => {
                    let inflated = codec.inflated();
                    assert!(inflated.len() <= STEP_BYTES.min(rules.max_payload as usize));
                    append(&mut seen, inflated);
                }
                Piece::Measured(len) => assert!(len <= STEP_BYTES),
                Piece::Ping(payload) => seen.push(Seen::Ping(payload)),
                Piece::Close(payload) => {
                    assert!(payload.len() <= 125);
                    seen.push(Seen::Close(payload));
                }
                Piece::Violation(violation) => seen.push(Seen::Violation(violation.code)),
            }
        }
    }
    seen
}

fn append(seen: &mut Vec<Seen>, bytes: &[u8]) {
    match seen.last_mut() {
        _ if bytes.is_empty() => {}
        Some(Seen::Bytes(before)) => before.extend_from_slice(bytes),
        _ => seen.push(Seen::Bytes(bytes.to_vec())),
    }
}

/// A whole message.
fn inflate(message: &[u8], max_bytes: usize) -> Result<Vec<u8>, Violation> {
    let mut codec = Codec::default();
    let mut inflation = codec.begin_inflation(max_bytes);
    let mut whole = Vec::new();
    loop {
        let step = inflation.step(message, &mut codec)?;
        if !matches!(step, Step::Measured(_)) {
            whole.extend_from_slice(codec.inflated());
        }
        if step == Step::Last {
            return Ok(whole);
        }
    }
}

/// RFC 6455 frame by frame, from bytes that are all there.
fn twin(rules: Rules, mut rest: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    // Of the open message: whether it is compressed, and its bytes if so.
    let mut open: Option<bool> = None;
    let mut compressed: Vec<u8> = Vec::new();
    while let Some((first, code, len, key, payload)) = split_header(rest) {
        let (is_final, opcode) = (first & 0x80 != 0, first & 0x0f);
        let is_marked = first & 0x40 != 0;
        let is_control = opcode >= 8;
        let is_wrong = first & 0x30 != 0
            || (is_marked && !rules.compresses)
            || (rules.masks && key.is_none())
            || !matches!(opcode, 0..=2 | 8..=10)
            || (is_control && (code > 125 || !is_final || is_marked))
            || (opcode == 0 && (open.is_none() || is_marked))
            || (matches!(opcode, 1 | 2) && open.is_some())
            || len > i64::MAX as u64;
        if is_wrong {
            seen.push(Seen::Violation(1002));
            return seen;
        }
        let here = payload
            .len()
            .min(usize::try_from(len).unwrap_or(usize::MAX));
        let key = key.unwrap_or_default();
        let pairs = payload[..here].iter().zip(key.iter().cycle());
        let bytes: Vec<u8> = pairs.map(|(byte, key)| byte ^ key).collect();
        let is_whole = here as u64 == len;
        if is_control {
            match opcode {
                _ if !is_whole => return seen,
                9 => seen.push(Seen::Ping(bytes)),
                8 => {
                    seen.push(close(&bytes));
                    return seen;
                }
                _ => {}
            }
        } else {
            let is_compressed = open.unwrap_or(is_marked);
            if is_compressed {
                compressed.extend_from_slice(&bytes);
                if compressed.len() > 8 * rules.max_payload as usize {
                    seen.push(Seen::Violation(1009));
                    return seen;
                }
                if is_final && is_whole {
                    let message = std::mem::take(&mut compressed);
                    match inflate(&message, rules.max_payload as usize) {
                        Ok(whole) => append(&mut seen, &whole),
                        Err(violation) => {
                            seen.push(Seen::Violation(violation.code));
                            return seen;
                        }
                    }
                }
            } else {
                append(&mut seen, &bytes);
            }
            open = (!is_final).then_some(is_compressed);
        }
        if !is_whole {
            return seen;
        }
        rest = &payload[here..];
    }
    seen
}

/// First byte, short form of the length, length, key, and what follows the header.
type Header<'a> = (u8, u8, u64, Option<[u8; 4]>, &'a [u8]);

fn split_header(bytes: &[u8]) -> Option<Header<'_>> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let code = second & 0x7f;
    let (len, rest) = match code {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*len), rest)
        }
        len => (u64::from(len), rest),
    };
    if second & 0x80 == 0 {
        return Some((first, code, len, None, rest));
    }
    let (key, rest) = rest.split_first_chunk()?;
    Some((first, code, len, Some(*key), rest))
}

fn close(payload: &[u8]) -> Seen {
    let Some((code, text)) = payload.split_first_chunk() else {
        return match payload {
            [] => Seen::Close(Vec::new()),
            _ => Seen::Violation(1002),
        };
    };
    let is_sendable = match u16::from_be_bytes(*code) {
        1004..=1006 | 1015 | 1016..3000 => false,
        code => (1000..5000).contains(&code),
    };
    match std::str::from_utf8(text) {
        _ if !is_sendable => Seen::Violation(1002),
        Ok(_) => Seen::Close(payload.to_vec()),
        Err(_) => Seen::Close([&[0x03, 0xef], &b"invalid utf8 body in close frame"[..]].concat()),
    }
}

/// Encodes bytes as an outbox offers them, sent in parts, and decodes the frames.
fn check_way_back(bytes: &[u8], compresses: bool, cuts: u8) {
    let mut rng = Rng::new(u64::from(cuts));
    let (mut encoder, mut codec) = (
        Encoder::new(compresses, bytes.len() % 2 == 1),
        Codec::default(),
    );
    let mut sent = Vec::new();
    let mut gone = 0;
    // Pongs come in between, and are not more than their bound.
    while gone < bytes.len() {
        if rng.below(4) == 0 {
            encoder.pong(b"p");
        }
        let middle = gone + (bytes.len() - gone) / 2;
        let waiting = [
            IoSlice::new(&bytes[gone..middle]),
            IoSlice::new(&bytes[middle..]),
        ];
        encoder.prepare(&waiting, &mut codec);
        let mut slices = [IoSlice::new(&[]); 4];
        let offered = encoder.slices(&waiting, &mut slices).iter();
        let offered: Vec<u8> = offered.flat_map(|slice| slice.iter().copied()).collect();
        let taken = rng.below(offered.len() as u64 + 1) as usize;
        sent.extend_from_slice(&offered[..taken]);
        gone += encoder.advance(taken, &mut codec);
    }
    let rules = Rules {
        masks: false,
        compresses,
        max_payload: u32::MAX,
    };
    assert_eq!(decode(rules, &[&sent]), [Seen::Bytes(bytes.to_vec())]);
}
