//! What makes the configuration of a stream wrong, in the order in which the reference
//! looks for it, and what follows from what it does not say (NATS 2.15.3).
//!
//! The one check that compares all with all is that of subjects, of which there are at
//! most [`SUBJECTS_MAX`].

use super::stream_config::{PlacementFields, StreamFields};
use super::words::{DiscardWord, PersistWord, StorageWord};
use crate::stream::error::{self, ApiError};
use crate::subject::pattern::{Pattern, has_empty_token, is_within, overlap};
use crate::subject::transform::Transform;

/// Bytes of a name, at most.
const NAME_BYTES_MAX: usize = 255;

/// Bytes of a description, at most.
const DESCRIPTION_BYTES_MAX: usize = 4096;

/// Bytes of all metadata, at most.
const METADATA_BYTES_MAX: usize = 128 << 10;

/// Patterns of subjects of a stream, at most. The reference has no such limit.
const SUBJECTS_MAX: usize = 1024;

/// Copies of a stream, at most.
const REPLICAS_MAX: i64 = 5;

/// The shortest age and window, in nanoseconds.
const SHORTEST_NS: i64 = 100_000_000;

/// The window in which duplicates are known if nothing is said, in nanoseconds.
const DUPLICATE_WINDOW_NS: i64 = 120_000_000_000;

/// The last sequence that a client may name: behind it there is room for as many
/// messages as anybody stores. The reference counts over the end.
pub const SEQUENCE_MAX: u64 = i64::MAX.cast_unsigned();

/// All subjects.
const ALL: &str = ">";

impl StreamFields {
    /// Checks all that does not depend on what was before, and fills in what is not said.
    ///
    /// # Errors
    /// As the reference has them; what only comes with a later version of this server is
    /// named.
    pub(super) fn check(mut self) -> Result<Self, ApiError> {
        self.check_texts()?;
        self.check_supported()?;
        self.fill_in_limits()?;
        self.check_times()?;
        self.check_policies()?;
        self.check_subjects()?;
        self.transform()?;
        self.fill_in_republish()?;
        self.republish()?;
        self.check_placement()?;
        Ok(self)
    }

    fn check_texts(&self) -> Result<(), ApiError> {
        let bad = [' ', '\t', '\r', '\n', '\x0c', '.', '*', '>', '\\', '/'];
        let metadata = self.metadata.iter();
        let metadata_len: usize = metadata.map(|(key, value)| key.len() + value.len()).sum();
        first_of(&[
            (
                self.name.is_empty() || self.name.contains(bad),
                "stream name is required and can not contain '.', '*', '>', '\\', '/'",
            ),
            (
                self.name.len() > NAME_BYTES_MAX,
                "stream name is too long, maximum allowed is 255",
            ),
            (
                self.description.len() > DESCRIPTION_BYTES_MAX,
                "stream description is too long, maximum allowed is 4096",
            ),
            (
                metadata_len > METADATA_BYTES_MAX,
                "stream metadata exceeds maximum size of 131072 bytes",
            ),
        ])
    }

    /// What is known and not served yet.
    fn check_supported(&self) -> Result<(), ApiError> {
        let unsupported = [
            (self.mirror.is_some(), "mirror"),
            (!self.sources.is_empty(), "sources"),
            (self.allow_msg_counter, "allow_msg_counter"),
            (self.allow_atomic, "allow_atomic"),
            (self.allow_batched, "allow_batched"),
            (self.allow_msg_schedules, "allow_msg_schedules"),
            (
                self.subject_delete_marker_ttl != 0,
                "subject_delete_marker_ttl",
            ),
        ];
        match unsupported.iter().find(|(is_said, _)| *is_said) {
            Some((_, name)) => Err(invalid(&format!("{name} is not supported by this server"))),
            None => Ok(()),
        }
    }

    fn fill_in_limits(&mut self) -> Result<(), ApiError> {
        if self.num_replicas == 0 {
            self.num_replicas = 1;
        }
        if self.num_replicas > REPLICAS_MAX {
            return Err(invalid("maximum replicas is 5"));
        }
        if self.num_replicas < 0 {
            return Err(error::REPLICAS_NEGATIVE);
        }
        let mut size = i64::from(self.max_msg_size);
        let limits = [
            ("max_msgs", &mut self.max_msgs),
            ("max_msgs_per_subject", &mut self.max_msgs_per_subject),
            ("max_bytes", &mut self.max_bytes),
            ("max_msg_size", &mut size),
            ("max_consumers", &mut self.max_consumers),
        ];
        for (name, limit) in limits {
            if self.pedantic && *limit < -1 {
                return Err(error::pedantic(&format!("{name} must be set to -1")));
            }
            if *limit <= 0 {
                *limit = -1;
            }
        }
        if size < 0 {
            self.max_msg_size = -1;
        }
        match self.first_seq > SEQUENCE_MAX {
            true => Err(invalid("first sequence is too high")),
            false => Ok(()),
        }
    }

    fn check_times(&mut self) -> Result<(), ApiError> {
        first_of(&[
            (self.max_age < 0, "max age can not be negative"),
            (
                self.max_age > 0 && self.max_age < SHORTEST_NS,
                "max age needs to be >= 100ms",
            ),
        ])?;
        if self.duplicate_window == 0 {
            let is_cut = self.max_age > 0 && self.max_age < DUPLICATE_WINDOW_NS;
            if is_cut && self.pedantic {
                return Err(error::pedantic(
                    "duplicate window cannot be bigger than max age",
                ));
            }
            self.duplicate_window = match is_cut {
                true => self.max_age,
                false => DUPLICATE_WINDOW_NS,
            };
        }
        first_of(&[
            (
                self.duplicate_window < 0,
                "duplicates window can not be negative",
            ),
            (
                self.max_age > 0 && self.duplicate_window > self.max_age,
                "duplicates window can not be larger then max age",
            ),
            (
                self.duplicate_window < SHORTEST_NS,
                "duplicates window needs to be >= 100ms",
            ),
        ])
    }

    fn check_policies(&self) -> Result<(), ApiError> {
        let is_async = self.persist_mode == PersistWord::Async;
        first_of(&[
            (
                self.deny_purge && self.allow_rollup_hdrs,
                "roll-ups require the purge permission",
            ),
            (
                self.discard_new_per_subject && self.discard != DiscardWord::New,
                "discard new per subject requires discard new policy to be set",
            ),
            (
                self.discard_new_per_subject && self.max_msgs_per_subject <= 0,
                "discard new per subject requires max msgs per subject > 0",
            ),
            (
                is_async && self.storage == StorageWord::Memory,
                "async persist mode is only supported on file storage",
            ),
            (
                is_async && self.num_replicas > 1,
                "async persist mode is not supported on replicated streams",
            ),
        ])
    }

    fn check_subjects(&mut self) -> Result<(), ApiError> {
        if self.subjects.is_empty() {
            self.subjects = vec![self.name.clone()];
        }
        if self.subjects.len() > SUBJECTS_MAX {
            let why = format!("too many subjects, maximum allowed is {SUBJECTS_MAX}");
            return Err(invalid(&why));
        }
        for (at, subject) in self.subjects.iter().enumerate() {
            self.check_subject(subject)?;
            let mut behind = self.subjects[at + 1..].iter();
            let other = behind.find(|other| overlap(subject.as_bytes(), other.as_bytes()));
            if let Some(other) = other {
                let why = format!("subject \"{subject}\" overlaps with \"{other}\"");
                return Err(invalid(&why));
            }
        }
        Ok(())
    }

    fn check_subject(&self, subject: &str) -> Result<(), ApiError> {
        let text = subject.as_bytes();
        if !is_subject(subject) {
            return Err(invalid("invalid subject"));
        }
        if subject == ALL && self.num_replicas > 1 && self.no_ack {
            return Err(invalid("capturing all subjects requires replicas of 1"));
        }
        if self.no_ack {
            return Ok(());
        }
        let meets = |reserved: &str| overlap(reserved.as_bytes(), text);
        first_of(&[
            (
                subject == ALL,
                "capturing all subjects requires no-ack to be true",
            ),
            (
                ["$JS.>", "$JSC.>", "$NRG.>"].into_iter().any(meets)
                    && !is_within(text, b"$JS.EVENT.>"),
                "subjects that overlap with jetstream api require no-ack to be true",
            ),
            (
                meets("$SYS.>") && !is_within(text, b"$SYS.ACCOUNT.>"),
                "subjects that overlap with system api require no-ack to be true",
            ),
        ])
    }

    /// What subjects become when they are stored.
    pub(super) fn transform(&self) -> Result<Option<Transform>, ApiError> {
        let Some(fields) = &self.subject_transform else {
            return Ok(None);
        };
        if !fields.src.is_empty() && !is_subject(&fields.src) {
            let why = format!("invalid subject {}", fields.src);
            return Err(error::bad_transform_source(&why));
        }
        if fields.dest.is_empty() {
            return Ok(None);
        }
        Transform::parse(or_all(&fields.src), &fields.dest)
            .map(Some)
            .map_err(|why| error::bad_transform(&why.to_string()))
    }

    /// An empty source means all. From all to all means what the transform makes of
    /// messages, if there is one for the one subject.
    fn fill_in_republish(&mut self) -> Result<(), ApiError> {
        let Some(republish) = &mut self.republish else {
            return Ok(());
        };
        if republish.src.is_empty() {
            if self.pedantic {
                return Err(error::pedantic("republish source can not be empty"));
            }
            ALL.clone_into(&mut republish.src);
        }
        let transform = self.subject_transform.as_ref();
        if let Some(transform) = transform.filter(|transform| self.subjects == [&*transform.src])
            && republish.src == ALL
            && republish.dest == ALL
        {
            if self.pedantic {
                return Err(error::pedantic(
                    "implicit republish based on subject transform",
                ));
            }
            republish.src.clone_from(&transform.dest);
            republish.dest.clone_from(&transform.dest);
        }
        Ok(())
    }

    /// To which subjects stored messages are published again.
    pub(super) fn republish(&self) -> Result<Option<Transform>, ApiError> {
        let Some(fields) = &self.republish else {
            return Ok(None);
        };
        let destination = fields.dest.as_bytes();
        let mut subjects = self.subjects.iter();
        if subjects.any(|subject| overlap(destination, subject.as_bytes())) {
            return Err(invalid(
                "stream configuration for republish destination forms a cycle",
            ));
        }
        if destination.is_empty() {
            return Ok(None);
        }
        let transform = Transform::parse(&fields.src, &fields.dest);
        transform.map(Some).map_err(|_| {
            invalid(&format!(
                "stream configuration for republish with transform from '{}' to '{}' not valid",
                fields.src, fields.dest
            ))
        })
    }

    /// Nothing follows from a placement on one server.
    fn check_placement(&mut self) -> Result<(), ApiError> {
        let is_nothing = |placement: &PlacementFields| *placement == PlacementFields::default();
        if self.placement.as_ref().is_some_and(is_nothing) {
            self.placement = None;
        }
        let preferred = self
            .placement
            .as_ref()
            .map(|placement| &placement.preferred);
        match preferred.is_some_and(|preferred| !preferred.is_empty()) {
            true => Err(invalid("preferred server not permitted in placement")),
            false => Ok(()),
        }
    }
}

fn is_subject(text: &str) -> bool {
    let bytes = text.as_bytes();
    Pattern::is_valid(bytes)
        && !has_empty_token(bytes)
        && !text.contains([' ', '\t', '\r', '\n', '\x0c'])
}

fn or_all(source: &str) -> &str {
    match source.is_empty() {
        true => ALL,
        false => source,
    }
}

/// The error of the first rule that is broken.
pub(super) fn first_of(rules: &[(bool, &str)]) -> Result<(), ApiError> {
    match rules.iter().find(|(is_broken, _)| *is_broken) {
        Some((_, why)) => Err(invalid(why)),
        None => Ok(()),
    }
}

pub(super) fn invalid(why: &str) -> ApiError {
    error::invalid_stream_config(why)
}
