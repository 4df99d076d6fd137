//! Another configuration while the shard runs.
//!
//! At once: limits, what INFO says, and the rights of every connection to
//! publish, which is a short look at each. In small steps, as far as the work of a
//! turn goes, since there may be many: closing those whose user is gone, checking
//! those whose credentials changed, ending subscriptions that are not allowed any
//! more. Until its turn comes such a connection is not read, and hears nothing
//! unless its user is still the same: then it hears what it was allowed before. So
//! no turn gets long, and no right that was revoked is used once
//! [`Shard::is_revising`] says no, which is when a reload is reported as done.
//!
//! Connections whose rights are the same cost nothing more, since sets of rights
//! that are in use keep their numbers ([`Authority::succeeded_by`]).

use std::ops::Range;
use std::sync::Arc;

use tracing::info;

use super::Shard;
use super::interests::rules_of;
use super::mutants::Mutant;
use super::output::Stage;
use super::reload::Settings;
use crate::base::id::{AccountId, ConnectionKey};
use crate::base::limits::{CLOSED_AT_ONCE_MAX, REVISIONS_PER_TURN, SUBSCRIPTION_WORK_NS};
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
        Self {
            is_gone: user.is_some_and(|user| !newer.still_knows(older, user)),
            keeps_rights: older.rights_of(user) == newer.rights_of(heir),
            heir,
        }
    }
}

impl Shard {
    /// Makes room for accounts of settings that are about to come, for those that have
    /// these places. Thousands of new ones at once would make a long turn of
    /// [`Self::reconfigure`].
    pub fn make_room(&mut self, newer: &Authority, places: Range<usize>) {
        let new = newer.policy().places().skip(places.start);
        for (id, _) in new.take(places.len()) {
            let room = self
                .interests
                .ensure(id, &self.config.authority, &mut self.rng);
            debug_assert!(room.is_some(), "no later account has its place");
        }
    }

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
        debug_assert!(
            authority.keeps_numbers_of(&older),
            "subscriptions that are revised later have numbers of before"
        );
        let slots: Vec<u32> = self.connections.keys().map(|key| key.index).collect();
        for index in slots {
            // Who is closing is nobody any more, by no policy's numbers.
            if self.connections[index].input.is_closing() {
                continue;
            }
            let user = self.connections[index].login.user;
            let fate = Fate::of(user, &older, &authority);
            self.inherit(index, &fate);
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
        let authority = Arc::clone(&self.config.authority);
        let places = authority.policy().accounts.len();
        let kept = places.max(1 + AccountId::SYSTEM.index());
        self.interests.truncate(kept);
        self.make_room(&authority, 0..places);
        let keeps_routes = self.mutant.is(Mutant::KeepRoutes);
        for (id, interest) in self.interests.iter_mut() {
            if keeps_routes && !interest.is_empty() {
                continue;
            }
            interest.set_rules(rules_of(id.index(), &authority));
        }
        let limits = &self.config.limits;
        self.interests
            .set_route_bytes_max(limits.route_cache_bytes_max);
        self.connections.adopt(limits, self.config.trace);
    }

    /// Takes one connection over to new settings as far as that is quick.
    fn inherit(&mut self, index: u32, fate: &Fate) {
        let forgets_check = self.is_mutant(Mutant::ForgetCheck);
        let connection = &mut self.connections[index];
        // The verdict was to be that of the older policy.
        let awaited = connection.input.forget_login();
        if awaited && !forgets_check {
            connection.login.user = None;
            self.begin_revision(index, Revision::Connect);
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
            let is_settled = connection.input.revision() == Revision::None;
            self.apply_rights(index);
            if !keeps_rights || !is_settled {
                self.begin_revision(index, Revision::Subscriptions { hears: true });
            }
        } else if keeps || fate.is_gone {
            self.begin_revision(index, Revision::Moved);
        } else if is_bound || connection.login.connected || !connection.subscriptions.is_empty() {
            self.begin_revision(index, Revision::Credentials);
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
        }
    }

    /// Leaves this to be done about a connection, which is not read before.
    pub(super) fn begin_revision(&mut self, index: u32, left: Revision) {
        let key = self.connections.key(index);
        let connection = &mut self.connections[index];
        connection.input.begin_revision(left);
        connection.renew_hearing();
        // One of which some parts are done begins anew.
        if self.reload.revisions.front() == Some(&key) {
            self.reload.parts_left = None;
        } else {
            self.reload.revisions.push_back(key);
        }
    }

    /// Goes on with the connections that the last settings have not reached, as far
    /// as the work of the turn and the links to other cores allow.
    pub(super) fn revise_some(&mut self) {
        for _ in 0..REVISIONS_PER_TURN {
            let Some(&key) = self.reload.revisions.front() else {
                return;
            };
            if let Some(core) = self.mesh.link_full_of_changes() {
                self.mesh.links[core.index()].demand_return();
                return;
            }
            let index = self.connections.find(key);
            let open = |index: &u32| !self.connections[*index].input.is_closing();
            if index.filter(open).is_none_or(|index| self.revise(index)) {
                self.reload.revisions.pop_front();
                self.reload.parts_left = None;
            }
            if self.work.is_spent() {
                return;
            }
        }
    }

    /// Does what is left to be done about the first connection, or a part of it;
    /// true if that was all.
    fn revise(&mut self, index: u32) -> bool {
        let revision = self.connections[index].input.take_revision();
        let left = match self.spoilt_revision(index, revision) {
            Revision::None => Revision::None,
            Revision::Moved => {
                self.close(index, CloseReason::ClientClosed);
                return true;
            }
            Revision::Credentials => self.revise_credentials(index),
            Revision::Connect => {
                self.authenticate(index);
                Revision::None
            }
            Revision::Subscriptions { hears } => match self.revise_part(index) {
                true => Revision::None,
                false => Revision::Subscriptions { hears },
            },
        };
        let connection = &mut self.connections[index];
        if connection.input.is_closing() {
            return true;
        }
        if left != Revision::None {
            connection.input.begin_revision(left);
        }
        connection.renew_hearing();
        if connection.input.reads() {
            self.release(index);
        }
        self.connections[index].input.revision() == Revision::None
    }

    /// Sees whether the credentials of a connection still count; what is left to be
    /// done if they do.
    fn revise_credentials(&mut self, index: u32) -> Revision {
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
                return Revision::None;
            }
        };
        let policy = authority.policy();
        let now_in = user.map_or(AccountId::GLOBAL, |user| {
            policy.users[user as usize].account
        });
        if now_in != account {
            self.close(index, CloseReason::ClientClosed);
            return Revision::None;
        }
        self.connections[index].login.user = user;
        self.identify(index);
        self.apply_rights(index);
        Revision::Subscriptions { hears: false }
    }

    /// Revises the subscriptions of a connection that has other rights than when it
    /// made them: at once if they are few, else when their turn comes.
    pub(super) fn revise_subscriptions(&mut self, index: u32) {
        match self.connections[index].subscriptions.parts() {
            1 => self.revise_subscriptions_of(index, 0),
            _ => self.begin_revision(index, Revision::Subscriptions { hears: true }),
        }
    }

    /// Revises a part of the subscriptions of the first connection; true if it was
    /// the last. The table only shrinks meanwhile, since the connection is not read,
    /// and then the last part moves to one of those that are left.
    fn revise_part(&mut self, index: u32) -> bool {
        let parts = self.connections[index].subscriptions.parts();
        let left = self.reload.parts_left.map_or(parts, |left| left.min(parts));
        assert!(left > 0, "it has a last part to come");
        self.revise_subscriptions_of(index, left - 1);
        self.reload.parts_left = Some(left - 1);
        debug_assert!(
            left > 1 || !self.has_revoked(index),
            "no revoked right is used any longer"
        );
        left == 1
    }

    /// Ends those subscriptions in a part of a connection's table that its rights do
    /// not allow; from now on the messages of the others are those that they allow.
    fn revise_subscriptions_of(&mut self, index: u32, part: usize) {
        let connection = &self.connections[index];
        let account = connection.account;
        let authority = self.config.authority.clone();
        let id = connection.login.rights;
        let rights = authority.rights().get(id);
        debug_assert!(
            rights.is_some() == id.is_some(),
            "its rights are numbered by this policy"
        );
        let numbers: Vec<u32> = connection
            .subscriptions
            .part(part)
            .iter()
            .copied()
            .collect();
        for number in numbers {
            self.work.charge(SUBSCRIPTION_WORK_NS);
            let interest = &mut self.interests[account];
            let (pattern, queue) = interest.name_of(number);
            if rights.is_some_and(|rights| !rights.may_subscribe(pattern, queue)) {
                self.revoke_subscription(index, number);
                continue;
            }
            let filter = match Pattern::parse(pattern) {
                Some(pattern) => interest.filter_of(pattern, queue, id),
                None => Filter::Everything,
            };
            interest.set_filter(number, filter);
        }
        self.interests[account].forget_routes();
    }

    /// Ends a subscription that is not allowed any more.
    fn revoke_subscription(&mut self, index: u32, number: u32) {
        let interest = &self.interests[self.connections[index].account];
        let (pattern, queue) = interest.name_of(number);
        let (pattern, queue) = (pattern.to_vec(), queue.map(<[u8]>::to_vec));
        let sid = interest.subscription(number).sid.bytes().to_vec();
        self.remove_subscription(index, number);
        self.tell_of_removal(index, &pattern, queue.as_deref(), &sid);
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
    /// for, in random order: those of one account, or any; not more than
    /// [`CLOSED_AT_ONCE_MAX`]. Says how many.
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
        let count = count.min(keys.len()).min(CLOSED_AT_ONCE_MAX);
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
