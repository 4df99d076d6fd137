//! Holding publishers back that are too fast for a receiver.
//!
//! A receiver whose outbox exceeds [`STALL_PENDING_BYTES`] (less for one of very
//! many) makes its publishers
//! wait: their sockets are not read until it has caught up to half, or for
//! [`STALL_MAX_NS`] at most, so that a dead receiver delays others by a bounded
//! time until it is cut at its own limit. A publisher on another core is told
//! over the link.
//!
//! [`STALL_PENDING_BYTES`]: crate::base::limits::STALL_PENDING_BYTES

use super::Shard;
use super::frame::MessageFrame;
use super::message::Flight;
use crate::base::id::{ConnectionKey, CoreId};
use crate::base::limits::{STALL_MAX_NS, STALL_WAITERS_MAX};
use crate::session::input::Hold;
use crate::session::stalling::Behind;

impl Shard {
    /// Holds a publisher back if one of its receivers has fallen behind.
    pub(super) fn stall_if_ahead(&mut self, index: u32) {
        let connection = &mut self.connections[index];
        let Some(behind) = connection.stalling.behind.take() else {
            return;
        };
        if !connection.input.may_stall() || !self.config.limits.stalls_publishers {
            return;
        }
        let key = self.connections.key(index);
        if self.add_stall_waiter(behind, self.config.core, key) {
            self.stall(index);
        }
    }

    /// Notes that a publisher of another core is ahead of a receiver.
    #[inline]
    pub(super) fn note_stall(&mut self, message: &MessageFrame<'_>, flight: &Flight) {
        if let Some(behind) = flight.behind()
            && let Some(publisher) = message.publisher
            && message.hops == 0
            && self.config.limits.stalls_publishers
        {
            self.mesh.note_stalled(publisher.key, behind);
        }
    }

    /// Holds a publisher back that is too fast for a receiver on another core.
    pub(super) fn stall_for_remote(&mut self, key: ConnectionKey) {
        if self.stall_if_consumer(key) {
            return;
        }
        if let Some(index) = self.connections.find(key)
            && self.connections[index].input.may_stall()
        {
            self.stall(index);
        }
    }

    /// Stops reading from a publisher for a bounded time.
    pub(super) fn stall(&mut self, index: u32) {
        let until = self.clock.mono.after_ns(STALL_MAX_NS);
        let connection = &mut self.connections[index];
        connection.input.hold_for(Hold::Stalled { until });
        connection.stalling.count += 1;
        self.ledger.counts.stalls += 1;
        self.schedule(index);
        debug_assert!(
            self.connections[index].timer <= until,
            "a dead receiver holds nobody for ever"
        );
    }

    /// Notes a publisher that waits for a receiver; false if the receiver has
    /// caught up already.
    pub(super) fn add_stall_waiter(
        &mut self,
        behind: Behind,
        core: CoreId,
        publisher: ConnectionKey,
    ) -> bool {
        let Some(receiver) = self.connections.get_mut(behind.receiver) else {
            return false;
        };
        let pending = receiver.writing.outbox.pending_bytes();
        if pending <= behind.pending_bytes || receiver.input.is_closing() {
            return false;
        }
        let waiter = (core, publisher);
        let waiters = &mut receiver.stalling.waiters;
        let until_bytes = behind.pending_bytes / 2;
        waiters.until_bytes = match waiters.publishers.is_empty() {
            true => until_bytes,
            false => waiters.until_bytes.min(until_bytes),
        };
        debug_assert!(
            waiters.until_bytes < pending,
            "it has something to catch up with, and tells when it has"
        );
        let publishers = &mut waiters.publishers;
        if publishers.len() < STALL_WAITERS_MAX && !publishers.contains(&waiter) {
            publishers.push(waiter);
        }
        true
    }

    /// Lets publishers go on that waited for a receiver.
    #[inline]
    pub(super) fn release_stall_waiters(&mut self, index: u32, pending: u64) {
        let receiver = &mut self.connections[index];
        let waiters = &mut receiver.stalling.waiters;
        if waiters.publishers.is_empty() || pending > waiters.until_bytes {
            return;
        }
        for (core, publisher) in std::mem::take(&mut waiters.publishers) {
            match core == self.config.core {
                true => self.end_stall(publisher),
                false => self.mesh.tell_stall(core, publisher, false),
            }
        }
    }

    /// Goes on with a publisher that was held back, if it still is.
    pub(super) fn end_stall(&mut self, key: ConnectionKey) {
        if self.end_stall_if_consumer(key) {
            return;
        }
        if let Some(index) = self.connections.find(key)
            && let Hold::Stalled { .. } = self.connections[index].input.hold()
        {
            self.release(index);
        }
    }
}
