//! A message, from its publisher to everybody who wants it.
//!
//! The hot path: find the route of the subject (usually without a look-up),
//! then copy three pieces per receiver into its outbox: `MSG subject ` from
//! the route, the receiver's sid, and the rest of the publisher's own bytes
//! (`[reply ]size\r\npayload\r\n`), which are delivered as they came. Nothing is
//! formatted, allocated or counted atomically. Only a large message lies in memory
//! that the outboxes of its receivers share.
//!
//! Per interested core the message is written once into the batch for it; that
//! core fans out to its own connections through the same function. One member
//! of a queue group is chosen here, wherever the members are, so that all of
//! them weigh the same.

use bytes::Bytes;

use super::Shard;
use super::admit::{is_reserved, note_request};
use super::connections::Connections;
use super::frame::{Frame, MessageFrame};
use super::input::Outcome;
use super::message_trace::wants_trace;
use super::rewrite::{size_of_tail, strip};
use super::trace::trace_delivery;
use crate::base::id::{AccountId, ConnectionKey, CoreId, Nanos};
use crate::base::limits::{SHARED_TAIL_BYTES, STALL_PENDING_BYTES, Tracing};
use crate::base::short;
use crate::base::slab::{NONE, Slab};
use crate::route::receivers::{QueueRoute, Route, Target};
use crate::route::subscription::Subscription;
use crate::session::connection::{CloseReason, Connection};
use crate::session::large::share_part;
use crate::session::outbox::BlockPool;
use crate::wire::parse::Publish;

/// The publisher of messages of the server itself: no connection has this key.
const NOBODY: u64 = u64::MAX;

/// A message in the form in which it is delivered.
#[derive(Clone, Copy)]
pub(super) struct Delivery<'a> {
    /// Everything after the sid.
    pub tail: &'a [u8],
    /// Whether the tail has a header block.
    pub has_header: bool,
    /// Slot of the publisher if it is on this core, else [`NONE`].
    pub publisher: u32,
    /// Bytes of header block and body.
    pub size: usize,
}

/// What deliveries change besides subscriptions.
struct Receivers<'a> {
    connections: &'a mut Connections,
    pool: &'a mut BlockPool,
    finished: &'a mut Vec<u32>,
    marks: Marks<'a>,
    trace: Option<Tracing>,
    now: Nanos,
    /// Room for a message without its headers.
    stripped: &'a mut Vec<u8>,
    /// The large message that is being executed, if there is one.
    large: &'a Bytes,
    /// The tail of a large message, for all who get it.
    shared: Option<Bytes>,
}

/// What is noted of receivers that got something.
struct Marks<'a> {
    dirty: &'a mut Vec<u32>,
    overflowed: &'a mut Vec<u32>,
    pending_max: u64,
    /// Pending bytes at which a receiver deserves a closer look.
    pending_noticed: u64,
    /// Pending bytes at which a receiver misses messages.
    pending_dropped: u64,
    /// A receiver that has fallen behind.
    behind: u32,
    /// Deliveries.
    delivered: u64,
}

impl Marks<'_> {
    #[inline]
    fn note(&mut self, connection: &mut Connection, index: u32, size: usize) {
        self.delivered += 1;
        connection.traffic.out_messages += 1;
        connection.traffic.out_bytes += size as u64;
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(index);
        }
        let pending = connection.outbox.pending_bytes();
        if pending > self.pending_noticed {
            self.behind = index;
            if pending > self.pending_max {
                self.overflowed.push(index);
            }
        }
    }
}

/// The receivers of a shard: a macro, because the borrow must leave out the
/// interest that is walked meanwhile.
macro_rules! receivers {
    ($shard:ident) => {
        Receivers {
            connections: &mut $shard.connections,
            pool: &mut $shard.pool,
            finished: &mut $shard.scratch.finished,
            marks: Marks {
                dirty: &mut $shard.effects.dirty,
                overflowed: &mut $shard.scratch.overflowed,
                pending_max: $shard.config.limits.max_pending_bytes,
                pending_noticed: $shard
                    .config
                    .limits
                    .max_pending_bytes
                    .min(STALL_PENDING_BYTES),
                pending_dropped: match $shard.config.limits.stalls_publishers {
                    true => u64::MAX,
                    false => $shard.config.limits.max_pending_bytes / 4 * 3,
                },
                behind: NONE,
                delivered: 0,
            },
            trace: $shard.config.trace.then_some($shard.config.limits.tracing),
            now: $shard.clock.mono,
            stripped: &mut $shard.scratch.stripped,
            large: &$shard.scratch.large,
            shared: None,
        }
    };
}

mod picks;
mod traced;

impl Receivers<'_> {
    /// Copies a message into one outbox; false if this receiver does not take
    /// it.
    #[inline]
    fn deliver(
        &mut self,
        route: &Route,
        subscriptions: &mut Slab<Subscription>,
        target: Target,
        message: &Delivery<'_>,
    ) -> bool {
        let connection = &mut self.connections[target.connection];
        let is_own = target.connection == message.publisher;
        if connection.closing.is_some() || (is_own && !connection.echo) {
            return false;
        }
        if connection.responses.is_some() {
            note_request(connection, self.now, message);
        }
        let subscription = &mut subscriptions[target.subscription];
        subscription.delivered += 1;
        if subscription.delivered_max > 0 {
            if subscription.delivered > subscription.delivered_max {
                return false;
            }
            if subscription.delivered == subscription.delivered_max {
                self.finished.push(target.subscription);
            }
        }
        if connection.outbox.pending_bytes() > self.marks.pending_dropped {
            return false;
        }
        let with_header = message.has_header && connection.headers;
        let head = route.head(with_header);
        let sid = subscription.sid.with_blank();
        let tail = if with_header || !message.has_header {
            message.tail
        } else {
            strip(message.tail, self.stripped);
            &self.stripped[..]
        };
        if self.shared.is_some() && with_header == message.has_header {
            self.append_shared(target.connection, head, sid, message.size);
            return true;
        }
        let len = head.len() + sid.len() + tail.len();
        let room = connection.outbox.extend(len, self.pool);
        let (room_head, room) = room.split_at_mut(head.len());
        let (room_sid, room_tail) = room.split_at_mut(sid.len());
        short::copy(room_head, head);
        short::copy(room_sid, sid);
        short::copy(room_tail, tail);
        if let Some(style) = self.trace {
            trace_delivery(connection, [head, sid, tail], style);
        }
        self.marks.note(connection, target.connection, message.size);
        true
    }

    /// Makes the receivers of a large message share the buffer that it arrived
    /// in or, if it has none of its own and they are several, one copy of it.
    #[inline]
    fn share_if_large(&mut self, message: &Delivery<'_>, receivers: usize) {
        if message.tail.len() >= SHARED_TAIL_BYTES {
            self.share(message.tail, receivers);
        }
    }

    #[inline(never)]
    fn share(&mut self, tail: &[u8], receivers: usize) {
        self.shared = share_part(self.large, tail);
        if self.shared.is_none() && receivers > 1 {
            let mut copy = self.pool.take_shared(tail.len());
            copy.extend_from_slice(tail);
            self.shared = Some(copy.freeze());
        }
    }

    #[inline(never)]
    fn append_shared(&mut self, connection: u32, head: &[u8], sid: &[u8], size: usize) {
        let Some(tail) = self.shared.clone() else {
            return;
        };
        let receiver = &mut self.connections[connection];
        if let Some(style) = self.trace {
            trace_delivery(receiver, [head, sid, &tail], style);
        }
        receiver.outbox.push(head, self.pool);
        receiver.outbox.push(sid, self.pool);
        receiver.outbox.push_shared(tail, self.pool);
        self.marks.note(receiver, connection, size);
    }

    /// Delivers to one of the members, beginning with a random one.
    fn deliver_to_one(
        &mut self,
        route: &Route,
        subscriptions: &mut Slab<Subscription>,
        members: &[Target],
        first: usize,
        message: &Delivery<'_>,
    ) -> bool {
        let (before, after) = members.split_at(first);
        after
            .iter()
            .chain(before)
            .any(|&target| self.deliver(route, subscriptions, target, message))
    }
}

impl Shard {
    /// Publishes a message of a connection.
    #[inline]
    pub(super) fn publish(&mut self, index: u32, message: &Publish<'_>) -> Outcome {
        match message.header_len > 0 && wants_trace(message.header()) {
            true => self.publish_traced(index, message),
            false => self.publish_plainly(index, message),
        }
    }

    #[inline]
    pub(super) fn publish_plainly(&mut self, index: u32, message: &Publish<'_>) -> Outcome {
        let now = self.clock.mono;
        let connection = &mut self.connections[index];
        let (account, checks) = (connection.account, connection.checks_messages);
        let rights = connection.restricts_publish.then_some(connection.rights);
        let interest = &mut self.interests[account.index()];
        let at = interest.published_route(message.subject, connection.last_route);
        connection.last_route = at;
        connection.heartbeat.last_input = now;
        connection.traffic.count_in(message.size());
        let mut at = at;
        if interest.route_at(at).mapped.is_some() {
            let Some(to) = self.redirect(index, at) else {
                return self.lose(index, message);
            };
            at = to;
        }
        let route = self.interests[account.index()].route_at(at);
        if (!route.remote.is_empty() || !route.queues.is_empty())
            && let Some(core) = self.full_link_of(account, at)
        {
            self.wait_for_link(index, core);
            // It comes again.
            self.connections[index].traffic.uncount_in(message.size());
            return Outcome::Postponed;
        }
        // Rights are to the subject that a mapping has made of the publisher's;
        // asked only once per message, since leave to answer is used up.
        if let Some(rights) = rights
            && !self.interests[account.index()].permits(at, rights)
            && !self.may_respond(index, at, message)
        {
            return Outcome::Done;
        }
        if (checks || is_reserved(message)) && !self.admit(index, message) {
            return Outcome::Done;
        }
        let route = self.interests[account.index()].route_at(at);
        let delivered = if route.is_empty() {
            false
        } else if message.tail.is_empty() {
            self.fan_out_rewritten(account, at, message, index)
        } else {
            let delivery = Delivery {
                tail: message.tail,
                has_header: message.header_len > 0,
                publisher: index,
                size: message.size(),
            };
            self.fan_out(account, at, &delivery)
        };
        let is_noted = message.subject.first() == Some(&b'$') && self.note_request(index, message);
        if !delivered && !is_noted && !message.reply.is_empty() {
            self.tell_no_responders_at(index, at, message.reply);
        }
        Outcome::Done
    }

    /// Delivers to the receivers of a route on this core and hands the message
    /// to the other cores; false if nobody got it.
    #[inline]
    pub(super) fn fan_out(&mut self, account: AccountId, at: u32, message: &Delivery<'_>) -> bool {
        if self.traces.current.is_some() {
            return self.fan_out_traced(account, at, message);
        }
        let interest = &mut self.interests[account.index()];
        let (route, subscriptions) = interest.route_parts(at);
        let mut receivers = receivers!(self);
        receivers.share_if_large(message, route.plain.len());
        let mut delivered = !route.remote.is_empty();
        for &target in &route.plain {
            delivered |= receivers.deliver(route, subscriptions, target, message);
        }
        let picks = &mut self.scratch.picks;
        #[cfg(feature = "mutants")]
        let is_twice = self.mutant == Some(super::mutants::Mutant::QueueTwice);
        for queue in &route.queues {
            let members = queue.local.len() as u64 + u64::from(queue.remote_members);
            let chosen = self.rng.below(members) as usize;
            let local = chosen < queue.local.len()
                && receivers.deliver_to_one(route, subscriptions, &queue.local, chosen, message);
            #[cfg(feature = "mutants")]
            let local = local && !is_twice;
            if local {
                delivered = true;
            } else if let Some(core) = choose_core(queue, chosen, self.config.core) {
                picks.push((core, queue.queue));
                delivered = true;
            }
        }
        let Marks {
            behind,
            delivered: count,
            ..
        } = receivers.marks;
        let hands_on = !route.remote.is_empty() || !picks.is_empty();
        self.interests[account.index()]
            .traffic
            .count_out(count, message.size);
        if hands_on {
            self.hand_to_cores(account, at, message);
        }
        self.after_fan_out(account, message.publisher, behind);
        delivered
    }

    /// Writes the message into the batches of the cores that want it.
    #[inline(never)]
    fn hand_to_cores(&mut self, account: AccountId, at: u32, message: &Delivery<'_>) {
        let interest = &self.interests[account.index()];
        let route = interest.route_at(at);
        let mut cores = route.remote;
        for &(core, _) in &self.scratch.picks {
            cores.insert(core);
        }
        // A message of the server itself has no publisher that could wait.
        let publisher = if message.publisher == NONE {
            NOBODY
        } else {
            self.connections[message.publisher].has_unconfirmed = true;
            self.connections.key(message.publisher).to_bits()
        };
        for core in cores.iter() {
            let frame = MessageFrame {
                account,
                is_for_plain: route.remote.contains(core),
                hops: 0,
                origin: self.config.core,
                publisher,
                subject: route.subject(),
                tail: message.tail,
                has_header: message.has_header,
            };
            let queues = self.scratch.picks.iter().filter(|pick| pick.0 == core);
            let names = queues.map(|&(_, queue)| interest.queue_name(queue));
            self.links[core.index()].send_message(&frame, names);
        }
        self.scratch.picks.clear();
    }

    /// Removes what the deliveries ended and notes who fell behind.
    #[inline]
    fn after_fan_out(&mut self, account: AccountId, publisher: u32, behind: u32) {
        if behind != NONE && publisher != NONE {
            self.connections[publisher].stalled_by = behind;
        }
        if !self.scratch.finished.is_empty() {
            self.remove_finished(account);
        }
        if !self.scratch.overflowed.is_empty() {
            for index in std::mem::take(&mut self.scratch.overflowed) {
                self.close_slow_consumer(index, CloseReason::SlowConsumerPendingBytes);
            }
        }
    }

    #[cold]
    fn remove_finished(&mut self, account: AccountId) {
        let mut finished = std::mem::take(&mut self.scratch.finished);
        for number in finished.drain(..) {
            let interest = &self.interests[account.index()];
            let subscription = interest.subscription(number);
            let (index, max) = (subscription.connection, subscription.delivered_max);
            if tracing::enabled!(tracing::Level::DEBUG) {
                let sid = String::from_utf8_lossy(subscription.sid.bytes());
                let text = format!("Auto-unsubscribe limit of {max} reached for sid '{sid}'");
                self.log_debug(index, &text);
            }
            self.remove_subscription(index, number);
        }
        self.scratch.finished = finished;
    }

    /// Delivers a message that came from another core.
    pub(super) fn deliver_frame(&mut self, frame: &Frame<'_>) {
        let message = &frame.message;
        let account = message.account;
        // A message that was handed on may come home to a member that is its
        // own publisher, and wants no echo.
        let publisher = if message.origin == self.config.core {
            let key = ConnectionKey::from_bits(message.publisher);
            self.connections.find(key).unwrap_or(NONE)
        } else {
            NONE
        };
        if message.has_header && self.deliver_frame_traced(frame, publisher) {
            return;
        }
        let interest = &mut self.interests[account.index()];
        let at = interest.route(message.subject, self.last_mesh_route);
        self.last_mesh_route = at;
        #[cfg(feature = "mutants")]
        let at = self.spoilt_route(account, at);
        let interest = &mut self.interests[account.index()];
        let delivery = Delivery {
            tail: message.tail,
            has_header: message.has_header,
            publisher,
            size: size_of_tail(message.tail),
        };
        let (route, subscriptions) = interest.route_parts(at);
        let mut receivers = receivers!(self);
        if message.is_for_plain {
            receivers.share_if_large(&delivery, route.plain.len());
            for &target in &route.plain {
                receivers.deliver(route, subscriptions, target, &delivery);
            }
        }
        let Marks {
            behind,
            delivered: count,
            ..
        } = receivers.marks;
        self.interests[account.index()]
            .traffic
            .count_out(count, delivery.size);
        for name in frame.queues() {
            self.deliver_pick(at, frame, name, &delivery);
        }
        self.after_fan_out(account, NONE, behind);
        self.note_stall(message, behind);
    }
}

/// A core with members of a queue group, by the number drawn.
fn choose_core(queue: &QueueRoute, drawn: usize, own: CoreId) -> Option<CoreId> {
    let mut left = drawn.saturating_sub(queue.local.len()) as u32;
    for &(core, members) in &queue.remote {
        debug_assert_ne!(core, own, "a core is not its own peer");
        if left < members {
            return Some(core);
        }
        left -= members;
    }
    queue.remote.first().map(|&(core, _)| core)
}
