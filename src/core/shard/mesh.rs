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
//! publisher that would exceed them is held. Draining never waits for another
//! core, so full links in a ring of cores cannot block each other; it takes as
//! many messages as the turn's work allows, the others keep their place. Control is
//! never refused; a client that produces it is held while any link is full.

use super::Shard;
use super::connections::Message;
use super::frame::{Control, Frame, MessageFrame, Publisher, Reader, put_interest, put_stall};
pub use super::link::MeshBatch;
use super::link::{Done, Link};
use super::mutants::Mutant;
use crate::base::core_set::CoreSet;
use crate::base::id::{AccountId, ConnectionKey, CoreId};
use crate::base::limits::{COMMAND_WORK_NS, STALL_WAITERS_MAX, SUBSCRIPTION_WORK_NS};
use crate::base::slab::NONE;
use crate::route::interest::{Announcement, Interest};
use crate::route::receivers::Route;
use crate::session::connection::{Behind, Hold};

/// The receiving end of a queue of batches from one core: a lock-free ring in
/// the shell, a list in the simulation.
pub trait Inbound {
    /// Batches visible now. They stay visible until popped.
    fn visible(&self) -> usize;
    /// Takes the oldest batch.
    fn pop(&mut self) -> Option<MeshBatch>;
}

/// One core's links to all others.
pub(super) struct Mesh {
    own: CoreId,
    /// By core; the own one is never used.
    pub links: Vec<Link>,
    /// Place of the route of the last message from another core.
    pub last_route: u32,
    /// Queue groups whose message goes to another core: a buffer.
    pub picks: Vec<(CoreId, u32)>,
    /// Publishers of other cores to be held back: a buffer.
    stalled: Vec<(ConnectionKey, Behind)>,
    /// Number of batches that were visible when draining began, per core: a buffer.
    tails: Vec<usize>,
}

/// A message that goes to other cores.
pub(super) struct Handed<'a> {
    pub account: AccountId,
    /// Its publisher, if it has one that can wait.
    pub publisher: Option<Publisher>,
    pub message: &'a Message<'a>,
    /// Cores of which a member of a queue group was drawn.
    pub picks: &'a [(CoreId, u32)],
}

impl Mesh {
    pub fn new(own: CoreId, cores: usize) -> Self {
        Self {
            own,
            links: (0..cores).map(|_| Link::default()).collect(),
            last_route: NONE,
            picks: Vec::new(),
            stalled: Vec::new(),
            tails: Vec::new(),
        }
    }

    /// Tells all other cores of a change of interest.
    pub fn announce(&mut self, account: AccountId, announcement: Announcement<'_>) {
        for (core, link) in self.links.iter_mut().enumerate() {
            if core != self.own.index() {
                put_interest(account, announcement, &mut link.open.control);
            }
        }
    }

    /// Writes a message into the batches of the cores that want it; returns which
    /// these are.
    pub fn hand_on(&mut self, handed: &Handed<'_>, route: &Route, interest: &Interest) -> CoreSet {
        let mut cores = route.remote;
        for &(core, _) in handed.picks {
            cores.insert(core);
        }
        let message = handed.message;
        for core in cores.iter() {
            let frame = MessageFrame {
                account: handed.account,
                is_for_plain: route.remote.contains(core),
                hops: 0,
                origin: self.own,
                publisher: handed.publisher,
                subject: route.subject(),
                tail: message.line,
                has_header: message.has_header,
            };
            let queues = handed.picks.iter().filter(|pick| pick.0 == core);
            let names = queues.map(|&(_, queue)| interest.queue_name(queue));
            let data = &mut self.links[core.index()].open.data;
            frame.encode(message.body, names, data);
        }
        cores
    }

    /// Hands a message for a queue group on to a core that may have a member,
    /// unless it has gone round for too long.
    pub fn hand_on_pick(
        &mut self,
        message: &MessageFrame<'_>,
        name: &[u8],
        core: Option<CoreId>,
        cores: usize,
    ) {
        if usize::from(message.hops) < cores
            && let Some(core) = core
        {
            let onward = MessageFrame {
                is_for_plain: false,
                hops: message.hops + 1,
                ..*message
            };
            let data = &mut self.links[core.index()].open.data;
            onward.encode(b"", [name].into_iter(), data);
        }
    }

    /// A core that a route leads to and whose link has no room.
    #[inline]
    pub fn full_link_of(&self, route: &Route) -> Option<CoreId> {
        let is_full = |core: &CoreId| self.links[core.index()].is_full();
        route.remote.iter().find(is_full).or_else(|| {
            let queues = route.queues.iter();
            queues
                .flat_map(|queue| queue.remote.iter().map(|&(core, _)| core))
                .find(is_full)
        })
    }

    /// A core whose link has no room.
    pub fn full_link(&self) -> Option<CoreId> {
        let full = self.links.iter().position(Link::is_full)?;
        u8::try_from(full).ok().map(CoreId)
    }

    /// Asks all cores to confirm what this core has said, for a connection;
    /// returns how many have to.
    pub fn begin_barrier(&mut self, key: ConnectionKey) -> u32 {
        let needed = self.links.iter_mut().map(|link| link.begin_barrier(key));
        needed.map(u32::from).sum()
    }

    /// Notes, once per batch, that a publisher of another core is ahead of a
    /// receiver.
    pub fn note_stalled(&mut self, publisher: ConnectionKey, behind: Behind) {
        let is_known = |known: &(ConnectionKey, Behind)| known.0 == publisher;
        if self.stalled.len() < STALL_WAITERS_MAX && !self.stalled.iter().any(is_known) {
            self.stalled.push((publisher, behind));
        }
    }

    /// Tells another core that a publisher of it is to be held back, or may go on.
    pub fn tell_stall(&mut self, core: CoreId, publisher: ConnectionKey, is_stalled: bool) {
        let control = &mut self.links[core.index()].open.control;
        put_stall(publisher, is_stalled, control);
    }

    /// Whether something is left that would need another turn.
    pub fn has_work(&self) -> bool {
        self.links.iter().any(Link::has_work)
    }

    /// Frees what an idle core does not need.
    pub fn trim(&mut self) {
        self.links.iter_mut().for_each(Link::trim);
    }

    /// Checks what must hold after a turn.
    pub fn check_invariants(&self) {
        self.links.iter().for_each(Link::check_invariants);
    }
}

impl Shard {
    /// Deals with what other cores have sent, as far as the turn's work goes.
    /// Entry `n` of `inbound` is the queue from core `n`; the own one is never
    /// looked at.
    pub fn on_mesh<I: Inbound>(&mut self, inbound: &mut [I]) {
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
                self.apply_control(CoreId(core as u8), &batch.control);
                self.mesh.links[core].inbox.push_back(batch);
            }
        }
        for core in peers {
            self.deliver_batches(CoreId(core as u8), tails[core]);
        }
        self.mesh.tails = tails;
    }

    fn apply_control(&mut self, from: CoreId, control: &[u8]) {
        let mut reader = Reader(control);
        while let Some(entry) = reader.control() {
            self.work.charge(SUBSCRIPTION_WORK_NS);
            match entry {
                Control::Interest(account, announcement) => {
                    let authority = &self.config.authority;
                    let interest = self.interests.ensure(account, authority, &mut self.rng);
                    // What came late names an account that is gone.
                    if let Some(interest) = interest {
                        interest.hear(from, announcement);
                    }
                }
                Control::Release(key) => self.end_stall(key),
                Control::Stall(key) => self.stall_for_remote(key),
            }
        }
    }

    /// Delivers the messages of so many batches of a core, the oldest first, until
    /// one has to wait or the turn's work is done; at least one message.
    fn deliver_batches(&mut self, from: CoreId, batches: usize) {
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
        let Hold::Barrier { cores_left } = &mut self.connections[index].hold else {
            return;
        };
        *cores_left -= 1;
        if *cores_left == 0 {
            self.send_pong(index);
            self.release(index);
        }
    }

    /// Holds a publisher until a link has room.
    pub(super) fn wait_for_link(&mut self, index: u32, core: CoreId) {
        let key = self.connections.key(index);
        self.connections[index].hold = Hold::LinkFull(core);
        self.mesh.links[core.index()].wait_for_room(key);
    }

    /// Holds a connection that changes interest while any link is full.
    pub(super) fn wait_for_any_link(&mut self, index: u32) -> bool {
        let full = self.mesh.full_link();
        if let Some(core) = full {
            self.wait_for_link(index, core);
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
