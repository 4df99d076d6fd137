//! Tests of frames in: legal frames cut anywhere, and every illegal one.

use super::super::deflate::Codec;
use super::{Decoder, Input, Piece};
use crate::base::rng::Rng;

const MAX_PAYLOAD: u32 = 1 << 20;

/// One frame as a client sends it.
fn frame(first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&key);
    let masked = payload.iter().zip(key.iter().cycle());
    bytes.extend(masked.map(|(byte, key)| byte ^ key));
    bytes
}

fn decode(decoder: &mut Decoder, codec: &mut Codec, bytes: &[u8]) -> (Vec<u8>, Vec<Piece>) {
    let mut bytes = bytes.to_vec();
    let mut input = Input::new(&mut bytes);
    let (mut payload, mut pieces) = (Vec::new(), Vec::new());
    while let Some(piece) = decoder.next(&mut input, codec, MAX_PAYLOAD) {
        match piece {
            Piece::Payload(range) => payload.extend_from_slice(input.payload(range)),
            Piece::Inflated => payload.extend_from_slice(codec.inflated()),
            Piece::Measured(_) => {}
            other => pieces.push(other),
        }
    }
    (payload, pieces)
}

fn deflated(codec: &mut Codec, message: &[u8]) -> Vec<u8> {
    let mut into = Vec::new();
    codec.deflate(std::iter::once(message), &mut into);
    into
}

/// Random legal traffic: what goes in, and what must come out of it.
fn traffic(rng: &mut Rng, codec: &mut Codec) -> (Vec<u8>, Vec<u8>, usize) {
    let (mut wire, mut payload, mut pings) = (Vec::new(), Vec::new(), 0);
    for _ in 0..12 {
        let len = [0, 1, 60, 125, 126, 300, 70_000][rng.below(7) as usize];
        let message: Vec<u8> = (0..len).map(|_| rng.below(10) as u8).collect();
        payload.extend_from_slice(&message);
        let is_compressed = rng.below(2) == 0;
        let body = match is_compressed {
            true => deflated(codec, &message),
            false => message,
        };
        let parts = 1 + rng.below(3) as usize;
        let size = body.len().div_ceil(parts).max(1);
        let mut chunks: Vec<&[u8]> = body.chunks(size).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let last = chunks.len() - 1;
        for (at, chunk) in chunks.into_iter().enumerate() {
            let opcode = if at == 0 { 1 + rng.below(2) as u8 } else { 0 };
            let rsv1 = u8::from(is_compressed && at == 0) << 6;
            let key = (rng.next_u64() as u32).to_ne_bytes();
            wire.extend(frame(opcode | rsv1 | u8::from(at == last) << 7, chunk, key));
            if rng.below(3) == 0 {
                pings += 1;
                wire.extend(frame(0x89, b"ping", [1, 2, 3, 4]));
                wire.extend(frame(0x8a, b"", [9; 4]));
            }
        }
    }
    (wire, payload, pings)
}

#[test]
fn legal_frames_decode_to_their_payloads_however_they_are_cut() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut codec = Codec::default();
        let (wire, expected, pings) = traffic(&mut rng, &mut codec);
        for cut in [1, 2, 3, 14, 1_000, wire.len()] {
            if cut < 14 && wire.len() > 100_000 {
                continue;
            }
            let mut decoder = Decoder::new(true, true);
            let (mut payload, mut pieces) = (Vec::new(), Vec::new());
            for part in wire.chunks(cut) {
                let (here, more) = decode(&mut decoder, &mut codec, part);
                payload.extend(here);
                pieces.extend(more);
            }
            assert!(payload == expected, "seed {seed}, cut {cut}");
            assert_eq!(pieces.len(), pings);
            assert!(
                pieces
                    .iter()
                    .all(|piece| *piece == Piece::Ping(b"ping".to_vec()))
            );
        }
    }
}

#[test]
fn payloads_of_one_read_come_as_one_piece() {
    let mut wire = Vec::new();
    for line in [&b"PUB a 1\r\n"[..], b"x\r\n", b"", b"PING\r\n"] {
        wire.extend(frame(0x82, line, [7, 8, 9, 10]));
    }
    let mut input = Input::new(&mut wire);
    let mut decoder = Decoder::new(true, false);
    let mut codec = Codec::default();
    let Some(Piece::Payload(range)) = decoder.next(&mut input, &mut codec, MAX_PAYLOAD) else {
        panic!("payload");
    };
    assert_eq!(input.payload(range), b"PUB a 1\r\nx\r\nPING\r\n");
    assert_eq!(decoder.next(&mut input, &mut codec, MAX_PAYLOAD), None);
}

#[track_caller]
fn refused(wire: &[u8], text: &str) {
    for cut in [1, wire.len()] {
        let (mut decoder, mut codec) = (Decoder::new(true, true), Codec::default());
        let mut pieces = Vec::new();
        for part in wire.chunks(cut) {
            pieces.extend(decode(&mut decoder, &mut codec, part).1);
        }
        let [Piece::Violation(violation)] = &pieces[..] else {
            panic!("{pieces:?}");
        };
        assert_eq!(violation.text, text);
        assert_eq!(
            decode(&mut decoder, &mut codec, &frame(0x82, b"more", [0; 4])),
            (Vec::new(), Vec::new()),
            "nothing after a violation"
        );
    }
}

#[test]
fn every_illegal_frame_is_refused() {
    let key = [1, 2, 3, 4];
    refused(&frame(0xa2, b"x", key), "RSV2 and RSV3 must be clear");
    refused(&frame(0x92, b"x", key), "RSV2 and RSV3 must be clear");
    refused(b"\x82\x01x", "mask bit missing");
    refused(&frame(0x83, b"x", key), "unknown opcode 3");
    refused(&frame(0x8b, b"x", key), "unknown opcode 11");
    refused(&frame(0x8f, b"x", key), "unknown opcode 15");
    refused(&frame(0x80, b"x", key), "invalid continuation frame");
    refused(
        &frame(0x89, &[0; 126], key),
        "control frame length bigger than maximum allowed of 125 bytes",
    );
    refused(
        &frame(0x09, b"", key),
        "control frame does not have final bit set",
    );
    refused(
        &frame(0xc9, b"", key),
        "control frame must not be compressed",
    );
    refused(
        &[frame(0x02, b"", key), frame(0x82, b"", key)].concat(),
        "new message started before final frame for previous message was received",
    );
    refused(
        &[frame(0x42, b"", key), frame(0xc0, b"", key)].concat(),
        "invalid continuation frame",
    );
    refused(
        &frame(0x88, b"x", key),
        "close frame payload cannot be 1 byte",
    );
    refused(
        &frame(0x88, b"\x03\xed", key),
        "invalid close status code 1005",
    );
    refused(
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        "invalid 64-bit payload length",
    );
    refused(&frame(0xc2, &[0xff; 40], key), "corrupt compressed message");
}

#[test]
fn compression_must_have_been_agreed_on() {
    let mut decoder = Decoder::new(true, false);
    let (_, pieces) = decode(
        &mut decoder,
        &mut Codec::default(),
        &frame(0xc2, b"x", [0; 4]),
    );
    assert!(matches!(&pieces[..], [Piece::Violation(_)]));
}

#[test]
fn compressed_messages_are_bounded_packed_and_unpacked() {
    let mut codec = Codec::default();
    let bomb = deflated(&mut codec, &vec![0; 20 << 20]);
    assert!(bomb.len() < 1 << 20);
    refused(
        &frame(0xc2, &bomb, [5, 6, 7, 8]),
        "maximum payload exceeded",
    );
    let (mut decoder, mut codec) = (Decoder::new(true, true), Codec::default());
    let piece = frame(0x00, &[0x5a; 100_000], [0; 4]);
    let mut pieces = decode(&mut decoder, &mut codec, &frame(0x42, b"", [0; 4])).1;
    for _ in 0..100 {
        pieces.extend(decode(&mut decoder, &mut codec, &piece).1);
    }
    assert!(matches!(&pieces[..], [Piece::Violation(violation)] if violation.code == 1009));
    assert_eq!(decoder.compressed.capacity(), 0, "nothing is kept");
}

#[test]
fn a_close_frame_ends_the_stream() {
    let (mut decoder, mut codec) = (Decoder::new(true, false), Codec::default());
    let mut wire = frame(0x82, b"PING\r\n", [3; 4]);
    wire.extend(frame(0x88, b"\x03\xe8bye", [4; 4]));
    wire.extend(frame(0x82, b"PUB", [3; 4]));
    let (payload, pieces) = decode(&mut decoder, &mut codec, &wire);
    assert_eq!(payload, b"PING\r\n");
    assert_eq!(pieces, [Piece::Close(b"\x03\xe8bye".to_vec())]);
}

#[test]
fn without_masks_if_that_was_agreed_on() {
    let (mut decoder, mut codec) = (Decoder::new(false, false), Codec::default());
    let (payload, _) = decode(&mut decoder, &mut codec, b"\x82\x04PING\x82\x02\r\n");
    assert_eq!(payload, b"PING\r\n");
}

#[test]
fn no_bytes_crash_the_decoder() {
    let mut rng = Rng::new(99);
    for _ in 0..3_000 {
        let (mut decoder, mut codec) = (Decoder::new(rng.below(2) == 0, true), Codec::default());
        for _ in 0..4 {
            let len = rng.below(60) as usize;
            let bytes: Vec<u8> = (0..len)
                .map(|_| match rng.below(3) {
                    0 => 0x82,
                    1 => 0x80 | rng.below(128) as u8,
                    _ => rng.below(256) as u8,
                })
                .collect();
            decode(&mut decoder, &mut codec, &bytes);
        }
    }
}
