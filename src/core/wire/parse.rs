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

use super::publish;

/// What the parser needs to know of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// Longest argument of a control line, in bytes.
    pub max_control_line: usize,
    /// Largest payload, header block included, in bytes.
    pub max_payload: usize,
    /// Whether `HPUB` was agreed on.
    pub headers: bool,
    /// Whether nothing but CONNECT is acceptable yet.
    pub awaiting_credentials: bool,
}

/// A message to publish, borrowed from the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publish<'a> {
    /// The subject as it was sent: not validated, as in the reference server.
    pub subject: &'a [u8],
    /// The reply subject, empty if there is none.
    pub reply: &'a [u8],
    /// Length of the header block in bytes, zero without headers.
    pub header_len: usize,
    /// The text of the header length as it was sent (leading zeros included).
    pub header_text: &'a [u8],
    /// The text of the payload size as it was sent.
    pub size_text: &'a [u8],
    /// Everything after the subject, payload included, if the control line has
    /// exactly the form in which it is delivered
    /// (`[reply ][header-length ]size\r\n`); otherwise empty.
    pub tail: &'a [u8],
    /// Header block, body and the closing CRLF.
    pub payload: &'a [u8],
}

impl Publish<'_> {
    /// The header block, empty without headers.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.payload[..self.header_len]
    }

    /// Bytes of header block and body.
    #[must_use]
    pub fn size(&self) -> usize {
        self.payload.len() - 2
    }
}

/// One complete command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// `CONNECT {json}`.
    Connect(&'a [u8]),
    /// `INFO {json}`, which clients have no reason to send.
    Info(&'a [u8]),
    /// `PUB` or `HPUB`.
    Publish(Publish<'a>),
    /// `HMSG` with a payload of no bytes: a message to nobody.
    ForeignMessage,
    /// `SUB subject [queue] sid`.
    Subscribe {
        /// Subject, not yet validated.
        subject: &'a [u8],
        /// Queue group.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB sid [max]`.
    Unsubscribe {
        /// The client's name for the subscription.
        sid: &'a [u8],
        /// Total deliveries after which the subscription ends; zero if absent
        /// or not a number, which means at once.
        max: u64,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`.
    Ok,
    /// `-ERR text`.
    Err(&'a [u8]),
}

/// What stands at the front of the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed<'a> {
    /// A command and the bytes that it took.
    Command(Command<'a>, usize),
    /// The command has not arrived whole: keep its first bytes and try again
    /// when there are more. Bytes beyond `keep` mean nothing.
    Incomplete {
        /// Bytes to keep.
        keep: usize,
    },
    /// The control line of a message is here, its payload is not.
    PayloadPending {
        /// Bytes of the control line, newline included.
        line_len: usize,
        /// Bytes of the payload, closing CRLF included.
        payload_len: usize,
    },
}

/// Input that ends the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// `Unknown Protocol Operation`.
    UnknownOperation,
    /// Wrong number of arguments or a bad number: closed without a word.
    BadArguments,
    /// `maximum control line exceeded`.
    ControlLineExceeded,
    /// `Maximum Payload Violation`.
    PayloadExceeded,
    /// HPUB without agreed headers.
    HeadersNotSupported,
    /// Something else than CONNECT where credentials are needed.
    CredentialsNeeded,
}

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

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Position of the first byte from `start` on that is no blank.
fn skip_blanks(input: &[u8], start: usize) -> usize {
    let rest = &input[start..];
    start + rest.iter().take_while(|&&byte| is_blank(byte)).count()
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

/// The argument of a control line.
pub(super) struct Argument<'a> {
    pub bytes: &'a [u8],
    /// Where the line ends in the input, newline included.
    pub line_len: usize,
}

/// Finds the argument that begins at the first non-blank from `start` on.
/// `Err(Ok(keep))` if the line is unfinished.
pub(super) fn argument<'a>(
    input: &'a [u8],
    start: usize,
    grammar: &Grammar,
) -> Result<Argument<'a>, Result<usize, Violation>> {
    let begin = skip_blanks(input, start);
    if begin == input.len() {
        // Blanks are not kept: an endless row of them takes no memory.
        return Err(Ok(start));
    }
    let newline = memchr(b'\n', &input[begin + 1..]).map(|at| begin + 1 + at);
    let Some(newline) = newline else {
        let dropped = usize::from(memchr(b'\r', &input[begin + 1..]).is_some());
        if input.len() - begin - dropped > grammar.max_control_line {
            return Err(Err(Violation::ControlLineExceeded));
        }
        return Err(Ok(input.len()));
    };
    let dropped = usize::from(memchr(b'\r', &input[begin + 1..newline]).is_some());
    let bytes = &input[begin..newline - dropped];
    if bytes.len() > grammar.max_control_line {
        return Err(Err(Violation::ControlLineExceeded));
    }
    Ok(Argument {
        bytes,
        line_len: newline + 1,
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

/// A decimal number of at most nine digits, as sizes and counts are written.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0usize, |sum, &digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + usize::from(digit - b'0'))
    })
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
