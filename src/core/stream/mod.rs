//! L2: one stream: what it takes, in which order it checks that, and what goes for it.
//!
//! Every step is bounded: what limits, age or a rollup remove beyond a few messages goes
//! in steps ([`Stream::tidy`]). Until that is done the stream takes and shows nothing
//! ([`Stream::is_tidy`]), so nobody sees a half of it.
//!
//! Not here: who asks for what (`api`), consumers, where bytes lie on disk (`journal`).

pub mod admit;
pub mod config;
pub mod error;
pub mod lifetimes;
pub mod load;
pub mod log;
pub mod message_ids;
pub mod removal;
pub mod requirements;
pub mod search;
pub mod stored;
mod subject_limit;
pub mod subjects;

use crate::base::moment::WallNanos;
use config::{Discard, StreamConfig};
use error::ApiError;
use lifetimes::Lifetimes;
use log::Log;
use message_ids::MessageIds;
use removal::{Purge, Removal};
use requirements::TimeToLive;
use stored::Gone;
use subject_limit::SubjectLimit;

/// Messages that storing one removes at once.
const REMOVED_AT_ONCE: usize = 16;

/// A stream.
#[derive(Debug)]
pub struct Stream {
    config: StreamConfig,
    log: Log,
    ids: MessageIds,
    /// The id of the last message that was stored, empty if it had none.
    last_id: Box<[u8]>,
    /// When the last message was stored.
    last_time: WallNanos,
    /// What a rollup or a purge has left to be removed.
    removal: Option<Removal>,
    /// What the last of them has removed.
    removed: u64,
    /// A limit of subjects that is new and not yet held everywhere.
    subject_limit: Option<SubjectLimit>,
    lifetimes: Lifetimes,
    /// Messages before this sequence do not go by their age.
    aged_from: u64,
}

/// What the records of a stream tell of it.
#[derive(Debug)]
pub struct Restored {
    /// Its messages.
    pub log: Log,
    /// Ids of messages, their sequences and times.
    pub ids: Vec<(Box<[u8]>, u64, WallNanos)>,
    /// The id of the last message.
    pub last_id: Box<[u8]>,
    /// When the last message was stored.
    pub last_time: WallNanos,
    /// Messages that say how long they are kept, and when they were stored.
    pub lifetimes: Vec<(u64, WallNanos, TimeToLive)>,
}

impl Stream {
    /// A stream without messages. The seed is secret.
    #[must_use]
    pub fn new(config: StreamConfig, seed: u64) -> Self {
        let mut log = Log::new(config.storage, config.first_sequence.max(1), seed);
        log.watch(config.allow_message_ttl);
        Self {
            log,
            ids: MessageIds::new(config.duplicate_window_ns, !seed),
            last_id: Box::default(),
            last_time: WallNanos(0),
            removal: None,
            removed: 0,
            subject_limit: None,
            lifetimes: Lifetimes::default(),
            aged_from: 0,
            config,
        }
    }

    /// A stream as its records tell of it. Whatever limits leave no room for goes in steps
    /// ([`Self::tidy`]).
    #[must_use]
    pub fn restore(config: StreamConfig, seed: u64, restored: Restored, now: WallNanos) -> Self {
        let mut ids = MessageIds::new(config.duplicate_window_ns, !seed);
        for (id, sequence, time) in restored.ids {
            if now.0.saturating_sub(time.0) < config.duplicate_window_ns && ids.find(&id).is_none()
            {
                ids.note(&id, sequence, time);
            }
        }
        let mut lifetimes = Lifetimes::default();
        for (sequence, time, lifetime) in restored.lifetimes {
            if config.allow_message_ttl && restored.log.get(sequence).is_some() {
                lifetimes.note(sequence, time, lifetime);
            }
        }
        let mut log = restored.log;
        log.watch(config.allow_message_ttl);
        Self {
            log,
            ids,
            last_id: restored.last_id,
            last_time: restored.last_time,
            removal: None,
            removed: 0,
            subject_limit: config.max_messages_per_subject.map(SubjectLimit::new),
            lifetimes,
            aged_from: 0,
            config,
        }
    }

    /// What is configured of it.
    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// Its messages.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Notes where the record of a message lies.
    pub fn set_position(&mut self, sequence: u64, position: u64) {
        self.log.set_position(sequence, position);
    }

    /// Whether somebody wants to know the subjects of messages that go.
    pub fn watch(&mut self, is_watched: bool) {
        self.log.watch(is_watched || self.config.allow_message_ttl);
    }

    /// What was removed since this was asked last.
    pub fn take_gone(&mut self) -> Vec<Gone> {
        let gone = self.log.take_gone();
        if self.config.allow_message_ttl {
            gone.iter()
                .for_each(|gone| self.lifetimes.forget(gone.sequence));
        }
        gone
    }

    /// When the last message was stored.
    #[must_use]
    pub fn last_time(&self) -> WallNanos {
        self.last_time
    }

    /// Whether nothing is left to be removed but what gets too old.
    #[must_use]
    pub fn is_tidy(&self) -> bool {
        self.removal.is_none() && self.subject_limit.is_none() && !self.exceeds_limits()
    }

    /// Removes messages that purges, rollups and limits leave no room for, and those that
    /// are too old, in so many steps at most.
    pub fn tidy(&mut self, now: WallNanos, steps_max: usize) {
        for _ in 0..steps_max {
            if let Some(removal) = &mut self.removal {
                if !removal.step(&mut self.log) {
                    self.removed = removal.removed;
                    if let Some(next) = removal.next_sequence(&self.log) {
                        self.log.skip_to(next);
                    }
                    self.removal = None;
                }
            } else if let Some(limit) = &mut self.subject_limit {
                if !limit.step(&mut self.log) {
                    self.subject_limit = None;
                }
            } else if self.exceeds_limits() {
                self.log.remove(self.log.first());
            } else if let Some(sequence) = self.expired(now) {
                self.log.remove(sequence);
                self.lifetimes.forget(sequence);
            } else {
                return;
            }
        }
    }

    /// Begins to remove messages. When the stream is tidy again, [`Self::removed`] says
    /// how many these were.
    ///
    /// # Panics
    /// If something is left to be removed.
    pub fn purge(&mut self, purge: &Purge<'_>) {
        debug_assert!(self.is_tidy(), "what came before is done first");
        self.removal = Some(Removal::of(purge, &self.log));
    }

    /// Is configured otherwise from now on. New limits hold when it is tidy again. What a
    /// new retention removes is for whoever knows the consumers to say.
    ///
    /// # Panics
    /// If something is left to be removed, or if its storage is another one: messages stay
    /// where they are.
    pub fn update_config(&mut self, config: StreamConfig) {
        debug_assert!(self.is_tidy(), "what came before is done first");
        assert!(config.storage == self.config.storage, "messages stay");
        let max = config.max_messages_per_subject;
        let old_max = self.config.max_messages_per_subject;
        if let Some(max) = max.filter(|&max| old_max.is_none_or(|old_max| max < old_max)) {
            self.subject_limit = Some(SubjectLimit::new(max));
        }
        self.ids.set_window(config.duplicate_window_ns);
        self.config = config;
    }

    /// Messages that the last purge or rollup has removed.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed
    }

    /// Begins to remove messages because a client wants it ([`Self::purge`]).
    ///
    /// # Errors
    /// If that is not permitted.
    pub fn purge_by_hand(&mut self, purge: &Purge<'_>) -> Result<(), ApiError> {
        if self.config.sealed {
            return Err(error::STREAM_SEALED);
        }
        if self.config.deny_purge {
            return Err(error::PURGE_NOT_PERMITTED);
        }
        self.purge(purge);
        Ok(())
    }

    /// Removes a message because a client wants it.
    ///
    /// # Errors
    /// If that is not permitted, or if there is none.
    pub fn delete_by_hand(&mut self, sequence: u64) -> Result<(), ApiError> {
        if self.config.sealed {
            return Err(error::STREAM_SEALED);
        }
        if self.config.deny_delete {
            return Err(error::DELETE_NOT_PERMITTED);
        }
        match self.delete(sequence) {
            true => Ok(()),
            false => {
                let sequences = self.log.first()..=self.log.last();
                let storage = self.config.storage;
                Err(error::nothing_to_delete(storage, sequence, sequences))
            }
        }
    }

    /// Removes a message; false if there is none.
    pub fn delete(&mut self, sequence: u64) -> bool {
        self.log.remove(sequence)
    }

    fn exceeds_limits(&self) -> bool {
        let (config, log) = (&self.config, &self.log);
        config.discard == Discard::Old
            && log.count() > 0
            && (config.max_messages.is_some_and(|max| log.count() > max)
                || config.max_bytes.is_some_and(|max| log.bytes() > max))
    }

    /// A message whose time is over.
    fn expired(&mut self, now: WallNanos) -> Option<u64> {
        let of_message = self.lifetimes.first().filter(|(due, _)| *due <= now);
        if let Some((_, sequence)) = of_message {
            return Some(sequence);
        }
        // Those that are kept for ever are passed once.
        while self.lifetimes.is_for_ever(self.oldest()) {
            self.aged_from = self.oldest() + 1;
        }
        self.age_expiry().filter(|due| *due <= now)?;
        Some(self.oldest())
    }

    /// The first message that goes by its age, if there is one.
    fn oldest(&self) -> u64 {
        let from = self.aged_from.max(self.log.first());
        match self.log.next(from, usize::MAX) {
            Ok(sequence) | Err(sequence) => sequence,
        }
    }

    fn age_expiry(&self) -> Option<WallNanos> {
        let max_age_ns = self.config.max_age_ns?;
        let first = self.log.get(self.oldest())?;
        Some(WallNanos(first.time.0.saturating_add(max_age_ns)))
    }

    /// When the time of a message is over.
    #[must_use]
    pub fn next_expiry(&self) -> Option<WallNanos> {
        let of_message = self.lifetimes.first().map(|(due, _)| due);
        self.age_expiry().into_iter().chain(of_message).min()
    }
}
