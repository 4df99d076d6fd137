//! Buffers that a device can read and write directly: aligned, and without anything in
//! them that nobody has put there.

use rkyv::util::AlignedVec;

/// The alignment, in memory and in lengths, that every block device takes.
const PAGE_BYTES: usize = 4096;

/// Memory of a buffer that is kept when it is used again.
const KEPT_BYTES_MAX: usize = 2 << 20;

/// A buffer that begins at a page. What has not been written in it is zero.
#[derive(Debug, Default)]
pub struct Pages(AlignedVec<PAGE_BYTES>);

impl Pages {
    /// So many zeros.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let mut pages = Self::default();
        pages.resize(len);
        pages
    }

    /// Its length.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes it longer, with zeros, or shorter.
    pub fn resize(&mut self, len: usize) {
        self.0.resize(len, 0);
    }

    /// Begins anew with so many zeros; a buffer of unusual size is given back.
    pub fn reset(&mut self, len: usize) {
        if self.0.capacity() > KEPT_BYTES_MAX {
            self.0 = AlignedVec::new();
        }
        self.0.clear();
        self.resize(len);
    }

    /// What is in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_aligned_and_clean() {
        let mut pages = Pages::zeroed(10);
        pages.bytes_mut().fill(7);
        pages.resize(3 << 20);
        assert_eq!(pages.bytes().as_ptr().align_offset(PAGE_BYTES), 0);
        assert!(pages.bytes()[10..].iter().all(|&byte| byte == 0));
        pages.bytes_mut().fill(7);
        pages.reset(100);
        assert_eq!(pages.bytes(), [0; 100]);
        assert!(pages.0.capacity() <= KEPT_BYTES_MAX);
    }
}
