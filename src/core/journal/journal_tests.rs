//! Tests of a journal on its own. With a disk that crashes: `tests/journal.rs`.

use super::*;
use crate::base::moment::WallNanos;
use crate::format::record::{Kind, StreamId};

const SMALL: Layout = Layout {
    files: 2,
    file_bytes: 4 * 4096,
    group_bytes_max: 4096,
};

fn opening() -> Opening {
    Opening {
        next: Place {
            epoch: 1,
            number: 0,
            position: 0,
        },
        tail: 0,
    }
}

fn record(payload: &[u8]) -> Record<'_> {
    Record {
        kind: Kind(1),
        stream: StreamId(1),
        sequence: 1,
        time: WallNanos(1),
        subject: b"s",
        header: b"",
        payload,
    }
}

#[test]
fn what_comes_while_a_group_flies_goes_into_the_next_one() {
    let mut journal = Journal::new(SMALL, opening());
    assert!(journal.close_group().is_none(), "there is nothing to write");
    let first = journal.append(&record(b"1")).expect("room");
    let write = journal.close_group().expect("a group");
    let second = journal.append(&record(b"2")).expect("room");
    let third = journal.append(&record(b"3")).expect("room");
    assert!(journal.close_group().is_none(), "one flies at a time");
    assert!(journal.committed() < first, "in flight is not durable");
    journal.on_written(write.pages, Ok(()));
    assert_eq!(journal.committed(), first);
    let write = journal.close_group().expect("a group");
    assert_eq!((write.file, write.at, write.pages.len()), (0, 4096, 4096));
    journal.on_written(write.pages, Ok(()));
    assert_eq!((journal.committed(), second < third), (third, true));
}

#[test]
fn nothing_is_committed_after_a_failure() {
    let mut journal = Journal::new(SMALL, opening());
    journal.append(&record(b"1")).expect("room");
    let write = journal.close_group().expect("a group");
    journal.append(&record(b"2")).expect("room");
    journal.on_written(write.pages, Err(WriteFailed));
    assert!(journal.is_frozen() && journal.close_group().is_none());
    assert_eq!(journal.append(&record(b"3")), Err(Refusal::Frozen));
    assert_eq!(journal.committed(), Lsn(0));
}

#[test]
fn a_full_ring_takes_records_again_when_the_tail_has_advanced() {
    let mut journal = Journal::new(SMALL, opening());
    let large = vec![b'x'; 2 * 4096];
    let mut groups = 0;
    // Each takes three pages, so the last page of each file stays empty.
    while journal.append(&record(&large)).is_ok() {
        let write = journal.close_group().expect("a group");
        assert_eq!((write.file, write.at), (groups, 0));
        journal.on_written(write.pages, Ok(()));
        groups += 1;
    }
    assert_eq!(groups, 2);
    assert_eq!(journal.append(&record(b"small")).map(|lsn| lsn.0), Ok(3));
    assert_eq!(journal.append(&record(&large)), Err(Refusal::Full));
    let write = journal.close_group().expect("a group");
    assert_eq!((write.file, write.at), (1, 3 * 4096));
    journal.on_written(write.pages, Ok(()));
    assert_eq!(journal.append(&record(b"small")), Err(Refusal::Full));
    journal.advance_tail(4 * 4096);
    journal
        .append(&record(&large))
        .expect("the first file is free");
    let write = journal.close_group().expect("a group");
    assert_eq!((write.file, write.at), (0, 0));
}

#[test]
fn a_group_ends_when_it_has_its_size() {
    let mut journal = Journal::new(Layout::USUAL, opening());
    let payload = vec![b'x'; 100_000];
    let mut count = 0;
    while journal.append(&record(&payload)).is_ok() {
        count += 1;
    }
    assert_eq!(count, 10, "1 MiB");
    let write = journal.close_group().expect("a group");
    journal
        .append(&record(&vec![b'x'; 2 << 20]))
        .expect("alone it may be longer");
    assert_eq!(journal.append(&record(b"")), Err(Refusal::Full));
    journal.on_written(write.pages, Ok(()));
    let write = journal.close_group().expect("a group");
    journal.on_written(write.pages, Ok(()));
    assert_eq!(journal.committed(), Lsn(11));
}
