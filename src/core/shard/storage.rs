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

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::id::{AccountId, ConnectionKey, CoreId, Nanos};
use crate::base::slab::NONE;
use crate::store::{Delivery, Fact, Store, Ticket};

use super::errand::Errand;
use super::get::Get;
use crate::subject::pattern::overlap;

/// The stores of a core.
pub(super) struct Storage {
    /// Number of all partitions; none: nothing is stored.
    pub partitions: u16,
    /// Those of this core.
    pub stores: Vec<Store>,
    /// All streams, on core 0.
    pub registrar: Registrar,
    /// What may be told that depends on no store.
    pub told: VecDeque<Fact>,
    /// What waits for a store.
    pub suspended: BTreeMap<Ticket, Suspended>,
    next_ticket: u64,
    /// Consumers that wait for receivers, and until when at most.
    pub stalled: BTreeMap<ConnectionKey, Nanos>,
    /// Consumers that send to subjects, by store and slot.
    pub pushes: BTreeSet<(usize, u32)>,
    /// Changes of interest of which they have heard.
    pub interest_changes: u64,
    /// The place of the route of the last message that a consumer has sent.
    pub last_route: u32,
    /// Buffers.
    pub delivery: Delivery,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            partitions: 0,
            stores: Vec::new(),
            registrar: Registrar::default(),
            told: VecDeque::new(),
            suspended: BTreeMap::new(),
            next_ticket: 0,
            stalled: BTreeMap::new(),
            pushes: BTreeSet::new(),
            interest_changes: 0,
            last_route: NONE,
            delivery: Delivery::default(),
        }
    }
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

    /// Which store of this core has a stream, if it is here, and its slot there.
    pub fn find(
        &self,
        account: AccountId,
        account_name: &str,
        stream: &str,
        cores: usize,
    ) -> Option<(usize, u32)> {
        let at = Self::store_of(self.partition_of(account_name, stream.as_bytes()), cores);
        let slot = self.stores.get(at)?.find(account, stream)?;
        Some((at, slot))
    }

    /// Has something wait.
    pub fn suspend(&mut self, suspended: Suspended) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.suspended.insert(ticket, suspended);
        ticket
    }

    /// Whether something is left that would need another turn.
    pub fn has_work(&self) -> bool {
        !self.told.is_empty() || self.stores.iter().any(Store::has_work)
    }
}

/// Something that waits for a store.
pub(super) enum Suspended {
    /// A request that begins anew.
    Errand(Errand),
    /// A request for messages that goes on.
    Get(Box<Get>),
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

    /// Another stream of the account one of whose subjects overlaps with one of these.
    pub fn overlaps(&self, account: AccountId, name: &str, subjects: &[Box<str>]) -> bool {
        let others = self.streams(account).filter(|(other, _)| *other != name);
        let mut taken = others.flat_map(|(_, registered)| &registered.subjects);
        taken.any(|taken| {
            let mut subjects = subjects.iter();
            subjects.any(|one| overlap(one.as_bytes(), taken.as_bytes()))
        })
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

    /// Another core says which subjects a stream takes, one per line; none: it is gone.
    pub fn apply(&mut self, account: AccountId, stream: &[u8], subjects: &[u8]) {
        let name = String::from_utf8_lossy(stream);
        if subjects.is_empty() {
            return self.remove(account, &name);
        }
        let lines = subjects.split(|&byte| byte == b'\n');
        let subjects = lines
            .map(|line| String::from_utf8_lossy(line).into())
            .collect();
        self.set(account, &name, Registered { subjects });
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
