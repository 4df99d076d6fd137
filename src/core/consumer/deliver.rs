//! What a consumer sends next.

use bytes::Bytes;

use super::Consumer;
use super::config::Kind;
use super::cursor::Found;
use super::effects::{Deliver, Fact, Next, Turn};
use super::status::{FLOW_CONTROL, Say, headers_only_len};
use super::view::View;
use crate::base::id::Nanos;
use crate::base::moment::Moment;
use crate::stream::stored::Stored;

/// The message that is next.
#[derive(Clone, Copy)]
struct Candidate {
    sequence: u64,
    is_again: bool,
}

impl Consumer {
    /// What it sends next. To be asked until it waits, whenever something has happened
    /// to it, and at [`Self::next_due`].
    pub fn next(&mut self, view: View<'_>, now: Moment, turn: &mut Turn<'_>) -> Next {
        self.tick(now);
        if self.is_unused(now, turn.is_heard) {
            return Next::Unused;
        }
        if let Some(say) = self.says.pop_front() {
            return Next::Say(say);
        }
        if !self.prepare(view, &mut turn.work) {
            return Next::NotYet;
        }
        self.held_until = Nanos::NEVER;
        let delivered = match self.candidate(view, now, turn) {
            Ok(candidate) => self.try_deliver(candidate, view, now, turn),
            Err(Found::NotYet) => return Next::NotYet,
            Err(_) => None,
        };
        match (delivered, self.says.pop_front()) {
            (Some(deliver), say) => {
                self.says.extend(say);
                Next::Deliver(deliver)
            }
            (None, Some(say)) => Next::Say(say),
            (None, None) => Next::Wait,
        }
    }

    fn candidate(
        &mut self,
        view: View<'_>,
        now: Moment,
        turn: &mut Turn<'_>,
    ) -> Result<Candidate, Found> {
        if !self.has_receiver() {
            // A paused one has nothing, for those who do not wait.
            self.end_of_stream(now);
            return Err(Found::Nothing);
        }
        match self.next_again(view, now, turn) {
            Found::Message(sequence) => {
                return Ok(Candidate {
                    sequence,
                    is_again: true,
                });
            }
            Found::NotYet => return Err(Found::NotYet),
            Found::Nothing => {}
        }
        let max = self.config.max_ack_pending;
        if max.is_some_and(|max| self.progress.pending_count() >= max) {
            return Err(Found::Nothing);
        }
        match self.cursor.find(view, &mut turn.work) {
            Found::Message(sequence) => Ok(Candidate {
                sequence,
                is_again: false,
            }),
            Found::NotYet => Err(Found::NotYet),
            Found::Nothing => {
                self.end_of_stream(now);
                Err(Found::Nothing)
            }
        }
    }

    fn end_of_stream(&mut self, now: Moment) {
        if self
            .replay
            .as_ref()
            .is_some_and(|replay| self.cursor.position() > replay.until)
        {
            self.replay = None;
        }
        if self.pulls.end_of_stream(&mut self.says) {
            self.used_at = now.mono;
        }
    }

    /// The message that is due again. Those that have had all their deliveries, and
    /// those that are gone, wait no more.
    fn next_again(&mut self, view: View<'_>, now: Moment, turn: &mut Turn<'_>) -> Found {
        let clock = self.clock(now);
        while let Some(stream) = self.progress.due(clock) {
            if self.progress.has_had_all(stream, true) {
                let deliveries = self.progress.exhaust(stream);
                self.facts.push(Fact::MaxDeliveries { stream, deliveries });
            } else if view.log.get(stream).is_some() {
                return Found::Message(stream);
            } else {
                self.progress.terminate(stream);
            }
            if turn.work == 0 {
                return Found::NotYet;
            }
            turn.work -= 1;
        }
        Found::Nothing
    }

    fn try_deliver(
        &mut self,
        candidate: Candidate,
        view: View<'_>,
        now: Moment,
        turn: &mut Turn<'_>,
    ) -> Option<Deliver> {
        let sequence = candidate.sequence;
        let stored = view.log.get(sequence)?;
        self.write_ack_reply(candidate, stored, turn.ack_reply);
        let subject = &view.log.subjects().get(stored.subject).text;
        let (header, payload) = stored.lens();
        let body = match self.config.headers_only {
            true => headers_only_len(header, payload),
            false => header + payload,
        };
        let len = (subject.len() + turn.ack_reply.len() + body) as u64;
        if self.is_held(sequence, stored, len, now) {
            return None;
        }
        let to = match &self.push {
            Some(push) => push.subject.clone(),
            None => self
                .pulls
                .serve(len, now.mono, turn.is_heard, &mut self.says)?,
        };
        Some(self.deliver(candidate, to, stored, len, now))
    }

    fn write_ack_reply(&self, candidate: Candidate, stored: &Stored, into: &mut Vec<u8>) {
        use std::io::Write;
        let sequence = candidate.sequence;
        let known = self.progress.deliveries(sequence);
        let count = known.map_or(1, |(deliveries, _)| deliveries + 1);
        let consumer = self.progress.delivered().consumer + 1;
        let pending =
            self.cursor.pending() - u64::from(!candidate.is_again).min(self.cursor.pending());
        into.clear();
        let (names, time) = (&self.names, stored.time.0);
        write!(
            into,
            "$JS.ACK.{names}.{count}.{sequence}.{consumer}.{time}.{pending}"
        )
        .expect("memory takes it");
    }

    /// Whether a message is not to go yet: by its distance to the one before, or by a
    /// rate limit.
    fn is_held(&mut self, sequence: u64, stored: &Stored, len: u64, now: Moment) -> bool {
        let mut at = now.mono;
        if let Some(replay) = &mut self.replay {
            at = match replay.held {
                Some((held, until)) if held == sequence => until,
                _ => {
                    let last = replay.last_time.unwrap_or(stored.time);
                    let distance_ns = stored.time.0.saturating_sub(last.0);
                    let until = now.mono.after_ns(distance_ns);
                    replay.held = Some((sequence, until));
                    until
                }
            };
        }
        if let (Some(push), Kind::Push(config)) = (&self.push, &self.config.kind) {
            at = at.max(push.allowed_at(len, config, now.mono));
        }
        if at > now.mono {
            self.held_until = at;
        }
        at > now.mono
    }

    fn deliver(
        &mut self,
        candidate: Candidate,
        to: Bytes,
        stored: &Stored,
        len: u64,
        now: Moment,
    ) -> Deliver {
        let clock = self.clock(now);
        let sequence = candidate.sequence;
        let delivery = match candidate.is_again {
            true => self.progress.redeliver(sequence, clock),
            false => {
                self.cursor.pass(sequence);
                self.progress.deliver(sequence, clock)
            }
        };
        if let Some(replay) = &mut self.replay {
            replay.last_time = Some(stored.time);
            replay.held = None;
        }
        let asks = match (&mut self.push, &self.config.kind) {
            (Some(push), Kind::Push(config)) => push.sent(len, config, now.mono),
            _ => false,
        };
        if asks {
            self.ask_flow_control();
        }
        if self.config.is_pull() {
            self.used_at = now.mono;
        }
        self.last_delivered = Some(now.wall);
        if self.config.ack_policy == super::config::AckPolicy::None && self.tells_freed {
            self.freed.push(sequence);
        }
        Deliver {
            sequences: delivery.sequences,
            to,
            count: delivery.count,
            headers_only: self.config.headers_only,
        }
    }

    fn ask_flow_control(&mut self) {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut reply = format!("$JS.FC.{}.", self.names).into_bytes();
        for _ in 0..4 {
            let digit = self.rng.below(DIGITS.len() as u64);
            reply.push(DIGITS[crate::base::width::size(digit)]);
        }
        let reply = Bytes::from(reply);
        let Some(push) = &mut self.push else { return };
        push.ask(reply.clone());
        self.says.push_back(Say {
            to: push.subject.clone(),
            reply,
            header: FLOW_CONTROL.to_vec(),
        });
    }
}
