//! The consumers of a store: they come, change and go; what happens to their streams is
//! told to them, and what they have done is written down.

use std::collections::VecDeque;

use super::fact::Fact;
use super::records::{CONSUMER, CONSUMER_GONE, ConsumerRecord, NOTES};
use super::{Entry, Store};
use crate::base::id::Nanos;
use crate::base::moment::{Moment, WallNanos};
use crate::consumer::config::ConsumerConfig;
use crate::consumer::effects::Deliver;
use crate::consumer::status::{Say, Status};
use crate::consumer::view::View;
use crate::consumer::{Consumer, Setup};
use crate::stream::config::{Retention, Storage};
use crate::stream::stored::Gone;

/// Bytes of what a consumer has done that are written before it is written as a whole.
const NOTES_BYTES_MAX: usize = 1 << 20;

/// A consumer of a store.
#[derive(Debug)]
pub struct ConsumerEntry {
    /// The slot of its stream.
    pub stream: u32,
    /// Its name.
    pub name: Box<str>,
    /// Its configuration as clients see it, in JSON.
    pub fields: Box<str>,
    /// When it was created.
    pub created: WallNanos,
    /// Its number in records.
    pub(super) id: u64,
    pub(super) consumer: Consumer,
    /// Whether its progress is written down.
    pub(super) is_durable: bool,
    /// Where its last record lies that says what it is.
    pub(super) anchor: u64,
    /// Bytes that were written since of what it has done.
    pub(super) noted_bytes: usize,
    /// Whether it is among those that have something to do.
    pub(super) is_ready: bool,
    /// When it has something to do, as it is noted.
    pub(super) due: Nanos,
    /// A message that it has delivered, and that could not go yet, with where it is
    /// acknowledged.
    pub(super) held: Option<(Deliver, Box<[u8]>)>,
}

impl ConsumerEntry {
    /// Its number, which no other consumer of the store ever has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it has done.
    #[must_use]
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }
}

/// What a consumer is made from.
#[derive(Debug)]
pub struct NewConsumer<'a> {
    /// The slot of its stream.
    pub stream: u32,
    /// Its name.
    pub name: &'a str,
    /// What is configured.
    pub config: ConsumerConfig,
    /// The same as clients see it, in JSON.
    pub fields: &'a str,
    /// Whether it is in memory alone, whatever its stream is.
    pub is_in_memory: bool,
}

/// What all consumers of a stream are made from, beside what is configured of them.
fn setup<'a>(
    entry: &'a Entry,
    name: &'a str,
    config: ConsumerConfig,
    keeps_notes: bool,
    seed: u64,
) -> Setup<'a> {
    let stream = entry.stream.config();
    Setup {
        config,
        stream_name: &entry.name,
        name,
        has_one_per_subject: stream.max_messages_per_subject == Some(1),
        tells_freed: stream.retention != Retention::Limits,
        keeps_notes,
        seed,
    }
}

impl Entry {
    /// What its consumers may see of it.
    pub(super) fn view(&self) -> View<'_> {
        View {
            log: self.stream.log(),
            visible: self.visible,
        }
    }

    /// Its consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = (&str, u32)> {
        self.consumers.iter().map(|(name, &slot)| (&**name, slot))
    }

    /// The slot of a consumer.
    #[must_use]
    pub fn find_consumer(&self, name: &str) -> Option<u32> {
        self.consumers.get(name).copied()
    }

    /// Number of its consumers.
    #[must_use]
    pub fn consumer_count(&self) -> usize {
        self.consumers.len()
    }
}

impl Store {
    /// The consumer in a slot.
    #[must_use]
    pub fn consumer(&self, slot: u32) -> Option<&ConsumerEntry> {
        self.consumers.get(slot)
    }

    /// All consumers with their slots.
    pub fn consumers(&self) -> impl Iterator<Item = (u32, &ConsumerEntry)> {
        self.consumers.iter()
    }

    /// Creates a consumer; there is none of the name.
    pub fn create_consumer(&mut self, new: NewConsumer<'_>, now: Moment) -> u32 {
        let id = self.next_consumer_id;
        let entry = &self.streams[new.stream];
        let is_durable = entry.stream.config().storage == Storage::File && !new.is_in_memory;
        let seed = self.config.seed ^ id;
        let setup = setup(entry, new.name, new.config, is_durable, seed);
        let consumer = Consumer::new(&setup, entry.view(), now);
        let slot = self.add_consumer(ConsumerEntry {
            stream: new.stream,
            name: new.name.into(),
            fields: new.fields.into(),
            created: now.wall,
            id,
            consumer,
            is_durable,
            anchor: 0,
            noted_bytes: 0,
            is_ready: false,
            due: Nanos::NEVER,
            held: None,
        });
        self.write_consumer(slot);
        self.after_consumer(slot, now);
        slot
    }

    pub(super) fn add_consumer(&mut self, added: ConsumerEntry) -> u32 {
        let (stream, name) = (added.stream, added.name.clone());
        self.next_consumer_id = self.next_consumer_id.max(added.id + 1);
        let slot = self.consumers.insert(added);
        let entry = &mut self.streams[stream];
        entry.consumers.insert(name, slot);
        entry.stream.watch(true);
        slot
    }

    /// A consumer that was written down goes on.
    pub(super) fn resume_consumer(
        &mut self,
        restored: super::load::RestoredConsumer,
        now: Moment,
    ) -> u32 {
        let entry = &self.streams[restored.stream];
        let seed = self.config.seed ^ restored.id;
        let setup = setup(entry, &restored.name, restored.config, true, seed);
        let consumer = Consumer::resume(&setup, restored.progress, entry.view(), now);
        let slot = self.add_consumer(ConsumerEntry {
            stream: restored.stream,
            name: restored.name,
            fields: restored.fields,
            created: restored.created,
            id: restored.id,
            consumer,
            is_durable: true,
            anchor: restored.anchor,
            noted_bytes: 0,
            is_ready: false,
            due: Nanos::NEVER,
            held: None,
        });
        self.after_consumer(slot, now);
        slot
    }

    /// Writes down what a consumer is now.
    pub(super) fn write_consumer(&mut self, slot: u32) {
        let one = &self.consumers[slot];
        if !one.is_durable {
            return;
        }
        let mut progress = Vec::new();
        one.consumer.snapshot(&mut progress);
        let record = ConsumerRecord {
            name: &one.name,
            fields: &one.fields,
            created: one.created,
            progress: &progress,
        };
        let (stream, id, payload) = (one.stream, one.id, record.encode());
        if let Some(position) = self.write_note(stream, CONSUMER, id, WallNanos(0), &payload) {
            let one = &mut self.consumers[slot];
            one.anchor = position;
            one.noted_bytes = 0;
            one.consumer.take_notes();
        }
    }

    /// Changes what is configured of a consumer.
    pub fn update_consumer(
        &mut self,
        slot: u32,
        config: ConsumerConfig,
        fields: &str,
        now: Moment,
    ) {
        let one = &mut self.consumers[slot];
        let view = self.streams[one.stream].view();
        one.consumer.update(config, view, now);
        one.fields = fields.into();
        self.write_consumer(slot);
        self.after_consumer(slot, now);
    }

    /// Pauses a consumer until a time, or has it go on; its configuration says so.
    pub fn pause_consumer(
        &mut self,
        slot: u32,
        until: Option<WallNanos>,
        now: Moment,
        fields: impl FnOnce(&str) -> String,
    ) {
        let one = &mut self.consumers[slot];
        one.consumer.pause(until, now);
        one.fields = fields(&one.fields).into();
        self.write_consumer(slot);
        self.after_consumer(slot, now);
        self.make_ready(slot);
    }

    /// Number of consumers that have something to say.
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.ready_consumers.len()
    }

    /// Has something done with a consumer, and notes what follows from it.
    pub fn with_consumer<T>(
        &mut self,
        slot: u32,
        now: Moment,
        act: impl FnOnce(&mut Consumer, View<'_>) -> T,
    ) -> T {
        let one = &mut self.consumers[slot];
        let result = act(&mut one.consumer, self.streams[one.stream].view());
        self.after_consumer(slot, now);
        result
    }

    /// Deletes a consumer; what is said to those who wait for it.
    pub fn delete_consumer(&mut self, slot: u32, status: &Status) -> VecDeque<Say> {
        let mut one = self.consumers.remove(slot);
        if one.is_durable {
            self.write_note(one.stream, CONSUMER_GONE, one.id, WallNanos(0), b"");
        }
        self.ready_consumers.retain(|&other| other != slot);
        self.dues.remove(&(one.due, slot));
        let entry = &mut self.streams[one.stream];
        entry.consumers.remove(&one.name);
        if entry.consumers.is_empty() {
            entry.stream.watch(false);
        }
        if entry.stream.config().retention == Retention::Interest {
            entry.sweep = Some(0);
        }
        let says = one.consumer.end(status);
        self.after_change(one.stream);
        says
    }

    /// What follows from what a consumer has done.
    pub(super) fn after_consumer(&mut self, slot: u32, now: Moment) {
        let one = &mut self.consumers[slot];
        one.consumer.take_facts();
        // What is held is needed until it goes.
        let freed = match one.held {
            None => one.consumer.take_freed(),
            Some(_) => Vec::new(),
        };
        let stream = one.stream;
        if one.is_durable {
            let notes = one.consumer.take_notes();
            let id = one.id;
            one.noted_bytes += notes.len();
            let is_long = one.noted_bytes > NOTES_BYTES_MAX;
            if !notes.is_empty() {
                self.write_note(stream, NOTES, id, WallNanos(0), &notes);
            }
            if is_long {
                self.write_consumer(slot);
            }
        }
        if !freed.is_empty() {
            self.release(stream, freed);
        }
        self.schedule_consumer(slot, now);
    }

    fn schedule_consumer(&mut self, slot: u32, now: Moment) {
        let one = &mut self.consumers[slot];
        let due = one.consumer.next_due(now);
        if due <= now.mono {
            return self.make_ready(slot);
        }
        if due != one.due {
            self.dues.remove(&(one.due, slot));
            one.due = due;
            if due < Nanos::NEVER {
                self.dues.insert((due, slot));
            }
        }
    }

    /// Has a consumer asked what it has to say.
    pub fn make_ready(&mut self, slot: u32) {
        if let Some(one) = self.consumers.get_mut(slot)
            && !one.is_ready
        {
            one.is_ready = true;
            self.ready_consumers.push_back(slot);
        }
    }

    /// The next consumer that has something to say.
    pub fn next_ready(&mut self) -> Option<u32> {
        let slot = self.ready_consumers.pop_front()?;
        self.consumers[slot].is_ready = false;
        Some(slot)
    }

    /// Consumers whose time has come have something to say.
    pub(super) fn wake_due(&mut self, now: Nanos) {
        while let Some(&(due, slot)) = self.dues.first()
            && due <= now
        {
            self.dues.pop_first();
            self.consumers[slot].due = Nanos::NEVER;
            self.make_ready(slot);
        }
    }

    /// Messages of a stream that consumers need no more go, if nobody else needs them.
    fn release(&mut self, stream: u32, freed: Vec<u64>) {
        for sequence in freed {
            if !self.is_needed(stream, sequence) {
                self.streams[stream].stream.delete(sequence);
            }
        }
        self.after_change(stream);
    }

    /// Whether a consumer of a stream needs a message.
    pub(super) fn is_needed(&self, stream: u32, sequence: u64) -> bool {
        let entry = &self.streams[stream];
        match entry.stream.config().retention {
            Retention::Limits => true,
            Retention::WorkQueue => false,
            Retention::Interest => {
                let log = entry.stream.log();
                let Some(stored) = log.get(sequence) else {
                    return false;
                };
                let subject = &log.subjects().get(stored.subject).text;
                let mut consumers = entry.consumers.values();
                consumers.any(|&slot| self.consumers[slot].consumer.needs(sequence, subject))
            }
        }
    }

    /// Whether a consumer of a stream wants messages of a subject.
    pub(super) fn is_wanted(&self, stream: u32, subject: &[u8]) -> bool {
        let entry = &self.streams[stream];
        let mut consumers = entry.consumers.values();
        entry.stream.config().retention != Retention::Interest
            || consumers.any(|&slot| self.consumers[slot].consumer.wants(subject))
    }

    /// Consumers hear of messages that may be shown now.
    pub(super) fn show(&mut self, stream: u32, sequence: u64) {
        let entry = &mut self.streams[stream];
        let before = entry.visible;
        entry.visible = before.max(sequence);
        if entry.stream.config().republish.is_some() {
            let shown = before + 1..=sequence;
            let again = shown.map(|sequence| Fact::Republish {
                slot: stream,
                sequence,
            });
            self.ready.extend(again);
        }
        let entry = &self.streams[stream];
        if entry.consumers.is_empty() {
            return;
        }
        let slots: Vec<u32> = entry.consumers.values().copied().collect();
        for sequence in before + 1..=sequence {
            let log = self.streams[stream].stream.log();
            let Some(stored) = log.get(sequence) else {
                continue;
            };
            let number = stored.subject;
            let subject = &log.subjects().get(number).text;
            for &slot in &slots {
                let one = &mut self.consumers[slot];
                if one.consumer.on_stored(sequence, subject, number) && !one.is_ready {
                    one.is_ready = true;
                    self.ready_consumers.push_back(slot);
                }
            }
        }
    }

    /// Consumers hear of messages that are gone.
    pub(super) fn tell_gone(&mut self, stream: u32, gone: &[Gone], by_purge: bool) {
        let entry = &self.streams[stream];
        for &slot in entry.consumers.values() {
            let one = &mut self.consumers[slot];
            for gone in gone.iter().filter(|gone| gone.sequence <= entry.visible) {
                if let Some(subject) = &gone.subject {
                    one.consumer
                        .on_removed(gone.sequence, subject, gone.number, by_purge);
                }
            }
        }
    }

    /// Consumers hear that a purge is over.
    pub(super) fn tell_purged(&mut self, stream: u32) {
        let entry = &self.streams[stream];
        let first = entry.stream.log().first();
        for &slot in entry.consumers.values() {
            self.consumers[slot].consumer.on_purged(first);
        }
    }

    /// Has something told as soon as what is staged is durable.
    pub fn tell_all(&mut self, account: crate::base::id::AccountId, says: VecDeque<Say>) {
        for say in says {
            self.tell(Fact::Answer {
                account,
                reply: say.to.as_ref().into(),
                header: say.header.into(),
                payload: Box::default(),
            });
        }
    }
}
