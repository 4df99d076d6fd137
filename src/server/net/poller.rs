//! Which descriptors are ready.
//!
//! One epoll set per core, edge-triggered, so that a socket is registered once
//! and costs nothing while it is idle; the set itself is one descriptor that
//! the executor's io_uring can wait for. A poll operation per socket in the
//! ring was the alternative; it takes about twice the CPU time (see
//! `tuning/`).

use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::time::Timespec;

/// Events taken at once.
const EVENTS_MAX: usize = 512;

/// Events of a client's socket.
const SOCKET: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);

/// A set of descriptors, each with a number of 64 bits.
pub struct Poller {
    set: OwnedFd,
    events: Vec<Event>,
}

/// What a descriptor is ready for.
#[derive(Clone, Copy)]
pub struct Ready {
    /// The number under which it was added.
    pub token: u64,
    /// It can be read, or the peer has closed.
    pub is_readable: bool,
    /// It can be written.
    pub is_writable: bool,
    /// The peer has closed.
    pub is_ending: bool,
}

impl Poller {
    /// An empty set.
    pub fn new() -> rustix::io::Result<Self> {
        Ok(Self {
            set: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_MAX),
        })
    }

    /// A descriptor that is readable while events are pending.
    pub fn descriptor(&self) -> rustix::io::Result<OwnedFd> {
        rustix::io::fcntl_dupfd_cloexec(&self.set, 0)
    }

    /// Adds a client's socket; each readiness is reported once.
    pub fn add_socket(&self, fd: impl AsFd, token: u64) -> rustix::io::Result<()> {
        epoll::add(&self.set, fd, EventData::new_u64(token), SOCKET)
    }

    /// Gives a client's socket another number; what it is ready for is reported
    /// again.
    pub fn change_socket(&self, fd: impl AsFd, token: u64) -> rustix::io::Result<()> {
        epoll::modify(&self.set, fd, EventData::new_u64(token), SOCKET)
    }

    /// Adds a descriptor that is reported as long as it is readable.
    pub fn add_level(&self, fd: impl AsFd, token: u64) -> rustix::io::Result<()> {
        epoll::add(&self.set, fd, EventData::new_u64(token), EventFlags::IN)
    }

    /// Adds a descriptor that is reported once per write to it and need not be
    /// read.
    pub fn add_edge(&self, fd: impl AsFd, token: u64) -> rustix::io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.set, fd, EventData::new_u64(token), flags)
    }

    /// Takes a descriptor out.
    pub fn remove(&self, fd: impl AsFd) -> rustix::io::Result<()> {
        epoll::delete(&self.set, fd)
    }

    /// Takes pending events, waiting for the first one at most this long;
    /// returns how many.
    pub fn take(&mut self, wait_at_most: Duration) -> rustix::io::Result<usize> {
        self.events.clear();
        let wait = Timespec::try_from(wait_at_most).ok();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.set, spare, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(self.events.len()),
            Err(error) => Err(error),
        }
    }

    /// One of the events just taken.
    pub fn ready(&self, at: usize) -> Ready {
        // The fields of an event are not aligned: copy before use.
        let Event { flags, data } = self.events[at];
        let ending = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        Ready {
            token: data.u64(),
            is_readable: flags.intersects(EventFlags::IN | ending),
            is_writable: flags.contains(EventFlags::OUT),
            is_ending: flags.intersects(ending),
        }
    }
}
