//! Requests about all streams of an account: every core says what it has, one after the
//! other, and the last one answers.
//!
//! Not here: requests about one stream (`requests`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Shard;
use super::errand::{Errand, Stage};
use super::requests::{Outcome, Place};
use crate::api::account_answer::{AccountLimits, AccountUsage, ApiCounts, account_info};
use crate::api::json;
use crate::api::request::Request;
use crate::api::stream_answers::{self as answers, STREAMS_PAGE};
use crate::api::stream_requests::PageRequest;
use crate::base::id::CoreId;
use crate::session::policy::JetStreamAccountLimits;
use crate::stream::config::Storage;
use crate::stream::error::ApiError;
use crate::subject::pattern::overlap;

/// What cores have said so far.
#[derive(Serialize, Deserialize, Default)]
struct Said {
    /// Streams that are meant, on all pages.
    total: usize,
    /// Names of those of the page.
    page: Vec<Box<str>>,
    /// Those of them that have been told of.
    streams: BTreeMap<Box<str>, Box<RawValue>>,
    memory: u64,
    storage: u64,
    stream_count: usize,
    consumer_count: usize,
}

impl Shard {
    /// Says what this core has, and sends the request on, or answers it.
    pub(super) fn visit(
        &mut self,
        request: &Request<'_>,
        mut errand: Errand,
    ) -> Result<Outcome, ApiError> {
        let page = match request {
            Request::StreamList => PageRequest::read(&errand.payload)?,
            _ => PageRequest::default(),
        };
        let mut said = match errand.stage {
            Stage::VISITING => serde_json::from_slice(&errand.said).unwrap_or_default(),
            _ => self.begin_visit(&errand, &page),
        };
        match request {
            Request::StreamList => self.say_streams(&errand, &mut said),
            _ => self.say_usage(&errand, &mut said),
        }
        let next = self.config.core.index() + 1;
        if next < self.config.cores {
            errand.said = serde_json::to_vec(&said).expect("it can be written");
            errand.stage = Stage::VISITING;
            self.send_errand(CoreId::at(next), errand);
            return Ok(Outcome::Later);
        }
        Ok(Outcome::AtOnce(match request {
            Request::StreamList => {
                let streams: Vec<Box<RawValue>> = said.streams.into_values().collect();
                answers::list(said.total, page.offset(), &streams)
            }
            _ => {
                let account = self.config.authority.policy().account_of(errand.account);
                let limits = account.and_then(|account| account.jetstream);
                let domain = &self.config.server.jetstream_domain;
                said.account_info(domain, &limits.unwrap_or_default())
            }
        }))
    }

    fn begin_visit(&self, errand: &Errand, page: &PageRequest) -> Said {
        let streams = self.storage.registrar.streams(errand.account);
        let is_meant = |subjects: &[Box<str>]| {
            let meant = page.subject.as_bytes();
            let mut subjects = subjects.iter();
            meant.is_empty() || subjects.any(|one| overlap(meant, one.as_bytes()))
        };
        let meant = streams.filter(|(_, registered)| is_meant(&registered.subjects));
        let names: Vec<Box<str>> = meant.map(|(name, _)| name.into()).collect();
        let shown = names.iter().skip(page.offset()).take(STREAMS_PAGE);
        Said {
            total: names.len(),
            page: shown.cloned().collect(),
            ..Said::default()
        }
    }

    fn say_streams(&self, errand: &Errand, said: &mut Said) {
        for name in &said.page {
            if let Ok(place) = self.place_of(errand, name.as_bytes()) {
                let part = self.stream_part(place, false);
                if let Ok(raw) = RawValue::from_string(json::write(&part)) {
                    said.streams.insert(name.clone(), raw);
                }
            }
        }
    }

    fn say_usage(&self, errand: &Errand, said: &mut Said) {
        for (store, one) in self.storage.stores.iter().enumerate() {
            for slot in one.slots_of(errand.account) {
                let entry = self.entry(Place { store, slot });
                let bytes = entry.stream().log().bytes();
                match entry.stream().config().storage {
                    Storage::File => said.storage += bytes,
                    Storage::Memory => said.memory += bytes,
                }
                said.stream_count += 1;
                said.consumer_count += entry.consumer_count();
            }
        }
    }
}

impl Said {
    fn account_info(&self, domain: &str, limits: &JetStreamAccountLimits) -> String {
        let usage = AccountUsage {
            memory: self.memory,
            storage: self.storage,
            streams: self.stream_count,
            consumers: self.consumer_count,
            ..AccountUsage::default()
        };
        let limits = AccountLimits {
            max_memory: limits.max_memory,
            max_storage: limits.max_storage,
            max_streams: limits.max_streams,
            max_consumers: limits.max_consumers,
            max_ack_pending: limits.max_ack_pending,
            memory_max_stream_bytes: limits.memory_max_stream_bytes,
            storage_max_stream_bytes: limits.storage_max_stream_bytes,
            max_bytes_required: limits.is_max_bytes_required,
        };
        account_info(&usage, domain, &limits, ApiCounts::default())
    }
}
