//! Tests of whole consumers on a stream in memory.

use std::collections::BTreeSet;

use super::config::{AckPolicy, PushConfig, Redelivery};
use super::effects::{Deliver, Next};
use super::notes::Sequences;
use super::status::Status;
use super::test_world::{NOON, SECOND, World, pull_config, push_config};
use super::*;
use crate::base::width;
use crate::stream::stored::New;

#[test]
fn clients_get_what_they_ask_for() {
    let mut world = World::new(pull_config(), 3);
    assert_eq!(world.run(), [""; 0]);
    world.request("2", "a");
    world.request(r#"{"batch":5,"no_wait":true}"#, "b");
    // delivered.stream.consumer.pending
    let expected = ["a 1.1.1.2", "b 1.2.2.1", "a 1.3.3.0", "b 404 No Messages"];
    assert_eq!(world.run(), expected);
    assert_eq!(world.info().ack_pending, 3);
    world.request(r#"{"batch":5,"no_wait":true}"#, "b");
    assert_eq!(world.run(), ["b 404 No Messages"]);
    world.request(r#"{"expires":1000000000,"batch":1}"#, "c");
    assert!(world.publish());
    assert_eq!(world.run(), ["c 1.4.4.0"]);
    assert!(!world.publish(), "nobody waits");
    world.request(r#"{"idle_heartbeat":1}"#, "d");
    assert_eq!(
        world.run(),
        ["d 400 Bad Request - heartbeat value too large"]
    );
    let info = world.info();
    assert_eq!(
        (info.pending, info.waiting, info.delivered.stream),
        (1, 0, 4)
    );
}

#[test]
fn messages_come_again_before_new_ones() {
    let mut world = World::new(pull_config(), 4);
    world.request("2", "a");
    assert_eq!(world.run().len(), 2);
    assert_eq!(world.ack("1.1.1", "-NAK"), Some(true));
    world.request("1", "a");
    assert_eq!(world.run(), ["a 2.1.3.2"]);
    assert_eq!(world.ack("2.1.3", "+ACK"), Some(true));
    assert_eq!(
        world.ack("1.9.9", "+ACK"),
        Some(false),
        "it has not come so far"
    );
    assert_eq!(world.ack("x", ""), None);
    assert_eq!(world.consumer.take_freed(), [1]);
    world.pass_time(30 * SECOND);
    world.request("9", "b");
    assert_eq!(world.run(), ["b 2.2.4.2", "b 1.3.5.1", "b 1.4.6.0"]);
    let info = world.info();
    let expected = Sequences {
        consumer: 6,
        stream: 4,
    };
    assert_eq!(
        (info.delivered, info.redelivered, info.ack_pending),
        (expected, 1, 3)
    );
    assert!(matches!(
        world.consumer.take_facts()[..],
        [Fact::Refused { deliveries: 1, .. }]
    ));
    let outcome = world
        .consumer
        .ack(b"2.2.4.0.0", b"+NXT 3", world.now)
        .expect("a token");
    assert_eq!(
        (outcome.is_answered, outcome.request),
        (false, Some(&b" 3"[..]))
    );
}

#[test]
fn a_full_window_waits_and_still_delivers_again() {
    let config = ConsumerConfig {
        max_ack_pending: Some(2),
        ..pull_config()
    };
    let mut world = World::new(config, 5);
    world.request(r#"{"batch":9,"no_wait":true}"#, "a");
    assert_eq!(world.run(), ["a 1.1.1.4", "a 1.2.2.3"], "no end is told");
    world.ack("1.2.2", "-NAK");
    assert_eq!(world.run(), ["a 2.2.3.3"]);
    world.ack("1.1.1", "");
    assert_eq!(world.run(), ["a 1.3.4.2"]);
}

#[test]
fn deliveries_end() {
    let config = ConsumerConfig {
        redelivery: Redelivery {
            ack_wait_ns: SECOND,
            max_deliver: Some(2),
            ..Redelivery::default()
        },
        ..pull_config()
    };
    let mut world = World::new(config, 1);
    world.request("9", "a");
    assert_eq!(world.run(), ["a 1.1.1.0"]);
    world.pass_time(SECOND);
    assert_eq!(world.consumer.next_due(world.now), world.now.mono);
    assert_eq!(world.run(), ["a 2.1.2.0"]);
    world.pass_time(SECOND);
    assert_eq!(world.run(), [""; 0]);
    let given_up = Fact::MaxDeliveries {
        stream: 1,
        deliveries: 2,
    };
    assert_eq!(world.consumer.take_facts(), [given_up]);
    let info = world.info();
    assert_eq!((info.ack_pending, info.redelivered), (0, 1));
    assert!(
        world.consumer.needs(1, b"s.1"),
        "nobody has acknowledged it"
    );
    world.ack("2.1.2", "");
    assert!(!world.consumer.needs(1, b"s.1"));
}

#[test]
fn what_is_gone_is_terminated() {
    let mut world = World::new(pull_config(), 3);
    world.request("2", "a");
    world.run();
    world.remove(1);
    world.remove(3);
    let facts = world.consumer.take_facts();
    assert!(matches!(&facts[..], [Fact::Terminated { at, .. }] if at.stream == 1));
    let info = world.info();
    assert_eq!(
        (info.pending, info.ack_pending, info.floor.stream),
        (0, 1, 1)
    );
    world.ack("1.2.2", "+TERM so it is");
    let facts = world.consumer.take_facts();
    assert!(matches!(&facts[..], [Fact::Terminated { reason, .. }] if **reason == *b"so it is"));
}

#[test]
fn those_that_nobody_listens_to_are_forgotten() {
    let mut world = World::new(pull_config(), 1);
    world.deaf.push("gone");
    world.request("5", "gone");
    assert_eq!(world.run(), [""; 0]);
    let info = world.info();
    assert_eq!((info.pending, info.waiting, info.ack_pending), (1, 0, 0));
}

#[test]
fn it_sends_to_who_listens() {
    let config = ConsumerConfig {
        headers_only: true,
        kind: Kind::Push(PushConfig {
            deliver_subject: "d".into(),
            heartbeat_ns: Some(SECOND),
            ..PushConfig::default()
        }),
        inactive_threshold_ns: Some(5 * SECOND),
        ..push_config()
    };
    let mut world = World::new(config, 2);
    assert_eq!(world.run(), [""; 0]);
    world.pass_time(4 * SECOND);
    world.consumer.set_bound(true, world.now);
    assert_eq!(world.run(), ["d 1.1.1.1", "d 1.2.2.0"]);
    assert_eq!(world.consumer.take_freed(), [1, 2]);
    let due = world.consumer.next_due(world.now);
    assert_eq!(due, world.now.mono.after_ns(SECOND));
    world.pass_time(SECOND);
    assert_eq!(world.run(), ["d 100 Idle Heartbeat"]);
    world.request("1", "a");
    assert_eq!(world.run(), ["a 409 Consumer is push based"]);
    world.consumer.set_bound(false, world.now);
    world.pass_time(5 * SECOND - 1);
    assert_eq!(world.run(), [""; 0]);
    world.pass_time(1);
    assert_eq!(world.run(), ["unused"]);
}

#[test]
fn a_client_is_asked_how_far_it_has_come() {
    let config = ConsumerConfig {
        kind: Kind::Push(PushConfig {
            deliver_subject: "d".into(),
            has_flow_control: true,
            heartbeat_ns: Some(SECOND),
            ..PushConfig::default()
        }),
        ..push_config()
    };
    let mut world = World::new(config, 0);
    world.consumer.set_bound(true, world.now);
    let large = vec![b'p'; 1 << 20];
    for _ in 0..4 {
        world.visible += 1;
        world.log.append(&New {
            subject: b"s",
            header: b"",
            payload: &large,
            time: WallNanos(NOON),
        });
        world.consumer.on_stored(world.visible, b"s", 0);
    }
    let asked = "d 100 FlowControl Request";
    assert_eq!(world.run(), ["d 1.1.1.3", asked, "d 1.2.2.2"]);
    let push = world.consumer.push.as_ref().expect("it pushes");
    let reply = push.asked().to_vec();
    assert!(reply.starts_with(b"$JS.FC.S.C.") && reply.len() == 15);
    world.consumer.flow_control(b"$JS.FC.S.C.xxxx");
    assert_eq!(world.run(), [""; 0]);
    world.consumer.flow_control(&reply);
    assert_eq!(world.run(), ["d 1.3.3.1", asked, "d 1.4.4.0"]);
}

#[test]
fn a_pause_holds_messages_back() {
    let config = ConsumerConfig {
        paused_until: Some(WallNanos(NOON + 5 * SECOND)),
        ..pull_config()
    };
    let mut world = World::new(config, 2);
    world.request("1", "a");
    world.request(r#"{"no_wait":true}"#, "b");
    assert_eq!(world.run(), ["b 404 No Messages"]);
    assert_eq!(
        world.consumer.next_due(world.now),
        world.now.mono.after_ns(5 * SECOND)
    );
    world.pass_time(5 * SECOND);
    assert_eq!(world.run(), ["a 1.1.1.1"]);
    assert_eq!(world.consumer.take_facts(), [Fact::PauseEnded]);
    world
        .consumer
        .pause(Some(WallNanos(NOON + 99 * SECOND)), world.now);
    world.request("1", "a");
    assert_eq!(world.run(), [""; 0]);
    world.consumer.pause(None, world.now);
    assert_eq!(world.run(), ["a 1.2.2.0"]);
}

#[test]
fn messages_keep_their_distance() {
    let config = ConsumerConfig {
        keeps_original_pace: true,
        ..push_config()
    };
    let mut world = World::new(config, 0);
    for seconds in [0, 3, 4] {
        world.log.append(&New {
            subject: b"s",
            header: b"",
            payload: b"",
            time: WallNanos(NOON + seconds * SECOND),
        });
    }
    world.visible = 3;
    let view = View {
        log: &world.log,
        visible: 3,
    };
    world.consumer = Consumer::new(&world.setup, view, world.now);
    world.consumer.set_bound(true, world.now);
    assert_eq!(world.run().len(), 1);
    assert_eq!(
        world.consumer.next_due(world.now),
        world.now.mono.after_ns(3 * SECOND)
    );
    world.pass_time(3 * SECOND);
    assert_eq!(world.run().len(), 1);
    world.pass_time(SECOND);
    assert_eq!(world.run().len(), 1);
    assert_eq!(world.consumer.next_due(world.now), Nanos::NEVER);
}

#[test]
fn it_begins_anew_where_it_may() {
    let mut world = World::new(pull_config(), 4);
    world.request("3", "a");
    world.run();
    world.ack("1.1.1", "");
    let view = View {
        log: &world.log,
        visible: 4,
    };
    assert_eq!(world.consumer.reset(None, view), Ok(2));
    let info = world.info();
    assert_eq!(
        (info.pending, info.ack_pending, info.delivered.consumer),
        (3, 0, 0)
    );
    world.request("1", "a");
    assert_eq!(world.run(), ["a 1.2.1.2"]);
    let view = View {
        log: &world.log,
        visible: 4,
    };
    assert_eq!(world.consumer.reset(Some(1), view), Ok(1));
    world.consumer.config.start = Start::Sequence(3);
    assert_eq!(world.consumer.reset(Some(2), view), Err("below start seq"));
    world.consumer.config.start = Start::New;
    assert_eq!(world.consumer.reset(Some(2), view), Err("not allowed"));
}

#[test]
fn an_unused_one_goes_after_those_who_work() {
    let config = ConsumerConfig {
        inactive_threshold_ns: Some(SECOND),
        ..pull_config()
    };
    let mut world = World::new(config, 1);
    world.request("1", "a");
    assert_eq!(world.run().len(), 1);
    world.pass_time(2 * SECOND);
    assert_eq!(world.run(), [""; 0], "somebody may be at work");
    world.pass_time(30 * SECOND);
    assert_eq!(world.run(), ["unused"]);
    let says = world.consumer.end(&Status::ConsumerDeleted);
    assert!(says.is_empty(), "nobody waits");
}

/// Where it says that it begins: measured with six messages `s.1` to `s.6`.
#[test]
fn it_begins_where_the_reference_does() {
    let cases: &[(Start, &[&str], u64, u64)] = &[
        (Start::Last, &[], 5, 1),
        (Start::Last, &["s.3"], 2, 1),
        (Start::Last, &["q.*"], 0, 0),
        (Start::New, &[], 6, 0),
        (Start::Sequence(99), &[], 98, 0),
        (Start::LastPerSubject, &["s.*"], 0, 6),
        (Start::LastPerSubject, &["q.*"], 5, 0),
        (Start::Time(WallNanos(1)), &["s.4"], 3, 1),
        (Start::Time(WallNanos(1)), &["s.4", "s.5"], 3, 2),
        (Start::LastPerSubject, &["s.4", "s.5"], 3, 2),
    ];
    for (start, filters, stream, pending) in cases {
        let config = ConsumerConfig {
            start: *start,
            filters: filters.iter().map(|&one| one.into()).collect(),
            ..pull_config()
        };
        let mut world = World::new(config, 6);
        assert_eq!(world.run(), [""; 0]);
        let info = world.info();
        let begins = (info.delivered.stream, info.floor.stream, info.pending);
        assert_eq!(
            begins,
            (*stream, *stream, *pending),
            "{start:?} {filters:?}"
        );
    }
}

#[test]
fn nobody_listens_to_acknowledgements_that_are_not_wanted() {
    let config = ConsumerConfig {
        ack_policy: AckPolicy::None,
        ..pull_config()
    };
    let mut world = World::new(config, 1);
    world.request("1", "a");
    assert_eq!(world.run(), ["a 1.1.1.0"]);
    assert_eq!(world.ack("1.1.1", "+ACK"), None);
}

/// A filter that is narrowed counts anew, and other limits hold at once.
#[test]
fn changes_hold_at_once() {
    let mut world = World::new(pull_config(), 5);
    let config = ConsumerConfig {
        filters: vec!["s.4".into(), "s.5".into()],
        ..pull_config()
    };
    let view = View {
        log: &world.log,
        visible: 5,
    };
    world.consumer.update(config, view, world.now);
    world.request("9", "a");
    assert_eq!(world.run(), ["a 1.4.1.1", "a 1.5.2.0"]);
    assert!(!world.consumer.needs(1, b"s.1") && world.consumer.needs(4, b"s.4"));
}

fn delivered(next: Next) -> Option<Deliver> {
    match next {
        Next::Deliver(deliver) => Some(deliver),
        _ => None,
    }
}

#[test]
fn a_restart_changes_nothing_that_was_noted() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let mut world = World::new(pull_config(), 10);
        world.setup.config.ack_policy =
            [AckPolicy::Explicit, AckPolicy::All][width::size(seed % 2)];
        world.restart(&[1, 0, 0, 0, 0, 0, 0, 0], &[]);
        let mut snapshot = Vec::new();
        world.consumer.snapshot(&mut snapshot);
        let mut notes = Vec::new();
        let mut open: BTreeSet<u64> = BTreeSet::new();
        for step in 0..200 {
            match rng.below(6) {
                0 => {
                    world.publish();
                }
                1 => world.request("1", "a"),
                2 => world.pass_time(rng.below(20) * SECOND),
                3 => {
                    let sequence = 1 + rng.below(world.visible);
                    let body = ["", "-NAK", "+TERM", "+WPI"][width::size(rng.below(4))];
                    world.ack(&format!("1.{sequence}.{sequence}"), body);
                    if matches!(body, "" | "+TERM") {
                        open.remove(&sequence);
                    }
                }
                _ => {
                    if let Some(deliver) = delivered(world.next()) {
                        open.insert(deliver.sequences.stream);
                    }
                }
            }
            notes.extend(world.consumer.take_notes());
            if rng.below(20) == 0 {
                let before = world.info();
                world.restart(&snapshot, &notes);
                let after = Info {
                    waiting: before.waiting,
                    last_delivered: before.last_delivered,
                    last_acked: before.last_acked,
                    ..world.info()
                };
                assert_eq!(after, before, "seed {seed}, step {step}");
            }
        }
        world.consumer.progress().check_invariants();
        if seed % 2 == 0 {
            assert_eq!(world.info().ack_pending, open.len() as u64, "seed {seed}");
        }
    }
}
