//! What cores say to each other.
//!
//! Every ordered pair of cores has a link: a queue of batches. A core writes
//! into the open batch of a link during its turn and the shell pushes it at
//! the end, so a peer gets at most one batch and one wake-up per turn. A batch
//! has two parts, `control` (interest, stalls) and `data` (messages), and
//! comes back empty to its sender when it has been dealt with: that return is
//! the confirmation, and it frees the room that the batch took.
//!
//! Draining ([`Shard::on_mesh`]) keeps causality across three cores: first it
//! is noted how many batches each link shows, then the control parts of all
//! visible batches are applied, then the messages of those that were noted. A
//! message that was caused by a change of interest can have been noted only if
//! that change was visible before, so it never overtakes it.
//!
//! Bounds: messages under way on a link are limited by bytes and by batches; a
//! publisher that would exceed them is held. Draining never waits, so full
//! links in a ring of cores cannot block each other. Control is never refused;
//! a client that produces it is held while any link is full.

use std::collections::VecDeque;

use super::Shard;
use crate::base::id::{AccountId, ConnectionKey, CoreId, Nanos};
use crate::base::limits::{LINK_BATCHES_MAX, LINK_BYTES_MAX};
use crate::route::interest::Announcement;
use crate::session::connection::Hold;

/// What one core sends to another at the end of a turn.
#[derive(Debug, Default)]
pub struct MeshBatch {
    /// Position in the link, from one.
    sequence: u64,
    /// The sender waits for the return and must be woken by it.
    wants_return: bool,
    /// Interest and stalls.
    pub(super) control: Vec<u8>,
    /// Messages.
    pub(super) data: Vec<u8>,
    /// Bytes that the batch carried, still known when it returns empty.
    weight: usize,
}

impl MeshBatch {
    fn is_empty(&self) -> bool {
        self.control.is_empty() && self.data.is_empty()
    }

    fn bytes(&self) -> usize {
        self.control.len() + self.data.len()
    }

    /// Whether the sender must be woken when the batch returns.
    #[must_use]
    pub fn wants_return(&self) -> bool {
        self.wants_return
    }
}

/// The receiving end of a queue of batches from one core: a lock-free ring in
/// the shell, a list in the simulation.
pub trait Inbound {
    /// Batches visible now. They stay visible until popped.
    fn visible(&self) -> usize;
    /// Takes the oldest batch.
    fn pop(&mut self) -> Option<MeshBatch>;
}

/// One core's state towards one other core.
#[derive(Debug, Default)]
pub(super) struct Link {
    open: MeshBatch,
    /// Batches given to the shell and not returned.
    in_flight_batches: usize,
    in_flight_bytes: usize,
    sent_sequence: u64,
    returned_sequence: u64,
    /// Somebody waits for returns that the peer has not been asked for.
    demand: bool,
    /// Connections that wait for the return of a batch, in order.
    barrier_waiters: VecDeque<(u64, ConnectionKey)>,
    /// Connections that wait for room.
    room_waiters: Vec<ConnectionKey>,
    /// Batches of the peer whose control is applied, data not yet delivered.
    inbox: VecDeque<MeshBatch>,
    /// Batches of the peer that are dealt with.
    done: VecDeque<MeshBatch>,
    /// Empty batches for reuse.
    spare: Vec<MeshBatch>,
}

/// A batch keeps its buffers for reuse unless they grew beyond this.
const SPARE_BYTES_MAX: usize = 256 << 10;

impl Link {
    pub(super) fn has_work(&self) -> bool {
        !self.inbox.is_empty() || !self.done.is_empty() || self.can_take()
    }

    fn can_take(&self) -> bool {
        self.in_flight_batches < LINK_BATCHES_MAX && (!self.open.is_empty() || self.demand)
    }

    fn is_full(&self) -> bool {
        self.bytes_under_way() >= LINK_BYTES_MAX
    }

    /// Bytes said to the peer and not confirmed by it.
    pub(super) fn bytes_under_way(&self) -> usize {
        self.in_flight_bytes + self.open.bytes()
    }

    fn take(&mut self) -> Option<MeshBatch> {
        if !self.can_take() {
            return None;
        }
        let spare = self.spare.pop().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.open, spare);
        self.sent_sequence += 1;
        batch.sequence = self.sent_sequence;
        self.in_flight_batches += 1;
        // With the last batch that the link takes, somebody will wait.
        let is_last = self.in_flight_batches == LINK_BATCHES_MAX;
        batch.wants_return = std::mem::take(&mut self.demand) || is_last;
        batch.weight = batch.bytes();
        self.in_flight_bytes += batch.weight;
        Some(batch)
    }

    /// The batch whose return confirms everything said so far, if there is
    /// something unconfirmed.
    fn unconfirmed(&self) -> Option<u64> {
        if !self.open.is_empty() {
            Some(self.sent_sequence + 1)
        } else {
            (self.returned_sequence < self.sent_sequence).then_some(self.sent_sequence)
        }
    }

    pub(super) fn send_message<'a>(
        &mut self,
        frame: &MessageFrame<'_>,
        queues: impl Iterator<Item = &'a [u8]>,
    ) {
        frame.encode(queues, &mut self.open.data);
    }

    /// Tells a core to hold a publisher back, or to let it go on.
    pub(super) fn send_stall(&mut self, publisher: u64, is_stalled: bool) {
        let control = &mut self.open.control;
        control.push(if is_stalled { STALL } else { RELEASE });
        control.extend_from_slice(&publisher.to_le_bytes());
    }
}

const PLAIN_GONE: u8 = 0;
const PLAIN_HERE: u8 = 1;
const QUEUE: u8 = 2;
const STALL: u8 = 3;
const RELEASE: u8 = 4;

/// Tells all other cores of a change of interest.
pub(super) fn announce(
    links: &mut [Link],
    own: CoreId,
    account: AccountId,
    announcement: Announcement<'_>,
) {
    let peers = links.iter_mut().enumerate();
    for (_, link) in peers.filter(|(core, _)| *core != own.index()) {
        let control = &mut link.open.control;
        let (kind, pattern, queue, members): (_, _, &[u8], _) = match announcement {
            Announcement::Plain { pattern, present } => (
                if present { PLAIN_HERE } else { PLAIN_GONE },
                pattern,
                b"",
                0,
            ),
            Announcement::Queue {
                pattern,
                queue,
                members,
            } => (QUEUE, pattern, queue, members),
        };
        control.push(kind);
        control.extend_from_slice(&account.0.to_le_bytes());
        control.extend_from_slice(&members.to_le_bytes());
        put(pattern, control);
        put(queue, control);
    }
}

fn put(bytes: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    into.extend_from_slice(bytes);
}

/// Reads what this module has written; a mistake here is a bug, so it panics.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (array, rest) = self.0.split_first_chunk().expect("frames are whole");
        self.0 = rest;
        *array
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn text(&mut self) -> &'a [u8] {
        let len = self.u32() as usize;
        self.bytes(len)
    }
}

/// A message on its way to another core.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageFrame<'a> {
    pub account: AccountId,
    /// Whether plain subscriptions of that core get it.
    pub is_for_plain: bool,
    /// How often cores without a member have handed it on.
    pub hops: u8,
    /// The publisher's connection on the sending core.
    pub publisher: u64,
    pub subject: &'a [u8],
    pub reply: &'a [u8],
    pub tail: &'a [u8],
    pub stripped: &'a [u8],
}

/// A message that came from another core.
pub(super) struct Frame<'a> {
    pub message: MessageFrame<'a>,
    queues: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Names of the queue groups of which a member here was chosen.
    pub fn queues(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader(self.queues);
        std::iter::from_fn(move || (!reader.0.is_empty()).then(|| reader.text()))
    }
}

impl<'a> MessageFrame<'a> {
    fn encode<'q>(&self, queues: impl Iterator<Item = &'q [u8]>, into: &mut Vec<u8>) {
        let mut head = [0u8; 28];
        head[0..2].copy_from_slice(&self.account.0.to_le_bytes());
        head[2] = u8::from(self.is_for_plain);
        head[3] = self.hops;
        head[4..12].copy_from_slice(&self.publisher.to_le_bytes());
        head[12..16].copy_from_slice(&(self.subject.len() as u32).to_le_bytes());
        head[16..20].copy_from_slice(&(self.reply.len() as u32).to_le_bytes());
        head[20..24].copy_from_slice(&(self.tail.len() as u32).to_le_bytes());
        head[24..28].copy_from_slice(&(self.stripped.len() as u32).to_le_bytes());
        into.extend_from_slice(&head);
        into.extend_from_slice(self.subject);
        into.extend_from_slice(self.reply);
        into.extend_from_slice(self.tail);
        into.extend_from_slice(self.stripped);
        let len_at = into.len();
        into.extend_from_slice(&[0; 4]);
        for queue in queues {
            put(queue, into);
        }
        let queues_len = (into.len() - len_at - 4) as u32;
        into[len_at..len_at + 4].copy_from_slice(&queues_len.to_le_bytes());
    }

    fn decode(reader: &mut Reader<'a>) -> Frame<'a> {
        let account = AccountId(u16::from_le_bytes(reader.array()));
        let [is_for_plain, hops] = reader.array();
        let publisher = u64::from_le_bytes(reader.array());
        let [subject, reply, tail, stripped] = [(); 4].map(|()| reader.u32() as usize);
        let message = MessageFrame {
            account,
            is_for_plain: is_for_plain == 1,
            hops,
            publisher,
            subject: reader.bytes(subject),
            reply: reader.bytes(reply),
            tail: reader.bytes(tail),
            stripped: reader.bytes(stripped),
        };
        let queues = reader.text();
        Frame { message, queues }
    }
}

impl Shard {
    /// The batch for a core, if there is something to say and room for it in
    /// the link. It must be delivered, in order.
    pub fn take_batch(&mut self, to: CoreId) -> Option<MeshBatch> {
        self.links[to.index()].take()
    }

    /// A batch of a core that is dealt with and must be returned to it.
    pub fn take_done(&mut self, from: CoreId) -> Option<MeshBatch> {
        self.links[from.index()].done.pop_front()
    }

    /// Deals with everything that other cores have sent. Entry `n` of `inbound`
    /// is the queue from core `n`; the own one is never looked at.
    pub fn on_mesh<I: Inbound>(&mut self, now: Nanos, inbound: &mut [I]) {
        self.now = now;
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
        while !reader.0.is_empty() {
            let [kind] = reader.array();
            if kind == STALL || kind == RELEASE {
                let key = ConnectionKey::from_bits(u64::from_le_bytes(reader.array()));
                if kind == RELEASE {
                    self.end_stall(key);
                } else if let Some(index) = self.connections.find(key)
                    && self.connections[index].reads()
                {
                    self.stall(index);
                }
                continue;
            }
            let account = AccountId(u16::from_le_bytes(reader.array()));
            let members = reader.u32();
            let (pattern, queue) = (reader.text(), reader.text());
            let announcement = match kind {
                QUEUE => Announcement::Queue {
                    pattern,
                    queue,
                    members,
                },
                _ => Announcement::Plain {
                    pattern,
                    present: kind == PLAIN_HERE,
                },
            };
            self.interests[account.index()].hear(from, announcement);
        }
    }

    fn deliver_batch(&mut self, from: CoreId, mut batch: MeshBatch) {
        let mut reader = Reader(&batch.data);
        while !reader.0.is_empty() {
            let frame = MessageFrame::decode(&mut reader);
            self.deliver_frame(&frame);
        }
        self.stall_remote(from);
        batch.control.clear();
        batch.data.clear();
        self.links[from.index()].done.push_back(batch);
    }

    /// Takes back a batch that its receiver has dealt with: whoever waited for
    /// that goes on.
    pub fn on_return(&mut self, now: Nanos, from: CoreId, mut batch: MeshBatch) {
        self.now = now;
        let link = &mut self.links[from.index()];
        assert!(
            batch.sequence == link.returned_sequence + 1,
            "returns keep the order"
        );
        link.returned_sequence = batch.sequence;
        link.in_flight_batches -= 1;
        link.in_flight_bytes -= batch.weight;
        if link.in_flight_batches == 0 {
            debug_assert_eq!(link.in_flight_bytes, 0);
        }
        batch.control.shrink_to(SPARE_BYTES_MAX);
        batch.data.shrink_to(SPARE_BYTES_MAX);
        link.spare.push(batch);
        while let Some(&(sequence, key)) = self.links[from.index()].barrier_waiters.front() {
            if sequence > self.links[from.index()].returned_sequence {
                break;
            }
            self.links[from.index()].barrier_waiters.pop_front();
            self.pass_barrier(key);
        }
        let link = &mut self.links[from.index()];
        if !link.room_waiters.is_empty() && link.in_flight_bytes <= LINK_BYTES_MAX / 2 {
            for key in std::mem::take(&mut link.room_waiters) {
                self.end_wait_for_link(key, from);
            }
        }
        // Whoever still waits needs the next return too, which the peer may
        // not have been asked for.
        let link = &mut self.links[from.index()];
        let waits = !link.barrier_waiters.is_empty() || !link.room_waiters.is_empty();
        if waits && link.in_flight_batches == 0 {
            link.demand = true;
        }
    }

    /// Asks all cores to confirm this core's interest; returns how many have
    /// to.
    pub(super) fn begin_barrier(&mut self, index: u32) -> u32 {
        let key = self.connections.key(index);
        let mut cores = 0;
        for link in &mut self.links {
            if let Some(sequence) = link.unconfirmed() {
                link.barrier_waiters.push_back((sequence, key));
                link.demand = true;
                cores += 1;
            }
        }
        cores
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
        let link = &mut self.links[core.index()];
        link.room_waiters.push(key);
        link.demand = true;
    }

    /// Holds a connection that changes interest while any link is full.
    pub(super) fn wait_for_any_link(&mut self, index: u32) -> bool {
        let full = self.links.iter().position(Link::is_full);
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
                self.links[from.index()].send_stall(publisher, true);
            }
        }
        self.scratch.stalled = stalled;
    }
}
