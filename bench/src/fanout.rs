//! A whole shard through its public API: bytes in, fan-out, bytes out.
//!
//! The input comes in reads of 64 KiB unless the name says otherwise, and every
//! subscriber is sent to once per read, as in a turn of the server.

use trunkline_core::base::id::ConnectionKey;
use trunkline_core::shard::Shard;

use crate::harness::Bench;
use crate::shards::{begin_turn, connect, flush, publish, shard};

const READ_BYTES: usize = 64 << 10;

pub fn run(bench: &mut Bench) {
    for (name, subscribers, subscribe, message, deliveries) in cases() {
        if !bench.wants(name) {
            continue;
        }
        let count = if bench.is_smoke() {
            3
        } else {
            READ_BYTES / message.len()
        };
        let (mut shard, publisher) = world(subscribers, subscribe);
        let read = message.repeat(count);
        let count = count as u64;
        let mut units = vec![("ns/message", count)];
        if deliveries > 1 {
            units.push(("ns/delivery", count * deliveries));
        }
        bench.run(name, &units, || {
            turn(&mut shard, publisher, &read, deliveries > 0)
        });
    }
    many_subjects(bench);
    many_publishers(bench);
}

type Case = (&'static str, usize, &'static str, Vec<u8>, u64);

/// Name, subscribers, what each of them says, the message, deliveries of it.
fn cases() -> Vec<Case> {
    let header = "NATS/1.0\r\nTrace: 0123456789abcdef\r\n\r\n";
    let sizes = format!("{} {}", header.len(), header.len() + 128);
    let body = "x".repeat(128);
    let with_header = format!("HPUB a.b reply.1 {sizes}\r\n{header}{body}\r\n").into_bytes();
    let with_reply = format!("PUB a.b reply.1 128\r\n{body}\r\n").into_bytes();
    let sixteen = publish("a.b", 16);
    let large = publish("a.b", 128);
    let one = "SUB a.b 1\r\n";
    vec![
        ("fanout/publish only 16 B", 0, one, sixteen.clone(), 0),
        ("fanout/publish only 128 B", 0, one, large.clone(), 0),
        ("fanout/1 to 1 16 B", 1, one, sixteen.clone(), 1),
        ("fanout/1 to 1 128 B", 1, one, large.clone(), 1),
        ("fanout/1 to 1 4 KiB", 1, one, publish("a.b", 4096), 1),
        (
            "fanout/1 to 1 wildcard 16 B",
            1,
            "SUB a.* 1\r\n",
            sixteen,
            1,
        ),
        ("fanout/1 to 1 reply 128 B", 1, one, with_reply, 1),
        (
            "fanout/1 to 1 headers 128 B",
            1,
            one,
            with_header.clone(),
            1,
        ),
        ("fanout/1 to 8 128 B", 8, one, large.clone(), 8),
        ("fanout/1 to 8 headers 128 B", 8, one, with_header, 8),
        ("fanout/1 to 1000 128 B", 1000, one, large.clone(), 1000),
        ("fanout/queue of 8 128 B", 8, "SUB a.b q 1\r\n", large, 1),
    ]
}

fn world(subscribers: usize, subscribe: &str) -> (Shard, ConnectionKey) {
    let mut shard = shard(0, 1);
    for _ in 0..subscribers {
        connect(&mut shard, subscribe.as_bytes());
    }
    let publisher = connect(&mut shard, b"");
    (shard, publisher)
}

/// Takes one read and sends what follows from it, in as many turns as that takes.
fn turn(shard: &mut Shard, publisher: ConnectionKey, read: &[u8], is_delivered: bool) {
    begin_turn(shard);
    shard.on_bytes(publisher, read);
    let mut sent = flush(shard);
    while shard.has_work() {
        begin_turn(shard);
        sent += flush(shard);
    }
    assert_eq!(sent > 0, is_delivered, "delivered or not");
}

/// One publisher that uses a thousand subjects in turn: the route is looked up
/// for each.
fn many_subjects(bench: &mut Bench) {
    let (mut shard, publisher) = world(1, "SUB s.> 1\r\n");
    let subjects = if bench.is_smoke() { 5 } else { 1000 };
    let read: Vec<u8> = (0..subjects)
        .flat_map(|number| publish(&format!("s.{number}"), 16))
        .collect();
    bench.run(
        "fanout/1 to 1 1000 subjects 16 B",
        &[("ns/message", subjects)],
        || {
            turn(&mut shard, publisher, &read, true);
        },
    );
}

/// A thousand publishers with one message per read each, one subscriber.
fn many_publishers(bench: &mut Bench) {
    let (mut shard, _) = world(1, "SUB s.> 1\r\n");
    let count = if bench.is_smoke() { 5 } else { 1000 };
    let publishers: Vec<(ConnectionKey, Vec<u8>)> = (0..count)
        .map(|number| {
            let message = publish(&format!("s.{number}"), 128);
            (connect(&mut shard, b""), message)
        })
        .collect();
    bench.run(
        "fanout/1000 to 1, one 128 B each",
        &[("ns/message", count)],
        || {
            begin_turn(&mut shard);
            for (publisher, message) in &publishers {
                shard.on_bytes(*publisher, message);
            }
            flush(&mut shard);
        },
    );
}
