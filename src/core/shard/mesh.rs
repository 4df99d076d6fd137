//! What cores say to each other.
//!
//! Every ordered pair of cores has a link: a queue of batches. A core writes
//! into the open batch of a link during its turn and the shell pushes it at
//! the end, with one wake-up per peer and turn. A batch has two parts, `control`
//! (interest, stalls) and `data` (messages), and comes back empty to its sender
//! when it has been dealt with: that return is the confirmation, and it frees
//! the room that the batch took.
//!
//! Bounds: messages under way on a link are limited by bytes and by batches; a
//! publisher that would exceed them is held. Control is never refused; a client
//! that produces it is held while any link is full.
//!
//! Not here: what a core does with the batches of others, and causality
//! (`mesh_input`), the bytes in a batch (`frame`), one link (`link`).

use super::frame::{MessageFrame, Publisher, put_interest, put_stall};
use super::link::Link;
pub use super::link::MeshBatch;
use super::message::Message;
use crate::base::core_set::CoreSet;
use crate::base::id::{AccountId, ConnectionKey, CoreId};
use crate::base::limits::STALL_WAITERS_MAX;
use crate::base::slab::NONE;
use crate::route::interest::{Announcement, Interest};
use crate::route::receivers::Route;
use crate::session::stalling::Behind;

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
    /// Changes of interest that were said or heard.
    pub interest_changes: u64,
    /// Place of the route of the last message from another core.
    pub last_route: u32,
    /// Queue groups whose message goes to another core: a buffer.
    pub queue_forwards: Vec<(CoreId, u32)>,
    /// Publishers of other cores to be held back: a buffer.
    pub stalled: Vec<(ConnectionKey, Behind)>,
    /// Number of batches that were visible when draining began, per core: a buffer.
    pub tails: Vec<usize>,
}

/// A message that goes to other cores.
pub(super) struct Handed<'a> {
    pub account: AccountId,
    /// Its publisher, if it has one that can wait.
    pub publisher: Option<Publisher>,
    pub message: &'a Message<'a>,
    /// Cores of which a member of a queue group was drawn.
    pub queue_forwards: &'a [(CoreId, u32)],
}

impl Mesh {
    pub fn new(own: CoreId, cores: usize) -> Self {
        Self {
            own,
            links: (0..cores).map(|_| Link::default()).collect(),
            interest_changes: 0,
            last_route: NONE,
            queue_forwards: Vec::new(),
            stalled: Vec::new(),
            tails: Vec::new(),
        }
    }

    /// Tells all other cores of a change of interest.
    pub fn announce(&mut self, account: AccountId, announcement: Announcement<'_>) {
        self.interest_changes += 1;
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
        for &(core, _) in handed.queue_forwards {
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
                is_errand: false,
                subject: route.subject(),
                shown: message.shown.unwrap_or_default(),
                tail: message.line,
                has_header: message.has_header,
            };
            let queues = handed
                .queue_forwards
                .iter()
                .filter(|forward| forward.0 == core);
            let names = queues.map(|&(_, queue)| interest.queue_name(queue));
            let data = &mut self.links[core.index()].open.data;
            let mut names = names.peekable();
            frame.encode(message.body, &mut names, data);
            while names.peek().is_some() {
                let further = MessageFrame {
                    is_for_plain: false,
                    ..frame
                };
                further.encode(message.body, &mut names, data);
            }
        }
        cores
    }

    /// Hands a message for a queue group on to a core that may have a member,
    /// unless it has gone round for too long.
    pub fn hand_on_queue_forward(
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
            onward.encode(b"", &mut [name].into_iter(), data);
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

    /// A core whose link has no room for changes of interest.
    pub fn link_full_of_changes(&self) -> Option<CoreId> {
        let full = self.links.iter().position(Link::is_full_of_changes)?;
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
