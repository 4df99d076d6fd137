//! One core's state towards one other core: what is said and not yet
//! confirmed, and who waits for that.
//!
//! Batches come back in the order in which they went. At most
//! [`LINK_BATCHES_MAX`] are under way, the last of which is kept for control:
//! a client may change interest only while that place is free (see
//! [`Link::is_full`]), so a change of interest always leaves in its own turn.

use std::collections::VecDeque;

use crate::base::id::ConnectionKey;
use crate::base::limits::{
    LINK_BATCHES_MAX, LINK_BYTES_MAX, LINK_CONTROL_BYTES_MAX, LINK_SPARE_BATCHES_MAX,
    LINK_SPARE_BYTES_MAX,
};

/// What one core sends to another.
#[derive(Debug, Default)]
pub struct MeshBatch {
    /// Position in the link, from one.
    sequence: u64,
    /// The sender waits for the return and must be woken by it.
    wants_return: bool,
    /// Interest and stalls.
    pub(super) control: Vec<u8>,
    /// Messages.
    pub(super) data: Vec<u8>,
    /// Bytes of them that the receiver has delivered.
    pub(super) delivered: usize,
    /// Bytes that the batch carried, still known when it returns empty.
    weight: usize,
    /// Those of them that were changes of interest.
    control_weight: usize,
}

impl MeshBatch {
    fn is_empty(&self) -> bool {
        self.control.is_empty() && self.data.is_empty()
    }

    fn bytes(&self) -> usize {
        self.control.len() + self.data.len()
    }

    /// Forgets what it carried.
    pub(super) fn empty(&mut self) {
        self.control.clear();
        self.data.clear();
        self.delivered = 0;
    }

    /// Whether the sender must be woken when the batch returns.
    #[must_use]
    pub fn wants_return(&self) -> bool {
        self.wants_return
    }
}

/// A batch that is dealt with.
#[derive(Debug)]
pub(super) struct Done {
    pub batch: MeshBatch,
    /// The marks for sending that it may have made: it returns when they are done.
    pub marked: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub open: MeshBatch,
    /// Batches given to the shell and not returned.
    in_flight_batches: usize,
    in_flight_bytes: usize,
    in_flight_control_bytes: usize,
    sent_sequence: u64,
    returned_sequence: u64,
    /// Somebody waits for returns that the peer has not been asked for.
    demand: bool,
    /// Connections that wait for the return of the next whole batch.
    next_barrier: Vec<ConnectionKey>,
    /// Connections that wait for the return of a batch, in order.
    barriers: VecDeque<(u64, ConnectionKey)>,
    /// Connections that wait for room.
    room_waiters: Vec<ConnectionKey>,
    /// Batches of the peer whose control is applied, data not yet delivered.
    pub inbox: VecDeque<MeshBatch>,
    /// Batches of the peer that are dealt with.
    pub done: VecDeque<Done>,
    /// Empty batches for reuse.
    spare: Vec<MeshBatch>,
}

impl Link {
    /// Whether another turn is needed.
    pub fn has_work(&self) -> bool {
        !self.inbox.is_empty() || !self.done.is_empty() || self.can_take() || self.can_announce()
    }

    fn can_announce(&self) -> bool {
        self.in_flight_batches < LINK_BATCHES_MAX && !self.open.control.is_empty()
    }

    fn can_take(&self) -> bool {
        self.in_flight_batches < LINK_BATCHES_MAX - 1 && (!self.open.is_empty() || self.demand)
    }

    /// Whether publishers have to wait.
    pub fn is_full(&self) -> bool {
        self.bytes_under_way() >= LINK_BYTES_MAX || self.in_flight_batches >= LINK_BATCHES_MAX - 1
    }

    /// Whether clients that change interest have to wait.
    pub fn is_full_of_changes(&self) -> bool {
        let control_bytes = self.in_flight_control_bytes + self.open.control.len();
        self.is_full() || control_bytes >= LINK_CONTROL_BYTES_MAX
    }

    /// Batches given to the shell and not returned.
    pub fn batches_under_way(&self) -> usize {
        self.in_flight_batches
    }

    /// Bytes said to the peer and not confirmed by it.
    pub fn bytes_under_way(&self) -> usize {
        self.in_flight_bytes + self.open.bytes()
    }

    /// Takes the changes of interest alone.
    pub fn take_control(&mut self) -> Option<MeshBatch> {
        if !self.can_announce() {
            return None;
        }
        let mut batch = self.spare.pop().unwrap_or_default();
        std::mem::swap(&mut batch.control, &mut self.open.control);
        Some(self.send(batch, false))
    }

    /// Takes everything that there is to say.
    pub fn take(&mut self) -> Option<MeshBatch> {
        if !self.can_take() {
            return None;
        }
        let spare = self.spare.pop().unwrap_or_default();
        let batch = std::mem::replace(&mut self.open, spare);
        let wants_return = std::mem::take(&mut self.demand);
        let batch = self.send(batch, wants_return);
        let sequence = batch.sequence;
        debug_assert!(sequence > self.returned_sequence, "its return is to come");
        let waiters = self.next_barrier.drain(..).map(|key| (sequence, key));
        self.barriers.extend(waiters);
        Some(batch)
    }

    fn send(&mut self, mut batch: MeshBatch, wants_return: bool) -> MeshBatch {
        assert!(
            self.in_flight_batches < LINK_BATCHES_MAX,
            "the ring has a place for every batch"
        );
        debug_assert!(batch.delivered == 0, "it is delivered from its beginning");
        self.sent_sequence += 1;
        self.in_flight_batches += 1;
        // While the link takes no more, somebody may wait for a return.
        let is_last = self.in_flight_batches >= LINK_BATCHES_MAX - 1;
        batch.sequence = self.sent_sequence;
        batch.wants_return = wants_return || is_last;
        batch.weight = batch.bytes();
        self.in_flight_bytes += batch.weight;
        batch.control_weight = batch.control.len();
        self.in_flight_control_bytes += batch.control_weight;
        batch
    }

    /// Takes a batch back that the peer has dealt with.
    pub fn take_back(&mut self, mut batch: MeshBatch) {
        assert!(
            batch.sequence == self.returned_sequence + 1,
            "returns keep the order"
        );
        assert!(
            batch.is_empty() && batch.weight <= self.in_flight_bytes,
            "what is said in it next is said once"
        );
        self.returned_sequence = batch.sequence;
        self.in_flight_batches -= 1;
        self.in_flight_bytes -= batch.weight;
        self.in_flight_control_bytes -= batch.control_weight;
        if self.spare.len() < LINK_SPARE_BATCHES_MAX {
            batch.control.shrink_to(LINK_SPARE_BYTES_MAX);
            batch.data.shrink_to(LINK_SPARE_BYTES_MAX);
            self.spare.push(batch);
        }
        // Whoever still waits needs a return that the peer may not have been
        // asked for.
        if !self.room_waiters.is_empty() && self.in_flight_batches == 0 {
            self.demand = true;
        }
    }

    /// A batch of the peer that is dealt with, once what came of it has been sent.
    pub fn take_done(&mut self, has_sent: impl Fn(u64) -> bool) -> Option<MeshBatch> {
        let is_out = has_sent(self.done.front()?.marked);
        let done = if is_out { self.done.pop_front() } else { None };
        done.map(|done| done.batch)
    }

    /// Frees what an idle link does not need.
    pub fn trim(&mut self) {
        self.spare = Vec::new();
    }

    /// Makes a connection wait until the peer has dealt with everything said so
    /// far; false if it has.
    pub fn begin_barrier(&mut self, key: ConnectionKey) -> bool {
        let is_needed = !self.open.is_empty() || self.returned_sequence < self.sent_sequence;
        if is_needed {
            self.next_barrier.push(key);
            self.demand = true;
        }
        is_needed
    }

    /// The next connection whose barrier the peer has confirmed.
    pub fn next_passed(&mut self) -> Option<ConnectionKey> {
        let &(sequence, key) = self.barriers.front()?;
        if sequence > self.returned_sequence {
            return None;
        }
        self.barriers.pop_front();
        Some(key)
    }

    /// Makes a connection wait for room.
    pub fn wait_for_room(&mut self, key: ConnectionKey) {
        self.room_waiters.push(key);
        self.demand = true;
    }

    /// The connections that need not wait for room any more.
    pub fn take_room_waiters(&mut self) -> Vec<ConnectionKey> {
        let has_room = self.in_flight_bytes <= LINK_BYTES_MAX / 2
            && self.in_flight_batches <= LINK_BATCHES_MAX / 2;
        if has_room {
            std::mem::take(&mut self.room_waiters)
        } else {
            Vec::new()
        }
    }

    /// Asks for the return of what is under way, since somebody waits for room.
    pub fn demand_return(&mut self) {
        self.demand = true;
    }

    /// Checks what must hold after a turn.
    pub fn check_invariants(&self) {
        let under_way = self.sent_sequence - self.returned_sequence;
        assert_eq!(under_way, self.in_flight_batches as u64);
        assert!(self.in_flight_batches <= LINK_BATCHES_MAX);
        assert!(self.in_flight_batches > 0 || self.in_flight_bytes == 0);
        let sequences = self.barriers.iter().map(|waiter| waiter.0);
        assert!(sequences.is_sorted(), "barriers are passed in order");
        // Nobody waits for a return that will not come.
        let asked = self.demand || self.in_flight_batches > 0;
        assert!(asked || (self.room_waiters.is_empty() && self.barriers.is_empty()));
        assert!(self.demand || self.next_barrier.is_empty());
    }
}
