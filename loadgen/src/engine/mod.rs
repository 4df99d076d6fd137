//! Runs a phase of load over open connections: worker threads with an epoll loop each, and what they share.

pub mod client;
pub mod pace;
pub mod phase;
pub mod publisher;
mod send;
pub mod subscriber;
pub mod tally;
pub mod worker;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::parse::Amount;
use phase::{Group, Phase, Shared};
use tally::Tally;
use worker::Worker;

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
