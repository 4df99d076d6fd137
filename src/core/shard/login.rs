//! Log-ins under way: passwords that the shell is asked to check, and sources that
//! have failed too often.
//!
//! Not here: whose credentials are good (`authenticate`).

use std::collections::VecDeque;

use crate::base::id::ConnectionKey;
use crate::base::limits::PASSWORD_CHECKS_MAX;
use crate::session::login_throttle::{LoginThrottle, Source};

/// The state of log-ins on one core.
pub(super) struct Login {
    /// Makes sources wait from which too many tries have failed.
    pub throttle: LoginThrottle,
    /// Passwords that the shell is checking.
    under_way: usize,
    /// Passwords that it was ever asked to check: each check has a number.
    begun: u64,
    /// Those that it has not been asked yet.
    pub checks: VecDeque<PasswordCheck>,
}

impl Login {
    /// Nobody has tried.
    pub fn new(seed: u64) -> Self {
        Self {
            throttle: LoginThrottle::new(seed),
            under_way: 0,
            begun: 0,
            checks: VecDeque::new(),
        }
    }

    /// The number of another check for a source, if there is room for it.
    pub fn begin_check(&mut self, source: Source) -> Option<u64> {
        if self.under_way >= PASSWORD_CHECKS_MAX || !self.throttle.begin_check(source) {
            return None;
        }
        self.under_way += 1;
        self.begun += 1;
        Some(self.begun)
    }

    /// A check has been answered.
    pub fn end_check(&mut self, source: Source) {
        assert!(self.under_way > 0, "only what was asked is answered");
        self.under_way -= 1;
        self.throttle.end_check(source);
    }
}

/// A password to be compared with its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordCheck {
    /// The connection that waits for it.
    pub key: ConnectionKey,
    /// Where the connection comes from.
    pub source: Source,
    /// Its number: a connection may have begun another check when this one is
    /// answered.
    pub number: u64,
    /// The bcrypt hash.
    pub hash: String,
    /// What the client gave.
    pub given: String,
}
