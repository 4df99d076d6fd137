//! What cores say to each other.
//!
//! Every ordered pair of cores has a link: a queue of batches. A core writes
//! into the open batch of a link during its turn and the shell pushes it at
//! the end, with one wake-up per peer and turn. A batch has two parts, `control`
//! (interest, stalls) and `data` (messages), and comes back empty to its sender
//! when it has been dealt with: that return is the confirmation, and it frees
//! the room that the batch took.
//!
//! Causality across three cores takes both ends. The sender pushes changes of
//! interest to *all* cores before anything else of the turn leaves
//! ([`super::output`]). The receiver ([`Shard::on_mesh`]) notes how many
//! batches each link shows, then applies the control parts of all visible
//! batches, then delivers the messages of those that were noted. A message that
//! was caused by a change of interest can have been noted only if that change
//! was visible before, so it never overtakes it.
//!
//! Bounds: messages under way on a link are limited by bytes and by batches; a
//! publisher that would exceed them is held. Draining never waits, so full
//! links in a ring of cores cannot block each other. Control is never refused;
//! a client that produces it is held while any link is full.

use super::Shard;
use super::frame::{Control, Frame, Reader, put_stall};
pub use super::link::MeshBatch;
use crate::base::id::{AccountId, ConnectionKey, CoreId};
use crate::session::connection::Hold;

/// The receiving end of a queue of batches from one core: a lock-free ring in
/// the shell, a list in the simulation.
pub trait Inbound {
    /// Batches visible now. They stay visible until popped.
    fn visible(&self) -> usize;
    /// Takes the oldest batch.
    fn pop(&mut self) -> Option<MeshBatch>;
}

impl Shard {
    /// Deals with everything that other cores have sent. Entry `n` of `inbound`
    /// is the queue from core `n`; the own one is never looked at.
    pub fn on_mesh<I: Inbound>(&mut self, inbound: &mut [I]) {
        let own = self.config.core.index();
        let peers = (0..inbound.len()).filter(|&core| core != own);
        let mut tails = std::mem::take(&mut self.scratch.tails);
        tails.clear();
        tails.resize(inbound.len(), 0);
        for core in peers.clone() {
            tails[core] = self.links[core].inbox.len() + inbound[core].visible();
        }
        for core in peers.clone() {
            while let Some(batch) = inbound[core].pop() {
                self.apply_control(CoreId(core as u8), &batch.control);
                self.links[core].inbox.push_back(batch);
            }
        }
        for core in peers {
            for _ in 0..tails[core] {
                let Some(batch) = self.links[core].inbox.pop_front() else {
                    break;
                };
                self.deliver_batch(CoreId(core as u8), batch);
            }
        }
        self.scratch.tails = tails;
    }

    fn apply_control(&mut self, from: CoreId, control: &[u8]) {
        let mut reader = Reader(control);
        while let Some(entry) = reader.control() {
            match entry {
                Control::Interest(account, announcement) => {
                    self.ensure_account(account);
                    self.interests[account.index()].hear(from, announcement);
                }
                Control::Release(key) => self.end_stall(key),
                Control::Stall(key) => {
                    if let Some(index) = self.connections.find(key)
                        && self.connections[index].reads()
                    {
                        self.stall(index);
                    }
                }
            }
        }
    }

    fn deliver_batch(&mut self, from: CoreId, mut batch: MeshBatch) {
        let mut reader = Reader(&batch.data);
        while !reader.0.is_empty() {
            let frame = Frame::decode(&mut reader);
            #[cfg(feature = "mutants")]
            let frame = self.spoilt_frame(frame);
            self.deliver_frame(&frame);
        }
        self.stall_remote(from);
        batch.control.clear();
        batch.data.clear();
        self.links[from.index()].done.push_back(batch);
    }

    /// Takes back a batch that its receiver has dealt with: whoever waited for
    /// that goes on.
    pub fn on_return(&mut self, from: CoreId, batch: MeshBatch) {
        self.links[from.index()].take_back(batch);
        while let Some(key) = self.links[from.index()].next_passed() {
            self.pass_barrier(key);
        }
        for key in self.links[from.index()].take_room_waiters() {
            self.end_wait_for_link(key, from);
        }
    }

    /// Asks all cores to confirm what this core has said; returns how many
    /// have to.
    pub(super) fn begin_barrier(&mut self, index: u32) -> u32 {
        let key = self.connections.key(index);
        let needed = self.links.iter_mut().map(|link| link.begin_barrier(key));
        needed.map(u32::from).sum()
    }

    fn pass_barrier(&mut self, key: ConnectionKey) {
        let Some(index) = self.connections.find(key) else {
            return;
        };
        let Hold::Barrier { cores_left } = &mut self.connections[index].hold else {
            return;
        };
        *cores_left -= 1;
        if *cores_left == 0 {
            self.send_pong(index);
            self.release(index);
        }
    }

    /// A core that a route leads to and whose link has no room.
    #[inline]
    pub(super) fn full_link_of(&self, account: AccountId, at: u32) -> Option<CoreId> {
        let route = self.interests[account.index()].route_at(at);
        let is_full = |core: &CoreId| self.links[core.index()].is_full();
        route.remote.iter().find(is_full).or_else(|| {
            let queues = route.queues.iter();
            queues
                .flat_map(|queue| queue.remote.iter().map(|&(core, _)| core))
                .find(is_full)
        })
    }

    /// Holds a publisher until a link has room.
    pub(super) fn wait_for_link(&mut self, index: u32, core: CoreId) {
        let key = self.connections.key(index);
        self.connections[index].hold = Hold::LinkFull(core);
        self.links[core.index()].wait_for_room(key);
    }

    /// Holds a connection that changes interest while any link is full.
    pub(super) fn wait_for_any_link(&mut self, index: u32) -> bool {
        let full = self.links.iter().position(super::link::Link::is_full);
        if let Some(core) = full {
            self.wait_for_link(index, CoreId(core as u8));
        }
        full.is_some()
    }

    fn end_wait_for_link(&mut self, key: ConnectionKey, core: CoreId) {
        if let Some(index) = self.connections.find(key)
            && self.connections[index].hold == Hold::LinkFull(core)
        {
            self.release(index);
        }
    }

    /// Tells another core which of its publishers, in the batch just
    /// delivered, are too fast for a receiver here.
    fn stall_remote(&mut self, from: CoreId) {
        let mut stalled = std::mem::take(&mut self.scratch.stalled);
        for (publisher, behind) in stalled.drain(..) {
            if self.add_stall_waiter(behind, from, publisher) {
                let control = &mut self.links[from.index()].open.control;
                put_stall(publisher, true, control);
            }
        }
        self.scratch.stalled = stalled;
    }
}
