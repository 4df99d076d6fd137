//! L3: one consumer: what it has delivered, what waits for an acknowledgement, when it
//! delivers again, and to whom (ADR-13, ADR-15; NATS 2.15.3).
//!
//! A machine without I/O: whoever owns it tells it what happens to the stream, to
//! requests and to interest, asks [`Consumer::next`] until it waits, and again at
//! [`Consumer::next_due`]. Between that it costs nothing.
//!
//! Progress is durable by notes ([`Consumer::take_notes`]): what is sent or answered
//! because of a change waits until its note is. A consumer is made again from
//! a snapshot and the notes behind it ([`progress::Progress::read`],
//! [`Consumer::resume`]).
//!
//! Not here: where messages are (`stream`), who is connected.

use std::collections::VecDeque;

pub mod ack;
mod acknowledge;
pub mod config;
pub mod cursor;
mod deliver;
pub mod effects;
pub mod filter;
mod life;
pub mod notes;
mod preparation;
pub mod progress;
pub mod pull;
pub mod push;
pub mod status;
pub mod view;

use config::{ConsumerConfig, Kind, Start};
use cursor::Cursor;
use effects::Fact;
pub use effects::Info;
use filter::Filter;
use progress::{CLOCK_MIN, Progress};
use pull::Pulls;
use push::Push;
use status::Say;
use view::View;

use crate::base::id::Nanos;
use crate::base::moment::{Moment, WallNanos};
use crate::base::rng::Rng;

/// What a consumer is made from.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// What is configured of it.
    pub config: ConsumerConfig,
    /// Its stream.
    pub stream_name: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Whether the stream keeps one message of every subject.
    pub has_one_per_subject: bool,
    /// Whether the stream wants to know which messages are no longer needed.
    pub tells_freed: bool,
    /// Whether its progress is noted.
    pub keeps_notes: bool,
    /// For its dice.
    pub seed: u64,
}

/// Messages are as far apart as they were when they were stored, up to `until`.
#[derive(Debug)]
struct Replay {
    until: u64,
    last_time: Option<WallNanos>,
    /// The message that is next, and when it may go.
    held: Option<(u64, Nanos)>,
}

/// See the module.
#[derive(Debug)]
pub struct Consumer {
    config: ConsumerConfig,
    /// `stream.consumer`, as subjects have it.
    names: Box<str>,
    cursor: Cursor,
    progress: Progress,
    pulls: Pulls,
    push: Option<Box<Push>>,
    replay: Option<Box<Replay>>,
    says: VecDeque<Say>,
    facts: Vec<Fact>,
    freed: Vec<u64>,
    tells_freed: bool,
    /// What the clock of the progress is ahead of the monotonic one.
    clock_ahead_ns: u64,
    rng: Rng,
    /// A message is held back until then.
    held_until: Nanos,
    /// When it was used last.
    used_at: Nanos,
    /// How long it may be unused.
    threshold_ns: Option<u64>,
    is_paused: bool,
    last_delivered: Option<WallNanos>,
    last_acked: Option<WallNanos>,
}

/// There may be a hundred thousand.
const _: () = assert!(size_of::<Consumer>() <= 1024);

impl Consumer {
    /// A consumer that has delivered nothing.
    #[must_use]
    pub fn new(setup: &Setup<'_>, view: View<'_>, now: Moment) -> Self {
        let filter = Filter::new(&setup.config.filters);
        let start = setup.config.start;
        let cursor = Cursor::new(start, filter, view, setup.has_one_per_subject);
        let redelivery = setup.config.redelivery.clone();
        let behind = cursor.position().saturating_sub(1);
        let policy = setup.config.ack_policy;
        let mut progress = Progress::new(policy, redelivery, behind, setup.keeps_notes);
        progress.set_last_ones_until(cursor.last_ones_until().unwrap_or(0));
        Self::with(setup, cursor, progress, view, now)
    }

    /// A consumer that has come as far as a progress says.
    #[must_use]
    pub fn resume(setup: &Setup<'_>, progress: Progress, view: View<'_>, now: Moment) -> Self {
        let filter = Filter::new(&setup.config.filters);
        let position = progress.delivered().stream + 1;
        let until = Some(progress.last_ones_until()).filter(|&until| until >= position);
        let cursor = Cursor::resume(filter, view, position, until);
        Self::with(setup, cursor, progress, view, now)
    }

    fn with(
        setup: &Setup<'_>,
        cursor: Cursor,
        progress: Progress,
        view: View<'_>,
        now: Moment,
    ) -> Self {
        let config = setup.config.clone();
        let push = match &config.kind {
            Kind::Pull(_) => None,
            Kind::Push(push) => Some(Box::new(Push::new(push, now.mono))),
        };
        let replay = config.keeps_original_pace.then(|| {
            Box::new(Replay {
                until: view.visible,
                last_time: None,
                held: None,
            })
        });
        let clock = now.wall.0.max(CLOCK_MIN.0);
        let mut consumer = Self {
            names: format!("{}.{}", setup.stream_name, setup.name).into(),
            cursor,
            progress,
            pulls: Pulls::default(),
            push,
            replay,
            says: VecDeque::new(),
            facts: Vec::new(),
            freed: Vec::new(),
            tells_freed: setup.tells_freed,
            clock_ahead_ns: clock.saturating_sub(now.mono.0),
            rng: Rng::new(setup.seed),
            held_until: Nanos::NEVER,
            used_at: now.mono,
            threshold_ns: None,
            is_paused: config.paused_until.is_some_and(|until| until > now.wall),
            last_delivered: None,
            last_acked: None,
            config,
        };
        consumer.set_threshold();
        consumer
    }

    /// What is configured of it.
    #[must_use]
    pub fn config(&self) -> &ConsumerConfig {
        &self.config
    }

    /// What it has delivered, and what waits.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether it has counted what is to come: until then it delivers nothing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.cursor.is_ready()
    }

    /// Goes on with counting what is to come; charges what it takes. True if everything
    /// is counted: what clients are told of a new consumer waits for that.
    pub fn prepare(&mut self, view: View<'_>, work: &mut usize) -> bool {
        if self.cursor.is_ready() {
            return true;
        }
        self.cursor.prepare(view, work);
        let is_ready = self.cursor.is_ready();
        let delivered = self.progress.delivered();
        if is_ready && delivered.consumer == 0 && self.cursor.position() > delivered.stream + 1 {
            // Now it is known where it begins.
            self.progress.purge(self.cursor.position());
        }
        is_ready
    }

    /// A message has become visible. Comes in the order of sequences. True if it is to be
    /// asked what is next.
    pub fn on_stored(&mut self, sequence: u64, subject: &[u8], number: u32) -> bool {
        self.cursor.on_stored(sequence, subject, number) && self.has_receiver()
    }

    /// A message is gone, by a limit, by hand or by a purge. Comes after it has left the
    /// log.
    pub fn on_removed(&mut self, sequence: u64, subject: &[u8], number: u32, by_purge: bool) {
        self.cursor.on_removed(sequence, subject, number);
        let known = self.progress.deliveries(sequence);
        self.progress.terminate(sequence);
        if let Some((deliveries, consumer)) = known.filter(|_| !by_purge) {
            self.facts.push(Fact::Terminated {
                at: notes::Sequences {
                    consumer,
                    stream: sequence,
                },
                // Redeliveries, as the reference counts them here.
                deliveries: deliveries.saturating_sub(1).max(1),
                reason: b"Unacknowledged message was deleted"[..].into(),
            });
        }
    }

    /// Everything before a sequence was purged: what it has delivered reaches so far.
    pub fn on_purged(&mut self, below: u64) {
        if below > self.progress.delivered().stream + 1 {
            self.progress.purge(below);
        }
    }

    /// Whether somebody listens where it delivers.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.push.as_ref().is_some_and(|push| push.is_bound())
    }

    /// Whether it delivers messages of a subject.
    #[must_use]
    pub fn wants(&self, subject: &[u8]) -> bool {
        self.cursor.wants(subject)
    }

    /// Whether the stream has to keep a message for it.
    #[must_use]
    pub fn needs(&self, sequence: u64, subject: &[u8]) -> bool {
        if !self.cursor.wants(subject) {
            return false;
        }
        let progress = &self.progress;
        match self.config.ack_policy {
            config::AckPolicy::None | config::AckPolicy::All => sequence > progress.floor().stream,
            config::AckPolicy::Explicit => {
                self.cursor.is_ahead(sequence)
                    || progress.is_pending(sequence)
                    || progress.is_exhausted(sequence)
            }
        }
    }

    /// What is to be told.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Messages that it needs no more, by their sequences, since this was asked last.
    pub fn take_freed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.freed)
    }

    /// What has changed in its progress since this was asked last.
    pub fn take_notes(&mut self) -> Vec<u8> {
        self.progress.take_notes()
    }

    /// Appends the whole progress.
    pub fn snapshot(&self, into: &mut Vec<u8>) {
        self.progress.snapshot(into);
    }

    /// Whether somebody would get a message.
    fn has_receiver(&self) -> bool {
        let is_open = match &self.push {
            Some(push) => push.is_open(),
            None => !self.pulls.is_empty(),
        };
        is_open && !self.is_paused
    }

    /// The time of the progress.
    fn clock(&self, now: Moment) -> Nanos {
        Nanos(now.mono.0.saturating_add(self.clock_ahead_ns))
    }

    /// The same on the monotonic clock.
    fn mono(&self, clock: Nanos) -> Nanos {
        match clock {
            Nanos::NEVER => Nanos::NEVER,
            clock => Nanos(clock.0.saturating_sub(self.clock_ahead_ns)),
        }
    }

    fn is_last_per_subject(&self) -> bool {
        self.config.start == Start::LastPerSubject
    }
}

#[cfg(test)]
mod test_world;
#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
