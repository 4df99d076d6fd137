//! What takes many steps, and what time does to streams: a piece at a time.

use super::entry::Waiting;
use super::publish::Published;
use super::{Fact, Store, Ticket};
use crate::base::id::Nanos;
use crate::base::moment::{Moment, WallNanos};

/// Messages that are removed of a stream at a time.
const STEPS_AT_ONCE: usize = 512;

/// What waited that goes on at a time.
const WAITERS_AT_ONCE: usize = 64;

impl Store {
    /// Has somebody go on when a stream is not busy any more ([`Fact::Resume`]).
    pub fn when_idle(&mut self, slot: u32, ticket: Ticket) {
        match self.streams.get_mut(slot) {
            Some(entry) if entry.is_busy() => {
                entry.waiting.push_back(Waiting::Somebody(ticket));
                self.after_change(slot);
            }
            _ => self.ready.push_back(Fact::Resume(ticket)),
        }
    }

    /// Whether [`Self::step`] has something to do.
    #[must_use]
    pub fn is_due(&self, now: Moment) -> bool {
        !self.untidy.is_empty()
            || self.next_expiry().is_some_and(|due| due <= now.wall)
            || self.next_due() <= now.mono
    }

    /// When a consumer has something to do because of the time.
    #[must_use]
    pub fn next_due(&self) -> Nanos {
        self.dues.first().map_or(Nanos::NEVER, |&(due, _)| due)
    }

    /// Goes on with streams that have something to remove: a piece of each of so many.
    pub fn step(&mut self, now: Moment) {
        self.wake_due(now.mono);
        let now = now.wall;
        self.expire(now);
        for _ in 0..self.untidy.len().min(4) {
            let Some(slot) = self.untidy.pop_front() else {
                break;
            };
            self.streams[slot].is_untidy = false;
            self.step_stream(slot, now);
        }
    }

    fn step_stream(&mut self, slot: u32, now: WallNanos) {
        if !self.streams[slot].stream.is_tidy() {
            self.streams[slot].stream.tidy(now, STEPS_AT_ONCE);
            self.after_removal(slot, true);
        }
        let entry = &mut self.streams[slot];
        if entry.is_purging && entry.stream.is_tidy() {
            entry.is_purging = false;
            let log = entry.stream.log();
            if log.count() == 0 {
                // Sequences before which nothing is used any more.
                entry.visible = entry.visible.max(log.last());
                self.write_used(slot, WallNanos(0));
            }
            self.tell_purged(slot);
        }
        self.sweep(slot);
        for _ in 0..WAITERS_AT_ONCE {
            let entry = &mut self.streams[slot];
            if !entry.stream.is_tidy() || entry.sweep.is_some() {
                break;
            }
            match entry.waiting.pop_front() {
                Some(Waiting::Somebody(ticket)) => {
                    // It may begin the next removal: whoever comes behind it waits for that.
                    self.ready.push_back(Fact::Resume(ticket));
                    break;
                }
                Some(Waiting::Message {
                    subject,
                    reply,
                    header,
                    payload,
                }) => {
                    entry.waiting_bytes -= header.len() + payload.len() + subject.len();
                    let message = Published {
                        subject: &subject,
                        reply: &reply,
                        header: &header,
                        payload: &payload,
                    };
                    self.publish_now(slot, &message, now);
                }
                None => break,
            }
        }
        self.after_change(slot);
    }

    /// Removes messages that no consumer needs: a piece of the stream is looked at.
    fn sweep(&mut self, slot: u32) {
        let Some(mut cursor) = self.streams[slot].sweep.take() else {
            return;
        };
        for _ in 0..STEPS_AT_ONCE {
            let log = self.streams[slot].stream.log();
            match log.next(cursor, 64) {
                Ok(sequence) => {
                    cursor = sequence + 1;
                    if !self.is_needed(slot, sequence) {
                        self.streams[slot].stream.delete(sequence);
                    }
                }
                Err(go_on) if go_on <= log.last() => cursor = go_on,
                Err(_) => return,
            }
        }
        self.streams[slot].sweep = Some(cursor);
    }

    /// Removes what is too old, of each stream a piece.
    fn expire(&mut self, now: WallNanos) {
        while let Some(&(due, slot)) = self.expiries.first()
            && due <= now
        {
            self.expiries.pop_first();
            let entry = &mut self.streams[slot];
            entry.expiry = None;
            if entry.stream.is_tidy() {
                entry.stream.tidy(now, STEPS_AT_ONCE);
            }
            self.after_change(slot);
            if self.expiries.first().is_some_and(|&(_, next)| next == slot) {
                // The rest of it is for the next step.
                return;
            }
        }
    }

    /// Notes when the first message of a stream will be too old.
    pub(super) fn schedule_expiry(&mut self, slot: u32) {
        let entry = &mut self.streams[slot];
        let due = entry.stream.next_expiry();
        if due == entry.expiry {
            return;
        }
        if let Some(before) = entry.expiry {
            self.expiries.remove(&(before, slot));
        }
        entry.expiry = due;
        if let Some(due) = due {
            self.expiries.insert((due, slot));
        }
    }

    /// When [`Self::step`] has something to do because of the time.
    #[must_use]
    pub fn next_expiry(&self) -> Option<WallNanos> {
        self.expiries.first().map(|&(due, _)| due)
    }
}
