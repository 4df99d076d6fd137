//! A queue of bytes: written in pieces, read in other pieces.

/// Bytes on their way.
#[derive(Default)]
pub struct ByteQueue {
    bytes: Vec<u8>,
    start: usize,
}

impl ByteQueue {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Forgets the first bytes.
    pub fn consume(&mut self, len: usize) {
        self.start += len;
        assert!(self.start <= self.bytes.len());
        if self.start * 2 >= self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Forgets everything after the first bytes.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(self.start + len);
    }

    /// Moves the first bytes elsewhere.
    pub fn move_to(&mut self, other: &mut Self, len: usize) {
        other.push(&self.as_slice()[..len]);
        self.consume(len);
    }
}
