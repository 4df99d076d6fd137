//! Searches against naive ones.

use super::*;
use crate::base::moment::WallNanos;
use crate::base::rng::Rng;
use crate::base::width;
use crate::stream::config::Storage;
use crate::stream::stored::New;

const SUBJECTS: [&[u8]; 6] = [b"a", b"a.b", b"a.c", b"b.c", b"b.c.d", b"x"];
const FILTERS: [&[u8]; 8] = [b"", b">", b"a", b"a.*", b"*.c", b"b.>", b"none", b"x"];

type Model = Vec<(u64, &'static [u8])>;

fn fill(rng: &mut Rng, seed: u64) -> (Log, Model) {
    let mut log = Log::new(Storage::Memory, 1 + rng.below(100), seed);
    for time in 0..rng.below(400) {
        let subject = SUBJECTS[width::size(rng.below(SUBJECTS.len() as u64))];
        log.append(&New {
            subject,
            header: b"",
            payload: b"",
            time: WallNanos(time),
        });
        while rng.below(3) == 0 {
            log.remove(log.first() + rng.below(log.last() + 1));
        }
    }
    let all = log.first()..=log.last();
    let stored = all.filter_map(|at| {
        let text = &log.subjects().get(log.get(at)?.subject).text;
        let subject = SUBJECTS.into_iter().find(|one| **one == **text);
        Some((at, subject?))
    });
    let model = stored.collect();
    (log, model)
}

fn run<T>(mut step: impl FnMut(&mut usize) -> Progress<T>) -> T {
    for _ in 0..100_000 {
        if let Progress::Done(found) = step(&mut 3) {
            return found;
        }
    }
    panic!("it does not end");
}

fn fits(filter: &[u8], subject: &[u8]) -> bool {
    filter.is_empty() || matches(filter, subject)
}

#[test]
fn they_find_what_a_naive_search_finds() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let (log, model) = fill(&mut rng, seed);
        let from = rng.below(log.last() + 3);
        let to = from + rng.below(log.last() + 3);
        for filter in FILTERS {
            let wanted = model
                .iter()
                .filter(|(at, subject)| (from..=to).contains(at) && fits(filter, subject));
            let wanted: Vec<u64> = wanted.map(|(at, _)| *at).collect();
            let mut next = Next::new(filter, from);
            let mut found = Vec::new();
            while let Some(at) = run(|steps| next.step(&log, to, steps)) {
                found.push(at);
            }
            assert_eq!(found, wanted, "seed {seed}");
            let mut count = Count::new(filter, from);
            let counted = run(|steps| count.step(&log, to, steps));
            assert_eq!(counted, wanted.len() as u64, "seed {seed}");
        }
        let filters = [FILTERS[2 + width::size(rng.below(6))], b"x"];
        let last_of = |subject: &[u8]| {
            let until = model.iter().take_while(|(at, _)| *at <= to);
            until
                .filter(|(_, one)| *one == subject)
                .map(|(at, _)| *at)
                .last()
        };
        let subjects = SUBJECTS.into_iter();
        let wanted = subjects.filter(|one| filters.iter().any(|filter| matches(filter, one)));
        let wanted: BTreeSet<u64> = wanted.filter_map(last_of).collect();
        let mut last = Last::new(filters.into_iter());
        let found = run(|steps| last.step(&log, to, 100, steps));
        assert_eq!(found, wanted, "seed {seed}");
        let mut last = Last::new([&b">"[..]].into_iter());
        let found = run(|steps| last.step(&log, u64::MAX, 1, steps));
        assert_eq!(found.len(), log.subjects().len().min(2), "seed {seed}");
    }
}
