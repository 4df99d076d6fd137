//! The start of what keeps streams: its directory, its bounds, what the log says of both. Before a core
//! runs; texts are nats-server's where it has one.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::statvfs;
use tracing::{info, warn};
use trunkline_core::base::shown::{duration, quoted};
use trunkline_core::journal::layout::Layout;
use trunkline_core::session::policy::Policy;
use trunkline_core::wire::info::API_LEVEL;

use crate::disk::directory::StoreDirectory;
use crate::disk::mode::DiskMode;
use crate::executor::Executor;
use crate::options::Options;
use crate::options::jetstream::{JetStreamOptions, friendly_bytes};
use crate::recover::{Recovered, recover};

/// The store of a server that keeps streams.
pub struct Storage {
    /// Its directory.
    pub store: Arc<StoreDirectory>,
    /// How its files are read and written.
    pub mode: DiskMode,
    /// How much there may be.
    pub bounds: Bounds,
    /// What it holds.
    pub recovered: Recovered,
}

/// How much may be stored in all, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// In memory.
    pub memory_max: u64,
    /// On disk.
    pub storage_max: u64,
}

/// Opens the store, or makes one with a partition per core; `None`: nothing is stored.
///
/// # Errors
/// Why there can be none, as the fatal log line has it.
pub fn start(
    options: &Options,
    executor: Executor,
    cores: usize,
) -> Result<Option<Storage>, String> {
    let policy = &options.policy;
    let Some(options) = &options.jetstream else {
        return Ok(None);
    };
    info!("Starting JetStream");
    let begun = Instant::now();
    if options.is_temporary {
        warn!("Temporary storage directory used, data could be lost on system reboot");
    }
    let storage = open(options, policy, executor, cores)
        .map_err(|reason| format!("Can't start JetStream: {reason}"))?;
    announce(options, &storage);
    let took_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    info!("Took {} to start JetStream", duration(took_ns));
    Ok(Some(storage))
}

fn open(
    options: &JetStreamOptions,
    policy: &Policy,
    executor: Executor,
    cores: usize,
) -> Result<Storage, String> {
    let partitions = u16::try_from(cores).unwrap_or(u16::MAX);
    let store = StoreDirectory::open(&options.store_dir, partitions)?;
    let about = |failure: std::io::Error| format!("{}: {failure}", store.path().display());
    let mode = DiskMode::of(store.path(), executor).map_err(about)?;
    if let Some(warning) = mode.warning() {
        warn!("{warning}");
    }
    let mut files = 0;
    for partition in store.partition_ids() {
        files += store.log_files(partition).map_err(about)?.len() as u64;
    }
    let settings = &options.settings;
    let bounds = Bounds {
        memory_max: settings.memory_bytes_max.unwrap_or_else(|| {
            let system = rustix::system::sysinfo();
            three_quarters(u64::from(system.mem_unit).saturating_mul(system.totalram))
        }),
        storage_max: match settings.storage_bytes_max {
            Some(bytes) => bytes,
            None => three_quarters(room(store.path(), files).map_err(about)?),
        },
    };
    reserve(policy, bounds)?;
    let seed = crate::settings::random().map_err(|failure| failure.to_string())?;
    let seed = u64::from_le_bytes(seed);
    let cache_bytes = settings.read_cache_bytes;
    let recovered = recover(&store, policy, cache_bytes, seed, cores).map_err(about)?;
    Ok(Storage {
        recovered,
        store: Arc::new(store),
        mode,
        bounds,
    })
}

/// Bytes that are free, or taken by that many files of the store itself.
fn room(path: &Path, files: u64) -> std::io::Result<u64> {
    let system = statvfs(path)?;
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    Ok(free.saturating_add(files.saturating_mul(Layout::USUAL.file_bytes)))
}

fn three_quarters(bytes: u64) -> u64 {
    bytes / 4 * 3
}

/// What accounts may store has to fit (NATS 2.15).
fn reserve(policy: &Policy, bounds: Bounds) -> Result<(), String> {
    let limits = policy.accounts.iter().filter_map(|one| one.jetstream);
    let sum = |bytes: fn(&trunkline_core::session::policy::JetStreamAccountLimits) -> i64| {
        let bytes = limits
            .clone()
            .filter_map(|one| u64::try_from(bytes(&one)).ok());
        bytes.fold(0, u64::saturating_add)
    };
    let refused = |what| {
        Err(format!(
            "Error enabling jetstream on configured accounts: {what}"
        ))
    };
    if sum(|limits| limits.max_memory) > bounds.memory_max {
        return refused("insufficient memory resources available (10028)");
    }
    if sum(|limits| limits.max_storage) > bounds.storage_max {
        return refused("insufficient storage resources available (10047)");
    }
    Ok(())
}

fn announce(options: &JetStreamOptions, storage: &Storage) {
    info!("---------------- JETSTREAM ----------------");
    if options.settings.is_strict {
        info!("  Strict:          true");
    }
    info!(
        "  Max Memory:      {}",
        friendly_bytes(storage.bounds.memory_max)
    );
    info!(
        "  Max Storage:     {}",
        friendly_bytes(storage.bounds.storage_max)
    );
    let directory = storage.store.path().to_string_lossy();
    info!("  Store Directory: {}", quoted(&directory));
    info!(
        "  Partitions:      {}",
        storage.store.partition_ids().count()
    );
    if !options.settings.domain.is_empty() {
        info!("  Domain:          {}", options.settings.domain);
    }
    info!("  API Level:       {API_LEVEL}");
    info!("-------------------------------------------");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use trunkline_core::session::policy::{Account, JetStreamAccountLimits};

    #[test]
    fn accounts_reserve_what_they_may_store() {
        let account = |memory, storage| {
            let mut account = Account::new("a");
            account.jetstream = Some(JetStreamAccountLimits {
                max_memory: memory,
                max_storage: storage,
                ..JetStreamAccountLimits::default()
            });
            account
        };
        let judged = |accounts| {
            let policy = Policy {
                accounts,
                ..Policy::default()
            };
            let bounds = Bounds {
                memory_max: 10,
                storage_max: 20,
            };
            reserve(&policy, bounds)
        };
        assert_eq!(judged(vec![account(-1, -1), account(10, 20)]), Ok(()));
        for (accounts, expected) in [
            (vec![account(6, 0), account(5, -1)], "memory"),
            (vec![account(0, 21)], "storage"),
        ] {
            let refusal = judged(accounts).unwrap_err();
            assert!(
                refusal.contains(&format!("insufficient {expected} resources")),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_store_counts_what_it_has_taken() {
        let here = std::env::current_dir().unwrap();
        let taken = room(&here, 2).unwrap() - room(&here, 0).unwrap();
        assert!(taken > Layout::USUAL.file_bytes, "{taken}");
    }
}
