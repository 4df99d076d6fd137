//! Reads the logs of all partitions before there is a client: plain reads, partitions beside each other.
//!
//! Not here: what is made of the records, and what a log that is not whole means (`journal::recover` of
//! the core).

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tracing::error;
use trunkline_core::base::pages::Pages;
use trunkline_core::format::record::Record;
use trunkline_core::journal::recover::{Recovery, Step};
use trunkline_core::store::disk::PartitionId;

use super::directory::StoreDirectory;
use super::files::{open, sync_directory};

/// Has every partition of a store recovered, as many at a time as there are threads; the results are in
/// the order of the partitions.
///
/// # Errors
/// The first failure, by the order of the partitions.
pub fn recover_all<Recovered: Send>(
    store: &StoreDirectory,
    threads: usize,
    recover: impl Fn(PartitionId) -> io::Result<Recovered> + Sync,
) -> io::Result<Vec<Recovered>> {
    let partitions = Mutex::new(store.partition_ids().collect::<VecDeque<_>>());
    let next = || {
        let mut partitions = partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.pop_front()
    };
    let mut all = thread::scope(|scope| {
        let work = || {
            let mut some = Vec::new();
            while let Some(partition) = next() {
                some.push((partition, recover(partition)));
            }
            some
        };
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        // A panic there has ended the process.
        joined.flatten().flatten().collect::<Vec<_>>()
    });
    all.sort_by_key(|(partition, _)| *partition);
    all.into_iter().map(|(_, recovered)| recovered).collect()
}

/// Carries out what a recovery wants, to its end. `each` gets the records of whole groups and their
/// positions, in order.
///
/// # Errors
/// If what was read cannot be made durable. What cannot be read is as good as broken, and is logged.
pub fn recover_log(
    store: &StoreDirectory,
    partition: PartitionId,
    files: Range<u32>,
    recovery: &mut Recovery,
    mut each: impl FnMut(u64, &Record<'_>),
) -> io::Result<()> {
    let mut reader = LogReader::new(store, partition);
    loop {
        match recovery.next_step() {
            Step::Read { file, at, len } => {
                recovery.on_read(reader.read(file, at, len), &mut each);
            }
            Step::Flush => {
                reader.flush(files.clone())?;
                recovery.on_flushed();
            }
            Step::Done => return Ok(()),
        }
    }
}

/// Reads the files of one log, mostly one after the other.
struct LogReader<'a> {
    store: &'a StoreDirectory,
    partition: PartitionId,
    /// The file that was read last.
    open: Option<(u32, File)>,
    pages: Pages,
}

impl<'a> LogReader<'a> {
    fn new(store: &'a StoreDirectory, partition: PartitionId) -> Self {
        Self {
            store,
            partition,
            open: None,
            pages: Pages::default(),
        }
    }

    /// The bytes there; `None` if they cannot be read.
    fn read(&mut self, file: u32, at: u64, len: usize) -> Option<&Pages> {
        match self.try_read(file, at, len) {
            Ok(()) => Some(&self.pages),
            Err(failure) => {
                let path = self.store.log_file(self.partition, file);
                error!("Cannot read {} at {at}: {failure}", path.display());
                None
            }
        }
    }

    fn try_read(&mut self, number: u32, at: u64, len: usize) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            let path = self.store.log_file(self.partition, number);
            self.open = Some((number, open(&path, false)?));
        }
        let (_, file) = self.open.as_ref().expect("just opened");
        self.pages.reset(len);
        file.read_exact_at(self.pages.bytes_mut(), at)
    }

    /// Makes durable what was read; files that are missing have been named.
    fn flush(&self, files: Range<u32>) -> io::Result<()> {
        for file in files {
            match open(&self.store.log_file(self.partition, file), false) {
                Ok(file) => file.sync_all()?,
                Err(failure) if failure.kind() == io::ErrorKind::NotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        sync_directory(&self.store.partition(self.partition))
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
