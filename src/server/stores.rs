//! The stores of all partitions as they were when the server ended last: read before there is a client,
//! then handed to the cores that they belong to.

use std::io;

use jiff::Timestamp;
use tracing::{error, info, warn};
use trunkline_core::api::stream_config::StreamFields;
use trunkline_core::base::id::AccountId;
use trunkline_core::base::moment::WallNanos;
use trunkline_core::base::width;
use trunkline_core::journal::layout::Layout;
use trunkline_core::journal::recover::Recovery;
use trunkline_core::session::policy::Policy;
use trunkline_core::shard::storage::Registered;
use trunkline_core::store::disk::PartitionId;
use trunkline_core::store::load::Loader;
use trunkline_core::store::{Store, StoreConfig};
use trunkline_core::stream::config::StreamConfig;

use crate::disk::recovery::{recover_all, recover_log};
use crate::storage::Storage;

/// What a core is given.
#[derive(Default)]
pub struct CoreStores {
    /// Number of all partitions.
    pub partitions: u16,
    /// The stores of this core.
    pub stores: Vec<Store>,
    /// All streams; for the first core.
    pub registered: Vec<(AccountId, Box<str>, Registered)>,
}

/// Reads what is stored, and deals it out to so many cores. The seed is secret; the caches of all
/// partitions may take so many bytes together.
///
/// # Errors
/// What the disk says.
pub fn recover(
    storage: &Storage,
    policy: &Policy,
    cores: usize,
    seed: u64,
    cache_bytes_max: u64,
) -> Result<Vec<CoreStores>, String> {
    let partitions = storage.store.partition_ids().count();
    let cache_bytes_max = width::size(cache_bytes_max) / partitions.max(1);
    let recover = |partition: PartitionId| {
        let config = StoreConfig {
            partition,
            layout: Layout::USUAL,
            cache_bytes_max,
            seed: seed ^ u64::from(partition.0) << 48,
        };
        recover_store(storage, policy, config)
    };
    let stores = recover_all(&storage.store, cores, recover)
        .map_err(|failure| format!("Can't start JetStream: cannot read the store: {failure}"))?;
    let mut dealt: Vec<CoreStores> = Vec::new();
    dealt.resize_with(cores, CoreStores::default);
    let mut registered = Vec::new();
    for store in stores {
        for (_, entry) in store.streams() {
            let stream = entry.stream();
            info!(
                "  Restored {} messages for stream '{} > {}'",
                stream.log().count(),
                entry.account_name,
                entry.name
            );
            let subjects = stream.config().subjects.clone();
            registered.push((entry.account, (*entry.name).into(), Registered { subjects }));
        }
        dealt[usize::from(store.partition().0) % cores]
            .stores
            .push(store);
    }
    dealt[0].registered = registered;
    for core in &mut dealt {
        core.partitions = u16::try_from(partitions).unwrap_or(u16::MAX);
    }
    Ok(dealt)
}

fn recover_store(storage: &Storage, policy: &Policy, config: StoreConfig) -> io::Result<Store> {
    let partition = config.partition;
    let files = storage.store.log_files(partition)?;
    let mut recovery = Recovery::new(config.layout, files.clone());
    let mut loader = Loader::new(config);
    recover_log(
        &storage.store,
        partition,
        files,
        &mut recovery,
        |position, record| {
            loader.take(position, record);
        },
    )?;
    let recovered = recovery.finish();
    for lost in &recovered.lost {
        error!(
            "The log of partition {} is damaged: {} groups from number {} on are lost",
            partition.0, lost.count, lost.first
        );
    }
    let compile = |account: &str, fields: &str| compile(policy, account, fields);
    let (store, left_out) = loader.finish(recovered.opening, now(), &compile);
    for name in left_out {
        warn!("Stream '{name}' is left out: its account or its configuration is not there");
    }
    Ok(store)
}

fn compile(policy: &Policy, account: &str, fields: &str) -> Option<(AccountId, StreamConfig)> {
    let account = policy.account(account)?;
    let fields = StreamFields::read(fields.as_bytes()).ok()?;
    Some((account, fields.compile().ok()?.config))
}

fn now() -> WallNanos {
    WallNanos(u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0))
}
