//! Messages that are not delivered as they came: control lines in an odd form,
//! and header blocks for receivers that cannot take them.
//!
//! Free functions over bytes. Not here: when it is done (`fanout`, `connections`).

use crate::wire::encode;
use crate::wire::parse::{Publish, number};

/// Writes what follows the sid, for a control line in another form.
#[cold]
pub(super) fn write_tail(message: &Publish<'_>, into: &mut Vec<u8>) {
    let header: &[u8] = if message.header_len > 0 {
        message.header_text
    } else {
        b""
    };
    for word in [message.reply, header] {
        if !word.is_empty() {
            into.extend_from_slice(word);
            into.push(b' ');
        }
    }
    into.extend_from_slice(message.size_text);
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(message.payload);
}

/// Writes a message without its header block, for receivers that cannot take one.
/// They are rare, so this is done for each of them.
#[cold]
pub(super) fn strip(tail: &[u8], body: &[u8], into: &mut Vec<u8>) {
    into.clear();
    // A reply may hold a carriage return, but never a newline.
    let newline = memchr::memchr(b'\n', tail).expect("a message begins with a line");
    let (line, payload) = (&tail[..newline - 1], &tail[newline + 1..]);
    let mut words = line.rsplitn(3, |&byte| byte == b' ');
    let size = words.next().and_then(number);
    let header_len = words.next().and_then(number);
    let (Some(size), Some(header_len)) = (size, header_len) else {
        unreachable!("the line of a message with headers ends in two numbers");
    };
    if let Some(reply) = words.next() {
        into.extend_from_slice(reply);
        into.push(b' ');
    }
    encode::decimal(size - header_len, into);
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(payload.get(header_len..).unwrap_or_default());
    into.extend_from_slice(&body[header_len.saturating_sub(payload.len())..]);
}

/// The header block of a message in the form in which it is delivered, if that
/// has one.
#[cold]
pub(super) fn header_of_line(tail: &[u8]) -> &[u8] {
    let line_end = memchr::memchr(b'\n', tail).expect("a tail begins with a line");
    let mut words = tail[..line_end - 1].rsplitn(3, |&byte| byte == b' ');
    let header_len = words.nth(1).and_then(number).unwrap_or(0);
    &tail[line_end + 1..][..header_len]
}

/// Bytes of header block and body of a message in the form in which it is
/// delivered.
pub(super) fn size_of_tail(tail: &[u8]) -> usize {
    let line_end = memchr::memchr(b'\n', tail).expect("a tail begins with a line");
    tail.len() - line_end - 1 - 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_header_blocks() {
        let block = header_of_line(b"r.x 012 014\r\nNATS/1.0\r\n\r\nhi\r\n");
        assert_eq!(block, b"NATS/1.0\r\n\r\n");
        assert_eq!(header_of_line(b"2 2\r\nab\r\n"), b"ab");
    }

    #[test]
    fn strips_header_blocks() {
        let mut stripped = Vec::new();
        for (whole, expected) in [
            (
                &b"r.x 012 014\r\nNATS/1.0\r\n\r\nhi\r\n"[..],
                &b"r.x 2\r\nhi\r\n"[..],
            ),
            (b"r\rx 2 3\r\nabc\r\n", b"r\rx 1\r\nc\r\n"),
            (b"2 2\r\nab\r\n", b"0\r\n\r\n"),
        ] {
            let line_len = memchr::memchr(b'\n', whole).expect("a line") + 1;
            // Wherever the payload is divided between the two pieces.
            for at in line_len..=whole.len() {
                strip(&whole[..at], &whole[at..], &mut stripped);
                assert_eq!(stripped, expected);
            }
        }
    }
}
