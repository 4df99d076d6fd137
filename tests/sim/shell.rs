//! One core's turn, as the real shell takes it, but cut into steps between
//! which the other cores go on: a real core can lose its processor anywhere.
//!
//! It mirrors `src/server/turn.rs` closely; what differs is only where bytes
//! and batches come from.

mod letters;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io::IoSlice;
use std::rc::Rc;

use trunkline_core::base::id::{ConnectionKey, CoreId, Nanos};
use trunkline_core::base::limits::SEND_BLOCKS_MAX;
use trunkline_core::base::moment::{Moment, WallNanos};
use trunkline_core::session::close_reason::CloseReason;
use trunkline_core::shard::mesh::{Inbound, MeshBatch};
use trunkline_core::shard::{Opening, Output, Shard};

use crate::clock::Time;
use crate::fabric::{End, Fabric, Lane};
use crate::mutants::Fault;
use crate::net::{Net, Ready, Received};
use crate::policy::keys;
pub use letters::{Letter, Post};

/// The wall clock when time begins.
const WALL_EPOCH_NS: u64 = 1_700_000_000_000_000_000;

/// A client's socket with what is known of it.
struct Socket {
    wire: usize,
    key: ConnectionKey,
    is_readable: bool,
    is_queued: bool,
    is_ending: bool,
}

/// What a step did that concerns others.
#[derive(Default)]
pub struct Consequences {
    /// Cores whose bell was rung.
    pub rung: BTreeSet<usize>,
    /// Sockets that clients have something to read from.
    pub sent: Vec<usize>,
    /// Sockets whose kernel buffer has room again.
    pub drained: Vec<usize>,
    /// It was the first output of a turn: what was held went on.
    pub is_first: bool,
    /// What concerns other threads.
    pub post: Post,
}

/// Where a core stands between its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Batches,
    Sockets,
    /// The next output of the turn, the first one included.
    Output,
    Bells,
    /// The turn is over, the next one begins with events and handovers.
    End,
}

/// One core.
pub struct Core {
    pub id: usize,
    pub shard: Shard,
    sockets: Vec<Option<Socket>>,
    readable: VecDeque<ConnectionKey>,
    buffer: Vec<u8>,
    turn_input: usize,
    fabric: Rc<RefCell<Fabric>>,
    inbound: Vec<End>,
    returned: Vec<End>,
    /// Connections accepted for this core.
    pub handovers: VecDeque<usize>,
    /// Letters of other threads.
    pub letters: VecDeque<Letter>,
    pub step: Step,
    pub is_parked: bool,
    /// Cores whose bell must be rung at the end of the turn.
    to_ring: BTreeSet<usize>,
    /// The time that the turn goes by.
    now: Nanos,
    fault: Option<Fault>,
    /// No output of the turn has been taken yet.
    is_settling: bool,
    /// Counts bells, to lose some of them.
    bells: u64,
}

impl Core {
    pub fn new(
        id: usize,
        shard: Shard,
        fabric: &Rc<RefCell<Fabric>>,
        (buffer_bytes, turn_input): (usize, usize),
        fault: Option<Fault>,
    ) -> Self {
        Self {
            id,
            shard,
            sockets: Vec::new(),
            readable: VecDeque::new(),
            buffer: vec![0; buffer_bytes],
            turn_input,
            fabric: Rc::clone(fabric),
            inbound: Fabric::ends(fabric, id, Lane::Forth),
            returned: Fabric::ends(fabric, id, Lane::Back),
            handovers: VecDeque::new(),
            letters: VecDeque::new(),
            step: Step::End,
            is_parked: true,
            to_ring: BTreeSet::new(),
            now: Nanos(0),
            fault,
            is_settling: false,
            bells: 0,
        }
    }

    /// Whether another turn must follow at once.
    pub fn has_work(&self) -> bool {
        !self.readable.is_empty()
            || self.shard.has_work()
            || !self.handovers.is_empty()
            || !self.letters.is_empty()
            || self.fabric.borrow_mut().has_work(self.id)
    }

    /// The key of a client's connection, if it is open here.
    pub fn key_of(&self, wire: usize) -> Option<ConnectionKey> {
        let mut sockets = self.sockets.iter().flatten();
        sockets
            .find(|socket| socket.wire == wire)
            .map(|socket| socket.key)
    }

    /// All open connections with their sockets.
    pub fn open_sockets(&self) -> impl Iterator<Item = (usize, ConnectionKey)> {
        let sockets = self.sockets.iter().flatten();
        sockets.map(|socket| (socket.wire, socket.key))
    }

    /// The time that the turn goes by.
    pub fn now(&self) -> Time {
        self.now.0
    }

    /// Does the next step of the turn.
    pub fn advance(&mut self, now: Time, net: &mut Net) -> Consequences {
        let mut done = Consequences::default();
        self.step = match self.step {
            Step::End => {
                self.now = Nanos(now);
                self.shard.begin_turn(Moment {
                    mono: self.now,
                    wall: WallNanos(WALL_EPOCH_NS + now),
                });
                self.take_events(net, &mut done.post.opened);
                self.read_letter(&mut done.post);
                Step::Batches
            }
            Step::Batches => {
                self.take_batches();
                Step::Sockets
            }
            Step::Sockets => {
                self.read_sockets(net, &mut done);
                if self.shard.next_deadline() <= self.now {
                    self.shard.on_tick();
                }
                self.is_settling = true;
                Step::Output
            }
            Step::Output => match self.shard.next_output() {
                Some(output) => {
                    self.put_out(output, net, &mut done);
                    done.is_first = std::mem::take(&mut self.is_settling);
                    Step::Output
                }
                None => {
                    done.is_first = std::mem::take(&mut self.is_settling);
                    Step::Bells
                }
            },
            Step::Bells => {
                self.ring_doorbells(&mut done);
                Step::End
            }
        };
        done
    }

    fn take_events(&mut self, net: &mut Net, opened: &mut Vec<usize>) {
        while let Some((wire, ready)) = net.take_event(self.id) {
            if let Some(key) = self.key_of(wire) {
                self.note_ready(key, ready);
            }
        }
        while let Some(wire) = self.handovers.pop_front() {
            self.open(wire, net);
            opened.push(wire);
        }
    }

    fn note_ready(&mut self, key: ConnectionKey, ready: Ready) {
        let Some(socket) = find(&mut self.sockets, key) else {
            return;
        };
        socket.is_ending |= ready.is_ending;
        if ready.is_readable {
            socket.is_readable = true;
            self.queue_read(key);
        }
        if ready.is_writable {
            self.shard.on_writable(key);
        }
    }

    fn queue_read(&mut self, key: ConnectionKey) {
        if let Some(socket) = find(&mut self.sockets, key)
            && socket.is_readable
            && !socket.is_queued
        {
            socket.is_queued = true;
            self.readable.push_back(key);
        }
    }

    fn open(&mut self, wire: usize, net: &mut Net) {
        let address = std::net::Ipv4Addr::from_bits(0x7f00_0000 + wire as u32);
        let mut opening = Opening::client(wire as u64, (address, 1).into());
        opening.nonce = keys::nonce(wire).0;
        let key = self.shard.open(opening);
        let slot = key.index as usize;
        if self.sockets.len() <= slot {
            self.sockets.resize_with(slot + 1, || None);
        }
        assert!(self.sockets[slot].is_none(), "a slot has one socket");
        self.sockets[slot] = Some(Socket {
            wire,
            key,
            is_readable: false,
            is_queued: false,
            is_ending: false,
        });
        net.register(wire);
    }

    fn take_batches(&mut self) {
        if self.inbound.len() < 2 {
            return;
        }
        for (core, ring) in self.returned.iter_mut().enumerate() {
            while let Some(batch) = ring.pop() {
                self.shard.on_return(CoreId(core as u8), batch);
            }
        }
        self.shard.on_mesh(&mut self.inbound);
    }

    fn read_sockets(&mut self, net: &mut Net, done: &mut Consequences) {
        let mut budget = self.turn_input;
        for _ in 0..self.readable.len() {
            if !self.shard.takes_input() {
                return;
            }
            let Some(key) = self.readable.pop_front() else {
                return;
            };
            budget = budget.saturating_sub(self.read_socket(key, net, done));
            if budget == 0 {
                return;
            }
        }
    }

    fn read_socket(&mut self, key: ConnectionKey, net: &mut Net, done: &mut Consequences) -> usize {
        let Some(socket) = find(&mut self.sockets, key) else {
            return 0;
        };
        socket.is_queued = false;
        if !self.shard.reads(key) {
            return 0;
        }
        let wire = socket.wire;
        let (received, room) = if let Some(space) = self.shard.large_space(key) {
            let room = space.len();
            let received = net.receive(wire, space);
            if let Received::Bytes(len) = received {
                self.shard.on_large_bytes(key, len);
            }
            (received, room)
        } else {
            let kept = self.shard.restore_input(key, &mut self.buffer);
            let room = self.buffer.len() - kept;
            let received = net.receive(wire, &mut self.buffer[kept..]);
            let len = if let Received::Bytes(len) = received {
                len
            } else {
                0
            };
            self.shard.on_bytes(key, &self.buffer[..kept + len]);
            (received, room)
        };
        match received {
            Received::Bytes(len) => {
                done.drained.push(wire);
                socket.is_readable = len == room || socket.is_ending;
                self.queue_read(key);
                len
            }
            Received::WouldBlock => {
                socket.is_readable = false;
                0
            }
            Received::End => {
                self.shard.on_hangup(key, CloseReason::ClientClosed);
                0
            }
            Received::Failed => {
                self.shard.on_hangup(key, CloseReason::ReadError);
                0
            }
        }
    }

    fn put_out(&mut self, output: Output, net: &mut Net, done: &mut Consequences) {
        match output {
            Output::Control(core, batch) | Output::Batch(core, batch) => {
                self.push(core.index(), Lane::Forth, batch, true);
            }
            Output::Return(core, batch) => {
                let rings = batch.wants_return() && self.fault != Some(Fault::ForgetReturnBell);
                self.push(core.index(), Lane::Back, batch, rings);
            }
            Output::Send(key) => self.flush(key, net, done),
            Output::Closed(key, _) => self.close_socket(key, net, done),
            Output::Resume(key) => self.queue_read(key),
            Output::Ask(ask) => self.post(ask, &mut done.post),
            Output::Disk(..) => unreachable!("nothing is stored here"),
        }
    }

    fn close_socket(&mut self, key: ConnectionKey, net: &mut Net, done: &mut Consequences) {
        let slot = &mut self.sockets[key.index as usize];
        let socket = slot.take().expect("a connection has a socket");
        assert_eq!(socket.key, key);
        net.wires[socket.wire].server_closed = true;
        let unread = net.wires[socket.wire].arrived.len();
        net.wires[socket.wire].arrived.consume(unread);
        done.sent.push(socket.wire);
        done.drained.push(socket.wire);
    }

    fn flush(&mut self, key: ConnectionKey, net: &mut Net, done: &mut Consequences) {
        let Some(socket) = find(&mut self.sockets, key) else {
            return;
        };
        loop {
            let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
            let slices = self.shard.pending_slices(key, &mut slices);
            if slices.is_empty() {
                return;
            }
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            let Some(sent) = net.send(socket.wire, slices) else {
                return self.shard.on_hangup(key, CloseReason::WriteError);
            };
            done.sent.push(socket.wire);
            self.shard.on_sent(key, sent, sent < offered);
            if sent < offered {
                return;
            }
        }
    }

    fn push(&mut self, to: usize, lane: Lane, batch: MeshBatch, rings: bool) {
        assert_ne!(to, self.id, "a core says nothing to itself");
        if rings {
            self.to_ring.insert(to);
        }
        self.fabric.borrow_mut().push(self.id, to, lane, batch);
    }

    fn ring_doorbells(&mut self, done: &mut Consequences) {
        for core in std::mem::take(&mut self.to_ring) {
            self.bells += 1;
            if self.fault == Some(Fault::LoseBell) && self.bells % 8 == 7 {
                continue;
            }
            self.fabric.borrow_mut().ring(self.id, core);
            done.rung.insert(core);
        }
    }
}

fn find(sockets: &mut [Option<Socket>], key: ConnectionKey) -> Option<&mut Socket> {
    let socket = sockets.get_mut(key.index as usize)?.as_mut()?;
    (socket.key == key).then_some(socket)
}
