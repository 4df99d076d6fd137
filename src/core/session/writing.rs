//! What waits to be sent to a connection, and how far its socket keeps up.
//!
//! Not here: the rows of those who are to be sent to, and the sums over all of them
//! (`shard`).

use super::outbox::Outbox;
use crate::base::id::Nanos;

/// Whether a connection is to be sent to, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mark {
    /// Nothing has come for it since it was last sent to.
    #[default]
    Unmarked,
    /// In this turn or a later one: it is one of many receivers.
    Bulk,
    /// In this turn.
    Prompt,
}

/// What waits to be sent to a connection.
#[derive(Debug)]
pub struct Writing {
    /// It.
    pub outbox: Outbox,
    /// Whether the connection is to be sent to.
    pub mark: Mark,
    /// The socket refused bytes: nothing is sent until it is writable.
    pub is_blocked: bool,
    /// Bytes that the shard counts as waiting for it.
    pub waiting_bytes: u64,
    /// Total bytes accepted by the socket.
    pub sent_bytes: u64,
    /// The socket must have accepted this many bytes in total...
    pub due_bytes: u64,
    /// ...by this moment.
    pub deadline: Nanos,
    /// Total bytes that it had accepted when that was demanded.
    pub due_from: u64,
}

impl Default for Writing {
    /// Nothing has come, nothing is demanded.
    fn default() -> Self {
        Self {
            outbox: Outbox::default(),
            mark: Mark::Unmarked,
            is_blocked: false,
            waiting_bytes: 0,
            sent_bytes: 0,
            due_bytes: 0,
            deadline: Nanos::NEVER,
            due_from: 0,
        }
    }
}

impl Writing {
    /// Demands that the socket accepts what waits now by this moment.
    pub fn demand(&mut self, deadline: Nanos) {
        self.due_from = self.sent_bytes;
        self.due_bytes = self.sent_bytes + self.outbox.pending_bytes();
        self.deadline = deadline;
    }
}
