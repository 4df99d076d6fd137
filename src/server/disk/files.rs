//! The files of a journal: made once, filled with zeros, overwritten for ever.
//!
//! Overwriting what was written before costs a device less than writing where nothing
//! was, or only reserved space: no extent changes, so no metadata is written either.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Zeros that are written at a time.
const ZERO_BYTES: usize = 1 << 20;

/// Opens a file for direct reads and writes that has this length; it is made if it is not
/// there, and made anew if it is too short: then its making was cut off.
///
/// # Errors
/// As the file system has them.
pub fn open(path: &Path, len: u64) -> io::Result<File> {
    let known = path.metadata().map(|metadata| metadata.len());
    if known.ok() != Some(len) {
        make(path, len)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)
}

/// Writes a file of zeros under another name, and gives it its own when it is whole.
fn make(path: &Path, len: u64) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&unfinished)?;
    let zeros = vec![0; ZERO_BYTES];
    let mut left = len;
    while left > 0 {
        let some = usize::try_from(left).map_or(ZERO_BYTES, |left| left.min(ZERO_BYTES));
        file.write_all(&zeros[..some])?;
        left -= some as u64;
    }
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::ring::{Ring, Ticket};
    use trunkline_core::base::pages::Pages;

    /// A directory of its own, below the build's: a temporary one may be in memory, where
    /// nothing is direct.
    fn directory(name: &str) -> std::path::PathBuf {
        let top = std::env::current_exe().unwrap();
        let directory = top
            .parent()
            .unwrap()
            .join(format!("disk-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    fn pages(byte: u8) -> Pages {
        let mut pages = Pages::zeroed(8192);
        pages.bytes_mut().fill(byte);
        pages
    }

    #[test]
    fn what_is_written_is_read_and_short_files_are_made_anew() {
        let directory = directory("journal");
        let path = directory.join("journal");
        let file = open(&path, 1 << 20).unwrap();
        let mut ring = Ring::new().unwrap();
        for number in 0..100 {
            let at = u64::from(number) * 8192;
            ring.write(Ticket(number.into()), &file, at, pages(number + 1))
                .unwrap();
        }
        ring.submit().unwrap();
        let mut done = Vec::new();
        while ring.in_flight() > 0 {
            ring.wait().unwrap();
            while let Some(completion) = ring.completed() {
                completion.result.unwrap();
                done.push(completion.ticket.0);
            }
        }
        done.sort_unstable();
        assert_eq!(done, (0..100).collect::<Vec<_>>());
        ring.read(Ticket(7), &file, 99 * 8192, Pages::zeroed(16_384))
            .unwrap();
        ring.wait().unwrap();
        let completion = ring.completed().unwrap();
        assert!(
            completion.pages.bytes()[..8192]
                .iter()
                .all(|&byte| byte == 100)
        );
        assert!(
            completion.pages.bytes()[8192..]
                .iter()
                .all(|&byte| byte == 0)
        );
        // Behind the end there is nothing to read.
        ring.read(Ticket(8), &file, (1 << 20) - 4096, Pages::zeroed(8192))
            .unwrap();
        ring.wait().unwrap();
        let failure = ring.completed().unwrap().result.unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::UnexpectedEof);
        drop(file);
        std::fs::write(&path, "cut off").unwrap();
        let file = open(&path, 1 << 20).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1 << 20);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn operations_that_are_left_are_waited_for() {
        let directory = directory("left");
        let file = open(&directory.join("journal"), 1 << 20).unwrap();
        let mut ring = Ring::new().unwrap();
        ring.write(Ticket(1), &file, 0, pages(1)).unwrap();
        drop(ring);
        assert_eq!(
            std::fs::read(directory.join("journal")).unwrap()[..8192],
            [1; 8192]
        );
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
