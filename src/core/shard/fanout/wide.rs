//! Fan-outs over so many receivers of this core that one turn is too short for
//! them.
//!
//! Only one is under way at a time: publishers of others wait for their turn
//! ([`Shard::admits_wide`]), and so does the link whose message it is. The route is
//! lent out of the cache meanwhile, so that nothing is copied; who wants the same
//! subject matches it anew. Receivers are those of the moment at which it began;
//! a subscription that ends before its turn comes gets nothing, one whose rights
//! change goes by the new ones.
//!
//! Invariants: the publisher is held, the link is not delivered from, until it is
//! over; so whoever receives from a publisher does so in its order.

use std::borrow::Cow;

use super::super::Shard;
use super::super::connections::deliver::Deliverer;
use super::super::frame::Frame;
use super::super::message::{Message, Observer, Place, Source, Unobserved};
use super::super::message_trace::TracePart;
use super::super::mutants::Mutant;
use super::super::trace_notes::Notes;
use super::super::wide_fan_out::{From, LinkFrame, WideFanOut, WideText, message_of};
use super::queue_forward::next_core;
use crate::base::id::CoreId;
use crate::base::limits::{DELIVERY_WORK_NS, TRACED_DELIVERY_WORK_NS};
use crate::base::width;
use crate::route::receivers::{Route, Target};
use crate::session::input::Hold;
use crate::session::stalling::Behind;

impl Shard {
    /// Whether a message to so many receivers, weighed by its length, may go its
    /// way now.
    #[inline]
    pub(in super::super) fn admits_wide(&self, weight: usize) -> bool {
        let work = &self.config.limits.work;
        (weight <= work.fan_out_receivers || self.backlog.wide.is_none())
            && self.connections.unsent_bytes() <= work.unsent_bytes_max
    }

    /// Fan-out that is not done on the spot: traced, wide, or both. True if it will
    /// be known later whether somebody gets the message.
    #[cold]
    pub(super) fn fan_out_apart(&mut self, place: Place, message: &Message<'_>) -> bool {
        let receivers = self.interests[place.account].route_at(place.at).receivers();
        let weight = message.weight(receivers);
        let published = self.notices.traces.current.take();
        let receivers_max = self.config.limits.work.fan_out_receivers;
        let is_short = match &published {
            None => weight <= receivers_max,
            Some(_) => {
                let factor = TRACED_DELIVERY_WORK_NS / DELIVERY_WORK_NS;
                (weight as u64).saturating_mul(factor) <= receivers_max as u64
            }
        };
        // What was not held as wide goes its way, traced or not.
        if is_short || self.backlog.wide.is_some() {
            return match published {
                Some(published) => self.fan_out_traced(place, message, published),
                None => self.fan_out_observed(place, message, &mut Unobserved),
            };
        }
        let is_only = published.as_ref().map(|published| published.is_only);
        let notes = is_only.map(|is_only| Notes::new(self.clock.mono, is_only));
        let from = match message.source {
            Source::Connection { slot, .. } => {
                if !self.is_mutant(Mutant::OvertakeWide) {
                    self.connections[slot].input.hold_for(Hold::FanOut);
                }
                From::Connection(self.connections.key(slot), published)
            }
            Source::Remote { .. } | Source::Consumer { .. } | Source::Server => From::Server,
        };
        self.begin_wide(place, message, from, notes);
        true
    }

    /// Begins to deliver a message of a link that is wide here.
    pub(super) fn begin_wide_frame(
        &mut self,
        from: CoreId,
        frame: &Frame<'_>,
        place: Place,
        message: &Message<'_>,
        notes: Option<Notes>,
    ) {
        let link_frame = LinkFrame {
            from,
            origin: frame.message.origin,
            publisher: frame.message.publisher,
            hops: frame.message.hops,
            is_for_plain: frame.message.is_for_plain,
            subject: frame.message.subject.to_vec(),
            queues: frame.queue_bytes().to_vec(),
            next_queue: 0,
        };
        self.begin_wide(place, message, From::Link(link_frame), notes);
    }

    fn begin_wide(
        &mut self,
        place: Place,
        message: &Message<'_>,
        from: From,
        notes: Option<Notes>,
    ) {
        assert!(self.backlog.wide.is_none(), "one is under way at a time");
        let interest = &mut self.interests[place.account];
        let route = interest.take_route(place.at);
        let since = interest.gone_sequence();
        let receivers = route.receivers();
        debug_assert!(receivers > 0, "an empty route is not worth a turn");
        let large = &self.scratch.large;
        let flight =
            self.connections
                .begin_flight(self.clock.mono, message, receivers, true, large);
        self.backlog.wide = Some(Box::new(WideFanOut {
            place,
            route,
            since,
            source: message.source,
            text: WideText {
                shown: message.shown.unwrap_or_default().to_vec(),
                line: [message.line, message.body].concat(),
                has_header: message.has_header,
                size: message.size,
            },
            flight,
            done: 0,
            delivered: false,
            queue_forwards: Vec::new(),
            from,
            notes,
        }));
    }

    /// Goes on with the fan-out under way as far as the budget goes, but at least
    /// one step.
    pub(in super::super) fn step_wide(&mut self) {
        let Some(mut wide) = self.backlog.wide.take() else {
            return;
        };
        let is_over = loop {
            if self.deliver_step(&mut wide) {
                break true;
            }
            if self.work.is_spent() {
                break false;
            }
        };
        match is_over {
            true => self.finish_wide(*wide),
            false => self.backlog.wide = Some(wide),
        }
    }

    /// Delivers to some receivers; true if these were the last.
    fn deliver_step(&mut self, wide: &mut WideFanOut) -> bool {
        wide.flight.go_on(self.clock.mono);
        let begun = wide.flight.delivered;
        let mut notes = wide.notes.take();
        let steps = match &mut notes {
            Some(notes) => self.deliver_some(wide, notes),
            None => self.deliver_some(wide, &mut Unobserved),
        };
        let interest = &mut self.interests[wide.place.account];
        if let Some(notes) = &mut notes {
            notes.name(interest);
            self.work.charge(steps as u64 * TRACED_DELIVERY_WORK_NS);
        }
        wide.notes = notes;
        interest
            .traffic
            .count_out(wide.flight.delivered - begun, wide.text.size);
        self.work.charge(wide.flight.take_work_ns());
        self.after_fan_out(wide.place.account, Source::Server, &wide.flight);
        steps == 0
    }

    fn deliver_some<O: Observer>(&mut self, wide: &mut WideFanOut, observer: &mut O) -> usize {
        let plain_len = match &wide.from {
            From::Link(frame) if !frame.is_for_plain => 0,
            _ => wide.route.plain.len(),
        };
        if wide.done > 0 && self.is_mutant(Mutant::SkipReceiver) {
            wide.done += 1;
        }
        let step = self.config.limits.work.step;
        let end = (wide.done + step).min(plain_len);
        if wide.done < end {
            let some = &wide.route.plain[wide.done..end];
            let targets = self.still_there(wide.place, &wide.route, wide.since, some, None);
            let message = message_of(wide.source, &wide.text);
            let mut deliverer = Deliverer {
                connections: &mut self.connections,
                subscriptions: self.interests[wide.place.account].subscriptions_mut(),
                head: message.head(&wide.route),
                message: &message,
                flight: &mut wide.flight,
                observer,
            };
            for &target in targets.iter() {
                wide.delivered |= deliverer.deliver(target);
            }
            let steps = end - wide.done;
            wide.done = end;
            return steps;
        }
        let mut steps = 0;
        while steps < step && self.deliver_to_next_group(wide, plain_len, observer) {
            steps += 1;
        }
        steps
    }

    /// Delivers to the next queue group; false if there is none.
    fn deliver_to_next_group<O: Observer>(
        &mut self,
        wide: &mut WideFanOut,
        plain_len: usize,
        observer: &mut O,
    ) -> bool {
        let name = match &mut wide.from {
            From::Link(frame) => match frame.take_name() {
                Some(name) => Some(name),
                None => return false,
            },
            From::Connection(..) | From::Server => None,
        };
        debug_assert!(
            wide.done >= plain_len,
            "those without a group have had their turn"
        );
        let interest = &self.interests[wide.place.account];
        let found = match &name {
            Some(name) => {
                let number = interest.queue_number(name);
                number.and_then(|number| wide.route.queue(number))
            }
            None => wide.route.queues.get(wide.done - plain_len),
        };
        wide.done += 1;
        let Some(queue) = found else {
            return name.is_some();
        };
        let queue_name = name
            .clone()
            .unwrap_or_else(|| interest.queue_name(queue.queue).to_vec());
        let (route, since) = (&wide.route, wide.since);
        let members = self.still_there(wide.place, route, since, &queue.local, Some(&queue_name));
        let message = message_of(wide.source, &wide.text);
        let mut deliverer = Deliverer {
            connections: &mut self.connections,
            subscriptions: self.interests[wide.place.account].subscriptions_mut(),
            head: message.head(&wide.route),
            message: &message,
            flight: &mut wide.flight,
            observer,
        };
        match &wide.from {
            From::Link(frame) => {
                let first = width::size(self.rng.below(members.len().max(1) as u64));
                if !deliverer.deliver_to_one(&members, first) {
                    let core = next_core(queue, self.config.core);
                    let onward = frame.as_message(wide.place, &wide.text);
                    let cores = self.config.cores;
                    self.mesh
                        .hand_on_queue_forward(&onward, &queue_name, core, cores);
                }
            }
            From::Connection(..) | From::Server => {
                wide.delivered |= deliverer.deliver_to_group(
                    &members,
                    queue,
                    self.config.core,
                    &mut self.rng,
                    &mut wide.queue_forwards,
                );
            }
        }
        true
    }

    /// Those of some receivers that are still there and may still have the message.
    fn still_there<'a>(
        &self,
        place: Place,
        route: &Route,
        since: u64,
        targets: &'a [Target],
        queue: Option<&[u8]>,
    ) -> Cow<'a, [Target]> {
        let interest = &self.interests[place.account];
        let subject = route.subject();
        let forgets = self.is_mutant(Mutant::DeliverToGone);
        let is_there = |target: &&Target| {
            (forgets || !interest.is_gone_since(target.subscription, since))
                && interest.admits_delivery(target.subscription, subject, queue)
        };
        match targets.iter().all(|target| is_there(&target)) {
            true => Cow::Borrowed(targets),
            false => targets.iter().filter(is_there).copied().collect(),
        }
    }

    fn finish_wide(&mut self, wide: WideFanOut) {
        debug_assert!(self.backlog.wide.is_none(), "the next one may begin");
        let place = wide.place;
        let message = message_of(wide.source, &wide.text);
        let behind = wide.flight.behind();
        match wide.from {
            From::Link(frame) => {
                if let Some(notes) = wide.notes {
                    self.leave_part(frame.origin, frame.hops, notes);
                }
                let onward = frame.as_message(place, &wide.text);
                self.note_stall(&onward, &wide.flight);
                self.stall_remote(frame.from);
            }
            From::Connection(key, published) => {
                let slot = self.connections.find(key);
                // Its slot may be another's by now.
                let source = slot.map_or(Source::Server, |_| wide.source);
                let message = Message { source, ..message };
                let cores =
                    self.hand_on(place.account, &wide.route, &wide.queue_forwards, &message);
                if let Some(mut published) = published {
                    self.await_parts(&mut published, cores);
                    published.egresses = wide.notes.map(Notes::into_egresses).unwrap_or_default();
                    self.notices.traces.leave(TracePart::Published(*published));
                }
                if let Some(index) = slot {
                    let delivered = wide.delivered || !cores.is_empty();
                    let subject = wide.route.subject();
                    self.end_wide_publish(index, subject, &message, delivered, behind);
                }
            }
            From::Server => {
                self.hand_on(place.account, &wide.route, &wide.queue_forwards, &message);
            }
        }
        self.interests[place.account].put_back(place.at, wide.route);
    }

    /// Goes on with a publisher whose wide fan-out is over.
    fn end_wide_publish(
        &mut self,
        index: u32,
        subject: &[u8],
        message: &Message<'_>,
        delivered: bool,
        behind: Option<Behind>,
    ) {
        if !delivered && let Some(reply) = message.reply() {
            self.tell_no_responders(index, subject, reply);
        }
        let connection = &mut self.connections[index];
        if connection.input.hold() != Hold::FanOut {
            return;
        }
        connection.stalling.behind = behind;
        connection.input.end(Hold::FanOut);
        self.stall_if_ahead(index);
        if self.connections[index].input.hold() == Hold::None {
            self.release(index);
        }
    }
}
