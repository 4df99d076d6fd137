//! Who the client of a connection is, as far as that is known, and what that allows
//! it.
//!
//! Not here: who is let in by what (`authority`), what its client is waiting for
//! ([`super::input`]), its account, which everything travels with.

use std::sync::Arc;

use super::policy::AccountUsage;
use super::responses::Responses;
use crate::base::id::Nanos;
use crate::subject::rights_table::RightsId;

/// Who a client is.
#[derive(Debug)]
pub struct LoginState {
    /// Requests that it may answer beyond its rights.
    pub responses: Option<Box<Responses>>,
    /// What it may do; `None`: everything.
    pub rights: Option<RightsId>,
    /// Largest payload that it may send, in bytes.
    pub max_payload: u32,
    /// Its rights restrict what it publishes.
    pub restricts_publish: bool,
    /// CONNECT has come.
    pub connected: bool,
    /// Credentials are required and have not come.
    pub awaiting_credentials: bool,
    /// It has logged in, and events about it have been due.
    pub is_announced: bool,
    /// The user that it is, by its number in the authority.
    pub user: Option<u32>,
    /// Account and user for log lines; empty: it is nobody in particular.
    pub identity: Box<str>,
    /// Where it is counted in its account.
    pub usage: Option<Arc<AccountUsage>>,
    /// What it has to sign, if it wants to; empty: nothing.
    pub nonce: Box<[u8]>,
    /// Its credentials must have come by this moment.
    pub deadline: Nanos,
}

impl LoginState {
    /// What its messages have to be checked against, if anything.
    #[must_use]
    #[inline]
    pub fn publish_rights(&self) -> Option<RightsId> {
        self.rights.filter(|_| self.restricts_publish)
    }
}

impl Default for LoginState {
    /// Nobody, who may do everything.
    fn default() -> Self {
        Self {
            responses: None,
            rights: None,
            max_payload: u32::MAX,
            restricts_publish: false,
            connected: false,
            awaiting_credentials: false,
            is_announced: false,
            user: None,
            identity: Box::default(),
            usage: None,
            nonce: Box::default(),
            deadline: Nanos::NEVER,
        }
    }
}
