//! Work that is left for later: a turn is short however much a client asks for.
//!
//! Bounds: a connection is in these rows at most once per reason to wait,
//! withdrawals are as large as the subscriptions that they end.
//!
//! Not here: who goes on, and when (`settle`).

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::message::Source;
use super::wide_fan_out::WideFanOut;
use crate::base::id::{AccountId, ConnectionKey, CoreId};
use crate::session::input::Hold;

/// What is left for later.
#[derive(Default)]
pub(super) struct Backlog {
    /// Connections that are held no longer.
    pub released: VecDeque<ConnectionKey>,
    /// Connections whose sockets must be read again: they were held.
    pub resumed: Vec<ConnectionKey>,
    /// Connections that have had their share of a turn.
    pub paused: VecDeque<ConnectionKey>,
    /// Connections whose next message goes to very many.
    pub wide_waiters: VecDeque<ConnectionKey>,
    /// The fan-out over very many that is under way.
    pub wide: Option<Box<WideFanOut>>,
    /// Subscriptions that are being ended.
    pub withdrawals: VecDeque<Withdrawal>,
    /// Subscriptions that were ended since the core was idle.
    pub ended: usize,
    /// The slot from which on connections are yet to be told of new INFO.
    pub announcing: Option<u32>,
}

impl Backlog {
    /// Somebody answers the last message of a publisher: if that is under way to very
    /// many, it is not in vain even if none of them takes it.
    #[cold]
    pub fn note_answer(&mut self, source: Source) {
        if let Some(wide) = &mut self.wide
            && wide.source == source
        {
            wide.delivered = true;
        }
    }

    /// Whether something is left that would need another turn; subscriptions that
    /// end wait for room in the links.
    pub fn has_work(&self, links_are_full: bool) -> bool {
        !self.released.is_empty()
            || !self.resumed.is_empty()
            || !self.paused.is_empty()
            || !self.wide_waiters.is_empty()
            || self.wide.is_some()
            || self.announcing.is_some()
            || (!self.withdrawals.is_empty() && !links_are_full)
    }

    /// Subscriptions that are being ended and are not yet.
    pub fn withdrawn_subscriptions(&self) -> usize {
        let left = self.withdrawals.iter().map(Withdrawal::left);
        left.sum()
    }

    /// Checks that a held connection is in the row that it is to come out of.
    pub fn check_held(&self, key: ConnectionKey, hold: Hold) {
        let is_known = match hold {
            Hold::Over => self.released.contains(&key),
            Hold::Paused => self.paused.contains(&key),
            Hold::Wide => self.wide_waiters.contains(&key),
            Hold::FanOut => self.wide.is_some(),
            Hold::Withdrawing => !self.withdrawals.is_empty(),
            _ => true,
        };
        assert!(is_known, "{key:?} is held for ever: {hold:?}");
    }

    /// Whether messages of a core wait for one of them that is still on its way.
    pub fn blocks_link(&self, from: CoreId) -> bool {
        let link = self.wide.as_ref().and_then(|wide| wide.link());
        link == Some(from)
    }
}

/// Subscriptions that are being ended.
pub(super) struct Withdrawal {
    pub key: ConnectionKey,
    pub account: AccountId,
    /// Of the part that is being worked off.
    pub numbers: Vec<u32>,
    /// The other parts of what was the connection's table.
    pub parts: Vec<HashTable<u32>>,
}

impl Withdrawal {
    /// Subscriptions that are left to be ended.
    pub fn left(&self) -> usize {
        self.numbers.len() + self.parts.iter().map(HashTable::len).sum::<usize>()
    }

    /// Whether none is left.
    pub fn is_over(&self) -> bool {
        self.numbers.is_empty() && self.parts.iter().all(HashTable::is_empty)
    }

    /// The next subscription.
    pub fn pop(&mut self) -> Option<u32> {
        while self.numbers.is_empty() {
            self.numbers.extend(self.parts.pop()?);
        }
        self.numbers.pop()
    }
}
