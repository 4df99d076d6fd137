//! From credentials to a user with an account and rights.
//!
//! A password whose hash takes long to compute is checked by the shell, on
//! another thread ([`super::Ask::Password`]); what the client sends
//! meanwhile waits. The number of checks under way is bounded, in all and by
//! source: who comes beyond asks again a little later. Who fails too often waits
//! for the answer.

use std::sync::atomic::Ordering;

use tracing::warn;

use super::Shard;
use super::login::PasswordCheck;
use super::mutants::Mutant;
use crate::base::id::{AccountId, Nanos};
use crate::base::limits::PASSWORD_CHECK_RETRY_NS;
use crate::session::authority::{Attempt, Candidate, Verdict};
use crate::session::close_reason::CloseReason;
use crate::session::input::Hold;
use crate::session::login_throttle::{Failure, Source};
use crate::session::policy::Identity;
use crate::session::responses::Responses;
use crate::wire::connect::ConnectOptions;

impl Shard {
    /// Takes the result of a check.
    pub fn on_password_checked(&mut self, check: &PasswordCheck, fits: bool) {
        self.login.end_check(check.source);
        let takes_any = self.is_mutant(Mutant::TakeOldCheck);
        let is_this = |candidate: &Candidate| candidate.check == check.number || takes_any;
        let index = self.connections.find(check.key);
        let candidate =
            index.and_then(|index| self.connections[index].input.take_candidate(is_this));
        let (Some(index), Some(candidate)) = (index, candidate) else {
            if !fits {
                // Who does not wait for the answer has tried all the same.
                self.login.throttle.fail(self.clock.mono, check.source);
            }
            return;
        };
        match fits {
            true => self.welcome(index, candidate.user),
            false => self.fail_try(index),
        }
        let input = &self.connections[index].input;
        if !input.is_closing() && input.hold() == Hold::None {
            self.release(index);
        }
    }

    /// Lets a connection in that begins with something else than CONNECT: as the user of those
    /// without credentials, until it brings some. False if there is no such user for it.
    pub(super) fn enter_without_credentials(&mut self, index: u32) -> bool {
        let connection_type = self.connections[index].connection_type;
        let authority = &self.config.authority;
        let admits = |user: &u32| authority.admits_type(*user, connection_type);
        let user = authority.no_auth_user(connection_type).filter(admits);
        if user.is_none() {
            return false;
        }
        let connection = &mut self.connections[index];
        connection.login.deadline = Nanos::NEVER;
        connection.login.awaiting_credentials = false;
        match self.register(index, user) {
            true => self.note_login(index),
            false => self.refuse_full_account(index, user),
        }
        true
    }

    /// Asks again for a check that there was no room for.
    pub(super) fn ask_for_check_again(&mut self, index: u32) {
        let input = &mut self.connections[index].input;
        let hold = input.hold();
        assert!(matches!(hold, Hold::CheckFull { .. }), "it waits for this");
        input.end(hold);
        self.authenticate(index);
        if self.connections[index].input.reads() {
            self.release(index);
        }
    }

    /// Finds out who a client is that has sent CONNECT.
    pub(super) fn authenticate(&mut self, index: u32) {
        let connection = &self.connections[index];
        assert!(
            connection.login.connected && connection.input.hold() == Hold::None,
            "it has said who it is, and waits for the answer alone"
        );
        let source = Source::of(&connection.peer.address);
        let verdict = self.config.authority.judge(&Attempt {
            options: &connection.options,
            nonce: &connection.login.nonce,
            certificate: connection.peer.certificate(),
            connection_type: connection.connection_type,
        });
        match verdict {
            Verdict::Accepted(user) => self.welcome(index, user),
            Verdict::Refused => self.fail_try(index),
            Verdict::IfPasswordFits { user, hash, given } => {
                let Some(number) = self.login.begin_check(source) else {
                    let until = self.clock.mono.after_ns(PASSWORD_CHECK_RETRY_NS);
                    let hold = Hold::CheckFull { until };
                    self.connections[index].input.hold_for(hold);
                    return self.schedule(index);
                };
                let candidate = Candidate {
                    user,
                    check: number,
                };
                let input = &mut self.connections[index].input;
                input.hold_for(Hold::Password(candidate));
                let key = self.connections.key(index);
                self.login.checks.push_back(PasswordCheck {
                    key,
                    source,
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
        let account = self.account_of(user);
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
            if self.withdraw(index) {
                self.connections[index].input.hold_for(Hold::Withdrawing);
            }
            self.connections[index].login.responses = None;
        }
        let connection = &mut self.connections[index];
        assert!(
            connection.account == account || connection.subscriptions.is_empty(),
            "it hears nothing of one account in another"
        );
        connection.account = account;
        connection.login.usage = Some(usage);
        connection.login.user = user;
        self.identify(index);
        self.apply_rights(index);
        true
    }

    /// Gives a connection the name of its user, for log lines and monitoring.
    pub(super) fn identify(&mut self, index: u32) {
        let policy = self.config.authority.policy();
        let connection = &mut self.connections[index];
        let account = &policy.accounts[connection.account.index()].name;
        let user = connection
            .login
            .user
            .map(|user| &policy.users[user as usize]);
        connection.login.identity = match user.map(|user| &user.identity) {
            None => presented_name(account, &connection.options),
            Some(Identity::Password { user, .. }) => format!("{account}/user:{user}").into(),
            Some(Identity::Nkey(key)) => format!("{account}/nkey:{key}").into(),
            Some(Identity::Anonymous) => Box::default(),
        };
    }

    /// Gives a connection what its user and account say; its old answers to
    /// requests stay allowed if it still may answer.
    pub(super) fn apply_rights(&mut self, index: u32) {
        let authority = &self.config.authority;
        let connection = &mut self.connections[index];
        let limits = &authority.policy().accounts[connection.account.index()].limits;
        connection.login.rights = authority.rights_of(connection.login.user);
        connection.login.max_payload = limits
            .payload_max
            .map_or(self.config.limits.max_payload, |max| {
                max.min(self.config.limits.max_payload)
            });
        let rights = authority.rights().get(connection.login.rights);
        let responses = rights.and_then(|rights| rights.responses);
        let before = connection
            .login
            .responses
            .as_ref()
            .map(|kept| kept.limits());
        if responses != before {
            connection.login.responses = responses
                .map(|(messages, expires_ns)| Box::new(Responses::new(messages, expires_ns)));
        }
        connection.login.restricts_publish = rights.is_some_and(|rights| rights.restricts_publish);
        debug_assert!(rights.is_some() == connection.login.rights.is_some());
    }

    /// Ends what [`Self::register`] began.
    pub(super) fn unregister(&mut self, index: u32) {
        if let Some(usage) = self.connections[index].login.usage.take() {
            let before = usage.connections.fetch_sub(1, Ordering::Relaxed);
            assert!(before > 0, "who leaves an account was counted in it");
        }
    }

    /// Goes on with a client whose credentials are good.
    fn welcome(&mut self, index: u32, user: Option<u32>) {
        assert!(
            !self.connections[index].input.is_closing(),
            "who ends is made nobody's user"
        );
        if !self.register(index, user) {
            return self.refuse_full_account(index, user);
        }
        self.note_login(index);
        if self.connections[index].options.names_account {
            // Clients choose no accounts any more (NATS 2.15).
            return self.refuse_credentials(index);
        }
        if !self.connections[index].subscriptions.is_empty() {
            // Made before CONNECT, by the rights of those without credentials.
            self.revise_subscriptions(index);
        }
        self.finish_connect(index);
    }

    /// Ends a connection that has no room in its account, as one of that account.
    fn refuse_full_account(&mut self, index: u32, user: Option<u32>) {
        self.withdraw(index);
        self.connections[index].account = self.account_of(user);
        self.connections[index].login.is_announced = true;
        self.log_error(index, "maximum account active connections exceeded");
        self.send_error(index, b"maximum account active connections exceeded");
        self.close(index, CloseReason::MaxAccountConnectionsExceeded);
    }

    fn account_of(&self, user: Option<u32>) -> AccountId {
        let users = &self.config.authority.policy().users;
        user.map_or(AccountId::GLOBAL, |user| users[user as usize].account)
    }

    /// Ends a connection that has tried to log in and failed.
    fn fail_try(&mut self, index: u32) {
        self.note_failed_try(index);
        let peer = self.connections[index].peer.address;
        match self.login.throttle.fail(self.clock.mono, Source::of(&peer)) {
            Failure::Usual => self.refuse_credentials(index),
            Failure::TooMany { answer_at, said } => {
                if let Some(count) = said {
                    let source = peer.ip().to_canonical();
                    warn!(
                        "{source} - {count} more failed log-in tries, too many: their answers wait"
                    );
                }
                let hold = Hold::Refused { until: answer_at };
                self.connections[index].input.hold_for(hold);
                self.schedule(index);
            }
        }
    }

    /// Ends a connection that may not be here, and says so in the log.
    pub(super) fn refuse_credentials(&mut self, index: u32) {
        let text = match self.connections[index].options.presented() {
            Some(who) => format!("authentication error - {who}"),
            None => "authentication error".to_owned(),
        };
        self.log_error(index, &text);
        self.turn_away(index);
    }

    /// Ends a connection that may not be here.
    pub(super) fn turn_away(&mut self, index: u32) {
        debug_assert!(
            !self.connections[index].input.is_closing(),
            "it is told once"
        );
        self.note_refusal(index);
        self.send_error(index, b"Authorization Violation");
        self.close(index, CloseReason::AuthenticationFailure);
    }
}

/// What a client calls itself where nobody asks who it is.
fn presented_name(account: &str, options: &ConnectOptions) -> Box<str> {
    match (options.nkey.as_str(), options.user.as_str()) {
        ("", "") if options.token.is_empty() => Box::default(),
        ("", "") => format!("{account}/token").into(),
        ("", user) => format!("{account}/user:{user}").into(),
        _ => format!("{account}/nkey:{}", options.shown_nkey()).into(),
    }
}
