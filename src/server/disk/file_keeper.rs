//! One thread makes and removes the log files of all partitions, one after the other, since both take
//! long; what came of it goes to the core that asked, as a letter.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tracing::error;
use trunkline_core::base::id::CoreId;
use trunkline_core::store::disk::{DiskDone, DiskError, PartitionId};

use super::directory::StoreDirectory;
use super::operation::error_of;
use crate::background;

/// Until a core with too many letters is asked again.
const RETRY: Duration = Duration::from_millis(1);

/// What is to be done with a file of that number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chore {
    /// It is made.
    Make(u32),
    /// It is removed.
    Remove(u32),
}

impl Chore {
    /// What the core is told when it is over.
    #[must_use]
    pub fn done(self, result: Result<(), DiskError>) -> DiskDone {
        match self {
            Chore::Make(file) => DiskDone::Made { file, result },
            Chore::Remove(file) => DiskDone::Removed { file, result },
        }
    }
}

/// Where cores leave such work. A store asks for few files at a time, so nothing bounds them here.
#[derive(Clone)]
pub struct FileWork(mpsc::Sender<(CoreId, PartitionId, Chore)>);

impl FileWork {
    /// Leaves work.
    pub fn leave(&self, core: CoreId, partition: PartitionId, chore: Chore) {
        // At the end of the server the thread may be gone, and nobody waits for it.
        let _ = self.0.send((core, partition, chore));
    }
}

/// Starts the thread for files of this length. `tell` brings to a core what came of its work; false if
/// the core has no room for it now.
///
/// # Errors
/// If there is no thread.
pub fn start(
    store: Arc<StoreDirectory>,
    file_bytes: u64,
    tell: impl Fn(CoreId, PartitionId, Chore, Result<(), DiskError>) -> bool + Send + 'static,
) -> io::Result<FileWork> {
    let (leave, left) = mpsc::channel();
    thread::Builder::new()
        .name("log-files".to_owned())
        .spawn(move || {
            background::step_back();
            for (core, partition, chore) in left {
                let result = carry_out(&store, file_bytes, partition, chore);
                while !tell(core, partition, chore, result) {
                    thread::sleep(RETRY);
                }
            }
        })?;
    Ok(FileWork(leave))
}

fn carry_out(
    store: &StoreDirectory,
    file_bytes: u64,
    partition: PartitionId,
    chore: Chore,
) -> Result<(), DiskError> {
    let (what, file, result) = match chore {
        Chore::Make(file) => {
            let result = store.make_log_file(partition, file, file_bytes);
            ("make", file, result)
        }
        Chore::Remove(file) => ("remove", file, store.remove_log_file(partition, file)),
    };
    result.map_err(|failure| {
        let path = store.log_file(partition, file);
        error!("Cannot {what} {}: {failure}", path.display());
        error_of(&failure)
    })
}
