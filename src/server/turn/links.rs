//! What a turn takes from other cores and leaves for them.

use trunkline_core::base::id::CoreId;
use trunkline_core::shard::mesh::{Inbound, MeshBatch};

use super::Core;

impl Core {
    pub(super) fn take_batches(&mut self) {
        if self.rings.inbound.len() < 2 {
            return;
        }
        for (core, ring) in self.rings.returned.iter_mut().enumerate() {
            while let Some(batch) = ring.pop() {
                self.shard.on_return(CoreId::at(core), batch);
            }
        }
        self.shard.on_mesh(&mut self.rings.inbound);
    }

    /// Gives a batch to another core.
    pub(super) fn push(&mut self, to: CoreId, batch: MeshBatch) {
        self.to_ring.insert(to);
        self.rings.push(to.index(), batch);
    }

    /// Returns a batch to the core that it came from, which is woken only if it
    /// waits for that.
    pub(super) fn push_done(&mut self, to: CoreId, batch: MeshBatch) {
        if batch.wants_return() {
            self.to_ring.insert(to);
        }
        self.rings.push_done(to.index(), batch);
    }

    pub(super) fn ring_doorbells(&mut self) {
        for core in std::mem::take(&mut self.to_ring).iter() {
            self.shared.doorbells[core.index()].ring();
        }
    }
}
