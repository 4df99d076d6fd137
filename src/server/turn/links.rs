//! What a turn takes from other cores and leaves for them.

use trunkline_core::base::id::{CoreId, Nanos};

use super::Core;

impl Core {
    pub(super) fn take_batches(&mut self, now: Nanos) {
        if self.rings.inbound.len() < 2 {
            return;
        }
        for (core, ring) in self.rings.returned.iter_mut().enumerate() {
            while let Some(batch) = trunkline_core::shard::mesh::Inbound::pop(ring) {
                self.shard.on_return(now, CoreId(core as u8), batch);
            }
        }
        self.shard.on_mesh(now, &mut self.rings.inbound);
    }

    fn peers(&self) -> impl Iterator<Item = CoreId> + use<> {
        let own = self.id;
        (0..self.rings.inbound.len() as u8)
            .map(CoreId)
            .filter(move |&core| core != own)
    }

    /// Tells the other cores of changes of interest, before anything else of
    /// this turn leaves.
    pub(super) fn push_control(&mut self) {
        for core in self.peers() {
            if let Some(batch) = self.shard.take_control(core) {
                self.to_ring.insert(core);
                self.rings.push(core.index(), batch);
            }
        }
    }

    pub(super) fn push_batches(&mut self) {
        for core in self.peers() {
            while let Some(batch) = self.shard.take_done(core) {
                if batch.wants_return() {
                    self.to_ring.insert(core);
                }
                self.rings.push_done(core.index(), batch);
            }
            while let Some(batch) = self.shard.take_batch(core) {
                self.to_ring.insert(core);
                self.rings.push(core.index(), batch);
            }
        }
    }

    pub(super) fn ring_doorbells(&mut self) {
        for core in std::mem::take(&mut self.to_ring).iter() {
            self.shared.doorbells[core.index()].ring();
        }
    }
}
