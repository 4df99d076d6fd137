//! A journal on a disk that crashes, from a seed: whatever was acknowledged is there afterwards, in its
//! order and unchanged, and nothing that was never appended. Faults that are put in must be noticed.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "disk/mod.rs"]
mod disk;

use disk::Disk;
use trunkline_core::base::moment::WallNanos;
use trunkline_core::base::pages::Pages;
use trunkline_core::base::rng::Rng;
use trunkline_core::format::group::Place;
use trunkline_core::format::record::{Kind, Record, StreamId};
use trunkline_core::journal::layout::Layout;
use trunkline_core::journal::recover::{Lost, Recovered, Recovery, Step};
use trunkline_core::journal::{Journal, Lsn, Opening, WriteFailed};

/// Sequences and payloads, in the order in which they were found.
type Records = Vec<(u64, Vec<u8>)>;

/// What a server may do wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    AckAtAppend,
    AckAtSubmit,
    AckAfterError,
    SkipFlush,
    ForgetEpoch,
    AdvanceTooFar,
}

const FAULTS: [Fault; 6] = [
    Fault::AckAtAppend,
    Fault::AckAtSubmit,
    Fault::AckAfterError,
    Fault::SkipFlush,
    Fault::ForgetEpoch,
    Fault::AdvanceTooFar,
];

/// A point up to which everything is elsewhere: it is durable itself.
#[derive(Clone, Copy)]
struct Checkpoint {
    place: Place,
    /// The first record behind it.
    sequence: u64,
}

struct World {
    rng: Rng,
    fault: Option<Fault>,
    layout: Layout,
    disk: Disk,
    journal: Journal,
    in_flight: Option<(u64, Pages)>,
    /// Payloads of all records, by sequence.
    submitted: Vec<Vec<u8>>,
    /// Records before the journal was opened last.
    before: u64,
    acknowledged: u64,
    checkpoint: Checkpoint,
    /// Groups that are durable: where they end, and the first record behind them.
    ends: Vec<Checkpoint>,
}

const BEGIN: Place = Place {
    epoch: 0,
    number: 0,
    position: 0,
};

impl World {
    fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut rng = Rng::new(seed);
        let layout = Layout {
            files: 2 + rng.below(3) as u32,
            file_bytes: 4096 * (3 + rng.below(12)),
            group_bytes_max: 4096 * (1 + rng.below(2)) as usize,
        };
        let mut disk = Disk::default();
        for file in 0..layout.files {
            disk.create(file, layout.file_bytes as usize);
        }
        let opening = Opening {
            next: Place { epoch: 1, ..BEGIN },
            tail: 0,
        };
        Self {
            rng,
            fault,
            layout,
            disk,
            journal: Journal::new(layout, opening),
            in_flight: None,
            submitted: Vec::new(),
            before: 0,
            acknowledged: 0,
            checkpoint: Checkpoint {
                place: BEGIN,
                sequence: 0,
            },
            ends: Vec::new(),
        }
    }

    fn play(&mut self, steps: usize) -> Result<(), String> {
        for _ in 0..steps {
            match self.rng.below(100) {
                0..50 => self.append(),
                50..70 => self.submit(),
                70..90 => self.complete(),
                90..93 => self.move_checkpoint(),
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
        if self.journal.append(&record).is_ok() {
            self.submitted.push(payload);
        }
        if self.fault == Some(Fault::AckAtAppend) {
            self.acknowledged = self.submitted.len() as u64;
        }
    }

    fn submit(&mut self) {
        let Some(write) = self.journal.close_group() else {
            return;
        };
        let id = self
            .disk
            .begin_write(write.file, write.at, write.pages.bytes());
        self.in_flight = Some((id, write.pages));
        if self.fault == Some(Fault::AckAtSubmit) {
            self.acknowledged = self.before + self.journal.appended().0;
        }
    }

    fn complete(&mut self) {
        if let Some((id, pages)) = self.in_flight.take() {
            self.disk.complete(id);
            self.journal.on_written(pages, Ok(()));
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        self.acknowledged = self
            .acknowledged
            .max(self.before + self.journal.committed().0);
        self.ends.push(Checkpoint {
            place: self.journal.place(),
            sequence: self.before + self.journal.committed().0,
        });
    }

    fn move_checkpoint(&mut self) {
        if self.ends.is_empty() {
            return;
        }
        let at = self.rng.below(self.ends.len() as u64) as usize;
        self.checkpoint = self.ends[at];
        self.ends.drain(..at);
        let tail = match self.fault {
            Some(Fault::AdvanceTooFar) => self.journal.position(),
            _ => self.checkpoint.place.position,
        };
        self.journal.advance_tail(tail);
    }

    /// The device fails; the server ends and starts again.
    fn fail(&mut self) -> Result<(), String> {
        let Some((id, pages)) = self.in_flight.take() else {
            return Ok(());
        };
        let mut rng = Rng::new(self.rng.next_u64());
        self.disk.fail(id, || rng.below(2) == 0);
        self.journal.on_written(pages, Err(WriteFailed));
        if self.fault == Some(Fault::AckAfterError) {
            self.acknowledged = self.before + self.journal.appended().0;
        }
        assert!(self.journal.close_group().is_none(), "it is frozen");
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
        let end = self.checkpoint.sequence + records.len() as u64;
        self.submitted.truncate(end as usize);
        self.before = end;
        self.acknowledged = end;
        self.ends = vec![Checkpoint {
            place: recovered.opening.next,
            sequence: end,
        }];
        let mut opening = recovered.opening;
        if self.fault == Some(Fault::ForgetEpoch) {
            opening.next.epoch = 1;
        }
        self.journal = Journal::new(self.layout, opening);
        Ok(())
    }

    /// Recovers in at most so many steps.
    fn recover(&mut self, steps: usize) -> Option<(Recovered, Records)> {
        let mut recovery = Recovery::new(self.layout, self.checkpoint.place);
        let mut records = Vec::new();
        for _ in 0..steps {
            match recovery.next_step() {
                Step::Read { file, at, len } => {
                    let mut pages = Pages::zeroed(len);
                    pages
                        .bytes_mut()
                        .copy_from_slice(&self.disk.read(file, at, len));
                    recovery.on_read(Some(&pages), |record| {
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
        let first = self.checkpoint.sequence;
        for (expected, (sequence, payload)) in (first..).zip(records) {
            let submitted = self.submitted.get(*sequence as usize);
            if *sequence != expected || submitted != Some(payload) {
                return Err(format!("record {sequence} stands for {expected}"));
            }
        }
        if !recovered.lost.is_empty() {
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
        files: 2,
        file_bytes: 8 * 4096,
        group_bytes_max: 8192,
    };
    for broken in 0..6_u64 {
        let mut disk = Disk::default();
        (0..2).for_each(|file| disk.create(file, LAYOUT.file_bytes as usize));
        let next = Place { epoch: 1, ..BEGIN };
        let mut journal = Journal::new(LAYOUT, Opening { next, tail: 0 });
        // Six groups of two pages; four fit into a file.
        for number in 0..6 {
            let payload = vec![number as u8; 6_000];
            assert_eq!(
                journal.append(&record(number, &payload)),
                Ok(Lsn(number + 1))
            );
            let write = journal.close_group().unwrap();
            let id = disk.begin_write(write.file, write.at, write.pages.bytes());
            disk.complete(id);
            journal.on_written(write.pages, Ok(()));
        }
        let at = (broken % 4) * 8192 + 5_000;
        disk.flip((broken / 4) as u32, at as usize * 8 + 3);
        let mut recovery = Recovery::new(LAYOUT, BEGIN);
        let mut found = Vec::new();
        while let Step::Read { file, at, len } = recovery.next_step() {
            let mut pages = Pages::zeroed(len);
            pages.bytes_mut().copy_from_slice(&disk.read(file, at, len));
            recovery.on_read(Some(&pages), |record| found.push(record.sequence));
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
