//! The control line that a publisher sent last, for the next message with the
//! same one.
//!
//! Telemetry repeats itself: the same subject, often the same size. A line that
//! is byte for byte the last one need not be taken apart again; comparing it
//! takes a few instructions where parsing takes some two hundred. Only lines
//! without a reply are remembered, since replies differ from message to
//! message, and only short ones.

use super::command::Publish;
use crate::base::short;

/// Longest line that is remembered, in bytes.
const LINE_MAX: usize = 48;

/// A remembered control line of `PUB`.
#[derive(Clone, Debug)]
pub struct LastLine {
    bytes: [u8; LINE_MAX],
    /// Bytes of the line, newline included; zero: nothing is remembered.
    len: u8,
    subject_end: u8,
    size: u32,
}

impl Default for LastLine {
    fn default() -> Self {
        Self {
            bytes: [0; LINE_MAX],
            len: 0,
            subject_end: 0,
            size: 0,
        }
    }
}

/// `PUB ` before the subject.
const SUBJECT_START: usize = 4;

impl LastLine {
    /// The message at the front of the input, if its line is the remembered
    /// one and its payload is there, with the bytes that it takes.
    #[inline]
    pub fn recall<'a>(&self, input: &'a [u8]) -> Option<(Publish<'a>, usize)> {
        let len = usize::from(self.len);
        let size = self.size as usize;
        let line = input.get(..len)?;
        let end = len + size + 2;
        if len == 0 || !short::equal(line, &self.bytes[..len]) || input.len() < end {
            return None;
        }
        let (message, subject_end) = (&input[..end], usize::from(self.subject_end));
        let payload = &message[len..];
        if payload[size..] != *b"\r\n" {
            return None;
        }
        let tail = &message[subject_end + 1..];
        let publish = Publish {
            subject: &line[SUBJECT_START..subject_end],
            reply: &[],
            header_len: 0,
            header_text: &[],
            size_text: &line[subject_end + 1..len - 2],
            tail,
            payload,
        };
        Some((publish, end))
    }

    /// Remembers the line of a message that began the input, if it is worth
    /// it.
    #[inline]
    pub fn learn(&mut self, input: &[u8], message: &Publish<'_>, taken: usize) {
        let line_len = taken - message.payload.len();
        let subject_end = SUBJECT_START + message.subject.len();
        // `PUB subject size\r\n`, all of it as plain as can be.
        let is_plain = message.reply.is_empty()
            && message.header_text.is_empty()
            && input.starts_with(b"PUB ")
            && line_len == subject_end + 1 + message.size_text.len() + 2
            && !message.tail.is_empty();
        if is_plain
            && line_len <= LINE_MAX
            && let (Ok(len), Ok(end)) = (u8::try_from(line_len), u8::try_from(subject_end))
            && let Ok(size) = u32::try_from(message.size())
        {
            self.bytes[..line_len].copy_from_slice(&input[..line_len]);
            self.len = len;
            self.subject_end = end;
            self.size = size;
        }
    }

    /// Forgets: what is acceptable has changed.
    pub fn forget(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::parse::{Command, Grammar, Parsed, parse};

    const GRAMMAR: Grammar = Grammar {
        max_control_line: 4096,
        max_payload: 1000,
        headers: true,
        awaiting_credentials: false,
    };

    fn parsed(input: &[u8]) -> Option<(Publish<'_>, usize)> {
        match parse(input, &GRAMMAR) {
            Ok(Parsed::Command(Command::Publish(message), taken)) => Some((message, taken)),
            _ => None,
        }
    }

    #[test]
    fn recalls_exactly_what_parsing_finds() {
        let lines: [&[u8]; 10] = [
            b"PUB a 1\r\nx\r\n",
            b"PUB a 1\r\ny\r\nPING\r\n",
            b"PUB a 01\r\ny\r\n",
            b"PUB a 1\r\nxy\r\n",
            b"PUB a 1\r\nx\r",
            b"PUB a 2\r\nxy\r\n",
            b"PUB a r 1\r\nx\r\n",
            b"PUB  a 1\r\nx\r\n",
            b"HPUB a 1 1\r\nx\r\n",
            b"PUB a.longer.subject.than.the.other.ones.are.here.so.it.is 1\r\nx\r\n",
        ];
        for first in lines {
            let mut last = LastLine::default();
            if let Some((message, taken)) = parsed(first) {
                last.learn(first, &message, taken);
            }
            for second in lines {
                if let Some(recalled) = last.recall(second) {
                    assert_eq!(Some(recalled), parsed(second), "{first:?} {second:?}");
                }
            }
        }
        let mut last = LastLine::default();
        let (message, taken) = parsed(lines[0]).expect("a message");
        last.learn(lines[0], &message, taken);
        assert!(last.recall(lines[1]).is_some(), "the same line is recalled");
        last.forget();
        assert!(last.recall(lines[1]).is_none());
    }
}
