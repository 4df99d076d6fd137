//! Messages with and without headers: what is delivered, byte for byte, against a naive twin.

use trunkline_core::base::limits::Limits;

use super::shards::{QUIET, QUIET_WITHOUT_HEADERS, Shards};

const MAX_CONTROL_LINE: usize = 128;
const MAX_PAYLOAD: usize = 256;

/// Input: a byte for the verb, a byte that chooses the cuts, then arguments and payload.
pub fn hpub(data: &[u8]) {
    let Some((&[verb, cuts], rest)) = data.split_first_chunk() else {
        return;
    };
    let verb: &[u8] = match verb % 4 {
        0 => b"HPUB ",
        1 => b"hPuB\t",
        2 => b"PUB ",
        _ => b"pub\t",
    };
    let with_header = verb.len() == 5;
    let expected = Expected::of(rest, with_header);
    let command = [verb, &rest[..expected.taken]].concat();
    for cuts in [0, cuts] {
        check(&command, cuts, &expected);
    }
}

fn check(command: &[u8], cuts: u8, expected: &Expected) {
    let limits = Limits {
        max_control_line: MAX_CONTROL_LINE as u32,
        max_payload: MAX_PAYLOAD as u32,
        ..Limits::default()
    };
    let mut shards = Shards::new(1, &limits, true);
    let [rich, poor, publisher] = [(); 3].map(|()| shards.connect(0));
    shards.send(rich, &[QUIET, b"SUB > 1\r\n"].concat());
    shards.send(poor, &[QUIET_WITHOUT_HEADERS, b"SUB > 22\r\n"].concat());
    shards.send(publisher, QUIET);
    // A whole message comes three times: the second time its control line is known already.
    let times = if expected.is_whole { 3 } else { 1 };
    for piece in super::pieces(&command.repeat(times), cuts) {
        shards.send(publisher, piece);
    }
    assert_eq!(
        shards.peer(publisher).is_open,
        !expected.closes,
        "closes or not"
    );
    if expected.is_reserved {
        return;
    }
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let (rich_expected, poor_expected) = (expected.rich.repeat(times), expected.poor.repeat(times));
    assert_eq!(shown(&shards.peer(rich).output), shown(&rich_expected));
    assert_eq!(shown(&shards.peer(poor).output), shown(&poor_expected));
    if expected.is_whole {
        // A known control line does not excuse a payload with another end.
        let bad_end = [&command[..command.len() - 1], b"\r"].concat();
        shards.send(publisher, &bad_end);
        assert!(
            !shards.peer(publisher).is_open,
            "the end of the payload counts"
        );
        assert_eq!(shown(&shards.peer(rich).output), shown(&rich_expected));
    }
}

/// What must come of one command.
#[derive(Default)]
struct Expected {
    /// Bytes of arguments and payload.
    taken: usize,
    closes: bool,
    /// It is a message that is there to its end.
    is_whole: bool,
    /// The subject or the reply may be one that clients must not use.
    is_reserved: bool,
    /// What a subscriber with headers gets, sid 1.
    rich: Vec<u8>,
    /// What one without headers gets, sid 22.
    poor: Vec<u8>,
}

impl Expected {
    fn unfinished(input: &[u8]) -> Self {
        Self {
            taken: input.len(),
            ..Self::default()
        }
    }

    fn closed(input: &[u8]) -> Self {
        Self {
            closes: true,
            ..Self::unfinished(input)
        }
    }

    /// `input` is everything behind the verb and one blank.
    fn of(input: &[u8], with_header: bool) -> Self {
        let is_blank = |byte: u8| byte == b' ' || byte == b'\t';
        let Some(begin) = input.iter().position(|&byte| !is_blank(byte)) else {
            return Self::unfinished(input);
        };
        let line = &input[begin..];
        // The first byte is a part of the argument whatever it is.
        let Some(newline) = (1..line.len()).find(|&at| line[at] == b'\n') else {
            return if line.len() - usize::from(line[1..].contains(&b'\r')) > MAX_CONTROL_LINE {
                Self::closed(input)
            } else {
                Self::unfinished(input)
            };
        };
        let dropped = usize::from(line[1..newline].contains(&b'\r'));
        let argument = &line[..newline - dropped];
        let payload = &line[newline + 1..];
        let words: Vec<&[u8]> = argument
            .split(|&byte| is_blank(byte))
            .filter(|word| !word.is_empty())
            .collect();
        let (subject, reply, header, size): (_, &[u8], &[u8], _) = match (with_header, &words[..]) {
            (false, [subject, size]) => (*subject, b"", b"", *size),
            (false, [subject, reply, size]) => (*subject, reply, b"", *size),
            (true, [subject, header, size]) => (*subject, b"", header, *size),
            (true, [subject, reply, header, size]) => (*subject, reply, header, *size),
            _ => return Self::closed(input),
        };
        let is_too_long = argument.len() > MAX_CONTROL_LINE;
        let header_len = if header.is_empty() {
            Some(0)
        } else {
            decimal(header)
        };
        let (Some(size_len), Some(header_len), false) = (decimal(size), header_len, is_too_long)
        else {
            return Self::closed(input);
        };
        if header_len > size_len || size_len > MAX_PAYLOAD {
            return Self::closed(input);
        }
        if let Some(end) = payload.get(size_len..).filter(|end| !end.is_empty())
            && !b"\r\n".starts_with(&end[..end.len().min(2)])
        {
            return Self::closed(input);
        }
        if payload.len() < size_len + 2 {
            return Self::unfinished(input);
        }
        let message = Message {
            subject,
            reply,
            header,
            size,
            header_len,
            payload: &payload[..size_len],
        };
        message.expected(begin + newline + 1 + size_len + 2)
    }
}

struct Message<'a> {
    subject: &'a [u8],
    reply: &'a [u8],
    header: &'a [u8],
    size: &'a [u8],
    header_len: usize,
    payload: &'a [u8],
}

impl Message<'_> {
    fn expected(&self, taken: usize) -> Expected {
        let mut expected = Expected {
            taken,
            is_whole: true,
            ..Expected::default()
        };
        expected.is_reserved = [self.subject, self.reply]
            .iter()
            .any(|text| matches!(text.first(), Some(b'_' | b'$')));
        let mut tokens = self.subject.split(|&byte| byte == b'.');
        if tokens.any(<[u8]>::is_empty) {
            return expected;
        }
        let body = &self.payload[self.header_len..];
        if self.header_len > 0 {
            let words = [self.reply, self.header, self.size];
            expected.rich = self.line(b"HMSG", b"1", &words, self.payload);
            let size = body.len().to_string();
            expected.poor = self.line(b"MSG", b"22", &[self.reply, size.as_bytes()], body);
        } else {
            let words = [self.reply, self.size];
            expected.rich = self.line(b"MSG", b"1", &words, self.payload);
            expected.poor = self.line(b"MSG", b"22", &words, self.payload);
        }
        expected
    }

    fn line(&self, verb: &[u8], sid: &[u8], words: &[&[u8]], payload: &[u8]) -> Vec<u8> {
        let head = [verb, self.subject, sid];
        let words: Vec<&[u8]> = head
            .iter()
            .chain(words)
            .copied()
            .filter(|word| !word.is_empty())
            .collect();
        [&words.join(&b' ')[..], b"\r\n", payload, b"\r\n"].concat()
    }
}

fn decimal(text: &[u8]) -> Option<usize> {
    let is_short = (1..=9).contains(&text.len());
    let text = std::str::from_utf8(text).ok()?;
    let is_decimal = is_short && text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten()
}
