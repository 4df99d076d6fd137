//! How a store's files can be read and written here.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use trunkline_core::base::pages::Pages;

use super::files::open;
use crate::executor::Executor;

/// A page of zeros that is written and removed.
const PROBE: &str = "probe.new";

/// How reads and writes are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskMode {
    /// By io_uring, or by a thread per core.
    pub has_ring: bool,
    /// Past the system's cache.
    pub is_direct: bool,
}

impl DiskMode {
    /// Finds out for a store in this directory, on cores that run on that.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn of(directory: &Path, executor: Executor) -> io::Result<Self> {
        let probe = directory.join(PROBE);
        let is_direct = try_direct(&probe);
        // It is in nobody's way.
        let _ = fs::remove_file(&probe);
        let is_direct = is_direct?;
        Ok(Self {
            has_ring: is_direct && executor == Executor::IoUring,
            is_direct,
        })
    }

    /// What the log says of it, unless it is as it should be.
    #[must_use]
    pub fn warning(self) -> Option<&'static str> {
        match (self.has_ring, self.is_direct) {
            (true, _) => None,
            (false, true) => Some(
                "Streams without io_uring: one thread per core writes them, durably as well and more slowly",
            ),
            (false, false) => Some(
                "The file system of the store takes no direct writes: streams are written through the \
                 system's cache by one thread per core, durably as well and more slowly",
            ),
        }
    }
}

/// Whether a page can be written directly.
fn try_direct(path: &Path) -> io::Result<bool> {
    File::create(path)?;
    let written = open(path, true).and_then(|file| {
        let page = Pages::zeroed(4096);
        file.write_all_at(page.bytes(), 0)
    });
    match written {
        Ok(()) => Ok(true),
        // So says a file system that cannot (open(2)).
        Err(failure) if failure.kind() == io::ErrorKind::InvalidInput => Ok(false),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::files::tests::scratch;

    #[test]
    fn rings_need_direct_files() {
        let directory = scratch("mode");
        let mode = DiskMode::of(&directory, Executor::Threads).unwrap();
        assert!(!mode.has_ring);
        assert!(mode.warning().is_some());
        let mode = DiskMode::of(&directory, Executor::IoUring).unwrap();
        assert_eq!(mode.has_ring, mode.is_direct);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir_all(&directory).unwrap();
        assert!(DiskMode::of(&directory, Executor::Threads).is_err());
    }
}
