//! A message, from its publisher to everybody who wants it.
//!
//! The hot path: find the route of the subject (usually without a look-up),
//! then copy it into the outbox of every receiver
//! ([`Deliverer::deliver`]).
//!
//! Per interested core the message is written once into the batch for it; that
//! core fans out to its own connections through the same function. One member
//! of a queue group is chosen here, wherever the members are, so that all of
//! them weigh the same.
//!
//! Work is charged per receiver. A message with thousands of them on one core goes
//! its way in pieces (`wide`), so that no turn gets long by it.
//!
//! Not here: messages that came from another core (`frames`, `queue_forward`), those
//! that are traced (`traced`).

use super::Shard;
use super::connections::deliver::Deliverer;
use super::frame::Publisher;
use super::input::Outcome;
use super::mesh::Handed;
use super::message::{Flight, Line, Message, Observer, Place, Source, Unobserved, weight};
use super::message_trace::wants_trace;
use super::mutants::Mutant;
use super::rewrite::write_tail;
use crate::base::core_set::CoreSet;
use crate::base::id::{AccountId, ConnectionKind, CoreId};
use crate::base::limits::MATCH_WORK_NS;
use crate::base::rng::Rng;
use crate::base::width;
use crate::route::receivers::{QueueRoute, Route, Target};
use crate::session::close_reason::CloseReason;
use crate::subject::service::{Service, service_prefix};
use crate::wire::parse::Publish;

mod frames;
mod queue_forward;
mod traced;
mod wide;

impl<O: Observer> Deliverer<'_, O> {
    /// Delivers to one of the members, beginning with one of them.
    pub fn deliver_to_one(&mut self, members: &[Target], first: usize) -> bool {
        let (before, after) = members.split_at(first);
        let mut members = after.iter().chain(before);
        members.any(|&target| self.deliver(target))
    }

    /// Delivers to one member of a queue group, on whichever core it is; false if
    /// nobody is left who may have the message. Members of this core are given
    /// apart, since of a lent route some may be gone. The draw is over the members of
    /// all cores, one of another core is noted in `queue_forwards`.
    pub fn deliver_to_group(
        &mut self,
        members_here: &[Target],
        queue: &QueueRoute,
        own: CoreId,
        rng: &mut Rng,
        queue_forwards: &mut Vec<(CoreId, u32)>,
    ) -> bool {
        let here = members_here.len() as u64;
        let members = here + u64::from(queue.remote_members);
        if members == 0 {
            return false;
        }
        let chosen = rng.below(members);
        if chosen < here && self.deliver_to_one(members_here, width::size(chosen)) {
            return true;
        }
        let core = choose_core(queue, chosen.saturating_sub(here), own);
        queue_forwards.extend(core.map(|core| (core, queue.queue)));
        core.is_some()
    }
}

impl Shard {
    /// Publishes a message of a connection.
    #[inline]
    pub(super) fn publish(&mut self, index: u32, message: &Publish<'_>) -> Outcome {
        match message.header_len > 0 && wants_trace(message.header()) {
            true => self.publish_traced(index, message),
            false => self.publish_plainly(index, message, Line::Parsed),
        }
    }

    #[inline]
    pub(super) fn publish_plainly(
        &mut self,
        index: u32,
        message: &Publish<'_>,
        line: Line,
    ) -> Outcome {
        let service = service_prefix(message.subject);
        let now = self.clock.mono;
        let connection = &mut self.connections[index];
        let (account, checks) = (connection.account, connection.checks_messages);
        let source = Source::Connection {
            slot: index,
            kind: connection.kind,
        };
        let rights = connection.login.publish_rights();
        let interest = &mut self.interests[account];
        let reading = &mut connection.reading;
        let (hint, stamp) = (reading.last_route, &mut reading.last_line_route);
        let mut at = match line {
            Line::Repeated => interest.repeated_route(message.subject, hint, stamp),
            Line::Parsed => interest.published_route(message.subject, hint),
        };
        let units = interest.take_work();
        if units > 0 {
            self.work.charge(u64::from(units) * MATCH_WORK_NS);
        }
        reading.last_route = at;
        connection.liveness.last_input = now;
        connection.traffic.count_in(message.size());
        let mut route = interest.route_at(at);
        if route.mapped.is_some() {
            let Some(to) = self.redirect(index, at) else {
                return self.lose(index, message);
            };
            at = to;
            route = self.interests[account].route_at(at);
        }
        let place = Place { account, at };
        let is_empty = route.is_empty();
        // Most messages have few receivers, all of them here: one question for all that
        // others may have to wait for.
        let is_narrow = route.is_local_to(self.config.limits.work.bulk_receivers);
        if (!is_narrow || service.is_some()) && self.must_wait(index, place, message, service) {
            // It comes again.
            self.connections[index].traffic.uncount_in(message.size());
            return Outcome::Postponed;
        }
        // Rights are to the subject that a mapping has made of the publisher's;
        // asked only once per message, since leave to answer is used up.
        if let Some(rights) = rights
            && !self.interests[account].permits(at, rights)
            && !self.may_respond(index, at, message)
        {
            return Outcome::Done;
        }
        if (checks || super::admit::is_reserved(message)) && !self.admit(index, message) {
            return Outcome::Done;
        }
        let delivered = !is_empty && self.fan_out_published(place, message, source);
        let is_noted = service.is_some_and(|service| self.note_service(service, index, message));
        if is_noted {
            self.backlog.note_answer(source);
        }
        if !delivered && !is_noted && !message.reply.is_empty() {
            self.tell_no_responders_at(index, at, message.reply);
        }
        Outcome::Done
    }

    /// Notes a message for whom the server itself serves; true if it was for one of those.
    #[cold]
    fn note_service(&mut self, service: Service, index: u32, message: &Publish<'_>) -> bool {
        match service {
            Service::SystemRequest => self.note_request(index, message),
            _ => self.send_to_store(service, index, message),
        }
    }

    /// Delivers a message in the form in which it came, if that is the one in which
    /// it is delivered.
    #[inline(always)]
    fn fan_out_published(&mut self, place: Place, message: &Publish<'_>, source: Source) -> bool {
        if message.tail.is_empty() {
            return self.fan_out_rewritten(place, message, source);
        }
        let delivery = Message {
            source,
            shown: None,
            line: message.tail,
            body: b"",
            has_header: message.header_len > 0,
            size: message.size(),
        };
        self.fan_out(place, &delivery)
    }

    /// Delivers a message that did not come in the form in which it is
    /// delivered.
    #[inline(never)]
    fn fan_out_rewritten(&mut self, place: Place, message: &Publish<'_>, source: Source) -> bool {
        let mut tail = std::mem::take(&mut self.scratch.tail);
        tail.clear();
        write_tail(message, &mut tail);
        let delivery = Message {
            source,
            shown: None,
            line: &tail,
            body: b"",
            has_header: message.header_len > 0,
            size: message.size(),
        };
        let delivered = self.fan_out(place, &delivery);
        self.scratch.tail = tail;
        delivered
    }

    /// Whether a publisher has to wait before a message of it may go by a route:
    /// for room in a link, or for its turn among wide fan-outs.
    #[inline(never)]
    fn must_wait(
        &mut self,
        index: u32,
        place: Place,
        message: &Publish<'_>,
        service: Option<Service>,
    ) -> bool {
        if service.is_some_and(|service| self.must_wait_for_store(service, index, message.subject))
        {
            return true;
        }
        let route = self.interests[place.account].route_at(place.at);
        if (!route.remote.is_empty() || !route.queues.is_empty())
            && let Some(core) = self.mesh.full_link_of(route)
        {
            self.wait_for_link(index, core);
            return true;
        }
        let receivers = route.receivers();
        if receivers > self.config.limits.work.bulk_receivers
            && !self.admits_wide(weight(receivers, message.size()))
        {
            self.wait_for_turn(index);
            return true;
        }
        false
    }

    /// Delivers to the receivers of a route on this core and hands the message
    /// to the other cores; false if nobody got it.
    #[inline]
    pub(super) fn fan_out(&mut self, place: Place, message: &Message<'_>) -> bool {
        let route = self.interests[place.account].route_at(place.at);
        let (receivers, is_stored) = (route.receivers(), !route.stores.is_empty());
        if is_stored {
            self.store_message(place, message);
        }
        let is_traced = self.notices.traces.current.is_some();
        if is_traced || message.weight(receivers) > self.config.limits.work.fan_out_receivers {
            return self.fan_out_apart(place, message) || is_stored;
        }
        self.fan_out_observed(place, message, &mut Unobserved) || is_stored
    }

    /// The same while somebody looks on, or nobody: true if somebody gets the
    /// message, or may get it on another core.
    #[inline]
    pub(super) fn fan_out_observed<O: Observer>(
        &mut self,
        place: Place,
        message: &Message<'_>,
        observer: &mut O,
    ) -> bool {
        let is_twice = self.is_mutant(Mutant::QueueTwice);
        let (route, subscriptions) = self.interests[place.account].route_parts(place.at);
        let receivers = route.receivers();
        let is_bulk = receivers > self.config.limits.work.bulk_receivers;
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
        // Whether those of other cores take it is not known here; they are asked for
        // nothing, or every publisher would wait for them.
        let mut delivered = !route.remote.is_empty();
        for &target in &route.plain {
            delivered |= deliverer.deliver(target);
        }
        for queue in &route.queues {
            delivered |= deliverer.deliver_to_group(
                &queue.local,
                queue,
                self.config.core,
                &mut self.rng,
                &mut self.mesh.queue_forwards,
            );
            if is_twice {
                let other = queue.remote.first();
                let forward = other.map(|&(core, _)| (core, queue.queue));
                self.mesh.queue_forwards.extend(forward);
            }
        }
        let hands_on = !route.remote.is_empty() || !self.mesh.queue_forwards.is_empty();
        let traffic = &mut self.interests[place.account].traffic;
        traffic.count_out(flight.delivered, message.size);
        self.work.charge(flight.take_work_ns());
        if hands_on {
            observer.note_cores(self.hand_to_cores(place, message));
        }
        observer.name(&self.interests[place.account]);
        self.after_fan_out(place.account, message.source, &flight);
        delivered
    }

    /// Writes the message into the batches of the cores that want it: those of the
    /// route, and those of which a member of a queue group was drawn.
    #[inline(never)]
    fn hand_to_cores(&mut self, place: Place, message: &Message<'_>) -> CoreSet {
        let queue_forwards = std::mem::take(&mut self.mesh.queue_forwards);
        let publisher = self.note_unconfirmed(message.source);
        let interest = &self.interests[place.account];
        let route = interest.route_at(place.at);
        let handed = Handed {
            account: place.account,
            publisher,
            message,
            queue_forwards: &queue_forwards,
        };
        let cores = self.mesh.hand_on(&handed, route, interest);
        self.mesh.queue_forwards = queue_forwards;
        self.mesh.queue_forwards.clear();
        cores
    }

    /// The same by a route that is not in the cache.
    fn hand_on(
        &mut self,
        account: AccountId,
        route: &Route,
        queue_forwards: &[(CoreId, u32)],
        message: &Message<'_>,
    ) -> CoreSet {
        let publisher = self.note_unconfirmed(message.source);
        let handed = Handed {
            account,
            publisher,
            message,
            queue_forwards,
        };
        self.mesh.hand_on(&handed, route, &self.interests[account])
    }

    /// What other cores are told of a publisher, which has something under way from
    /// now on that they have not confirmed.
    fn note_unconfirmed(&mut self, source: Source) -> Option<Publisher> {
        match source {
            Source::Connection { slot, kind } => {
                self.connections[slot].has_unconfirmed = true;
                let key = self.connections.key(slot);
                Some(Publisher { kind, key })
            }
            Source::Consumer { key } => Some(Publisher {
                kind: ConnectionKind::Client,
                key,
            }),
            Source::Remote { .. } | Source::Server => None,
        }
    }

    /// Removes what the deliveries ended and notes who fell behind.
    #[inline(always)]
    pub(super) fn after_fan_out(&mut self, account: AccountId, source: Source, flight: &Flight) {
        if let Some(behind) = flight.behind() {
            match source {
                Source::Connection { slot, .. } => {
                    self.connections[slot].stalling.behind = Some(behind);
                }
                Source::Consumer { key } => self.note_consumer_behind(key, behind),
                Source::Remote { .. } | Source::Server => {}
            }
        }
        if !self.connections.finished.is_empty() {
            self.remove_finished(account);
        }
        if !self.connections.overflowed.is_empty() {
            self.cut_overflowed();
        }
    }

    #[cold]
    fn cut_overflowed(&mut self) {
        for index in std::mem::take(&mut self.connections.overflowed) {
            self.close_slow_consumer(index, CloseReason::SlowConsumerPendingBytes);
        }
    }

    #[cold]
    fn remove_finished(&mut self, account: AccountId) {
        let mut finished = std::mem::take(&mut self.connections.finished);
        for number in finished.drain(..) {
            let subscription = self.interests[account].subscription(number);
            let (index, max) = (subscription.connection, subscription.delivered_max);
            if tracing::enabled!(tracing::Level::DEBUG) {
                let sid = String::from_utf8_lossy(subscription.sid.bytes());
                let text = format!("Auto-unsubscribe limit of {max} reached for sid '{sid}'");
                self.log_debug(index, &text);
            }
            self.remove_subscription(index, number);
        }
        self.connections.finished = finished;
    }
}

/// A core with members of a queue group, by the number drawn among those.
fn choose_core(queue: &QueueRoute, drawn: u64, own: CoreId) -> Option<CoreId> {
    let mut left = drawn;
    for &(core, members) in &queue.remote {
        debug_assert_ne!(core, own, "a core is not its own peer");
        if left < u64::from(members) {
            return Some(core);
        }
        left -= u64::from(members);
    }
    // A member here was drawn that does not take it: those elsewhere have their chance.
    queue.remote.first().map(|&(core, _)| core)
}
