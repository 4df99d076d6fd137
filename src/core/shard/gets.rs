//! Messages that are asked for one by one: `STREAM.MSG.GET` and `DIRECT.GET`.
//!
//! What is looked for among very many is looked for in steps, and a message that is not in
//! memory is read first: meanwhile the request waits as a whole. What is answered is as of
//! when it was decided, and waits until that is durable.
//!
//! Not here: what is asked for and how it is written (`api`).

use super::Shard;
use super::errand::Errand;
use super::get::{Found, Get, Looks};
use super::requests::{Outcome, Place};
use super::storage::Suspended;
use crate::api::answer::refusal;
use crate::api::direct_get::{Chosen, DirectGet, DirectRequest};
use crate::api::message_answers::{StoredMessage, direct_header, message};
use crate::api::message_query::{MessageQuery, Search};
use crate::api::request::Request;
use crate::base::limits::{GET_STEPS_MAX, MATCH_WORK_NS, STORE_WORK_NS};
use crate::store::{Body, Fact};
use crate::stream::error::{self, ApiError};

impl Shard {
    /// Begins with a `STREAM.MSG.GET`.
    pub(super) fn get_message(&mut self, name: &[u8], errand: Errand) -> Result<Outcome, ApiError> {
        let query = MessageQuery::read(&errand.payload)?;
        let place = self.place_of(&errand, name)?;
        let log = self.entry(place).stream().log();
        let looks = Looks::One {
            search: Search::new(&query.which, log),
            without_header: query.without_header,
        };
        self.step_get(Get::new(name, errand, looks));
        Ok(Outcome::Later)
    }

    /// Begins with a `DIRECT.GET`; nobody answers for a stream that does not allow it.
    pub(super) fn get_directly(&mut self, name: &[u8], subject: &[u8], errand: Errand) {
        let Ok(place) = self.place_of(&errand, name) else {
            return self.tell_no_responders_from_store(&errand);
        };
        let stream = self.entry(place).stream();
        if !stream.config().allow_direct {
            return self.tell_no_responders_from_store(&errand);
        }
        match DirectRequest::read(&errand.header, &errand.payload, subject) {
            Err(header) => self.tell_status(place, &errand, header),
            Ok(request) => {
                let bytes_max = self.config.limits.max_pending_bytes;
                let get = DirectGet::new(request, stream, stream.log().last(), bytes_max);
                self.step_get(Get::new(name, errand, Looks::Direct(get)));
            }
        }
    }

    fn tell_status(&mut self, place: Place, errand: &Errand, header: String) {
        self.storage.stores[place.store].tell(Fact::Answer {
            account: errand.account,
            reply: errand.reply.clone(),
            header: header.into_bytes().into(),
            payload: Box::default(),
        });
    }

    /// Goes on with a request for messages: a piece of it.
    pub(super) fn step_get(&mut self, mut get: Get) {
        let Ok(place) = self.place_of(&get.errand, &get.stream) else {
            // The stream is gone.
            return;
        };
        let mut steps = GET_STEPS_MAX;
        loop {
            let found = match get.chosen.take() {
                Some(chosen) => Found::Message(chosen),
                None => get.look(self.entry(place), &mut steps),
            };
            match found {
                Found::Message(chosen) => match self.tell_message(place, &get, chosen) {
                    Told::Done => steps = steps.saturating_sub(16),
                    Told::OnDisk => return self.read_for(place, chosen, get),
                },
                Found::GoOn => steps = 0,
                Found::End(header) => return self.tell_status(place, &get.errand, header),
                Found::Over => return,
                Found::Nothing => return self.tell_no_message(&get),
            }
            if get.is_over() {
                break;
            }
            if steps == 0 {
                let ticket = self.storage.suspend(Suspended::Get(Box::new(get)));
                self.storage.told.push_back(Fact::Resume(ticket));
                break;
            }
        }
        let done = GET_STEPS_MAX - steps;
        self.work.charge(done as u64 * MATCH_WORK_NS);
    }

    fn read_for(&mut self, place: Place, chosen: Chosen, mut get: Get) {
        get.chosen = Some(chosen);
        let ticket = self.storage.suspend(Suspended::Get(Box::new(get)));
        let store = &mut self.storage.stores[place.store];
        store.when_read(place.slot, chosen.sequence, ticket);
    }

    fn tell_no_message(&mut self, get: &Get) {
        let request = Request::MessageGet(&get.stream);
        let text = refusal(&request, &error::NO_MESSAGE);
        self.tell_at_once(get.errand.account, &get.errand.reply, text);
    }

    fn tell_message(&mut self, place: Place, get: &Get, chosen: Chosen) -> Told {
        self.work.charge(STORE_WORK_NS);
        let store = &self.storage.stores[place.store];
        let entry = self.entry(place);
        let log = entry.stream().log();
        let Some(stored) = log.get(chosen.sequence) else {
            return Told::Done;
        };
        let body = match store.body(entry, chosen.sequence, stored) {
            Body::Here(body) => body,
            Body::OnDisk => return Told::OnDisk,
            Body::Damaged => {
                self.tell_no_message(get);
                return Told::Done;
            }
        };
        let (header, payload) = body[..stored.len()].split_at(stored.lens().0);
        let found = StoredMessage {
            subject: &log.subjects().get(stored.subject).text,
            sequence: chosen.sequence,
            time: stored.time,
            header,
            payload,
        };
        let (header, payload) = match &get.looks {
            Looks::One { without_header, .. } => {
                let text = message(&found, *without_header);
                (Vec::new(), text.into_bytes().into_boxed_slice())
            }
            Looks::Direct(_) if chosen.without_header => (Vec::new(), payload.into()),
            Looks::Direct(_) => {
                let header = direct_header(&entry.name, &found, chosen.place);
                (header, payload.into())
            }
        };
        let fact = Fact::Answer {
            account: get.errand.account,
            reply: get.errand.reply.clone(),
            header: header.into(),
            payload,
        };
        self.storage.stores[place.store].tell(fact);
        Told::Done
    }
}

/// What came of telling a message.
enum Told {
    Done,
    OnDisk,
}
