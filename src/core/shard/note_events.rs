//! Notes what the system account is to be told ([`super::system_events`]).
//!
//! The shard notes facts, and only those that somebody listens to; the shell
//! takes them ([`super::Ask::Event`]), puts them into words and publishes them
//! ([`Shard::publish_as_server`]). Without a listener a fact costs a look at an
//! empty table.
//!
//! Bounds: `SYSTEM_NOTES_MAX` per turn; what comes beyond is dropped and counted
//! ([`super::Ask::LostEvents`]).

use std::sync::atomic::Ordering;

use super::Shard;
use super::system_events::{Fact, Party, SystemEvent};
use crate::base::id::AccountId;
use crate::session::close_reason::CloseReason;

/// Where the owners of an account hear of failed log-ins.
const REFUSED_IN_ACCOUNT: &[u8] = b"$SYS.ACCOUNT.CLIENT.AUTH.ERR";

impl Shard {
    /// Notes that a client that was logged in says who it is once more: until
    /// that is known it is nobody.
    pub(super) fn log_out(&mut self, index: u32) {
        if std::mem::take(&mut self.connections[index].login.is_announced) {
            self.unregister(index);
            self.note_connections(self.connections[index].account);
        }
    }

    /// Notes that a client has logged in.
    pub(super) fn note_login(&mut self, index: u32) {
        self.connections[index].login.is_announced = true;
        let account = self.connections[index].account;
        self.note_connections(account);
        self.note_about(index, account, "CONNECT", Fact::Connected);
    }

    /// Ends what a login began, and notes that the client has gone.
    pub(super) fn leave(&mut self, index: u32, reason: CloseReason) {
        self.unregister(index);
        let account = self.account_told(index);
        if self.connections[index].login.is_announced
            && reason != CloseReason::MaxAccountConnectionsExceeded
        {
            self.note_connections(account);
        }
        let now = self.clock.mono;
        self.note_about(index, account, "DISCONNECT", |mut party| {
            party.report.ended = Some((now, reason));
            Fact::Disconnected(party)
        });
    }

    /// Notes for the owners of a client's account that its credentials are
    /// wrong; until it has logged in, that is the account of everybody.
    pub(super) fn note_failed_try(&mut self, index: u32) {
        let account = self.account_told(index);
        if self.has_interest(account, REFUSED_IN_ACCOUNT) {
            self.note_refusal_at(index, account, REFUSED_IN_ACCOUNT.to_vec());
        }
    }

    /// Notes for operators that a client was refused.
    pub(super) fn note_refusal(&mut self, index: u32) {
        if self.interests[AccountId::SYSTEM].is_unused() {
            return;
        }
        let server_id = &self.config.server.server_id;
        let subject = format!("$SYS.SERVER.{server_id}.CLIENT.AUTH.ERR").into_bytes();
        if self.has_interest(AccountId::SYSTEM, &subject) {
            self.note_refusal_at(index, AccountId::SYSTEM, subject);
        }
    }

    fn note_refusal_at(&mut self, index: u32, heard_in: AccountId, subject: Vec<u8>) {
        let mut party = self.party(index, self.account_told(index));
        party.report.ended = Some((self.clock.mono, CloseReason::AuthenticationFailure));
        self.note_event(Fact::Refused(party), vec![(heard_in, subject)]);
    }

    /// The account that a client is told of in: that of everybody until it has
    /// logged in.
    fn account_told(&self, index: u32) -> AccountId {
        let connection = &self.connections[index];
        match connection.login.is_announced {
            true => connection.account,
            false => AccountId::GLOBAL,
        }
    }

    /// Notes how many connections an account has now.
    fn note_connections(&mut self, account: AccountId) {
        if account == AccountId::GLOBAL || self.interests[AccountId::SYSTEM].is_unused() {
            return;
        }
        let name = self.account_name(account);
        let subjects = [
            format!("$SYS.SERVER.ACCOUNT.{name}.CONNS").into_bytes(),
            format!("$SYS.ACCOUNT.{name}.SERVER.CONNS").into_bytes(),
        ];
        let mut heard_at = Vec::new();
        for subject in subjects {
            if self.has_interest(AccountId::SYSTEM, &subject) {
                heard_at.push((AccountId::SYSTEM, subject));
            }
        }
        if !heard_at.is_empty() {
            let policy = self.config.authority.policy();
            let usage = &policy.accounts[account.index()].usage;
            let connections = usage.connections.load(Ordering::Relaxed);
            let fact = Fact::Connections {
                account,
                connections,
            };
            self.note_event(fact, heard_at);
        }
    }

    /// Notes something about a client that the system account hears under the
    /// client's account.
    fn note_about(
        &mut self,
        index: u32,
        account: AccountId,
        what: &str,
        fact: impl FnOnce(Box<Party>) -> Fact,
    ) {
        if self.interests[AccountId::SYSTEM].is_unused() {
            return;
        }
        let name = self.account_name(account);
        let subject = format!("$SYS.ACCOUNT.{name}.{what}").into_bytes();
        if self.has_interest(AccountId::SYSTEM, &subject) {
            let party = self.party(index, account);
            self.note_event(fact(party), vec![(AccountId::SYSTEM, subject)]);
        }
    }

    fn party(&self, index: u32, account: AccountId) -> Box<Party> {
        let connection = &self.connections[index];
        let mut report = self.report_connection(connection);
        report.account = account;
        if let Some(presented) = connection.options.presented_name() {
            report.user = presented.to_owned();
        }
        let is_signed =
            connection.login.identity.contains("/nkey:") && connection.login.is_announced;
        Box::new(Party { report, is_signed })
    }

    fn note_event(&mut self, fact: Fact, heard_at: Vec<(AccountId, Vec<u8>)>) {
        self.notices.note_event(SystemEvent { fact, heard_at });
    }
}
