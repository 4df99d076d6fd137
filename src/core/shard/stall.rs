//! Holding publishers back that are too fast for a receiver.
//!
//! A receiver whose outbox exceeds [`STALL_PENDING_BYTES`] makes its publishers
//! wait: their sockets are not read until it has caught up to half, or for
//! [`STALL_MAX_NS`] at most, so that a dead receiver delays others by a bounded
//! time until it is cut at its own limit. A publisher on another core is told
//! over the link.

use super::Shard;
use super::frame::{MessageFrame, put_stall};
use crate::base::id::{ConnectionKey, CoreId};
use crate::base::limits::{STALL_MAX_NS, STALL_PENDING_BYTES, STALL_WAITERS_MAX};
use crate::base::slab::NONE;
use crate::session::connection::Hold;

impl Shard {
    /// Holds a publisher back if one of its receivers has fallen behind.
    pub(super) fn stall_if_ahead(&mut self, index: u32) {
        let connection = &mut self.connections[index];
        let behind = std::mem::replace(&mut connection.stalled_by, NONE);
        if behind == NONE || !connection.reads() || !self.config.limits.stalls_publishers {
            return;
        }
        let key = self.connections.key(index);
        if self.add_stall_waiter(behind, self.config.core, key.to_bits()) {
            self.stall(index);
        }
    }

    /// Notes, once per batch, that a publisher of another core is ahead of a
    /// receiver.
    #[inline]
    pub(super) fn note_stall(&mut self, message: &MessageFrame<'_>, behind: u32) {
        let stall = (message.publisher, behind);
        let stalls = self.config.limits.stalls_publishers && behind != NONE && message.hops == 0;
        if stalls && !self.scratch.stalled.contains(&stall) {
            self.scratch.stalled.push(stall);
        }
    }

    /// Stops reading from a publisher for a bounded time.
    pub(super) fn stall(&mut self, index: u32) {
        let until = self.clock.mono.after_ns(STALL_MAX_NS);
        self.connections[index].hold = Hold::Stalled { until };
        self.connections[index].stalls += 1;
        self.counts.stalls += 1;
        self.schedule(index);
    }

    /// Notes a publisher that waits for a receiver; false if the receiver has
    /// caught up already.
    pub(super) fn add_stall_waiter(&mut self, behind: u32, core: CoreId, publisher: u64) -> bool {
        let Some(receiver) = self.connections.get_mut(behind) else {
            return false;
        };
        if receiver.outbox.pending_bytes() <= STALL_PENDING_BYTES || receiver.closing.is_some() {
            return false;
        }
        let waiter = (core, publisher);
        let waiters = &mut receiver.stall_waiters;
        if waiters.len() < STALL_WAITERS_MAX && !waiters.contains(&waiter) {
            waiters.push(waiter);
        }
        true
    }

    /// Lets publishers go on that waited for a receiver.
    #[inline]
    pub(super) fn release_stall_waiters(&mut self, index: u32, pending: u64) {
        let receiver = &mut self.connections[index];
        if receiver.stall_waiters.is_empty() || pending > STALL_PENDING_BYTES / 2 {
            return;
        }
        for (core, bits) in std::mem::take(&mut receiver.stall_waiters) {
            if core == self.config.core {
                self.end_stall(ConnectionKey::from_bits(bits));
            } else {
                let control = &mut self.links[core.index()].open.control;
                put_stall(bits, false, control);
            }
        }
    }

    /// Goes on with a publisher that was held back, if it still is.
    pub(super) fn end_stall(&mut self, key: ConnectionKey) {
        if let Some(index) = self.connections.find(key)
            && let Hold::Stalled { .. } = self.connections[index].hold
        {
            self.release(index);
        }
    }
}
