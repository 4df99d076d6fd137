//! Tests of what a stream takes.

use super::*;
use crate::stream::config::{Storage, StreamConfig};
use crate::stream::removal::Purge;

fn config() -> StreamConfig {
    StreamConfig {
        name: "S".into(),
        storage: Storage::Memory,
        duplicate_window_ns: 1_000,
        allow_rollup: true,
        ..StreamConfig::default()
    }
}

struct World {
    stream: Stream,
    now: u64,
}

impl World {
    fn new(config: StreamConfig) -> Self {
        Self {
            stream: Stream::new(config, 5),
            now: 0,
        }
    }

    fn publish(&mut self, subject: &str, fields: &[&str], payload: &str) -> Admission {
        let mut header = String::new();
        if !fields.is_empty() {
            header = format!("NATS/1.0\r\n{}\r\n\r\n", fields.join("\r\n"));
        }
        self.now += 1;
        let admission = self.stream.admit(&Incoming {
            subject: subject.as_bytes(),
            header: header.as_bytes(),
            payload: payload.as_bytes(),
            time: WallNanos(self.now),
            server_has_room: true,
            account_has_room: true,
            is_wanted: true,
        });
        while !self.stream.is_tidy() {
            self.stream.tidy(WallNanos(self.now), 3);
        }
        self.stream.log().check_invariants();
        admission
    }

    fn refusal(&mut self, subject: &str, fields: &[&str]) -> (u16, String) {
        match self.publish(subject, fields, "x") {
            Admission::Refused(error) => (error.err_code, error.description.into_owned()),
            other => panic!("{other:?}"),
        }
    }

    fn sequences(&self) -> Vec<u64> {
        let log = self.stream.log();
        let all = log.first()..=log.last();
        all.filter(|&sequence| log.get(sequence).is_some())
            .collect()
    }
}

#[test]
fn messages_get_sequences_and_duplicates_those_of_the_first() {
    let mut world = World::new(config());
    assert_eq!(world.publish("a", &[], "1"), Admission::Stored(1));
    let id = &["Nats-Msg-Id: i"];
    assert_eq!(world.publish("b", id, "2"), Admission::Stored(2));
    assert_eq!(world.publish("c", id, "3"), Admission::Duplicate(2));
    assert_eq!(world.publish("a", &[], "4"), Admission::Stored(3));
    let log = world.stream.log();
    assert_eq!((log.count(), log.last_of(b"a")), (3, Some(3)));
    let held = log.get(2).and_then(|stored| stored.held());
    assert!(held.is_some_and(|body| body.ends_with(b"\r\n\r\n2\r\n")));
    world.now += 2_000;
    world.publish("a", &[], "5");
    assert_eq!(world.publish("b", id, "6"), Admission::Stored(5));
}

#[test]
fn expectations_are_compared_with_what_is_there() {
    let mut world = World::new(config());
    world.publish("a.1", &["Nats-Msg-Id: i"], "");
    world.publish("a.2", &[], "");
    let wrong = |last| (10_071, format!("wrong last sequence: {last}"));
    let last = "Nats-Expected-Last-Sequence";
    let of_subject = "Nats-Expected-Last-Subject-Sequence";
    let which = "Nats-Expected-Last-Subject-Sequence-Subject: a.*";
    assert_eq!(world.refusal("a", &[&format!("{last}: 1")]), wrong(2));
    assert_eq!(world.refusal("a", &[&format!("{last}: x")]), wrong(2));
    assert_eq!(
        world.refusal("a.1", &[&format!("{of_subject}: 0")]),
        wrong(1)
    );
    assert_eq!(
        world.refusal("a.3", &[&format!("{of_subject}: 1")]),
        wrong(0)
    );
    assert_eq!(
        world.refusal("b", &[&format!("{of_subject}: 1"), which]),
        wrong(2)
    );
    assert_eq!(world.refusal("b", &[which]).0, 10_193);
    assert_eq!(world.refusal("b", &["Nats-Expected-Stream: T"]).0, 10_060);
    let id = world.refusal("b", &["Nats-Expected-Last-Msg-Id: i"]);
    assert_eq!(id, (10_070, "wrong last msg ID: ".to_owned()));
    let fields = [&*format!("{last}: 2"), &*format!("{of_subject}: 0")];
    assert_eq!(world.publish("b", &fields, ""), Admission::Stored(3));
    assert_eq!(
        world.publish("b", &[&format!("{last}: ")], ""),
        Admission::Stored(4)
    );
}

#[test]
fn the_oldest_go_at_limits() {
    let mut world = World::new(StreamConfig {
        max_messages: Some(3),
        max_messages_per_subject: Some(2),
        max_bytes: Some(3 * (16 + 2)),
        ..config()
    });
    for subject in ["a", "b", "a", "a"] {
        world.publish(subject, &[], "x");
    }
    assert_eq!(
        world.sequences(),
        [2, 3, 4],
        "the third of a takes the place of its first"
    );
    world.publish("c", &[], "x");
    assert_eq!(world.sequences(), [3, 4, 5]);
    world.publish("d", &[], &"x".repeat(20));
    assert_eq!(world.sequences(), [6], "by their bytes");
}

#[test]
fn the_new_one_is_refused_at_limits_if_that_is_wanted() {
    let mut world = World::new(StreamConfig {
        discard: Discard::New,
        max_messages: Some(2),
        max_messages_per_subject: Some(1),
        ..config()
    });
    world.publish("a", &[], "x");
    world.publish("b", &[], "x");
    let full = (10_077, "maximum messages exceeded".to_owned());
    assert_eq!(world.refusal("c", &[]), full);
    assert_eq!(
        world.publish("a", &[], "y"),
        Admission::Stored(3),
        "in place of the first"
    );
    assert_eq!(world.sequences(), [2, 3]);
    world.stream.config.discards_new_per_subject = true;
    let full = (10_077, "maximum messages per subject exceeded".to_owned());
    assert_eq!(world.refusal("a", &[]), full);
    let rollup = &["Nats-Rollup: sub"];
    assert_eq!(world.publish("a", rollup, "z"), Admission::Stored(4));
    assert_eq!(world.sequences(), [2, 4]);
    world.stream.config.max_bytes = Some(40);
    let full = (10_077, "maximum bytes exceeded".to_owned());
    assert_eq!(world.refusal("a", rollup), full);
}

#[test]
fn a_rollup_removes_what_was_before_it() {
    let mut world = World::new(config());
    for number in 0..100 {
        world.publish(["a", "b"][number % 2], &[], "x");
    }
    assert_eq!(
        world.publish("a", &["Nats-Rollup: SUB"], "y"),
        Admission::Stored(101)
    );
    assert_eq!(world.stream.log().count(), 51);
    assert_eq!(
        world.publish("b", &["Nats-Rollup: all"], "y"),
        Admission::Stored(102)
    );
    assert_eq!(world.sequences(), [102]);
    let invalid = (10_111, "rollup value invalid: \"some\"".to_owned());
    assert_eq!(world.refusal("b", &["Nats-Rollup: Some"]), invalid);
    world.stream.config.deny_purge = true;
    let denied = (10_111, "rollup not permitted".to_owned());
    assert_eq!(world.refusal("b", &["Nats-Rollup: all"]), denied);
}

#[test]
fn what_is_looked_at_first_is_said_first() {
    let mut world = World::new(StreamConfig {
        max_message_bytes: Some(200),
        ..config()
    });
    let long = format!("A: {}", "x".repeat(300));
    let fields = [
        &*long,
        "Nats-Expected-Stream: T",
        "Nats-TTL: 5",
        "Nats-Expected-Last-Sequence: 9",
    ];
    let mut refusals = Vec::new();
    for left_out in 0..fields.len() {
        refusals.push(world.refusal("a", &fields[left_out..]).0);
    }
    assert_eq!(refusals, [10_054, 10_060, 10_166, 10_071]);
    assert_eq!(world.refusal("a", &["Nats-TTL: soon"]).0, 10_165);
    world.stream.config.sealed = true;
    assert_eq!(world.refusal("a", &fields).0, 10_109);
}

#[test]
fn what_nobody_wants_uses_up_a_sequence() {
    let mut world = World::new(config());
    let mut incoming = Incoming {
        subject: b"a",
        header: b"",
        payload: b"",
        time: WallNanos(1),
        server_has_room: true,
        account_has_room: false,
        is_wanted: false,
    };
    assert_eq!(world.stream.admit(&incoming), Admission::Skipped(1));
    incoming.is_wanted = true;
    assert_eq!(
        world.stream.admit(&incoming),
        Admission::Refused(error::ACCOUNT_RESOURCES)
    );
    assert_eq!(world.publish("a", &[], ""), Admission::Stored(2));
    assert_eq!(
        (world.stream.log().first(), world.stream.log().last()),
        (2, 2)
    );
}

#[test]
fn what_is_too_old_goes() {
    let mut world = World::new(StreamConfig {
        max_age_ns: Some(10),
        ..config()
    });
    for _ in 0..5 {
        world.publish("a", &[], "");
    }
    assert_eq!(world.stream.next_expiry(), Some(WallNanos(11)));
    world.stream.tidy(WallNanos(13), 2);
    assert_eq!(world.sequences(), [3, 4, 5]);
    world.stream.tidy(WallNanos(1_000), 100);
    assert_eq!(
        (world.sequences(), world.stream.next_expiry()),
        (vec![], None)
    );
    assert_eq!(
        (world.stream.log().first(), world.stream.log().last()),
        (6, 5)
    );
}

/// A stream with messages of `a.1`, `a.2` and `b` in turn, after a purge: how many it removed, and
/// what is left.
fn purged(purge: &Purge<'_>) -> (u64, Vec<u64>, [u64; 2]) {
    let mut world = World::new(config());
    for number in 0..300 {
        world.publish(["a.1", "a.2", "b"][number % 3], &[], "");
    }
    world.stream.purge(purge);
    let mut steps = 0;
    while !world.stream.is_tidy() {
        world.stream.tidy(WallNanos(world.now), 7);
        steps += 1;
    }
    assert!(steps > 1 || world.stream.removed() < 7, "in steps");
    world.stream.log().check_invariants();
    let log = world.stream.log();
    (
        world.stream.removed(),
        world.sequences(),
        [log.first(), log.last()],
    )
}

#[test]
fn a_purge_removes_what_it_says() {
    let everything = Purge::default();
    assert_eq!(purged(&everything), (300, vec![], [301, 300]));
    let keep = Purge {
        keep: 2,
        ..everything
    };
    assert_eq!(purged(&keep), (298, vec![299, 300], [299, 300]));
    let before = Purge {
        before: Some(299),
        ..everything
    };
    assert_eq!(purged(&before), (298, vec![299, 300], [299, 300]));
    let beyond = Purge {
        before: Some(500),
        ..everything
    };
    assert_eq!(purged(&beyond), (300, vec![], [500, 499]));
    let literal = Purge {
        filter: Some(b"b"),
        ..everything
    };
    let (removed, left, ends) = purged(&literal);
    assert_eq!((removed, left.len(), ends), (100, 200, [1, 300]));
    assert!(left.iter().all(|sequence| sequence % 3 != 0));
    let wildcard = Purge {
        filter: Some(b"a.*"),
        keep: 3,
        ..everything
    };
    let (removed, left, ends) = purged(&wildcard);
    assert_eq!((removed, ends), (197, [3, 300]));
    assert_eq!(left.iter().filter(|sequence| *sequence % 3 != 0).count(), 3);
    let wildcard = Purge {
        filter: Some(b"a.>"),
        before: Some(100),
        ..everything
    };
    assert_eq!(purged(&wildcard).0, 66);
    let nothing = Purge {
        filter: Some(b"c"),
        ..everything
    };
    assert_eq!(purged(&nothing).0, 0);
    let enough = Purge {
        keep: 300,
        ..everything
    };
    assert_eq!(purged(&enough).0, 0);
}

#[test]
fn limits_that_come_later_hold_for_what_is_there() {
    let mut world = World::new(config());
    let id = &["Nats-Msg-Id: i"];
    for subject in ["a", "a", "b", "a", "b", "c"] {
        world.publish(subject, &[], "x");
    }
    world.publish("a", id, "x");
    world.now += 2_000;
    let tidied = |world: &mut World, config: StreamConfig| {
        world.stream.update_config(config);
        while !world.stream.is_tidy() {
            world.stream.tidy(WallNanos(0), 1);
        }
        world.stream.log().check_invariants();
        world.sequences()
    };
    let of_subject = StreamConfig {
        max_messages_per_subject: Some(2),
        ..config()
    };
    assert_eq!(tidied(&mut world, of_subject.clone()), [3, 4, 5, 6, 7]);
    let both = StreamConfig {
        max_messages: Some(2),
        duplicate_window_ns: 10_000,
        ..of_subject
    };
    assert_eq!(tidied(&mut world, both), [6, 7]);
    world.publish("d", &[], "");
    assert_eq!(world.publish("d", id, ""), Admission::Duplicate(7));
}
