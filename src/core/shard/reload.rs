//! Settings that can be changed while a shard runs, and what a change has left to be
//! done.
//!
//! Not here: how a change reaches the connections (`reconfigure`).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::id::ConnectionKey;
use crate::base::limits::Limits;
use crate::session::authority::Authority;
use crate::wire::info::ServerInfo;

/// What can be changed while a shard runs.
#[derive(Clone)]
pub struct Settings {
    /// The limits.
    pub limits: Limits,
    /// What INFO says.
    pub server: ServerInfo,
    /// Who may connect, and what they may do.
    pub authority: Arc<Authority>,
    /// Whether every protocol line is logged.
    pub trace: bool,
}

/// What a reload has left to be done.
#[derive(Default)]
pub(super) struct Reload {
    /// Connections that the last settings have not reached, or whose subscriptions
    /// other rights of their own have not.
    pub revisions: VecDeque<ConnectionKey>,
    /// Parts of the table of the first one's subscriptions that are left; `None`:
    /// all of them.
    pub parts_left: Option<usize>,
}
