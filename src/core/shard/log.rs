//! What the log says of connections.
//!
//! Not here: how protocol lines look in it (`protocol_log`).

use tracing::{debug, error};

use super::Shard;
use super::protocol_log::{log_answer, log_command};
use crate::base::id::ConnectionKey;
use crate::wire::parse::Command;

impl Shard {
    /// The name of a connection in log lines; empty if it is gone.
    #[must_use]
    pub fn label(&self, key: ConnectionKey) -> String {
        let index = self.connections.find(key);
        index.map_or_else(String::new, |index| self.connections[index].label())
    }

    pub(super) fn log_debug(&self, index: u32, text: &str) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            debug!("{} - {text}", self.connections[index].label());
        }
    }

    pub(super) fn log_error(&self, index: u32, text: &str) {
        error!("{} - {text}", self.connections[index].label());
    }

    /// Logs a command as it came in.
    #[cold]
    pub(super) fn log_received(&self, index: u32, command: &Command<'_>, bytes: &[u8]) {
        let style = self.config.limits.tracing;
        log_command(&self.connections[index], command, bytes, style);
    }

    /// Logs an answer as it goes out.
    #[cold]
    pub(super) fn log_sent(&self, index: u32, bytes: &[u8]) {
        log_answer(&self.connections[index], bytes);
    }
}
