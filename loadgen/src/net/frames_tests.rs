//! Tests of the framing: what goes out is what a server expects, what comes in may be cut anywhere.

use super::*;

/// As a server sends it: no mask.
fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        size @ 0..126 => frame.push(size as u8),
        size @ 126..=0xFFFF => {
            frame.push(126);
            frame.extend_from_slice(&(size as u16).to_be_bytes());
        }
        size => {
            frame.push(127);
            frame.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// Turns our frames into those of a server.
fn unmasked(mut bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert!(second & 0x80 != 0, "our frames are masked");
        let extended = header_size(*second) - 2;
        let size = match second & 0x7F {
            size @ 0..126 => usize::from(size),
            _ => rest[..extended]
                .iter()
                .fold(0, |size, byte| size << 8 | usize::from(*byte)),
        };
        let (mask, rest) = rest[extended..].split_first_chunk::<4>().unwrap();
        let mut payload = rest[..size].to_vec();
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
        all.extend(server_frame(*first, &payload));
        bytes = &rest[size..];
    }
    all
}

#[test]
fn what_is_wrapped_comes_out_again_however_it_is_cut() {
    let mut random = Random::new(5);
    for compress in [false, true] {
        for size in [0, 1, 63, 64, 125, 126, 5000, 65_535, 65_536, 200_000] {
            let bytes: Vec<u8> = (0..size).map(|_| random.below(9) as u8).collect();
            let mut wrapped = Vec::new();
            Frames::new(compress, 1).wrap(&bytes, &mut wrapped);
            if compress && size > 5000 {
                assert!(wrapped.len() < size, "{} of {size}", wrapped.len());
            }
            let frames = unmasked(&wrapped);
            for step in [1, 7, 4096, usize::MAX] {
                let (mut one, mut clear, mut out) = (Frames::new(compress, 2), vec![], vec![]);
                for part in frames.chunks(step) {
                    one.unwrap(part, &mut clear, &mut out).unwrap();
                }
                assert!(clear == bytes && out.is_empty(), "{compress} {size} {step}");
            }
        }
    }
}

#[test]
fn fragments_and_control_frames_between_them() {
    let mut frames = server_frame(BINARY, b"ab");
    frames.extend(server_frame(FINAL | PING, b"x"));
    frames.extend(server_frame(FINAL | CONTINUATION, b"cd"));
    frames.extend(server_frame(FINAL | BINARY, b""));
    let (mut clear, mut out) = (vec![], vec![]);
    Frames::new(false, 1)
        .unwrap(&frames, &mut clear, &mut out)
        .unwrap();
    assert_eq!(clear, b"abcd");
    assert_eq!(unmasked(&out), server_frame(FINAL | PONG, b"x"));
}

#[test]
fn illegal_frames_are_errors() {
    let masked = [FINAL | BINARY, 0x81, 0, 0, 0, 0, 0];
    let cases: [(&[u8], &str); 9] = [
        (&masked, "masked"),
        (&server_frame(FINAL | COMPRESSED | BINARY, b"x"), "agreed"),
        (&server_frame(FINAL | 0x10 | BINARY, b"x"), "unknown bits"),
        (&server_frame(FINAL | CONTINUATION, b"x"), "continues"),
        (&server_frame(FINAL | 1, b"x"), "does not use"),
        (&server_frame(PING, b"x"), "control"),
        (&server_frame(FINAL | PING, &[0; 126]), "control"),
        (&server_frame(FINAL | CLOSE, b"\x03\xE8bye"), "1000 bye"),
        (&server_frame(FINAL | CLOSE, b""), "closed"),
    ];
    for (bytes, expected) in cases {
        let error = Frames::new(false, 1)
            .unwrap(bytes, &mut vec![], &mut vec![])
            .unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let damaged = server_frame(FINAL | COMPRESSED | BINARY, &[0xFF; 9]);
    let error = Frames::new(true, 1)
        .unwrap(&damaged, &mut vec![], &mut vec![])
        .unwrap_err();
    assert!(error.contains("damaged"), "{error}");
}
