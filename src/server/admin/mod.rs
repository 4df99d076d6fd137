//! Seeing inside: monitoring over HTTP and over the system account, on a
//! thread of its own.
//!
//! What it asks of the cores are letters, each small: one core shows only some
//! connections between two turns. Nothing here is on the way of a message, and
//! nothing shows a secret.

mod accounts;
mod advisory;
mod collect;
mod connz;
mod format;
mod health;
mod http;
mod listen;
pub mod message_numbers;
pub mod message_trace;
mod metrics;
mod pages;
mod parameters;
mod places;
pub mod processor;
pub mod reloads;
mod reply;
mod request;
mod server_messages;
pub mod system;
pub mod system_events;
mod talk;
mod target;
mod varz;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use trunkline_core::session::policy::Policy;
use trunkline_core::wire::info::ServerInfo;

use crate::cores::Cores;
use crate::listeners::Bound;
use crate::options::Options;

pub use listen::start;

use message_numbers::MessageNumbers;
use processor::Processor;
use reloads::Reloads;

/// What monitoring knows of the server.
pub struct Admin {
    /// The cores.
    pub cores: Cores,
    /// What INFO says.
    pub server: ServerInfo,
    /// The settings in force, which a reload replaces.
    pub settings: Mutex<Arc<CurrentSettings>>,
    /// The clock of the cores.
    pub clock: Instant,
    /// When the clock began.
    pub started: Timestamp,
    /// Where it listens.
    pub bound: Bound,
    /// Requests by path.
    pub requests: Mutex<BTreeMap<String, u64>>,
    /// The numbers of what the server says.
    pub numbers: MessageNumbers,
    /// Reloads that were asked for over the system account.
    pub reloads: Reloads,
    /// How busy the process is.
    pub processor: Processor,
    /// The server goes away, and does not tell how it does any more unless it is asked.
    pub is_lame_duck: AtomicBool,
}

/// What a reload may change.
pub struct CurrentSettings {
    /// The options.
    pub options: Options,
    /// Users and accounts, numbered as the cores know them.
    pub policy: Policy,
    /// When they came into force.
    pub loaded: Timestamp,
}

impl Admin {
    /// The settings in force.
    pub fn settings(&self) -> Arc<CurrentSettings> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&settings)
    }

    /// Notes other settings.
    pub fn change_settings(&self, new: CurrentSettings) {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        *settings = Arc::new(new);
    }
}
