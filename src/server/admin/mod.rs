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
pub mod events;
mod format;
mod health;
mod http;
mod listen;
pub mod message_trace;
mod metrics;
mod pages;
pub mod system;
mod varz;
mod voice;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use trunkline_core::session::policy::Policy;
use trunkline_core::wire::info::ServerInfo;

use crate::mesh::Shared;
use crate::options::Options;

pub use listen::start;

/// What monitoring knows of the server.
pub struct Admin {
    /// The cores.
    pub shared: Arc<Shared>,
    /// What INFO says.
    pub server: ServerInfo,
    /// The settings in force, which a reload replaces.
    pub settings: Mutex<Arc<CurrentSettings>>,
    /// The clock of the cores.
    pub clock: Instant,
    /// When the clock began.
    pub started: Timestamp,
    /// Where clients connect.
    pub bound: SocketAddr,
    /// Where clients connect over WebSocket.
    pub websocket_port: Option<u16>,
    /// Where leaf nodes are turned away.
    pub leaf_port: Option<u16>,
    /// Requests by path.
    pub requests: Mutex<BTreeMap<String, u64>>,
    /// What answers over the system account need.
    pub system: system::System,
    /// Processor time and moment of the last look.
    pub processor: Mutex<Option<(Instant, f64)>>,
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
