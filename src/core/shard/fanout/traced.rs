//! Fan-out of messages that are traced: the same fan-out, while somebody looks on
//! and writes every receiver down.

use super::super::Shard;
use super::super::admit::{NO_PUBLISH, is_reserved_subject};
use super::super::frame::Frame;
use super::super::input::Outcome;
use super::super::message::{Line, Message, Place};
use super::super::message_trace::{PartName, Published, TracePart, Traces, Wish};
use super::super::rewrite::header_of_line;
use super::super::trace_notes::Notes;
use crate::base::core_set::CoreSet;
use crate::base::id::CoreId;
use crate::base::limits::TRACED_DELIVERY_WORK_NS;
use crate::wire::parse::Publish;

impl Shard {
    /// Publishes a message that may want a trace.
    #[cold]
    pub(super) fn publish_traced(&mut self, index: u32, message: &Publish<'_>) -> Outcome {
        let (destination, is_only) = match Wish::of(message.header()) {
            Wish::Nothing => return self.publish_plainly(index, message, Line::Parsed),
            Wish::Impossible => return self.swallow(index, message),
            Wish::Trace {
                destination,
                is_only,
            } => (destination, is_only),
        };
        let connection = &self.connections[index];
        let rights = self.config.authority.rights();
        let rights = rights.get(connection.login.rights);
        if is_reserved_subject(destination)
            || rights.is_some_and(|rights| !rights.may_publish(destination))
        {
            self.refuse_publish(index, NO_PUBLISH, destination);
            return self.swallow(index, message);
        }
        let interest = &self.interests[connection.account];
        // Nothing is redirected where the detour is known already.
        let mapped_to = interest.end_of_detour(connection.reading.last_route, message.subject);
        self.notices.traces.current = Some(Box::new(Published {
            account: connection.account,
            at: self.clock.mono,
            client_id: connection.client_id,
            name: connection.options.name.clone(),
            subject: message.subject.to_vec(),
            mapped_to: mapped_to.map(<[u8]>::to_vec),
            error: String::new(),
            header: message.header().to_vec(),
            size: message.size(),
            destination: destination.to_vec(),
            egresses: Vec::new(),
            awaited: Vec::new(),
            is_only,
        }));
        let outcome = self.publish_plainly(index, message, Line::Parsed);
        let published = self.notices.traces.current.take();
        if matches!(outcome, Outcome::Done)
            && let Some(published) = published
        {
            self.notices.traces.leave(TracePart::Published(*published));
        }
        outcome
    }

    /// Counts a message that nobody gets.
    fn swallow(&mut self, index: u32, message: &Publish<'_>) -> Outcome {
        let connection = &mut self.connections[index];
        connection.liveness.last_input = self.clock.mono;
        connection.traffic.count_in(message.size());
        Outcome::Done
    }

    /// Fan-out of the current traced message.
    #[cold]
    pub(super) fn fan_out_traced(
        &mut self,
        place: Place,
        message: &Message<'_>,
        mut published: Box<Published>,
    ) -> bool {
        let mut notes = Notes::new(self.clock.mono, published.is_only);
        let delivered = self.fan_out_observed(place, message, &mut notes);
        self.charge_traced(&notes);
        self.await_parts(&mut published, notes.cores);
        published.egresses = notes.into_egresses();
        self.notices.traces.current = Some(published);
        delivered
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
