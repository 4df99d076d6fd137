//! Messages that ask for their way through the server to be written down (ADR-41,
//! NATS 2.11): the header `Nats-Trace-Dest` names the subject that the account
//! goes to, `Nats-Trace-Only` wants it without a delivery.
//!
//! The core of the publisher writes down how the message came in and who of its
//! own connections got it; every core that it was handed to writes down the
//! same. Messages between two cores keep their order, so the n-th traced message
//! that one has sent is the n-th that the other has received: a pair of cores and
//! a number name a part. The shell takes the parts ([`super::Ask::Trace`]),
//! joins them and publishes the account.
//!
//! Plain data. Not here: how parts come about (`fanout`, `trace_notes`);
//! `traceparent`, whose destination is a setting of an account.
//! Bounds: parts that the shell does not drain in the turn are dropped, oldest
//! kept.

use std::collections::VecDeque;

use crate::base::id::{AccountId, CoreId, Nanos};
use crate::base::limits::{SYSTEM_NOTES_MAX, TRACED_EGRESSES_WAITING_MAX};
use crate::subject::pattern::is_literal;

const DESTINATION: &[u8] = b"Nats-Trace-Dest";
const ONLY: &[u8] = b"Nats-Trace-Only";
/// A header of servers before 2.11.
const ORIGIN_ACCOUNT: &[u8] = b"Nats-Trace-Origin-Account";
/// The destination of a message that is not to be traced after all.
const DISABLED: &[u8] = b"trace disabled";

/// A part of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TracePart {
    /// What happened where the message was published.
    Published(Published),
    /// What happened on another core.
    HandedOn {
        /// Which part it is.
        name: PartName,
        /// Who got the message there.
        egresses: Vec<Egress>,
    },
}

impl TracePart {
    /// How many receivers it names.
    #[must_use]
    pub fn egresses(&self) -> usize {
        match self {
            Self::Published(published) => published.egresses.len(),
            Self::HandedOn { egresses, .. } => egresses.len(),
        }
    }
}

/// Names the part of one core in the account of one message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PartName {
    /// The core of the publisher.
    pub origin: CoreId,
    /// The core that wrote the part.
    pub core: CoreId,
    /// The how manieth between the two.
    pub number: u64,
}

/// A traced message and what happened on the core of its publisher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// The publisher's account.
    pub account: AccountId,
    /// When the message came in.
    pub at: Nanos,
    /// The publisher's number,
    pub client_id: u64,
    /// and its name.
    pub name: String,
    /// The subject as it was published.
    pub subject: Vec<u8>,
    /// What a mapping has made of it.
    pub mapped_to: Option<Vec<u8>>,
    /// Why it was not let in; empty: it was.
    pub error: String,
    /// Its header block.
    pub header: Vec<u8>,
    /// Bytes of header block and body.
    pub size: usize,
    /// Where the account goes.
    pub destination: Vec<u8>,
    /// Who got it.
    pub egresses: Vec<Egress>,
    /// Parts of other cores that belong to the account.
    pub awaited: Vec<PartName>,
    /// Nobody is to get it.
    pub is_only: bool,
}

/// A receiver, or somebody who would have been one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Egress {
    /// When it was given the message.
    pub at: Nanos,
    /// The connection's number,
    pub client_id: u64,
    /// and its name.
    pub name: String,
    /// The subscription's pattern,
    pub subscription: String,
    /// and its queue group; empty: none.
    pub queue: String,
    /// Why it did not get the message; empty: it did.
    pub error: &'static str,
}

/// What a core knows of traced messages.
#[derive(Default)]
pub(super) struct Traces {
    /// The one that is being published.
    pub current: Option<Box<Published>>,
    /// Those handed to every core so far,
    pub sent: Vec<u64>,
    /// and those received from every core.
    pub received: Vec<u64>,
    /// For the shell.
    parts: VecDeque<TracePart>,
    /// Receivers that they name.
    egresses: usize,
}

impl Traces {
    /// Counts on, and says how many there were before.
    pub fn count(counts: &mut Vec<u64>, core: CoreId) -> u64 {
        if counts.len() <= core.index() {
            counts.resize(core.index() + 1, 0);
        }
        let count = &mut counts[core.index()];
        *count += 1;
        *count - 1
    }

    /// The oldest part that waits.
    pub fn next_part(&mut self) -> Option<TracePart> {
        let part = self.parts.pop_front()?;
        self.egresses -= part.egresses();
        Some(part)
    }

    /// Leaves a part for the shell.
    pub fn leave(&mut self, part: TracePart) {
        let egresses = self.egresses + part.egresses();
        if self.parts.len() < SYSTEM_NOTES_MAX && egresses <= TRACED_EGRESSES_WAITING_MAX {
            self.egresses = egresses;
            self.parts.push_back(part);
        }
    }
}

/// Whether a header block may want a trace: a quick look.
#[inline(never)]
pub(super) fn wants_trace(header: &[u8]) -> bool {
    memchr::memmem::find(header, DESTINATION).is_some()
}

/// What a header block wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish<'a> {
    /// Nothing.
    Nothing,
    /// A trace without delivery that cannot be had.
    Impossible,
    /// A trace.
    Trace {
        /// Where the account goes.
        destination: &'a [u8],
        /// Without delivery.
        is_only: bool,
    },
}

impl<'a> Wish<'a> {
    /// Reads a header block. All cores that see it have to come to the same
    /// result.
    pub fn of(header: &'a [u8]) -> Self {
        let first = |name: &[u8]| headers(header).find(|(key, _)| *key == name);
        let Some((_, destination)) = first(DESTINATION) else {
            return Self::Nothing;
        };
        if headers(header).any(|header| header == (DESTINATION, DISABLED)) {
            return Self::Nothing;
        }
        let is_only = first(ONLY).is_some_and(|(_, value)| {
            let yes: [&[u8]; 3] = [b"1", b"true", b"on"];
            yes.iter().any(|yes| value.eq_ignore_ascii_case(yes))
        });
        let is_possible = is_literal(destination) && !destination.contains(&b' ');
        match (is_possible && first(ORIGIN_ACCOUNT).is_none(), is_only) {
            (true, _) => Self::Trace {
                destination,
                is_only,
            },
            (false, true) => Self::Impossible,
            (false, false) => Self::Nothing,
        }
    }
}

/// The names and values of a header block, those without a value left out.
pub fn headers(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = block.split(|&byte| byte == b'\n').skip(1);
    lines.filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        (!name.is_empty() && !value.is_empty()).then_some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_blocks_say_what_they_want() {
        let wish = |lines: &str| format!("NATS/1.0\r\n{lines}\r\n");
        let trace = |destination: &'static str, is_only| Wish::Trace {
            destination: destination.as_bytes(),
            is_only,
        };
        for (lines, expected) in [
            ("Nats-Trace-Dest: t.x\r\n", trace("t.x", false)),
            (
                "a:b\r\nNats-Trace-Dest:t\r\nNats-Trace-Only: On\r\n",
                trace("t", true),
            ),
            (
                "Nats-Trace-Only: 1\r\nNats-Trace-Dest: t\r\n",
                trace("t", true),
            ),
            (
                "Nats-Trace-Only: no\r\nNats-Trace-Dest: t\r\n",
                trace("t", false),
            ),
            ("nats-trace-dest: t\r\n", Wish::Nothing),
            ("Nats-Trace-Only: 1\r\n", Wish::Nothing),
            (
                "Nats-Trace-Dest: trace disabled\r\nNats-Trace-Only: 1\r\n",
                Wish::Nothing,
            ),
            ("Nats-Trace-Dest: t.*\r\n", Wish::Nothing),
            (
                "Nats-Trace-Dest: t..x\r\nNats-Trace-Only: true\r\n",
                Wish::Impossible,
            ),
            ("Nats-Trace-Dest: \r\n", Wish::Nothing),
        ] {
            assert_eq!(Wish::of(wish(lines).as_bytes()), expected, "{lines}");
        }
    }
}
