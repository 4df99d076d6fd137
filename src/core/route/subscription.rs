//! Subscriptions of this core, and the lists that patterns keep of them: linked
//! through the subscriptions themselves, so that neither costs an allocation.

use super::cache::Target;
use super::rules::NO_FILTER;
use crate::base::slab::{NONE, Slab};

/// A subscription of a connection of this core.
#[derive(Debug)]
pub struct Subscription {
    /// Slot of the connection.
    pub connection: u32,
    /// Messages delivered since the subscription was made.
    pub delivered: u64,
    /// Total of deliveries after which the subscription ends; zero: never.
    pub delivered_max: u64,
    /// The client's name for the subscription.
    pub sid: Sid,
    /// The set of rights that denies it some of its subjects, or
    /// [`NO_FILTER`].
    pub filter: u16,
    /// Slot of its pattern.
    pub(super) pattern: u32,
    /// Number of its queue's name, or [`NONE`].
    pub(super) queue: u32,
    previous: u32,
    next: u32,
}

/// A client's name for a subscription, with the blank that follows it in every
/// delivery. Nearly all are short numbers, which need no allocation.
#[derive(Debug)]
pub enum Sid {
    /// Length and bytes.
    Inline(u8, [u8; 14]),
    /// A longer one.
    Heap(Box<[u8]>),
}

impl Sid {
    /// Keeps a sid.
    #[must_use]
    pub fn new(sid: &[u8]) -> Self {
        let mut inline = [b' '; 14];
        if sid.len() < inline.len() {
            inline[..sid.len()].copy_from_slice(sid);
            Self::Inline(sid.len() as u8 + 1, inline)
        } else {
            Self::Heap([sid, b" "].concat().into())
        }
    }

    /// The sid and a blank.
    #[must_use]
    #[inline]
    pub fn with_blank(&self) -> &[u8] {
        match self {
            Self::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }

    /// The sid.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let all = self.with_blank();
        &all[..all.len() - 1]
    }
}

impl Subscription {
    /// A subscription that is in no list yet.
    pub(super) fn new(connection: u32, pattern: u32, sid: &[u8]) -> Self {
        Self {
            connection,
            delivered: 0,
            delivered_max: 0,
            sid: Sid::new(sid),
            filter: NO_FILTER,
            pattern,
            queue: NONE,
            previous: NONE,
            next: NONE,
        }
    }
}

/// Subscriptions linked to each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u32,
    /// The connection of the first: a list of one is walked without a look at
    /// its subscription.
    first_connection: u32,
    /// Number of subscriptions.
    pub len: u32,
}

impl List {
    /// The list without subscriptions.
    pub const EMPTY: Self = Self {
        first: NONE,
        first_connection: NONE,
        len: 0,
    };

    /// Adds a subscription that is in no list.
    pub fn push(&mut self, subscriptions: &mut Slab<Subscription>, number: u32) {
        if self.first != NONE {
            subscriptions[self.first].previous = number;
        }
        subscriptions[number].next = self.first;
        self.first = number;
        self.first_connection = subscriptions[number].connection;
        self.len += 1;
    }

    /// Takes a subscription out that is in this list.
    pub fn unlink(&mut self, subscriptions: &mut Slab<Subscription>, number: u32) {
        let (previous, next) = {
            let subscription = &subscriptions[number];
            (subscription.previous, subscription.next)
        };
        if previous == NONE {
            self.first = next;
            let first = subscriptions.get(next);
            self.first_connection = first.map_or(NONE, |first| first.connection);
        } else {
            subscriptions[previous].next = next;
        }
        if next != NONE {
            subscriptions[next].previous = previous;
        }
        self.len -= 1;
    }

    /// Appends the subscriptions as receivers.
    pub fn targets(self, subscriptions: &Slab<Subscription>, into: &mut Vec<Target>) {
        if self.len == 1 {
            into.push(Target {
                connection: self.first_connection,
                subscription: self.first,
            });
            return;
        }
        let mut number = self.first;
        while number != NONE {
            let subscription = &subscriptions[number];
            into.push(Target {
                connection: subscription.connection,
                subscription: number,
            });
            number = subscription.next;
        }
    }
}
