//! Single files of a store: made once, filled with zeros, overwritten from then on.
//!
//! Overwriting what was written before costs a device less than writing where nothing
//! was, or only reserved space: no extent changes, so no metadata is written either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Zeros that are written at a time.
const ZERO_BYTES: usize = 1 << 20;

/// The end of the names of files that are not whole yet.
pub(super) const UNFINISHED: &str = "new";

/// Opens a file for reads and writes, past the system's cache if they are direct.
///
/// # Errors
/// As the file system has them.
pub fn open(path: &Path, is_direct: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(if is_direct { libc::O_DIRECT } else { 0 })
        .open(path)
}

/// Writes a file of zeros under another name, and gives it its own when it is whole. Its name is
/// durable once its directory is.
///
/// # Errors
/// As the file system has them; nothing is left then.
pub fn make(path: &Path, len: u64) -> io::Result<()> {
    let unfinished = path.with_extension(UNFINISHED);
    let made = fill(&unfinished, len).and_then(|()| fs::rename(&unfinished, path));
    if made.is_err() {
        // The room is needed, and the first failure is the one that tells.
        let _ = fs::remove_file(&unfinished);
    }
    made
}

fn fill(path: &Path, len: u64) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(path)?;
    let zeros = vec![0; ZERO_BYTES];
    let mut left = len;
    while left > 0 {
        let some = usize::try_from(left).map_or(ZERO_BYTES, |left| left.min(ZERO_BYTES));
        file.write_all(&zeros[..some])?;
        left -= some as u64;
    }
    file.sync_all()
}

/// Makes the names in a directory durable.
///
/// # Errors
/// As the file system has them.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A directory of its own, below the build's: a temporary one may be in memory, where
    /// nothing is direct.
    pub fn scratch(name: &str) -> PathBuf {
        let top = std::env::current_exe().unwrap();
        let directory = top.parent().unwrap();
        let directory = directory.join(format!("disk-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let directory = scratch("make");
        let path = directory.join("1.log");
        make(&path, (3 << 20) + 4096).unwrap();
        let text = fs::read(&path).unwrap();
        assert_eq!(text.len(), (3 << 20) + 4096);
        assert!(text.iter().all(|&byte| byte == 0));
        let nowhere = directory.join("nowhere/2.log");
        assert!(make(&nowhere, 4096).is_err());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
