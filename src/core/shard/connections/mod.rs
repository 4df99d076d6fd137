//! The connections of a shard and what waits to be sent to them: the one part of
//! it that touches outboxes.
//!
//! Whoever gets something is marked and sent to when the turn's output leaves,
//! once, however many messages it got. There are two rows of marks. The *prompt*
//! one is emptied every turn: answers, and messages with few receivers; a mark in
//! it is charged to whoever made it, so that the turn stays short. The *bulk* one
//! is for receivers of wide fan-outs, thousands at a time: it is emptied as far as
//! a turn's work goes, first in, first out, and what comes for such a receiver
//! meanwhile leaves with the same send.
//!
//! Invariants: `pending_bytes` is the sum over all outboxes. A connection stands in
//! a row if and only if it is marked so, but an entry of the bulk row whose
//! connection has been sent to promptly, or has gone, stays until its turn comes.
//!
//! Not here: when a connection opens and ends (`life`), what its commands do.

pub(super) mod deliver;
mod rows;
mod table;

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::base::budget::Budget;
use crate::base::id::ConnectionKey;
use crate::base::limits::{
    Limits, SEND_BLOCKS_MAX, SEND_WORK_NS, SENT_BYTES_PER_NS, STALL_PENDING_BYTES, Tracing,
};
use crate::session::connection::Connection;
use crate::session::outbox::BlockPool;
use crate::session::writing::Mark;

use rows::Rows;
use table::Table;

/// The connections of a shard.
#[derive(Default)]
pub(super) struct Connections {
    table: Table,
    /// Blocks of outboxes.
    pub pool: BlockPool,
    rows: Rows,
    /// Work of sending that this turn may still do for the bulk row.
    bulk_work: Budget,
    /// Connections that are over.
    pub over: VecDeque<ConnectionKey>,
    /// Subscriptions that reached their last message.
    pub finished: Vec<u32>,
    /// Connections whose outbox exceeded its limit.
    pub overflowed: Vec<u32>,
    /// Room for a message without its headers.
    stripped: Vec<u8>,
    /// Bytes in all outboxes.
    pending_bytes: u64,
    /// Those that were left when their sockets were last sent to.
    waiting_bytes: u64,
    limits: OutboxLimits,
}

/// What is configured of outboxes.
#[derive(Default)]
struct OutboxLimits {
    /// Pending bytes beyond which a receiver is cut.
    pending_max: u64,
    /// Pending bytes at which a receiver deserves a closer look.
    pending_noticed: u64,
    /// Pending bytes at which a receiver misses messages.
    pending_dropped: u64,
    /// How deliveries are logged, if they are.
    trace: Option<Tracing>,
}

impl Connections {
    /// Goes by these limits from now on.
    pub fn adopt(&mut self, limits: &Limits, trace: bool) {
        self.limits = OutboxLimits {
            pending_max: limits.max_pending_bytes,
            pending_noticed: limits.max_pending_bytes.min(STALL_PENDING_BYTES),
            pending_dropped: match limits.stalls_publishers {
                true => u64::MAX,
                false => limits.max_pending_bytes / 4 * 3,
            },
            trace: trace.then_some(limits.tracing),
        };
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Puts a connection in; it gets the generation of its slot.
    pub fn insert(&mut self, make: impl FnOnce(u32) -> Connection) -> u32 {
        self.table.insert(make)
    }

    /// Takes one out that is over. Its key is void.
    pub fn remove(&mut self, key: ConnectionKey) {
        let connection = &self.table[key.index];
        assert!(
            connection.writing.outbox.pending_bytes() == 0 && connection.writing.waiting_bytes == 0,
            "it takes its part of the sums with it"
        );
        debug_assert!(
            !connection.hears,
            "nothing reaches the next one in its slot"
        );
        self.table.remove(key);
    }

    /// Number of slots, the empty ones included.
    pub fn slots(&self) -> u32 {
        self.table.slots()
    }

    /// The connection in a slot, if there is one.
    pub fn get(&self, index: u32) -> Option<&Connection> {
        self.table.get(index)
    }

    /// The connection in a slot, if there is one.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut Connection> {
        self.table.get_mut(index)
    }

    /// The key of a slot in use.
    pub fn key(&self, index: u32) -> ConnectionKey {
        ConnectionKey {
            index,
            generation: self.table[index].generation,
        }
    }

    /// The slot of a key that is still valid.
    pub fn find(&self, key: ConnectionKey) -> Option<u32> {
        self.table.find(key)
    }

    /// All keys, in slot order.
    pub fn keys(&self) -> impl Iterator<Item = ConnectionKey> {
        self.table.keys()
    }

    /// Has a connection sent to in this turn.
    pub fn mark_prompt(&mut self, index: u32) {
        self.rows.mark_prompt(&mut self.table[index], index);
    }

    /// Has a connection sent to in this turn or a later one.
    pub fn mark_bulk(&mut self, index: u32) {
        self.rows.mark_bulk(&mut self.table[index], index);
    }

    /// Queues bytes for a connection.
    pub fn send(&mut self, index: u32, bytes: &[u8]) {
        self.table[index].writing.outbox.push(bytes, &mut self.pool);
        self.pending_bytes += bytes.len() as u64;
        self.mark_prompt(index);
    }

    /// Queues bytes for a connection, as one of many.
    pub fn send_bulk(&mut self, index: u32, bytes: &[u8]) {
        self.table[index].writing.outbox.push(bytes, &mut self.pool);
        self.pending_bytes += bytes.len() as u64;
        self.mark_bulk(index);
    }

    /// Allows so much work of sending for the bulk row.
    pub fn begin_sending(&mut self, work_ns: u64) {
        self.bulk_work.grant(work_ns);
    }

    /// The slot of the next connection to send to in this turn; its mark is gone.
    pub fn next_marked(&mut self) -> Option<u32> {
        while let Some(index) = self.rows.prompt.pop() {
            if self.unmark(index, Mark::Prompt) {
                return Some(index);
            }
        }
        while !self.bulk_work.is_spent() {
            let index = self.rows.bulk.pop_front()?;
            self.rows.bulk_taken += 1;
            debug_assert!(self.rows.bulk_taken <= self.rows.bulk_marked);
            if self.unmark(index, Mark::Bulk) {
                self.bulk_work.charge(SEND_WORK_NS);
                return Some(index);
            }
        }
        None
    }

    fn unmark(&mut self, index: u32, mark: Mark) -> bool {
        let connection = self.table.get_mut(index);
        connection.is_some_and(|connection| {
            let is_marked = connection.writing.mark == mark;
            if is_marked {
                connection.writing.mark = Mark::Unmarked;
            }
            is_marked
        })
    }

    /// Whether somebody is marked.
    pub fn has_marked(&self) -> bool {
        !self.rows.prompt.is_empty() || !self.rows.bulk.is_empty()
    }

    /// What is marked now will have been sent to when [`Self::has_sent`] says so.
    pub fn marked(&self) -> u64 {
        self.rows.bulk_marked
    }

    /// Whether everything marked then has been sent to; promptly marked ones are,
    /// at the end of every turn.
    pub fn has_sent(&self, marked: u64) -> bool {
        debug_assert!(marked <= self.rows.bulk_marked, "it was marked before");
        self.rows.bulk_taken >= marked
    }

    /// Notes that a socket has accepted bytes.
    pub fn advance(&mut self, index: u32, accepted: usize) {
        let connection = &mut self.table[index];
        debug_assert!(
            accepted as u64 <= connection.writing.outbox.pending_bytes(),
            "a socket accepts what it is offered"
        );
        connection.writing.outbox.advance(accepted, &mut self.pool);
        connection.writing.sent_bytes += accepted as u64;
        self.pending_bytes -= accepted as u64;
        self.bulk_work.charge(accepted as u64 / SENT_BYTES_PER_NS);
    }

    /// Forgets what waits for a connection.
    pub fn clear_outbox(&mut self, index: u32) {
        let outbox = &mut self.table[index].writing.outbox;
        self.pending_bytes -= outbox.pending_bytes();
        outbox.clear(&mut self.pool);
        debug_assert!(outbox.pending_bytes() == 0, "nothing of it is counted");
    }

    /// What waits to be sent, as slices for one vectored send.
    pub fn slices<'a, 'b>(
        &'a self,
        index: u32,
        into: &'b mut [IoSlice<'a>; SEND_BLOCKS_MAX],
    ) -> &'b [IoSlice<'a>] {
        let outbox = &self.table[index].writing.outbox;
        let slices = outbox.slices(into);
        debug_assert!(
            slices.is_empty() == (outbox.pending_bytes() == 0),
            "whatever waits is offered"
        );
        slices
    }

    /// Counts what waits for a connection, once its socket has taken what it
    /// takes in this turn.
    pub fn note_waiting(&mut self, index: u32) {
        let connection = &mut self.table[index];
        let waiting_bytes = connection.writing.outbox.pending_bytes();
        let before = std::mem::replace(&mut connection.writing.waiting_bytes, waiting_bytes);
        debug_assert!(before <= self.waiting_bytes, "it is part of the sum");
        self.waiting_bytes = self.waiting_bytes + waiting_bytes - before;
    }

    /// Bytes that waited at the end of the last turn.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Bytes that no socket has been offered yet.
    pub fn unsent_bytes(&self) -> u64 {
        self.pending_bytes.saturating_sub(self.waiting_bytes)
    }

    /// Checks what must hold.
    pub fn check_invariants(&self) {
        let (mut pending_bytes, mut waiting_bytes) = (0, 0);
        let (mut prompt, mut bulk) = (0, 0);
        for key in self.keys() {
            let connection = &self.table[key.index];
            pending_bytes += connection.writing.outbox.pending_bytes();
            waiting_bytes += connection.writing.waiting_bytes;
            prompt += usize::from(connection.writing.mark == Mark::Prompt);
            bulk += usize::from(connection.writing.mark == Mark::Bulk);
            let is_marked = connection.writing.mark != Mark::Unmarked;
            let pending = connection.writing.outbox.pending_bytes();
            assert!(is_marked || connection.writing.waiting_bytes == pending);
        }
        assert_eq!(pending_bytes, self.pending_bytes);
        assert_eq!(waiting_bytes, self.waiting_bytes);
        assert!(prompt <= self.rows.prompt.len() && bulk <= self.rows.bulk.len());
        assert_eq!(
            self.rows.bulk_marked - self.rows.bulk_taken,
            self.rows.bulk.len() as u64
        );
    }
}

impl std::ops::Index<u32> for Connections {
    type Output = Connection;

    #[inline]
    fn index(&self, index: u32) -> &Connection {
        &self.table[index]
    }
}

impl std::ops::IndexMut<u32> for Connections {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut Connection {
        &mut self.table[index]
    }
}
