//! Fan-out of messages that are traced: the same fan-out, while somebody looks on
//! and writes every receiver down.

use super::super::Shard;
use super::super::connections::{Look, Message, Observer};
use super::super::frame::Frame;
use super::super::message_trace::{Egress, PartName, Published, TracePart, Traces, Wish};
use super::super::rewrite::header_of_line;
use super::Place;
use crate::base::core_set::CoreSet;
use crate::base::id::{CoreId, Nanos};
use crate::base::limits::{TRACED_DELIVERY_WORK_NS, TRACED_EGRESSES_MAX};
use crate::route::interest::Interest;
use crate::route::receivers::Target;
use crate::route::subscription::Subscription;
use crate::session::connection::Connection;

/// Receivers are told these reasons (NATS 2.15).
const NO_ECHO: &str = "Not delivered because of no echo";
const CLIENT_CLOSED: &str = "Not delivered because client is closed";
const EXCEEDED: &str = "Not delivered because auto-unsubscribe exceeded";

/// Writes receivers down. Beyond [`TRACED_EGRESSES_MAX`] of a message they are left
/// out.
pub(in super::super) struct Notes {
    now: Nanos,
    /// Nobody is to get the message.
    is_only: bool,
    egresses: Vec<Egress>,
    /// Subscriptions of the last of them, whose names are not known yet.
    unnamed: Vec<u32>,
}

impl Notes {
    pub fn new(now: Nanos, is_only: bool) -> Self {
        Self {
            now,
            is_only,
            egresses: Vec::new(),
            unnamed: Vec::new(),
        }
    }

    /// What was written down.
    pub fn into_egresses(self) -> Vec<Egress> {
        debug_assert!(self.unnamed.is_empty(), "all are named in the end");
        self.egresses
    }

    fn obstacle(
        &self,
        connection: &Connection,
        subscription: &Subscription,
        is_own: bool,
    ) -> &'static str {
        let max = subscription.delivered_max;
        match () {
            () if is_own && !connection.echo => NO_ECHO,
            () if !connection.hears => CLIENT_CLOSED,
            () if !self.is_only && max > 0 && subscription.delivered >= max => EXCEEDED,
            () => "",
        }
    }
}

impl Observer for Notes {
    fn look(
        &mut self,
        connection: &Connection,
        subscription: &Subscription,
        target: Target,
        is_own: bool,
    ) -> Look {
        let error = self.obstacle(connection, subscription, is_own);
        if self.egresses.len() < TRACED_EGRESSES_MAX {
            self.unnamed.push(target.subscription);
            self.egresses.push(Egress {
                at: self.now,
                client_id: connection.client_id,
                name: connection.options.name.clone(),
                subscription: String::new(),
                queue: String::new(),
                error,
            });
        }
        match (error, self.is_only) {
            ("", false) => Look::Deliver,
            ("", true) => Look::Spare,
            _ => Look::Refused,
        }
    }

    fn name(&mut self, interest: &Interest) {
        let first = self.egresses.len() - self.unnamed.len();
        for (egress, number) in self.egresses[first..]
            .iter_mut()
            .zip(self.unnamed.drain(..))
        {
            let (pattern, queue) = interest.name_of(number);
            egress.subscription = String::from_utf8_lossy(pattern).into_owned();
            egress.queue = String::from_utf8_lossy(queue.unwrap_or_default()).into_owned();
        }
    }
}

impl Shard {
    /// Fan-out of the current traced message.
    #[cold]
    pub(super) fn fan_out_traced(
        &mut self,
        place: Place,
        message: &Message<'_>,
        mut published: Box<Published>,
    ) -> bool {
        let mut notes = Notes::new(self.clock.mono, published.is_only);
        let fanned = self.fan_out_observed(place, message, &mut notes);
        self.charge_traced(&notes);
        self.await_parts(&mut published, fanned.cores);
        published.egresses = notes.into_egresses();
        self.notices.traces.current = Some(published);
        fanned.delivered
    }

    /// Writing down costs more than delivering.
    pub(super) fn charge_traced(&mut self, notes: &Notes) {
        self.work
            .charge(notes.egresses.len() as u64 * TRACED_DELIVERY_WORK_NS);
    }

    /// A message has been handed to these cores: each will write a part.
    pub(super) fn await_parts(&mut self, published: &mut Published, cores: CoreSet) {
        for core in cores.iter() {
            let number = Traces::count(&mut self.notices.traces.sent, core);
            published.awaited.push(PartName {
                origin: self.config.core,
                core,
                number,
            });
        }
    }

    /// What a message that came from another core wants to be written down: `None`
    /// if nothing.
    #[cold]
    pub(super) fn notes_for_frame(&self, frame: &Frame<'_>) -> Option<Notes> {
        let message = &frame.message;
        let Wish::Trace { is_only, .. } = Wish::of(header_of_line(message.tail)) else {
            return None;
        };
        let is_traced = message.publisher.is_some() && (message.hops == 0 || is_only);
        is_traced.then(|| Notes::new(self.clock.mono, is_only))
    }

    /// Leaves the part that was written of a message that came from another core.
    pub(super) fn leave_part(&mut self, origin: CoreId, hops: u8, notes: Notes) {
        if hops > 0 {
            return;
        }
        let number = Traces::count(&mut self.notices.traces.received, origin);
        let name = PartName {
            origin,
            core: self.config.core,
            number,
        };
        self.notices.traces.leave(TracePart::HandedOn {
            name,
            egresses: notes.into_egresses(),
        });
    }
}
