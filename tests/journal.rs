//! A journal on a disk that crashes, from a seed: whatever was acknowledged is there afterwards, in its
//! order and unchanged, and nothing that was never appended. Faults that are put in must be noticed.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "disk/mod.rs"]
mod disk;

use std::ops::Range;

use disk::Disk;
use trunkline_core::base::moment::WallNanos;
use trunkline_core::base::pages::Pages;
use trunkline_core::base::rng::Rng;
use trunkline_core::format::group::Place;
use trunkline_core::format::record::{Kind, Record, StreamId};
use trunkline_core::journal::layout::Layout;
use trunkline_core::journal::recover::{Lost, Recovered, Recovery, Step};
use trunkline_core::journal::{Journal, Opening, WriteFailed};

/// Sequences and payloads, in the order in which they were found.
type Records = Vec<(u64, Vec<u8>)>;

/// What a server may do wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    AckAtAppend,
    AckAtSubmit,
    AckAfterError,
    SkipFlush,
    AdvanceTooFar,
}

const FAULTS: [Fault; 5] = [
    Fault::AckAtAppend,
    Fault::AckAtSubmit,
    Fault::AckAfterError,
    Fault::SkipFlush,
    Fault::AdvanceTooFar,
];

struct World {
    rng: Rng,
    fault: Option<Fault>,
    layout: Layout,
    disk: Disk,
    journal: Journal,
    in_flight: Option<u64>,
    /// Files that there are.
    files: Range<u32>,
    /// The file and the payload of each record, by sequence.
    submitted: Vec<(u32, Vec<u8>)>,
    /// Records before the journal was opened last.
    before: u64,
    acknowledged: u64,
}

const OPENING: Opening = Opening {
    next: Place {
        epoch: 1,
        number: 0,
        position: 0,
    },
    first_file: 0,
    end_file: 0,
};

impl World {
    fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut rng = Rng::new(seed);
        let layout = Layout {
            file_bytes: 4096 * (3 + rng.below(12)),
            group_bytes_max: 4096 * (1 + rng.below(2)) as usize,
            staged_bytes_max: 4096 * (4 + rng.below(12)) as usize,
        };
        Self {
            rng,
            fault,
            layout,
            disk: Disk::default(),
            journal: Journal::new(layout, OPENING),
            in_flight: None,
            files: 0..0,
            submitted: Vec::new(),
            before: 0,
            acknowledged: 0,
        }
    }

    fn play(&mut self, steps: usize) -> Result<(), String> {
        for _ in 0..steps {
            match self.rng.below(100) {
                0..50 => self.append(),
                50..70 => self.submit(),
                70..90 => self.complete(),
                90..93 => self.drop_file(),
                93..97 => self.crash(false)?,
                97..99 => self.crash(true)?,
                _ => self.fail()?,
            }
        }
        self.crash(true)
    }

    fn append(&mut self) {
        let longest = if self.rng.below(10) == 0 { 9_000 } else { 600 };
        let len = self.rng.below(longest) as usize;
        let mut payload = self.rng.next_u64().to_le_bytes().to_vec();
        payload.resize(len.max(8), self.rng.below(256) as u8);
        let record = record(self.submitted.len() as u64, &payload);
        if let Ok(appended) = self.journal.append(&record) {
            let (file, _) = self.layout.file_of(appended.position);
            self.submitted.push((file, payload));
        }
        if self.fault == Some(Fault::AckAtAppend) {
            self.acknowledged = self.submitted.len() as u64;
        }
    }

    fn submit(&mut self) {
        if let Some(file) = self.journal.next_file() {
            self.disk.create(file, self.layout.file_bytes as usize);
            self.files.end = file + 1;
            self.journal.on_file_made(file, Ok(()));
        }
        let Some(write) = self.journal.next_write() else {
            return;
        };
        let bytes = write.pages.bytes();
        self.in_flight = Some(self.disk.begin_write(write.file, write.at, bytes));
        if self.fault == Some(Fault::AckAtSubmit) {
            self.acknowledged = self.before + self.journal.appended().0;
        }
    }

    fn complete(&mut self) {
        if let Some(id) = self.in_flight.take() {
            self.disk.complete(id);
            let group = self.journal.on_written(Ok(())).expect("it is durable");
            if let Ok(pages) = std::sync::Arc::try_unwrap(group.pages) {
                self.journal.recycle(pages);
            }
            self.acknowledged = self.before + self.journal.committed().0;
        }
    }

    /// The oldest file goes, if everything in it is durable.
    fn drop_file(&mut self) {
        let next = self.layout.begin_of(self.journal.first_file() + 1);
        let durable = match self.fault {
            Some(Fault::AdvanceTooFar) => self.layout.begin_of(self.files.end),
            _ => self.journal.first_uncommitted(),
        };
        if next > durable || self.files.len() < 2 {
            return;
        }
        let file = self.journal.drop_first_file();
        self.disk.remove(file);
        self.files.start = file + 1;
    }

    /// The device fails; the server ends and starts again.
    fn fail(&mut self) -> Result<(), String> {
        let Some(id) = self.in_flight.take() else {
            return Ok(());
        };
        let mut rng = Rng::new(self.rng.next_u64());
        self.disk.fail(id, || rng.below(2) == 0);
        self.journal.on_written(Err(WriteFailed));
        if self.fault == Some(Fault::AckAfterError) {
            self.acknowledged = self.before + self.journal.appended().0;
        }
        assert!(self.journal.next_write().is_none(), "it is frozen");
        self.crash(true)
    }

    fn crash(&mut self, cuts_power: bool) -> Result<(), String> {
        self.in_flight = None;
        let mut rng = Rng::new(self.rng.next_u64());
        let kept = self.rng.below(101);
        let mut dice = || rng.below(100) < kept;
        match cuts_power {
            true => self.disk.cut_power(&mut dice),
            false => self.disk.kill(&mut dice),
        }
        // The recovery may be cut short as well.
        while self.rng.below(4) == 0 {
            let steps = self.rng.below(6) as usize;
            if self.recover(steps).is_some() {
                break;
            }
            match self.rng.below(2) {
                0 => self.disk.cut_power(&mut dice),
                _ => self.disk.kill(&mut dice),
            }
        }
        let (recovered, records) = self.recover(usize::MAX).expect("it comes to an end");
        self.judge(&recovered, &records)?;
        let end = self.first() + records.len() as u64;
        self.submitted.truncate(end as usize);
        self.before = end;
        self.acknowledged = end;
        self.journal = Journal::new(self.layout, recovered.opening);
        Ok(())
    }

    /// The first record that is not gone with its file.
    fn first(&self) -> u64 {
        let gone = self
            .submitted
            .iter()
            .take_while(|(file, _)| *file < self.files.start);
        gone.count() as u64
    }

    /// Recovers in at most so many steps.
    fn recover(&mut self, steps: usize) -> Option<(Recovered, Records)> {
        let mut recovery = Recovery::new(self.layout, self.files.clone());
        let mut records = Vec::new();
        for _ in 0..steps {
            match recovery.next_step() {
                Step::Read { file, at, len } => {
                    let mut pages = Pages::zeroed(len);
                    pages
                        .bytes_mut()
                        .copy_from_slice(&self.disk.read(file, at, len));
                    recovery.on_read(Some(&pages), |_, record| {
                        records.push((record.sequence, record.payload.to_vec()));
                    });
                }
                Step::Flush => {
                    if self.fault != Some(Fault::SkipFlush) {
                        self.disk.flush();
                    }
                    recovery.on_flushed();
                }
                Step::Done => return Some((recovery.finish(), records)),
            }
        }
        None
    }

    fn judge(&self, recovered: &Recovered, records: &[(u64, Vec<u8>)]) -> Result<(), String> {
        let first = self.first();
        for (expected, (sequence, payload)) in (first..).zip(records) {
            let submitted = self.submitted.get(*sequence as usize);
            if *sequence != expected || submitted.map(|(_, sent)| sent) != Some(payload) {
                return Err(format!("record {sequence} stands for {expected}"));
            }
        }
        // Of groups that are gone with their files nobody asks.
        let is_begin = |lost: &Lost| recovered.lost.len() == 1 && lost.first == 0;
        if !recovered.lost.iter().all(is_begin) {
            return Err(format!("lost without damage: {:?}", recovered.lost));
        }
        let end = first + records.len() as u64;
        match end < self.acknowledged {
            true => Err(format!(
                "{} acknowledged, {end} recovered",
                self.acknowledged
            )),
            false => Ok(()),
        }
    }
}

fn record(sequence: u64, payload: &[u8]) -> Record<'_> {
    Record {
        kind: Kind(1),
        stream: StreamId(1),
        sequence,
        time: WallNanos(sequence),
        subject: b"subject",
        header: b"",
        payload,
    }
}

fn run(seed: u64, fault: Option<Fault>) -> Result<(), String> {
    let played = std::panic::catch_unwind(|| World::new(seed, fault).play(300));
    played.unwrap_or_else(|_| Err("panic".to_owned()))
}

#[test]
fn what_was_acknowledged_survives_every_crash() {
    for seed in 0..3_000 {
        if let Err(wrong) = run(seed, None) {
            panic!("seed {seed}: {wrong}");
        }
    }
}

#[test]
fn faults_are_noticed() {
    for fault in FAULTS {
        let noticed =
            (0..2_000).find_map(|seed| run(seed, Some(fault)).err().map(|why| (seed, why)));
        let (seed, why) = noticed.unwrap_or_else(|| panic!("{fault:?} goes unnoticed"));
        println!("{fault:?}: seed {seed}: {why}");
    }
}

#[test]
fn a_flipped_bit_is_damage_unless_it_is_in_the_last_group() {
    const LAYOUT: Layout = Layout {
        file_bytes: 8 * 4096,
        group_bytes_max: 8192,
        staged_bytes_max: 1 << 20,
    };
    for broken in 0..6_u64 {
        let mut disk = Disk::default();
        (0..2).for_each(|file| disk.create(file, LAYOUT.file_bytes as usize));
        let mut journal = Journal::new(
            LAYOUT,
            Opening {
                end_file: 2,
                ..OPENING
            },
        );
        // Six groups of two pages; four fit into a file.
        for number in 0..6 {
            let payload = vec![number as u8; 6_000];
            assert!(journal.append(&record(number, &payload)).is_ok());
            let write = journal.next_write().unwrap();
            let id = disk.begin_write(write.file, write.at, write.pages.bytes());
            disk.complete(id);
            journal.on_written(Ok(()));
        }
        let at = (broken % 4) * 8192 + 5_000;
        disk.flip((broken / 4) as u32, at as usize * 8 + 3);
        let mut recovery = Recovery::new(LAYOUT, 0..2);
        let mut found = Vec::new();
        while let Step::Read { file, at, len } = recovery.next_step() {
            let mut pages = Pages::zeroed(len);
            pages.bytes_mut().copy_from_slice(&disk.read(file, at, len));
            recovery.on_read(Some(&pages), |_, record| found.push(record.sequence));
        }
        recovery.on_flushed();
        let recovered = recovery.finish();
        let expected: Vec<u64> = (0..6).filter(|&number| number != broken).collect();
        assert_eq!(found, expected, "group {broken}");
        let lost: &[Lost] = match broken {
            5 => &[],
            first => &[Lost { first, count: 1 }],
        };
        assert_eq!(recovered.lost, lost);
        assert_eq!(
            recovered.opening.next.number,
            if broken == 5 { 5 } else { 6 }
        );
    }
}
