//! The stream from the server: messages and control lines out of raw received bytes.
//!
//! Two scanners share one line parser. [`MessageScanner`] hands out whole messages, for runs that look into payloads.
//! [`CountScanner`] only counts, and is what measures a server at full speed. Its idea: on a loaded subscription,
//! message after message begins with the very same line (same subject, sid and size). So it keeps the last line, compares
//! the next bytes with it (one short memcmp) and jumps over line and payload at once; only where the line differs is
//! anything parsed. A payload that is cut by the end of the received bytes is skipped by arithmetic, never copied.

use std::fmt;

/// Longest control line accepted before its end is seen; INFO of a large cluster is the longest there is.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Largest payload accepted: 64 MiB, the most any NATS server can be configured for.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Lines longer than this are parsed each time instead of being remembered.
const MEMO_BYTES: usize = 256;

/// What arrives beside messages.
#[derive(Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// The server asks whether we live.
    Ping,
    /// Answer to our PING.
    Pong,
    /// `+OK`.
    Ok,
    /// `INFO`, again.
    Info,
    /// `-ERR` with its text.
    Error(&'a [u8]),
}

/// One message, borrowed from the receive buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Subject it was published on.
    pub subject: &'a [u8],
    /// Our subscription id.
    pub sid: u64,
    /// Reply subject, empty when there is none.
    pub reply: &'a [u8],
    /// Header block of HMSG, empty for MSG.
    pub headers: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

/// Bytes that are not the NATS protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError(pub String);

impl fmt::Display for WireError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "protocol error in what the server sent: {}",
            self.0
        )
    }
}

/// Takes what a scanner finds.
pub trait Sink {
    /// A whole message.
    fn message(&mut self, message: &Message<'_>);
    /// A control line.
    fn control(&mut self, control: Control<'_>);
}

/// A parsed line; sizes are as announced.
enum Line<'a> {
    Message {
        subject: &'a [u8],
        sid: u64,
        reply: &'a [u8],
        header_size: usize,
        size: usize,
    },
    Control(Control<'a>),
}

/// Finds whole messages. It has no state: an incomplete tail is not consumed and must be offered again.
pub struct MessageScanner;

impl MessageScanner {
    /// Reports everything complete in `bytes` to `sink` and returns how many bytes that was.
    pub fn scan(bytes: &[u8], sink: &mut impl Sink) -> Result<usize, WireError> {
        let mut at = 0;
        while let Some(end) = line_end(&bytes[at..])? {
            match parse_line(&bytes[at..at + end])? {
                Line::Control(control) => sink.control(control),
                Line::Message {
                    subject,
                    sid,
                    reply,
                    header_size,
                    size,
                } => {
                    let start = at + end + 1;
                    let stop = start + size;
                    if bytes.len() < stop + 2 {
                        return Ok(at);
                    }
                    check_payload_end(&bytes[stop..stop + 2])?;
                    let (headers, payload) = bytes[start..stop].split_at(header_size);
                    sink.message(&Message {
                        subject,
                        sid,
                        reply,
                        headers,
                        payload,
                    });
                    at = stop + 2;
                    continue;
                }
            }
            at += end + 1;
        }
        Ok(at)
    }
}

/// Counts messages and payload bytes as cheaply as possible.
#[derive(Default)]
pub struct CountScanner {
    /// Messages received completely.
    pub messages: u64,
    /// Their payload bytes (headers included).
    pub payload_bytes: u64,
    /// Bytes of a cut payload (and its line end) still to come.
    skip: usize,
    memo: Vec<u8>,
    memo_size: usize,
}

impl CountScanner {
    /// Counts what is in `bytes`; control lines go to `control`. Returns the consumed length: what remains is an
    /// incomplete line (never payload) and must be offered again.
    pub fn scan(
        &mut self,
        bytes: &[u8],
        mut control: impl FnMut(Control<'_>),
    ) -> Result<usize, WireError> {
        let mut at = self.skip.min(bytes.len());
        if at > 0 {
            self.skip -= at;
            if self.skip > 0 {
                return Ok(at);
            }
            self.messages += 1;
        }
        loop {
            at += self.run_of_equal_lines(&bytes[at..])?;
            let Some(end) = line_end(&bytes[at..])? else {
                return Ok(at);
            };
            let line = &bytes[at..=at + end];
            match parse_line(&line[..end])? {
                Line::Control(found) => {
                    control(found);
                    at += end + 1;
                }
                Line::Message { size, .. } => {
                    self.remember(line, size);
                    self.payload_bytes += size as u64;
                    at += end + 1;
                    let left = bytes.len() - at;
                    if left < size + 2 {
                        self.skip = size + 2 - left;
                        return Ok(bytes.len());
                    }
                    check_payload_end(&bytes[at + size..at + size + 2])?;
                    at += size + 2;
                    self.messages += 1;
                }
            }
        }
    }

    /// Jumps over complete messages whose line is the remembered one.
    #[inline]
    fn run_of_equal_lines(&mut self, bytes: &[u8]) -> Result<usize, WireError> {
        let memo = self.memo.as_slice();
        if memo.is_empty() {
            return Ok(0);
        }
        let step = memo.len() + self.memo_size + 2;
        let mut count = 0;
        for chunk in bytes.chunks_exact(step) {
            if !chunk.starts_with(memo) {
                break;
            }
            check_payload_end(&chunk[step - 2..])?;
            count += 1;
        }
        self.messages += count as u64;
        self.payload_bytes += (count * self.memo_size) as u64;
        Ok(count * step)
    }

    fn remember(&mut self, line: &[u8], size: usize) {
        self.memo.clear();
        if line.len() <= MEMO_BYTES {
            self.memo.extend_from_slice(line);
            self.memo_size = size;
        }
    }
}

#[inline]
fn check_payload_end(end: &[u8]) -> Result<(), WireError> {
    if end == b"\r\n" {
        Ok(())
    } else {
        Err(WireError(format!(
            "payload ends with \"{}\" instead of CR LF",
            end.escape_ascii()
        )))
    }
}

/// Position of the first line feed.
#[inline]
fn line_end(bytes: &[u8]) -> Result<Option<usize>, WireError> {
    let end = memchr::memchr(b'\n', bytes);
    if end.is_none() && bytes.len() > LINE_BYTES_MAX {
        return Err(WireError("a line without end".into()));
    }
    Ok(end)
}

/// Parses one line, given without its line feed.
fn parse_line(line: &[u8]) -> Result<Line<'_>, WireError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line {
        [b'M', b'S', b'G', b' ', rest @ ..] => message_line(line, rest, false),
        [b'H', b'M', b'S', b'G', b' ', rest @ ..] => message_line(line, rest, true),
        b"PING" => Ok(Line::Control(Control::Ping)),
        b"PONG" => Ok(Line::Control(Control::Pong)),
        b"+OK" => Ok(Line::Control(Control::Ok)),
        [b'-', b'E', b'R', b'R', text @ ..] => Ok(Line::Control(Control::Error(text.trim_ascii()))),
        [b'I', b'N', b'F', b'O', b' ', ..] => Ok(Line::Control(Control::Info)),
        _ => Err(unknown_line(line)),
    }
}

fn message_line<'a>(
    line: &'a [u8],
    rest: &'a [u8],
    with_headers: bool,
) -> Result<Line<'a>, WireError> {
    let mut fields: [&[u8]; 5] = [b""; 5];
    let mut count = 0;
    for field in rest
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty())
    {
        *fields.get_mut(count).ok_or_else(|| unknown_line(line))? = field;
        count += 1;
    }
    let numbers = if with_headers { 2 } else { 1 };
    let reply: &[u8] = match count.checked_sub(numbers) {
        Some(2) => b"",
        Some(3) => fields[2],
        _ => return Err(unknown_line(line)),
    };
    let number = |field: &[u8]| digits(field).ok_or_else(|| unknown_line(line));
    let size = number(fields[count - 1])? as usize;
    let header_size = if with_headers {
        number(fields[count - 2])? as usize
    } else {
        0
    };
    if size > PAYLOAD_BYTES_MAX || header_size > size {
        return Err(unknown_line(line));
    }
    Ok(Line::Message {
        subject: fields[0],
        sid: number(fields[1])?,
        reply,
        header_size,
        size,
    })
}

fn unknown_line(line: &[u8]) -> WireError {
    WireError(format!(
        "unexpected line \"{}\"",
        line[..line.len().min(200)].escape_ascii()
    ))
}

/// Decimal digits only; at most 18 of them, so it cannot overflow.
pub fn digits(field: &[u8]) -> Option<u64> {
    if field.is_empty() || field.len() > 18 {
        return None;
    }
    field.iter().try_fold(0u64, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u64::from(byte - b'0'))
    })
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
