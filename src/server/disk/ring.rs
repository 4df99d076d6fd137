//! Reads and durable writes of a core, in flight in an io_uring of its own.
//!
//! The ring's descriptor belongs into the core's epoll set: it is readable while there
//! are completions. Submitting takes one system call however many operations there are.
//!
//! A write is durable when it completes: it carries `RWF_DSYNC`, so the kernel makes no
//! second operation of it. Whatever a device transfers less than it was asked for is a
//! failure: nobody knows what of it is there.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use io_uring::{IoUring, opcode, squeue, types};
use trunkline_core::base::slab::Slab;

use super::operation::{Completion, Operation, Transfer};

/// Operations that the ring takes at a time; beyond, they wait for a submission.
const ENTRIES: u32 = 64;

/// Operations in flight, for whose completions there is room; beyond, they wait for one.
const IN_FLIGHT_MAX: u32 = 2048;

/// An io_uring with what is in flight in it.
pub struct Ring {
    ring: IoUring,
    /// In memory that the kernel reads or writes until the operation is over.
    in_flight: Slab<Operation>,
    waiting: VecDeque<Operation>,
}

impl Ring {
    /// An empty one, for the thread that makes it.
    ///
    /// # Errors
    /// If the kernel has none, or forbids it.
    pub fn new() -> io::Result<Self> {
        let usual = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .setup_cqsize(IN_FLIGHT_MAX)
            .build(ENTRIES);
        let ring = match usual {
            // Linux before 6.0 lacks the first two.
            Err(failure) if failure.kind() == io::ErrorKind::InvalidInput => IoUring::builder()
                .setup_cqsize(IN_FLIGHT_MAX)
                .build(ENTRIES)?,
            usual => usual?,
        };
        Ok(Self {
            ring,
            in_flight: Slab::default(),
            waiting: VecDeque::new(),
        })
    }

    /// Number of operations that are not over.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() + self.waiting.len()
    }

    /// Begins an operation, which the kernel learns of with [`Self::submit`].
    pub fn begin(&mut self, operation: Operation) {
        self.waiting.push_back(operation);
    }

    /// Puts what waits into the ring, as far as it has room.
    fn fill(&mut self) -> io::Result<()> {
        while self.in_flight.len() < IN_FLIGHT_MAX as usize {
            if self.ring.submission().is_full() {
                self.ring.submit()?;
            }
            let Some(operation) = self.waiting.pop_front() else {
                break;
            };
            self.push(operation);
        }
        Ok(())
    }

    fn push(&mut self, operation: Operation) {
        let slot = self.in_flight.insert(operation);
        let operation = self.in_flight.get_mut(slot).expect("just put in");
        let entry = entry(operation).user_data(slot.into());
        // SAFETY: the buffer's memory neither moves nor goes before its completion has been
        // taken: it is owned by the slab, which gives it up only in `completed` and, if this
        // ends first, not at all (`Drop`). The slab keeps the file open as long.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.expect("there was room");
    }

    /// Hands what was begun to the kernel; false if some of it has to wait for a while.
    ///
    /// # Errors
    /// If the kernel takes nothing any more.
    pub fn submit(&mut self) -> io::Result<bool> {
        let submitted = self.fill().and_then(|()| {
            let has_none = self.ring.submission().is_empty();
            match has_none {
                true => Ok(0),
                false => self.ring.submit(),
            }
        });
        match submitted {
            Ok(_) => Ok(true),
            Err(failure) if is_passing(&failure) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Takes an operation that is over.
    pub fn completed(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        let slot = u32::try_from(entry.user_data()).expect("the number of a slot");
        let Operation {
            ticket, transfer, ..
        } = self.in_flight.remove(slot);
        let result = match entry.result() {
            failed @ ..0 => Err(io::Error::from_raw_os_error(-failed)),
            done if usize::try_from(done).is_ok_and(|done| done == transfer.len()) => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        Some(Completion {
            ticket,
            transfer,
            result,
        })
    }

    /// Waits until something is over. For the end: a core waits in its epoll set.
    ///
    /// # Errors
    /// If the kernel does not let it.
    pub fn wait(&mut self) -> io::Result<()> {
        self.fill()?;
        match self.ring.submit_and_wait(1) {
            Err(failure) if !is_passing(&failure) => Err(failure),
            _ => Ok(()),
        }
    }
}

/// The buffer lies in the slab.
fn entry(operation: &mut Operation) -> squeue::Entry {
    let fd = types::Fd(operation.file.as_raw_fd());
    let at = operation.at;
    let len = operation.transfer.len();
    let len = u32::try_from(len).expect("buffers are of some MiB");
    match &mut operation.transfer {
        Transfer::Write(pages) => opcode::Write::new(fd, pages.bytes().as_ptr(), len)
            .offset(at)
            .rw_flags(libc::RWF_DSYNC)
            .build(),
        Transfer::Read(pages) => opcode::Read::new(fd, pages.bytes_mut().as_mut_ptr(), len)
            .offset(at)
            .build(),
    }
}

/// The kernel wants completions to be taken first, or was interrupted.
fn is_passing(failure: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, ResourceBusy, WouldBlock};
    matches!(failure.kind(), Interrupted | ResourceBusy | WouldBlock)
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the ring is there.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel may still use these buffers: they go when it is done with them, or never.
        self.waiting.clear();
        while !self.in_flight.is_empty() && self.wait().is_ok() {
            while self.completed().is_some() {}
        }
        if !self.in_flight.is_empty() {
            std::mem::forget(std::mem::take(&mut self.in_flight));
        }
    }
}
