//! Configurations of streams that are to be created or changed: what the subject of the
//! request, the stream that there is and this server say of them (NATS 2.15.3).

use std::collections::BTreeMap;

use super::API_LEVEL;
use super::stream_checks::{first_of, invalid};
use super::stream_config::StreamFields;
use super::words::{DiscardWord, PersistWord, RetentionWord, StorageWord};
use crate::stream::config::{Discard, Republish, Retention, Storage, StreamConfig};
use crate::stream::error::{self, ApiError};
use crate::wire::info::NATS_VERSION;

/// Key of the metadata that says which level of the API a stream needs; it is stored.
const REQUIRED_LEVEL: &str = "_nats.req.level";

/// Keys of the metadata that say what server it is; they are only shown.
const OF_SERVER: [&str; 2] = ["_nats.ver", "_nats.level"];

/// The level of the API that came with `persist_mode`.
const PERSIST_MODE_LEVEL: u32 = 2;

/// A configuration that is valid, in both forms.
#[derive(Clone, Debug)]
pub struct CheckedStream {
    /// As clients see it, defaults filled in, without what is said of the server.
    pub fields: StreamFields,
    /// As the stream needs it.
    pub config: StreamConfig,
}

impl StreamFields {
    /// Checks the configuration of a stream that is to be created under the name that
    /// stands in the subject.
    ///
    /// A stream that has these very fields is created once more without an error; one
    /// with others gets [`error::STREAM_NAME_IN_USE`].
    ///
    /// # Errors
    /// As the reference has them; what only comes with a later version of this server is
    /// named.
    pub fn check_new(mut self, name: &[u8]) -> Result<CheckedStream, ApiError> {
        self.note_level();
        if self.name.as_bytes() != name {
            return Err(error::STREAM_MISMATCH);
        }
        if self.name.contains(['\\', '/']) {
            return Err(error::NAME_HAS_PATH_SEPARATORS);
        }
        first_of(&[
            (
                self.sealed,
                "stream configuration for create can not be sealed",
            ),
            (
                self.mirror_direct && self.mirror.is_none(),
                "stream has no mirror but does have mirror direct",
            ),
        ])?;
        let fields = self.check()?;
        fields.check_replicas()?;
        fields.compile()
    }

    /// Checks what was sent to change the stream whose name stands in the subject, before
    /// it is known whether there is one.
    ///
    /// # Errors
    /// As the reference has them.
    pub fn check_changed(self, name: &[u8]) -> Result<Self, ApiError> {
        let mut fields = self.check()?;
        if fields.name.as_bytes() != name {
            return Err(error::STREAM_MISMATCH);
        }
        fields.note_level();
        Ok(fields)
    }

    fn check_replicas(&self) -> Result<(), ApiError> {
        match self.num_replicas > 1 {
            true => Err(error::REPLICAS_NOT_SUPPORTED),
            false => Ok(()),
        }
    }

    /// Which level of the API the stream needs is for the server to say.
    fn note_level(&mut self) {
        let level = match self.persist_mode {
            PersistWord::Async => PERSIST_MODE_LEVEL,
            PersistWord::Default => u32::from(self.allow_msg_ttl),
        };
        note_level(&mut self.metadata, level);
    }

    /// The metadata as answers have it: with what the server is.
    #[must_use]
    pub fn shown_metadata(&self) -> BTreeMap<String, String> {
        shown_metadata(&self.metadata)
    }

    /// The configuration that fields mean which were checked before.
    ///
    /// # Errors
    /// If they were not.
    pub fn compile(self) -> Result<CheckedStream, ApiError> {
        let limit = |number: i64| u64::try_from(number).ok().filter(|&number| number > 0);
        let headers_only = self.republish.as_ref().is_some_and(|one| one.headers_only);
        let republish = self.republish()?.map(|transform| Republish {
            transform,
            headers_only,
        });
        let config = StreamConfig {
            name: self.name.as_str().into(),
            subjects: self
                .subjects
                .iter()
                .map(|one| one.as_str().into())
                .collect(),
            retention: match self.retention {
                RetentionWord::Limits => Retention::Limits,
                RetentionWord::Interest => Retention::Interest,
                RetentionWord::WorkQueue => Retention::WorkQueue,
            },
            storage: match self.storage {
                StorageWord::File => Storage::File,
                StorageWord::Memory => Storage::Memory,
            },
            discard: match self.discard {
                DiscardWord::Old => Discard::Old,
                DiscardWord::New => Discard::New,
            },
            discards_new_per_subject: self.discard_new_per_subject,
            max_messages: limit(self.max_msgs),
            max_bytes: limit(self.max_bytes),
            max_messages_per_subject: limit(self.max_msgs_per_subject),
            max_age_ns: limit(self.max_age),
            max_message_bytes: limit(self.max_msg_size.into()),
            max_consumers: limit(self.max_consumers),
            duplicate_window_ns: limit(self.duplicate_window).unwrap_or(0),
            no_ack: self.no_ack,
            sealed: self.sealed,
            deny_delete: self.deny_delete,
            deny_purge: self.deny_purge,
            allow_rollup: self.allow_rollup_hdrs,
            allow_direct: self.allow_direct,
            allow_message_ttl: self.allow_msg_ttl,
            subject_transform: self.transform()?,
            republish,
            first_sequence: self.first_seq,
        };
        Ok(CheckedStream {
            fields: self,
            config,
        })
    }
}

/// Metadata as answers have them: with what the server is.
#[must_use]
pub fn shown_metadata(metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut metadata = metadata.clone();
    let of_server = [NATS_VERSION.to_owned(), API_LEVEL.to_string()];
    metadata.extend(OF_SERVER.map(str::to_owned).into_iter().zip(of_server));
    metadata
}

/// Notes in metadata which level of the API is needed, and takes out what only a server says.
pub fn note_level(metadata: &mut BTreeMap<String, String>, level: u32) {
    for key in OF_SERVER {
        metadata.remove(key);
    }
    metadata.insert(REQUIRED_LEVEL.to_owned(), level.to_string());
}

/// Whether a stream may be changed to have these fields ([`StreamFields::check_changed`]),
/// and what becomes of them.
///
/// # Errors
/// As the reference has them.
pub fn check_update(old: &StreamFields, new: StreamFields) -> Result<CheckedStream, ApiError> {
    let mut new = new;
    if new.name != old.name {
        return Err(invalid("stream configuration name must match original"));
    }
    new.check_replicas()?;
    let is_queue = |fields: &StreamFields| fields.retention == RetentionWord::WorkQueue;
    first_of(&[
        (
            new.storage != old.storage,
            "stream configuration update can not change storage type",
        ),
        (
            is_queue(&new) != is_queue(old),
            "stream configuration update can not change retention policy to/from workqueue",
        ),
        (
            old.sealed && !new.sealed,
            "stream configuration update can not unseal a sealed stream",
        ),
        (
            old.deny_delete && !new.deny_delete,
            "stream configuration update can not cancel deny message deletes",
        ),
        (
            old.deny_purge && !new.deny_purge,
            "stream configuration update can not cancel deny purge",
        ),
        (
            old.persist_mode != new.persist_mode,
            "stream configuration update can not change persist mode",
        ),
    ])?;
    if new.sealed {
        new.max_age = 0;
        new.discard = DiscardWord::New;
        new.deny_delete = true;
        new.deny_purge = true;
        new.allow_rollup_hdrs = false;
    }
    new.compile()
}

#[cfg(test)]
#[path = "stream_change_tests.rs"]
mod tests;
