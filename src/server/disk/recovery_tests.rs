//! Logs that were written to real files, read again.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::disk::files::tests::scratch;
use trunkline_core::base::moment::WallNanos;
use trunkline_core::format::group::Place;
use trunkline_core::format::record::{Kind, StreamId};
use trunkline_core::journal::layout::Layout;
use trunkline_core::journal::{Journal, Opening};

const SMALL: Layout = Layout {
    file_bytes: 4 * 4096,
    group_bytes_max: 4096,
    staged_bytes_max: 64 << 10,
};

/// Writes as many groups of one record as that; a record is its number.
fn write(store: &StoreDirectory, partition: PartitionId, count: u8) {
    let opening = Opening {
        next: Place {
            epoch: 1,
            number: 0,
            position: 0,
        },
        first_file: 0,
        end_file: 0,
    };
    let mut journal = Journal::new(SMALL, opening);
    for number in 0..count {
        let record = Record {
            kind: Kind(1),
            stream: StreamId(1),
            sequence: 1,
            time: WallNanos(1),
            subject: b"s",
            header: b"",
            payload: &[number],
        };
        journal.append(&record).unwrap();
        while let Some(file) = journal.next_file() {
            store
                .make_log_file(partition, file, SMALL.file_bytes)
                .unwrap();
            journal.on_file_made(file, Ok(()));
        }
        let group = journal.next_write().unwrap();
        let file = open(&store.log_file(partition, group.file), false).unwrap();
        file.write_all_at(group.pages.bytes(), group.at).unwrap();
        journal.on_written(Ok(()));
    }
}

fn read(store: &StoreDirectory, partition: PartitionId) -> io::Result<(Vec<u8>, usize)> {
    let files = store.log_files(partition)?;
    let mut recovery = Recovery::new(SMALL, files.clone());
    let mut found = Vec::new();
    recover_log(store, partition, files, &mut recovery, |_, record| {
        found.extend_from_slice(record.payload);
    })?;
    Ok((found, recovery.finish().lost.len()))
}

#[test]
fn all_partitions_are_read_side_by_side() {
    let directory = scratch("recovery");
    let store = StoreDirectory::open(&directory, 5).unwrap();
    for partition in store.partition_ids() {
        write(&store, partition, 3 * (partition.0 as u8));
    }
    for threads in [0, 2, 9] {
        let all = recover_all(&store, threads, |partition| read(&store, partition)).unwrap();
        assert_eq!(all.len(), 5);
        for (partition, (found, lost)) in (0_u8..).zip(all) {
            assert_eq!(found, (0..3 * partition).collect::<Vec<_>>());
            assert_eq!(lost, 0);
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_file_that_is_missing_hides_no_later_one() {
    let directory = scratch("missing");
    let store = StoreDirectory::open(&directory, 1).unwrap();
    let partition = PartitionId(0);
    write(&store, partition, 12);
    std::fs::remove_file(store.log_file(partition, 1)).unwrap();
    let (found, lost) = read(&store, partition).unwrap();
    assert_eq!(found, [0, 1, 2, 3, 8, 9, 10, 11]);
    assert_eq!(lost, 1);
    // A partition that cannot be looked at fails all.
    std::fs::remove_dir_all(store.partition(partition)).unwrap();
    let failed = recover_all(&store, 1, |partition| read(&store, partition));
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::NotFound);
    std::fs::remove_dir_all(&directory).unwrap();
}
