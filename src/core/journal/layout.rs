//! Where positions of a journal lie: in which file, and where in that.

use crate::format::group::PAGE_BYTES;

/// How a journal is divided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Bytes of each file, a multiple of [`PAGE_BYTES`].
    pub file_bytes: u64,
    /// Bytes of a group beyond which no record is added to it.
    pub group_bytes_max: usize,
    /// Bytes that may wait to be durable; beyond, nothing is appended.
    pub staged_bytes_max: usize,
}

impl Layout {
    /// Files of 64 MiB, groups of 1 MiB.
    pub const USUAL: Self = Self {
        file_bytes: 64 << 20,
        group_bytes_max: 1 << 20,
        staged_bytes_max: 32 << 20,
    };

    /// The first position from this one on at which so many bytes lie in one file;
    /// `None` if no file has so many.
    #[must_use]
    pub fn place_for(&self, position: u64, len: usize) -> Option<u64> {
        debug_assert!(self.file_bytes.is_multiple_of(PAGE_BYTES as u64));
        let len = len as u64;
        if len > self.file_bytes {
            return None;
        }
        let left = self.file_bytes - position % self.file_bytes;
        Some(match len <= left {
            true => position,
            false => position + left,
        })
    }

    /// The number of the file of a position, and where in it that is.
    ///
    /// # Panics
    /// If 2³² files would lie before: more than a disk has.
    #[must_use]
    pub fn file_of(&self, position: u64) -> (u32, u64) {
        let file = u32::try_from(position / self.file_bytes).expect("no disk is that large");
        (file, position % self.file_bytes)
    }

    /// Where a file begins.
    #[must_use]
    pub fn begin_of(&self, file: u32) -> u64 {
        u64::from(file) * self.file_bytes
    }
}
