//! Connections that only receive, all on one thread: what comes is counted in bytes and thrown away.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};

use crate::crowds::lane::timespec;
use crate::net::conn::Connection;

/// How long the thread sleeps at most before it looks whether it shall end.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes received at once.
const RECEIVE_BYTES: usize = 64 * 1024;
const EVENTS: usize = 256;

/// The thread and what it has seen.
pub struct Readers {
    seen: Arc<Seen>,
    thread: JoinHandle<Result<u64, String>>,
}

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    bytes: AtomicU64,
}

impl Readers {
    /// Starts to receive on all of `connections`.
    pub fn start(connections: Vec<Connection>) -> Self {
        let seen = Arc::new(Seen::default());
        let theirs = seen.clone();
        let thread = std::thread::spawn(move || receive_all(&connections, &theirs));
        Readers { seen, thread }
    }

    /// Bytes received so far.
    pub fn bytes(&self) -> u64 {
        self.seen.bytes.load(Relaxed)
    }

    /// Closes all connections; how many the server had cut before.
    pub fn stop(self) -> Result<u64, String> {
        self.seen.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| "a reader panicked")?
    }
}

fn receive_all(connections: &[Connection], seen: &Seen) -> Result<u64, String> {
    let failed = |error: rustix::io::Errno| format!("epoll: {error}");
    let watched = epoll::create(CreateFlags::CLOEXEC).map_err(failed)?;
    for (index, connection) in connections.iter().enumerate() {
        let data = EventData::new_u64(index as u64);
        epoll::add(&watched, connection.stream(), data, EventFlags::IN).map_err(failed)?;
    }
    let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
    let mut buffer = vec![0; RECEIVE_BYTES];
    while !seen.stop.load(Relaxed) {
        events.clear();
        let buffered = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&watched, buffered, Some(&timespec(LOOK))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error)),
        }
        for event in &events {
            let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            let Some(connection) = connections.get(index) else {
                continue;
            };
            match receive(connection.stream(), &mut buffer) {
                Some(count) => {
                    seen.bytes.fetch_add(count, Relaxed);
                }
                None => epoll::delete(&watched, connection.stream()).map_err(failed)?,
            }
        }
    }
    cut(connections)
}

/// How many connections the server has closed, whether or not all that came before was received.
fn cut(connections: &[Connection]) -> Result<u64, String> {
    let mut fds: Vec<PollFd<'_>> = connections
        .iter()
        .map(|connection| PollFd::new(connection.stream(), PollFlags::RDHUP))
        .collect();
    let now = timespec(Duration::ZERO);
    let count = poll(&mut fds, Some(&now)).map_err(|error| format!("poll: {error}"))?;
    Ok(count as u64)
}

/// Bytes received; `None` when the connection is over.
fn receive(mut stream: &TcpStream, buffer: &mut [u8]) -> Option<u64> {
    match stream.read(buffer) {
        Ok(0) => None,
        Ok(count) => Some(count as u64),
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {
            Some(0)
        }
        Err(_) => None,
    }
}
