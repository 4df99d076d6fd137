//! What a shard counts for monitoring, and the connections that have ended, for a
//! while.
//!
//! Bound: `max_closed_connections` over all cores; beyond, the oldest are forgotten.

use std::collections::VecDeque;

use super::report::{ConnectionReport, Counts, Endings};
use crate::session::close_reason::CloseReason;

/// Counts and memories.
#[derive(Default)]
pub(super) struct Ledger {
    /// Connections that ended for a bad reason.
    pub endings: Endings,
    /// What else is counted.
    pub counts: Counts,
    /// Connections that have ended, the last one last.
    pub closed: VecDeque<ConnectionReport>,
    /// How many have been there and are forgotten.
    pub closed_forgotten: u64,
}

impl Ledger {
    /// Counts the end of a connection; true if it did not keep up.
    pub fn count_closed(&mut self, reason: CloseReason) -> bool {
        self.counts.count_closed(reason);
        let is_slow = matches!(
            reason,
            CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline
        );
        self.endings.slow_consumers += u64::from(is_slow);
        self.endings.stale_connections += u64::from(reason == CloseReason::StaleConnection);
        is_slow
    }

    /// Remembers a connection that has ended; `closed_max` are kept.
    pub fn remember(&mut self, report: ConnectionReport, closed_max: usize) {
        while self.closed.len() >= closed_max && self.closed.pop_front().is_some() {
            self.closed_forgotten += 1;
        }
        self.closed.push_back(report);
    }
}
