//! Publishers that are too fast for their receivers: what a connection knows of its
//! receivers, and of publishers that wait for it.

use crate::base::id::{ConnectionKey, CoreId};

/// A receiver that has fallen behind its publisher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Behind {
    /// Its slot.
    pub receiver: u32,
    /// Pending bytes that are too many for it.
    pub pending_bytes: u64,
}

/// Publishers that wait for a receiver.
#[derive(Debug, Default)]
pub struct StallWaiters {
    /// Their cores and keys.
    pub publishers: Vec<(CoreId, ConnectionKey)>,
    /// Pending bytes at which they go on.
    pub until_bytes: u64,
}

/// What a connection has to do with stalls, as a publisher and as a receiver.
#[derive(Debug, Default)]
pub struct Stalling {
    /// A receiver that has fallen behind while this connection published.
    pub behind: Option<Behind>,
    /// Publishers that wait for this connection to catch up.
    pub waiters: StallWaiters,
    /// Times that this connection was held back for a receiver.
    pub count: u32,
}
