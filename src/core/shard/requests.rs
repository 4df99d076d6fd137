//! What requests to JetStream do, on the core that has to deal with them.
//!
//! A request is decided at once on what is staged, and its answer waits until that is
//! durable (`store`). One that has to wait, for a stream that is being purged or for the
//! disk, is suspended as a whole and begins anew.
//!
//! Not here: how it comes here (`errands`), what answers look like (`api`).

use super::Shard;
use super::errand::{Errand, Stage};
use super::storage::{Registered, Suspended};
use crate::api::answer::refusal;
use crate::api::consumer_names::SubjectNames;
use crate::api::request::{ConsumerVerb, Request};
use crate::api::stream_answers as answers;
use crate::api::stream_change::check_update;
use crate::api::stream_config::StreamFields;
use crate::api::stream_requests::{
    DeleteRequest, InfoRequest, PageRequest, PurgeRequest, check_empty, check_level,
};
use crate::api::stream_state::{StreamState, SubjectsPage};
use crate::base::limits::REQUEST_WORK_NS;
use crate::store::{Entry, NewStream};
use crate::stream::error::{self, ApiError};
use crate::subject::pattern::overlap;

/// A stream of this core.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub store: usize,
    pub slot: u32,
}

/// What comes of a request.
pub(super) enum Outcome {
    /// An answer that may be given when what is staged in the store is durable.
    Answer(usize, String),
    /// The same, as it depends on no store.
    AtOnce(String),
    /// It goes on elsewhere, or later.
    Later,
}

impl Shard {
    /// Deals with an errand that is at its core.
    pub(super) fn run_errand(&mut self, errand: Errand) {
        self.work.charge(REQUEST_WORK_NS);
        let subject = errand.subject.clone();
        let Some(rest) = self.api_rest(&subject) else {
            return self.take_acknowledgement(&errand);
        };
        let Some(request) = Request::read(rest) else {
            return;
        };
        let (account, reply) = (errand.account, errand.reply.clone());
        match self.serve_request(&request, errand) {
            Ok(Outcome::Later) => {}
            Ok(Outcome::AtOnce(text)) => self.tell_at_once(account, &reply, text),
            Ok(Outcome::Answer(store, text)) => {
                self.storage.stores[store].tell_answer(account, reply, text);
            }
            Err(error) => self.tell_at_once(account, &reply, refusal(&request, &error)),
        }
    }

    fn serve_request(
        &mut self,
        request: &Request<'_>,
        errand: Errand,
    ) -> Result<Outcome, ApiError> {
        let is_next = |request: &Request<'_>| {
            matches!(
                request,
                Request::Consumer {
                    verb: ConsumerVerb::Next,
                    ..
                }
            )
        };
        if !matches!(request, Request::DirectGet { .. }) && !is_next(request) {
            check_level(&errand.header)?;
        }
        let account = self.config.authority.policy().account_of(errand.account);
        if account.is_none_or(|account| account.jetstream.is_none()) {
            return Err(error::NOT_ENABLED_FOR_ACCOUNT);
        }
        match *request {
            Request::StreamNames => self.stream_names(&errand),
            Request::AccountInfo | Request::StreamList => self.visit(request, errand),
            Request::StreamCreate(name) if errand.stage == Stage::SENT => {
                self.agree_to_create(name, errand)
            }
            Request::StreamCreate(name) => self.create_stream(name, &errand),
            Request::StreamUpdate(name) if errand.stage == Stage::SENT => {
                self.agree_to_update(name, errand)
            }
            Request::StreamUpdate(name) => self.update_stream(name, errand),
            Request::StreamInfo(name) => self.stream_info(name, &errand),
            Request::StreamDelete(name) => self.delete_stream(name, &errand),
            Request::StreamPurge(name) => self.purge_stream(name, errand),
            Request::MessageGet(name) => self.get_message(name, errand),
            Request::DirectGet { stream, subject } => {
                self.get_directly(stream, subject, errand);
                Ok(Outcome::Later)
            }
            Request::MessageDelete(name) => self.delete_message(name, errand),
            Request::ConsumerCreate {
                stream,
                name,
                filter,
            } => {
                let (name, filter) = (text_of(name), text_of(filter));
                let names = match name.is_empty() {
                    true => SubjectNames::Ephemeral,
                    false => SubjectNames::Named {
                        name: &name,
                        filter: &filter,
                    },
                };
                self.create_consumer(stream, names, &errand)
            }
            Request::ConsumerCreateDurable { stream, name } => {
                let name = text_of(name);
                self.create_consumer(stream, SubjectNames::Durable(&name), &errand)
            }
            Request::ConsumerNames(stream) => self.list_consumers(stream, &errand, true),
            Request::ConsumerList(stream) => self.list_consumers(stream, &errand, false),
            Request::Consumer { verb, stream, name } => {
                self.serve_consumer_request(verb, stream, name, &errand)
            }
        }
    }

    /// The stream that a request names.
    pub(super) fn place_of(&self, errand: &Errand, name: &[u8]) -> Result<Place, ApiError> {
        let account_name = self.config.authority.policy().account_name(errand.account);
        let name = std::str::from_utf8(name).map_err(|_| error::STREAM_NOT_FOUND)?;
        let found = self
            .storage
            .find(errand.account, account_name, name, self.config.cores);
        let (store, slot) = found.ok_or(error::STREAM_NOT_FOUND)?;
        Ok(Place { store, slot })
    }

    pub(super) fn entry(&self, place: Place) -> &Entry {
        let entry = self.storage.stores[place.store].get(place.slot);
        entry.expect("a place is that of a stream")
    }

    /// Has a request begin anew when a stream is not busy any more; gives it back if it
    /// is not.
    pub(super) fn wait_until_idle(
        &mut self,
        place: Place,
        errand: Errand,
    ) -> Result<Errand, Outcome> {
        if !self.entry(place).is_busy() {
            return Ok(errand);
        }
        let ticket = self.storage.suspend(Suspended::Errand(errand));
        self.storage.stores[place.store].when_idle(place.slot, ticket);
        Err(Outcome::Later)
    }

    fn stream_names(&self, errand: &Errand) -> Result<Outcome, ApiError> {
        let page = PageRequest::read(&errand.payload)?;
        let is_meant = |registered: &Registered| {
            let mut subjects = registered.subjects.iter();
            let meant = page.subject.as_bytes();
            meant.is_empty() || subjects.any(|one| overlap(meant, one.as_bytes()))
        };
        let streams = self.storage.registrar.streams(errand.account);
        let names: Vec<&str> = streams
            .filter(|(_, registered)| is_meant(registered))
            .map(|(name, _)| name)
            .collect();
        Ok(Outcome::AtOnce(answers::names(&names, page.offset())))
    }

    /// The registrar looks at a stream that is to be created.
    fn agree_to_create(&mut self, name: &[u8], errand: Errand) -> Result<Outcome, ApiError> {
        let checked = StreamFields::read(&errand.payload)?.check_new(name)?;
        let registrar = &mut self.storage.registrar;
        let config = checked.config;
        if registrar.get(errand.account, &config.name).is_none() {
            if registrar.overlaps(errand.account, &config.name, &config.subjects) {
                return Err(error::SUBJECTS_OVERLAP);
            }
            let subjects = config.subjects;
            registrar.set(errand.account, &config.name, Registered { subjects });
        }
        Ok(self.agreed(name, errand))
    }

    fn agreed(&mut self, name: &[u8], errand: Errand) -> Outcome {
        let core = self.stream_core(errand.account, name);
        let stage = Stage::AGREED;
        self.send_errand(core, Errand { stage, ..errand });
        Outcome::Later
    }

    fn create_stream(&mut self, name: &[u8], errand: &Errand) -> Result<Outcome, ApiError> {
        let checked = StreamFields::read(&errand.payload)?.check_new(name)?;
        let place = match self.place_of(errand, name) {
            Ok(place) => {
                let fields = StreamFields::read(self.entry(place).fields.as_bytes())?;
                let pedantic = checked.fields.pedantic;
                let fields = StreamFields { pedantic, ..fields };
                if fields != checked.fields {
                    return Err(error::STREAM_NAME_IN_USE);
                }
                place
            }
            Err(_) => {
                let policy = self.config.authority.policy();
                let account_name = policy.account_name(errand.account);
                let partition = self.storage.partition_of(account_name, name);
                let store = super::storage::Storage::store_of(partition, self.config.cores);
                let fields = serde_json::to_string(&checked.fields).expect("it can be written");
                let new = NewStream {
                    account: errand.account,
                    account_name,
                    config: checked.config,
                    fields: &fields,
                };
                let slot = self.storage.stores[store].create_stream(new, self.clock.wall);
                self.hear_subjects(store, slot, true);
                Place { store, slot }
            }
        };
        let part = self.stream_part(place, false);
        Ok(Outcome::Answer(place.store, answers::created(part)))
    }

    /// The registrar looks at what a stream is to become.
    fn agree_to_update(&mut self, name: &[u8], errand: Errand) -> Result<Outcome, ApiError> {
        let fields = StreamFields::read(&errand.payload)?.check_changed(name)?;
        let registrar = &mut self.storage.registrar;
        let known = registrar.get(errand.account, &fields.name);
        let known = known.cloned().ok_or(error::STREAM_NOT_FOUND)?;
        let mut subjects: Vec<Box<str>> = fields
            .subjects
            .iter()
            .map(|one| one.as_str().into())
            .collect();
        if registrar.overlaps(errand.account, &fields.name, &subjects) {
            return Err(error::SUBJECTS_OVERLAP);
        }
        // Until its core says what has become of it, it may have both.
        subjects.extend(known.subjects);
        registrar.set(errand.account, &fields.name, Registered { subjects });
        Ok(self.agreed(name, errand))
    }

    fn update_stream(&mut self, name: &[u8], errand: Errand) -> Result<Outcome, ApiError> {
        let place = self.place_of(&errand, name)?;
        let errand = match self.wait_until_idle(place, errand) {
            Ok(errand) => errand,
            Err(outcome) => return Ok(outcome),
        };
        if errand.stage == Stage::CHANGED {
            let part = self.stream_part(place, false);
            return Ok(Outcome::Answer(place.store, answers::updated(part)));
        }
        let old = StreamFields::read(self.entry(place).fields.as_bytes())?;
        let new = StreamFields::read(&errand.payload)?.check_changed(name);
        let checked = new.and_then(|new| check_update(&old, new));
        if let Ok(checked) = &checked {
            let fields = serde_json::to_string(&checked.fields).expect("it can be written");
            self.hear_subjects(place.store, place.slot, false);
            let store = &mut self.storage.stores[place.store];
            store.update_stream(place.slot, checked.config.clone(), &fields);
            self.hear_subjects(place.store, place.slot, true);
        }
        let subjects = self.entry(place).stream().config().subjects.join("\n");
        self.report_subjects(errand.account, name, subjects.as_bytes());
        checked?;
        let stage = Stage::CHANGED;
        self.update_stream(name, Errand { stage, ..errand })
    }

    fn stream_info(&mut self, name: &[u8], errand: &Errand) -> Result<Outcome, ApiError> {
        let request = InfoRequest::read(&errand.payload)?;
        let place = self.place_of(errand, name)?;
        let stream = self.entry(place).stream();
        let subjects = (!request.subjects_filter.is_empty()).then(|| {
            SubjectsPage::of(stream, u64::MAX, &request.subjects_filter, request.offset())
        });
        let part = self.stream_part(place, request.deleted_details);
        let server = &self.config.server.server_name;
        let part = part.with_domain(&self.config.server.jetstream_domain);
        let text = answers::info(part, server, subjects, request.offset());
        Ok(Outcome::Answer(place.store, text))
    }

    /// A stream as answers show it.
    pub(super) fn stream_part(&self, place: Place, shows_deleted: bool) -> answers::StreamPart {
        let entry = self.entry(place);
        let fields = StreamFields::read(entry.fields.as_bytes()).unwrap_or_default();
        let mut state = StreamState::of(entry.stream(), u64::MAX, entry.consumer_count());
        if shows_deleted {
            state = state.with_deleted(entry.stream());
        }
        answers::StreamPart::new(&fields, entry.created, state, self.clock.wall)
    }

    fn delete_stream(&mut self, name: &[u8], errand: &Errand) -> Result<Outcome, ApiError> {
        check_empty(&errand.payload)?;
        let place = self.place_of(errand, name)?;
        self.hear_subjects(place.store, place.slot, false);
        let consumers: Vec<u32> = self
            .entry(place)
            .consumers()
            .map(|(_, slot)| slot)
            .collect();
        for consumer in consumers {
            self.forget_push(place.store, consumer);
        }
        let store = &mut self.storage.stores[place.store];
        let says = store.delete_stream(place.slot);
        store.tell_all(errand.account, says);
        self.report_subjects(errand.account, name, b"");
        Ok(Outcome::Answer(place.store, answers::deleted()))
    }

    fn purge_stream(&mut self, name: &[u8], errand: Errand) -> Result<Outcome, ApiError> {
        let place = self.place_of(&errand, name)?;
        if errand.stage == Stage::PURGED {
            let count = self.entry(place).stream().removed();
            return Ok(Outcome::Answer(place.store, answers::purged(count)));
        }
        let request = PurgeRequest::read(&errand.payload)?;
        let config = self.entry(place).stream().config();
        if config.sealed {
            return Err(error::STREAM_SEALED);
        }
        if config.deny_purge {
            return Err(error::PURGE_NOT_PERMITTED);
        }
        let errand = match self.wait_until_idle(place, errand) {
            Ok(errand) => errand,
            Err(outcome) => return Ok(outcome),
        };
        let store = &mut self.storage.stores[place.store];
        store.purge(place.slot, &request.purge());
        let stage = Stage::PURGED;
        let errand = Suspended::Errand(Errand { stage, ..errand });
        let ticket = self.storage.suspend(errand);
        self.storage.stores[place.store].when_idle(place.slot, ticket);
        Ok(Outcome::Later)
    }

    fn delete_message(&mut self, name: &[u8], errand: Errand) -> Result<Outcome, ApiError> {
        let request = DeleteRequest::read(&errand.payload)?;
        let place = self.place_of(&errand, name)?;
        let config = self.entry(place).stream().config();
        if config.sealed {
            return Err(error::STREAM_SEALED);
        }
        if config.deny_delete {
            return Err(error::DELETE_NOT_PERMITTED);
        }
        if let Err(outcome) = self.wait_until_idle(place, errand) {
            return Ok(outcome);
        }
        let log = self.entry(place).stream().log();
        let (storage, range) = (
            self.entry(place).stream().config().storage,
            log.first()..=log.last(),
        );
        match self.storage.stores[place.store].delete_message(place.slot, request.seq) {
            true => Ok(Outcome::Answer(place.store, answers::message_deleted())),
            false => Err(error::nothing_to_delete(storage, request.seq, range)),
        }
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
