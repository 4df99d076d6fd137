//! Tests of cursors, against a list of what is still to come.

use super::*;
use crate::base::moment::WallNanos;
use crate::base::rng::Rng;
use crate::base::width;
use crate::stream::config::Storage;
use crate::stream::log::Log;
use crate::stream::stored::New;
use std::collections::BTreeSet;

const SUBJECTS: [&str; 6] = ["a", "a.b", "a.c", "b", "b.c", "x.y.z"];

/// A stream of which only a part is visible, and a list of what a cursor is to find.
struct World {
    log: Log,
    visible: u64,
    rng: Rng,
    time: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let first = 1 + rng.below(80);
        let mut world = Self {
            log: Log::new(Storage::Memory, first, seed),
            visible: first - 1,
            rng,
            time: 1000,
        };
        for _ in 0..world.rng.below(200) {
            world.append();
            if world.rng.below(4) == 0 {
                let some = world.some();
                world.log.remove(some);
            }
        }
        world.visible = world.log.last() - world.rng.below(4).min(world.log.last() - world.visible);
        world
    }

    fn view(&self) -> View<'_> {
        View {
            log: &self.log,
            visible: self.visible,
        }
    }

    fn some(&mut self) -> u64 {
        let first = self.log.first();
        first + self.rng.below(self.log.last() + 2 - first)
    }

    fn append(&mut self) {
        self.time += self.rng.below(3);
        let subject = SUBJECTS[width::size(self.rng.below(6))];
        self.log.append(&New {
            subject: subject.as_bytes(),
            header: b"",
            payload: b"p",
            time: WallNanos(self.time),
        });
    }

    fn subject(&self, sequence: u64) -> Option<(Vec<u8>, u32)> {
        let number = self.log.get(sequence)?.subject;
        Some((self.log.subjects().get(number).text.to_vec(), number))
    }

    /// Visible messages that match, from a sequence on.
    fn matching(&self, filter: &Filter, from: u64) -> BTreeSet<u64> {
        let all = from..=self.visible;
        let wanted = all.filter(|&one| {
            let subject = self.subject(one);
            subject.is_some_and(|(subject, _)| filter.matches(&subject))
        });
        wanted.collect()
    }

    /// What a cursor is to find that begins now.
    fn expected(&self, start: Start, filter: &Filter) -> BTreeSet<u64> {
        let all = self.matching(filter, 1);
        let last = all.last().copied();
        match start {
            Start::All => all,
            Start::New => BTreeSet::new(),
            Start::Sequence(sequence) => self.matching(filter, sequence),
            // Without a filter it begins with the last sequence, whatever is there.
            Start::Last if *filter == Filter::All => self.matching(filter, self.visible),
            Start::Last => last.into_iter().collect(),
            Start::Time(time) => {
                let is_late = |one: &u64| self.log.get(*one).is_some_and(|one| one.time >= time);
                all.into_iter().filter(is_late).collect()
            }
            Start::LastPerSubject => {
                let is_last = |one: &u64| {
                    let next = next_of_subject(&self.log, *one);
                    next == 0 || next > self.visible
                };
                all.into_iter().filter(is_last).collect()
            }
        }
    }
}

fn some_filter(rng: &mut Rng) -> Filter {
    let patterns: &[&str] = [
        &[][..],
        &["a"],
        &["a.*"],
        &["a.>", "b"],
        &["a.b", "b.c"],
        &["q"],
        &["q.*"],
    ][width::size(rng.below(7))];
    let patterns: Vec<Box<str>> = patterns.iter().map(|&one| one.into()).collect();
    Filter::new(&patterns)
}

fn some_start(world: &mut World) -> Start {
    let sequence = world.some() + world.rng.below(3);
    let time = WallNanos(990 + world.rng.below(world.time - 980));
    [
        Start::All,
        Start::Last,
        Start::New,
        Start::Sequence(sequence),
        Start::Time(time),
        Start::LastPerSubject,
    ][width::size(world.rng.below(6))]
}

/// Something happens to the stream, of which the cursor is told.
fn happen(world: &mut World, cursor: &mut Cursor, expected: &mut BTreeSet<u64>, start: Start) {
    let least = match start {
        Start::Sequence(sequence) => sequence,
        _ => 0,
    };
    match world.rng.below(6) {
        0..3 => world.append(),
        3 if world.visible < world.log.last() => {
            world.visible += 1;
            if let Some((subject, number)) = world.subject(world.visible) {
                let is_wanted = cursor.on_stored(world.visible, &subject, number);
                if is_wanted && world.visible >= least {
                    expected.insert(world.visible);
                }
            }
        }
        4 => {
            let sequence = match world.rng.below(2) {
                0 => world.log.first(),
                _ => world.some(),
            };
            // What is the last one of a subject is found out step by step.
            let begins_with_last = matches!(start, Start::Last | Start::LastPerSubject);
            let is_listed = !cursor.is_ready() && begins_with_last;
            if let Some((subject, number)) = world.subject(sequence).filter(|_| !is_listed) {
                world.log.remove(sequence);
                cursor.on_removed(sequence, &subject, number);
                expected.remove(&sequence);
            }
        }
        _ => {
            let mut work = width::size(world.rng.below(6));
            match cursor.find(world.view(), &mut work) {
                Found::Message(sequence) => {
                    assert_eq!(expected.first(), Some(&sequence));
                    if world.rng.below(2) == 0 {
                        cursor.pass(sequence);
                        expected.remove(&sequence);
                    }
                }
                Found::Nothing => assert!(expected.is_empty()),
                Found::NotYet => assert_eq!(work, 0),
            }
        }
    }
}

#[test]
fn it_finds_what_a_list_has() {
    for seed in 0..1500 {
        let mut world = World::new(seed);
        let mut filter = some_filter(&mut world.rng);
        let start = some_start(&mut world);
        let mut expected = world.expected(start, &filter);
        let mut cursor = Cursor::new(start, filter.clone(), world.view(), false);
        for step in 0..150 {
            happen(&mut world, &mut cursor, &mut expected, start);
            if cursor.is_ready() {
                let counted = cursor.pending();
                assert_eq!(
                    counted,
                    expected.len() as u64,
                    "seed {seed}, step {step}, {start:?}, {filter:?}"
                );
            }
            if world.rng.below(60) == 0 && start == Start::All && cursor.is_ready() {
                let position = cursor.position();
                filter = some_filter(&mut world.rng);
                cursor.set_filter(filter.clone(), world.view());
                expected = world.matching(&filter, position);
            }
        }
        while !cursor.is_ready() {
            cursor.prepare(world.view(), &mut 10);
        }
        assert_eq!(
            cursor.pending(),
            expected.len() as u64,
            "seed {seed}, {start:?}, {filter:?}"
        );
        for &sequence in &expected {
            assert!(cursor.is_ahead(sequence), "seed {seed}");
            assert_eq!(
                cursor.find(world.view(), &mut 100_000),
                Found::Message(sequence)
            );
            cursor.pass(sequence);
        }
        assert_eq!(cursor.find(world.view(), &mut 100_000), Found::Nothing);
        assert_eq!(cursor.pending(), 0);
    }
}

#[test]
fn it_goes_on_where_it_stood() {
    for seed in 0..300 {
        let mut world = World::new(seed);
        let filter = some_filter(&mut world.rng);
        let start = [Start::All, Start::LastPerSubject][width::size(seed % 2)];
        let mut expected = world.expected(start, &filter);
        let mut cursor = Cursor::new(start, filter.clone(), world.view(), false);
        while !cursor.is_ready() {
            cursor.prepare(world.view(), &mut 3);
        }
        let until = cursor.last_ones_until();
        for _ in 0..world.rng.below(4) {
            if let Found::Message(sequence) = cursor.find(world.view(), &mut 100_000) {
                cursor.pass(sequence);
                expected.remove(&sequence);
            }
        }
        for _ in 0..5 {
            world.append();
        }
        let seen = world.visible;
        world.visible = world.log.last();
        expected.extend(world.matching(&filter, seen + 1));
        let position = cursor.position();
        let until = until.filter(|&until| until >= position);
        let mut cursor = Cursor::resume(filter.clone(), world.view(), position, until);
        while !cursor.is_ready() {
            cursor.prepare(world.view(), &mut 3);
        }
        // What became the last one meanwhile is not told apart.
        if start == Start::All {
            assert_eq!(cursor.pending(), expected.len() as u64, "seed {seed}");
        }
        let mut found = BTreeSet::new();
        while let Found::Message(sequence) = cursor.find(world.view(), &mut 100_000) {
            cursor.pass(sequence);
            found.insert(sequence);
        }
        assert_eq!(found, expected, "seed {seed}, {start:?}, {filter:?}");
        assert_eq!(cursor.pending(), 0);
    }
}
