//! A message into the outbox of one receiver: the innermost step of a fan-out.
//!
//! Four pieces are copied behind each other: `MSG subject ` from the route, the
//! receiver's sid, the message's line and its body, the last two mostly as one
//! piece, the publisher's own bytes. Nothing is formatted, allocated or counted
//! atomically. Only a large message lies in memory that the outboxes of its
//! receivers share.

use bytes::Bytes;

use super::super::message::{Flight, Look, Message, Observer, try_work_ns};
use super::super::protocol_log::log_delivery;
use super::super::rewrite::strip;
use super::Connections;
use crate::base::id::Nanos;
use crate::base::limits::{BULK_PENDING_BYTES, BULK_PENDING_BYTES_MIN, SHARED_TAIL_BYTES};
use crate::base::short;
use crate::base::slab::{NONE, Slab};
use crate::route::receivers::Target;
use crate::route::subscription::Subscription;
use crate::session::connection::Connection;
use crate::session::large_message::share_part;
use crate::session::outbox::BlockPool;
use crate::session::writing::Mark;

impl Connections {
    /// Begins a message's way to so many receivers; `large` is what is being
    /// executed, if that has a buffer of its own.
    // Where it is built it must stay: to be moved it would be read back in wider
    // pieces than it was written in, which processors wait for.
    #[inline(always)]
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
            own: message.source.slot().unwrap_or(NONE),
            delivered: 0,
            try_ns: try_work_ns(message.len()),
            work_ns: 0,
            shared: None,
        };
        if is_bulk {
            flight.pending_noticed = bulk_pending_noticed(flight.pending_noticed, receivers);
        }
        if message.len() >= SHARED_TAIL_BYTES {
            flight.shared = self.share(large, message, receivers);
        }
        flight
    }

    /// Makes the receivers of a large message share the buffer that it arrived in
    /// or, if it has none of its own and they are several, one copy of it.
    #[inline(never)]
    fn share(&mut self, large: &Bytes, message: &Message<'_>, receivers: usize) -> Option<Bytes> {
        let part = match message.body.is_empty() {
            true => share_part(large, message.line),
            false => None,
        };
        if part.is_some() || receivers <= 1 {
            return part;
        }
        let mut copy = self.pool.take_shared(message.len());
        copy.extend_from_slice(message.line);
        copy.extend_from_slice(message.body);
        Some(copy.freeze())
    }
}

/// Everything that deliveries of one message need and change. Handed on as a whole,
/// since a delivery is too short for eight arguments.
pub(in super::super) struct Deliverer<'a, O> {
    pub connections: &'a mut Connections,
    pub subscriptions: &'a mut Slab<Subscription>,
    /// What a delivery with headers begins with.
    pub head: &'a [u8],
    pub message: &'a Message<'a>,
    pub flight: &'a mut Flight,
    pub observer: &'a mut O,
}

impl<O: Observer> Deliverer<'_, O> {
    /// Copies the message into one outbox; false if this receiver does not take it.
    pub fn deliver(&mut self, target: Target) -> bool {
        let (message, flight) = (self.message, &mut *self.flight);
        let connections = &mut *self.connections;
        // Who refuses is charged like who accepts: the look at both is what takes time.
        flight.work_ns += flight.try_ns;
        let connection = &mut connections.table[target.connection];
        let subscription = &mut self.subscriptions[target.subscription];
        debug_assert_eq!(
            subscription.connection, target.connection,
            "a route leads to whoever has subscribed"
        );
        let is_own = flight.own == target.connection;
        match self.observer.look(connection, subscription, target, is_own) {
            Look::Deliver => {}
            Look::Spare => return true,
            Look::Refused => return false,
        }
        // Subscriptions that are being withdrawn are still in the route.
        if !connection.hears || (is_own && !connection.echo) {
            return false;
        }
        if connection.login.responses.is_some() {
            note_request(connection, flight.now, message);
        }
        if !count_delivery(subscription, target, &mut connections.finished) {
            return false;
        }
        if connection.writing.outbox.pending_bytes() > connections.limits.pending_dropped {
            return false;
        }
        let with_header = message.has_header && connection.headers;
        // `HMSG` without its first letter is what a delivery without headers begins with.
        let head = &self.head[usize::from(!with_header)..];
        let sid = subscription.sid.with_blank();
        let (line, body) = tail_for(message, with_header, &mut connections.stripped);
        let (line, body) = match &flight.shared {
            Some(tail) if with_header == message.has_header => {
                connections.pending_bytes +=
                    append_shared(connection, &mut connections.pool, [head, sid], tail);
                (&tail[..], &b""[..])
            }
            _ => {
                let len = head.len() + sid.len() + line.len() + body.len();
                let room = connection.writing.outbox.extend(len, &mut connections.pool);
                write(room, [head, sid, line, body]);
                connections.pending_bytes += len as u64;
                (line, body)
            }
        };
        if let Some(style) = connections.limits.trace {
            log_delivery(connection, [head, sid, line, body], style);
        }
        flight.delivered += 1;
        connection.traffic.count_out(1, message.size);
        let pending = connection.writing.outbox.pending_bytes();
        if connection.writing.mark != Mark::Prompt {
            let rows = &mut connections.rows;
            flight.work_ns += rows.mark_receiver(connection, target.connection, flight.is_bulk);
        }
        // The lower bound first, so that most receivers are compared once.
        if pending > flight.pending_noticed {
            flight.behind = target.connection;
            if pending > connections.limits.pending_max {
                connections.overflowed.push(target.connection);
            }
        }
        true
    }
}

/// Counts a delivery; false if the subscription has had all its messages.
#[inline(always)]
fn count_delivery(
    subscription: &mut Subscription,
    target: Target,
    finished: &mut Vec<u32>,
) -> bool {
    subscription.delivered += 1;
    if subscription.delivered_max == 0 {
        return true;
    }
    if subscription.delivered == subscription.delivered_max {
        finished.push(target.subscription);
    }
    subscription.delivered <= subscription.delivered_max
}

/// What follows the sid, without the headers for who does not want them.
#[inline(always)]
fn tail_for<'a>(
    message: &'a Message<'_>,
    with_header: bool,
    stripped: &'a mut Vec<u8>,
) -> (&'a [u8], &'a [u8]) {
    if with_header || !message.has_header {
        return (message.line, message.body);
    }
    strip(message.line, message.body, stripped);
    (stripped, b"")
}

/// Appends a large message whose tail is shared; returns its bytes.
#[inline(never)]
fn append_shared(
    receiver: &mut Connection,
    pool: &mut BlockPool,
    front: [&[u8]; 2],
    tail: &Bytes,
) -> u64 {
    let before = receiver.writing.outbox.pending_bytes();
    for piece in front {
        receiver.writing.outbox.push(piece, pool);
    }
    receiver.writing.outbox.push_shared(tail.clone(), pool);
    receiver.writing.outbox.pending_bytes() - before
}

/// Receivers of a wide fan-out have fallen behind with fewer bytes: together they
/// may hold as much as a core has for that.
fn bulk_pending_noticed(usual: u64, receivers: usize) -> u64 {
    let each = BULK_PENDING_BYTES / (receivers as u64).max(1);
    usual.min(each.max(BULK_PENDING_BYTES_MIN))
}

/// Copies the pieces of a delivery behind each other.
#[inline(always)]
fn write(room: &mut [u8], [head, sid, line, body]: [&[u8]; 4]) {
    let (room_head, room) = room.split_at_mut(head.len());
    let (room_sid, room) = room.split_at_mut(sid.len());
    let (room_line, room_body) = room.split_at_mut(line.len());
    short::copy(room_head, head);
    short::copy(room_sid, sid);
    short::copy(room_line, line);
    if !body.is_empty() {
        room_body.copy_from_slice(body);
    }
}

/// Notes that a connection may answer a request that is delivered to it.
#[cold]
fn note_request(connection: &mut Connection, now: Nanos, message: &Message<'_>) {
    if let Some(reply) = message.reply()
        && let Some(responses) = connection.login.responses.as_mut()
    {
        responses.note(now, reply);
    }
}
