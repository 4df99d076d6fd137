//! The same operations without io_uring: one thread carries them out, one after the other, and rings
//! with an event descriptor that belongs into the core's epoll set.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, eventfd};

use super::operation::{Completion, Operation, Transfer};

/// A thread with what it has to do.
pub struct DiskThread {
    /// `None`: nothing more comes.
    operations: Option<mpsc::Sender<Operation>>,
    completions: mpsc::Receiver<Completion>,
    bell: Arc<OwnedFd>,
    in_flight: usize,
    thread: Option<JoinHandle<()>>,
}

impl DiskThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there is no thread or descriptor.
    pub fn start(name: String) -> io::Result<Self> {
        let (operations, asked) = mpsc::channel::<Operation>();
        let (done, completions) = mpsc::channel();
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let bell = Arc::new(bell);
        let rings = Arc::clone(&bell);
        let thread = thread::Builder::new().name(name).spawn(move || {
            for operation in asked {
                if done.send(carry_out(operation)).is_err() {
                    return;
                }
                // A bell that has rung too often is still ringing.
                let _ = rustix::io::write(&*rings, &1_u64.to_ne_bytes());
            }
        })?;
        Ok(Self {
            operations: Some(operations),
            completions,
            bell,
            in_flight: 0,
            thread: Some(thread),
        })
    }

    /// Number of operations that are not over.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Begins an operation.
    pub fn begin(&mut self, operation: Operation) {
        self.in_flight += 1;
        let operations = self.operations.as_ref().expect("open until the end");
        operations
            .send(operation)
            .expect("the thread waits for more until the end");
    }

    /// Takes an operation that is over.
    pub fn completed(&mut self) -> Option<Completion> {
        let completion = self.completions.try_recv().ok()?;
        self.in_flight -= 1;
        Some(completion)
    }

    /// Stops the bell; what is over is to be taken afterwards.
    pub fn silence(&self) {
        let mut count = [0; 8];
        // It may not have rung.
        let _ = rustix::io::read(&*self.bell, &mut count);
    }

    /// Waits until something is over.
    ///
    /// # Errors
    /// If the system does not let it.
    pub fn wait(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        match poll(&mut [PollFd::new(&*self.bell, PollFlags::IN)], None) {
            Err(rustix::io::Errno::INTR) | Ok(_) => {
                self.silence();
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

impl AsFd for DiskThread {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Drop for DiskThread {
    fn drop(&mut self) {
        self.operations = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has ended the process.
            let _ = thread.join();
        }
    }
}

fn carry_out(mut operation: Operation) -> Completion {
    let (file, at): (&File, u64) = (&operation.file, operation.at);
    let result = match &mut operation.transfer {
        Transfer::Read(pages) => file.read_exact_at(pages.bytes_mut(), at),
        Transfer::Write(pages) => file
            .write_all_at(pages.bytes(), at)
            .and_then(|()| file.sync_data()),
    };
    Completion {
        ticket: operation.ticket,
        transfer: operation.transfer,
        result,
    }
}
