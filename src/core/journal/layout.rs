//! Where positions of a journal lie in its files.

use crate::format::group::PAGE_BYTES;

/// The ring of a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Files of the ring.
    pub files: u32,
    /// Bytes of each of them, a multiple of [`PAGE_BYTES`].
    pub file_bytes: u64,
    /// Bytes of a group beyond which no record is added to it.
    pub group_bytes_max: usize,
}

impl Layout {
    /// Four files of 64 MiB, groups of 1 MiB.
    pub const USUAL: Self = Self {
        files: 4,
        file_bytes: 64 << 20,
        group_bytes_max: 1 << 20,
    };

    /// Bytes of the whole ring.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        debug_assert!(self.file_bytes.is_multiple_of(PAGE_BYTES as u64));
        u64::from(self.files) * self.file_bytes
    }

    /// The first position from this one on at which so many bytes lie in one file;
    /// `None` if no file has so many.
    #[must_use]
    pub fn place_for(&self, position: u64, len: usize) -> Option<u64> {
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

    /// The file of a position, and where in it that is.
    #[must_use]
    pub fn file_of(&self, position: u64) -> (u32, u64) {
        let file = position / self.file_bytes % u64::from(self.files);
        let file = u32::try_from(file).expect("there are fewer files");
        (file, position % self.file_bytes)
    }
}
