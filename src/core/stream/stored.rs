//! A message in a log, before, while and after it is there.

use crate::base::moment::WallNanos;

/// A stored message.
#[derive(Debug)]
pub struct Stored {
    /// Number of its subject.
    pub subject: u32,
    /// Bytes of the header block.
    pub header_len: u32,
    /// Bytes of the payload.
    pub payload_len: u32,
    /// When it was stored.
    pub time: WallNanos,
    /// Where its record lies in the journal, of a stream on disk.
    pub position: u64,
    /// Header block, payload, CR LF, of a stream in memory.
    pub(super) held: Option<Box<[u8]>>,
    /// The next message of its subject, or 0.
    pub(super) next: u64,
    /// The one before, or 0.
    pub(super) previous: u64,
}

impl Stored {
    /// Header block, payload, CR LF, as a client gets them, of a stream in memory.
    #[must_use]
    pub fn held(&self) -> Option<&[u8]> {
        self.held.as_deref()
    }

    /// Bytes of header block and payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header_len as usize + self.payload_len as usize
    }

    /// Bytes of header block and payload, apart.
    #[must_use]
    pub fn lens(&self) -> (usize, usize) {
        (self.header_len as usize, self.payload_len as usize)
    }

    /// Whether it has neither header block nor payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next message of its subject.
    #[must_use]
    pub fn next_of_subject(&self) -> Option<u64> {
        (self.next > 0).then_some(self.next)
    }

    /// The message of its subject before it.
    #[must_use]
    pub fn previous_of_subject(&self) -> Option<u64> {
        (self.previous > 0).then_some(self.previous)
    }
}

/// A message that was removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gone {
    /// Its sequence.
    pub sequence: u64,
    /// Where its record lies, and
    pub position: u64,
    /// how many bytes that takes.
    pub record_len: u64,
    /// Its subject, if somebody wants to know that.
    pub subject: Option<Box<[u8]>>,
    /// The number that its subject had.
    pub number: u32,
}

/// What is new, to be stored.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Its subject.
    pub subject: &'a [u8],
    /// The header block, or nothing.
    pub header: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// When it came.
    pub time: WallNanos,
}
