//! What happens to a consumer but for messages and their acknowledgements: requests,
//! interest, time, changes of its configuration.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Consumer;
use super::config::{ConsumerConfig, Kind, Start};
use super::effects::{Fact, Info};
use super::filter::Filter;
use super::notes::Sequences;
use super::pull::PullRequest;
use super::status::{Left, Say, Status, heartbeat};
use super::view::{View, first_since};
use crate::base::id::Nanos;
use crate::base::moment::{Moment, WallNanos};

/// What an unused consumer lives longer, so that many do not go at once: from and to, in
/// milliseconds (NATS 2.15).
const JITTER_MS: (u64, u64) = (100, 1000);

/// Messages that are given up at once because their time is over.
const EXHAUSTED_AT_ONCE: usize = 256;

impl Consumer {
    /// A client asks for messages.
    pub fn request(
        &mut self,
        body: &[u8],
        inbox: Bytes,
        now: Moment,
        is_heard: &mut dyn FnMut(&[u8]) -> bool,
    ) {
        if let Err(status) = self.take_request(body, &inbox, now, is_heard)
            && let Some(status) = status
        {
            let left = Left {
                messages: 0,
                bytes: 0,
            };
            self.says.push_back(Say {
                to: inbox,
                reply: Bytes::new(),
                header: status.header(left),
            });
        }
    }

    fn take_request(
        &mut self,
        body: &[u8],
        inbox: &Bytes,
        now: Moment,
        is_heard: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Option<Status>> {
        let Kind::Pull(config) = &self.config.kind else {
            return Err(Some(Status::PushBased));
        };
        let max_waiting = config.max_waiting;
        let request = PullRequest::read(body).map_err(Some)?;
        request.check(config).map_err(Some)?;
        self.used_at = now.mono;
        self.tick(now);
        if request.no_wait && self.cursor.is_ready() {
            let pending = self.available(now);
            if self.pulls.refusal(&request, pending) == Some(Status::RequestsPending) {
                self.pulls.forget_unheard(is_heard);
            }
            if let Some(status) = self.pulls.refusal(&request, pending) {
                return Err(Some(status));
            }
        }
        let inbox = inbox.clone();
        self.pulls.add(request, inbox, max_waiting, now.mono)
    }

    /// Messages to come, and those that are due again as far as it matters.
    fn available(&self, now: Moment) -> u64 {
        let enough = usize::try_from(self.pulls.claimed()).unwrap_or(usize::MAX);
        let due = self.progress.due_count(self.clock(now), enough.max(1));
        self.cursor.pending() + due as u64
    }

    /// Somebody listens where it delivers, or nobody any more.
    pub fn set_bound(&mut self, is_bound: bool, now: Moment) {
        if let Some(push) = &mut self.push {
            if push.is_bound() && !is_bound {
                self.used_at = now.mono;
            }
            push.set_bound(is_bound, now.mono);
        }
    }

    /// A client says how far it has come, by a message to a subject below `$JS.FC.`.
    pub fn flow_control(&mut self, subject: &[u8]) {
        if let Some(push) = &mut self.push {
            push.answered(subject);
        }
    }

    /// Nothing is delivered until a time, or it goes on.
    pub fn pause(&mut self, until: Option<WallNanos>, now: Moment) {
        self.config.paused_until = until;
        self.is_paused = until.is_some_and(|until| until > now.wall);
    }

    /// Takes over a configuration that may take the place of the one before. The
    /// progress is to be stored as a whole afterwards, since it may be due otherwise.
    pub fn update(&mut self, config: ConsumerConfig, view: View<'_>, now: Moment) {
        self.cursor.set_filter(Filter::new(&config.filters), view);
        self.progress.set_redelivery(config.redelivery.clone());
        if let (Some(push), Kind::Push(new)) = (&mut self.push, &config.kind)
            && *push.subject != *new.deliver_subject.as_bytes()
        {
            push.subject = Bytes::copy_from_slice(new.deliver_subject.as_bytes());
            push.set_bound(false, now.mono);
            self.progress.refuse_all();
        }
        let is_same = self.config.inactive_threshold_ns == config.inactive_threshold_ns;
        self.config = config;
        if !is_same {
            self.used_at = now.mono;
            self.set_threshold();
        }
        self.pause(self.config.paused_until, now);
    }

    pub(super) fn set_threshold(&mut self) {
        let (from, to) = JITTER_MS;
        let jitter_ms = match self.config.has_jitter {
            true => from + self.rng.below(to - from),
            false => 0,
        };
        let threshold_ns = self.config.inactive_threshold_ns;
        self.threshold_ns = threshold_ns.map(|ns| ns.saturating_add(jitter_ms * 1_000_000));
    }

    /// Begins anew, at a sequence or behind the floor. Returns where.
    ///
    /// # Errors
    /// Why it may not begin there (10204).
    pub fn reset(&mut self, sequence: Option<u64>, view: View<'_>) -> Result<u64, &'static str> {
        let wanted = sequence.filter(|&sequence| sequence > 0);
        let position = match (wanted, self.config.start) {
            (None, _) => self.progress.floor().stream + 1,
            (Some(sequence), Start::All) => sequence,
            (Some(sequence), Start::Sequence(least)) if sequence >= least => sequence,
            (Some(_), Start::Sequence(_)) => return Err("below start seq"),
            (Some(sequence), Start::Time(time)) if sequence >= first_since(view, time) => sequence,
            (Some(_), Start::Time(_)) => return Err("below start time"),
            (Some(_), _) => return Err("not allowed"),
        };
        let until = match self.is_last_per_subject() {
            true => view.visible,
            false => 0,
        };
        match until {
            0 => self.cursor.stand_at(position, view),
            until => self.cursor.list_last_ones(position, until),
        }
        self.progress.reset(position, until);
        (self.last_delivered, self.last_acked) = (None, None);
        Ok(position)
    }

    /// How it stands; requests of those that are gone are forgotten before.
    pub fn info(&mut self, now: Moment, is_heard: &mut dyn FnMut(&[u8]) -> bool) -> Info {
        self.tick(now);
        self.pulls.forget_unheard(is_heard);
        Info {
            delivered: self.progress.delivered(),
            floor: self.progress.floor(),
            last_delivered: self.last_delivered,
            last_acked: self.last_acked,
            ack_pending: self.progress.pending_count() as u64,
            redelivered: self.progress.redelivered_count(),
            waiting: self.pulls.len() as u64,
            pending: self.cursor.pending(),
            is_push_bound: self.push.as_ref().is_some_and(|push| push.is_bound()),
            paused_until: self.config.paused_until,
        }
    }

    /// The consumer is deleted, or the server goes: what is said to those who wait.
    pub fn end(&mut self, status: &Status) -> VecDeque<Say> {
        self.pulls.end_all(status, &mut self.says);
        std::mem::take(&mut self.says)
    }

    /// What time does: requests end, heartbeats are due, a pause is over.
    pub(super) fn tick(&mut self, now: Moment) {
        let last = self.last_sequences();
        let (pulls, says) = (&mut self.pulls, &mut self.says);
        if pulls.tick(now.mono, || heartbeat(last, b""), says) {
            self.used_at = now.mono;
        }
        if let Some(push) = &mut self.push
            && push.heartbeat_at() <= now.mono
        {
            push.silence_begins(now.mono);
            self.says.push_back(Say {
                to: push.subject.clone(),
                reply: Bytes::new(),
                header: heartbeat(last, push.asked()),
            });
        }
        let is_over = self
            .config
            .paused_until
            .is_none_or(|until| until <= now.wall);
        if self.is_paused && is_over {
            self.is_paused = false;
            self.facts.push(Fact::PauseEnded);
        }
        if self.config.redelivery.max_deliver.is_some() {
            self.exhaust_by_time(now);
        }
    }

    fn last_sequences(&self) -> Sequences {
        Sequences {
            consumer: self.progress.delivered().consumer,
            stream: self.cursor.position().saturating_sub(1),
        }
    }

    /// Gives up messages whose only delivery was not acknowledged in time.
    fn exhaust_by_time(&mut self, now: Moment) {
        let clock = self.clock(now);
        for _ in 0..EXHAUSTED_AT_ONCE {
            let due = self.progress.due(clock);
            let Some(stream) = due.filter(|&one| self.progress.has_had_all(one, false)) else {
                return;
            };
            let deliveries = self.progress.exhaust(stream);
            self.facts.push(Fact::MaxDeliveries { stream, deliveries });
        }
    }

    /// When something is to be done although nothing happens: `NEVER` if nothing is.
    #[must_use]
    pub fn next_due(&self, now: Moment) -> Nanos {
        if !self.says.is_empty() || !self.cursor.is_ready() {
            return now.mono;
        }
        let is_given_up_by_time = self.config.redelivery.max_deliver == Some(1);
        let is_held = self.held_until < Nanos::NEVER;
        let redelivery = match self.has_receiver() || is_given_up_by_time {
            // What is due is what is held back.
            true if is_held && !is_given_up_by_time => Nanos::NEVER,
            true => self.mono(self.progress.next_due()),
            false => Nanos::NEVER,
        };
        let pause_ns = match (self.is_paused, self.config.paused_until) {
            (true, Some(until)) => Some(until.0.saturating_sub(now.wall.0)),
            _ => None,
        };
        let heartbeat = self.push.as_ref().map(|push| push.heartbeat_at());
        redelivery
            .min(self.pulls.next_due())
            .min(heartbeat.unwrap_or(Nanos::NEVER))
            .min(self.held_until)
            .min(pause_ns.map_or(Nanos::NEVER, |ns| now.mono.after_ns(ns)))
            .min(self.unused_at())
    }

    /// When nobody will have used it for too long, as things are.
    fn unused_at(&self) -> Nanos {
        let Some(threshold_ns) = self.threshold_ns else {
            return Nanos::NEVER;
        };
        let unused = self.used_at.after_ns(threshold_ns);
        match &self.push {
            Some(push) if push.is_bound() => Nanos::NEVER,
            Some(_) => unused,
            None => {
                // Somebody may still be at work.
                let last_due = self.progress.last_due().map(|due| self.mono(due));
                let busy = last_due.filter(|&due| due < Nanos::NEVER);
                unused.max(busy.map_or(Nanos(0), |due| due.after_ns(threshold_ns)))
            }
        }
    }

    pub(super) fn is_unused(
        &mut self,
        now: Moment,
        is_heard: &mut dyn FnMut(&[u8]) -> bool,
    ) -> bool {
        if self.unused_at() > now.mono {
            return false;
        }
        self.pulls.forget_unheard(is_heard);
        if !self.pulls.is_empty() {
            self.used_at = now.mono;
        }
        self.pulls.is_empty()
    }
}
