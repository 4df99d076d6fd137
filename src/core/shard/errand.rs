//! A request to the store on its way between cores.
//!
//! Plain data. Not here: where it goes (`errands`).

use crate::base::id::AccountId;

/// How far a request has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Stage(pub u8);

impl Stage {
    /// As a client has sent it.
    pub const SENT: Self = Self(0);
    /// The registrar agrees.
    pub const AGREED: Self = Self(1);
    /// A stream is purged: how many messages it has lost is to be told.
    pub const PURGED: Self = Self(3);
    /// A stream is changed: what it is now is to be told.
    pub const CHANGED: Self = Self(4);
    /// Cores are visited, one after the other, from this one on.
    pub const VISITING: Self = Self(2);
}

/// A request that can wait.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    /// The account of who asks.
    pub account: AccountId,
    /// What is asked for: the subject of the request.
    pub subject: Box<[u8]>,
    /// Where the answer is waited for, or nothing.
    pub reply: Box<[u8]>,
    /// Header block of the request.
    pub header: Box<[u8]>,
    /// Its payload.
    pub payload: Box<[u8]>,
    /// How far it has come.
    pub stage: Stage,
    /// What cores that were visited have said.
    pub said: Vec<u8>,
}
