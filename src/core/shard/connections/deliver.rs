//! A message into the outbox of one receiver: the innermost step of a fan-out.
//!
//! Four pieces are copied behind each other: `MSG subject ` from the route, the
//! receiver's sid, the message's line and its body, the last two mostly as one
//! piece, the publisher's own bytes. Nothing is formatted, allocated or counted
//! atomically. Only a large message lies in memory that the outboxes of its
//! receivers share.

use bytes::Bytes;

use super::super::admit::note_request;
use super::super::rewrite::strip;
use super::super::trace::trace_delivery;
use super::Connections;
use crate::base::id::{ConnectionKey, ConnectionKind, CoreId, Nanos};
use crate::base::limits::{
    BULK_PENDING_BYTES, BULK_PENDING_BYTES_MIN, DELIVERY_WORK_BYTES, DELIVERY_WORK_NS,
    SEND_WORK_NS, SHARED_TAIL_BYTES,
};
use crate::base::short;
use crate::base::slab::{NONE, Slab};
use crate::route::interest::Interest;
use crate::route::receivers::{Route, Target};
use crate::route::subscription::Subscription;
use crate::session::connection::{Behind, Connection, Mark};
use crate::session::large_message::share_part;

/// Who publishes a message: it decides on echo, and on who waits for receivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::shard) enum Source {
    /// A connection of this core.
    Connection {
        /// Its slot.
        slot: u32,
        /// What it is.
        kind: ConnectionKind,
    },
    /// A connection of another core.
    Remote {
        /// Its core.
        core: CoreId,
        /// Its key there.
        key: ConnectionKey,
        /// What it is.
        kind: ConnectionKind,
    },
    /// The server itself.
    Server,
}

impl Source {
    /// The slot of the publisher, if it is a connection of this core.
    #[inline]
    pub fn slot(self) -> Option<u32> {
        match self {
            Self::Connection { slot, .. } => Some(slot),
            Self::Remote { .. } | Self::Server => None,
        }
    }
}

/// A message in the form in which it is delivered. The route that it is found by
/// is given beside it.
#[derive(Clone, Copy)]
pub(in crate::shard) struct Message<'a> {
    /// Who publishes it.
    pub source: Source,
    /// What a delivery begins with (`HMSG subject `) if receivers are shown another
    /// subject than that of the route: a stored message is found by an inbox.
    pub shown: Option<&'a [u8]>,
    /// What follows the sid: `[reply ][header size ]size\r\n`, and the payload too
    /// if it lies behind it.
    pub line: &'a [u8],
    /// The payload with its line end, if it lies elsewhere; else empty.
    pub body: &'a [u8],
    /// Whether it has a header block.
    pub has_header: bool,
    /// Bytes of header block and body.
    pub size: usize,
}

impl Message<'_> {
    /// How much delivering it to so many receivers counts for, in deliveries of
    /// short messages. What receivers share is not copied.
    #[inline]
    pub fn weight(&self, receivers: usize) -> usize {
        weight(receivers, self.len())
    }

    fn len(&self) -> usize {
        self.line.len() + self.body.len()
    }

    /// Its reply subject, if it has one.
    pub fn reply(&self) -> Option<&[u8]> {
        let line_end = memchr::memchr(b'\n', self.line).unwrap_or(self.line.len());
        let line = &self.line[..line_end];
        let sizes = 1 + usize::from(self.has_header);
        let words = line.split(|&byte| byte == b' ').count();
        let first = line.split(|&byte| byte == b' ').next();
        first.filter(|_| words > sizes)
    }
}

/// A message on its way to the receivers of one core.
pub(in crate::shard) struct Flight {
    now: Nanos,
    /// Its receivers are many: their sends may wait.
    is_bulk: bool,
    /// Pending bytes at which a receiver has fallen behind.
    pending_noticed: u64,
    /// A receiver that has, or [`NONE`].
    behind: u32,
    /// Deliveries.
    pub delivered: u64,
    /// Receivers that were promptly marked.
    marked: u64,
    /// Receivers that were tried, each as many times as what it gets is long: the
    /// work that was done.
    tried: u64,
    /// The large message that is being executed, if there is one.
    large: Bytes,
    /// What all receivers share of a large message.
    shared: Option<Bytes>,
}

impl Flight {
    /// The work that was done since this was last asked, in nominal nanoseconds.
    #[inline]
    pub fn take_work_ns(&mut self) -> u64 {
        let tried = std::mem::take(&mut self.tried);
        let marked = std::mem::take(&mut self.marked);
        tried * DELIVERY_WORK_NS + marked * SEND_WORK_NS
    }

    /// It goes on at a later moment.
    pub fn go_on(&mut self, now: Nanos) {
        self.now = now;
    }

    /// A receiver that has fallen behind.
    #[inline]
    pub fn behind(&self) -> Option<Behind> {
        (self.behind != NONE).then_some(Behind {
            receiver: self.behind,
            pending_bytes: self.pending_noticed,
        })
    }
}

/// Who looks on while a message is delivered.
pub(in crate::shard) trait Observer {
    /// Looks at a receiver before its delivery and decides on that.
    fn look(
        &mut self,
        connection: &Connection,
        subscription: &Subscription,
        target: Target,
        is_own: bool,
    ) -> Look;

    /// Names the receivers that it has looked at, while their subscriptions are
    /// all still there.
    fn name(&mut self, interest: &Interest);
}

/// What an observer decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::shard) enum Look {
    /// The message is delivered, if the receiver takes it.
    Deliver,
    /// The receiver would take it, but does not get it.
    Spare,
    /// The receiver does not take it.
    Refused,
}

/// Nobody looks on.
pub(in crate::shard) struct Unobserved;

impl Observer for Unobserved {
    #[inline(always)]
    fn look(&mut self, _: &Connection, _: &Subscription, _: Target, _: bool) -> Look {
        Look::Deliver
    }

    #[inline(always)]
    fn name(&mut self, _: &Interest) {}
}

impl Connections {
    /// Begins a message's way to so many receivers; `large` is what is being
    /// executed, if that has a buffer of its own.
    #[inline]
    pub fn begin_flight(
        &mut self,
        now: Nanos,
        message: &Message<'_>,
        receivers: usize,
        is_bulk: bool,
        large: &Bytes,
    ) -> Flight {
        let mut flight = Flight {
            now,
            is_bulk,
            pending_noticed: self.limits.pending_noticed,
            behind: NONE,
            delivered: 0,
            marked: 0,
            tried: 0,
            large: Bytes::new(),
            shared: None,
        };
        if is_bulk {
            flight.pending_noticed = bulk_pending_noticed(flight.pending_noticed, receivers);
        }
        if message.len() >= SHARED_TAIL_BYTES {
            flight.large = large.clone();
            self.share(&mut flight, message, receivers);
        }
        flight
    }

    /// Makes the receivers of a large message share the buffer that it arrived in
    /// or, if it has none of its own and they are several, one copy of it.
    #[inline(never)]
    fn share(&mut self, flight: &mut Flight, message: &Message<'_>, receivers: usize) {
        if message.body.is_empty() {
            flight.shared = share_part(&flight.large, message.line);
        }
        if flight.shared.is_none() && receivers > 1 {
            let mut copy = self.pool.take_shared(message.len());
            copy.extend_from_slice(message.line);
            copy.extend_from_slice(message.body);
            flight.shared = Some(copy.freeze());
        }
    }

    /// Copies a message into one outbox; false if this receiver does not take it.
    #[inline]
    pub fn deliver<O: Observer>(
        &mut self,
        route: &Route,
        subscriptions: &mut Slab<Subscription>,
        target: Target,
        message: &Message<'_>,
        flight: &mut Flight,
        observer: &mut O,
    ) -> bool {
        flight.tried += 1;
        let connection = &mut self.table[target.connection];
        let subscription = &mut subscriptions[target.subscription];
        let is_own = message.source.slot() == Some(target.connection);
        match observer.look(connection, subscription, target, is_own) {
            Look::Deliver => {}
            Look::Spare => return true,
            Look::Refused => return false,
        }
        if !connection.hears || (is_own && !connection.echo) {
            return false;
        }
        if connection.responses.is_some() {
            note_request(connection, flight.now, message);
        }
        subscription.delivered += 1;
        if subscription.delivered_max > 0 {
            if subscription.delivered > subscription.delivered_max {
                return false;
            }
            if subscription.delivered == subscription.delivered_max {
                self.finished.push(target.subscription);
            }
        }
        if connection.outbox.pending_bytes() > self.limits.pending_dropped {
            return false;
        }
        let with_header = message.has_header && connection.headers;
        let head = match message.shown {
            None => route.head(with_header),
            Some(head) => &head[usize::from(!with_header)..],
        };
        let sid = subscription.sid.with_blank();
        let (line, body) = if with_header || !message.has_header {
            (message.line, message.body)
        } else {
            strip(message.line, message.body, &mut self.stripped);
            (&self.stripped[..], &b""[..])
        };
        if flight.shared.is_some() && with_header == message.has_header {
            self.append_shared(target.connection, head, sid, message.size, flight);
            return true;
        }
        let len = head.len() + sid.len() + line.len() + body.len();
        flight.tried += (len / DELIVERY_WORK_BYTES) as u64;
        let room = connection.outbox.extend(len, &mut self.pool);
        let (room_head, room) = room.split_at_mut(head.len());
        let (room_sid, room) = room.split_at_mut(sid.len());
        let (room_line, room_body) = room.split_at_mut(line.len());
        short::copy(room_head, head);
        short::copy(room_sid, sid);
        short::copy(room_line, line);
        if !body.is_empty() {
            room_body.copy_from_slice(body);
        }
        self.pending_bytes += len as u64;
        if let Some(style) = self.limits.trace {
            trace_delivery(connection, [head, sid, line, body], style);
        }
        self.note_delivery(target.connection, message.size, flight);
        true
    }

    #[inline(never)]
    fn append_shared(
        &mut self,
        index: u32,
        head: &[u8],
        sid: &[u8],
        size: usize,
        flight: &mut Flight,
    ) {
        let Some(tail) = flight.shared.clone() else {
            return;
        };
        let receiver = &mut self.table[index];
        if let Some(style) = self.limits.trace {
            trace_delivery(receiver, [head, sid, &tail, b""], style);
        }
        self.pending_bytes += (head.len() + sid.len() + tail.len()) as u64;
        receiver.outbox.push(head, &mut self.pool);
        receiver.outbox.push(sid, &mut self.pool);
        receiver.outbox.push_shared(tail, &mut self.pool);
        self.note_delivery(index, size, flight);
    }

    /// Notes that a receiver got something.
    #[inline]
    fn note_delivery(&mut self, index: u32, size: usize, flight: &mut Flight) {
        let connection = &mut self.table[index];
        flight.delivered += 1;
        connection.traffic.out_messages += 1;
        connection.traffic.out_bytes += size as u64;
        let pending = connection.outbox.pending_bytes();
        if connection.mark != Mark::Prompt {
            if flight.is_bulk {
                self.mark_bulk(index);
            } else {
                flight.marked += 1;
                self.mark_prompt(index);
            }
        }
        if pending > flight.pending_noticed {
            flight.behind = index;
            if pending > self.limits.pending_max {
                self.overflowed.push(index);
            }
        }
    }
}

/// See [`Message::weight`].
#[inline]
pub(in crate::shard) fn weight(receivers: usize, len: usize) -> usize {
    match len < SHARED_TAIL_BYTES {
        true => receivers.saturating_mul(1 + len / DELIVERY_WORK_BYTES),
        false => receivers,
    }
}

/// Receivers of a wide fan-out have fallen behind with fewer bytes: together they
/// may hold as much as a core has for that.
fn bulk_pending_noticed(usual: u64, receivers: usize) -> u64 {
    let each = BULK_PENDING_BYTES / (receivers as u64).max(1);
    usual.min(each.max(BULK_PENDING_BYTES_MIN))
}
