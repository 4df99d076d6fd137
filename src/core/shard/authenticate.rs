//! From credentials to a user with an account and rights.
//!
//! A password whose hash takes long to compute is checked by the shell, on
//! another thread ([`Shard::take_password_check`]); what the client sends
//! meanwhile waits. The number of checks under way is bounded: who comes beyond
//! is refused.

use std::sync::atomic::Ordering;

use super::Shard;
use crate::base::id::{AccountId, ConnectionKey, Nanos};
use crate::base::limits::PASSWORD_CHECKS_MAX;
use crate::session::authority::{Attempt, Candidate, NO_RIGHTS_NEEDED, Verdict};
use crate::session::connection::{CloseReason, Hold};
use crate::session::policy::Identity;
use crate::session::responses::Responses;

/// A password to be compared with its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordCheck {
    /// The connection that waits for it.
    pub key: ConnectionKey,
    /// Its number: a connection may have begun another check when this one is
    /// answered.
    pub number: u64,
    /// The bcrypt hash.
    pub hash: String,
    /// What the client gave.
    pub given: String,
}

impl Shard {
    /// The next password to check; answered by [`Self::on_password_checked`].
    pub fn take_password_check(&mut self) -> Option<PasswordCheck> {
        self.effects.password_checks.pop_front()
    }

    /// Takes the result of a check, by its connection and number.
    pub fn on_password_checked(&mut self, now: Nanos, key: ConnectionKey, number: u64, fits: bool) {
        self.now = now;
        self.checks_under_way = self.checks_under_way.saturating_sub(1);
        let Some(index) = self.connections.find(key) else {
            return;
        };
        let connection = &mut self.connections[index];
        let is_this = |candidate: &mut Candidate| candidate.check == number;
        #[cfg(feature = "mutants")]
        let takes_any = self.mutant == Some(super::mutants::Mutant::TakeOldCheck);
        #[cfg(feature = "mutants")]
        let is_this = |candidate: &mut Candidate| is_this(candidate) || takes_any;
        let Some(candidate) = connection.candidate.take_if(is_this) else {
            return;
        };
        if connection.closing.is_some() {
            return;
        }
        match fits {
            true => self.welcome(index, candidate.user),
            false => self.refuse_credentials(index),
        }
        let connection = &self.connections[index];
        if connection.closing.is_none() && connection.hold == Hold::None {
            self.release(index);
        }
    }

    /// Binds a connection to the user of those without credentials, until it
    /// brings some; true if there is such a user.
    pub(super) fn bind_without_credentials(&mut self, index: u32) -> bool {
        let connection_type = self.connections[index].connection_type;
        let user = self.config.authority.no_auth_user(connection_type);
        user.is_some() && self.register(index, user)
    }

    /// Finds out who a client is that has sent CONNECT.
    pub(super) fn authenticate(&mut self, index: u32) {
        let connection = &self.connections[index];
        let verdict = self.config.authority.judge(&Attempt {
            options: &connection.options,
            nonce: &connection.nonce,
            certificate: connection.certificate(),
            connection_type: connection.connection_type,
        });
        match verdict {
            Verdict::Accepted(user) => self.welcome(index, user),
            Verdict::Refused => self.refuse_credentials(index),
            Verdict::IfPasswordFits { user, hash, given } => {
                if self.checks_under_way >= PASSWORD_CHECKS_MAX {
                    self.refuse_credentials(index);
                    return;
                }
                self.checks_under_way += 1;
                self.checks_begun += 1;
                let number = self.checks_begun;
                self.connections[index].candidate = Some(Candidate {
                    user,
                    check: number,
                });
                let key = self.connections.key(index);
                self.effects.password_checks.push_back(PasswordCheck {
                    key,
                    number,
                    hash,
                    given,
                });
            }
        }
    }

    /// Makes a connection a user's; false if the account is full.
    fn register(&mut self, index: u32, user: Option<u32>) -> bool {
        self.unregister(index);
        let authority = &self.config.authority;
        let policy = authority.policy();
        let account = user.map_or(AccountId::GLOBAL, |user| {
            policy.users[user as usize].account
        });
        let configured = &policy.accounts[account.index()];
        let others = configured.usage.connections.fetch_add(1, Ordering::Relaxed);
        let limit = configured.limits.connections_max.map(u64::from);
        if limit.is_some_and(|limit| others >= limit) {
            configured.usage.connections.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        configured
            .usage
            .connections_total
            .fetch_add(1, Ordering::Relaxed);
        let usage = configured.usage.clone();
        if self.connections[index].account != account {
            // Subscriptions are of one account: those of before CONNECT end, and
            // so does the leave to answer requests.
            self.drop_subscriptions(index);
            self.connections[index].responses = None;
        }
        let connection = &mut self.connections[index];
        connection.account = account;
        connection.usage = Some(usage);
        connection.user = user;
        self.identify(index);
        self.apply_rights(index);
        true
    }

    /// Gives a connection the name of its user, for log lines and monitoring.
    pub(super) fn identify(&mut self, index: u32) {
        let policy = self.config.authority.policy();
        let connection = &mut self.connections[index];
        let account = &policy.accounts[connection.account.index()].name;
        let user = connection.user.map(|user| &policy.users[user as usize]);
        connection.identity = match user.map(|user| &user.identity) {
            None => Box::default(),
            Some(Identity::Password { user, .. }) => format!("{account}/user:{user}").into(),
            Some(Identity::Nkey(key)) => format!("{account}/nkey:{key}").into(),
        };
    }

    /// Gives a connection what its user and account say; its old answers to
    /// requests stay allowed if it still may answer.
    pub(super) fn apply_rights(&mut self, index: u32) {
        let authority = &self.config.authority;
        let connection = &mut self.connections[index];
        let limits = &authority.policy().accounts[connection.account.index()].limits;
        connection.rights = authority.rights_of(connection.user);
        connection.max_payload = limits
            .payload_max
            .map_or(self.config.limits.max_payload, |max| {
                max.min(self.config.limits.max_payload)
            });
        let rights = authority.rights().get(usize::from(connection.rights));
        let responses = rights.and_then(|rights| rights.responses);
        let before = connection.responses.as_ref().map(|kept| kept.limits());
        if responses != before {
            connection.responses = responses
                .map(|(messages, expires_ns)| Box::new(Responses::new(messages, expires_ns)));
        }
        connection.restricts_publish = rights.is_some_and(|rights| rights.restricts_publish);
        debug_assert!(rights.is_some() || connection.rights == NO_RIGHTS_NEEDED);
    }

    /// Ends what [`Self::register`] began.
    pub(super) fn unregister(&mut self, index: u32) {
        if let Some(usage) = self.connections[index].usage.take() {
            usage.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Goes on with a client whose credentials are good.
    fn welcome(&mut self, index: u32, user: Option<u32>) {
        if !self.register(index, user) {
            self.log_error(index, "maximum account active connections exceeded");
            self.send_error(index, b"maximum account active connections exceeded");
            self.close(index, CloseReason::MaxAccountConnectionsExceeded);
            return;
        }
        if !self.connections[index].subscriptions.is_empty() {
            // Made before CONNECT, by the rights of those without credentials.
            self.reset_filters(index);
            self.revise_subscriptions(index);
        }
        self.finish_connect(index);
    }

    /// Ends a connection that may not be here.
    pub(super) fn refuse_credentials(&mut self, index: u32) {
        self.log_error(index, "authentication error");
        self.send_error(index, b"Authorization Violation");
        self.close(index, CloseReason::AuthenticationFailure);
    }
}
