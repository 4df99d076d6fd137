//! Events that the server tells its system account: who has connected, who has
//! gone, who was refused, how many connections an account has (NATS 2.15).
//!
//! Plain data. Not here: when they are noted (`note_events`), how they are put into
//! words, which is the shell's business.

use super::report::ConnectionReport;
use crate::base::id::AccountId;

/// Something that has happened and that somebody wants to know.
#[derive(Clone, Debug)]
pub struct SystemEvent {
    /// What has happened.
    pub fact: Fact,
    /// Accounts and subjects where somebody listens: at least one.
    pub heard_at: Vec<(AccountId, Vec<u8>)>,
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A client has logged in.
    Connected(Box<Party>),
    /// A client has gone.
    Disconnected(Box<Party>),
    /// A client was refused.
    Refused(Box<Party>),
    /// The number of an account's connections has changed.
    Connections {
        /// The account.
        account: AccountId,
        /// Connections now.
        connections: u64,
    },
}

/// The client that an event is about.
#[derive(Clone, Debug)]
pub struct Party {
    /// What is known of it; its user is the one that it has presented.
    pub report: ConnectionReport,
    /// Its user has signed, and so has been issued by an account.
    pub is_signed: bool,
}
