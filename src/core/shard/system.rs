//! What the server itself is asked and says in the subject space of its clients.
//!
//! Plain data. Not here: when a request is noted and a message published
//! (`server_publisher`), which subjects are requests (`question`).

use std::sync::Arc;

use crate::base::id::AccountId;
use crate::session::policy::Permissions;

/// A request to the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemRequest {
    /// The account in which it was published.
    pub account: AccountId,
    /// The connection that published it.
    pub client_id: u64,
    /// The name of the user that it is; empty: nobody in particular.
    pub user: String,
    /// What that user may do; `None`: everything.
    pub permissions: Option<Arc<Permissions>>,
    /// Its subject.
    pub subject: Vec<u8>,
    /// Where the answer goes; empty: nowhere in particular.
    pub reply: Vec<u8>,
    /// Its header block, perhaps empty.
    pub header: Vec<u8>,
    /// Its payload without the header block.
    pub payload: Vec<u8>,
}

/// A message of the server itself.
#[derive(Clone, Copy, Debug)]
pub struct ServerMessage<'a> {
    /// The account in which it is published.
    pub account: AccountId,
    /// Its subject.
    pub subject: &'a [u8],
    /// Its reply subject; empty: none.
    pub reply: &'a [u8],
    /// A whole header block, or nothing.
    pub header: &'a [u8],
    /// What follows it.
    pub payload: &'a [u8],
}
