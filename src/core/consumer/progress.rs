//! How far a consumer has come: deliveries, acknowledgements, floors, redeliveries.
//!
//! Every delivery, a repeated one too, has the next consumer sequence. What waits for an
//! acknowledgement is *pending*, under the consumer sequence of its first delivery. The
//! *floor* is the last delivery before which nothing is pending any more.
//!
//! Invariants: floor ≤ every pending ≤ delivered, in both sequences; a message is due
//! for redelivery if and only if it is pending and stands in exactly one of the two
//! queues, by time or at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::Nanos;

/// How messages are acknowledged (ADR-15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AckPolicy {
    /// Not at all.
    None,
    /// With all before them.
    All,
    /// Each on its own.
    Explicit,
}

/// How often, and when again.
#[derive(Clone, Debug)]
pub struct Redelivery {
    /// Nanoseconds that an acknowledgement may take.
    pub ack_wait_ns: u64,
    /// The same by how often a message was redelivered, the last one for all beyond;
    /// empty: always `ack_wait_ns`.
    pub backoff_ns: Vec<u64>,
    /// Most deliveries of a message.
    pub max_deliver: Option<u64>,
}

impl Redelivery {
    fn wait_ns(&self, redeliveries: u64) -> u64 {
        let Some(last) = self.backoff_ns.last() else {
            return self.ack_wait_ns;
        };
        let step = usize::try_from(redeliveries).ok();
        let step = step.and_then(|step| self.backoff_ns.get(step));
        *step.unwrap_or(last)
    }
}

/// A pair of sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sequences {
    /// Of the consumer: deliveries.
    pub consumer: u64,
    /// Of the stream.
    pub stream: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    /// The consumer sequence of its first delivery.
    first: u64,
    deliveries: u64,
    /// When it is due; `NEVER`: at once.
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

/// What an acknowledgement did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acked {
    /// The message waits no more.
    Done,
    /// It did not wait: it was acknowledged before, or never delivered here.
    Already,
    /// It comes only later: nothing is answered.
    NotDelivered,
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
    at_once: BTreeSet<u64>,
}

impl Progress {
    /// Nothing is delivered; the first message is looked for behind this one.
    #[must_use]
    pub fn new(policy: AckPolicy, redelivery: Redelivery, behind: u64) -> Self {
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
            at_once: BTreeSet::new(),
        }
    }

    /// The last delivery of a new message.
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

    /// Those of them that were delivered more than once.
    #[must_use]
    pub fn redelivered_count(&self) -> usize {
        let all = self.pending.values();
        all.filter(|pending| pending.deliveries > 1).count()
    }

    /// A new message is delivered.
    pub fn deliver(&mut self, stream: u64, now: Nanos) -> Delivery {
        assert!(
            stream > self.delivered.stream,
            "new ones come in their order"
        );
        self.delivered = Sequences {
            consumer: self.delivered.consumer + 1,
            stream,
        };
        match self.policy {
            AckPolicy::None => self.floor = self.delivered,
            AckPolicy::All | AckPolicy::Explicit => {
                let due = now.after_ns(self.redelivery.wait_ns(0));
                let first = self.delivered.consumer;
                let pending = Pending {
                    first,
                    deliveries: 1,
                    due,
                };
                self.pending.insert(stream, pending);
                self.by_due.insert((due, stream));
            }
        }
        Delivery {
            sequences: self.delivered,
            count: 1,
        }
    }

    /// When the next message is due again: `NEVER` if none will be.
    #[must_use]
    pub fn next_due(&self) -> Nanos {
        match self.by_due.first() {
            _ if !self.at_once.is_empty() => Nanos(0),
            Some(&(due, _)) => due,
            None => Nanos::NEVER,
        }
    }

    /// The message to be delivered again, if one is due.
    #[must_use]
    pub fn due(&self, now: Nanos) -> Option<u64> {
        let by_time = self.by_due.first().filter(|(due, _)| *due <= now);
        let at_once = self.at_once.first().copied();
        at_once.or(by_time.map(|&(_, stream)| stream))
    }

    /// Delivers the message again that is due; `None` if it has had all its deliveries,
    /// or does not wait: it waits no more.
    pub fn redeliver(&mut self, stream: u64, now: Nanos) -> Option<Delivery> {
        let deliveries = self.pending.get(&stream).map(|pending| pending.deliveries);
        let max = self.redelivery.max_deliver;
        if max.is_some_and(|max| deliveries.is_some_and(|deliveries| deliveries >= max)) {
            self.remove(stream);
            return None;
        }
        let pending = self.take_from_queue(stream)?;
        self.delivered.consumer += 1;
        let count = pending.deliveries + 1;
        self.queue(
            stream,
            Pending {
                deliveries: count,
                due: now.after_ns(self.redelivery.wait_ns(count - 1)),
                ..pending
            },
        );
        let sequences = Sequences {
            consumer: self.delivered.consumer,
            stream,
        };
        Some(Delivery { sequences, count })
    }

    /// Acknowledges a message, and all before it if that is the policy.
    pub fn acknowledge(&mut self, stream: u64) -> Acked {
        if stream > self.delivered.stream {
            return Acked::NotDelivered;
        }
        if self.policy == AckPolicy::All {
            let all: Vec<u64> = self.pending.range(..=stream).map(|(&one, _)| one).collect();
            for one in &all {
                self.remove(*one);
            }
            return match all.is_empty() {
                true => Acked::Already,
                false => Acked::Done,
            };
        }
        match self.remove(stream) {
            true => Acked::Done,
            false => Acked::Already,
        }
    }

    /// A message is to be delivered again: at once, or so many nanoseconds from now.
    /// False if it does not wait.
    pub fn refuse(&mut self, stream: u64, delay_ns: Option<u64>, now: Nanos) -> bool {
        let Some(pending) = self.take_from_queue(stream) else {
            return false;
        };
        let due = match delay_ns {
            None => Nanos::NEVER,
            // The wait of its step, less the first one, comes on top (NATS 2.15).
            Some(delay_ns) => {
                let step_ns = self.redelivery.wait_ns(pending.deliveries - 1);
                let first_ns = self.redelivery.wait_ns(0);
                now.after_ns((delay_ns + step_ns).saturating_sub(first_ns))
            }
        };
        self.queue(stream, Pending { due, ..pending });
        true
    }

    /// Somebody works on a message: its time begins anew. False if it does not wait.
    pub fn in_progress(&mut self, stream: u64, now: Nanos) -> bool {
        let Some(pending) = self.take_from_queue(stream) else {
            return false;
        };
        let due = now.after_ns(self.redelivery.wait_ns(pending.deliveries - 1));
        self.queue(stream, Pending { due, ..pending });
        true
    }

    /// A message is gone, or nobody wants it any more: it waits no more. False if it did
    /// not.
    pub fn terminate(&mut self, stream: u64) -> bool {
        self.remove(stream)
    }

    fn queue(&mut self, stream: u64, pending: Pending) {
        match pending.due {
            Nanos::NEVER => self.at_once.insert(stream),
            due => self.by_due.insert((due, stream)),
        };
        self.pending.insert(stream, pending);
    }

    fn take_from_queue(&mut self, stream: u64) -> Option<Pending> {
        let pending = *self.pending.get(&stream)?;
        let was_there = match pending.due {
            Nanos::NEVER => self.at_once.remove(&stream),
            due => self.by_due.remove(&(due, stream)),
        };
        debug_assert!(was_there, "what is pending is due one day");
        Some(pending)
    }

    fn remove(&mut self, stream: u64) -> bool {
        if self.take_from_queue(stream).is_none() {
            return false;
        }
        self.pending.remove(&stream);
        // Up to just before the next one that is pending.
        self.floor = match self.pending.first_key_value() {
            None => self.delivered,
            Some((&next, pending)) => Sequences {
                consumer: self.floor.consumer.max(pending.first - 1),
                stream: self.floor.stream.max(next - 1),
            },
        };
        true
    }

    /// Checks what must hold; for tests.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        assert_eq!(self.pending.len(), self.by_due.len() + self.at_once.len());
        for (&stream, pending) in &self.pending {
            assert!(self.floor.stream < stream && stream <= self.delivered.stream);
            assert!(self.floor.consumer < pending.first);
            assert!(pending.first <= self.delivered.consumer);
            assert!(pending.deliveries > 0);
        }
        assert!(self.floor.stream <= self.delivered.stream);
        assert!(self.floor.consumer <= self.delivered.consumer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn progress(policy: AckPolicy) -> Progress {
        let redelivery = Redelivery {
            ack_wait_ns: 100,
            backoff_ns: Vec::new(),
            max_deliver: None,
        };
        Progress::new(policy, redelivery, 0)
    }

    fn at(consumer: u64, stream: u64) -> Sequences {
        Sequences { consumer, stream }
    }

    #[test]
    fn the_floor_follows_the_first_that_waits() {
        let mut progress = progress(AckPolicy::Explicit);
        for stream in [1, 2, 5, 6] {
            progress.deliver(stream, Nanos(0));
        }
        assert_eq!(progress.acknowledge(2), Acked::Done);
        assert_eq!(progress.floor(), at(0, 0));
        assert_eq!(progress.acknowledge(1), Acked::Done);
        assert_eq!(progress.floor(), at(2, 4), "just before 5");
        assert_eq!(progress.acknowledge(1), Acked::Already);
        assert_eq!(progress.acknowledge(7), Acked::NotDelivered);
        progress.acknowledge(6);
        progress.acknowledge(5);
        assert_eq!(progress.floor(), progress.delivered());
        assert_eq!(progress.next_due(), Nanos::NEVER);
    }

    #[test]
    fn one_acknowledges_all_before_it_if_that_is_the_policy() {
        let mut all = progress(AckPolicy::All);
        for stream in 1..=5 {
            all.deliver(stream, Nanos(0));
        }
        assert_eq!(all.acknowledge(3), Acked::Done);
        assert_eq!((all.floor(), all.pending_count()), (at(3, 3), 2));
        assert_eq!(all.acknowledge(2), Acked::Already);
        let mut none = progress(AckPolicy::None);
        none.deliver(7, Nanos(0));
        assert_eq!((none.floor(), none.pending_count()), (at(1, 7), 0));
    }

    #[test]
    fn what_nobody_acknowledges_comes_again() {
        let mut progress = progress(AckPolicy::Explicit);
        progress.redelivery.max_deliver = Some(3);
        progress.redelivery.backoff_ns = vec![100, 300];
        progress.deliver(1, Nanos(0));
        progress.deliver(2, Nanos(10));
        assert_eq!(
            (progress.due(Nanos(99)), progress.next_due()),
            (None, Nanos(100))
        );
        assert_eq!(progress.due(Nanos(100)), Some(1));
        let again = progress.redeliver(1, Nanos(100));
        let expected = Delivery {
            sequences: at(3, 1),
            count: 2,
        };
        assert_eq!(again, Some(expected));
        assert_eq!(progress.next_due(), Nanos(110));
        progress.acknowledge(2);
        assert_eq!(progress.next_due(), Nanos(400), "the second wait");
        assert_eq!(
            progress.redeliver(1, Nanos(400)).map(|one| one.count),
            Some(3)
        );
        assert_eq!(progress.redeliver(1, Nanos(700)), None, "it has had all");
        assert_eq!((progress.pending_count(), progress.floor()), (0, at(4, 2)));
    }

    #[test]
    fn refused_ones_come_at_once_or_later() {
        let mut progress = progress(AckPolicy::Explicit);
        for stream in 1..=3 {
            progress.deliver(stream, Nanos(0));
        }
        assert!(progress.refuse(3, None, Nanos(5)));
        assert!(progress.refuse(1, Some(50), Nanos(5)));
        assert!(!progress.refuse(9, None, Nanos(5)));
        assert_eq!(progress.due(Nanos(5)), Some(3));
        progress.redeliver(3, Nanos(5));
        assert_eq!(progress.due(Nanos(54)), None);
        assert_eq!(progress.due(Nanos(55)), Some(1));
        assert!(progress.in_progress(1, Nanos(55)));
        assert_eq!(progress.due(Nanos(100)), Some(2));
        assert!(progress.terminate(2));
        assert_eq!(progress.next_due(), Nanos(105));
        assert_eq!(progress.redelivered_count(), 1);
    }

    #[test]
    fn it_agrees_with_a_naive_list() {
        for seed in 0..60 {
            let mut rng = Rng::new(seed);
            let mut progress = progress(AckPolicy::Explicit);
            let mut waiting: BTreeMap<u64, u64> = BTreeMap::new();
            let (mut last, mut sent) = (0, 0);
            for now in 0..600 {
                let stream = 1 + rng.below(last + 2);
                match rng.below(8) {
                    0..3 => {
                        last += 1 + rng.below(3);
                        sent += 1;
                        let delivery = progress.deliver(last, Nanos(now));
                        assert_eq!(delivery.sequences, at(sent, last));
                        waiting.insert(last, 1);
                    }
                    3..5 => {
                        let acked = progress.acknowledge(stream);
                        let expected = match waiting.remove(&stream) {
                            Some(_) => Acked::Done,
                            None if stream > last => Acked::NotDelivered,
                            None => Acked::Already,
                        };
                        assert_eq!(acked, expected);
                    }
                    5 => {
                        let delay = [None, Some(rng.below(50))][usize::from(rng.below(2) == 0)];
                        let is_waiting = waiting.contains_key(&stream);
                        assert_eq!(progress.refuse(stream, delay, Nanos(now)), is_waiting);
                    }
                    6 => {
                        let is_waiting = waiting.contains_key(&stream);
                        assert_eq!(progress.in_progress(stream, Nanos(now)), is_waiting);
                    }
                    _ => {
                        if let Some(due) = progress.due(Nanos(now)) {
                            sent += 1;
                            let count = waiting.get_mut(&due).expect("it waits");
                            *count += 1;
                            let delivery = progress.redeliver(due, Nanos(now));
                            let expected = Delivery {
                                sequences: at(sent, due),
                                count: *count,
                            };
                            assert_eq!(delivery, Some(expected));
                        }
                    }
                }
                progress.check_invariants();
                assert_eq!(progress.pending_count(), waiting.len());
                let first = waiting.keys().next();
                let floor = first.map_or(last, |first| first - 1);
                assert!(progress.floor().stream <= floor);
                assert!(!waiting.is_empty() || progress.floor().stream == last || sent == 0);
            }
        }
    }
}
