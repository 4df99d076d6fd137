//! A message into the outbox of one receiver: the innermost step of a fan-out.
//!
//! Four pieces are copied behind each other: `MSG subject ` from the route, the
//! receiver's sid, the message's line and its body, the last two mostly as one
//! piece, the publisher's own bytes. Nothing is formatted, allocated or counted
//! atomically. Only a large message lies in memory that the outboxes of its
//! receivers share.

use bytes::Bytes;

use super::super::message::{Flight, Look, Message, Observer};
use super::super::protocol_log::log_delivery;
use super::super::rewrite::strip;
use super::Connections;
use crate::base::id::Nanos;
use crate::base::limits::{
    BULK_PENDING_BYTES, BULK_PENDING_BYTES_MIN, DELIVERY_WORK_BYTES, SHARED_TAIL_BYTES,
};
use crate::base::short;
use crate::base::slab::{NONE, Slab};
use crate::route::receivers::{Route, Target};
use crate::route::subscription::Subscription;
use crate::session::connection::{Connection, Mark};
use crate::session::large_message::share_part;

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
        write(room, [head, sid, line, body]);
        self.pending_bytes += len as u64;
        if let Some(style) = self.limits.trace {
            log_delivery(connection, [head, sid, line, body], style);
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
            log_delivery(receiver, [head, sid, &tail, b""], style);
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
        && let Some(responses) = connection.responses.as_mut()
    {
        responses.note(now, reply);
    }
}
