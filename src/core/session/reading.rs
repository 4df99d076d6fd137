//! What has come from a connection and is not executed, and what is remembered of
//! what was, for the next message is mostly like the last one.
//!
//! Not here: whether it may be executed ([`super::input`]).

use super::large_message::LargeMessage;
use crate::base::slab::NONE;
use crate::wire::command::Publish;
use crate::wire::repeat::LastLine;

/// What has come from a connection.
#[derive(Debug)]
pub struct Reading {
    /// The control line of its last message.
    pub last_line: LastLine,
    /// Stamp of the route of messages with that line; zero: not known.
    pub last_line_route: u64,
    /// Place of the route that it used last.
    pub last_route: u32,
    /// Its last input was more than a share of a turn.
    pub is_heavy: bool,
    /// Input that is not parsed yet.
    pub unparsed: Vec<u8>,
    /// A large message that has not arrived whole.
    pub large: Option<Box<LargeMessage>>,
}

impl Default for Reading {
    /// Nothing has come.
    fn default() -> Self {
        Self {
            last_line: LastLine::default(),
            last_line_route: 0,
            last_route: NONE,
            is_heavy: false,
            unparsed: Vec::new(),
            large: None,
        }
    }
}

impl Reading {
    /// Remembers the line of a message that began the input.
    #[inline]
    pub fn learn(&mut self, input: &[u8], message: &Publish<'_>, taken: usize) {
        self.last_line.learn(input, message, taken);
        // It may be another one, of which nothing is known.
        self.last_line_route = 0;
    }

    /// Forgets what is not executed: it never will be.
    pub fn abandon(&mut self) {
        self.unparsed = Vec::new();
        self.large = None;
    }
}
