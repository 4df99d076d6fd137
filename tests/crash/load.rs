//! Works with a server until it is killed, and writes into the ledger what it asks for before it asks and
//! what was confirmed afterwards.

use crate::ledger::{HISTORY, Ledger};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{Context, kv};
use futures_util::StreamExt;
use std::collections::VecDeque;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use trunkline_tests::Random;

/// Publishers do not wait for each confirmation.
const UNANSWERED_MAX: usize = 32;
pub const LOG: &str = "LOG";
pub const WORK: &str = "WORK";
pub const BUCKET: &str = "keys";
pub const READER: &str = "reader";
pub const WORKER: &str = "worker";
const KEYS: usize = 6;

/// What all tasks of a load share.
#[derive(Clone)]
pub struct Load {
    pub ledger: Arc<Mutex<Ledger>>,
    /// Operations that were confirmed.
    pub confirmed: Arc<AtomicU64>,
    context: Context,
    /// Makes bodies and values of this round unlike those of others.
    round: u64,
}

pub async fn context(address: SocketAddr) -> Context {
    let client = async_nats::connect(address.to_string()).await.unwrap();
    async_nats::jetstream::new(client)
}

/// Makes the streams that all rounds work with.
pub async fn prepare(context: &Context, ledger: &mut Ledger) {
    for (name, retention) in [
        (LOG, RetentionPolicy::Limits),
        (WORK, RetentionPolicy::WorkQueue),
    ] {
        let config = Config {
            name: name.to_owned(),
            subjects: vec![format!("{name}.>")],
            retention,
            ..Config::default()
        };
        let stream = context.create_stream(config).await.unwrap();
        let consumer = pull::Config {
            durable_name: Some(if name == LOG { READER } else { WORKER }.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ..pull::Config::default()
        };
        let _consumer: PullConsumer = stream.create_consumer(consumer).await.unwrap();
        ledger.streams.insert(name.to_owned());
    }
    let config = kv::Config {
        bucket: BUCKET.to_owned(),
        history: HISTORY as i64,
        ..kv::Config::default()
    };
    context.create_key_value(config).await.unwrap();
    ledger.streams.insert(format!("KV_{BUCKET}"));
}

impl Load {
    /// Begins to work; the work ends with the runtime.
    pub async fn start(address: SocketAddr, ledger: Arc<Mutex<Ledger>>, round: u64) -> Load {
        let load = Load {
            ledger,
            confirmed: Arc::default(),
            context: context(address).await,
            round,
        };
        load.make_and_delete_a_stream().await;
        for (writer, stream) in [("a", LOG), ("b", LOG), ("c", WORK)] {
            tokio::spawn(load.clone().publish(writer, stream));
        }
        tokio::spawn(load.clone().delete());
        tokio::spawn(load.clone().read());
        tokio::spawn(load.clone().work());
        for key in 0..KEYS {
            tokio::spawn(load.clone().put(format!("k{key}"), key as u64));
        }
        load
    }

    fn note<T>(&self, note: impl FnOnce(&mut Ledger) -> T) -> T {
        note(&mut self.ledger.lock().unwrap())
    }

    fn confirm(&self, note: impl FnOnce(&mut Ledger)) {
        self.note(note);
        self.confirmed.fetch_add(1, Ordering::Relaxed);
    }

    async fn make_and_delete_a_stream(&self) {
        let name = format!("TEMPORARY{}", self.round);
        let config = Config {
            name: name.clone(),
            ..Config::default()
        };
        self.context.create_stream(config).await.unwrap();
        let sent = self
            .context
            .publish(name.clone(), "x".into())
            .await
            .unwrap();
        sent.await.unwrap();
        self.context.delete_stream(name).await.unwrap();
    }

    /// Publishes `WRITER-NUMBER` for ever, some at a time.
    async fn publish(self, writer: &'static str, stream: &'static str) {
        let mut unanswered: VecDeque<(String, PublishAckFuture)> = VecDeque::new();
        for number in self.round * 1_000_000.. {
            let body = format!("{writer}-{number}");
            self.note(|ledger| messages(ledger, stream).sent.insert(body.clone()));
            let subject = format!("{stream}.{writer}.{}", number % 5);
            let Ok(sent) = self.context.publish(subject, body.clone().into()).await else {
                return;
            };
            unanswered.push_back((body, sent));
            if unanswered.len() < UNANSWERED_MAX {
                continue;
            }
            let Some((body, sent)) = unanswered.pop_front() else {
                continue;
            };
            let Ok(ack) = sent.into_future().await else {
                return;
            };
            self.confirm(|ledger| drop(messages(ledger, stream).stored.insert(ack.sequence, body)));
        }
    }

    /// Deletes every seventh message of the log.
    async fn delete(self) {
        let stream = self.context.get_stream_no_info(LOG).await.unwrap();
        loop {
            let next = self.note(|ledger| {
                let log = &mut ledger.log;
                let known = |sequence: &u64| {
                    log.removing.contains(sequence) || log.removed.contains(sequence)
                };
                let next = log
                    .stored
                    .keys()
                    .rev()
                    .find(|sequence| *sequence % 7 == 0 && !known(sequence));
                let next = next.copied();
                log.removing.extend(next);
                next
            });
            let Some(sequence) = next else {
                tokio::task::yield_now().await;
                continue;
            };
            if !stream.delete_message(sequence).await.unwrap_or(false) {
                return;
            }
            self.confirm(|ledger| ledger.log.removed.extend([sequence]));
        }
    }

    /// Acknowledges the messages of the log.
    async fn read(self) {
        let stream = self.context.get_stream_no_info(LOG).await.unwrap();
        let consumer: PullConsumer = stream.get_consumer(READER).await.unwrap();
        let Ok(mut messages) = consumer.messages().await else {
            return;
        };
        while let Some(Ok(message)) = messages.next().await {
            let sequence = message.info().unwrap().stream_sequence;
            self.note(|ledger| ledger.reading.extend([sequence]));
            if message.double_ack().await.is_err() {
                return;
            }
            self.confirm(|ledger| ledger.read.extend([sequence]));
        }
    }

    /// Takes messages off the queue.
    async fn work(self) {
        let stream = self.context.get_stream_no_info(WORK).await.unwrap();
        let consumer: PullConsumer = stream.get_consumer(WORKER).await.unwrap();
        let Ok(mut messages) = consumer.messages().await else {
            return;
        };
        while let Some(Ok(message)) = messages.next().await {
            let sequence = message.info().unwrap().stream_sequence;
            self.note(|ledger| {
                // It may be here before its publisher knows that it is stored.
                let body = String::from_utf8_lossy(&message.payload).into_owned();
                ledger.work.stored.insert(sequence, body);
                ledger.work.removing.insert(sequence);
            });
            if message.double_ack().await.is_err() {
                return;
            }
            self.confirm(|ledger| ledger.work.removed.extend([sequence]));
        }
    }

    /// Puts values of a key, and purges it now and then.
    async fn put(self, name: String, seed: u64) {
        let bucket = self.context.get_key_value(BUCKET).await.unwrap();
        let mut random = Random::new(self.round * 1000 + seed);
        for number in 0.. {
            let value = (random.below(8) > 0).then(|| format!("{}-{number}", self.round));
            self.note(|ledger| {
                ledger.keys.entry(name.clone()).or_default().unanswered = Some(value.clone());
            });
            let revision = match &value {
                Some(value) => bucket.put(&name, value.clone().into()).await.ok(),
                None => match bucket.purge(&name).await {
                    Ok(()) => bucket
                        .entry(&name)
                        .await
                        .ok()
                        .flatten()
                        .map(|entry| entry.revision),
                    Err(_) => None,
                },
            };
            let Some(revision) = revision else {
                return;
            };
            self.confirm(|ledger| {
                let key = ledger.keys.entry(name.clone()).or_default();
                key.revisions.push((revision, value));
                key.unanswered = None;
            });
        }
    }
}

fn messages<'a>(ledger: &'a mut Ledger, stream: &str) -> &'a mut crate::ledger::Messages {
    if stream == LOG {
        &mut ledger.log
    } else {
        &mut ledger.work
    }
}
