//! The disks of the partitions of a store, in memory: operations complete in the turn after the
//! one that has asked for them, unless the disks are held.

use std::collections::BTreeMap;
use std::ops::Range;

use trunkline_core::api::compile::Compiler;
use trunkline_core::base::id::AccountId;
use trunkline_core::base::moment::Moment;
use trunkline_core::base::pages::Pages;
use trunkline_core::journal::layout::Layout;
use trunkline_core::journal::recover::{Recovery, Step};
use trunkline_core::shard::Shard;
use trunkline_core::shard::storage::Registered;
use trunkline_core::store::disk::{DiskDone, DiskError, DiskOp, PartitionId};
use trunkline_core::store::load::Loader;
use trunkline_core::store::{Store, StoreConfig};

use super::Core;
use super::disk::Disk;

/// Small files, so that there are several of them.
const LAYOUT: Layout = Layout {
    file_bytes: 256 << 10,
    group_bytes_max: 16 << 10,
    staged_bytes_max: 1 << 20,
};

/// One of them.
#[derive(Default)]
struct One {
    disk: Disk,
    files: Range<u32>,
}

/// All of them.
#[derive(Default)]
pub struct Disks {
    all: BTreeMap<PartitionId, One>,
    /// Operations that are not over, with the cores that have asked for them.
    pending: Vec<(usize, PartitionId, DiskOp)>,
    /// Whether nothing completes.
    pub are_held: bool,
    /// Whether writes fail.
    pub fail: bool,
    /// Bytes of the journal that may be in memory.
    pub cache_bytes_max: usize,
}

impl Disks {
    /// An operation begins.
    pub fn begin(&mut self, core: usize, partition: PartitionId, op: DiskOp) {
        self.pending.push((core, partition, op));
    }

    /// Whether operations will be over.
    pub fn has_work(&self) -> bool {
        !self.are_held && !self.pending.is_empty()
    }

    /// The operations of a core are over.
    pub fn complete(&mut self, core: usize, shard: &mut Shard) {
        if self.are_held {
            return;
        }
        let mine = |pending: &mut (usize, PartitionId, DiskOp)| pending.0 == core;
        let done: Vec<_> = self.pending.extract_if(.., mine).collect();
        for (_, partition, op) in done {
            let one = self.all.get_mut(&partition).expect("it was opened");
            let done = one.carry_out(op, self.fail);
            shard.on_disk(partition, done);
        }
    }

    /// The power is cut: what is pending is lost.
    pub fn cut_power(&mut self) {
        self.pending.clear();
        self.are_held = false;
        for one in self.all.values_mut() {
            one.disk.cut_power(|| false);
        }
    }

    /// Opens partitions as they are on the disks, and gives them to the cores.
    pub fn open(&mut self, partitions: u16, cores: &mut [Core]) {
        let mut stores: Vec<Vec<Store>> = cores.iter().map(|_| Vec::new()).collect();
        let mut registered = Vec::new();
        for number in 0..partitions {
            let partition = PartitionId(number);
            let one = self.all.entry(partition).or_default();
            let store = one.recover(partition, self.cache_bytes_max.max(1 << 20));
            for (_, entry) in store.streams() {
                let subjects = entry.stream().config().subjects.clone();
                let name: Box<str> = (*entry.name).into();
                registered.push((entry.account, name, Registered { subjects }));
            }
            stores[usize::from(number) % cores.len()].push(store);
        }
        for (core, stores) in cores.iter_mut().zip(stores) {
            core.shard
                .open_stores(partitions, stores, registered.clone());
        }
    }
}

impl One {
    fn carry_out(&mut self, op: DiskOp, fails: bool) -> DiskDone {
        let result = match fails {
            true => Err(DiskError::Failed(5)),
            false => Ok(()),
        };
        match op {
            DiskOp::Write { file, at, pages } => {
                let id = self.disk.begin_write(file, at, pages.bytes());
                match fails {
                    true => self.disk.fail(id, || false),
                    false => self.disk.complete(id),
                }
                DiskDone::Written { result }
            }
            DiskOp::Read {
                ticket,
                file,
                at,
                mut pages,
            } => {
                let bytes = self.disk.read(file, at, pages.len());
                pages.bytes_mut().copy_from_slice(&bytes);
                DiskDone::Read {
                    ticket,
                    pages,
                    result: Ok(()),
                }
            }
            DiskOp::Make { file } => {
                self.disk.create(file, LAYOUT.file_bytes as usize);
                self.files.end = file + 1;
                DiskDone::Made {
                    file,
                    result: Ok(()),
                }
            }
            DiskOp::Remove { file } => {
                self.disk.remove(file);
                self.files.start = file + 1;
                DiskDone::Removed {
                    file,
                    result: Ok(()),
                }
            }
        }
    }

    fn recover(&mut self, partition: PartitionId, cache_bytes_max: usize) -> Store {
        let mut recovery = Recovery::new(LAYOUT, self.files.clone());
        let mut loader = Loader::new(StoreConfig {
            partition,
            layout: LAYOUT,
            cache_bytes_max,
            seed: 11,
        });
        loop {
            match recovery.next_step() {
                Step::Read { file, at, len } => {
                    let mut pages = Pages::zeroed(len);
                    let bytes = self.disk.read(file, at, len);
                    pages.bytes_mut().copy_from_slice(&bytes);
                    recovery.on_read(Some(&pages), |position, record| {
                        loader.take(position, record)
                    });
                }
                Step::Flush => {
                    self.disk.flush();
                    recovery.on_flushed();
                }
                Step::Done => break,
            }
        }
        let recovered = recovery.finish();
        assert!(recovered.lost.is_empty(), "nothing is damaged");
        let account = |name: &str| (name == "$G").then_some(AccountId::GLOBAL);
        let now = Moment::default();
        let (store, left_out) = loader.finish(recovered.opening, now, &Compiler(&account));
        assert!(left_out.is_empty(), "{left_out:?}");
        store
    }
}
