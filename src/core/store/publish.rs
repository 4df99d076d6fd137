//! Messages into streams.

use std::sync::Arc;

use super::entry::Waiting;
use super::fact::{Fact, Visible};
use super::records::{MESSAGE, USED};
use super::{Gated, Store};
use crate::base::limits::WAITING_BYTES_MAX;
use crate::base::moment::WallNanos;
use crate::format::record::{self, Kind, Record};
use crate::journal::{Lsn, Refusal};
use crate::stream::admit::{Admission, Incoming};
use crate::stream::error::{self, ApiError};

/// A message that was published to a subject of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// Its subject.
    pub subject: &'a [u8],
    /// Where its publisher waits for an answer, or nothing.
    pub reply: &'a [u8],
    /// The header block, or nothing.
    pub header: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// What a transform may add to a subject, in bytes.
const SUBJECT_GROWTH_MAX: usize = 4096;

impl Store {
    /// Takes a message for a stream; what becomes of it is told later ([`Fact::Published`]).
    pub fn publish(&mut self, slot: u32, message: &Published<'_>, now: WallNanos) {
        let Some(entry) = self.streams.get_mut(slot) else {
            // It was deleted while the message was on its way.
            return;
        };
        if !entry.is_busy() {
            return self.publish_now(slot, message, now);
        }
        let len = message.header.len() + message.payload.len() + message.subject.len();
        if entry.waiting_bytes + len > WAITING_BYTES_MAX {
            return self.tell_refused(slot, message, error::TOO_MANY_REQUESTS);
        }
        entry.waiting_bytes += len;
        entry.waiting.push_back(Waiting::Message {
            subject: message.subject.into(),
            reply: message.reply.into(),
            header: message.header.into(),
            payload: message.payload.into(),
        });
    }

    pub(super) fn publish_now(&mut self, slot: u32, message: &Published<'_>, now: WallNanos) {
        let has_room = !self.is_disk_full;
        let is_wanted = self.is_wanted(slot, message.subject);
        let entry = &mut self.streams[slot];
        let is_durable = entry.is_durable();
        if is_durable {
            let (subject, payload) = (message.subject.len(), message.payload.len());
            let subject = subject + SUBJECT_GROWTH_MAX;
            let len = record::encoded_len(subject, message.header.len(), payload);
            if let Err(refusal) = self.journal.check_room(len) {
                return self.tell_refused(slot, message, error_of(refusal));
            }
        }
        let admission = entry.stream.admit(&Incoming {
            subject: message.subject,
            header: message.header,
            payload: message.payload,
            time: now,
            server_has_room: has_room || !is_durable,
            account_has_room: true,
            is_wanted,
        });
        let sequence = match admission {
            Admission::Stored(sequence) => {
                if is_durable {
                    self.write_message(slot, sequence, message);
                }
                Some(sequence)
            }
            Admission::Skipped(sequence) => {
                self.write_used(slot, now);
                Some(sequence)
            }
            Admission::Duplicate(_) | Admission::Refused(_) => None,
        };
        let id = self.streams[slot].id;
        let visible = sequence.map(|sequence| Visible { slot, id, sequence });
        self.after_change(slot);
        self.tell_published(slot, message, admission, visible);
    }

    fn write_message(&mut self, slot: u32, sequence: u64, message: &Published<'_>) {
        let entry = &mut self.streams[slot];
        let log = entry.stream.log();
        let Some(stored) = log.get(sequence) else {
            // Larger than all that the stream may hold.
            return self.write_used(slot, WallNanos(0));
        };
        let record = Record {
            kind: MESSAGE,
            stream: entry.id,
            sequence,
            time: stored.time,
            subject: &log.subjects().get(stored.subject).text,
            header: message.header,
            payload: message.payload,
        };
        let len = record.encoded_len() as u64;
        let appended = self
            .journal
            .append(&record)
            .expect("there is room, see above");
        entry.stream.set_position(sequence, appended.position);
        self.add_live(appended.position, len);
    }

    /// Writes that all sequences up to the last one are used.
    pub(super) fn write_used(&mut self, slot: u32, time: WallNanos) {
        let sequence = self.streams[slot].stream.log().last();
        self.write_note(slot, USED, sequence, time, b"");
    }

    /// Writes a record of a stream that is no message. What is known to be small and there
    /// is no room for now finds room later: it is appended beyond the bound.
    pub(super) fn write_note(
        &mut self,
        slot: u32,
        kind: Kind,
        sequence: u64,
        time: WallNanos,
        payload: &[u8],
    ) -> Option<u64> {
        let entry = &self.streams[slot];
        if !entry.is_durable() {
            return None;
        }
        let record = Record {
            kind,
            stream: entry.id,
            sequence,
            time,
            subject: b"",
            header: b"",
            payload,
        };
        self.journal
            .append_note(&record)
            .map(|appended| appended.position)
    }

    fn tell_published(
        &mut self,
        slot: u32,
        message: &Published<'_>,
        admission: Admission,
        visible: Option<Visible>,
    ) {
        let entry = &self.streams[slot];
        let is_answered = !message.reply.is_empty() && !entry.stream.config().no_ack;
        let fact = is_answered.then(|| Fact::Published {
            account: entry.account,
            reply: message.reply.into(),
            stream: Arc::clone(&entry.name),
            admission,
        });
        let lsn = match entry.is_durable() {
            // Nothing is durable any more, and that may be told.
            true if self.journal.is_frozen() && visible.is_none() => self.journal.committed(),
            true => self.journal.appended(),
            false => Lsn(0),
        };
        self.gate(Gated { lsn, visible, fact });
    }

    fn tell_refused(&mut self, slot: u32, message: &Published<'_>, error: ApiError) {
        self.tell_published(slot, message, Admission::Refused(error), None);
    }
}

fn error_of(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Full => error::TOO_MANY_REQUESTS,
        Refusal::TooLarge => error::store_failed("message is too large for the store"),
        Refusal::Frozen => error::store_failed("the store has failed, see the log"),
    }
}
