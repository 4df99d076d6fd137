//! Reads and durable writes of a core, in flight in an io_uring of its own.
//!
//! The ring's descriptor belongs into the core's epoll set: it is readable while there
//! are completions. Submitting takes one system call however many operations there are.
//!
//! A write is durable when it completes: it carries `RWF_DSYNC`, so the kernel makes no
//! second operation of it. Whatever a device transfers less than it was asked for is a
//! failure: nobody knows what of it is there.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use io_uring::{IoUring, opcode, types};
use trunkline_core::base::pages::Pages;
use trunkline_core::base::slab::Slab;

/// Operations that the ring takes at a time; beyond, they wait for a submission.
const ENTRIES: u32 = 64;

/// What an operation is of, as the asker knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(pub u64);

/// An operation that is over.
#[derive(Debug)]
pub struct Completion {
    /// Of what it was.
    pub ticket: Ticket,
    /// Its buffer.
    pub pages: Pages,
    /// How it ended.
    pub result: io::Result<()>,
}

struct InFlight {
    ticket: Ticket,
    /// In memory that the kernel reads or writes until the operation is over.
    pages: Pages,
}

/// An io_uring with what is in flight in it.
pub struct Ring {
    ring: IoUring,
    in_flight: Slab<InFlight>,
}

impl Ring {
    /// An empty one.
    ///
    /// # Errors
    /// If the kernel has none, or forbids it.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .build(ENTRIES)?;
        Ok(Self {
            ring,
            in_flight: Slab::default(),
        })
    }

    /// Number of operations that are not over.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Begins to write a buffer, which is durable when that is over.
    ///
    /// # Errors
    /// If the kernel takes no operations any more.
    pub fn write(&mut self, ticket: Ticket, file: &File, at: u64, pages: Pages) -> io::Result<()> {
        let (fd, len) = (types::Fd(file.as_raw_fd()), length(&pages)?);
        self.push(ticket, pages, |pages| {
            opcode::Write::new(fd, pages.bytes().as_ptr(), len)
                .offset(at)
                .rw_flags(libc::RWF_DSYNC)
                .build()
        })
    }

    /// Begins to read into a buffer, as much as it has room for.
    ///
    /// # Errors
    /// If the kernel takes no operations any more.
    pub fn read(&mut self, ticket: Ticket, file: &File, at: u64, pages: Pages) -> io::Result<()> {
        let (fd, len) = (types::Fd(file.as_raw_fd()), length(&pages)?);
        self.push(ticket, pages, |pages| {
            opcode::Read::new(fd, pages.bytes_mut().as_mut_ptr(), len)
                .offset(at)
                .build()
        })
    }

    fn push(
        &mut self,
        ticket: Ticket,
        pages: Pages,
        entry: impl FnOnce(&mut Pages) -> io_uring::squeue::Entry,
    ) -> io::Result<()> {
        let slot = self.in_flight.insert(InFlight { ticket, pages });
        let pages = &mut self.in_flight.get_mut(slot).expect("just put in").pages;
        let entry = entry(pages).user_data(slot.into());
        // SAFETY: the buffer's memory neither moves nor goes before its completion has been
        // taken: it is owned by the slab, which gives it up only in `completed` and, if this
        // ends first, not at all (`Drop`). The caller keeps the file open as long.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }

    /// Hands what was begun to the kernel.
    ///
    /// # Errors
    /// If it does not take it.
    pub fn submit(&mut self) -> io::Result<()> {
        if self.ring.submission().is_empty() {
            return Ok(());
        }
        self.ring.submit().map(drop)
    }

    /// Takes an operation that is over.
    pub fn completed(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        let slot = u32::try_from(entry.user_data()).expect("the number of a slot");
        let InFlight { ticket, pages } = self.in_flight.remove(slot);
        let result = match entry.result() {
            failed @ ..0 => Err(io::Error::from_raw_os_error(-failed)),
            done if usize::try_from(done).is_ok_and(|done| done == pages.len()) => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        Some(Completion {
            ticket,
            pages,
            result,
        })
    }

    /// Waits until something is over. For tools and tests: a core waits in its epoll set.
    ///
    /// # Errors
    /// If the kernel does not let it.
    pub fn wait(&mut self) -> io::Result<()> {
        self.ring.submit_and_wait(1).map(drop)
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel may still use these buffers: they go when it is done with them, or never.
        while !self.in_flight.is_empty() && self.wait().is_ok() {
            while self.completed().is_some() {}
        }
        if !self.in_flight.is_empty() {
            std::mem::forget(std::mem::take(&mut self.in_flight));
        }
    }
}

fn length(pages: &Pages) -> io::Result<u32> {
    u32::try_from(pages.len()).map_err(|_| io::ErrorKind::InvalidInput.into())
}
