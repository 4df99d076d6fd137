//! Tests of messages that are not simply allowed.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use crate::base::id::{AccountId, ConnectionKey, CoreId, Nanos};
use crate::base::limits::{LINK_BATCHES_MAX, Limits, SEND_BLOCKS_MAX};
use crate::session::authority::Authority;
use crate::session::policy::{Permissions, Policy, ResponseRights, User};
use crate::shard::mesh::{Inbound, MeshBatch};
use crate::shard::{Opening, Shard, ShardConfig};
use crate::wire::info::ServerInfo;

/// Batches of the other core.
struct Queue(VecDeque<MeshBatch>);

impl Inbound for Queue {
    fn visible(&self) -> usize {
        self.0.len()
    }

    fn pop(&mut self) -> Option<MeshBatch> {
        self.0.pop_front()
    }
}

fn shard(core: u8) -> Shard {
    let mut responder = User::new("responder", "x", AccountId::GLOBAL);
    responder.permissions = Some(Arc::new(Permissions {
        responses: Some(ResponseRights {
            messages_max: Some(1),
            expires_ns: None,
        }),
        ..Permissions::default()
    }));
    let policy = Policy {
        users: vec![responder, User::new("any", "x", AccountId::GLOBAL)],
        ..Policy::open()
    };
    Shard::new(ShardConfig {
        core: CoreId(core),
        cores: 2,
        limits: Limits::default(),
        server: ServerInfo::default(),
        authority: Authority::new(policy).expect("valid").into(),
        seed: 1,
        trace: false,
    })
}

#[test]
fn a_large_payload_that_ends_wrongly_is_refused_at_once() {
    let mut shard = shard(0);
    let key = connect(&mut shard, "any", "");
    shard.on_bytes(key, b"PUB a 20000\r\n");
    shard.on_bytes(key, &[b'x'; 20_000]);
    assert_eq!(output(&mut shard, key), "");
    shard.on_bytes(key, b"x");
    let said = output(&mut shard, key);
    assert_eq!(said, "-ERR 'Unknown Protocol Operation'\r\n");
}

fn connect(shard: &mut Shard, user: &str, then: &str) -> ConnectionKey {
    let peer = "127.0.0.1:1".parse().expect("an address");
    let key = shard.open(Opening::client(1, peer));
    let text =
        format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"x\"}}\r\n{then}");
    shard.on_bytes(key, text.as_bytes());
    output(shard, key);
    key
}

/// What waits for a connection; it is sent.
fn output(shard: &mut Shard, key: ConnectionKey) -> String {
    shard.settle();
    let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
    let slices = shard.pending_slices(key, &mut slices);
    let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
    shard.on_sent(key, bytes.len(), false);
    String::from_utf8(bytes).expect("text")
}

/// Brings everything from one core to the other and back.
fn exchange(shard: &mut Shard, other: &mut Shard, under_way: Vec<MeshBatch>) {
    let mut queues = [Queue(under_way.into()), Queue(VecDeque::new())];
    queues[0].0.extend(shard.links[1].take());
    other.on_mesh(&mut queues);
    while let Some(batch) = other.links[0].done.pop_front() {
        shard.on_return(CoreId(1), batch);
    }
}

#[test]
fn an_answer_that_waits_for_a_link_counts_once() {
    let (mut shard, mut other) = (shard(0), shard(1));
    let listener = connect(&mut other, "any", "SUB r 1\r\nSUB fill 2\r\n");
    let announced = other.links[0].take().expect("its interest");
    let queues = [VecDeque::new(), VecDeque::from([announced])];
    shard.on_mesh(&mut queues.map(Queue));
    let responder = connect(&mut shard, "responder", "SUB service 1\r\n");
    let asker = connect(&mut shard, "any", "PUB service r 0\r\n\r\n");
    let mut under_way = Vec::new();
    for _ in 0..LINK_BATCHES_MAX {
        shard.on_bytes(asker, b"PUB fill 0\r\n\r\n");
        under_way.extend(shard.links[1].take());
    }
    output(&mut shard, responder);
    shard.on_bytes(responder, b"PUB r 2\r\nhi\r\n");
    assert!(!shard.reads(responder), "the link has no room");
    exchange(&mut shard, &mut other, under_way);
    assert_eq!(output(&mut shard, responder), "", "it is allowed");
    exchange(&mut shard, &mut other, Vec::new());
    let heard = output(&mut other, listener);
    assert!(heard.contains("MSG r 1 2\r\nhi\r\n"), "{heard}");
    shard.on_bytes(responder, b"PUB r 2\r\nhi\r\n");
    let refused = "-ERR 'Permissions Violation for Publish to \"r\"'\r\n";
    assert_eq!(output(&mut shard, responder), refused, "one answer only");
}
