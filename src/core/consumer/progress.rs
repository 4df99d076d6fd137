//! How far a consumer has come: deliveries, acknowledgements, floors, redeliveries.
//!
//! Every delivery, a repeated one too, has the next consumer sequence. What waits for an
//! acknowledgement is *pending*, under the consumer sequence of its first delivery. The
//! *floor* is the last delivery before which nothing is pending any more. What has had
//! all its deliveries is *exhausted*: it waits no more, but the stream keeps it.
//!
//! Every change is a [`Note`] that is applied and kept, so replaying notes is the same
//! code as living. Times are those of a clock that was set from the wall clock when the
//! consumer was loaded and never jumps, so waits go on after a restart.
//!
//! Invariants: floor ≤ every pending ≤ delivered, in both sequences; what is pending
//! stands once in the queue by time, in which what is due at once comes first, in the
//! order in which it was refused.

use std::collections::{BTreeMap, BTreeSet};

use super::config::{AckPolicy, Redelivery};
use super::notes::{Note, Sequences};
use crate::base::id::Nanos;

mod apply;
mod snapshot;

/// Times before this are no times but places in the queue of what is due at once. No
/// clock that was set shows so early a time (of January 1970).
pub const CLOCK_MIN: Nanos = Nanos(1 << 50);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Pending {
    /// The consumer sequence of its first delivery.
    first: u64,
    deliveries: u64,
    /// When it is due; before `CLOCK_MIN`: at once.
    due: Nanos,
}

/// A delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its sequences.
    pub sequences: Sequences,
    /// How often the message has been delivered, this time included.
    pub count: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Progress {
    policy: AckPolicy,
    redelivery: Redelivery,
    delivered: Sequences,
    floor: Sequences,
    /// By stream sequence.
    pending: BTreeMap<u64, Pending>,
    by_due: BTreeSet<(Nanos, u64)>,
    /// No more than the stream has messages: they go with them.
    exhausted: BTreeSet<u64>,
    /// Pending ones that were delivered more than once.
    redelivered: u64,
    /// The next place in the queue of what is due at once.
    place: u64,
    /// Up to where it began with the last messages of all subjects, or 0.
    last_ones_until: u64,
    /// What has changed, unless nobody wants to know.
    notes: Option<Vec<u8>>,
}

impl Progress {
    /// Nothing is delivered; the first message is looked for behind this one.
    #[must_use]
    pub fn new(policy: AckPolicy, redelivery: Redelivery, behind: u64, keeps_notes: bool) -> Self {
        let begin = Sequences {
            consumer: 0,
            stream: behind,
        };
        Self {
            policy,
            redelivery,
            delivered: begin,
            floor: begin,
            pending: BTreeMap::new(),
            by_due: BTreeSet::new(),
            exhausted: BTreeSet::new(),
            redelivered: 0,
            place: 1,
            last_ones_until: 0,
            notes: keeps_notes.then(Vec::new),
        }
    }

    /// Up to where it begins with the last messages of all subjects, or 0.
    #[must_use]
    pub fn last_ones_until(&self) -> u64 {
        self.last_ones_until
    }

    /// It begins with the last messages of all subjects, up to a sequence.
    pub fn set_last_ones_until(&mut self, until: u64) {
        self.last_ones_until = until;
    }

    /// The last delivery.
    #[must_use]
    pub fn delivered(&self) -> Sequences {
        self.delivered
    }

    /// The floor.
    #[must_use]
    pub fn floor(&self) -> Sequences {
        self.floor
    }

    /// Messages that wait for an acknowledgement.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// Messages that were delivered more than once, or as often as they may, and that
    /// are not acknowledged.
    #[must_use]
    pub fn redelivered_count(&self) -> u64 {
        match self.redelivery.max_deliver {
            Some(1) => 0,
            _ => self.redelivered + self.exhausted.len() as u64,
        }
    }

    /// Whether a message waits for an acknowledgement.
    #[must_use]
    pub fn is_pending(&self, stream: u64) -> bool {
        self.pending.contains_key(&stream)
    }

    /// Whether a message has had all its deliveries.
    #[must_use]
    pub fn is_exhausted(&self, stream: u64) -> bool {
        self.exhausted.contains(&stream)
    }

    /// How often a pending message was delivered, and under which consumer sequence
    /// first.
    #[must_use]
    pub fn deliveries(&self, stream: u64) -> Option<(u64, u64)> {
        let pending = self.pending.get(&stream)?;
        Some((pending.deliveries, pending.first))
    }

    /// Nanoseconds since a pending message was delivered last, as far as it shows.
    #[must_use]
    pub fn age_ns(&self, stream: u64, now: Nanos) -> Option<u64> {
        let pending = self.pending.get(&stream)?;
        let left_ns = pending.due.since_ns(now);
        Some(self.wait_ns(pending.deliveries).saturating_sub(left_ns))
    }

    /// A new message is delivered.
    ///
    /// # Panics
    /// If it does not come behind the last one.
    pub fn deliver(&mut self, stream: u64, now: Nanos) -> Delivery {
        assert!(
            stream > self.delivered.stream,
            "new ones come in their order"
        );
        let at = Sequences {
            consumer: self.delivered.consumer + 1,
            stream,
        };
        let due = match self.policy {
            AckPolicy::None => Nanos(0),
            AckPolicy::All | AckPolicy::Explicit => self.due_after(now, 1),
        };
        self.record(Note::Delivered { at, due });
        Delivery {
            sequences: at,
            count: 1,
        }
    }

    /// When the next message is due again: `NEVER` if none will be.
    #[must_use]
    pub fn next_due(&self) -> Nanos {
        self.by_due.first().map_or(Nanos::NEVER, |&(due, _)| due)
    }

    /// When the last message is due.
    #[must_use]
    pub fn last_due(&self) -> Option<Nanos> {
        self.by_due.last().map(|&(due, _)| due)
    }

    /// The message to be delivered again, if one is due.
    #[must_use]
    pub fn due(&self, now: Nanos) -> Option<u64> {
        let first = self.by_due.first().filter(|(due, _)| *due <= now);
        first.map(|&(_, stream)| stream)
    }

    /// Number of messages that are due, counted up to a bound.
    #[must_use]
    pub fn due_count(&self, now: Nanos, max: usize) -> usize {
        let due = self.by_due.range(..=(now, u64::MAX));
        due.take(max).count()
    }

    /// Whether a message that is due has had all its deliveries: `is_attempt` if it would
    /// be delivered now, and not only looked at because its time is over (NATS 2.15).
    #[must_use]
    pub fn has_had_all(&self, stream: u64, is_attempt: bool) -> bool {
        let (Some(max), Some(pending)) = (self.redelivery.max_deliver, self.pending.get(&stream))
        else {
            return false;
        };
        match is_attempt {
            true => pending.deliveries >= max,
            false => (pending.deliveries - 1).max(1) >= max,
        }
    }

    /// A message has had all its deliveries: it waits no more. Returns how many these
    /// were.
    pub fn exhaust(&mut self, stream: u64) -> u64 {
        let deliveries = self.deliveries(stream).map_or(0, |(count, _)| count);
        self.record(Note::Exhausted(stream));
        deliveries
    }

    /// Delivers a pending message again.
    ///
    /// # Panics
    /// If it is not pending.
    pub fn redeliver(&mut self, stream: u64, now: Nanos) -> Delivery {
        let (deliveries, _) = self.deliveries(stream).expect("it is pending");
        let count = deliveries + 1;
        let at = Sequences {
            consumer: self.delivered.consumer + 1,
            stream,
        };
        let due = self.due_after(now, count);
        self.record(Note::Redelivered { at, count, due });
        Delivery {
            sequences: at,
            count,
        }
    }

    /// Acknowledges a message, and all before it if that is the policy; those that are
    /// done now are told. False if there was nothing to acknowledge.
    pub fn acknowledge(&mut self, stream: u64, mut done: impl FnMut(u64)) -> bool {
        if self.policy == AckPolicy::All {
            let all = self.pending.range(..=stream);
            let before = self.pending.len();
            all.for_each(|(&one, _)| done(one));
            // Nothing that comes later.
            let stream = stream.min(self.delivered.stream);
            if stream > self.floor.stream {
                self.record(Note::DoneAll(stream));
            }
            return self.pending.len() < before;
        }
        let is_known = self.is_pending(stream) || self.is_exhausted(stream);
        if is_known {
            done(stream);
            self.record(Note::Done(stream));
        }
        is_known
    }

    /// A message is to be delivered again: at once, or so many nanoseconds from now.
    /// False if it does not wait.
    pub fn refuse(&mut self, stream: u64, delay_ns: Option<u64>, now: Nanos) -> bool {
        let Some(pending) = self.pending.get(&stream) else {
            return false;
        };
        let due = match delay_ns {
            None if pending.due <= now => return true,
            None => Nanos(self.place),
            // The wait of its step, less the first one, comes on top (NATS 2.15).
            Some(delay_ns) => {
                let step_ns = self.wait_ns(pending.deliveries);
                let ns = delay_ns.saturating_add(step_ns);
                now.after_ns(ns.saturating_sub(self.wait_ns(1)))
            }
        };
        self.record(Note::Due { stream, due });
        true
    }

    /// Somebody works on a message: its time begins anew, unless it is over. False if it
    /// does not wait.
    pub fn in_progress(&mut self, stream: u64, now: Nanos) -> bool {
        let Some(pending) = self.pending.get(&stream) else {
            return false;
        };
        if pending.due > now {
            let due = self.due_after(now, pending.deliveries);
            self.record(Note::Due { stream, due });
        }
        true
    }

    /// A message is gone, or nobody wants it any more. False if it did not wait.
    pub fn terminate(&mut self, stream: u64) -> bool {
        let was_pending = self.is_pending(stream);
        if was_pending || self.is_exhausted(stream) {
            self.record(Note::Done(stream));
        }
        was_pending
    }

    /// Everything before a sequence is gone.
    pub fn purge(&mut self, below: u64) {
        self.record(Note::Purged(below));
    }

    /// Begins anew with a message; up to `until` with the last ones of all subjects.
    pub fn reset(&mut self, stream: u64, until: u64) {
        self.record(Note::Reset { stream, until });
    }

    /// All that is pending is due at once.
    pub fn refuse_all(&mut self) {
        let all: Vec<u64> = self.pending.keys().copied().collect();
        for stream in all {
            let due = Nanos(self.place);
            self.record(Note::Due { stream, due });
        }
    }

    /// Other waits: what is pending is due accordingly.
    pub fn set_redelivery(&mut self, redelivery: Redelivery) {
        let older = std::mem::replace(&mut self.redelivery, redelivery);
        if older.ack_wait_ns == self.redelivery.ack_wait_ns
            && older.backoff_ns == self.redelivery.backoff_ns
        {
            return;
        }
        let pending = self
            .pending
            .iter()
            .map(|(&stream, pending)| (stream, *pending));
        let all: Vec<(u64, Pending)> = pending.collect();
        for (stream, pending) in all.into_iter().filter(|(_, one)| one.due >= CLOCK_MIN) {
            let sent_ns = pending
                .due
                .0
                .saturating_sub(wait_ns(&older, pending.deliveries));
            let due = self
                .due_after(Nanos(sent_ns), pending.deliveries)
                .max(CLOCK_MIN);
            self.record(Note::Due { stream, due });
        }
    }

    fn wait_ns(&self, deliveries: u64) -> u64 {
        wait_ns(&self.redelivery, deliveries)
    }

    fn due_after(&self, now: Nanos, deliveries: u64) -> Nanos {
        match self.wait_ns(deliveries) {
            0 => Nanos::NEVER,
            ns => now.after_ns(ns),
        }
    }

    fn record(&mut self, note: Note) {
        self.apply(note);
        if let Some(notes) = &mut self.notes {
            note.encode(notes);
        }
    }

    /// What has changed since this was asked last.
    pub fn take_notes(&mut self) -> Vec<u8> {
        self.notes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether something has changed since then.
    #[must_use]
    pub fn has_notes(&self) -> bool {
        self.notes.as_ref().is_some_and(|notes| !notes.is_empty())
    }
}

/// Nanoseconds that a message waits after so many deliveries.
fn wait_ns(redelivery: &Redelivery, deliveries: u64) -> u64 {
    let Some(last) = redelivery.backoff_ns.last() else {
        return redelivery.ack_wait_ns;
    };
    let step = usize::try_from(deliveries.saturating_sub(1)).ok();
    let step = step.and_then(|step| redelivery.backoff_ns.get(step));
    *step.unwrap_or(last)
}

/// For tests.
impl Progress {
    /// Checks what must hold; for tests.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        assert_eq!(self.pending.len(), self.by_due.len());
        for (&stream, pending) in &self.pending {
            assert!(self.floor.stream < stream && stream <= self.delivered.stream);
            assert!(self.floor.consumer < pending.first);
            assert!(pending.first <= self.delivered.consumer);
            assert!(self.by_due.contains(&(pending.due, stream)));
        }
        let redelivered = self.pending.values();
        let redelivered = redelivered.filter(|pending| pending.deliveries > 1);
        assert_eq!(redelivered.count() as u64, self.redelivered);
        assert!(self.floor.stream <= self.delivered.stream);
        assert!(self.floor.consumer <= self.delivered.consumer);
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
