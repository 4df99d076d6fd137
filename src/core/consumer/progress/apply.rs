//! Changes of progress, made: when they happen, and again when notes are replayed.

use super::{CLOCK_MIN, Pending, Progress};
use crate::base::id::Nanos;
use crate::consumer::config::AckPolicy;
use crate::consumer::notes::{Note, Sequences};

impl Progress {
    /// Makes a change again that was noted.
    pub fn apply(&mut self, note: Note) {
        match note {
            Note::Delivered { at, due } => self.apply_delivered(at, due),
            Note::Redelivered { at, count, due } => {
                let highest = self.delivered.consumer.max(at.consumer);
                self.delivered.consumer = highest;
                let known = self.pending.get(&at.stream).copied();
                if let Some(pending) = known.filter(|known| known.deliveries <= count) {
                    self.redelivered += u64::from(pending.deliveries == 1 && count > 1);
                    let deliveries = count;
                    self.replace(
                        at.stream,
                        pending,
                        Pending {
                            deliveries,
                            due,
                            ..pending
                        },
                    );
                }
            }
            Note::Done(stream) => {
                self.exhausted.remove(&stream);
                if self.forget(stream) {
                    self.raise_floor(0);
                }
            }
            Note::DoneAll(stream) => {
                let rest = self.pending.split_off(&(stream + 1));
                let gone = std::mem::replace(&mut self.pending, rest);
                gone.iter()
                    .for_each(|(&one, pending)| self.unqueue(one, pending));
                self.raise_floor_to(stream.min(self.delivered.stream));
            }
            Note::Due { stream, due } => {
                if let Some(pending) = self.pending.get(&stream).copied() {
                    self.replace(stream, pending, Pending { due, ..pending });
                }
            }
            Note::Exhausted(stream) => {
                self.exhausted.insert(stream);
                if self.forget(stream) {
                    self.raise_floor(0);
                }
            }
            Note::Purged(below) => self.apply_purged(below),
            Note::Reset { stream, until } => {
                let notes = self.notes.take();
                let (policy, redelivery) = (self.policy, self.redelivery.clone());
                *self = Self::new(policy, redelivery, stream.saturating_sub(1), false);
                self.last_ones_until = until;
                self.notes = notes;
            }
        }
    }

    fn apply_delivered(&mut self, at: Sequences, due: Nanos) {
        if at.stream <= self.delivered.stream {
            return;
        }
        self.delivered = at;
        match self.policy {
            AckPolicy::None => self.floor = at,
            AckPolicy::All | AckPolicy::Explicit => {
                let pending = Pending {
                    first: at.consumer,
                    deliveries: 1,
                    due,
                };
                self.pending.insert(at.stream, pending);
                self.by_due.insert((due, at.stream));
            }
        }
    }

    fn apply_purged(&mut self, below: u64) {
        let last = below.saturating_sub(1);
        self.delivered.stream = self.delivered.stream.max(last);
        let rest = self.pending.split_off(&below);
        let gone = std::mem::replace(&mut self.pending, rest);
        gone.iter()
            .for_each(|(&one, pending)| self.unqueue(one, pending));
        self.exhausted = self.exhausted.split_off(&below);
        if last > self.floor.stream {
            self.raise_floor(last);
        }
    }

    /// The floor is just before the next one that is pending.
    fn raise_floor(&mut self, least: u64) {
        let next = self.pending.first_key_value();
        let stream = next.map_or(self.delivered.stream, |(&next, _)| next - 1);
        self.raise_floor_to(stream.max(least));
    }

    fn raise_floor_to(&mut self, stream: u64) {
        let next = self.pending.first_key_value();
        let sequences = next.map_or(self.delivered, |(_, pending)| Sequences {
            consumer: pending.first - 1,
            stream,
        });
        self.floor = Sequences {
            consumer: self.floor.consumer.max(sequences.consumer),
            stream: self.floor.stream.max(sequences.stream),
        };
    }

    pub(super) fn replace(&mut self, stream: u64, older: Pending, newer: Pending) {
        self.by_due.remove(&(older.due, stream));
        self.by_due.insert((newer.due, stream));
        if newer.due < CLOCK_MIN {
            self.place = self.place.max(newer.due.0 + 1);
        }
        self.pending.insert(stream, newer);
    }

    fn forget(&mut self, stream: u64) -> bool {
        let Some(pending) = self.pending.remove(&stream) else {
            return false;
        };
        self.unqueue(stream, &pending);
        true
    }

    fn unqueue(&mut self, stream: u64, pending: &Pending) {
        let was_there = self.by_due.remove(&(pending.due, stream));
        debug_assert!(was_there, "what is pending is due one day");
        self.redelivered -= u64::from(pending.deliveries > 1);
    }
}
