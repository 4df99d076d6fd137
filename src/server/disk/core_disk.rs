//! What a core's partitions want of the disk, carried out beside its turns: reads and writes by a ring
//! or a thread of the core, making and removing files by one thread of the process (`file_keeper`).
//!
//! Not here: what is done in which order, which the shard decides.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use trunkline_core::base::id::CoreId;
use trunkline_core::base::slab::Slab;
use trunkline_core::store::disk::{DiskDone, DiskOp, PartitionId, ReadTicket};

use super::directory::StoreDirectory;
use super::file_keeper::{Chore, FileWork};
use super::files::open;
use super::mode::DiskMode;
use super::operation::{Completion, Operation, Ticket, Transfer, error_of};
use super::ring::Ring;
use super::thread::DiskThread;

/// Files that a core has open; beyond, the one that was not used for longest is closed.
const OPEN_FILES_MAX: usize = 64;

/// What a core's disk is made with.
#[derive(Clone)]
pub struct DiskSetup {
    /// The store.
    pub store: Arc<StoreDirectory>,
    /// How it is read and written.
    pub mode: DiskMode,
    /// Who makes and removes files.
    pub file_work: FileWork,
}

/// What carries out reads and writes.
enum Engine {
    Ring(Box<Ring>),
    Thread(DiskThread),
}

/// Who waits for an operation: for a read with a ticket.
struct Asker {
    partition: PartitionId,
    ticket: Option<ReadTicket>,
}

/// The disk of a core.
pub struct CoreDisk {
    core: CoreId,
    setup: DiskSetup,
    engine: Engine,
    askers: Slab<Asker>,
    open: HashMap<(PartitionId, u32), OpenFile>,
    /// Counts uses of files.
    uses: u64,
    /// What was over at once, since its file could not be opened.
    failed: Vec<(PartitionId, DiskDone)>,
    has_unsubmitted: bool,
}

struct OpenFile {
    file: Arc<File>,
    last_use: u64,
}

impl CoreDisk {
    /// To be called on the core's thread.
    ///
    /// # Errors
    /// If there is no ring, or no thread.
    pub fn new(core: CoreId, setup: DiskSetup) -> io::Result<Self> {
        let engine = match setup.mode.has_ring {
            true => Engine::Ring(Box::new(Ring::new()?)),
            false => Engine::Thread(DiskThread::start(format!("disk-{}", core.0))?),
        };
        Ok(Self {
            core,
            setup,
            engine,
            askers: Slab::default(),
            open: HashMap::new(),
            uses: 0,
            failed: Vec::new(),
            has_unsubmitted: false,
        })
    }

    /// Begins an operation; reads and writes go with [`Self::submit`].
    pub fn carry_out(&mut self, partition: PartitionId, operation: DiskOp) {
        match operation {
            DiskOp::Write { file, at, pages } => {
                let asker = Asker {
                    partition,
                    ticket: None,
                };
                self.begin(asker, Transfer::Write(pages), (partition, file), at);
            }
            DiskOp::Read {
                ticket,
                file,
                at,
                pages,
            } => {
                let asker = Asker {
                    partition,
                    ticket: Some(ticket),
                };
                self.begin(asker, Transfer::Read(pages), (partition, file), at);
            }
            DiskOp::Make { file } => self.ask_keeper(partition, Chore::Make(file)),
            DiskOp::Remove { file } => {
                self.open.remove(&(partition, file));
                self.ask_keeper(partition, Chore::Remove(file));
            }
        }
    }

    fn ask_keeper(&self, partition: PartitionId, chore: Chore) {
        self.setup.file_work.leave(self.core, partition, chore);
    }

    fn begin(&mut self, asker: Asker, transfer: Transfer, file: (PartitionId, u32), at: u64) {
        match self.file(file) {
            Ok(file) => {
                let operation = Operation {
                    ticket: Ticket(self.askers.insert(asker).into()),
                    transfer,
                    file,
                    at,
                };
                match &mut self.engine {
                    Engine::Ring(ring) => ring.begin(operation),
                    Engine::Thread(thread) => thread.begin(operation),
                }
                self.has_unsubmitted = true;
            }
            Err(failure) => self.failed.push(done(asker, transfer, Err(failure))),
        }
    }

    /// The open file of a number.
    fn file(&mut self, key: (PartitionId, u32)) -> io::Result<Arc<File>> {
        self.uses += 1;
        if let Some(known) = self.open.get_mut(&key) {
            known.last_use = self.uses;
            return Ok(Arc::clone(&known.file));
        }
        let path = self.setup.store.log_file(key.0, key.1);
        let file = Arc::new(open(&path, self.setup.mode.is_direct)?);
        if self.open.len() >= OPEN_FILES_MAX {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.last_use);
            let oldest = oldest.map(|(&key, _)| key);
            oldest.map(|oldest| self.open.remove(&oldest));
        }
        let known = OpenFile {
            file: Arc::clone(&file),
            last_use: self.uses,
        };
        self.open.insert(key, known);
        Ok(file)
    }

    /// Whether something was begun that has to be submitted.
    #[must_use]
    pub fn has_unsubmitted(&self) -> bool {
        self.has_unsubmitted
    }

    /// Whether something is over that the descriptor does not tell.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Hands what was begun to the kernel, in one call.
    ///
    /// # Errors
    /// If it takes nothing any more.
    pub fn submit(&mut self) -> io::Result<()> {
        self.has_unsubmitted = match &mut self.engine {
            Engine::Ring(ring) => !ring.submit()?,
            Engine::Thread(_) => false,
        };
        Ok(())
    }

    /// The descriptor has become ready.
    pub fn on_ready(&self) {
        if let Engine::Thread(thread) = &self.engine {
            thread.silence();
        }
    }

    /// Takes an operation that is over, with its partition.
    pub fn next_done(&mut self) -> Option<(PartitionId, DiskDone)> {
        if let Some(failed) = self.failed.pop() {
            return Some(failed);
        }
        let completion = match &mut self.engine {
            Engine::Ring(ring) => ring.completed(),
            Engine::Thread(thread) => thread.completed(),
        };
        let Completion {
            ticket: Ticket(slot),
            transfer,
            result,
        } = completion?;
        let slot = u32::try_from(slot).expect("the number of a slot");
        Some(done(self.askers.remove(slot), transfer, result))
    }

    /// Waits until something is over, if anything is under way; false if nothing is. For the end of a
    /// core.
    ///
    /// # Errors
    /// If the system does not let it.
    pub fn wait(&mut self) -> io::Result<bool> {
        if self.has_failed() {
            return Ok(true);
        }
        match &mut self.engine {
            Engine::Ring(ring) if ring.in_flight() > 0 => ring.wait().map(|()| true),
            Engine::Thread(thread) if thread.in_flight() > 0 => thread.wait().map(|()| true),
            _ => Ok(false),
        }
    }
}

impl AsFd for CoreDisk {
    /// Readable while something is over, until it is taken; a thread's until [`CoreDisk::on_ready`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.engine {
            Engine::Ring(ring) => ring.as_fd(),
            Engine::Thread(thread) => thread.as_fd(),
        }
    }
}

fn done(asker: Asker, transfer: Transfer, result: io::Result<()>) -> (PartitionId, DiskDone) {
    let result = result.map_err(|failure| error_of(&failure));
    let done = match (transfer, asker.ticket) {
        (Transfer::Read(pages), Some(ticket)) => DiskDone::Read {
            ticket,
            pages,
            result,
        },
        _ => DiskDone::Written { result },
    };
    (asker.partition, done)
}

#[cfg(test)]
#[path = "core_disk_tests.rs"]
mod tests;
