//! The outbox of a connection: filled in pieces, drained as by a socket.

use std::hint::black_box;
use std::io::IoSlice;

use trunkline_core::base::limits::SEND_BLOCKS_MAX;
use trunkline_core::session::outbox::{BlockPool, Outbox};

use crate::harness::Bench;

pub fn run(bench: &mut Bench) {
    for (name, len, count) in [
        ("outbox/32 B, one per send", 32, 1),
        ("outbox/32 B, 2000 per send", 32, 2000),
        ("outbox/160 B, 400 per send", 160, 400),
        ("outbox/4 KiB, 32 per send", 4096, 32),
        ("outbox/64 KiB, 4 per send", 65536, 4),
        ("outbox/1 MiB, one per send", 1 << 20, 1),
    ] {
        let message = vec![b'x'; len];
        let mut pool = BlockPool::default();
        let mut outbox = Outbox::default();
        bench.run(name, &[("ns/message", count)], || {
            for _ in 0..count {
                let room = outbox.extend(message.len(), &mut pool);
                room.copy_from_slice(black_box(&message));
            }
            send(&mut outbox, &mut pool);
        });
    }
}

/// Takes everything out as a socket that is never full does.
fn send(outbox: &mut Outbox, pool: &mut BlockPool) {
    while outbox.pending_bytes() > 0 {
        let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
        let sent = black_box(outbox.slices(&mut slices))
            .iter()
            .map(|slice| slice.len())
            .sum();
        outbox.advance(sent, pool);
    }
}
