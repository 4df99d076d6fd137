//! A stream in memory and a consumer of it, for tests.

use bytes::Bytes;

use super::config::{AckPolicy, ConsumerConfig, Kind, PullConfig, PushConfig, Redelivery};
use super::effects::{Info, Next, Turn};
use super::progress::Progress;
use super::view::View;
use super::{Consumer, Setup};
use crate::base::id::Nanos;
use crate::base::moment::{Moment, WallNanos};
use crate::stream::config::Storage;
use crate::stream::log::Log;
use crate::stream::stored::New;

pub const SECOND: u64 = 1_000_000_000;
pub const NOON: u64 = 1_700_000_000 * SECOND;

/// A consumer, its stream, and the time.
pub struct World {
    pub log: Log,
    pub setup: Setup<'static>,
    pub consumer: Consumer,
    pub now: Moment,
    pub ack_reply: Vec<u8>,
    /// Inboxes that nobody listens to.
    pub deaf: Vec<&'static str>,
    /// What became visible to the consumer.
    pub visible: u64,
}

pub fn moment(ns: u64) -> Moment {
    Moment {
        mono: Nanos(5 * SECOND + ns),
        wall: WallNanos(NOON + ns),
    }
}

pub fn pull_config() -> ConsumerConfig {
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

pub fn push_config() -> ConsumerConfig {
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
    pub fn new(config: ConsumerConfig, messages: u64) -> Self {
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

    pub fn pass_time(&mut self, ns: u64) {
        self.now = moment(self.now.wall.0 - NOON + ns);
    }

    pub fn publish(&mut self) -> bool {
        self.visible += 1;
        append(&mut self.log, self.visible);
        let stored = self.log.get(self.visible).expect("just stored");
        let subject = &self.log.subjects().get(stored.subject).text;
        self.consumer
            .on_stored(self.visible, subject, stored.subject)
    }

    pub fn remove(&mut self, sequence: u64) {
        let stored = self.log.get(sequence).expect("it is there");
        let number = stored.subject;
        let subject = self.log.subjects().get(number).text.to_vec();
        self.log.remove(sequence);
        self.consumer.on_removed(sequence, &subject, number, false);
    }

    pub fn next(&mut self) -> Next {
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

    pub fn request(&mut self, body: &str, inbox: &'static str) {
        let inbox = Bytes::from_static(inbox.as_bytes());
        self.consumer
            .request(body.as_bytes(), inbox, self.now, &mut |_| true);
    }

    /// Everything that comes now, as text.
    pub fn run(&mut self) -> Vec<String> {
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

    pub fn ack(&mut self, token: &str, body: &str) -> Option<bool> {
        let token = format!("{token}.{NOON}.0");
        let outcome = self
            .consumer
            .ack(token.as_bytes(), body.as_bytes(), self.now);
        outcome.map(|outcome| outcome.is_answered)
    }

    pub fn info(&mut self) -> Info {
        self.consumer.info(self.now, &mut |_| true)
    }

    /// Stops, and goes on from a snapshot and notes.
    pub fn restart(&mut self, snapshot: &[u8], notes: &[u8]) {
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

pub fn append(log: &mut Log, number: u64) {
    log.append(&New {
        subject: format!("s.{number}").as_bytes(),
        header: b"",
        payload: b"payload",
        time: WallNanos(NOON),
    });
}
