//! Tests of progress, and of what is noted of it.

use super::*;
use crate::base::rng::Rng;
use crate::base::width;
use crate::consumer::config::ConsumerConfig;

/// Some time that a clock shows.
const NOON: u64 = 1_700_000_000_000_000_000;

fn at_ns(ns: u64) -> Nanos {
    Nanos(NOON + ns)
}

fn redelivery() -> Redelivery {
    Redelivery {
        ack_wait_ns: 100,
        backoff_ns: Vec::new(),
        max_deliver: None,
    }
}

fn progress(policy: AckPolicy) -> Progress {
    Progress::new(policy, redelivery(), 0, true)
}

fn pair(consumer: u64, stream: u64) -> Sequences {
    Sequences { consumer, stream }
}

fn acknowledge(progress: &mut Progress, stream: u64) -> Vec<u64> {
    let mut done = Vec::new();
    let is_new = progress.acknowledge(stream, |one| done.push(one));
    assert_eq!(is_new, !done.is_empty());
    done
}

#[test]
fn the_floor_follows_the_first_that_waits() {
    let mut progress = progress(AckPolicy::Explicit);
    for stream in [1, 2, 5, 6] {
        progress.deliver(stream, at_ns(0));
    }
    assert_eq!(acknowledge(&mut progress, 2), [2]);
    assert_eq!(progress.floor(), pair(0, 0));
    acknowledge(&mut progress, 1);
    assert_eq!(progress.floor(), pair(2, 4), "just before 5");
    assert_eq!(acknowledge(&mut progress, 1), [0; 0]);
    acknowledge(&mut progress, 6);
    acknowledge(&mut progress, 5);
    assert_eq!(progress.floor(), progress.delivered());
    assert_eq!(progress.next_due(), Nanos::NEVER);
}

#[test]
fn one_acknowledges_all_before_it_if_that_is_the_policy() {
    let mut all = progress(AckPolicy::All);
    for stream in [1, 3, 5, 7] {
        all.deliver(stream, at_ns(0));
    }
    assert_eq!(acknowledge(&mut all, 3), [1, 3]);
    assert_eq!((all.floor(), all.pending_count()), (pair(2, 3), 2));
    assert_eq!(acknowledge(&mut all, 2), [0; 0]);
    assert_eq!(acknowledge(&mut all, 7), [5, 7]);
    assert_eq!(all.floor(), pair(4, 7));
    let mut none = progress(AckPolicy::None);
    none.deliver(7, at_ns(0));
    assert_eq!((none.floor(), none.pending_count()), (pair(1, 7), 0));
}

#[test]
fn what_nobody_acknowledges_comes_again() {
    let mut progress = progress(AckPolicy::Explicit);
    progress.redelivery.max_deliver = Some(3);
    progress.redelivery.backoff_ns = vec![100, 300];
    progress.deliver(1, at_ns(0));
    progress.deliver(2, at_ns(10));
    assert_eq!(
        (progress.due(at_ns(99)), progress.next_due()),
        (None, at_ns(100))
    );
    assert_eq!(progress.due(at_ns(100)), Some(1));
    let expected = Delivery {
        sequences: pair(3, 1),
        count: 2,
    };
    assert_eq!(progress.redeliver(1, at_ns(100)), expected);
    assert_eq!(progress.next_due(), at_ns(110));
    acknowledge(&mut progress, 2);
    assert_eq!(progress.next_due(), at_ns(400), "the second wait");
    assert_eq!(progress.redeliver(1, at_ns(400)).count, 3);
    assert!(progress.has_had_all(1, true) && !progress.has_had_all(1, false));
    assert_eq!(progress.redelivered_count(), 1);
    assert_eq!(progress.exhaust(1), 3);
    assert_eq!(
        (progress.pending_count(), progress.floor()),
        (0, pair(4, 2))
    );
    assert_eq!(progress.redelivered_count(), 1, "it is not acknowledged");
    assert_eq!(acknowledge(&mut progress, 1), [1], "late");
    assert_eq!(progress.redelivered_count(), 0);
}

#[test]
fn an_only_delivery_is_over_when_its_time_is() {
    let mut progress = progress(AckPolicy::Explicit);
    progress.redelivery.max_deliver = Some(1);
    progress.deliver(1, at_ns(0));
    assert!(progress.has_had_all(1, false));
    progress.exhaust(1);
    assert_eq!(
        progress.redelivered_count(),
        0,
        "nothing was delivered again"
    );
}

#[test]
fn refused_ones_come_at_once_or_later() {
    let mut progress = progress(AckPolicy::Explicit);
    for stream in 1..=3 {
        progress.deliver(stream, at_ns(0));
    }
    assert!(progress.refuse(3, None, at_ns(5)) && progress.refuse(1, None, at_ns(5)));
    assert_eq!(progress.due(at_ns(5)), Some(3), "it was the first");
    assert!(progress.refuse(2, Some(1_000), at_ns(5)));
    assert!(!progress.refuse(4, None, at_ns(5)));
    assert_eq!(progress.due_count(at_ns(5), 9), 2);
    progress.redeliver(3, at_ns(6));
    progress.redeliver(1, at_ns(7));
    assert_eq!(progress.next_due(), at_ns(106));
    assert!(progress.in_progress(3, at_ns(50)) && progress.in_progress(1, at_ns(60)));
    assert_eq!(progress.next_due(), at_ns(150));
    progress.in_progress(3, at_ns(200));
    assert_eq!(progress.due(at_ns(200)), Some(3), "it is too late");
    acknowledge(&mut progress, 3);
    acknowledge(&mut progress, 1);
    assert_eq!(progress.next_due(), at_ns(1_005));
    progress.check_invariants();
}

#[test]
fn other_waits_count_from_the_delivery() {
    let mut progress = progress(AckPolicy::Explicit);
    progress.deliver(1, at_ns(0));
    progress.deliver(2, at_ns(10));
    progress.refuse(2, None, at_ns(10));
    let shorter = Redelivery {
        ack_wait_ns: 40,
        ..redelivery()
    };
    progress.set_redelivery(shorter);
    assert_eq!(progress.due(at_ns(10)), Some(2), "still at once");
    acknowledge(&mut progress, 2);
    assert_eq!(progress.next_due(), at_ns(40));
    assert_eq!(progress.age_ns(1, at_ns(30)), Some(30));
}

#[test]
fn a_purge_and_a_reset_move_it() {
    let mut progress = progress(AckPolicy::Explicit);
    for stream in 1..=5 {
        progress.deliver(stream, at_ns(0));
    }
    progress.purge(4);
    assert_eq!(
        (progress.floor(), progress.pending_count()),
        (pair(3, 3), 2)
    );
    progress.purge(9);
    assert_eq!(
        (progress.floor(), progress.delivered()),
        (pair(5, 8), pair(5, 8))
    );
    progress.reset(3, 7);
    assert_eq!(
        (progress.floor(), progress.delivered()),
        (pair(0, 2), pair(0, 2))
    );
    assert_eq!(progress.last_ones_until(), 7);
}

/// Something that happens to a progress.
fn happen(progress: &mut Progress, rng: &mut Rng, now: Nanos) {
    let delivered = progress.delivered().stream;
    let some = 1 + rng.below(delivered + 2);
    match rng.below(20) {
        0..8 => {
            progress.deliver(delivered + 1 + rng.below(3), now);
        }
        8..12 => {
            progress.acknowledge(some, |_| {});
        }
        12 => {
            progress.refuse(
                some,
                [None, Some(rng.below(300))][width::size(rng.below(2))],
                now,
            );
        }
        13 => {
            progress.in_progress(some, now);
        }
        14 | 15 => {
            if let Some(due) = progress.due(now) {
                match progress.has_had_all(due, true) {
                    true => {
                        progress.exhaust(due);
                    }
                    false => {
                        progress.redeliver(due, now);
                    }
                }
            }
        }
        16 => {
            progress.terminate(some);
        }
        17 if rng.below(10) == 0 => progress.purge(some),
        18 if rng.below(20) == 0 => progress.reset(some, rng.below(5)),
        _ => progress.set_redelivery(Redelivery {
            ack_wait_ns: 50 + rng.below(2) * 50,
            backoff_ns: Vec::new(),
            max_deliver: Some(3),
        }),
    }
}

fn bytes_of(progress: &Progress) -> Vec<u8> {
    let mut bytes = Vec::new();
    progress.snapshot(&mut bytes);
    bytes
}

#[test]
fn replayed_notes_make_the_same_progress_wherever_it_stopped() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let policies = [AckPolicy::Explicit, AckPolicy::All, AckPolicy::None];
        let config = ConsumerConfig {
            ack_policy: policies[width::size(seed % 3)],
            redelivery: redelivery(),
            ..ConsumerConfig::default()
        };
        let mut live = Progress::new(config.ack_policy, redelivery(), 0, true);
        let mut snapshot = bytes_of(&live);
        let mut notes: Vec<Vec<u8>> = Vec::new();
        for step in 0..400 {
            happen(&mut live, &mut rng, at_ns(step * 7));
            live.check_invariants();
            assert!(live.has_notes() || live.take_notes().is_empty());
            notes.push(live.take_notes());
            let mut restored = Progress::read(&config, true, &snapshot).expect("it is one");
            for note in &notes {
                restored.replay(note).expect("they are notes");
            }
            restored.check_invariants();
            assert_eq!(
                bytes_of(&restored),
                bytes_of(&live),
                "seed {seed}, step {step}"
            );
            // A crash in a replay: it begins anew with what is there.
            for note in &notes {
                restored.replay(note).expect("they are notes");
            }
            assert_eq!(
                bytes_of(&restored),
                bytes_of(&live),
                "seed {seed}, step {step}"
            );
            if rng.below(50) == 0 {
                snapshot = bytes_of(&live);
                notes.clear();
            }
        }
    }
}

#[test]
fn damaged_snapshots_are_none() {
    let config = ConsumerConfig::default();
    let mut live = progress(AckPolicy::Explicit);
    for stream in 1..=5 {
        live.deliver(stream, at_ns(0));
    }
    let bytes = bytes_of(&live);
    for len in 0..bytes.len() {
        assert!(Progress::read(&config, false, &bytes[..len]).is_none());
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(Progress::read(&config, false, &longer).is_none());
    assert!(live.replay(b"\x63").is_none());
}
