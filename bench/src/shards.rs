//! Shards with clients and without sockets, driven as the shell drives them.

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::IoSlice;

use trunkline_core::base::id::{ConnectionKey, CoreId, Nanos};
use trunkline_core::base::limits::{Limits, SEND_BLOCKS_MAX};
use trunkline_core::base::moment::Moment;
use trunkline_core::session::authority::Authority;
use trunkline_core::shard::mesh::{Inbound, MeshBatch};
use trunkline_core::shard::{Opening, Output, Shard, ShardConfig};
use trunkline_core::wire::info::ServerInfo;

/// The moment at which everything happens.
const NOW: Nanos = Nanos(1);

/// What all clients say.
const CONNECT: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n";

/// Batches on their way.
#[derive(Default)]
pub struct Queue(pub VecDeque<MeshBatch>);

impl Inbound for Queue {
    fn visible(&self) -> usize {
        self.0.len()
    }

    fn pop(&mut self) -> Option<MeshBatch> {
        self.0.pop_front()
    }
}

/// A shard without connections.
pub fn shard(core: u8, cores: usize) -> Shard {
    Shard::new(ShardConfig {
        core: CoreId(core),
        cores,
        limits: Limits::default(),
        server: ServerInfo {
            server_id: "N".repeat(56),
            server_name: "bench".into(),
            host: "0.0.0.0".into(),
            port: 4222,
            headers: true,
            ..ServerInfo::default()
        },
        authority: Authority::open().into(),
        seed: 1,
        trace: false,
    })
}

/// Opens a connection that says CONNECT and more, on a server of one core.
pub fn connect(shard: &mut Shard, more: &[u8]) -> ConnectionKey {
    let key = open(shard, more);
    flush(shard);
    key
}

/// Begins a turn, with all the work that one may do.
pub fn begin_turn(shard: &mut Shard) {
    shard.begin_turn(Moment::undated(NOW));
}

/// The same as [`connect`] without ending the turn.
pub fn open(shard: &mut Shard, more: &[u8]) -> ConnectionKey {
    begin_turn(shard);
    let number = shard.connection_count() as u64 + 1;
    let opening = Opening::client(number, ([127, 0, 0, 1], 4000).into());
    let key = shard.open(opening);
    shard.on_bytes(key, &[CONNECT, more].concat());
    key
}

/// Ends a turn of the only core: sends everything that waits; returns the bytes.
pub fn flush(shard: &mut Shard) -> usize {
    end_turn(shard, |_| panic!("there is no other core"))
}

/// Ends a turn: sends everything that waits and returns the bytes; what concerns
/// other cores is passed on.
pub fn end_turn(shard: &mut Shard, mut pass_on: impl FnMut(Output)) -> usize {
    let mut total = 0;
    while let Some(output) = shard.next_output() {
        let key = match output {
            Output::Send(key) => key,
            Output::Closed(..) => panic!("no client misbehaves"),
            Output::Disk(..) => unreachable!("nothing is stored here"),
            Output::Resume(_) | Output::Ask(_) => continue,
            Output::Control(..) | Output::Return(..) | Output::Batch(..) => {
                pass_on(output);
                continue;
            }
        };
        loop {
            let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
            let slices = black_box(shard.pending_slices(key, &mut slices));
            if slices.is_empty() {
                break;
            }
            let sent = slices.iter().map(|slice| slice.len()).sum();
            shard.on_sent(key, sent, false);
            total += sent;
        }
    }
    total
}

/// A publish of `len` bytes.
pub fn publish(subject: &str, len: usize) -> Vec<u8> {
    let line = format!("PUB {subject} {len}\r\n");
    [line.as_bytes(), &vec![b'x'; len], b"\r\n"].concat()
}
