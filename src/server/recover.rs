//! What the logs of a store held: the stores of all partitions, for the cores that get them.
//!
//! Not here: how logs are read (`disk::recovery`), what records mean (`store::load` of the core).

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{error, warn};
use trunkline_core::api::compile::Compiler;
use trunkline_core::base::id::{AccountId, Nanos};
use trunkline_core::base::moment::{Moment, WallNanos};
use trunkline_core::journal::layout::Layout;
use trunkline_core::journal::recover::Recovery;
use trunkline_core::session::policy::Policy;
use trunkline_core::shard::storage::Registered;
use trunkline_core::store::disk::PartitionId;
use trunkline_core::store::load::Loader;
use trunkline_core::store::{Store, StoreConfig};

use crate::disk::directory::StoreDirectory;
use crate::disk::recovery::{recover_all, recover_log};

/// What all cores are given before anything comes in.
#[derive(Default)]
pub struct Recovered {
    /// Number of all partitions; 0: nothing is stored.
    pub partitions: u16,
    /// The stores of each core.
    pub of_core: Vec<Vec<Store>>,
    /// All streams.
    pub registered: Vec<(AccountId, Box<str>, Registered)>,
}

/// Reads the logs of all partitions, for so many cores.
///
/// # Errors
/// If files cannot be listed, or not be made durable as they are.
pub fn recover(
    directory: &StoreDirectory,
    policy: &Policy,
    read_cache_bytes: u64,
    seed: u64,
    cores: usize,
) -> io::Result<Recovered> {
    let partitions = directory.partition_ids().count();
    let cache_bytes = read_cache_bytes / partitions as u64;
    let stores = recover_all(directory, cores, |partition| {
        let config = StoreConfig {
            partition,
            layout: Layout::USUAL,
            cache_bytes_max: usize::try_from(cache_bytes).unwrap_or(usize::MAX),
            seed,
        };
        one(directory, partition, config, policy)
    })?;
    let mut recovered = Recovered {
        partitions: u16::try_from(partitions).expect("a store has few partitions"),
        of_core: (0..cores).map(|_| Vec::new()).collect(),
        registered: Vec::new(),
    };
    for (number, store) in stores.into_iter().enumerate() {
        for (_, entry) in store.streams() {
            let subjects = entry.stream().config().subjects.clone();
            let name: Box<str> = (*entry.name).into();
            let one = (entry.account, name, Registered { subjects });
            recovered.registered.push(one);
        }
        recovered.of_core[number % cores].push(store);
    }
    Ok(recovered)
}

fn one(
    directory: &StoreDirectory,
    partition: PartitionId,
    config: StoreConfig,
    policy: &Policy,
) -> io::Result<Store> {
    let files = directory.log_files(partition)?;
    let mut recovery = Recovery::new(config.layout, files.clone());
    let mut loader = Loader::new(config);
    recover_log(directory, partition, files, &mut recovery, |at, record| {
        loader.take(at, record);
    })?;
    let recovered = recovery.finish();
    for lost in recovered.lost {
        error!(
            "Partition {} of the store is damaged: {} groups of records are lost, from number {} on",
            partition.0, lost.count, lost.first
        );
    }
    let account = |name: &str| policy.account(name);
    let (store, left_out) = loader.finish(recovered.opening, now(), &Compiler(&account));
    for name in left_out {
        warn!("Stream {name} is not served: its account or its configuration is not known here");
    }
    Ok(store)
}

/// What the clock says; before the epoch it stands at it.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_ns = since.map_or(0, |since| since.as_nanos());
    Moment {
        // The clock of the cores begins with them.
        mono: Nanos(0),
        wall: WallNanos(u64::try_from(since_ns).unwrap_or(u64::MAX)),
    }
}
