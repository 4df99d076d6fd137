//! A store from the records of its journal, in the order in which they were written.

use std::collections::BTreeMap;

use super::records::{
    CONSUMER, CONSUMER_GONE, ConsumerRecord, MESSAGE, NOTES, REMOVED, Ranges, STREAM, STREAM_GONE,
    StreamRecord, USED,
};
use super::streams::NewStream;
use super::{Store, StoreConfig};
use crate::base::id::AccountId;
use crate::base::moment::{Moment, WallNanos};
use crate::consumer::config::ConsumerConfig;
use crate::consumer::progress::Progress;
use crate::format::record::{Record, StreamId};
use crate::journal::Opening;
use crate::stream::config::StreamConfig;
use crate::stream::load::{Loaded, Loading};
use crate::stream::requirements::{TimeToLive, time_to_live_of};
use crate::stream::stored::New;
use crate::stream::{Restored, Stream};
use crate::wire::headers::value;

/// What is known of a stream while its records are read.
#[derive(Debug)]
struct Known {
    loading: Loading,
    /// What it is, as its last record says.
    record: Option<Box<[u8]>>,
    anchor: u64,
    last_used: u64,
    last_time: WallNanos,
    /// Ids of messages with their sequences and times.
    ids: Vec<(Box<[u8]>, u64, WallNanos)>,
    last_id: Box<[u8]>,
    /// Messages that say how long they are kept, and when they were stored.
    lifetimes: Vec<(u64, WallNanos, TimeToLive)>,
    /// Consumers by their numbers.
    consumers: BTreeMap<u64, KnownConsumer>,
}

/// What is known of a consumer while its records are read.
#[derive(Debug)]
struct KnownConsumer {
    record: Box<[u8]>,
    anchor: u64,
    /// What it has done since.
    notes: Vec<u8>,
}

/// A consumer that was written down.
pub(super) struct RestoredConsumer {
    pub stream: u32,
    pub name: Box<str>,
    pub fields: Box<str>,
    pub created: WallNanos,
    pub id: u64,
    pub config: ConsumerConfig,
    pub progress: Progress,
    pub anchor: u64,
}

/// A store that is being loaded.
#[derive(Debug)]
pub struct Loader {
    config: StoreConfig,
    streams: BTreeMap<StreamId, Known>,
    last_id: u64,
}

/// What configurations in JSON say, which were checked before.
pub trait Compile {
    /// Whose stream it is, if that account is there, and how it is configured.
    fn stream(&self, account: &str, fields: &str) -> Option<(AccountId, StreamConfig)>;

    /// How a consumer is configured.
    fn consumer(&self, fields: &str) -> Option<ConsumerConfig>;
}

impl Loader {
    /// Nothing is loaded.
    #[must_use]
    pub fn new(config: StoreConfig) -> Self {
        Self {
            config,
            streams: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// Takes a record that lies there.
    pub fn take(&mut self, position: u64, record: &Record<'_>) {
        let id = record.stream;
        self.last_id = self.last_id.max(id.0);
        if record.kind == STREAM_GONE {
            self.streams.remove(&id);
            return;
        }
        let seed = self.config.seed ^ id.0.rotate_left(32);
        let known = self.streams.entry(id).or_insert_with(|| Known::new(seed));
        match record.kind {
            MESSAGE => known.take_message(position, record),
            REMOVED => {
                for (first, count) in Ranges::decode(record.payload) {
                    known.loading.remove(first, count);
                }
            }
            USED => {
                known.last_used = known.last_used.max(record.sequence);
                known.last_time = known.last_time.max(record.time);
            }
            STREAM => {
                known.record = Some(record.payload.into());
                known.anchor = position;
            }
            CONSUMER => {
                let known_consumer = KnownConsumer {
                    record: record.payload.into(),
                    anchor: position,
                    notes: Vec::new(),
                };
                known.consumers.insert(record.sequence, known_consumer);
            }
            NOTES => {
                if let Some(consumer) = known.consumers.get_mut(&record.sequence) {
                    consumer.notes.extend_from_slice(record.payload);
                }
            }
            CONSUMER_GONE => drop(known.consumers.remove(&record.sequence)),
            _ => {}
        }
    }

    /// Everything was read. Streams of accounts that are not there, and what has no
    /// configuration, are left out and named.
    #[must_use]
    pub fn finish(
        self,
        opening: Opening,
        now: Moment,
        compile: &impl Compile,
    ) -> (Store, Vec<String>) {
        let mut store = Store::new(self.config, opening);
        let mut left_out = Vec::new();
        for (id, known) in self.streams {
            if let Err(name) = known.finish(id, &mut store, now, compile) {
                left_out.push(name);
            }
        }
        store.next_id = store.next_id.max(self.last_id + 1);
        (store, left_out)
    }
}

impl Known {
    fn new(seed: u64) -> Self {
        Self {
            loading: Loading::new(seed),
            record: None,
            anchor: 0,
            last_used: 0,
            last_time: WallNanos(0),
            ids: Vec::new(),
            last_id: Box::default(),
            lifetimes: Vec::new(),
            consumers: BTreeMap::new(),
        }
    }

    fn take_message(&mut self, position: u64, record: &Record<'_>) {
        let id = value(record.header, "Nats-Msg-Id").unwrap_or_default();
        if record.sequence > self.last_used {
            self.last_used = record.sequence;
            self.last_time = record.time;
            self.last_id = id.into();
        }
        if !id.is_empty() {
            self.ids.push((id.into(), record.sequence, record.time));
        }
        if let Some(lifetime) = value(record.header, "Nats-TTL").filter(|text| !text.is_empty()) {
            let lifetime = time_to_live_of(lifetime);
            self.lifetimes
                .push((record.sequence, record.time, lifetime));
        }
        self.loading.store(&Loaded {
            sequence: record.sequence,
            new: New {
                subject: record.subject,
                header: record.header,
                payload: record.payload,
                time: record.time,
            },
            position,
        });
    }

    fn finish(
        mut self,
        id: StreamId,
        store: &mut Store,
        now: Moment,
        compile: &impl Compile,
    ) -> Result<(), String> {
        let record = self
            .record
            .ok_or_else(|| format!("stream number {}", id.0))?;
        let record: StreamRecord<'_> =
            serde_json::from_slice(&record).map_err(|_| format!("stream number {}", id.0))?;
        let fields = record.fields.get();
        let (account, config) = compile
            .stream(record.account, fields)
            .ok_or_else(|| format!("{} > {}", record.account, record.name))?;
        self.loading
            .use_up(self.last_used.max(record.last_sequence));
        let seed = store.config.seed ^ id.0.rotate_left(32);
        let stream = Stream::restore(
            config.clone(),
            seed,
            Restored {
                log: self.loading.finish(),
                ids: self.ids,
                last_id: self.last_id,
                lifetimes: self.lifetimes,
                last_time: self.last_time.max(WallNanos(record.last_time_ns)),
            },
            now.wall,
        );
        let new = NewStream {
            account,
            account_name: record.account,
            config,
            fields,
        };
        let slot = store.add_stream(id, stream, &new, WallNanos(record.created_ns));
        store.streams[slot].anchor = self.anchor;
        store.note_loaded(slot);
        for (id, known) in self.consumers {
            match known.finish(slot, id, compile) {
                Some(restored) => drop(store.resume_consumer(restored, now)),
                None => {
                    return Err(format!(
                        "{} > {} consumer {id}",
                        record.account, record.name
                    ));
                }
            }
        }
        Ok(())
    }
}

impl KnownConsumer {
    fn finish(self, stream: u32, id: u64, compile: &impl Compile) -> Option<RestoredConsumer> {
        let record = ConsumerRecord::decode(&self.record)?;
        let config = compile.consumer(record.fields)?;
        let mut progress = Progress::read(&config, true, record.progress)?;
        progress.replay(&self.notes)?;
        Some(RestoredConsumer {
            stream,
            name: record.name.into(),
            fields: record.fields.into(),
            created: record.created,
            id,
            config,
            progress,
            anchor: self.anchor,
        })
    }
}

impl Store {
    /// Counts what a loaded stream needs of the files.
    fn note_loaded(&mut self, slot: u32) {
        let log = self.streams[slot].stream.log();
        let mut live: BTreeMap<u32, u64> = BTreeMap::new();
        let mut sequence = log.first();
        while let Some((at, stored)) = log.first_from(sequence) {
            let (file, _) = self.journal.layout().file_of(stored.position);
            *live.entry(file).or_default() += log.record_len(stored);
            sequence = at + 1;
        }
        for (file, bytes) in live {
            *self.live.entry(file).or_default() += bytes;
        }
        self.after_change(slot);
    }

    /// The messages of a stream that goes are needed no more.
    pub(super) fn drop_live(&mut self, entry: &super::Entry) {
        let log = entry.stream.log();
        let mut sequence = log.first();
        while let Some((at, stored)) = log.first_from(sequence) {
            let (file, _) = self.journal.layout().file_of(stored.position);
            if let Some(live) = self.live.get_mut(&file) {
                *live = live.saturating_sub(log.record_len(stored));
            }
            sequence = at + 1;
        }
    }
}
