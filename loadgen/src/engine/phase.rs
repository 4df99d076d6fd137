//! What a phase of load is, and what the workers share while it lasts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::parse::Amount;

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
    pub expected: Vec<AtomicU64>,
    /// Deliveries received by joint groups.
    pub joint_received: Vec<AtomicU64>,
    /// Publishers and clients that have not finished.
    pub sources_left: AtomicUsize,
    /// Messages published so far.
    pub published: AtomicU64,
    /// Deliveries owed to all subscribers so far.
    pub owed: AtomicU64,
    /// Deliveries received so far.
    pub received: AtomicU64,
}

impl Shared {
    /// Nothing has moved yet.
    pub fn new(groups: &[Group], sources: usize) -> Self {
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

    /// Deliveries that are owed and have not come.
    pub fn under_way(&self) -> u64 {
        self.owed
            .load(Relaxed)
            .saturating_sub(self.received.load(Relaxed))
    }

    /// Changes whenever anything moves; for noticing that nothing does.
    pub fn activity(&self) -> u64 {
        let moved = self
            .published
            .load(Relaxed)
            .wrapping_add(self.received.load(Relaxed));
        moved.wrapping_sub(self.sources_left.load(Relaxed) as u64)
    }
}
