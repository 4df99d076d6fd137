//! Configurations that were stored, as a store is loaded with them.

use super::consumer_config::ConsumerFields;
use super::stream_config::StreamFields;
use crate::base::id::AccountId;
use crate::consumer::config::ConsumerConfig;
use crate::store::load::Compile;
use crate::stream::config::StreamConfig;

/// Bytes of the largest message where nothing else is said.
const LARGEST_MESSAGE_BYTES: u64 = 1 << 20;

/// Compiles for accounts that are found by their names.
pub struct Compiler<'a>(pub &'a dyn Fn(&str) -> Option<AccountId>);

impl Compile for Compiler<'_> {
    fn stream(&self, account: &str, fields: &str) -> Option<(AccountId, StreamConfig)> {
        let account = (self.0)(account)?;
        let fields = StreamFields::read(fields.as_bytes()).ok()?;
        Some((account, fields.compile().ok()?.config))
    }

    fn consumer(&self, fields: &str) -> Option<ConsumerConfig> {
        let fields = ConsumerFields::read(fields.as_bytes()).ok()?;
        Some(fields.compile(LARGEST_MESSAGE_BYTES))
    }
}
