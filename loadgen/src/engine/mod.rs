//! Runs a phase of load over open connections: worker threads with an epoll loop each, and what they share.

pub mod client;
pub mod pace;
pub mod publisher;
mod send;
pub mod subscriber;
pub mod tally;
pub mod worker;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::parse::Amount;
use tally::Tally;
use worker::Worker;

/// Subscribers that are promised the same messages.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// How many subscribers.
    pub members: u64,
    /// Each message reaches exactly one of them (a queue group) or they divide the matches, instead of each getting all.
    pub joint: bool,
}

/// One phase: warm-up or measurement.
#[derive(Debug, Clone)]
pub struct Phase {
    /// How much is published (or requested), over all sources.
    pub amount: Amount,
    /// Messages per second over all sources; `None` is as fast as possible.
    pub rate: Option<f64>,
    /// Most deliveries that may be under way, so that a fast publisher does not run subscribers into being dropped.
    pub window: u64,
    /// Give up after this long without any progress.
    pub drain_timeout: Duration,
    /// Messages come from someone else: the count expected by each subscriber.
    pub external: Option<External>,
}

/// What a subscribe-only run waits for.
#[derive(Debug, Clone, Copy)]
pub struct External {
    /// Give up when nothing at all has arrived for this long.
    pub first_message_timeout: Duration,
}

/// State that the workers share during one phase.
pub struct Shared {
    /// Deliveries promised to each group (per member, or jointly); complete once no source is left.
    expected: Vec<AtomicU64>,
    /// Deliveries received by joint groups.
    joint_received: Vec<AtomicU64>,
    /// Publishers and clients that have not finished.
    sources_left: AtomicUsize,
    /// Messages published so far.
    pub published: AtomicU64,
    /// Deliveries owed to all subscribers so far.
    owed: AtomicU64,
    /// Deliveries received so far.
    pub received: AtomicU64,
}

impl Shared {
    fn new(groups: &[Group], sources: usize) -> Self {
        let zeros = || groups.iter().map(|_| AtomicU64::new(0)).collect();
        Shared {
            expected: zeros(),
            joint_received: zeros(),
            sources_left: AtomicUsize::new(sources),
            published: AtomicU64::new(0),
            owed: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    fn under_way(&self) -> u64 {
        self.owed
            .load(Relaxed)
            .saturating_sub(self.received.load(Relaxed))
    }

    /// Changes whenever anything moves; for noticing that nothing does.
    fn activity(&self) -> u64 {
        let moved = self
            .published
            .load(Relaxed)
            .wrapping_add(self.received.load(Relaxed));
        moved.wrapping_sub(self.sources_left.load(Relaxed) as u64)
    }
}

/// Workers and the groups that their connections belong to.
pub struct Engine {
    /// One per thread.
    pub workers: Vec<Worker>,
    /// Groups, by index.
    pub groups: Vec<Group>,
    /// CPU for each worker.
    pub cpus: Option<crate::pin::CpuList>,
}

impl Engine {
    /// Runs one phase to its end. `watch` is called now and then with messages published and received.
    pub fn run(
        &mut self,
        phase: &Phase,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Tally>, String> {
        let sources: usize = self.workers.iter().map(Worker::sources).sum();
        let shared = Shared::new(&self.groups, sources);
        if let (Some(_), Amount::Count(count)) = (phase.external, phase.amount) {
            self.groups
                .iter()
                .zip(&shared.expected)
                .for_each(|(_, expected)| expected.store(count, Relaxed));
        }
        let (groups, cpus) = (self.groups.as_slice(), self.cpus.as_ref());
        let start_ns = crate::clock::now_ns();
        let mut first_source = 0;
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (index, worker) in self.workers.iter_mut().enumerate() {
                let share = worker::Share {
                    shared: &shared,
                    phase,
                    groups,
                    start_ns,
                    first_source,
                    sources,
                };
                first_source += worker.sources();
                let cpu = cpus.map(|cpus| cpus.cpu(index));
                threads.push(scope.spawn(move || -> Result<Tally, String> {
                    if let Some(cpu) = cpu {
                        crate::pin::pin_current_thread(cpu)
                            .map_err(|error| format!("cannot run on CPU {cpu}: {error}"))?;
                    }
                    Ok(worker.run(&share))
                }));
            }
            while !threads.iter().all(|thread| thread.is_finished()) {
                watch(
                    shared.published.load(Relaxed),
                    shared.received.load(Relaxed),
                );
                // Short at first: a phase of few messages should not last as long as a glance at it.
                let age_ms = (crate::clock::now_ns() - start_ns) / 1_000_000;
                std::thread::sleep(Duration::from_millis((age_ms / 4).clamp(1, 100)));
            }
            threads
                .into_iter()
                .map(|thread| thread.join().expect("workers do not panic"))
                .collect()
        })
    }
}
