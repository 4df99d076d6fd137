//! The buffers that receiving needs, shared by all connections of a thread.

/// What one receive asks for. Large enough that syscalls do not matter, small enough to stay in the cache.
pub const RECEIVE_BYTES: usize = 256 * 1024;

/// Buffers that all connections of a thread share.
#[derive(Default)]
pub struct Scratch {
    /// Bytes as received.
    pub raw: Vec<u8>,
    /// Bytes of the NATS protocol, for connections with layers.
    pub clear: Vec<u8>,
    /// Bytes between two layers.
    pub middle: Vec<u8>,
}
