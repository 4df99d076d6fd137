//! What a core does about its disk: it begins what its shard wants of it, and tells the shard what is
//! over.
//!
//! Not here: who carries it out (`crate::disk`).

use std::io;

use trunkline_core::base::id::Nanos;
use trunkline_core::store::disk::{DiskError, DiskOp, PartitionId};

use super::Core;
use crate::disk::file_keeper::Chore;

/// How long a core that ends waits for what its shard still wants of the disk. What is in flight is
/// waited for in any case.
const FINISH_NS: u64 = 2_000_000_000;

impl Core {
    /// Tells the shard what is over, at the beginning of a turn.
    pub(super) fn take_disk(&mut self) {
        let Some(disk) = &mut self.disk else {
            return;
        };
        while let Some((partition, done)) = disk.next_done() {
            self.shard.on_disk(partition, done);
        }
    }

    /// A file was made or removed, or could not be; for a letter.
    pub fn on_file_done(
        &mut self,
        partition: PartitionId,
        chore: Chore,
        result: Result<(), DiskError>,
    ) {
        self.shard.on_disk(partition, chore.done(result));
    }

    /// The disk's descriptor is readable.
    pub(super) fn note_disk_ready(&self) {
        if let Some(disk) = &self.disk {
            disk.on_ready();
        }
    }

    /// Begins an operation.
    pub(super) fn begin_on_disk(&mut self, partition: PartitionId, operation: DiskOp) {
        let disk = self.disk.as_mut();
        let disk = disk.expect("only a shard with a store wants something of it");
        disk.carry_out(partition, operation);
    }

    /// Hands what was begun to the kernel, in one call.
    pub(super) fn submit_to_disk(&mut self) -> io::Result<()> {
        match &mut self.disk {
            Some(disk) if disk.has_unsubmitted() => disk.submit(),
            _ => Ok(()),
        }
    }

    /// Whether the disk needs another turn although its descriptor does not say so.
    pub(super) fn has_disk_work(&self) -> bool {
        let disk = self.disk.as_ref();
        disk.is_some_and(|disk| disk.has_unsubmitted() || disk.has_failed())
    }

    /// At the end of the core: what is under way becomes durable, and whoever waits for that is told.
    pub(super) fn finish_disk(&mut self) -> io::Result<()> {
        let until = Nanos(self.now().0.saturating_add(FINISH_NS));
        while self.now() < until {
            self.begin_turn();
            self.take_disk();
            self.put_out()?;
            let is_under_way = match &mut self.disk {
                Some(disk) => disk.wait()?,
                None => false,
            };
            if !is_under_way {
                break;
            }
            self.note_disk_ready();
        }
        Ok(())
    }
}
