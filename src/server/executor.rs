//! What runs the cores: glommio's executors on io_uring, or, where io_uring is
//! forbidden, plain threads. The only file that knows the executor.
//!
//! A core is the same future in both cases. On a plain thread nothing in it ever
//! pends: its [`Park`] blocks the thread in `poll` on the core's poller.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use glommio::io::{PollState, PollableFd};
use glommio::timer::Timer;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::logging;
use crate::topology::CpuId;

/// Memory registered with each executor's ring. Sockets do not use it, and
/// the locked memory of unprivileged users is scarce.
const RING_MEMORY_BYTES: usize = 64 << 10;

/// Beyond, a timer is not worth having.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What cores run on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Executor {
    /// glommio's executors, each with io_uring rings of its own.
    IoUring,
    /// Threads, without io_uring.
    Threads,
}

/// A core's thread.
pub enum Running {
    /// An executor's.
    IoUring(ExecutorJoinHandle<()>),
    /// A plain one.
    Thread(JoinHandle<()>),
}

impl Executor {
    /// Runs a core's work on a thread of its own, on that CPU alone if there is one.
    ///
    /// # Errors
    /// What kept the thread from being started.
    pub fn spawn<Work: Future<Output = ()> + 'static>(
        self,
        name: &str,
        cpu: Option<CpuId>,
        work: impl FnOnce() -> Work + Send + 'static,
    ) -> Result<Running, String> {
        match self {
            Executor::IoUring => {
                let placement =
                    cpu.map_or(Placement::Unbound, |cpu| Placement::Fixed(cpu.0 as usize));
                LocalExecutorBuilder::new(placement)
                    .name(name)
                    .io_memory(RING_MEMORY_BYTES)
                    .spawn(work)
                    .map(Running::IoUring)
                    .map_err(|failure| failure.to_string())
            }
            Executor::Threads => thread::Builder::new()
                // An executor's thread has a number behind the name, and so has this one.
                .name(format!("{name}-0"))
                .spawn(move || {
                    if let Some(Err(failure)) = cpu.map(pin_to) {
                        logging::fatal(format!("cannot run on one CPU alone: {failure}"));
                    }
                    run_to_end(work());
                })
                .map(Running::Thread)
                .map_err(|failure| failure.to_string()),
        }
    }
}

impl Running {
    /// Waits for the end of the core's work.
    ///
    /// # Errors
    /// What the executor says, if the work did not come to its end.
    pub fn join(self) -> Result<(), String> {
        match self {
            Running::IoUring(handle) => handle.join().map_err(|failure| failure.to_string()),
            Running::Thread(handle) => handle.join().map_err(|_| "the thread panicked".to_owned()),
        }
    }
}

fn pin_to(cpu: CpuId) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu.0 as usize);
    sched_setaffinity(None, &set)
}

fn run_to_end(work: impl Future<Output = ()>) {
    let outcome = pin!(work).poll(&mut Context::from_waker(Waker::noop()));
    assert!(
        outcome.is_ready(),
        "on a plain thread a core blocks, and never pends"
    );
}

/// Waits for a core's poller, when the core has been idle for a while.
pub enum Park {
    /// In the executor's ring; the registration there outlives a wait that a
    /// deadline ended.
    IoUring(PollableFd<OwnedFd>, PollState),
    /// In `poll`.
    Thread(OwnedFd),
}

impl Park {
    /// Prepares for waiting on a poller; to be called on the core's thread.
    pub fn new(executor: Executor, poller: OwnedFd) -> io::Result<Self> {
        Ok(match executor {
            Executor::IoUring => Park::IoUring(PollableFd::new(poller)?, PollState::new()),
            Executor::Threads => Park::Thread(poller),
        })
    }

    /// Lets the executor see to its own needs, if it has any.
    pub async fn give_way(&self) {
        if let Park::IoUring(..) = self {
            glommio::yield_if_needed().await;
        }
    }

    /// Returns when the poller has events (true) or after the time given.
    pub async fn wait(&mut self, at_most: Duration) -> io::Result<bool> {
        let at_most = (at_most < FOREVER).then_some(at_most);
        match self {
            Park::IoUring(poller, registration) => {
                wait_in_ring(poller, registration, at_most).await
            }
            Park::Thread(poller) => wait_in_poll(poller, at_most),
        }
    }
}

async fn wait_in_ring(
    poller: &mut PollableFd<OwnedFd>,
    registration: &mut PollState,
    at_most: Option<Duration>,
) -> io::Result<bool> {
    let mut timer = pin!(at_most.map(Timer::new));
    std::future::poll_fn(|context| {
        let ready = poller.poll_readable(context, registration);
        if let Poll::Ready(result) = ready {
            return Poll::Ready(result.map(|()| true).map_err(io::Error::from));
        }
        match timer.as_mut().as_pin_mut().map(|timer| timer.poll(context)) {
            Some(Poll::Ready(_)) => Poll::Ready(Ok(false)),
            _ => Poll::Pending,
        }
    })
    .await
}

fn wait_in_poll(poller: &OwnedFd, at_most: Option<Duration>) -> io::Result<bool> {
    let timeout = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
    match poll(&mut [PollFd::new(poller, PollFlags::IN)], timeout.as_ref()) {
        // Whoever is woken for nothing looks and comes back.
        Err(Errno::INTR) => Ok(true),
        outcome => Ok(outcome? > 0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// What a core does with its park, on either kind of thread.
    fn parks(executor: Executor) {
        let (report, told) = mpsc::channel();
        let (reader, writer) = io::pipe().unwrap();
        let core = executor.spawn("core-test", Some(CpuId(first_cpu())), move || async move {
            let mut park = Park::new(executor, reader.into()).unwrap();
            park.give_way().await;
            report
                .send(park.wait(Duration::from_millis(1)).await.unwrap())
                .unwrap();
            report
                .send(park.wait(Duration::MAX).await.unwrap())
                .unwrap();
        });
        assert!(!told.recv().unwrap(), "nothing has come");
        io::Write::write_all(&mut &writer, b"x").unwrap();
        assert!(told.recv().unwrap());
        core.unwrap().join().unwrap();
    }

    fn first_cpu() -> u32 {
        let mask = rustix::thread::sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).find(|&cpu| mask.is_set(cpu)).unwrap() as u32
    }

    #[test]
    fn an_executor_parks() {
        parks(Executor::IoUring);
    }

    #[test]
    fn a_plain_thread_parks() {
        parks(Executor::Threads);
    }
}
