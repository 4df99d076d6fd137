//! One core's loop: gather what happened, let the shard decide, flush.
//!
//! A turn takes the pending events, what other cores have sent, and a bounded
//! amount of input; then every connection that got something is sent to once,
//! every core that is concerned gets one batch, and every core that sleeps and
//! has something to do is woken once. The clock is read once.
//!
//! A core without work sleeps until a socket is ready, another core rings or a
//! deadline comes: at first in its poller, later in the executor's rings.
//! `&mut Shard` is never held across an await.

mod disk;
mod framed;
mod framed_io;
mod layered_io;
mod layers;
mod letters;
mod links;
pub mod meter;
mod opening;
mod pacing;
mod pending_upgrades;
pub mod report;
mod secure;
mod secure_io;
mod sleep;
mod upgrading;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use trunkline_core::base::core_set::CoreSet;
use trunkline_core::base::deadlines::Deadlines;
use trunkline_core::base::id::{ConnectionKey, CoreId, Nanos};
use trunkline_core::base::limits::{
    READ_WORK_NS, RECEIVE_BUFFER_BYTES, SEND_BLOCKS_MAX, TURN_INPUT_BYTES,
};
use trunkline_core::base::moment::{Moment, WallNanos};
use trunkline_core::session::close_reason::CloseReason;
use trunkline_core::shard::{Output, Shard};
use trunkline_core::wire::websocket::deflate::Codec;

use crate::disk::core_disk::{CoreDisk, DiskSetup};
use crate::executor::{Executor, Park};
use crate::mailbox::Mailbox;
use crate::mesh::{CoreRings, Shared};
use crate::net::accept::Acceptor;
use crate::net::poller::{Poller, Ready};
use crate::net::socket::{DOORS, Received, hang_up, receive, receive_into_two, send};
use crate::work::Senders;
use framed::Framed;
use layers::{Layers, say_goodbye};
use meter::Meter;
use pacing::Pacing;
use pending_upgrades::PendingUpgrades;

/// Tokens that no connection has, since generations do not reach them: the
/// doorbell, and below it the listeners.
const DOORBELL: u64 = u64::MAX;
const LISTENERS: u64 = DOORBELL - DOORS as u64;

/// The disk.
const DISK: u64 = LISTENERS - 1;

/// Pending upgrades have their slot in the lower half.
const UPGRADES: u64 = (u32::MAX as u64 - 1) << 32;

/// A client's socket with what is known of it.
struct Socket {
    fd: OwnedFd,
    key: ConnectionKey,
    /// Something may be there to be read.
    is_readable: bool,
    /// Is in the list of sockets to be read.
    is_queued: bool,
    /// The peer has closed: what is left must be read to the end.
    is_ending: bool,
    /// What stands between the socket and the shard, if something does.
    layers: Option<Box<Layers>>,
}

impl Socket {
    /// Whether something that was read before waits to be decoded.
    fn has_undecoded(&self) -> bool {
        let layers = self.layers.as_deref();
        let framed = layers.and_then(|layers| layers.framed.as_ref());
        framed.is_some_and(Framed::has_undecoded)
    }
}

/// One core of the server.
pub struct Core {
    id: CoreId,
    shard: Shard,
    sockets: Vec<Option<Socket>>,
    poller: Poller,
    readable: VecDeque<ConnectionKey>,
    /// The same of peers that have closed: they wait for nothing, so those that do
    /// come first.
    ending: VecDeque<ConnectionKey>,
    buffer: Box<[u8]>,
    rings: CoreRings,
    /// Cores that have something to do since this turn.
    to_ring: CoreSet,
    shared: Arc<Shared>,
    acceptors: Vec<Acceptor>,
    /// Connections that are not clients yet.
    pending_upgrades: PendingUpgrades,
    /// Compresses and uncompresses messages of WebSocket.
    codec: Codec,
    clock: Instant,
    outside: Outside,
    /// `None`: nothing is stored.
    disk: Option<CoreDisk>,
    /// When to look at handshakes that are under way.
    handshakes: Deadlines<ConnectionKey>,
    /// Time that this turn has spent on handshakes.
    handshake_ns: u64,
    /// Decrypted input.
    plain: Vec<u8>,
    meter: Meter,
    pacing: Pacing,
}

/// What cores and other threads leave each other.
#[derive(Clone)]
pub struct Outside {
    /// Letters to the cores, one mailbox each.
    pub mailboxes: Arc<[Mailbox<Core>]>,
    /// Work for other threads.
    pub work: Senders,
    /// What a core's disk is made with; `None`: nothing is stored.
    pub disk: Option<DiskSetup>,
}

impl Core {
    /// A core without connections; the first one gets the acceptors.
    pub fn new(
        id: CoreId,
        shard: Shard,
        rings: CoreRings,
        shared: Arc<Shared>,
        acceptors: Vec<Acceptor>,
        clock: Instant,
        outside: Outside,
    ) -> std::io::Result<Self> {
        let poller = Poller::new()?;
        poller.add_edge(shared.doorbells[id.index()].event(), DOORBELL)?;
        for acceptor in &acceptors {
            poller.add_level(acceptor.listener(), LISTENERS + acceptor.door() as u64)?;
        }
        let disk = outside.disk.clone();
        let disk = disk.map(|setup| CoreDisk::new(id, setup)).transpose()?;
        if let Some(disk) = &disk {
            poller.add_level(disk, DISK)?;
        }
        Ok(Self {
            id,
            shard,
            sockets: Vec::new(),
            poller,
            readable: VecDeque::new(),
            ending: VecDeque::new(),
            buffer: vec![0; RECEIVE_BUFFER_BYTES].into_boxed_slice(),
            rings,
            to_ring: CoreSet::EMPTY,
            shared,
            acceptors,
            pending_upgrades: PendingUpgrades::default(),
            codec: Codec::default(),
            clock,
            outside,
            disk,
            handshakes: Deadlines::default(),
            handshake_ns: 0,
            plain: Vec::new(),
            meter: Meter::default(),
            pacing: Pacing::default(),
        })
    }

    /// Where the core waits; to be called on its thread.
    pub fn park(&self, executor: Executor) -> std::io::Result<Park> {
        Park::new(executor, self.poller.descriptor()?)
    }

    /// Runs until the server stops.
    pub async fn run(mut self, mut park: Park) -> std::io::Result<()> {
        let mut events = 0;
        // Naps end when they are meant to, not up to 50 µs later.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        while !self.is_stopping() {
            let now = self.begin_turn();
            self.meter.begin_turn(now);
            self.pacing.begin_turn(now);
            self.turn(now, events)?;
            if self.has_work() {
                park.give_way().await;
                events = self.poller.take(Duration::ZERO)?;
                continue;
            }
            events = self.sleep(&mut park).await?;
        }
        self.stop()
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Relaxed)
    }

    /// Reads the clocks, once per turn.
    fn begin_turn(&mut self) -> Nanos {
        let mono = self.now();
        let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let wall = wall_nanos(wall.tv_sec, wall.tv_nsec);
        self.shard.begin_turn(Moment { mono, wall });
        mono
    }

    /// The moment, on the clock of all cores.
    pub fn now(&self) -> Nanos {
        Nanos(self.clock.elapsed().as_nanos() as u64)
    }

    fn has_work(&self) -> bool {
        !self.readable.is_empty()
            || !self.ending.is_empty()
            || self.shard.has_work()
            || self.rings.has_work()
            || self.has_letters()
            || self.has_disk_work()
            || self.pending_upgrades.has_work()
    }

    fn next_deadline(&self) -> Nanos {
        let accept = self.acceptors.iter().map(Acceptor::paused_until).min();
        self.shard
            .next_deadline()
            .min(accept.unwrap_or(Nanos::NEVER))
            .min(self.handshakes.next())
            .min(self.pending_upgrades.next_deadline())
    }

    fn turn(&mut self, now: Nanos, events: usize) -> std::io::Result<()> {
        self.handshake_ns = 0;
        self.take_events(now, events)?;
        self.take_disk();
        self.take_handovers(now);
        self.serve_upgrades(now);
        self.read_letter(now);
        self.take_batches();
        self.read_sockets(now);
        self.end_late_handshakes(now);
        if self.shard.next_deadline() <= now {
            self.shard.on_tick();
        }
        self.put_out()?;
        self.ring_doorbells();
        Ok(())
    }

    /// Carries out what the shard leaves, in its order.
    fn put_out(&mut self) -> std::io::Result<()> {
        while let Some(output) = self.shard.next_output() {
            if !matches!(output, Output::Disk(..)) {
                // The device works while the rest goes its way.
                self.submit_to_disk()?;
            }
            match output {
                Output::Disk(partition, operation) => self.begin_on_disk(partition, operation),
                Output::Control(core, batch) | Output::Batch(core, batch) => {
                    self.push(core, batch);
                }
                Output::Send(key) => self.flush(key),
                Output::Closed(key, reason) => self.close_socket(key, reason),
                Output::Resume(key) => self.queue_read(key),
                Output::Return(core, batch) => self.push_done(core, batch),
                Output::Ask(ask) => self.outside.work.leave(self.id, ask),
            }
        }
        self.submit_to_disk()
    }

    fn take_events(&mut self, now: Nanos, events: usize) -> std::io::Result<()> {
        let mut accepts = [false; DOORS];
        for at in 0..events {
            let ready = self.poller.ready(at);
            match ready.token {
                // The rings are looked at in any case.
                DOORBELL => {}
                DISK => self.note_disk_ready(),
                listener @ LISTENERS.. => accepts[(listener - LISTENERS) as usize] = true,
                pending @ UPGRADES.. => self.pending_upgrades.note_ready(pending - UPGRADES),
                _ => self.note_ready(ready),
            }
        }
        for acceptor in &mut self.acceptors {
            let door = acceptor.door();
            if acceptor.ends_pause(now) {
                self.poller
                    .add_level(acceptor.listener(), LISTENERS + door as u64)?;
                accepts[door as usize] = true;
            }
        }
        self.accept(now, accepts)
    }

    fn note_ready(&mut self, ready: Ready) {
        let key = ConnectionKey::from_bits(ready.token);
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
            && (socket.is_readable || socket.has_undecoded())
            && !socket.is_queued
        {
            socket.is_queued = true;
            match socket.is_ending {
                false => self.readable.push_back(key),
                true => self.ending.push_back(key),
            }
        }
    }

    /// Reads the sockets that are ready, each once in turn, up to the input of
    /// one turn; of those whose peers have closed at least one.
    fn read_sockets(&mut self, now: Nanos) {
        let mut budget = TURN_INPUT_BYTES;
        for _ in 0..self.readable.len() {
            if budget == 0 || !self.shard.takes_input() {
                break;
            }
            let Some(key) = self.readable.pop_front() else {
                break;
            };
            budget = budget.saturating_sub(self.read_socket(now, key));
        }
        for _ in 0..self.ending.len() {
            let Some(key) = self.ending.pop_front() else {
                return;
            };
            self.read_socket(now, key);
            if !self.shard.takes_input() {
                return;
            }
        }
    }

    /// Reads one socket; returns the number of bytes.
    fn read_socket(&mut self, now: Nanos, key: ConnectionKey) -> usize {
        let Some(socket) = find(&mut self.sockets, key) else {
            return 0;
        };
        socket.is_queued = false;
        if !self.shard.reads(key) {
            return 0;
        }
        self.pacing.note_read();
        self.shard.charge(READ_WORK_NS);
        if socket.layers.is_some() {
            return self.read_layered(now, key);
        }
        let (received, room) = if let Some(space) = self.shard.large_space(key) {
            // Whatever follows the large message comes with the same call.
            let space_len = space.len();
            let received = receive_into_two(&socket.fd, space, &mut self.buffer);
            if let Received::Bytes(len) = received {
                let (large_len, rest_len) = (len.min(space_len), len.saturating_sub(space_len));
                self.shard.on_large_bytes(key, large_len);
                if rest_len > 0 {
                    self.shard.on_bytes(key, &self.buffer[..rest_len]);
                }
            }
            (received, space_len + self.buffer.len())
        } else {
            let kept = self.shard.restore_input(key, &mut self.buffer);
            let room = self.buffer.len() - kept;
            let received = receive(&socket.fd, &mut self.buffer[kept..]);
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
                // A short read has emptied the socket, and whatever comes next
                // is an event of its own; only the end has been one already.
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

    /// Sends what waits for a connection.
    fn flush(&mut self, key: ConnectionKey) {
        let Some(socket) = find(&mut self.sockets, key) else {
            return;
        };
        if socket.layers.is_none() || !self.flush_layered(key) {
            self.flush_plain(key);
        }
    }

    fn flush_plain(&mut self, key: ConnectionKey) {
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
            match send(&socket.fd, slices) {
                Some(sent) => {
                    self.shard.on_sent(key, sent, sent < offered);
                    if sent < offered {
                        return;
                    }
                }
                None => return self.shard.on_hangup(key, CloseReason::WriteError),
            }
        }
    }

    fn close_socket(&mut self, key: ConnectionKey, reason: CloseReason) {
        let slot = &mut self.sockets[key.index as usize];
        let mut socket = slot.take().expect("a connection has a socket");
        debug_assert_eq!(socket.key, key);
        if let Some(layers) = &mut socket.layers {
            if layers.lacks_tls() {
                self.meter.end_handshake(false);
            }
            say_goodbye(layers, &socket.fd, reason);
        }
        hang_up(&socket.fd, &mut self.buffer);
        self.shared.doorbells[self.id.index()]
            .connections
            .fetch_sub(1, Ordering::Relaxed);
    }

    /// Says goodbye to everybody, as far as the sockets take it at once.
    fn stop(mut self) -> std::io::Result<()> {
        self.finish_disk()?;
        self.shard.close_all();
        self.put_out()
    }
}

fn find(sockets: &mut [Option<Socket>], key: ConnectionKey) -> Option<&mut Socket> {
    let socket = sockets.get_mut(key.index as usize)?.as_mut()?;
    (socket.key == key).then_some(socket)
}

/// Time since the epoch; a clock before that stands at it.
fn wall_nanos(seconds: i64, nanoseconds: i64) -> WallNanos {
    let whole = u64::try_from(seconds)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000);
    WallNanos(whole.saturating_add(u64::try_from(nanoseconds).unwrap_or(0)))
}
