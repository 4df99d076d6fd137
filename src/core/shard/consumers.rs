//! Requests about consumers, their acknowledgements and requests for messages.
//!
//! Not here: what consumers send (`deliveries`).

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Shard;
use super::errand::Errand;
use super::requests::{Outcome, Place};
use crate::api::answer::{NEVER, moment};
use crate::api::consumer_answers as answers;
use crate::api::consumer_config::{ConsumerFields, CreateRequest};
use crate::api::consumer_info::{InfoFields, answer, answer_type};
use crate::api::consumer_names::SubjectNames;
use crate::api::consumer_rules::Surroundings;
use crate::api::json;
use crate::api::request::ConsumerVerb;
use crate::api::stream_change::{note_level, shown_metadata};
use crate::api::stream_config::StreamFields;
use crate::api::stream_requests::check_empty;
use crate::base::limits::STORE_WORK_NS;
use crate::consumer::status::Status;
use crate::store::{Fact, NewConsumer};
use crate::stream::error::{self, ApiError};

impl Shard {
    /// The consumer that a request names.
    fn consumer_of(&self, place: Place, name: &[u8]) -> Result<u32, ApiError> {
        let name = std::str::from_utf8(name).map_err(|_| error::CONSUMER_NOT_FOUND)?;
        let found = self.entry(place).find_consumer(name);
        found.ok_or(error::CONSUMER_NOT_FOUND)
    }

    /// Creates a consumer, or changes one.
    pub(super) fn create_consumer(
        &mut self,
        stream: &[u8],
        names: SubjectNames<'_>,
        errand: &Errand,
    ) -> Result<Outcome, ApiError> {
        let mut request = CreateRequest::read(&errand.payload)?;
        request.check_names(&String::from_utf8_lossy(stream), names)?;
        let place = self.place_of(errand, stream)?;
        let said = [&request.config.name, &request.config.durable_name];
        let said = said.into_iter().find(|name| !name.is_empty()).cloned();
        let name = said.unwrap_or_else(|| self.new_name());
        let slot = self.entry(place).find_consumer(&name);
        let mut checked = self.check_consumer(place, slot, request)?;
        let level = checked.fields.required_level().into();
        note_level(&mut checked.fields.metadata, level);
        let fields = serde_json::to_string(&checked.fields).expect("it can be written");
        let now = self.clock;
        let slot = match slot {
            Some(slot) => {
                let store = &mut self.storage.stores[place.store];
                store.update_consumer(slot, checked.config, &fields, now);
                slot
            }
            None => {
                let store = &mut self.storage.stores[place.store];
                let new = NewConsumer {
                    stream: place.slot,
                    name: &name,
                    config: checked.config,
                    fields: &fields,
                    is_in_memory: checked.fields.mem_storage,
                };
                store.create_consumer(new, now)
            }
        };
        self.remember_push(place.store, slot);
        // It sends when it is told of, which is as it stands before.
        let text = self.consumer_info(place, slot, answer_type::CREATE);
        let (account, reply) = (errand.account, errand.reply.clone());
        let store = &mut self.storage.stores[place.store];
        store.tell_answer(account, reply, text);
        store.tell(Fact::Ready(slot));
        Ok(Outcome::Later)
    }

    fn check_consumer(
        &mut self,
        place: Place,
        slot: Option<u32>,
        request: CreateRequest,
    ) -> Result<crate::api::consumer_config::CheckedConsumer, ApiError> {
        let entry = self.entry(place);
        let store = &self.storage.stores[place.store];
        let stream = StreamFields::read(entry.fields.as_bytes())?;
        let fields_of = |slot: u32| {
            let one = store.consumer(slot)?;
            ConsumerFields::read(one.fields.as_bytes()).ok()
        };
        let others: Vec<ConsumerFields> = entry
            .consumers()
            .filter(|(_, other)| Some(*other) != slot)
            .filter_map(|(_, other)| fields_of(other))
            .collect();
        let others: Vec<&ConsumerFields> = others.iter().collect();
        let existing = slot.and_then(fields_of);
        let is_bound = slot.is_some_and(|slot| {
            let one = store.consumer(slot);
            one.is_some_and(|one| one.consumer().is_bound())
        });
        let config = entry.stream().config();
        let max_consumers = config.max_consumers;
        request.check(&Surroundings {
            stream: &stream,
            existing: existing.as_ref(),
            others: &others,
            max_consumers: max_consumers.and_then(|max| usize::try_from(max).ok()),
            max_ack_pending: None,
            is_deliver_subject_used: is_bound,
            largest_message_bytes: config
                .max_message_bytes
                .unwrap_or(u64::from(self.config.limits.max_payload)),
        })
    }

    /// A name for a consumer that has none.
    fn new_name(&mut self) -> String {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut name = String::new();
        for _ in 0..8 {
            let digit = self.rng.below(DIGITS.len() as u64);
            name.push(char::from(DIGITS[crate::base::width::size(digit)]));
        }
        name
    }

    fn consumer_info(&mut self, place: Place, slot: u32, kind: &str) -> String {
        self.with_info(place, slot, true, |info| answer(kind, Ok(info)))
    }

    fn with_info<T: Default>(
        &mut self,
        place: Place,
        slot: u32,
        shows_server: bool,
        write: impl FnOnce(&InfoFields<'_>) -> T,
    ) -> T {
        let now = self.clock;
        let account = self.entry(place).account;
        let (interests, store) = (&mut self.interests, &mut self.storage.stores[place.store]);
        let mut is_heard = |subject: &[u8]| {
            let interest = interests.find(account);
            interest.is_some_and(|interest| interest.has_interest(subject))
        };
        let info = store.with_consumer(slot, now, |consumer, view| {
            let mut work = usize::MAX;
            consumer.prepare(view, &mut work);
            consumer.info(now, &mut is_heard)
        });
        let Some(one) = store.consumer(slot) else {
            return T::default();
        };
        let mut fields = ConsumerFields::read(one.fields.as_bytes()).unwrap_or_default();
        if shows_server {
            fields.metadata = shown_metadata(&fields.metadata);
        }
        let stream = store.get(one.stream).map_or("", |entry| &entry.name);
        write(&InfoFields::new(
            stream,
            &one.name,
            one.created,
            &fields,
            &info,
            now.wall,
        ))
    }

    /// Does what is asked of a consumer.
    pub(super) fn serve_consumer_request(
        &mut self,
        verb: ConsumerVerb,
        stream: &[u8],
        name: &[u8],
        errand: &Errand,
    ) -> Result<Outcome, ApiError> {
        if verb == ConsumerVerb::Next {
            self.pull(stream, name, errand);
            return Ok(Outcome::Later);
        }
        if matches!(verb, ConsumerVerb::Info | ConsumerVerb::Delete) {
            check_empty(&errand.payload)?;
        }
        let place = self.place_of(errand, stream)?;
        let slot = self.consumer_of(place, name)?;
        let now = self.clock;
        let text = match verb {
            ConsumerVerb::Info => self.consumer_info(place, slot, answer_type::INFO),
            ConsumerVerb::Delete => {
                self.forget_push(place.store, slot);
                let store = &mut self.storage.stores[place.store];
                let says = store.delete_consumer(slot, &Status::ConsumerDeleted);
                store.tell_all(errand.account, says);
                answers::deleted()
            }
            ConsumerVerb::Pause => {
                let until = answers::pause_until(&errand.payload)?;
                let until = until.filter(|until| *until > now.wall);
                let store = &mut self.storage.stores[place.store];
                store.pause_consumer(slot, until, now, |fields| {
                    answers::with_pause(fields, until)
                });
                let shown = until.map_or_else(|| NEVER.to_owned(), moment);
                let left_ns = until.map_or(0, |until| until.0 - now.wall.0);
                answers::paused(until.is_some(), &shown, left_ns)
            }
            ConsumerVerb::Reset => {
                let sequence = answers::reset_sequence(&errand.payload)?;
                let store = &mut self.storage.stores[place.store];
                let reset =
                    store.with_consumer(slot, now, |consumer, view| consumer.reset(sequence, view));
                let at = reset.map_err(error::invalid_reset)?;
                store.make_ready(slot);
                self.with_info(place, slot, true, |info| answers::reset(info, at))
            }
            ConsumerVerb::Unpin | ConsumerVerb::Next => return Err(error::BAD_REQUEST),
        };
        Ok(Outcome::Answer(place.store, text))
    }

    /// A client asks for messages.
    fn pull(&mut self, stream: &[u8], name: &[u8], errand: &Errand) {
        let place = self.place_of(errand, stream);
        let Ok((place, slot)) = place.and_then(|place| Ok((place, self.consumer_of(place, name)?)))
        else {
            return self.tell_no_responders_from_store(errand);
        };
        if !errand.reply.is_empty() {
            self.request_messages(place, slot, &errand.payload, &errand.reply);
        }
    }

    pub(super) fn tell_no_responders_from_store(&mut self, errand: &Errand) {
        if !errand.reply.is_empty() {
            let mut header = b"NATS/1.0 503\r\nNats-Subject: ".to_vec();
            header.extend_from_slice(&errand.subject);
            header.extend_from_slice(b"\r\n\r\n");
            self.storage.told.push_back(Fact::Answer {
                account: errand.account,
                reply: errand.reply.clone(),
                header: header.into(),
                payload: Box::default(),
            });
        }
    }

    fn request_messages(&mut self, place: Place, slot: u32, body: &[u8], inbox: &[u8]) {
        let now = self.clock;
        let account = self.entry(place).account;
        let (interests, store) = (&mut self.interests, &mut self.storage.stores[place.store]);
        let mut is_heard = |subject: &[u8]| {
            let interest = interests.find(account);
            interest.is_some_and(|interest| interest.has_interest(subject))
        };
        let inbox = Bytes::copy_from_slice(inbox);
        store.with_consumer(slot, now, |consumer, _| {
            consumer.request(body, inbox, now, &mut is_heard);
        });
        store.make_ready(slot);
    }

    /// An acknowledgement, or an answer to flow control: `$JS.ACK.S.C.…`, `$JS.FC.S.C.…`.
    pub(super) fn take_acknowledgement(&mut self, errand: &Errand) {
        self.work.charge(STORE_WORK_NS);
        let mut tokens = errand.subject.splitn(5, |&byte| byte == b'.');
        let is_ack = tokens.nth(1) == Some(b"ACK");
        let (Some(stream), Some(name), Some(rest)) = (tokens.next(), tokens.next(), tokens.next())
        else {
            return;
        };
        let place = self.place_of(errand, stream);
        let Ok((place, slot)) = place.and_then(|place| Ok((place, self.consumer_of(place, name)?)))
        else {
            return self.tell_no_responders_from_store(errand);
        };
        let now = self.clock;
        let store = &mut self.storage.stores[place.store];
        if !is_ack {
            store.with_consumer(slot, now, |consumer, _| {
                consumer.flow_control(&errand.subject)
            });
            return store.make_ready(slot);
        }
        let outcome = store.with_consumer(slot, now, |consumer, _| {
            consumer.ack(rest, &errand.payload, now)
        });
        let Some(outcome) = outcome else {
            return self.tell_no_responders_from_store(errand);
        };
        store.make_ready(slot);
        if errand.reply.is_empty() {
            return;
        }
        if let Some(body) = outcome.request {
            let body = body.to_vec();
            return self.request_messages(place, slot, &body, &errand.reply);
        }
        if outcome.is_answered {
            store.tell(Fact::Answer {
                account: errand.account,
                reply: errand.reply.clone(),
                header: Box::default(),
                payload: Box::default(),
            });
        }
    }

    /// The names of the consumers of a stream, or all that is told of them.
    pub(super) fn list_consumers(
        &mut self,
        stream: &[u8],
        errand: &Errand,
        names_alone: bool,
    ) -> Result<Outcome, ApiError> {
        let offset = answers::page_offset(&errand.payload)?;
        let place = self.place_of(errand, stream)?;
        let all: Vec<(Box<str>, u32)> = self
            .entry(place)
            .consumers()
            .map(|(name, slot)| (name.into(), slot))
            .collect();
        let total = all.len();
        if names_alone {
            let names = all.iter().map(|(name, _)| &**name).skip(offset);
            let names: Vec<&str> = names.take(answers::NAMES_PAGE).collect();
            let text = answers::names(total, offset, &names);
            return Ok(Outcome::Answer(place.store, text));
        }
        let mut shown: Vec<Box<RawValue>> = Vec::new();
        for (_, slot) in all.into_iter().skip(offset).take(answers::LIST_PAGE) {
            let raw = self.with_info(place, slot, false, |info| raw_value(info));
            shown.extend(raw);
        }
        let text = answers::list(total, offset, &shown);
        Ok(Outcome::Answer(place.store, text))
    }
}

fn raw_value(value: &impl Serialize) -> Option<Box<RawValue>> {
    RawValue::from_string(json::write(value)).ok()
}
