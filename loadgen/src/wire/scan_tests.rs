//! Tests of the scanners: every split of a stream gives the same result, and garbage is an error, never a panic.

use super::*;

const STREAM: &[u8] = b"INFO {\"a\":1}\r\nMSG a.b 1 5\r\nhello\r\nMSG a.b 1 5\r\nworld\r\nPING\r\nMSG a.b 1 5\r\nMSG x\r\n\
    MSG c 22 re.ply 0\r\n\r\nMSG c 22 0\r\n\r\nHMSG d 3 12 15\r\nNATS/1.0\r\n\r\nxyz\r\nHMSG d 3 r 12 12\r\nNATS/1.0\r\n\r\n\r\n\
    +OK\r\n-ERR 'Slow Consumer'\r\nMSG a.b 1 5\r\n\r\n\r\n!\r\nPONG\r\n";

#[derive(Default)]
struct Log(Vec<String>);

impl Sink for Log {
    fn message(&mut self, message: &Message<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Message {
            subject,
            sid,
            reply,
            headers,
            payload,
        } = message;
        self.0.push(format!(
            "{} {sid} {} {} {}",
            text(subject),
            text(reply),
            headers.len(),
            text(payload)
        ));
    }
    fn control(&mut self, control: Control<'_>) {
        self.0.push(format!("{control:?}"));
    }
}

/// Feeds the pieces as a connection does: what was not consumed is offered again in front of the next piece.
fn feed(pieces: &[&[u8]], mut scan: impl FnMut(&[u8]) -> usize) {
    let mut carry: Vec<u8> = Vec::new();
    for piece in pieces {
        carry.extend_from_slice(piece);
        let used = scan(&carry);
        carry.drain(..used);
    }
    assert!(carry.is_empty(), "left over: {carry:?}");
}

fn messages_of(pieces: &[&[u8]]) -> Vec<String> {
    let mut log = Log::default();
    feed(pieces, |bytes| {
        MessageScanner::scan(bytes, &mut log).unwrap()
    });
    log.0
}

fn counts_of(pieces: &[&[u8]]) -> (u64, u64, Vec<String>) {
    let (mut scanner, mut controls) = (CountScanner::default(), Vec::new());
    feed(pieces, |bytes| {
        scanner
            .scan(bytes, |control| controls.push(format!("{control:?}")))
            .unwrap()
    });
    (scanner.messages, scanner.payload_bytes, controls)
}

#[test]
fn whole_stream() {
    let log = messages_of(&[STREAM]);
    assert_eq!(log.len(), 13, "{log:#?}");
    assert_eq!(log[1], "a.b 1  0 hello");
    assert_eq!(
        log[4], "a.b 1  0 MSG x",
        "a payload that looks like a line is payload"
    );
    assert_eq!(log[5], "c 22 re.ply 0 ");
    assert_eq!(log[7], "d 3  12 xyz");
    assert_eq!(log[12], "Pong");
    let (messages, bytes, controls) = counts_of(&[STREAM]);
    assert_eq!((messages, bytes), (8, 4 * 5 + 15 + 12));
    assert_eq!(controls.len(), 5, "{controls:?}");
}

#[test]
fn every_split_in_two_and_three_gives_the_same() {
    let (messages, counts) = (messages_of(&[STREAM]), counts_of(&[STREAM]));
    for first in 0..=STREAM.len() {
        for second in first..=STREAM.len() {
            let pieces = [&STREAM[..first], &STREAM[first..second], &STREAM[second..]];
            assert_eq!(counts_of(&pieces), counts, "split at {first} and {second}");
            if second % 5 == 0 || second == first {
                assert_eq!(
                    messages_of(&pieces),
                    messages,
                    "split at {first} and {second}"
                );
            }
        }
    }
}

#[test]
fn byte_by_byte() {
    let pieces: Vec<&[u8]> = STREAM.chunks(1).collect();
    assert_eq!(messages_of(&pieces), messages_of(&[STREAM]));
    assert_eq!(counts_of(&pieces), counts_of(&[STREAM]));
}

#[test]
fn long_runs_of_equal_lines_take_the_short_way_to_the_same_count() {
    let mut stream = Vec::new();
    for index in 0..1000u32 {
        stream.extend_from_slice(b"MSG subject 1 16\r\n0123456789abcdef\r\n");
        if index % 97 == 0 {
            stream.extend_from_slice(b"MSG subject 1 3\r\nabc\r\nPING\r\n");
        }
    }
    for size in [1, 7, 64, 1000, 4096, stream.len()] {
        let pieces: Vec<&[u8]> = stream.chunks(size).collect();
        let (messages, bytes, controls) = counts_of(&pieces);
        assert_eq!(
            (messages, bytes, controls.len()),
            (1011, 16_033, 11),
            "pieces of {size}"
        );
    }
}

#[test]
fn garbage_is_an_error() {
    let cases: [&[u8]; 9] = [
        b"MSG a 1\r\n",
        b"MSG a b c d e f 1\r\n",
        b"MSG a x 1\r\n",
        b"MSG a 1 -1\r\n",
        b"MSG a 1 999999999999\r\n",
        b"MSG a 1 2\r\nabc\r\n",
        b"HMSG a 1 5 3\r\n",
        b"HELLO\r\n",
        b"\r\n",
    ];
    for case in cases {
        assert!(
            MessageScanner::scan(case, &mut Log::default()).is_err(),
            "{case:?}"
        );
        assert!(
            CountScanner::default().scan(case, |_| {}).is_err(),
            "{case:?}"
        );
    }
    assert!(MessageScanner::scan(&vec![b'x'; LINE_BYTES_MAX + 1], &mut Log::default()).is_err());
}
