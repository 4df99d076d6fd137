//! A large message on its way in.
//!
//! It is collected in a buffer of its own, which the socket is read into
//! directly where nothing stands between. Once it is whole, the outboxes of its
//! receivers share that buffer, so that its payload is never copied; when the
//! last of them is sent, the buffer returns to the core's pool. Not here: when
//! a message is large (shard), and the pool ([`super::outbox`]).

use bytes::{Bytes, BytesMut};

use crate::base::limits::LARGE_READ_BYTES;

/// A message whose control line has arrived and whose payload is so large
/// that it is collected in a buffer of its own.
#[derive(Debug)]
pub struct LargeMessage {
    /// What has arrived, and perhaps room for more that is zeroed.
    bytes: BytesMut,
    /// Bytes that have arrived.
    arrived: usize,
    /// Bytes of control line and payload.
    len: usize,
}

impl LargeMessage {
    /// A message of `len` bytes of which the first are here, in an empty buffer.
    #[must_use]
    pub fn new(mut buffer: BytesMut, here: &[u8], len: usize) -> Self {
        debug_assert!(buffer.is_empty() && here.len() <= len);
        buffer.extend_from_slice(here);
        Self {
            bytes: buffer,
            arrived: here.len(),
            len,
        }
    }

    /// Room for the next bytes. It is zeroed piece by piece: announcing a
    /// payload costs a peer's memory, not ours.
    pub fn space(&mut self) -> &mut [u8] {
        let end = self.len.min(self.arrived + LARGE_READ_BYTES);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.arrived..end]
    }

    /// Notes that bytes have arrived in [`Self::space`].
    ///
    /// # Panics
    /// If they are more than it has room for.
    pub fn fill(&mut self, len: usize) {
        self.arrived += len;
        assert!(self.arrived <= self.bytes.len(), "read into the space");
    }

    /// Takes what belongs to the message from the front of bytes that have
    /// arrived elsewhere, and returns the rest.
    #[must_use]
    pub fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let missing = self.len - self.arrived;
        let (own, rest) = bytes.split_at(missing.min(bytes.len()));
        self.bytes.truncate(self.arrived);
        self.bytes.extend_from_slice(own);
        self.arrived += own.len();
        rest
    }

    /// Whether everything has arrived.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.arrived == self.len
    }

    /// What has arrived.
    #[must_use]
    pub fn arrived(&self) -> &[u8] {
        &self.bytes[..self.arrived]
    }

    /// The message, for everybody who gets it.
    #[must_use]
    pub fn freeze(self) -> Bytes {
        debug_assert!(self.is_whole() && self.bytes.len() == self.len);
        self.bytes.freeze()
    }
}

/// A part of shared bytes that is shared as well; `None` if it lies elsewhere.
#[must_use]
pub fn share_part(whole: &Bytes, part: &[u8]) -> Option<Bytes> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start + part.len();
    (end <= whole.len()).then(|| whole.slice(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_what_arrives_in_whatever_way() {
        let text: Vec<u8> = (0..LARGE_READ_BYTES * 2).map(|at| at as u8).collect();
        let mut large = LargeMessage::new(BytesMut::new(), &text[..10], text.len());
        let mut arrived = 10;
        while arrived < 100_000 {
            let space = large.space();
            assert_eq!(space.len(), LARGE_READ_BYTES);
            space[..3_000].copy_from_slice(&text[arrived..arrived + 3_000]);
            large.fill(3_000);
            arrived += 3_000;
            assert_eq!(large.take(&text[arrived..arrived + 500]), b"");
            arrived += 500;
            assert_eq!(large.arrived(), &text[..arrived]);
        }
        assert!(!large.is_whole());
        let mut rest = text[arrived..].to_vec();
        rest.extend_from_slice(b"PING");
        assert_eq!(large.take(&rest), b"PING");
        assert!(large.is_whole() && large.space().is_empty());
        assert_eq!(large.freeze(), text);
    }

    #[test]
    fn shares_only_parts() {
        let whole = Bytes::copy_from_slice(b"0123456789");
        let part = share_part(&whole, &whole[3..10]);
        assert_eq!(part.as_deref(), Some(&b"3456789"[..]));
        let elsewhere = b"34".to_vec();
        assert_eq!(share_part(&whole, &elsewhere), None);
        let longer = whole.slice(..5);
        assert_eq!(share_part(&longer, &whole[3..10]), None);
    }
}
