//! Fan-out of messages that came from another core, to the connections of this one.
//!
//! Not here: whose turn a batch is (`mesh_input`), the members of queue groups that
//! the other core has chosen (`queue_forward`).

use super::super::Shard;
use super::super::connections::deliver::Deliverer;
use super::super::frame::{Frame, MessageFrame, Publisher};
use super::super::message::{Message, Observer, Place, Source, Unobserved, weight};
use super::super::mutants::Mutant;
use super::super::rewrite::size_of_tail;
use crate::base::id::CoreId;
use crate::base::limits::MATCH_WORK_NS;

impl Shard {
    /// Delivers a message that came from another core; false if it has to wait
    /// for its turn among wide fan-outs.
    pub(in super::super) fn deliver_frame(&mut self, from: CoreId, frame: &Frame<'_>) -> bool {
        let frame_message = &frame.message;
        let account = frame_message.account;
        if frame_message.is_errand {
            self.take_errand(frame);
            return true;
        }
        let Some(interest) = self.interests.find(account) else {
            // It was published before the account was gone.
            return true;
        };
        let at = interest.route(frame_message.subject, self.mesh.last_route);
        self.work
            .charge(u64::from(interest.take_work()) * MATCH_WORK_NS);
        self.mesh.last_route = at;
        let at = match self.is_mutant(Mutant::MapTwice) {
            true => self.map_again(account, at),
            false => at,
        };
        let place = Place { account, at };
        let receivers = self.interests[account].route_at(at).receivers();
        let weight = weight(receivers, frame_message.tail.len());
        if receivers > self.config.limits.work.bulk_receivers && !self.admits_wide(weight) {
            return false;
        }
        let message = Message {
            source: self.source_of_frame(frame_message),
            shown: (!frame_message.shown.is_empty()).then_some(frame_message.shown),
            line: frame_message.tail,
            body: b"",
            has_header: frame_message.has_header,
            size: size_of_tail(frame_message.tail),
        };
        let route = self.interests[account].route_at(at);
        if frame_message.is_for_plain && !route.stores.is_empty() {
            self.store_message(place, &message);
        }
        let notes = match message.has_header {
            true => self.notes_for_frame(frame),
            false => None,
        };
        // What need not wait for its turn goes its way, however heavy.
        let is_wide = weight > self.config.limits.work.fan_out_receivers;
        match notes {
            notes if is_wide && self.backlog.wide.is_none() => {
                self.begin_wide_frame(from, frame, place, &message, notes);
            }
            None => self.deliver_frame_observed(frame, place, &message, &mut Unobserved),
            Some(mut notes) => {
                self.deliver_frame_observed(frame, place, &message, &mut notes);
                self.charge_traced(&notes);
                self.leave_part(frame_message.origin, frame_message.hops, notes);
            }
        }
        true
    }

    /// A message that was handed on may come home to a member that is its own
    /// publisher, and wants no echo.
    fn source_of_frame(&self, message: &MessageFrame<'_>) -> Source {
        let Some(Publisher { kind, key }) = message.publisher else {
            return Source::Server;
        };
        match self.connections.find(key) {
            Some(slot) if message.origin == self.config.core => Source::Connection { slot, kind },
            _ => Source::Remote {
                core: message.origin,
                key,
                kind,
            },
        }
    }

    /// Delivers a message that came from another core while somebody looks on, or
    /// nobody.
    fn deliver_frame_observed<O: Observer>(
        &mut self,
        frame: &Frame<'_>,
        place: Place,
        message: &Message<'_>,
        observer: &mut O,
    ) {
        let (route, subscriptions) = self.interests[place.account].route_parts(place.at);
        let receivers = match frame.message.is_for_plain {
            true => route.plain.len(),
            false => 0,
        };
        let is_bulk = route.receivers() > self.config.limits.work.bulk_receivers;
        let mut flight = self.connections.begin_flight(
            self.clock.mono,
            message,
            receivers,
            is_bulk,
            &self.scratch.large,
        );
        let mut deliverer = Deliverer {
            connections: &mut self.connections,
            subscriptions,
            head: message.head(route),
            message,
            flight: &mut flight,
            observer,
        };
        for &target in &route.plain[..receivers] {
            deliverer.deliver(target);
        }
        for name in frame.queues() {
            self.deliver_queue_forward(place, &frame.message, name, message, &mut flight, observer);
        }
        let traffic = &mut self.interests[place.account].traffic;
        traffic.count_out(flight.delivered, message.size);
        self.work.charge(flight.take_work_ns());
        observer.name(&self.interests[place.account]);
        // The publisher of a message that came home waits for nobody.
        self.after_fan_out(place.account, Source::Server, &flight);
        self.note_stall(&frame.message, &flight);
    }
}
