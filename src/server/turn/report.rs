//! What a core tells monitoring of itself, and the measuring of letters, which are the work that
//! monitoring makes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use trunkline_core::shard::report::ShardReport;

use super::Core;
use super::meter::Meter;
use crate::net::accept::Acceptor;

/// A core as a whole.
pub struct CoreReport {
    /// Its brain.
    pub shard: ShardReport,
    /// Its work.
    pub meter: Meter,
    /// Connections over WebSocket that are not clients yet.
    pub pending_upgrades: usize,
    /// Times that accepting had to pause.
    pub accept_pauses: u64,
}

impl Core {
    /// The core as a whole.
    pub fn report(&self) -> CoreReport {
        CoreReport {
            shard: self.shard.report(),
            meter: self.meter,
            pending_upgrades: self.pending_upgrades.count(),
            accept_pauses: self.acceptors.iter().map(Acceptor::pauses).sum(),
        }
    }

    /// Does a letter's work and measures it.
    pub(super) fn measure_letter(&mut self, work: impl FnOnce(&mut Self)) {
        let before = processor_time();
        work(self);
        let taken = processor_time().saturating_sub(before);
        self.meter.letters.record(taken.as_nanos() as u64);
    }
}

/// Processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
