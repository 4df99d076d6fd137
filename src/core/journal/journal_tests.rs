//! Tests of a journal on its own. With a disk that crashes: `tests/journal.rs`.

use super::*;
use crate::base::moment::WallNanos;
use crate::format::record::{Kind, StreamId};

const SMALL: Layout = Layout {
    file_bytes: 4 * 4096,
    group_bytes_max: 4096,
    staged_bytes_max: 64 << 10,
};

fn opening() -> Opening {
    Opening {
        next: Place {
            epoch: 1,
            number: 0,
            position: 0,
        },
        first_file: 0,
        end_file: 1,
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
    assert!(journal.next_write().is_none(), "there is nothing to write");
    let first = journal.append(&record(b"1")).expect("room");
    journal.next_write().expect("a group");
    let second = journal.append(&record(b"2")).expect("room");
    let third = journal.append(&record(b"3")).expect("room");
    assert!(journal.next_write().is_none(), "one flies at a time");
    assert!(journal.committed() < first.lsn, "in flight is not durable");
    assert!(journal.on_written(Ok(())).is_some());
    assert_eq!(journal.committed(), first.lsn);
    let write = journal.next_write().expect("a group");
    assert_eq!((write.file, write.at, write.pages.len()), (0, 4096, 4096));
    assert_eq!(second.position, 4096 + 48);
    journal.on_written(Ok(()));
    assert_eq!(journal.committed(), third.lsn);
}

#[test]
fn staged_records_are_read_wherever_they_are() {
    let mut journal = Journal::new(SMALL, opening());
    let mut places = Vec::new();
    for number in 0..4_u8 {
        let payload = [number; 1_500];
        let appended = journal.append(&record(&payload)).expect("room");
        places.push((appended.position, payload));
        if number == 1 {
            journal.next_write().expect("a group");
        }
    }
    for (position, payload) in places {
        let bytes = journal.staged_bytes(position).expect("it is staged");
        let (read, _) = Record::decode(bytes).expect("whole");
        assert_eq!(read.payload, payload);
    }
    assert!(journal.staged_bytes(journal.end()).is_none());
}

#[test]
fn nothing_is_committed_after_a_failure() {
    let mut journal = Journal::new(SMALL, opening());
    journal.append(&record(b"1")).expect("room");
    journal.next_write().expect("a group");
    journal.append(&record(b"2")).expect("room");
    assert!(journal.on_written(Err(WriteFailed)).is_none());
    assert!(journal.is_frozen() && journal.next_write().is_none());
    assert_eq!(journal.append(&record(b"3")), Err(Refusal::Frozen));
    assert_eq!(journal.committed(), Lsn(0));
}

#[test]
fn files_are_made_ahead_and_dropped_from_the_tail() {
    let mut journal = Journal::new(
        SMALL,
        Opening {
            end_file: 0,
            ..opening()
        },
    );
    assert_eq!(journal.next_file(), None, "nothing is stored");
    let large = vec![b'x'; 2 * 4096];
    // Each takes three pages, so the last page of each file stays empty.
    for file in 0..3 {
        let appended = journal.append(&record(&large)).expect("room");
        assert_eq!(appended.position, u64::from(file) * 4 * 4096 + 48);
        if file == 0 {
            assert!(journal.next_write().is_none(), "it has no file yet");
            assert_eq!((journal.next_file(), journal.next_file()), (Some(0), None));
            journal.on_file_made(0, Ok(()));
        }
        assert_eq!(journal.next_file(), Some(file + 1), "ahead");
        journal.on_file_made(file + 1, Ok(()));
        let write = journal.next_write().expect("a group");
        assert_eq!((write.file, write.at), (file, 0));
        journal.on_written(Ok(()));
    }
    assert_eq!(
        journal.append(&record(b"small")).map(|one| one.position),
        Ok(9 * 4096 + 48 + 2 * 4096)
    );
    assert_eq!((journal.drop_first_file(), journal.first_file()), (0, 1));
    assert_eq!(
        journal.append(&record(&vec![0; 4 * 4096])),
        Err(Refusal::TooLarge)
    );
}

#[test]
fn too_much_that_waits_is_refused() {
    let mut journal = Journal::new(SMALL, opening());
    let payload = vec![b'x'; 3_000];
    let mut count = 0;
    while journal.append(&record(&payload)).is_ok() {
        count += 1;
    }
    // A group holds one of them, and takes a page.
    assert_eq!(count, 16);
    assert_eq!(journal.append(&record(&payload)), Err(Refusal::Full));
    journal.next_write().expect("a group");
    journal.on_written(Ok(()));
    journal
        .append(&record(&payload))
        .expect("there is room again");
}
