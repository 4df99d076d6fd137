//! Checks of messages that most publishers never meet: pedantic ones, confirmed
//! ones, and subjects that belong to the server.

use super::Shard;
use super::input::Outcome;
use super::mutants::Mutant;
use crate::base::id::Nanos;
use crate::base::limits::MATCH_WORK_NS;
use crate::base::shown::quoted_bytes;
use crate::subject::pattern::is_literal;
use crate::wire::encode;
use crate::wire::parse::Publish;

/// What a publisher is told who has no right to a subject.
pub(super) const NO_PUBLISH: &str = "Permissions Violation for Publish to";

impl Shard {
    /// Whether a message to whose subject, that of a route, its publisher has no
    /// right is an answer that is allowed; if not, it is said.
    #[cold]
    pub(super) fn may_respond(&mut self, index: u32, at: u32, message: &Publish<'_>) -> bool {
        let now = match self.is_mutant(Mutant::AnswerForEver) {
            true => Nanos(0),
            false => self.clock.mono,
        };
        let connection = &mut self.connections[index];
        let route = self.interests[connection.account].route_at(at);
        let subject = route.subject();
        let responses = connection.login.responses.as_mut();
        if responses.is_some_and(|responses| responses.take(now, subject)) {
            return true;
        }
        let subject = subject.to_vec();
        if connection.options.pedantic && !is_literal(message.subject) {
            self.send_error(index, b"Invalid Publish Subject");
        }
        self.refuse_publish(index, NO_PUBLISH, &subject);
        false
    }

    /// The route that a message takes whose own subject is mapped; `None` if it
    /// is lost. The publisher remembers a detour, but no route that was drawn.
    #[inline(never)]
    pub(super) fn redirect(&mut self, index: u32, at: u32) -> Option<u32> {
        let rng = &mut self.rng;
        let connection = &mut self.connections[index];
        let interest = &mut self.interests[connection.account];
        let to = interest.redirect(at, |below| rng.below(below))?;
        if interest.route_at(to).is_detour() {
            connection.reading.last_route = to;
        }
        if let Some(trace) = &mut self.notices.traces.current {
            trace.mapped_to = Some(interest.route_at(to).subject().to_vec());
        }
        Some(to)
    }

    /// Drops a message that a mapping sends nowhere: its subject is empty from
    /// then on, for rights and for what is said of it (NATS 2.15).
    #[cold]
    pub(super) fn lose(&mut self, index: u32, message: &Publish<'_>) -> Outcome {
        let rights = self.connections[index].login.rights;
        let rights = self.config.authority.rights().get(rights);
        if rights.is_some_and(|rights| !rights.may_publish(b"")) {
            self.refuse_publish(index, NO_PUBLISH, b"");
        } else if self.admit(index, message) && !message.reply.is_empty() {
            self.tell_no_responders(index, b"", message.reply);
        }
        Outcome::Done
    }

    /// Tells a requester that nobody listens, under the subject of a route: that
    /// which a mapping has made of its own.
    #[cold]
    pub(super) fn tell_no_responders_at(&mut self, index: u32, at: u32, reply: &[u8]) {
        let account = self.connections[index].account;
        let route = self.interests[account].route_at(at);
        let subject = route.subject().to_vec();
        self.tell_no_responders(index, &subject, reply);
    }

    /// Tells a requester that nobody listens, on its own subscription for the
    /// reply, if it wants to know.
    #[cold]
    pub(super) fn tell_no_responders(&mut self, index: u32, subject: &[u8], reply: &[u8]) {
        let connection = &self.connections[index];
        if !connection.options.no_responders {
            return;
        }
        let interest = &mut self.interests[connection.account];
        let found = interest.plain_of_connection(index, reply);
        self.work
            .charge(u64::from(interest.take_work()) * MATCH_WORK_NS);
        let Some(number) = found else {
            return;
        };
        let mut line = std::mem::take(&mut self.scratch.line);
        line.clear();
        let sid = interest.subscription(number).sid.bytes();
        encode::no_responders(reply, sid, subject, &mut line);
        self.send(index, &line);
        self.scratch.line = line;
    }

    /// Says that a publisher has no right to a subject.
    pub(super) fn refuse_publish(&mut self, index: u32, text: &str, subject: &[u8]) {
        let subject = quoted_bytes(subject);
        let text = format!("{text} {subject}");
        self.log_error(index, &format!("Publish Violation - Subject {subject}"));
        self.send_error(index, text.as_bytes());
        if let Some(trace) = &mut self.notices.traces.current {
            trace.error = text;
        }
    }

    /// Cold checks of a message; false if it must not be published.
    #[cold]
    pub(super) fn admit(&mut self, index: u32, message: &Publish<'_>) -> bool {
        let connection = &self.connections[index];
        let (pedantic, verbose) = (connection.options.pedantic, connection.options.verbose);
        if pedantic && !is_literal(message.subject) {
            self.send_error(index, b"Invalid Publish Subject");
        }
        let refusal: Option<(&str, &[u8])> = if is_reserved_subject(message.subject) {
            Some((NO_PUBLISH, message.subject))
        } else if is_reserved_reply(message.reply) {
            Some((
                "Permissions Violation for Publish with Reply of",
                message.reply,
            ))
        } else {
            None
        };
        if let Some((text, subject)) = refusal {
            self.refuse_publish(index, text, subject);
            return false;
        }
        if verbose {
            self.send(index, encode::OK);
        }
        true
    }
}

/// Whether a subject or reply begins like one of the reserved ones.
#[inline]
pub(super) fn is_reserved(message: &Publish<'_>) -> bool {
    let suspicious = |text: &[u8]| matches!(text.first(), Some(b'_' | b'$'));
    (suspicious(message.subject) && is_reserved_subject(message.subject))
        || (suspicious(message.reply) && is_reserved_reply(message.reply))
}

fn begins_with_more(text: &[u8], prefix: &[u8]) -> bool {
    text.len() > prefix.len() && text.starts_with(prefix)
}

fn is_gateway_reply(text: &[u8]) -> bool {
    begins_with_more(text, b"_GR_.") || begins_with_more(text, b"$GR.")
}

/// Subjects that clients may not publish to (NATS 2.15).
pub(super) fn is_reserved_subject(subject: &[u8]) -> bool {
    is_gateway_reply(subject) || subject.starts_with(b"$NRG.")
}

/// Replies that clients may not ask for (NATS 2.15).
fn is_reserved_reply(reply: &[u8]) -> bool {
    is_gateway_reply(reply) || reply.starts_with(b"_R_.") || begins_with_more(reply, b"$JS.")
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
