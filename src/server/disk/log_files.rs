//! The log files of a store's partitions: which there are, how they come and go.
//!
//! A file that is removed is used again for the next one that is made: it has its length, and was
//! written once. What is in it is told from what is written later by its epoch and position. Renames
//! are made durable where a file was, then where it goes: no file ever has two names, and a crash in
//! between loses one that nobody expects to be there.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use trunkline_core::store::disk::PartitionId;

use super::directory::StoreDirectory;
use super::files::{UNFINISHED, make, sync_directory};

/// Files that wait to be used again.
const SPARES_MAX: usize = 2;

impl StoreDirectory {
    /// Where a log file is.
    #[must_use]
    pub fn log_file(&self, partition: PartitionId, file: u32) -> PathBuf {
        self.partition(partition).join(format!("{file}.log"))
    }

    /// The numbers of a partition's files, the oldest first; those that are missing in between belong
    /// to the range as well. What a start that was cut off has left is removed.
    ///
    /// # Errors
    /// As the file system has them; or a name that nothing of the store has.
    pub fn log_files(&self, partition: PartitionId) -> io::Result<Range<u32>> {
        let directory = self.partition(partition);
        let mut numbers: Option<(u32, u32)> = None;
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            match number_of(&path) {
                Some(number) => {
                    let (first, last) = numbers.unwrap_or((number, number));
                    numbers = Some((first.min(number), last.max(number)));
                }
                None if path.extension().is_some_and(|end| end == UNFINISHED) => {
                    fs::remove_file(&path)?;
                }
                None => {
                    let text = format!("{} is no file of the store", path.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
        Ok(numbers.map_or(0..0, |(first, last)| first..last.saturating_add(1)))
    }

    /// Makes a log file of this length, for good.
    ///
    /// # Errors
    /// As the file system has them.
    pub fn make_log_file(&self, partition: PartitionId, file: u32, len: u64) -> io::Result<()> {
        let path = self.log_file(partition, file);
        match self.spares().find(|spare| spare.is_file()) {
            Some(spare) if spare.metadata()?.len() == len => {
                fs::rename(&spare, &path)?;
                sync_directory(self.path())?;
            }
            spare => {
                if let Some(spare) = spare {
                    fs::remove_file(spare)?;
                }
                make(&path, len)?;
            }
        }
        sync_directory(&self.partition(partition))
    }

    /// Removes a log file, for good.
    ///
    /// # Errors
    /// As the file system has them.
    pub fn remove_log_file(&self, partition: PartitionId, file: u32) -> io::Result<()> {
        let path = self.log_file(partition, file);
        let spare = self.spares().find(|spare| !spare.exists());
        let removed = match &spare {
            Some(spare) => fs::rename(&path, spare),
            None => fs::remove_file(&path),
        };
        match removed {
            // Lost before: it is reported when it is missed.
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed?,
        }
        sync_directory(&self.partition(partition))?;
        match spare {
            Some(_) => sync_directory(self.path()),
            None => Ok(()),
        }
    }

    fn spares(&self) -> impl Iterator<Item = PathBuf> + use<'_> {
        (0..SPARES_MAX).map(|number| self.path().join(format!("spare-{number}.log")))
    }
}

/// The number of a log file, written in the only way.
fn number_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_suffix(".log")?.parse::<u32>().ok()?;
    (format!("{number}.log") == name).then_some(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::files::tests::scratch;
    use std::os::unix::fs::MetadataExt;

    const LEN: u64 = 8192;

    #[test]
    fn files_come_and_go_and_are_used_again() {
        let directory = scratch("logs");
        let store = StoreDirectory::open(&directory, 2).unwrap();
        let (first, second) = (PartitionId(0), PartitionId(1));
        assert_eq!(store.log_files(first).unwrap(), 0..0);
        for file in 3..7 {
            store.make_log_file(first, file, LEN).unwrap();
        }
        assert_eq!(store.log_files(first).unwrap(), 3..7);
        let inode = |partition, file| store.log_file(partition, file).metadata().unwrap().ino();
        let old = [inode(first, 3), inode(first, 4)];
        for file in 3..6 {
            store.remove_log_file(first, file).unwrap();
        }
        assert_eq!(store.log_files(first).unwrap(), 6..7);
        assert_eq!(store.spares().filter(|spare| spare.exists()).count(), 2);
        store.make_log_file(second, 0, LEN).unwrap();
        assert_eq!(inode(second, 0), old[0]);
        // Of another length it is of no use.
        store.make_log_file(second, 1, 2 * LEN).unwrap();
        assert_eq!(store.log_file(second, 1).metadata().unwrap().len(), 2 * LEN);
        assert_eq!(store.spares().filter(|spare| spare.exists()).count(), 0);
        store.remove_log_file(second, 9).unwrap();
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_was_cut_off_goes_and_what_is_strange_is_named() {
        let directory = scratch("leftovers");
        let store = StoreDirectory::open(&directory, 1).unwrap();
        let partition = PartitionId(0);
        store.make_log_file(partition, 1, LEN).unwrap();
        let unfinished = store.partition(partition).join("2.new");
        fs::write(&unfinished, "x").unwrap();
        assert_eq!(store.log_files(partition).unwrap(), 1..2);
        assert!(!unfinished.exists());
        fs::write(store.partition(partition).join("01.log"), "x").unwrap();
        let refusal = store.log_files(partition).unwrap_err().to_string();
        assert!(refusal.contains("01.log is no file"), "{refusal}");
        fs::remove_dir_all(&directory).unwrap();
    }
}
