//! Fan-out of messages that are traced: the same choices as without a trace, one
//! receiver at a time, each written down. They are rare, so this may cost.

use super::super::Shard;
use super::super::frame::Frame;
use super::super::message_trace::{Egress, PartName, TracePart, Traces, Wish};
use super::super::rewrite::{header_of_tail, size_of_tail};
use super::picks::next_core;
use super::{Delivery, Marks, NOBODY, Receivers, choose_core};
use crate::base::id::{AccountId, CoreId};
use crate::base::limits::STALL_PENDING_BYTES;
use crate::base::slab::NONE;
use crate::route::receivers::{QueueRoute, Target};

/// Receivers are told these reasons (NATS 2.15).
const NO_ECHO: &str = "Not delivered because of no echo";
const CLIENT_CLOSED: &str = "Not delivered because client is closed";
const EXCEEDED: &str = "Not delivered because auto-unsubscribe exceeded";

/// One message on its way to receivers of this core.
struct Walk<'a> {
    account: AccountId,
    at: u32,
    message: &'a Delivery<'a>,
    /// Nobody is to get it.
    is_only: bool,
    egresses: Vec<Egress>,
    /// A receiver that has fallen behind.
    behind: u32,
}

impl Shard {
    /// [`Shard::fan_out`] of the current traced message.
    #[cold]
    pub(super) fn fan_out_traced(
        &mut self,
        account: AccountId,
        at: u32,
        message: &Delivery<'_>,
    ) -> bool {
        let Some(mut trace) = self.traces.current.take() else {
            return false;
        };
        let route = self.interests[account.index()].route_at(at);
        let (plain, mut cores) = (route.plain.clone(), route.remote);
        let queues = route.queues.clone();
        let mut walk = Walk {
            account,
            at,
            message,
            is_only: trace.is_only,
            egresses: Vec::new(),
            behind: NONE,
        };
        let mut delivered = !cores.is_empty();
        for target in plain {
            delivered |= self.deliver_traced(&mut walk, target);
        }
        for queue in &queues {
            let members = queue.local.len() as u64 + u64::from(queue.remote_members);
            let chosen = self.rng.below(members) as usize;
            if chosen < queue.local.len() && self.deliver_to_one_traced(&mut walk, queue, chosen) {
                delivered = true;
            } else if let Some(core) = choose_core(queue, chosen, self.config.core) {
                self.scratch.picks.push((core, queue.queue));
                cores.insert(core);
                delivered = true;
            }
        }
        for core in cores.iter() {
            let number = Traces::count(&mut self.traces.sent, core);
            trace
                .awaited
                .push(self.part_name(self.config.core, core, number));
        }
        if !cores.is_empty() {
            self.hand_to_cores(account, at, message);
        }
        trace.egresses = std::mem::take(&mut walk.egresses);
        let behind = walk.behind;
        self.traces.current = Some(trace);
        self.after_fan_out(account, message.publisher, behind);
        delivered
    }

    /// Delivers a message that came from another core if it is traced; false if
    /// it is not.
    #[cold]
    pub(super) fn deliver_frame_traced(&mut self, frame: &Frame<'_>, publisher: u32) -> bool {
        let message = &frame.message;
        let Wish::Trace { is_only, .. } = Wish::of(header_of_tail(message.tail)) else {
            return false;
        };
        if message.publisher == NOBODY || (message.hops > 0 && !is_only) {
            return false;
        }
        let delivery = Delivery {
            tail: message.tail,
            has_header: true,
            publisher,
            size: size_of_tail(message.tail),
        };
        let interest = &mut self.interests[message.account.index()];
        let at = interest.route(message.subject, self.last_mesh_route);
        let route = interest.route_at(at);
        let (plain, queues) = (route.plain.clone(), route.queues.clone());
        let mut walk = Walk {
            account: message.account,
            at,
            message: &delivery,
            is_only,
            egresses: Vec::new(),
            behind: NONE,
        };
        for target in plain.into_iter().filter(|_| message.is_for_plain) {
            self.deliver_traced(&mut walk, target);
        }
        for name in frame.queues() {
            let number = self.interests[message.account.index()].queue_number(name);
            let Some(queue) = queues.iter().find(|queue| Some(queue.queue) == number) else {
                continue;
            };
            let first = match queue.local.len() {
                0 => 0,
                members => self.rng.below(members as u64) as usize,
            };
            if !self.deliver_to_one_traced(&mut walk, queue, first) {
                let core = next_core(queue, self.config.core);
                self.hand_on(message, name, core);
            }
        }
        let (egresses, behind) = (std::mem::take(&mut walk.egresses), walk.behind);
        if message.hops == 0 {
            let number = Traces::count(&mut self.traces.received, message.origin);
            let name = self.part_name(message.origin, self.config.core, number);
            self.traces.leave(TracePart::HandedOn { name, egresses });
        }
        self.after_fan_out(message.account, NONE, behind);
        self.note_stall(message, behind);
        true
    }

    fn part_name(&self, origin: CoreId, core: CoreId, number: u64) -> PartName {
        PartName {
            origin,
            core,
            number,
        }
    }

    fn deliver_to_one_traced(
        &mut self,
        walk: &mut Walk<'_>,
        queue: &QueueRoute,
        first: usize,
    ) -> bool {
        let (before, after) = queue.local.split_at(first);
        after
            .iter()
            .chain(before)
            .any(|&target| self.deliver_traced(walk, target))
    }

    /// Delivers to one receiver and writes it down; false if it does not take
    /// the message.
    fn deliver_traced(&mut self, walk: &mut Walk<'_>, target: Target) -> bool {
        let error = self.obstacle(walk, target);
        let interest = &self.interests[walk.account.index()];
        let (pattern, queue) = interest.name_of(target.subscription);
        let connection = &self.connections[target.connection];
        walk.egresses.push(Egress {
            at: self.clock.mono,
            client_id: connection.client_id,
            name: connection.options.name.clone(),
            subscription: String::from_utf8_lossy(pattern).into_owned(),
            queue: String::from_utf8_lossy(queue.unwrap_or_default()).into_owned(),
            error,
        });
        if walk.is_only || !error.is_empty() {
            return error.is_empty();
        }
        let interest = &mut self.interests[walk.account.index()];
        let (route, subscriptions) = interest.route_parts(walk.at);
        let mut receivers = receivers!(self);
        let delivered = receivers.deliver(route, subscriptions, target, walk.message);
        let Marks {
            behind,
            delivered: count,
            ..
        } = receivers.marks;
        if behind != NONE {
            walk.behind = behind;
        }
        self.interests[walk.account.index()]
            .traffic
            .count_out(count, walk.message.size);
        delivered
    }

    /// Why a receiver will not take the message; empty: it will.
    fn obstacle(&self, walk: &Walk<'_>, target: Target) -> &'static str {
        let connection = &self.connections[target.connection];
        let subscription = self.interests[walk.account.index()].subscription(target.subscription);
        let max = subscription.delivered_max;
        match () {
            () if target.connection == walk.message.publisher && !connection.echo => NO_ECHO,
            () if connection.closing.is_some() => CLIENT_CLOSED,
            () if !walk.is_only && max > 0 && subscription.delivered >= max => EXCEEDED,
            () => "",
        }
    }
}
