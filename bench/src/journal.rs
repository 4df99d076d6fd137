//! Records into groups, groups sealed, and streams that take messages: what an
//! acknowledged message costs beside the disk.

use std::hint::black_box;
use std::sync::Arc;

use trunkline_core::base::moment::WallNanos;
use trunkline_core::format::group::Place;
use trunkline_core::format::record::{Kind, Record, StreamId};
use trunkline_core::journal::layout::Layout;
use trunkline_core::journal::{Journal, Opening};
use trunkline_core::stream::Stream;
use trunkline_core::stream::admit::{Admission, Incoming};
use trunkline_core::stream::config::{Storage, StreamConfig};

use crate::harness::Bench;

pub fn run(bench: &mut Bench) {
    append(bench);
    admit(bench);
}

/// Groups of so many records each, appended, sealed and taken back as written.
fn append(bench: &mut Bench) {
    for (name, len, count) in [
        ("journal/128 B, 1 per group", 128, 1),
        ("journal/128 B, 1000 per group", 128, 1000),
        ("journal/4 KiB, 100 per group", 4096, 100),
    ] {
        let payload = vec![b'x'; len];
        let next = Place {
            epoch: 1,
            number: 0,
            position: 0,
        };
        let opening = Opening {
            next,
            first_file: 0,
            end_file: 0,
        };
        let mut journal = Journal::new(Layout::USUAL, opening);
        let mut sequence = 0;
        bench.run(name, &[("ns/record", count)], || {
            for _ in 0..count {
                sequence += 1;
                let record = Record {
                    kind: Kind(1),
                    stream: StreamId(7),
                    sequence,
                    time: WallNanos(sequence),
                    subject: b"orders.europe.shipped",
                    header: b"",
                    payload: black_box(&payload),
                };
                journal.append(&record).expect("there is room");
            }
            if let Some(file) = journal.next_file() {
                journal.on_file_made(file, Ok(()));
            }
            journal.next_write().expect("a group");
            let group = journal.on_written(Ok(())).expect("it is durable");
            if let Ok(pages) = Arc::try_unwrap(group.pages) {
                journal.recycle(pages);
            }
        });
    }
}

/// Messages into a stream in memory that keeps the last thousand.
fn admit(bench: &mut Bench) {
    for (name, header) in [
        ("stream/admit 128 B", &b""[..]),
        (
            "stream/admit 128 B with an id",
            &b"NATS/1.0\r\nNats-Msg-Id: 00000000\r\n\r\n"[..],
        ),
    ] {
        let config = StreamConfig {
            name: "ORDERS".into(),
            storage: Storage::Memory,
            max_messages: Some(1000),
            duplicate_window_ns: 100_000,
            ..StreamConfig::default()
        };
        let mut stream = Stream::new(config, 3);
        let payload = [b'x'; 128];
        let mut header = header.to_vec();
        let mut now = 0_u64;
        bench.run(name, &[("ns/message", 1000)], || {
            for number in 0..1000_u64 {
                now += 1000;
                if !header.is_empty() {
                    let digits = format!("{:08x}", now & 0xffff_ffff);
                    header[23..31].copy_from_slice(digits.as_bytes());
                }
                let subjects = [&b"orders.a"[..], b"orders.b", b"orders.c", b"orders.d"];
                let admission = stream.admit(&Incoming {
                    subject: subjects[usize::from(number.to_le_bytes()[0] % 4)],
                    header: &header,
                    payload: black_box(&payload),
                    time: WallNanos(now),
                    server_has_room: true,
                    account_has_room: true,
                    is_wanted: true,
                });
                assert!(matches!(admission, Admission::Stored(_)), "it is taken");
            }
        });
    }
}
