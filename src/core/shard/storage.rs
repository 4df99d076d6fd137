//! The stores of a core as a part of its shard: which streams are here, what waits for
//! them, and on core 0 the names of all streams.
//!
//! A stream and its consumers live in one partition of the store, which follows from its
//! account's name and its own; a partition is on one core. So every core knows where a
//! request goes, without asking. What concerns all streams of an account, their names
//! and whose subjects are whose, core 0 knows: the *registrar*.
//!
//! Not here: the way of a message into a store (`storing`), of a request to it
//! (`errands`), what is answered (`requests`).

use std::collections::BTreeMap;

use crate::base::id::{AccountId, CoreId};
use crate::store::{Store, Ticket};

use super::errand::Errand;

/// The stores of a core.
#[derive(Default)]
pub(super) struct Storage {
    /// Number of all partitions; none: nothing is stored.
    pub partitions: u16,
    /// Those of this core.
    pub stores: Vec<Store>,
    /// All streams, on core 0.
    pub registrar: Registrar,
    /// What waits for a store.
    pub suspended: BTreeMap<Ticket, Errand>,
    next_ticket: u64,
}

impl Storage {
    /// Whether anything can be stored.
    pub fn is_on(&self) -> bool {
        self.partitions > 0
    }

    /// The partition of a stream.
    pub fn partition_of(&self, account_name: &str, stream: &[u8]) -> u16 {
        let hash = crc32c::crc32c(account_name.as_bytes());
        let hash = crc32c::crc32c_append(hash, b"\0");
        let hash = crc32c::crc32c_append(hash, stream);
        let partition = hash % u32::from(self.partitions.max(1));
        u16::try_from(partition).unwrap_or(0)
    }

    /// The core of a partition.
    pub fn core_of(partition: u16, cores: usize) -> CoreId {
        CoreId::at(usize::from(partition) % cores)
    }

    /// Which of the stores of its core a partition is.
    pub fn store_of(partition: u16, cores: usize) -> usize {
        usize::from(partition) / cores
    }

    /// Has an errand wait.
    pub fn suspend(&mut self, errand: Errand) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.suspended.insert(ticket, errand);
        ticket
    }

    /// Whether something is left that would need another turn.
    pub fn has_work(&self) -> bool {
        self.stores.iter().any(Store::has_work)
    }
}

/// A stream as the registrar knows it.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The patterns whose messages it takes.
    pub subjects: Vec<Box<str>>,
}

/// The streams of all accounts, by name.
#[derive(Default)]
pub(super) struct Registrar {
    pub accounts: BTreeMap<AccountId, BTreeMap<Box<str>, Registered>>,
}

impl Registrar {
    /// The streams of an account.
    pub fn streams(&self, account: AccountId) -> impl Iterator<Item = (&str, &Registered)> {
        let streams = self.accounts.get(&account).into_iter().flatten();
        streams.map(|(name, registered)| (&**name, registered))
    }

    /// The stream of an account that has a name.
    pub fn get(&self, account: AccountId, name: &str) -> Option<&Registered> {
        self.accounts.get(&account)?.get(name)
    }

    /// A stream has come, or takes other subjects.
    pub fn set(&mut self, account: AccountId, name: &str, registered: Registered) {
        let streams = self.accounts.entry(account).or_default();
        streams.insert(name.into(), registered);
    }

    /// A stream is gone.
    pub fn remove(&mut self, account: AccountId, name: &str) {
        if let Some(streams) = self.accounts.get_mut(&account) {
            streams.remove(name);
            if streams.is_empty() {
                self.accounts.remove(&account);
            }
        }
    }
}
