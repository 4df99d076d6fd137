//! Tests of whole consumers on a stream in memory.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::config::{AckPolicy, PullConfig, PushConfig, Redelivery};
use super::effects::{Deliver, Next, Turn};
use super::notes::Sequences;
use super::status::Status;
use super::*;
use crate::base::width;
use crate::stream::config::Storage;
use crate::stream::log::{Log, New};

const SECOND: u64 = 1_000_000_000;
const NOON: u64 = 1_700_000_000 * SECOND;

/// A consumer, its stream, and the time.
struct World {
    log: Log,
    setup: Setup<'static>,
    consumer: Consumer,
    now: Moment,
    ack_reply: Vec<u8>,
    /// Inboxes that nobody listens to.
    deaf: Vec<&'static str>,
    /// What became visible to the consumer.
    visible: u64,
}

fn moment(ns: u64) -> Moment {
    Moment {
        mono: Nanos(5 * SECOND + ns),
        wall: WallNanos(NOON + ns),
    }
}

fn pull_config() -> ConsumerConfig {
    ConsumerConfig {
        ack_policy: AckPolicy::Explicit,
        redelivery: Redelivery {
            ack_wait_ns: 30 * SECOND,
            ..Redelivery::default()
        },
        max_ack_pending: Some(1000),
        kind: Kind::Pull(PullConfig {
            max_waiting: 512,
            ..PullConfig::default()
        }),
        ..ConsumerConfig::default()
    }
}

fn push_config() -> ConsumerConfig {
    ConsumerConfig {
        ack_policy: AckPolicy::None,
        kind: Kind::Push(PushConfig {
            deliver_subject: "d".into(),
            ..PushConfig::default()
        }),
        ..pull_config()
    }
}

impl World {
    /// With messages `s.1`, `s.2` and so on, a second apart.
    fn new(config: ConsumerConfig, messages: u64) -> Self {
        let mut log = Log::new(Storage::Memory, 1, 7);
        for number in 1..=messages {
            append(&mut log, number);
        }
        let setup = Setup {
            config,
            stream_name: "S",
            name: "C",
            has_one_per_subject: false,
            tells_freed: true,
            keeps_notes: true,
            seed: 3,
        };
        let view = View {
            log: &log,
            visible: messages,
        };
        let consumer = Consumer::new(&setup, view, moment(0));
        Self {
            log,
            setup,
            consumer,
            now: moment(0),
            ack_reply: Vec::new(),
            deaf: Vec::new(),
            visible: messages,
        }
    }

    fn pass_time(&mut self, ns: u64) {
        self.now = moment(self.now.wall.0 - NOON + ns);
    }

    fn publish(&mut self) -> bool {
        self.visible += 1;
        append(&mut self.log, self.visible);
        let stored = self.log.get(self.visible).expect("just stored");
        let subject = &self.log.subjects().get(stored.subject).text;
        self.consumer
            .on_stored(self.visible, subject, stored.subject)
    }

    fn remove(&mut self, sequence: u64) {
        let stored = self.log.get(sequence).expect("it is there");
        let number = stored.subject;
        let subject = self.log.subjects().get(number).text.to_vec();
        self.log.remove(sequence);
        self.consumer.on_removed(sequence, &subject, number, false);
    }

    fn next(&mut self) -> Next {
        let deaf = self.deaf.clone();
        let mut turn = Turn {
            work: 1000,
            is_heard: &mut |inbox| deaf.iter().all(|one| one.as_bytes() != inbox),
            ack_reply: &mut self.ack_reply,
        };
        let view = View {
            log: &self.log,
            visible: self.visible,
        };
        self.consumer.next(view, self.now, &mut turn)
    }

    fn request(&mut self, body: &str, inbox: &'static str) {
        let inbox = Bytes::from_static(inbox.as_bytes());
        self.consumer
            .request(body.as_bytes(), inbox, self.now, &mut |_| true);
    }

    /// Everything that comes now, as text.
    fn run(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                Next::Deliver(deliver) => {
                    let to = String::from_utf8_lossy(&deliver.to).into_owned();
                    let reply = String::from_utf8_lossy(&self.ack_reply);
                    let tail: Vec<&str> = reply.split('.').skip(4).collect();
                    all.push(format!(
                        "{to} {}",
                        tail.join(".").replace(&format!(".{NOON}"), "")
                    ));
                }
                Next::Say(say) => {
                    let header = String::from_utf8_lossy(&say.header).into_owned();
                    let line = header
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .replace("NATS/1.0 ", "");
                    all.push(format!("{} {line}", String::from_utf8_lossy(&say.to)));
                }
                Next::NotYet => {}
                Next::Wait => return all,
                Next::Unused => {
                    all.push("unused".to_owned());
                    return all;
                }
            }
        }
    }

    fn ack(&mut self, token: &str, body: &str) -> Option<bool> {
        let token = format!("{token}.{NOON}.0");
        let outcome = self
            .consumer
            .ack(token.as_bytes(), body.as_bytes(), self.now);
        outcome.map(|outcome| outcome.is_answered)
    }

    fn info(&mut self) -> Info {
        self.consumer.info(self.now, &mut |_| true)
    }

    /// Stops, and goes on from a snapshot and notes.
    fn restart(&mut self, snapshot: &[u8], notes: &[u8]) {
        let mut progress =
            Progress::read(&self.setup.config, true, snapshot).expect("it is a snapshot");
        progress.replay(notes).expect("they are notes");
        let view = View {
            log: &self.log,
            visible: self.visible,
        };
        self.consumer = Consumer::resume(&self.setup, progress, view, self.now);
    }
}

fn append(log: &mut Log, number: u64) {
    log.append(&New {
        subject: format!("s.{number}").as_bytes(),
        header: b"",
        payload: b"payload",
        time: WallNanos(NOON),
    });
}

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
