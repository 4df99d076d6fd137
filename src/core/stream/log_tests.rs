//! A log against a naive list.

use super::*;
use crate::base::rng::Rng;
use std::collections::BTreeMap;

const SUBJECTS: [&[u8]; 5] = [b"a", b"a.b", b"c.d.e", b"x", b"y"];

#[test]
fn it_agrees_with_a_naive_list() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let first = 1 + rng.below(200);
        let mut log = Log::new(Storage::Memory, first, seed);
        let mut model: BTreeMap<u64, (&[u8], Vec<u8>)> = BTreeMap::new();
        let mut last = first - 1;
        for step in 0..1_500 {
            let removes = if step / 300 % 2 == 0 { 3 } else { 7 };
            if rng.below(10) >= removes {
                let subject = SUBJECTS[width::size(rng.below(5))];
                let payload = vec![b'p'; width::size(rng.below(30))];
                last += 1;
                let new = New {
                    subject,
                    header: b"",
                    payload: &payload,
                    time: WallNanos(step),
                };
                assert_eq!(log.append(&new), last);
                model.insert(last, (subject, payload));
            } else if rng.below(20) == 0 {
                last += 1;
                assert_eq!(log.skip(), last);
            } else {
                let sequence = match rng.below(2) {
                    0 => model.keys().next().copied().unwrap_or(last),
                    _ => first + rng.below(last + 2 - first),
                };
                assert_eq!(log.remove(sequence), model.remove(&sequence).is_some());
            }
            let expected = model.keys().next().copied().unwrap_or(last + 1);
            assert_eq!((log.first(), log.last()), (expected, last), "seed {seed}");
            assert_eq!(log.count(), model.len() as u64);
            let from = first + rng.below(last + 2 - first);
            let next = model.range(from..).next().map(|(&sequence, _)| sequence);
            assert_eq!(log.next_from(from), next);
            let to = from + rng.below(last + 2 - from);
            let between = model.range(from..to).count() as u64;
            assert_eq!(log.count_between(from, to), between);
            let subject = SUBJECTS[width::size(rng.below(5))];
            let of_subject = model.iter().filter(|(_, (other, _))| *other == subject);
            assert_eq!(
                log.last_of(subject),
                of_subject.map(|(&at, _)| at).next_back()
            );
            if let Some((&at, (_, payload))) = model.range(from..).next() {
                let held = log.get(at).and_then(Stored::held);
                assert_eq!(held, Some(&[&payload[..], b"\r\n"].concat()[..]));
            }
        }
        log.check_invariants();
        assert!(log.chunks.len() as u64 <= (log.last() + 1 - log.first()) / CHUNK + 2);
    }
}
