//! Whether a stream takes a message, and what for that is looked at first: clients see
//! the order in the errors that they get (NATS 2.15.3).

use super::config::{Discard, record_bytes};
use super::error::{self, ApiError};
use super::removal::Removal;
use super::requirements::{Requirements, TimeToLive};
use super::stored::New;
use super::{REMOVED_AT_ONCE, Stream};
use crate::base::moment::WallNanos;
use crate::base::shown::quoted;
use crate::subject::pattern::matches;

/// Longest header block.
const HEADER_BYTES_MAX: usize = 65_535;

/// A message that was published.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Its subject.
    pub subject: &'a [u8],
    /// The header block, or nothing.
    pub header: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// When it came.
    pub time: WallNanos,
    /// Whether the server has room for more.
    pub server_has_room: bool,
    /// Whether its account has room for more.
    pub account_has_room: bool,
    /// Whether a consumer wants it; other streams than those of interest do not ask.
    pub is_wanted: bool,
}

/// What became of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It has this sequence.
    Stored(u64),
    /// Nobody wants it: its sequence is used up.
    Skipped(u64),
    /// It was stored before, under this sequence.
    Duplicate(u64),
    /// It is not taken.
    Refused(ApiError),
}

/// What a message replaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rollup {
    /// Nothing.
    Nothing,
    /// All messages of its subject before it.
    Subject,
    /// All messages before it.
    Everything,
}

impl Stream {
    /// Takes a message, or says why not.
    ///
    /// # Panics
    /// If something is left to be removed ([`Stream::is_tidy`]).
    pub fn admit(&mut self, incoming: &Incoming<'_>) -> Admission {
        assert!(self.is_tidy(), "what came before is done first");
        let mut transformed = Vec::new();
        let subject = match &self.config.subject_transform {
            Some(transform) if transform.applies_to(incoming.subject) => {
                transform.apply(incoming.subject, |_| 0, &mut transformed);
                &transformed[..]
            }
            _ => incoming.subject,
        };
        let incoming = Incoming {
            subject,
            ..*incoming
        };
        let required = Requirements::of(incoming.header);
        self.ids.forget(incoming.time, REMOVED_AT_ONCE);
        match self.check(&incoming, &required) {
            Ok(rollup) => self.store(&incoming, &required, rollup),
            Err(admission) => admission,
        }
    }

    fn check(
        &self,
        incoming: &Incoming<'_>,
        required: &Requirements<'_>,
    ) -> Result<Rollup, Admission> {
        self.check_message(incoming, required)
            .and_then(|()| self.check_sequences(incoming, required))
            .map_err(Admission::Refused)?;
        if let Some(sequence) = required.message_id.and_then(|id| self.ids.find(id)) {
            return Err(Admission::Duplicate(sequence));
        }
        if required
            .last_message_id
            .is_some_and(|id| *id != *self.last_id)
        {
            let wrong = error::wrong_last_message_id(&self.last_id);
            return Err(Admission::Refused(wrong));
        }
        let rollup = self.rollup_of(required).map_err(Admission::Refused)?;
        if !incoming.server_has_room {
            return Err(Admission::Refused(error::SERVER_RESOURCES));
        }
        Ok(rollup)
    }

    fn check_message(
        &self,
        incoming: &Incoming<'_>,
        required: &Requirements<'_>,
    ) -> Result<(), ApiError> {
        let len = incoming.header.len() + incoming.payload.len();
        if self.config.sealed {
            return Err(error::STREAM_SEALED);
        }
        let max = self.config.max_message_bytes;
        if max.is_some_and(|max| len as u64 > max) {
            return Err(error::MESSAGE_TOO_LARGE);
        }
        if incoming.header.len() > HEADER_BYTES_MAX {
            return Err(error::HEADER_TOO_LARGE);
        }
        let name = self.config.name.as_bytes();
        if required.stream.is_some_and(|stream| stream != name) {
            return Err(error::OTHER_STREAM);
        }
        match required.time_to_live {
            Some(TimeToLive::Invalid) | None => Ok(()),
            Some(_) if self.config.allow_message_ttl => Ok(()),
            Some(_) => Err(error::TTL_DISABLED),
        }
    }

    fn check_sequences(
        &self,
        incoming: &Incoming<'_>,
        required: &Requirements<'_>,
    ) -> Result<(), ApiError> {
        match (required.last_subject_sequence, required.last_subject) {
            (Some(expected), pattern) => {
                let actual = match pattern {
                    Some(pattern) => self.last_of_pattern(pattern),
                    None => self.log.last_of(incoming.subject).unwrap_or(0),
                };
                if actual != expected {
                    return Err(error::wrong_last_sequence(actual));
                }
            }
            (None, Some(_)) => return Err(error::EXPECTED_SUBJECT_SEQUENCE_MISSING),
            (None, None) => {}
        }
        match required.last_sequence {
            Some(expected) if expected != self.log.last() => {
                Err(error::wrong_last_sequence(self.log.last()))
            }
            _ => Ok(()),
        }
    }

    /// The last message of the subjects of a pattern, or 0.
    fn last_of_pattern(&self, pattern: &[u8]) -> u64 {
        if let Some(last) = self.log.last_of(pattern) {
            return last;
        }
        let subjects = self.log.subjects().iter();
        let matching = subjects.filter(|subject| matches(pattern, &subject.text));
        matching.map(|subject| subject.last).max().unwrap_or(0)
    }

    fn rollup_of(&self, required: &Requirements<'_>) -> Result<Rollup, ApiError> {
        let Some(value) = required.rollup else {
            return Ok(Rollup::Nothing);
        };
        if !self.config.allow_rollup || self.config.deny_purge {
            return Err(error::rollup_failed("rollup not permitted".to_owned()));
        }
        let value = String::from_utf8_lossy(value).to_lowercase();
        match &*value {
            "sub" => Ok(Rollup::Subject),
            "all" => Ok(Rollup::Everything),
            _ => Err(error::rollup_failed(format!(
                "rollup value invalid: {}",
                quoted(&*value)
            ))),
        }
    }

    fn store(
        &mut self,
        incoming: &Incoming<'_>,
        required: &Requirements<'_>,
        rollup: Rollup,
    ) -> Admission {
        if !incoming.is_wanted {
            let sequence = self.log.skip();
            self.last_time = incoming.time;
            self.note_id(required, sequence, incoming.time);
            return Admission::Skipped(sequence);
        }
        if !incoming.account_has_room {
            return Admission::Refused(error::ACCOUNT_RESOURCES);
        }
        if required.time_to_live == Some(TimeToLive::Invalid) {
            return Admission::Refused(error::TTL_INVALID);
        }
        let room = self.make_room(incoming, rollup != Rollup::Nothing);
        if let Err(refused) = room {
            return Admission::Refused(refused);
        }
        let new = New {
            subject: incoming.subject,
            header: incoming.header,
            payload: incoming.payload,
            time: incoming.time,
        };
        let sequence = self.log.append(&new);
        if let Some(lifetime) = required.time_to_live {
            self.lifetimes.note(sequence, incoming.time, lifetime);
        }
        self.last_time = incoming.time;
        self.last_id = required.message_id.unwrap_or_default().into();
        self.note_id(required, sequence, incoming.time);
        self.roll_up(rollup, sequence);
        self.tidy(incoming.time, REMOVED_AT_ONCE);
        Admission::Stored(sequence)
    }

    fn note_id(&mut self, required: &Requirements<'_>, sequence: u64, now: WallNanos) {
        if let Some(id) = required.message_id {
            self.ids.note(id, sequence, now);
        }
    }

    fn roll_up(&mut self, rollup: Rollup, sequence: u64) {
        let stored = self.log.get(sequence).expect("it was just stored");
        self.removal = match rollup {
            Rollup::Nothing => None,
            Rollup::Everything => Some(Removal::before(sequence, None)),
            Rollup::Subject => {
                let subject = &self.log.subjects().get(stored.subject).text;
                Some(Removal::before(sequence, Some(subject)))
            }
        };
    }

    /// Whether there is room for a message; what it takes the place of is removed.
    fn make_room(&mut self, incoming: &Incoming<'_>, is_rollup: bool) -> Result<(), ApiError> {
        let config = &self.config;
        let (header, payload) = (incoming.header.len(), incoming.payload.len());
        let len = record_bytes(config.storage, incoming.subject.len(), header, payload);
        let number = self.log.subjects().find(incoming.subject);
        let of_subject = number.map(|number| self.log.subjects().get(number));
        let max = config.max_messages_per_subject;
        let oldest = of_subject
            .filter(|subject| max.is_some_and(|max| subject.count >= max))
            .map(|subject| subject.first);
        if config.discard == Discard::New {
            if oldest.is_some() && config.discards_new_per_subject && !is_rollup {
                return Err(error::store_failed("maximum messages per subject exceeded"));
            }
            let max = config.max_messages;
            if oldest.is_none() && max.is_some_and(|max| self.log.count() >= max) {
                return Err(error::store_failed("maximum messages exceeded"));
            }
            let replaced = oldest.map_or(0, |oldest| self.log.bytes_at(oldest));
            let bytes = self.log.bytes() - replaced;
            if config.max_bytes.is_some_and(|max| bytes + len > max) {
                return Err(error::store_failed("maximum bytes exceeded"));
            }
        }
        if let Some(oldest) = oldest {
            self.log.remove(oldest);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
