//! Counts of messages.

/// Messages and their payload bytes, headers included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Messages from clients.
    pub in_messages: u64,
    /// Their bytes.
    pub in_bytes: u64,
    /// Messages to clients.
    pub out_messages: u64,
    /// Their bytes.
    pub out_bytes: u64,
}

impl Traffic {
    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.in_messages += other.in_messages;
        self.in_bytes += other.in_bytes;
        self.out_messages += other.out_messages;
        self.out_bytes += other.out_bytes;
    }
}
