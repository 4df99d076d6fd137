//! Between cores: the ring that carries batches, and messages through two
//! shards and the batches between them.

use std::hint::black_box;
use std::time::Instant;

use rtrb::{Consumer, Producer, PushError, RingBuffer};
use trunkline_core::base::id::CoreId;
use trunkline_core::base::limits::LINK_BATCHES_MAX;
use trunkline_core::shard::mesh::MeshBatch;
use trunkline_core::shard::{Output, Shard};

use crate::harness::Bench;
use crate::shards::{Queue, end_turn, open, publish, shard};

pub fn run(bench: &mut Bench) {
    one_thread(bench);
    two_threads(bench);
    shards(bench);
}

fn one_thread(bench: &mut Bench) {
    let (mut producer, mut consumer) = RingBuffer::<MeshBatch>::new(LINK_BATCHES_MAX);
    bench.run(
        "ring/push and pop, one thread",
        &[("ns/batch", 1000)],
        || {
            for _ in 0..1000 {
                push(&mut producer, MeshBatch::default());
                black_box(pop(&mut consumer));
            }
        },
    );
}

/// Batches go to another thread and come back, as they do between cores, as
/// many at a time as a link allows. Both threads spin, so with fewer free cores
/// than two this measures the scheduler.
fn two_threads(bench: &mut Bench) {
    const NAME: &str = "ring/there and back, two threads";
    if !bench.wants(NAME) {
        return;
    }
    let rounds: u64 = if bench.is_smoke() { 100 } else { 100_000 };
    bench.run_timed(NAME, "ns/batch", rounds, || {
        let (mut there, mut inbound) = RingBuffer::<MeshBatch>::new(LINK_BATCHES_MAX);
        let (mut back, mut returned) = RingBuffer::<MeshBatch>::new(LINK_BATCHES_MAX);
        let peer = std::thread::spawn(move || {
            for _ in 0..rounds {
                let batch = pop(&mut inbound);
                push(&mut back, batch);
            }
        });
        let start = Instant::now();
        let (mut sent, mut received) = (0, 0);
        while received < rounds {
            if sent < rounds && sent - received < LINK_BATCHES_MAX as u64 {
                push(&mut there, MeshBatch::default());
                sent += 1;
            }
            if returned.pop().is_ok() {
                received += 1;
            } else if sent == rounds {
                std::hint::spin_loop();
            }
        }
        let elapsed_ns = start.elapsed().as_nanos() as u64;
        peer.join().expect("the other thread does not panic");
        elapsed_ns
    });
}

fn push(ring: &mut Producer<MeshBatch>, mut batch: MeshBatch) {
    while let Err(PushError::Full(refused)) = ring.push(batch) {
        batch = refused;
        std::thread::yield_now();
    }
}

fn pop(ring: &mut Consumer<MeshBatch>) -> MeshBatch {
    loop {
        if let Ok(batch) = ring.pop() {
            return batch;
        }
        std::thread::yield_now();
    }
}

/// A publisher on one core, subscribers on another; both cores take turns on
/// this thread, so that the sum of their work is measured.
fn shards(bench: &mut Bench) {
    let plain = "SUB a.b 1\r\n";
    for (name, subscribers, subscribe, len) in [
        ("ring/shards 1 to 1 16 B", 1, plain, 16),
        ("ring/shards 1 to 1 128 B", 1, plain, 128),
        ("ring/shards 1 to 8 128 B", 8, plain, 128),
        ("ring/shards queue of 8 128 B", 8, "SUB a.b q 1\r\n", 128),
    ] {
        let mut pair = Pair::new();
        for _ in 0..subscribers {
            open(&mut pair.shards[1], subscribe.as_bytes());
            pair.turn();
        }
        let publisher = open(&mut pair.shards[0], b"");
        pair.turn();
        pair.turn();
        let message = publish("a.b", len);
        let count = if bench.is_smoke() {
            3
        } else {
            (64 << 10) / message.len()
        };
        let read = message.repeat(count);
        bench.run(name, &[("ns/message", count as u64)], || {
            pair.shards[0].on_bytes(publisher, &read);
            assert!(pair.turn() > read.len() / 2, "delivered");
            assert!(pair.shards[0].reads(publisher), "the publisher is not held");
        });
    }
}

/// Two cores and what is on its way between them.
struct Pair {
    shards: [Shard; 2],
    inbound: [[Queue; 2]; 2],
}

impl Pair {
    fn new() -> Self {
        Self {
            shards: [shard(0, 2), shard(1, 2)],
            inbound: Default::default(),
        }
    }

    /// Both cores finish their turns and return what they were given; returns
    /// the bytes sent to clients.
    fn turn(&mut self) -> usize {
        let mut sent = 0;
        for core in [0, 1] {
            let peer = 1 - core;
            self.shards[core].on_mesh(&mut self.inbound[core]);
            let [first, second] = &mut self.shards;
            let (shard, other) = match core {
                0 => (first, second),
                _ => (second, first),
            };
            let inbound = &mut self.inbound[peer][core].0;
            sent += end_turn(shard, |output| match output {
                Output::Return(_, batch) => other.on_return(CoreId(core as u8), batch),
                Output::Control(_, batch) | Output::Batch(_, batch) => inbound.push_back(batch),
                _ => {}
            });
        }
        sent
    }
}
