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
    /// Counts a message from a client.
    #[inline]
    pub fn count_in(&mut self, size: usize) {
        self.in_messages += 1;
        self.in_bytes += size as u64;
    }

    /// Takes back what [`Self::count_in`] has counted.
    pub fn uncount_in(&mut self, size: usize) {
        self.in_messages -= 1;
        self.in_bytes -= size as u64;
    }

    /// Counts deliveries of one message.
    #[inline]
    pub fn count_out(&mut self, deliveries: u64, size: usize) {
        self.out_messages += deliveries;
        self.out_bytes += deliveries * size as u64;
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.in_messages += other.in_messages;
        self.in_bytes += other.in_bytes;
        self.out_messages += other.out_messages;
        self.out_bytes += other.out_bytes;
    }
}
