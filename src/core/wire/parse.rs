//! Bytes to commands, without copying or allocating.
//!
//! The parser is a function over the bytes at hand: it takes the first command
//! from the front, or says that it has not arrived whole and how many bytes to
//! keep for the next try. So any split at any byte gives the same commands,
//! and nothing about a half-read command is remembered but its bytes.
//!
//! The grammar is that of the reference server, oddities included, since
//! clients were written against it (NATS 2.15 `parser.go`, read for behaviour):
//! * Verbs may be in any case; a wrong letter is an error before its line ends.
//! * Whatever follows `PING`, `PONG` and `+OK` up to the newline is ignored.
//! * `CONNECT` and `INFO` need no blank before their argument; in all other
//!   arguments the first byte counts even if it is a line end.
//! * `HMSG` from a client is a message of no bytes to nobody.
//! * A carriage return anywhere in an argument shortens it by its last byte.
//!
//! Invariant: the bytes to keep are bounded by the longest control line plus
//! the largest payload. Not here: what the commands mean (`shard`).

use memchr::memchr;

use super::argument::{argument, is_blank};
use super::publish;

pub(crate) use super::argument::number;
pub use super::command::{Command, Grammar, Parsed, Publish, Violation};

/// Takes the first command from the input.
///
/// # Errors
/// The violation that ends the connection.
#[inline(always)]
pub fn parse<'a>(input: &'a [u8], grammar: &Grammar) -> Result<Parsed<'a>, Violation> {
    if let Some(first) = input.first()
        && grammar.awaiting_credentials
        && !first.eq_ignore_ascii_case(&b'c')
    {
        return Err(Violation::CredentialsNeeded);
    }
    match input {
        [b'P', b'U', b'B', b' ', ..] => publish::parse(input, 4, false, grammar),
        [b'H', b'P', b'U', b'B', b' ', ..] => publish::parse(input, 5, true, grammar),
        _ => parse_any(input, grammar),
    }
}

#[inline(never)]
fn parse_any<'a>(input: &'a [u8], grammar: &Grammar) -> Result<Parsed<'a>, Violation> {
    let Some(first) = input.first() else {
        return Ok(Parsed::Incomplete { keep: 0 });
    };
    let second = input.get(1).map(u8::to_ascii_lowercase);
    match (first.to_ascii_lowercase(), second) {
        (b'p', Some(b'u')) => with_argument(input, b"pub", |start| {
            publish::parse(input, start, false, grammar)
        }),
        (b'h', Some(b'm')) => with_argument(input, b"hmsg", |start| {
            publish::parse_message_from_client(input, start, grammar)
        }),
        (b'h', _) => with_argument(input, b"hpub", |start| {
            publish::parse(input, start, true, grammar)
        }),
        (b's', _) => with_argument(input, b"sub", |start| {
            line(input, start, grammar, subscribe)
        }),
        (b'u', _) => with_argument(input, b"unsub", |start| {
            line(input, start, grammar, unsubscribe)
        }),
        (b'-', _) => with_argument(input, b"-err", |start| {
            line(input, start, grammar, |text| Ok(Command::Err(text)))
        }),
        (b'c', _) => with_optional_blank(input, b"connect", |start| {
            line(input, start, grammar, |json| Ok(Command::Connect(json)))
        }),
        (b'i', _) => with_optional_blank(input, b"info", |start| {
            line(input, start, grammar, |json| Ok(Command::Info(json)))
        }),
        (b'p', Some(b'i')) => bare(input, b"ping", Command::Ping),
        (b'p', Some(b'o')) => bare(input, b"pong", Command::Pong),
        (b'+', _) => bare(input, b"+ok", Command::Ok),
        (b'p', None) => Ok(Parsed::Incomplete { keep: 1 }),
        _ => Err(Violation::UnknownOperation),
    }
}

/// Whether the verb is here whole (`true`) or might still become it (`false`).
fn verb(input: &[u8], verb: &[u8]) -> Result<bool, Violation> {
    let here = input.len().min(verb.len());
    if input[..here].eq_ignore_ascii_case(&verb[..here]) {
        Ok(here == verb.len())
    } else {
        Err(Violation::UnknownOperation)
    }
}

fn with_argument<'a>(
    input: &'a [u8],
    name: &[u8],
    then: impl FnOnce(usize) -> Result<Parsed<'a>, Violation>,
) -> Result<Parsed<'a>, Violation> {
    if !verb(input, name)? || input.len() == name.len() {
        return Ok(Parsed::Incomplete { keep: input.len() });
    }
    if !is_blank(input[name.len()]) {
        return Err(Violation::UnknownOperation);
    }
    then(name.len() + 1)
}

fn with_optional_blank<'a>(
    input: &'a [u8],
    name: &[u8],
    then: impl FnOnce(usize) -> Result<Parsed<'a>, Violation>,
) -> Result<Parsed<'a>, Violation> {
    if !verb(input, name)? {
        return Ok(Parsed::Incomplete { keep: input.len() });
    }
    then(name.len())
}

/// A verb whose line has no meaning beyond it. Of an unfinished line only the
/// verb is kept, so that an endless one takes no memory.
fn bare<'a>(input: &'a [u8], name: &[u8], command: Command<'a>) -> Result<Parsed<'a>, Violation> {
    if !verb(input, name)? {
        return Ok(Parsed::Incomplete { keep: input.len() });
    }
    Ok(match memchr(b'\n', &input[name.len()..]) {
        Some(newline) => Parsed::Command(command, name.len() + newline + 1),
        None => Parsed::Incomplete { keep: name.len() },
    })
}

fn line<'a>(
    input: &'a [u8],
    start: usize,
    grammar: &Grammar,
    meaning: impl FnOnce(&'a [u8]) -> Result<Command<'a>, Violation>,
) -> Result<Parsed<'a>, Violation> {
    match argument(input, start, grammar) {
        Ok(argument) => Ok(Parsed::Command(meaning(argument.bytes)?, argument.line_len)),
        Err(Ok(keep)) => Ok(Parsed::Incomplete { keep }),
        Err(Err(violation)) => Err(violation),
    }
}

fn words(argument: &[u8]) -> impl Iterator<Item = &[u8]> {
    argument
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .filter(|word| !word.is_empty())
}

fn subscribe(argument: &[u8]) -> Result<Command<'_>, Violation> {
    let mut words = words(argument);
    let (first, second, third) = (words.next(), words.next(), words.next());
    match (first, second, third, words.next()) {
        (Some(subject), Some(sid), None, None) => Ok(Command::Subscribe {
            subject,
            queue: None,
            sid,
        }),
        (Some(subject), queue @ Some(_), Some(sid), None) => Ok(Command::Subscribe {
            subject,
            queue,
            sid,
        }),
        _ => Err(Violation::BadArguments),
    }
}

fn unsubscribe(argument: &[u8]) -> Result<Command<'_>, Violation> {
    let mut words = words(argument);
    match (words.next(), words.next(), words.next()) {
        (Some(sid), max, None) => Ok(Command::Unsubscribe {
            sid,
            max: max.and_then(number).unwrap_or(0) as u64,
        }),
        _ => Err(Violation::BadArguments),
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
