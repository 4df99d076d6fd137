//! A core's disk on real files, with a ring and with a thread.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::disk::file_keeper;
use crate::disk::files::tests::scratch;
use crate::executor::Executor;
use std::sync::mpsc;
use trunkline_core::base::pages::Pages;
use trunkline_core::store::disk::DiskError;

const FILE_BYTES: u64 = 1 << 20;
const PARTITION: PartitionId = PartitionId(1);

/// A core's disk, and where its chores come back.
struct Bench {
    disk: CoreDisk,
    chores: mpsc::Receiver<DiskDone>,
    directory: std::path::PathBuf,
}

impl Bench {
    fn new(name: &str, executor: Executor, is_direct: bool) -> Self {
        let directory = scratch(name);
        let store = Arc::new(StoreDirectory::open(&directory, 2).unwrap());
        let found = DiskMode::of(store.path(), executor).unwrap();
        let mode = DiskMode {
            is_direct: found.is_direct && is_direct,
            ..found
        };
        let (tell, chores) = mpsc::channel();
        let tell = move |core, partition, chore: Chore, result| {
            assert_eq!((core, partition), (CoreId(3), PARTITION));
            tell.send(chore.done(result)).unwrap();
            true
        };
        let file_work = file_keeper::start(Arc::clone(&store), FILE_BYTES, tell).unwrap();
        let setup = DiskSetup {
            store,
            mode,
            file_work,
        };
        Self {
            disk: CoreDisk::new(CoreId(3), setup).unwrap(),
            chores,
            directory,
        }
    }

    fn make(&mut self, file: u32) {
        self.disk.carry_out(PARTITION, DiskOp::Make { file });
        let done = self.chores.recv().unwrap();
        assert!(
            matches!(done, DiskDone::Made { file: made, result: Ok(()) } if made == file),
            "{done:?}"
        );
    }

    fn remove(&mut self, file: u32) {
        self.disk.carry_out(PARTITION, DiskOp::Remove { file });
        let done = self.chores.recv().unwrap();
        assert!(
            matches!(done, DiskDone::Removed { file: gone, result: Ok(()) } if gone == file),
            "{done:?}"
        );
    }

    fn write(&mut self, file: u32, at: u64, byte: u8) {
        let mut pages = Pages::zeroed(8192);
        pages.bytes_mut().fill(byte);
        let pages = Arc::new(pages);
        self.disk
            .carry_out(PARTITION, DiskOp::Write { file, at, pages });
    }

    fn read(&mut self, ticket: u64, file: u32, at: u64, len: usize) {
        let operation = DiskOp::Read {
            ticket: ReadTicket(ticket),
            file,
            at,
            pages: Pages::zeroed(len),
        };
        self.disk.carry_out(PARTITION, operation);
    }

    /// Everything that was begun, when it is over.
    fn all_done(&mut self) -> Vec<DiskDone> {
        let mut all = Vec::new();
        self.disk.submit().unwrap();
        while self.disk.wait().unwrap() {
            self.disk.on_ready();
            while let Some((partition, done)) = self.disk.next_done() {
                assert_eq!(partition, PARTITION);
                all.push(done);
            }
        }
        all
    }

    fn end(self) {
        drop(self.disk);
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn each_way(name: &str, test: impl Fn(&mut Bench)) {
    for (way, executor, is_direct) in [
        ("ring", Executor::IoUring, true),
        ("thread", Executor::Threads, true),
        ("cached", Executor::Threads, false),
    ] {
        let mut bench = Bench::new(&format!("{name}-{way}"), executor, is_direct);
        test(&mut bench);
        bench.end();
    }
}

#[test]
fn what_is_written_is_read() {
    each_way("written", |bench| {
        bench.make(0);
        bench.make(1);
        // More than a ring takes at once.
        for number in 0..100 {
            bench.write(
                u32::from(number % 2),
                u64::from(number / 2) * 8192,
                number + 1,
            );
        }
        let done = bench.all_done();
        let is_written = |done: &DiskDone| matches!(done, DiskDone::Written { result: Ok(()) });
        assert_eq!(
            done.iter().filter(|done| is_written(done)).count(),
            100,
            "{done:?}"
        );
        bench.read(7, 1, 49 * 8192, 16_384);
        let mut done = bench.all_done();
        let Some(DiskDone::Read {
            ticket: ReadTicket(7),
            pages,
            result: Ok(()),
        }) = done.pop()
        else {
            panic!("it was read");
        };
        assert!(pages.bytes()[..8192].iter().all(|&byte| byte == 100));
        assert!(pages.bytes()[8192..].iter().all(|&byte| byte == 0));
    });
}

#[test]
fn failures_are_told_one_by_one() {
    each_way("failures", |bench| {
        bench.make(0);
        // Behind the end there is nothing, and nothing at all in a file that is missing.
        bench.read(1, 0, FILE_BYTES - 4096, 8192);
        bench.read(2, 5, 0, 4096);
        bench.write(5, 0, 1);
        bench.write(0, 0, 1);
        let done = bench.all_done();
        let count = |is: fn(&DiskDone) -> bool| done.iter().filter(|done| is(done)).count();
        let missing = DiskError::Failed(libc::ENOENT);
        assert_eq!(done.len(), 4, "{done:?}");
        assert_eq!(
            count(|done| matches!(
                done,
                DiskDone::Read { ticket: ReadTicket(1), result: Err(DiskError::Failed(0)), pages }
                    if pages.len() == 8192
            )),
            1,
            "{done:?}"
        );
        assert_eq!(
            count(|done| matches!(done, DiskDone::Written { result: Ok(()) })),
            1
        );
        for result in done.iter().filter_map(|done| match done {
            DiskDone::Read {
                ticket: ReadTicket(2),
                result,
                ..
            } => Some(result),
            _ => None,
        }) {
            assert_eq!(*result, Err(missing));
        }
    });
}

#[test]
fn a_file_that_is_gone_is_used_again_under_another_name() {
    each_way("again", |bench| {
        bench.make(0);
        bench.write(0, 0, 9);
        bench.all_done();
        bench.remove(0);
        bench.make(1);
        bench.write(1, 8192, 5);
        bench.all_done();
        bench.read(1, 1, 0, 16_384);
        let done = bench.all_done();
        let [DiskDone::Read { pages, .. }] = &done[..] else {
            panic!("{done:?}");
        };
        assert_eq!((pages.bytes()[0], pages.bytes()[8192]), (9, 5));
        // More files than a core keeps open.
        for file in 2..70 {
            bench.make(file);
            bench.write(file, 0, 1);
        }
        let done = bench.all_done();
        let is_written = |done: &DiskDone| matches!(done, DiskDone::Written { result: Ok(()) });
        assert!(done.iter().all(is_written) && done.len() == 68);
        assert!(bench.disk.open.len() <= OPEN_FILES_MAX);
    });
}

#[test]
fn operations_that_are_left_are_waited_for() {
    each_way("left", |bench| {
        bench.make(0);
        bench.write(0, 0, 1);
        assert!(bench.disk.has_unsubmitted());
        bench.disk.submit().unwrap();
        assert!(!bench.disk.has_unsubmitted());
        let path = bench.disk.setup.store.log_file(PARTITION, 0);
        let setup = bench.disk.setup.clone();
        let before = std::mem::replace(&mut bench.disk, CoreDisk::new(CoreId(3), setup).unwrap());
        drop(before);
        assert_eq!(std::fs::read(path).unwrap()[..8192], [1; 8192]);
    });
}

#[test]
fn want_of_room_is_told_from_other_failures() {
    let told = |number| error_of(&io::Error::from_raw_os_error(number));
    assert_eq!(told(libc::ENOSPC), DiskError::NoSpace);
    assert_eq!(told(libc::EDQUOT), DiskError::NoSpace);
    assert_eq!(told(libc::EIO), DiskError::Failed(libc::EIO));
}
