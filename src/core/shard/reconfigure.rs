//! Another configuration while the shard runs.
//!
//! At once: limits, what INFO says, and the rights of every connection to
//! publish. In small steps, a few per turn, since there may be many: closing
//! those whose user is gone, checking those whose credentials changed, ending
//! subscriptions that are not allowed any more. Until its turn comes such a
//! connection is not read, and hears nothing unless its user is still the same:
//! then it hears what it was allowed before. So no turn gets long, and no right
//! that was revoked is used once [`Shard::is_revising`] says no, which is when a
//! reload is reported as done.
//!
//! Connections whose rights are the same cost nothing if sets of rights keep
//! their numbers ([`Authority::succeeded_by`]).

use tracing::info;

use super::Shard;
use super::interests::rules_of;
use super::mutants::Mutant;
use super::output::Stage;
use super::reload::Settings;
use crate::base::id::{AccountId, ConnectionKey};
use crate::base::limits::{REVISED_SUBSCRIPTIONS_PER_TURN, REVISIONS_PER_TURN};
use crate::base::shown::quoted_bytes;
use crate::base::width;
use crate::route::filter::Filter;
use crate::session::authority::{Attempt, Authority, Verdict};
use crate::session::close_reason::CloseReason;
use crate::session::input::Revision;
use crate::subject::pattern::Pattern;

/// What has become of the user of a connection.
struct Fate {
    /// Nobody has its name any more.
    is_gone: bool,
    /// The user of the new settings that it is without being asked again.
    heir: Option<u32>,
    keeps_rights: bool,
}

impl Fate {
    fn of(user: Option<u32>, older: &Authority, newer: &Authority) -> Self {
        let heir = user.and_then(|user| newer.same_user(older, user));
        let before = older.rights().get(older.rights_of(user));
        let now = newer.rights().get(newer.rights_of(heir));
        Self {
            is_gone: user.is_some_and(|user| !newer.still_knows(older, user)),
            keeps_rights: before == now,
            heir,
        }
    }
}

impl Shard {
    /// Goes on with other settings. [`Self::is_revising`] tells when they have
    /// reached every connection.
    pub fn reconfigure(&mut self, settings: Settings) {
        assert!(
            self.stage == Stage::Input && self.scratch.large.is_empty(),
            "no command is executed half by the older rights"
        );
        let older = self.config.authority.clone();
        let config = super::ShardConfig {
            core: self.config.core,
            cores: self.config.cores,
            seed: self.config.seed,
            limits: settings.limits,
            server: settings.server,
            authority: settings.authority,
            trace: settings.trace,
        };
        self.config = config.into();
        self.apply_rules();
        let authority = self.config.authority.clone();
        let keeps_numbers = authority.rights().continues(older.rights());
        let keys: Vec<ConnectionKey> = self.connections.keys().collect();
        for key in keys {
            // Who is closing is nobody any more, by no policy's numbers.
            if self.connections[key.index].input.is_closing() {
                continue;
            }
            let user = self.connections[key.index].login.user;
            let fate = Fate::of(user, &older, &authority);
            self.inherit(key, &fate, keeps_numbers);
        }
    }

    /// Whether connections are left that the last settings have not reached.
    #[must_use]
    pub fn is_revising(&self) -> bool {
        !self.reload.revisions.is_empty()
    }

    /// Whether the last settings have reached every connection, and nothing is
    /// left of accounts that are gone: another reload may begin.
    #[must_use]
    pub fn has_reloaded(&self) -> bool {
        let policy = self.config.authority.policy();
        let is_gone = |id| policy.account_of(id).is_none_or(|account| account.is_gone);
        let mut accounts = self.interests.iter();
        let is_left = accounts.any(|(id, interest)| !interest.is_empty() && is_gone(id));
        let wide = self.backlog.wide.as_ref();
        let is_under_way = wide.is_some_and(|wide| is_gone(wide.account()));
        !self.is_revising() && !is_left && !is_under_way
    }

    /// Makes the accounts, their rules and the limits of outboxes those of the
    /// configuration.
    pub(super) fn apply_rules(&mut self) {
        let authority = &self.config.authority;
        let policy = authority.policy();
        let places = policy.accounts.len().max(1 + AccountId::SYSTEM.index());
        self.interests.truncate(places);
        for (id, _) in policy.places() {
            self.interests.ensure(id, authority, &mut self.rng);
        }
        let keeps_routes = self.mutant.is(Mutant::KeepRoutes);
        for (id, interest) in self.interests.iter_mut() {
            if keeps_routes && !interest.is_empty() {
                continue;
            }
            interest.set_rules(rules_of(id.index(), authority));
        }
        let limits = &self.config.limits;
        self.interests
            .set_route_bytes_max(limits.route_cache_bytes_max);
        self.connections.adopt(limits, self.config.trace);
    }

    /// Takes one connection over to new settings as far as that is quick.
    fn inherit(&mut self, key: ConnectionKey, fate: &Fate, keeps_numbers: bool) {
        let index = key.index;
        let forgets_check = self.is_mutant(Mutant::ForgetCheck);
        let connection = &mut self.connections[index];
        // The verdict was to be that of the older policy.
        let awaited = connection.input.forget_login();
        if awaited && !forgets_check {
            connection.login.user = None;
            connection.input.begin_revision(Revision::Connect);
            self.silence(index);
            self.reload.revisions.push_back(key);
            return;
        }
        let is_bound = connection.login.usage.is_some();
        let required = self
            .config
            .authority
            .requires_credentials(connection.connection_type);
        let connection_type = connection.connection_type;
        let authority = &self.config.authority;
        let admits = |user: &u32| authority.admits_type(*user, connection_type);
        let heir = fate.heir.filter(admits);
        let keeps_rights = heir.is_none() || fate.keeps_rights;
        let keeps = is_bound && (heir.is_some() || (connection.login.user.is_none() && !required));
        let policy = self.config.authority.policy();
        let account = heir.map_or(AccountId::GLOBAL, |user| {
            policy.users[user as usize].account
        });
        let stays = keeps && account == connection.account;
        connection.login.user = if keeps { heir } else { None };
        if stays {
            let is_settled = keeps_numbers && connection.input.revision() == Revision::None;
            self.apply_rights(index);
            let needs_filters = self.connections[index].login.rights.is_some();
            if !is_settled && (needs_filters || !keeps_rights) {
                self.reset_filters(index);
            }
            if keeps_rights {
                return;
            }
            let left = Revision::Subscriptions;
            self.connections[index].input.begin_revision(left);
        } else if keeps || fate.is_gone {
            self.connections[index]
                .input
                .begin_revision(Revision::Moved);
        } else if is_bound || connection.login.connected || !connection.subscriptions.is_empty() {
            let left = Revision::Credentials;
            self.connections[index].input.begin_revision(left);
        } else {
            // It has not said anything yet.
            match required {
                true if !connection.login.awaiting_credentials => {
                    self.await_credentials(index);
                    self.schedule(index);
                }
                true => {}
                false => connection.login.awaiting_credentials = false,
            }
            return;
        }
        self.silence(index);
        self.reload.revisions.push_back(key);
    }

    /// Nothing reaches a connection of which it is not known whether it may
    /// stay: its rights of before mean nothing any more.
    fn silence(&mut self, index: u32) {
        let connection = &self.connections[index];
        assert!(
            connection.input.revision() != Revision::None,
            "who is silenced has its turn to come"
        );
        if connection.input.revision() == Revision::Subscriptions {
            return;
        }
        let interest = &mut self.interests[connection.account];
        for number in connection.subscriptions.iter() {
            interest.set_filter(number, Filter::Nothing);
        }
    }

    /// Old numbers of rights mean nothing any more. Subscriptions that are not
    /// allowed hear nothing from now on, even before they are ended.
    pub(super) fn reset_filters(&mut self, index: u32) {
        let connection = &self.connections[index];
        let interest = &mut self.interests[connection.account];
        let authority = &self.config.authority;
        let rights = authority.rights().get(connection.login.rights);
        debug_assert!(
            rights.is_some() == connection.login.rights.is_some(),
            "its rights are numbered by this policy"
        );
        for number in connection.subscriptions.iter() {
            let (pattern, queue) = interest.name_of(number);
            let filter = match (rights, Pattern::parse(pattern)) {
                (Some(rights), _) if !rights.may_subscribe(pattern, queue) => Filter::Nothing,
                (_, Some(pattern)) => interest.filter_of(pattern, queue, connection.login.rights),
                (_, None) => Filter::Everything,
            };
            interest.set_filter(number, filter);
        }
        interest.forget_routes();
    }

    /// Goes on with the connections that the last settings have not reached.
    pub(super) fn revise_some(&mut self) {
        let mut subscriptions = 0;
        for _ in 0..REVISIONS_PER_TURN {
            if subscriptions > REVISED_SUBSCRIPTIONS_PER_TURN {
                break;
            }
            let Some(key) = self.reload.revisions.pop_front() else {
                break;
            };
            if let Some(index) = self.connections.find(key)
                && !self.connections[index].input.is_closing()
            {
                subscriptions += self.connections[index].subscriptions.len();
                self.revise(index);
            }
        }
    }

    fn revise(&mut self, index: u32) {
        let revision = self.connections[index].input.take_revision();
        let revision = self.spoilt_revision(index, revision);
        match revision {
            Revision::None => {}
            Revision::Moved => self.close(index, CloseReason::ClientClosed),
            Revision::Credentials => self.revise_credentials(index),
            Revision::Connect => self.authenticate(index),
            Revision::Subscriptions => {
                self.renew_filters(index);
                self.revise_subscriptions(index);
            }
        }
        let connection = &self.connections[index];
        debug_assert!(
            connection.input.revision() == Revision::None,
            "one turn is enough"
        );
        if connection.input.reads() {
            self.release(index);
        }
    }

    fn revise_credentials(&mut self, index: u32) {
        let connection = &self.connections[index];
        let authority = &self.config.authority;
        let account = connection.account;
        let verdict = authority.judge(&Attempt {
            options: &connection.options,
            nonce: &connection.login.nonce,
            certificate: connection.peer.certificate(),
            connection_type: connection.connection_type,
        });
        let user = match verdict {
            Verdict::Accepted(user) => user,
            // Its old password is not that of the new hash for all that is
            // known; it may connect again and have it checked.
            Verdict::IfPasswordFits { .. } | Verdict::Refused => {
                match authority.lists(&connection.options) {
                    true => {
                        self.note_failed_try(index);
                        self.refuse_credentials(index);
                    }
                    false => self.close(index, CloseReason::ClientClosed),
                }
                return;
            }
        };
        let policy = authority.policy();
        let now_in = user.map_or(AccountId::GLOBAL, |user| {
            policy.users[user as usize].account
        });
        if now_in != account {
            self.close(index, CloseReason::ClientClosed);
            return;
        }
        self.connections[index].login.user = user;
        self.identify(index);
        self.apply_rights(index);
        self.renew_filters(index);
        self.revise_subscriptions(index);
    }

    /// From now on the messages of a connection are those that its rights allow.
    pub(super) fn renew_filters(&mut self, index: u32) {
        self.reset_filters(index);
        let account = self.connections[index].account;
        self.interests[account].forget_routes();
    }

    /// Ends the subscriptions that are not allowed any more.
    pub(super) fn revise_subscriptions(&mut self, index: u32) {
        let connection = &self.connections[index];
        let authority = self.config.authority.clone();
        let Some(rights) = authority.rights().get(connection.login.rights) else {
            return;
        };
        let interest = &self.interests[connection.account];
        let numbers = connection.subscriptions.iter();
        let revoked = numbers.filter(|&number| {
            let (pattern, queue) = interest.name_of(number);
            !rights.may_subscribe(pattern, queue)
        });
        for number in revoked.collect::<Vec<u32>>() {
            let interest = &self.interests[self.connections[index].account];
            let (pattern, queue) = interest.name_of(number);
            let (pattern, queue) = (pattern.to_vec(), queue.map(<[u8]>::to_vec));
            let sid = interest.subscription(number).sid.bytes().to_vec();
            self.remove_subscription(index, number);
            self.tell_of_removal(index, &pattern, queue.as_deref(), &sid);
        }
        debug_assert!(
            !self.has_revoked(index),
            "no revoked right is used any longer"
        );
    }

    /// Whether a connection has subscriptions that its rights do not allow.
    fn has_revoked(&self, index: u32) -> bool {
        let connection = &self.connections[index];
        let rights = self.config.authority.rights();
        let interest = &self.interests[connection.account];
        rights.get(connection.login.rights).is_some_and(|rights| {
            connection.subscriptions.iter().any(|number| {
                let (pattern, queue) = interest.name_of(number);
                !rights.may_subscribe(pattern, queue)
            })
        })
    }

    /// Says that a subscription has ended because it is not allowed any more.
    fn tell_of_removal(&mut self, index: u32, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        let mut what = quoted_bytes(subject).to_string();
        if let Some(queue) = queue {
            what.push_str(&format!(" using queue {}", quoted_bytes(queue)));
        }
        what.push_str(&format!(" (sid {})", quoted_bytes(sid)));
        let who = self.connections[index].options.presented();
        info!(
            "Removed sub {what} for {} - not authorized",
            who.unwrap_or_else(|| "User \"N/A\"".into())
        );
        let text = format!("Permissions Violation for Subscription to {what}");
        self.send_error(index, text.as_bytes());
    }

    /// Closes up to `count` connections that a lowered limit leaves no room
    /// for, in random order: those of one account, or any.
    pub fn close_surplus(&mut self, account: Option<AccountId>, count: usize) -> usize {
        let (text, reason) = match account {
            Some(_) => (
                "maximum account active connections exceeded",
                CloseReason::MaxAccountConnectionsExceeded,
            ),
            None => (
                "maximum connections exceeded",
                CloseReason::MaxConnectionsExceeded,
            ),
        };
        let is_meant = |key: &ConnectionKey| {
            let connection = &self.connections[key.index];
            let belongs = account.is_none_or(|account| {
                connection.account == account && connection.login.usage.is_some()
            });
            belongs && !connection.input.is_closing()
        };
        let mut keys: Vec<ConnectionKey> = self.connections.keys().filter(is_meant).collect();
        let count = count.min(keys.len());
        for _ in 0..count {
            let at = width::size(self.rng.below(keys.len() as u64));
            let index = keys.swap_remove(at).index;
            self.log_error(index, text);
            self.send_error(index, text.as_bytes());
            self.close(index, reason);
        }
        count
    }
}

#[cfg(test)]
#[path = "reconfigure_tests.rs"]
mod tests;
