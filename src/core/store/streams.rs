//! Streams come, change and go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::records::{REMOVED, Ranges, STREAM, STREAM_GONE, StreamRecord};
use super::{Entry, Store};
use crate::base::id::AccountId;
use crate::base::moment::WallNanos;
use crate::consumer::status::{Say, Status};
use crate::format::record::StreamId;
use crate::stream::Stream;
use crate::stream::config::{Retention, StreamConfig};
use crate::stream::removal::Purge;

/// What a stream is made from.
#[derive(Debug)]
pub struct NewStream<'a> {
    /// The account that it belongs to.
    pub account: AccountId,
    /// The name of that.
    pub account_name: &'a str,
    /// What is configured.
    pub config: StreamConfig,
    /// The same as clients see it, in JSON.
    pub fields: &'a str,
}

impl Store {
    /// Creates a stream; there is none of the name.
    pub fn create_stream(&mut self, new: NewStream<'_>, now: WallNanos) -> u32 {
        let seed = self.config.seed ^ self.next_id.rotate_left(32);
        let stream = Stream::new(new.config.clone(), seed);
        let id = StreamId(self.next_id);
        let slot = self.add_stream(id, stream, &new, now);
        self.write_stream(slot);
        slot
    }

    /// Adds a stream that is known.
    pub(super) fn add_stream(
        &mut self,
        id: StreamId,
        stream: Stream,
        new: &NewStream<'_>,
        created: WallNanos,
    ) -> u32 {
        let name: Arc<str> = stream.config().name.as_ref().into();
        self.next_id = self.next_id.max(id.0 + 1);
        let slot = self.streams.insert(Entry {
            account: new.account,
            account_name: new.account_name.into(),
            name: Arc::clone(&name),
            fields: new.fields.into(),
            created,
            id,
            visible: stream.log().last(),
            stream,
            removed: Ranges::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            consumers: BTreeMap::new(),
            sweep: None,
            is_purging: false,
            anchor: 0,
            expiry: None,
            is_untidy: false,
        });
        let names = self.by_name.entry(new.account).or_default();
        let before = names.insert((*name).into(), slot);
        debug_assert!(before.is_none(), "a name is of one stream");
        self.by_id.insert(id, slot);
        slot
    }

    /// Writes down what a stream is now.
    pub(super) fn write_stream(&mut self, slot: u32) {
        let entry = &self.streams[slot];
        let fields = serde_json::value::RawValue::from_string(entry.fields.to_string());
        let record = StreamRecord {
            account: &entry.account_name,
            name: &entry.name,
            fields: &fields.expect("what was checked is JSON"),
            created_ns: entry.created.0,
            last_sequence: entry.stream.log().last(),
            last_time_ns: entry.stream.last_time().0,
        };
        let payload = serde_json::to_vec(&record).expect("it can be written");
        let last = record.last_sequence;
        if let Some(position) = self.write_note(slot, STREAM, last, entry.created, &payload) {
            self.streams[slot].anchor = position;
        }
    }

    /// Changes what is configured of a stream.
    pub fn update_stream(&mut self, slot: u32, config: StreamConfig, fields: &str) {
        let entry = &mut self.streams[slot];
        let before = entry.stream.config().retention;
        if config.retention == Retention::Interest && before != Retention::Interest {
            entry.sweep = Some(0);
        }
        entry.stream.update_config(config);
        entry.fields = fields.into();
        self.write_stream(slot);
        self.after_change(slot);
    }

    /// Deletes a stream with everything in it; what is said to those who wait for its
    /// consumers.
    pub fn delete_stream(&mut self, slot: u32) -> VecDeque<Say> {
        let mut says = VecDeque::new();
        let consumers: Vec<u32> = self.streams[slot].consumers.values().copied().collect();
        for consumer in consumers {
            says.extend(self.delete_consumer(consumer, &Status::ConsumerDeleted));
        }
        self.write_note(slot, STREAM_GONE, 0, WallNanos(0), b"");
        let entry = self.streams.remove(slot);
        if let Some(names) = self.by_name.get_mut(&entry.account) {
            names.remove(&*entry.name);
        }
        self.by_id.remove(&entry.id);
        self.untidy.retain(|&other| other != slot);
        self.expiries.retain(|&(_, other)| other != slot);
        self.drop_live(&entry);
        says
    }

    /// Begins to remove messages of a stream that is not busy; its log says how many these
    /// were when it is tidy.
    pub fn purge(&mut self, slot: u32, purge: &Purge<'_>) {
        let entry = &mut self.streams[slot];
        entry.stream.purge(purge);
        entry.is_purging = true;
        self.after_change(slot);
    }

    /// Deletes a message of a stream that is not busy; false if there is none.
    pub fn delete_message(&mut self, slot: u32, sequence: u64) -> bool {
        let is_there = self.streams[slot].stream.delete(sequence);
        self.after_removal(slot, false);
        self.after_change(slot);
        is_there
    }

    /// Writes that messages were removed.
    pub(super) fn write_removed(&mut self, slot: u32) {
        let payload = self.streams[slot].removed.encode();
        self.write_note(slot, REMOVED, 0, WallNanos(0), &payload);
    }
}
