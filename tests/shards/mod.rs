//! Shards driven as the shell drives them, without sockets: bytes in, bytes out, batches carried
//! between cores. Time stands still unless a test moves it.
//!
//! In the steady state driving allocates nothing itself, so that allocations can be counted.
#![allow(
    dead_code,
    reason = "each test that includes this file uses a part of it"
)]

#[path = "../disk/mod.rs"]
mod disk;
mod disks;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

pub use disks::Disks;
use trunkline_core::base::id::{ConnectionKey, CoreId, Nanos};
use trunkline_core::base::limits::{Limits, RECEIVE_BUFFER_BYTES, SEND_BLOCKS_MAX};
use trunkline_core::base::moment::Moment;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::close_reason::CloseReason;
use trunkline_core::shard::mesh::{Inbound, MeshBatch};
use trunkline_core::shard::reload::Settings;
use trunkline_core::shard::{Opening, Output, Shard, ShardConfig};
use trunkline_core::wire::info::ServerInfo;

/// What a client says that wants neither `+OK` nor checks.
pub const QUIET: &[u8] =
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n";

/// The same without headers.
pub const QUIET_WITHOUT_HEADERS: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

#[derive(Default)]
struct Queue(VecDeque<MeshBatch>);

impl Inbound for Queue {
    fn visible(&self) -> usize {
        self.0.len()
    }

    fn pop(&mut self) -> Option<MeshBatch> {
        self.0.pop_front()
    }
}

pub struct Core {
    pub(crate) shard: Shard,
    inbound: Vec<Queue>,
    returned: Vec<Queue>,
}

/// The client's end of a connection.
pub struct Peer {
    core: usize,
    key: ConnectionKey,
    /// Sent by the client, not yet read by the shard.
    unread: VecDeque<u8>,
    /// Everything that the server has sent, if it is kept.
    pub output: Vec<u8>,
    /// Bytes that the server has sent.
    pub output_bytes: u64,
    /// False once the server has closed the connection.
    pub is_open: bool,
}

/// Some cores and their clients.
pub struct Shards {
    cores: Vec<Core>,
    peers: Vec<Peer>,
    buffer: Box<[u8]>,
    now: Nanos,
    keeps_output: bool,
    pub disks: Disks,
}

impl Shards {
    /// Cores without connections. Output is kept per client, or only counted.
    pub fn new(cores: usize, limits: &Limits, keeps_output: bool) -> Self {
        let authority = Arc::new(Authority::open());
        Self::with_authority(cores, limits, keeps_output, &authority)
    }

    /// The same for clients who have to say who they are.
    pub fn with_authority(
        cores: usize,
        limits: &Limits,
        keeps_output: bool,
        authority: &Arc<Authority>,
    ) -> Self {
        let make = |core| Core {
            shard: Shard::new(ShardConfig {
                core: CoreId(core as u8),
                cores,
                limits: limits.clone(),
                server: ServerInfo {
                    server_id: "N".repeat(56),
                    server_name: "shards".into(),
                    host: "0.0.0.0".into(),
                    port: 4222,
                    headers: true,
                    ..ServerInfo::default()
                },
                authority: Arc::clone(authority),
                seed: 7,
                trace: false,
            }),
            inbound: (0..cores).map(|_| Queue::default()).collect(),
            returned: (0..cores).map(|_| Queue::default()).collect(),
        };
        Self {
            cores: (0..cores).map(make).collect(),
            peers: Vec::new(),
            buffer: vec![0; RECEIVE_BUFFER_BYTES].into(),
            now: Nanos(1),
            keeps_output,
            disks: Disks::default(),
        }
    }

    /// Opens so many partitions of a store, from what is on the disks.
    pub fn open_stores(&mut self, partitions: u16) {
        self.disks.open(partitions, &mut self.cores);
    }

    /// Opens a connection on a core and forgets its greeting; returns the client's number.
    pub fn connect(&mut self, core: usize) -> usize {
        let number = self.peers.len() as u64 + 1;
        let opening = Opening::client(number, ([127, 0, 0, 1], 4000).into());
        let key = self.cores[core].shard.open(opening);
        self.peers.push(Peer {
            core,
            key,
            unread: VecDeque::new(),
            output: Vec::new(),
            output_bytes: 0,
            is_open: true,
        });
        self.run();
        let number = self.peers.len() - 1;
        self.forget_output(number);
        number
    }

    /// Gives one core other settings; the others go on with theirs.
    pub fn reconfigure(&mut self, core: usize, limits: &Limits, authority: &Arc<Authority>) {
        let settings = Settings {
            limits: limits.clone(),
            server: ServerInfo {
                headers: true,
                ..ServerInfo::default()
            },
            authority: Arc::clone(authority),
            trace: false,
        };
        self.cores[core].shard.reconfigure(settings);
    }

    /// A client.
    pub fn peer(&self, number: usize) -> &Peer {
        &self.peers[number]
    }

    /// Forgets what a client has received.
    pub fn forget_output(&mut self, number: usize) {
        self.peers[number].output.clear();
        self.peers[number].output_bytes = 0;
    }

    /// A client sends bytes, which arrive in one piece; everything that follows from them happens.
    pub fn send(&mut self, number: usize, bytes: &[u8]) {
        if self.peers[number].is_open {
            self.peers[number].unread.extend(bytes);
            self.run();
        }
    }

    /// A client sends bytes, of which nothing happens before the next turn.
    pub fn post(&mut self, number: usize, bytes: &[u8]) {
        self.peers[number].unread.extend(bytes);
    }

    /// A client goes away, and nothing more happens before the next turn.
    pub fn post_end(&mut self, number: usize) {
        let peer = &self.peers[number];
        let shard = &mut self.cores[peer.core].shard;
        shard.on_hangup(peer.key, CloseReason::ClientClosed);
    }

    /// A core tells its clients what INFO says now.
    pub fn announce_info(&mut self, core: usize) {
        self.cores[core].shard.announce_info();
    }

    /// Every core takes a turn.
    pub fn take_turns(&mut self) {
        for core in 0..self.cores.len() {
            self.turn(core);
        }
    }

    /// A client goes away.
    pub fn hang_up(&mut self, number: usize) {
        self.post_end(number);
        self.run();
    }

    /// Connections and subscriptions of all cores.
    pub fn counts(&self) -> (usize, usize) {
        let shards = self.cores.iter().map(|core| &core.shard);
        shards.fold((0, 0), |(connections, subscriptions), shard| {
            (
                connections + shard.connection_count(),
                subscriptions + shard.subscription_count(),
            )
        })
    }

    /// Bytes of input that a shard keeps for a client between two reads, announced payloads included.
    pub fn kept_input_bytes(&mut self, number: usize) -> usize {
        let peer = &self.peers[number];
        let key = peer.key;
        if !peer.is_open {
            return 0;
        }
        let shard = &mut self.cores[peer.core].shard;
        if let Some(space) = shard.large_space(key) {
            return space.len();
        }
        let kept = shard.restore_input(key, &mut self.buffer);
        shard.on_bytes(key, &self.buffer[..kept]);
        self.run();
        kept
    }

    /// Takes turns until nothing is left to do.
    pub fn run(&mut self) {
        for _ in 0..100_000 {
            self.take_turns();
            if !self.has_work() {
                return;
            }
        }
        panic!("the shards never come to rest");
    }

    /// Whether another turn is needed.
    pub fn has_work(&self) -> bool {
        let core_has_work = |core: &Core| {
            let waits = |queue: &Queue| queue.visible() > 0;
            core.shard.has_work()
                || core.inbound.iter().any(waits)
                || core.returned.iter().any(waits)
        };
        let is_readable =
            |peer: &Peer| !peer.unread.is_empty() && self.cores[peer.core].shard.reads(peer.key);
        self.disks.has_work()
            || self.cores.iter().any(core_has_work)
            || self.peers.iter().any(is_readable)
    }

    fn turn(&mut self, number: usize) {
        let core = &mut self.cores[number];
        core.shard.begin_turn(Moment::undated(self.now));
        for (from, queue) in core.returned.iter_mut().enumerate() {
            while let Some(batch) = queue.pop() {
                core.shard.on_return(CoreId(from as u8), batch);
            }
        }
        self.disks.complete(number, &mut core.shard);
        core.shard.on_mesh(&mut core.inbound);
        for peer in self.peers.iter_mut().filter(|peer| peer.core == number) {
            let may_read = core.shard.takes_input() && core.shard.reads(peer.key);
            if !peer.unread.is_empty() && may_read {
                read(&mut core.shard, peer, &mut self.buffer);
            }
        }
        while let Some(output) = self.cores[number].shard.next_output() {
            match output {
                Output::Control(to, batch) | Output::Batch(to, batch) => {
                    self.cores[to.index()].inbound[number].0.push_back(batch);
                }
                Output::Return(to, batch) => {
                    self.cores[to.index()].returned[number].0.push_back(batch);
                }
                Output::Send(key) => self.flush(number, key),
                Output::Closed(key, _) => {
                    let peer = find(&mut self.peers, number, key);
                    peer.is_open = false;
                    peer.unread.clear();
                }
                Output::Disk(partition, op) => self.disks.begin(number, partition, op),
                Output::Resume(_) | Output::Ask(_) => {}
            }
        }
    }

    fn flush(&mut self, number: usize, key: ConnectionKey) {
        let shard = &mut self.cores[number].shard;
        let peer = find(&mut self.peers, number, key);
        loop {
            let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
            let slices = shard.pending_slices(key, &mut slices);
            if slices.is_empty() {
                return;
            }
            let len: usize = slices.iter().map(|slice| slice.len()).sum();
            peer.output_bytes += len as u64;
            if self.keeps_output {
                for slice in slices {
                    peer.output.extend_from_slice(slice);
                }
            }
            shard.on_sent(key, len, false);
        }
    }
}

/// One read of a client's socket.
fn read(shard: &mut Shard, peer: &mut Peer, buffer: &mut [u8]) {
    if let Some(space) = shard.large_space(peer.key) {
        let len = space.len().min(peer.unread.len());
        for (to, from) in space.iter_mut().zip(peer.unread.drain(..len)) {
            *to = from;
        }
        shard.on_large_bytes(peer.key, len);
        return;
    }
    let kept = shard.restore_input(peer.key, buffer);
    let len = (buffer.len() - kept).min(peer.unread.len());
    for (to, from) in buffer[kept..].iter_mut().zip(peer.unread.drain(..len)) {
        *to = from;
    }
    shard.on_bytes(peer.key, &buffer[..kept + len]);
}

fn find(peers: &mut [Peer], core: usize, key: ConnectionKey) -> &mut Peer {
    peers
        .iter_mut()
        .find(|peer| peer.core == core && peer.key == key)
        .expect("every connection has a client")
}
