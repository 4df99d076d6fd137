//! What comes from other cores: batches of theirs, and returns of own ones.
//!
//! Causality across three cores takes both ends. The sender pushes changes of
//! interest to *all* cores before anything else of the turn leaves (`turn`). The
//! receiver ([`Shard::on_mesh`]) notes how many batches each link shows, then
//! applies the control parts of all visible batches, then delivers the messages of
//! those that were noted. A message that was caused by a change of interest can have
//! been noted only if that change was visible before, so it never overtakes it.
//!
//! Draining never waits for another core, so full links in a ring of cores cannot
//! block each other; it takes as many messages as the turn's work allows, the
//! others keep their place.
//!
//! Not here: what is said to other cores (`mesh`), how a message of theirs is
//! delivered (`fanout`).

use super::Shard;
use super::frame::{Control, Frame, Reader};
use super::link::{Done, MeshBatch};
use super::mesh::Inbound;
use super::mutants::Mutant;
use crate::base::id::{ConnectionKey, CoreId};
use crate::base::limits::{COMMAND_WORK_NS, SUBSCRIPTION_WORK_NS};
use crate::session::input::Hold;

impl Shard {
    /// Deals with what other cores have sent, as far as the turn's work goes.
    /// Entry `n` of `inbound` is the queue from core `n`; the own one is never
    /// looked at.
    pub fn on_mesh<I: Inbound>(&mut self, inbound: &mut [I]) {
        assert_eq!(inbound.len(), self.mesh.links.len(), "a ring per core");
        self.work.grant(self.config.limits.work.mesh_ns);
        let own = self.config.core.index();
        let peers = (0..inbound.len()).filter(|&core| core != own);
        let mut tails = std::mem::take(&mut self.mesh.tails);
        tails.clear();
        tails.resize(inbound.len(), 0);
        for core in peers.clone() {
            tails[core] = self.mesh.links[core].inbox.len() + inbound[core].visible();
        }
        for core in peers.clone() {
            while let Some(batch) = inbound[core].pop() {
                self.apply_control(CoreId::at(core), &batch.control);
                self.mesh.links[core].inbox.push_back(batch);
            }
        }
        for core in peers {
            self.deliver_batches(CoreId::at(core), tails[core]);
        }
        self.mesh.tails = tails;
    }

    fn apply_control(&mut self, from: CoreId, control: &[u8]) {
        let mut reader = Reader(control);
        while let Some(entry) = reader.control() {
            self.work.charge(SUBSCRIPTION_WORK_NS);
            match entry {
                Control::Interest(account, announcement) => {
                    self.mesh.interest_changes += 1;
                    let authority = &self.config.authority;
                    let interest = self.interests.ensure(account, authority, &mut self.rng);
                    // What came late names an account that is gone.
                    if let Some(interest) = interest {
                        interest.apply_announcement(from, announcement);
                    }
                }
                Control::Register(account, stream, subjects) => {
                    self.storage.registrar.apply(account, stream, subjects);
                }
                Control::Release(key) => self.end_stall(key),
                Control::Stall(key) => self.stall_for_remote(key),
            }
        }
    }

    /// Delivers the messages of so many batches of a core, the oldest first, until
    /// one has to wait or the turn's work is done; at least one message.
    fn deliver_batches(&mut self, from: CoreId, batches: usize) {
        let inbox = &self.mesh.links[from.index()].inbox;
        debug_assert!(batches <= inbox.len(), "what was noted has been taken in");
        for _ in 0..batches {
            let Some(mut batch) = self.mesh.links[from.index()].inbox.pop_front() else {
                return;
            };
            let is_done = self.deliver_batch(from, &mut batch);
            self.stall_remote(from);
            let link = &mut self.mesh.links[from.index()];
            if !is_done {
                link.inbox.push_front(batch);
                return;
            }
            batch.empty();
            let marked = self.connections.marked();
            link.done.push_back(Done { batch, marked });
        }
    }

    /// Delivers the messages of a batch; false if some are left.
    fn deliver_batch(&mut self, from: CoreId, batch: &mut MeshBatch) -> bool {
        debug_assert!(
            batch.delivered <= batch.data.len(),
            "it stops between messages"
        );
        let mut reader = Reader(&batch.data[batch.delivered..]);
        while !reader.0.is_empty() {
            if self.backlog.blocks_link(from) {
                return false;
            }
            let frame = Frame::decode(&mut reader);
            let frame = self.spoilt_frame(frame);
            if !self.deliver_frame(from, &frame) {
                return false;
            }
            if !self.is_mutant(Mutant::DeliverTwice) {
                batch.delivered = batch.data.len() - reader.0.len();
            }
            self.work.charge(COMMAND_WORK_NS);
            if self.work.is_spent() && !reader.0.is_empty() {
                return false;
            }
        }
        !self.backlog.blocks_link(from)
    }

    /// Takes back a batch that its receiver has dealt with: whoever waited for
    /// that goes on.
    pub fn on_return(&mut self, from: CoreId, batch: MeshBatch) {
        let link = &mut self.mesh.links[from.index()];
        link.take_back(batch);
        while let Some(key) = self.mesh.links[from.index()].next_passed() {
            self.pass_barrier(key);
        }
        for key in self.mesh.links[from.index()].take_room_waiters() {
            self.end_wait_for_link(key, from);
        }
    }

    fn pass_barrier(&mut self, key: ConnectionKey) {
        let Some(index) = self.connections.find(key) else {
            return;
        };
        if self.connections[index].input.pass_barrier() {
            self.send_pong(index);
            self.release(index);
        }
    }

    /// Holds a publisher until a link has room.
    pub(super) fn wait_for_link(&mut self, index: u32, core: CoreId) {
        let key = self.connections.key(index);
        let link = &mut self.mesh.links[core.index()];
        debug_assert!(
            link.is_full_of_changes(),
            "who waits for nothing would wait for ever"
        );
        link.wait_for_room(key);
        let hold = Hold::LinkFull(core);
        self.connections[index].input.hold_for(hold);
    }

    /// Holds a connection that changes interest while any link is full.
    pub(super) fn wait_for_any_link(&mut self, index: u32) -> bool {
        let full = self.mesh.link_full_of_changes();
        if let Some(core) = full {
            self.wait_for_link(index, core);
        }
        full.is_some()
    }

    fn end_wait_for_link(&mut self, key: ConnectionKey, core: CoreId) {
        if let Some(index) = self.connections.find(key)
            && self.connections[index].input.hold() == Hold::LinkFull(core)
        {
            self.release(index);
        }
    }

    /// Tells another core which of its publishers, of messages just delivered, are
    /// too fast for a receiver here.
    pub(super) fn stall_remote(&mut self, from: CoreId) {
        let mut stalled = std::mem::take(&mut self.mesh.stalled);
        for (publisher, behind) in stalled.drain(..) {
            if self.add_stall_waiter(behind, from, publisher) {
                self.mesh.tell_stall(from, publisher, true);
            }
        }
        self.mesh.stalled = stalled;
    }
}
