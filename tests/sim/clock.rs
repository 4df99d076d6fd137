//! The virtual clock: what happens when. Time passes only from event to event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Nanoseconds of virtual time.
pub type Time = u64;

pub const MICROSECOND: Time = 1_000;
pub const MILLISECOND: Time = 1_000_000;

/// Something that is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Event {
    /// A core goes on with its turn, or wakes up; the number says which sleep
    /// this belongs to, so that a late timer wakes nobody.
    Core(usize, u64),
    /// Bytes of a client reach the server's side of its socket.
    Arrive(usize),
    /// A client reads its socket.
    Read(usize),
    /// A client does something.
    Act(usize),
    /// A letter reaches a core's mailbox.
    Letter(usize),
    /// The reload looks again whether all is in order.
    Reload,
}

/// Events in the order of their time, then of their making.
#[derive(Default)]
pub struct Clock {
    now: Time,
    made: u64,
    due: BinaryHeap<Reverse<(Time, u64, Event)>>,
}

impl Clock {
    pub fn now(&self) -> Time {
        self.now
    }

    pub fn after(&mut self, delay: Time, event: Event) {
        self.made += 1;
        self.due
            .push(Reverse((self.now.saturating_add(delay), self.made, event)));
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<Time> {
        self.due.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Lets time pass to the next event.
    pub fn next(&mut self) -> Option<Event> {
        let Reverse((at, _, event)) = self.due.pop()?;
        self.now = at;
        Some(event)
    }
}
