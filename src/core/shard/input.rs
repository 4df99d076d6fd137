//! Bytes of a connection, from the socket to the commands.
//!
//! A read goes into the core's shared buffer, behind the few bytes that were
//! left of the last one ([`Shard::restore_input`]); so a command is always in
//! one piece and an idle connection owns no buffer. Only a large payload gets
//! one, which the socket is then read into directly.
//!
//! Input that has to wait (see [`Hold`]) is kept with the connection, at most
//! one read of it, since the socket of a held connection is not read.

use bytes::Bytes;

use super::Shard;
use super::message::Line;
use crate::base::id::ConnectionKey;
use crate::base::limits::{COMMAND_WORK_NS, OWN_BUFFER_PAYLOAD_BYTES, STALL_READ_BYTES};
use crate::base::traffic::Traffic;
use crate::session::close_reason::CloseReason;
use crate::session::input::Hold;
use crate::session::large_message::LargeMessage;
use crate::wire::complaint::complaint;
use crate::wire::parse::{Command, Grammar, Parsed, Violation, parse};

/// What became of a command.
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// It has to wait: it is parsed again when the connection goes on.
    Postponed,
}

impl Shard {
    /// Moves the input that is left of the last read to the front of a buffer
    /// and returns its length; the next read goes behind it, and both together
    /// to [`Self::on_bytes`].
    pub fn restore_input(&mut self, key: ConnectionKey, buffer: &mut [u8]) -> usize {
        let Some(index) = self.connections.find(key) else {
            return 0;
        };
        let input = &mut self.connections[index].reading.unparsed;
        let len = input.len();
        if len == 0 || len * 2 > buffer.len() {
            return 0;
        }
        debug_assert!(len < buffer.len(), "there is room for more");
        buffer[..len].copy_from_slice(input);
        // A connection in the middle of traffic keeps its small buffer.
        if len > 512 {
            *input = Vec::new();
        } else {
            input.clear();
        }
        len
    }

    /// Where a large payload goes that has not arrived whole: the socket is
    /// read into it, then [`Self::on_large_bytes`] is called.
    pub fn large_space(&mut self, key: ConnectionKey) -> Option<&mut [u8]> {
        let index = self.connections.find(key)?;
        let large = self.connections[index].reading.large.as_mut()?;
        Some(large.space())
    }

    /// Notes that bytes have arrived in [`Self::large_space`].
    pub fn on_large_bytes(&mut self, key: ConnectionKey, arrived: usize) {
        let Some(index) = self.connections.find(key) else {
            return;
        };
        let Some(large) = self.connections[index].reading.large.as_mut() else {
            return;
        };
        debug_assert!(arrived <= large.space().len(), "it was read into there");
        large.fill(arrived);
        self.finish_large(index);
    }

    /// Takes bytes from a socket.
    pub fn on_bytes(&mut self, key: ConnectionKey, bytes: &[u8]) {
        let Some(index) = self.connections.find(key) else {
            return;
        };
        let mut bytes = bytes;
        if let Some(large) = self.connections[index].reading.large.as_mut() {
            bytes = large.take(bytes);
            self.finish_large(index);
        }
        let connection = &mut self.connections[index];
        if !connection.input.reads() {
            self.keep_input(index, bytes);
            return;
        }
        if connection.reading.unparsed.is_empty() {
            self.consume(index, bytes);
        } else {
            let mut joined = std::mem::take(&mut connection.reading.unparsed);
            joined.extend_from_slice(bytes);
            self.consume(index, &joined);
        }
        if bytes.len() >= STALL_READ_BYTES {
            self.stall_if_ahead(index);
        }
    }

    fn grammar(&self, index: u32) -> Grammar {
        let limits = &self.config.limits;
        let connection = &self.connections[index];
        Grammar {
            max_control_line: limits.max_control_line as usize,
            max_payload: limits.max_payload.min(connection.login.max_payload) as usize,
            headers: connection.headers,
            awaiting_credentials: connection.login.awaiting_credentials,
        }
    }

    /// Executes the commands at the front of the input and keeps the rest.
    fn consume(&mut self, index: u32, input: &[u8]) {
        let connection = &self.connections[index];
        if !connection.input.reads() {
            self.keep_input(index, input);
            return;
        }
        if input.is_empty() {
            return;
        }
        if connection.reading.is_heavy || self.work.is_spent() {
            // Whoever asked for more than a share lately waits for others like it.
            self.keep_input(index, input);
            self.pause(index);
            return;
        }
        self.execute_all(index, input);
    }

    /// Counts with its account what a connection has sent since then.
    fn count_input(&mut self, index: u32, before: &Traffic) {
        let connection = &self.connections[index];
        let sent = &connection.traffic;
        debug_assert!(
            before.in_messages <= sent.in_messages && before.in_bytes <= sent.in_bytes,
            "nothing is unsaid"
        );
        let traffic = &mut self.interests[connection.account].traffic;
        traffic.in_messages += sent.in_messages - before.in_messages;
        traffic.in_bytes += sent.in_bytes - before.in_bytes;
    }

    /// Executes commands until they are done, have to wait, or have taken a share
    /// of the turn; keeps what is left of the input.
    pub(super) fn execute_all(&mut self, index: u32, input: &[u8]) {
        debug_assert!(
            self.connections[index].input.reads()
                && self.connections[index].reading.unparsed.is_empty(),
            "what came first is executed first"
        );
        let before = self.connections[index].traffic;
        let share = self.work.mark_after(self.config.limits.work.slice_ns);
        self.connections[index].reading.is_heavy = false;
        let mut rest = input;
        let mut grammar = self.grammar(index);
        let trace = self.config.trace;
        let keep = loop {
            let connection = &self.connections[index];
            if rest.is_empty() || !connection.input.reads() {
                break rest.len();
            }
            if self.work.is_down_to(share) {
                self.pause(index);
                rest = self.spoilt_rest(rest, &grammar);
                break rest.len();
            }
            self.work.charge(COMMAND_WORK_NS);
            // What is logged is logged in its parts.
            if !trace && let Some((message, taken)) = &connection.reading.last_line.recall(rest) {
                match self.publish_plainly(index, message, Line::Repeated) {
                    Outcome::Done => rest = &rest[*taken..],
                    Outcome::Postponed => break rest.len(),
                }
                continue;
            }
            let line = rest;
            // Matched in place: a message is too large to be moved for nothing.
            match &parse(rest, &grammar) {
                Ok(Parsed::Command(command, taken)) => {
                    if trace {
                        self.log_received(index, command, &rest[..*taken]);
                    }
                    match self.execute(index, command) {
                        Outcome::Done => rest = &rest[*taken..],
                        Outcome::Postponed => break rest.len(),
                    }
                    match command {
                        Command::Publish(message) => {
                            self.connections[index].reading.learn(line, message, *taken);
                        }
                        Command::Connect(_) => grammar = self.grammar(index),
                        _ => {}
                    }
                }
                Ok(Parsed::Incomplete { keep }) => break *keep,
                Ok(Parsed::PayloadPending {
                    line_len,
                    payload_len,
                }) if *payload_len >= OWN_BUFFER_PAYLOAD_BYTES => {
                    self.begin_large(index, rest, line_len + payload_len);
                    break 0;
                }
                // It is copied once more when the rest is there, which is cheaper
                // than a buffer for it.
                Ok(Parsed::PayloadPending { .. }) => break rest.len(),
                Err(violation) if self.forgives(index, *violation) => grammar = self.grammar(index),
                Err(violation) => {
                    self.violate(index, *violation, rest);
                    break 0;
                }
            }
        };
        self.end_slice(index, &rest[..keep], &before);
    }

    /// Keeps what is left of the input, after commands have been executed; `before`
    /// is what had been counted.
    fn end_slice(&mut self, index: u32, rest: &[u8], before: &Traffic) {
        debug_assert!(
            self.connections[index].reading.unparsed.is_empty(),
            "only what was not executed is kept"
        );
        self.keep_input(index, rest);
        self.count_input(index, before);
        if self.connections[index].input.hold() == Hold::Paused {
            self.stall_if_ahead(index);
        }
    }

    fn keep_input(&mut self, index: u32, input: &[u8]) {
        let connection = &mut self.connections[index];
        if !connection.input.is_closing() {
            connection.reading.unparsed.extend_from_slice(input);
        }
    }

    fn begin_large(&mut self, index: u32, here: &[u8], len: usize) {
        debug_assert!(
            self.connections[index].reading.large.is_none(),
            "one message arrives at a time"
        );
        debug_assert!(here.len() < len, "what is whole is executed at once");
        let buffer = self.connections.pool.take_shared(len);
        let large = LargeMessage::new(buffer, here, len);
        self.connections[index].reading.large = Some(Box::new(large));
    }

    fn finish_large(&mut self, index: u32) {
        let grammar = self.grammar(index);
        let connection = &mut self.connections[index];
        let Some(large) = connection.reading.large.take() else {
            return;
        };
        if !large.is_whole() {
            // The payload may be seen to end wrongly one byte before.
            match parse(large.arrived(), &grammar) {
                Ok(_) => connection.reading.large = Some(large),
                Err(violation) => {
                    let arrived = large.arrived().to_vec();
                    self.violate(index, violation, &arrived);
                }
            }
            return;
        }
        debug_assert!(
            connection.input.reads(),
            "the socket of who is held is not read"
        );
        let whole = large.freeze();
        match parse(&whole, &grammar) {
            Ok(Parsed::Command(command, _)) => {
                if self.config.trace {
                    self.log_received(index, &command, &whole);
                }
                let before = self.connections[index].traffic;
                self.scratch.large = whole.clone();
                if let Outcome::Postponed = self.execute(index, &command) {
                    self.connections[index].reading.unparsed = whole.to_vec();
                }
                self.scratch.large = Bytes::new();
                self.count_input(index, &before);
                self.connections.pool.give_shared(whole);
                self.stall_if_ahead(index);
            }
            // Its length is that of the message that was announced.
            Ok(_) => unreachable!("a whole message is a command"),
            Err(violation) => self.violate(index, violation, &whole),
        }
    }

    /// Whether a connection goes on all the same: it may begin without CONNECT.
    fn forgives(&mut self, index: u32, violation: Violation) -> bool {
        violation == Violation::CredentialsNeeded && self.enter_without_credentials(index)
    }

    /// Ends a connection whose input begins with what is no protocol.
    fn violate(&mut self, index: u32, violation: Violation, input: &[u8]) {
        debug_assert!(
            !self.connections[index].input.is_closing(),
            "nobody reads what comes after the end"
        );
        let (text, reason): (&[u8], _) = match violation {
            Violation::UnknownOperation => (
                b"Unknown Protocol Operation",
                CloseReason::ProtocolViolation,
            ),
            Violation::ControlLineExceeded => (
                b"maximum control line exceeded",
                CloseReason::MaxControlLineExceeded,
            ),
            Violation::PayloadExceeded => (
                b"Maximum Payload Violation",
                CloseReason::MaxPayloadExceeded,
            ),
            Violation::CredentialsNeeded => {
                self.refuse_credentials(index);
                return;
            }
            // The reference server says nothing here (NATS 2.15).
            Violation::BadArguments | Violation::HeadersNotSupported => {
                (b"", CloseReason::ProtocolViolation)
            }
        };
        let complaint = complaint(violation, input, &self.grammar(index));
        self.log_error(index, &complaint);
        if !text.is_empty() {
            self.send_error(index, text);
        }
        self.close(index, reason);
    }
}
