//! L4: everything that one partition stores: its journal, its streams, and what waits for
//! the disk.
//!
//! What a client asks for is decided at once, on the *staged* state: that which all records
//! appended so far lead to. What it is told waits until those records are durable
//! ([`Store::commit`]), so nobody hears of anything that a crash could undo; and what
//! consumers deliver ends at the last durable message of the stream. Streams in memory are
//! the same without records: what they do is durable, as far as it goes, at once.
//!
//! Bounds: what waits to be durable (`journal/layout`), what waits for a stream that is
//! being purged, the cache of what was read.
//!
//! Not here: what clients ask for and are told (`api`, `shard/storage`), who carries
//! operations out.

mod cache;
mod commit;
mod consumers;
mod delivery;
pub mod disk;
mod entry;
mod fact;
pub mod load;
mod publish;
mod read;
mod records;
mod streams;
mod tidy;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::id::{AccountId, Nanos};
use crate::base::moment::WallNanos;
use crate::base::slab::Slab;
use crate::format::record::StreamId;
use crate::journal::layout::Layout;
use crate::journal::{Journal, Opening};
use cache::Cache;
use disk::{DiskOp, PartitionId};
use fact::{Gated, Waiter};

pub use consumers::{ConsumerEntry, NewConsumer};
pub use delivery::{Delivery, Served};
pub use entry::Entry;
pub use fact::{Fact, Ticket};
pub use publish::Published;
pub use read::Body;
pub use streams::NewStream;

/// What a store is made from.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Which one it is.
    pub partition: PartitionId,
    /// How its journal is divided.
    pub layout: Layout,
    /// What may be in memory of the journal, in bytes.
    pub cache_bytes_max: usize,
    /// Seed of its hash functions; secret.
    pub seed: u64,
}

/// One partition.
#[derive(Debug)]
pub struct Store {
    config: StoreConfig,
    journal: Journal,
    cache: Cache,
    streams: Slab<Entry>,
    by_name: BTreeMap<AccountId, BTreeMap<Box<str>, u32>>,
    by_id: BTreeMap<StreamId, u32>,
    consumers: Slab<ConsumerEntry>,
    /// Consumers that have something to say.
    ready_consumers: VecDeque<u32>,
    /// Consumers by when they have.
    dues: BTreeSet<(Nanos, u32)>,
    next_consumer_id: u64,
    /// The id of the next stream.
    next_id: u64,
    /// What is told when its records are durable, in their order.
    gated: VecDeque<Gated>,
    /// What may be told.
    ready: VecDeque<Fact>,
    /// Bytes of each file of the journal that are still needed.
    live: BTreeMap<u32, u64>,
    /// Streams of which something is to be removed.
    untidy: VecDeque<u32>,
    /// Streams with removals that are not written down.
    forgetful: Vec<u32>,
    /// Streams by when their first message is too old.
    expiries: BTreeSet<(WallNanos, u32)>,
    /// What is being read, by where it begins.
    reads: BTreeMap<u64, Vec<Waiter>>,
    /// Where nothing could be read.
    unreadable: BTreeSet<u64>,
    ops: VecDeque<DiskOp>,
    /// Whether the last file could not be made.
    is_disk_full: bool,
}

impl Store {
    /// A store without streams, whose journal goes on there.
    #[must_use]
    pub fn new(config: StoreConfig, opening: Opening) -> Self {
        Self {
            journal: Journal::new(config.layout, opening),
            cache: Cache::new(config.cache_bytes_max),
            config,
            streams: Slab::default(),
            by_name: BTreeMap::new(),
            by_id: BTreeMap::new(),
            consumers: Slab::default(),
            ready_consumers: VecDeque::new(),
            dues: BTreeSet::new(),
            next_consumer_id: 1,
            next_id: 1,
            gated: VecDeque::new(),
            ready: VecDeque::new(),
            live: BTreeMap::new(),
            untidy: VecDeque::new(),
            forgetful: Vec::new(),
            expiries: BTreeSet::new(),
            reads: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            ops: VecDeque::new(),
            is_disk_full: false,
        }
    }

    /// Which one it is.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.config.partition
    }

    /// The slot of a stream.
    #[must_use]
    pub fn find(&self, account: AccountId, name: &str) -> Option<u32> {
        self.by_name.get(&account)?.get(name).copied()
    }

    /// The stream in a slot.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&Entry> {
        self.streams.get(slot)
    }

    /// The streams of an account.
    pub fn slots_of(&self, account: AccountId) -> impl Iterator<Item = u32> {
        let names = self.by_name.get(&account).into_iter().flatten();
        names.map(|(_, &slot)| slot)
    }

    /// All streams with their slots.
    pub fn streams(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.streams.iter()
    }

    /// Whether a write has failed: nothing is stored any more.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.journal.is_frozen()
    }
}
