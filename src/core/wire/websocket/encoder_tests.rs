//! Tests of frames out: whatever the socket takes, the decoder reads the same
//! bytes.

use std::io::IoSlice;

use super::super::decoder::{Decoder, Input, Piece};
use super::super::deflate::Codec;
use super::Encoder;
use crate::base::rng::Rng;

/// Sends `rounds` outboxes through an encoder over a socket that takes `step`
/// bytes at once, pings in between, and decodes what came out.
fn sent_and_received(
    compresses: bool,
    is_browser: bool,
    step: u64,
    seed: u64,
) -> (Vec<u8>, Vec<u8>, usize) {
    let mut rng = Rng::new(seed);
    let (mut encoder, mut codec) = (Encoder::new(compresses, is_browser), Codec::default());
    let (mut outbox, mut all, mut wire) = (Vec::new(), Vec::new(), Vec::new());
    let mut pings = 0;
    for round in 0..60 {
        let len = rng.below(if is_browser && step > 50 { 12_000 } else { 400 }) as usize;
        let bytes: Vec<u8> = (0..len).map(|_| rng.below(20) as u8).collect();
        outbox.extend_from_slice(&bytes);
        all.extend_from_slice(&bytes);
        if rng.below(5) == 0 {
            encoder.pong(b"payload");
            pings += 1;
        }
        loop {
            let (front, back) = outbox.split_at(outbox.len() / 3);
            let waiting = [IoSlice::new(front), IoSlice::new(back)];
            encoder.prepare(&waiting, &mut codec);
            let mut slices = [IoSlice::new(&[]); 4];
            let slices = encoder.slices(&waiting, &mut slices);
            let offered: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            if offered.is_empty() {
                break;
            }
            let taken = offered.len().min(1 + rng.below(step) as usize);
            wire.extend_from_slice(&offered[..taken]);
            let gone = encoder.advance(taken, &mut codec);
            outbox.drain(..gone);
            if rng.below(4) == 0 && round < 59 {
                break;
            }
        }
    }
    assert!(outbox.is_empty());
    let mut decoder = Decoder::new(false, compresses);
    let (mut received, mut pongs) = (Vec::new(), 0);
    // A pong says nothing to the decoder, so they are counted on the wire as
    // their header and payload.
    let pong = b"\x8a\x07payload";
    for window in wire.windows(pong.len()) {
        pongs += usize::from(window == pong);
    }
    assert!(pongs <= pings);
    let mut input = Input::new(&mut wire);
    while let Some(piece) = decoder.next(&mut input, &mut codec, 1 << 20) {
        match piece {
            Piece::Payload(range) => received.extend_from_slice(input.payload(range)),
            Piece::Inflated => received.extend_from_slice(codec.inflated()),
            Piece::Measured(_) => {}
            other => panic!("{other:?}"),
        }
    }
    (all, received, pongs)
}

#[test]
fn what_is_sent_is_received_however_little_the_socket_takes() {
    for (compresses, is_browser) in [(false, false), (true, false), (false, true), (true, true)] {
        for (seed, step) in [1, 2, 3, 7, 50, 1_000, 100_000].into_iter().enumerate() {
            let (all, received, pongs) =
                sent_and_received(compresses, is_browser, step, seed as u64);
            assert!(all == received, "{compresses} {step}");
            assert!(pongs > 0);
        }
    }
}

#[test]
fn browsers_get_small_frames() {
    for (compresses, head) in [(false, &[0x82, 126, 0x10, 0x00][..]), (true, &[0xc2][..])] {
        let (mut encoder, mut codec) = (Encoder::new(compresses, true), Codec::default());
        let bytes = vec![b'a'; 5000];
        let waiting = [IoSlice::new(&bytes[..3000]), IoSlice::new(&bytes[3000..])];
        encoder.prepare(&waiting, &mut codec);
        let mut slices = [IoSlice::new(&[]); 4];
        let slices = encoder.slices(&waiting, &mut slices);
        let wire: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        assert!(wire.starts_with(head));
        assert_eq!(encoder.advance(wire.len(), &mut codec), 4096);
    }
}

#[test]
fn small_outboxes_are_not_compressed() {
    let (mut encoder, mut codec) = (Encoder::new(true, false), Codec::default());
    for (len, first) in [(64, 0x82), (65, 0xc2)] {
        let bytes = vec![b'a'; len];
        let waiting = [IoSlice::new(&bytes)];
        encoder.prepare(&waiting, &mut codec);
        let mut slices = [IoSlice::new(&[]); 4];
        let slices = encoder.slices(&waiting, &mut slices);
        let wire: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(wire[0], first);
        assert_eq!(encoder.advance(wire.len(), &mut codec), len);
    }
}

#[test]
fn a_close_frame_never_stands_inside_another_frame() {
    let (mut encoder, mut codec) = (Encoder::new(false, false), Codec::default());
    encoder.pong(b"x");
    assert_eq!(
        encoder.closing(b"\x03\xe8").expect("no frame under way"),
        b"\x8a\x01x\x88\x02\x03\xe8"
    );
    encoder.prepare(&[IoSlice::new(b"abc")], &mut codec);
    assert_eq!(encoder.advance(3, &mut codec), 1);
    assert_eq!(encoder.closing(b""), None);
    assert_eq!(encoder.advance(2, &mut codec), 2);
    assert_eq!(encoder.closing(b"").as_deref(), Some(&b"\x88\x00"[..]));
}

#[test]
fn waiting_pongs_are_bounded() {
    let (mut encoder, mut codec) = (Encoder::new(false, false), Codec::default());
    encoder.prepare(&[IoSlice::new(b"abc")], &mut codec);
    for _ in 0..1_000 {
        encoder.pong(&[0; 125]);
    }
    assert!(encoder.control.len() <= 16 * 127);
}
