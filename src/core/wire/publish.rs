//! `PUB` and `HPUB`: the hot part of the parser.
//!
//! A well-formed line is taken apart in one pass, eight bytes at a time: every
//! byte at or below the space ends a token or the line, and there are at most
//! four tokens. Lines with anything unusual (tabs, repeated blanks, control bytes,
//! missing carriage return) go the slow way through [`odd_line`], which splits
//! exactly as the reference server does. `tail` is what makes fan-out
//! cheap: where the line after the subject already has the form in which it is
//! delivered, it is copied together with the payload in one piece.

use super::argument::{argument, number};
use super::command::{Command, Grammar, Parsed, Publish, Violation};

/// Parses the message whose arguments begin at or after `start`.
#[inline(always)]
pub(super) fn parse<'a>(
    input: &'a [u8],
    start: usize,
    with_header: bool,
    grammar: &Grammar,
) -> Result<Parsed<'a>, Violation> {
    if with_header && !grammar.headers {
        return headers_refused(input, start, grammar);
    }
    let line = match regular_line(input, start, with_header) {
        Some(line) if line.end - start <= grammar.max_control_line => line,
        _ => match odd_line(input, start, with_header, grammar) {
            Ok(line) => line,
            Err(Ok(keep)) => return Ok(Parsed::Incomplete { keep }),
            Err(Err(violation)) => return Err(violation),
        },
    };
    finish(input, &line, grammar)
}

struct Line<'a> {
    subject: &'a [u8],
    reply: &'a [u8],
    header_text: &'a [u8],
    size_text: &'a [u8],
    /// Begin of the tail in deliverable form; equal to `end` if it has none.
    tail: usize,
    /// End of the control line, newline included.
    end: usize,
}

/// `SUBJECT [REPLY] [HEADER] SIZE\r\n` with single spaces, or `None` for
/// everything else, unfinished lines included.
#[inline(always)]
fn regular_line(input: &[u8], start: usize, with_header: bool) -> Option<Line<'_>> {
    let mut ends = [0usize; 4];
    let mut tokens = 0;
    let mut token_start = start;
    let mut at = start;
    let end = 'line: loop {
        let mut stops = bytes_up_to_space(word_at(input, at)?);
        while stops != 0 {
            let stop = at + stops.trailing_zeros() as usize / 8;
            stops &= stops - 1;
            if stop == token_start || tokens == ends.len() {
                return None;
            }
            ends[tokens] = stop;
            tokens += 1;
            token_start = stop + 1;
            match input.get(stop..)? {
                [b' ', ..] => {}
                [b'\r', b'\n', ..] => break 'line stop + 2,
                _ => return None,
            }
        }
        at += 8;
    };
    let token = |index: usize| {
        &input[if index == 0 {
            start
        } else {
            ends[index - 1] + 1
        }..ends[index]]
    };
    let (reply, header_text, size_text): (&[u8], &[u8], &[u8]) = match (with_header, tokens) {
        (false, 2) => (&[], &[], token(1)),
        (false, 3) => (token(1), &[], token(2)),
        (true, 3) => (&[], token(1), token(2)),
        (true, 4) => (token(1), token(2), token(3)),
        _ => return None,
    };
    Some(Line {
        subject: token(0),
        reply,
        header_text,
        size_text,
        tail: ends[0] + 1,
        end,
    })
}

/// Eight bytes of the input; beyond its end they count as letters. `None`
/// where there is no byte at all.
#[inline(always)]
fn word_at(input: &[u8], at: usize) -> Option<u64> {
    let rest = input.get(at..)?;
    if let Some(word) = rest.first_chunk() {
        return Some(u64::from_le_bytes(*word));
    }
    let mut word = [b'x'; 8];
    word[..rest.len()].copy_from_slice(rest);
    (!rest.is_empty()).then(|| u64::from_le_bytes(word))
}

/// The high bit of every byte of a word that is a space or below.
///
/// Without carries between bytes: seven bits plus 0x5f reach the eighth if
/// they are above 0x20, and a byte whose own eighth bit is set is above too.
#[inline]
fn bytes_up_to_space(word: u64) -> u64 {
    const EIGHTH_BITS: u64 = 0x8080_8080_8080_8080;
    let above = ((word & !EIGHTH_BITS) + 0x5f5f_5f5f_5f5f_5f5f) | word;
    !above & EIGHTH_BITS
}

/// Any other line, split on blanks and tabs as the reference server does.
#[cold]
fn odd_line<'a>(
    input: &'a [u8],
    start: usize,
    with_header: bool,
    grammar: &Grammar,
) -> Result<Line<'a>, Result<usize, Violation>> {
    let argument = argument(input, start, grammar)?;
    let mut tokens: [&[u8]; 4] = [&[]; 4];
    let mut count = 0;
    let split = argument.bytes.split(|byte| matches!(byte, b' ' | b'\t'));
    for token in split.filter(|token| !token.is_empty()) {
        *tokens.get_mut(count).ok_or(Err(Violation::BadArguments))? = token;
        count += 1;
    }
    let (reply, header_text, size_text): (&[u8], &[u8], &[u8]) = match (with_header, count) {
        (false, 2) => (&[], &[], tokens[1]),
        (false, 3) => (tokens[1], &[], tokens[2]),
        (true, 3) => (&[], tokens[1], tokens[2]),
        (true, 4) => (tokens[1], tokens[2], tokens[3]),
        _ => return Err(Err(Violation::BadArguments)),
    };
    Ok(Line {
        subject: tokens[0],
        reply,
        header_text,
        size_text,
        tail: argument.line_len,
        end: argument.line_len,
    })
}

/// Checks the sizes and looks for the payload behind the line.
#[inline(always)]
fn finish<'a>(
    input: &'a [u8],
    line: &Line<'a>,
    grammar: &Grammar,
) -> Result<Parsed<'a>, Violation> {
    let size = number(line.size_text).ok_or(Violation::BadArguments)?;
    let header_len = if line.header_text.is_empty() {
        0
    } else {
        number(line.header_text)
            .filter(|&header_len| header_len <= size)
            .ok_or(Violation::BadArguments)?
    };
    if size > grammar.max_payload {
        return Err(Violation::PayloadExceeded);
    }
    let rest = &input[line.end..];
    let payload_len = size + 2;
    if rest.len() < payload_len {
        if rest.get(size).is_some_and(|&byte| byte != b'\r') {
            return Err(Violation::UnknownOperation);
        }
        return Ok(Parsed::PayloadPending {
            line_len: line.end,
            payload_len,
        });
    }
    let payload = &rest[..payload_len];
    if payload[size..] != *b"\r\n" {
        return Err(Violation::UnknownOperation);
    }
    // A header block of no bytes is no header: the message goes out as MSG,
    // whose line has no header length.
    let tail_fits = line.header_text.is_empty() || header_len > 0;
    let message = Publish {
        subject: line.subject,
        reply: line.reply,
        header_len,
        header_text: line.header_text,
        size_text: line.size_text,
        tail: if tail_fits && line.tail < line.end {
            &input[line.tail..line.end + payload_len]
        } else {
            &[]
        },
        payload,
    };
    Ok(Parsed::Command(
        Command::Publish(message),
        line.end + payload_len,
    ))
}

/// `HMSG` is for servers, but the reference server lets a client send it: the
/// arguments mean nothing and a payload of no bytes must follow.
#[cold]
pub(super) fn parse_message_from_client<'a>(
    input: &'a [u8],
    start: usize,
    grammar: &Grammar,
) -> Result<Parsed<'a>, Violation> {
    match argument(input, start, grammar) {
        Ok(argument) => {
            let line = Line {
                subject: b"",
                reply: b"",
                header_text: b"",
                size_text: b"0",
                tail: argument.line_len,
                end: argument.line_len,
            };
            match finish(input, &line, grammar)? {
                Parsed::Command(_, taken) => Ok(Parsed::Command(Command::ForeignMessage, taken)),
                unfinished => Ok(unfinished),
            }
        }
        Err(Ok(keep)) => Ok(Parsed::Incomplete { keep }),
        Err(Err(violation)) => Err(violation),
    }
}

#[cold]
fn headers_refused<'a>(
    input: &'a [u8],
    start: usize,
    grammar: &Grammar,
) -> Result<Parsed<'a>, Violation> {
    match argument(input, start, grammar) {
        Ok(_) => Err(Violation::HeadersNotSupported),
        Err(Ok(keep)) => Ok(Parsed::Incomplete { keep }),
        Err(Err(violation)) => Err(violation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn finds_every_byte_up_to_space() {
        let mut rng = Rng::new(2);
        for _ in 0..50_000 {
            let bytes: [u8; 8] = std::array::from_fn(|_| match rng.below(3) {
                0 => b" \x21\x1f\x00\x7f\x80\xa0\xff"[rng.below(8) as usize],
                _ => rng.below(256) as u8,
            });
            let naive = bytes.map(|byte| if byte <= b' ' { 0x80 } else { 0 });
            let found = bytes_up_to_space(u64::from_le_bytes(bytes));
            assert_eq!(found.to_le_bytes(), naive, "{bytes:?}");
        }
    }
}
