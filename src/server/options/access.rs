//! Who may connect, as a file and the flags say it, and the [`Policy`] that
//! follows from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::address::Refusal;

use trunkline_core::base::id::AccountId;
use trunkline_core::base::shown::quoted;
use trunkline_core::session::policy::{
    Account, AccountLimits, ConnectionType, Identity, JetStreamAccountLimits, Mapping, Permissions,
    Policy, Secret, User,
};

/// The account of users that name none.
pub const GLOBAL: &str = "$G";
/// The system account, unless another one is named.
const SYSTEM: &str = "$SYS";

/// What was asked for about users and accounts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Access {
    /// `authorization.user`; empty: none.
    pub user: String,
    /// `authorization.password`.
    pub password: Secret,
    /// `authorization.token`; empty: none.
    pub token: Secret,
    /// `authorization.users`.
    pub users: Vec<RequestedUser>,
    /// `authorization.default_permissions`.
    pub default_permissions: Option<Permissions>,
    /// Those of `authorization.user` and `authorization.token` have to come through a proxy.
    pub proxy_required: bool,
    /// There is an `authorization` block, be it empty.
    pub has_authorization: bool,
    /// `accounts`.
    pub accounts: Vec<RequestedAccount>,
    /// Mappings of `$G`.
    pub mappings: Vec<Mapping>,
    /// The user of clients without credentials; empty: none.
    pub no_auth_user: String,
    /// The system account; empty: `$SYS`.
    pub system_account: String,
}

/// A user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestedUser {
    /// How it proves who it is.
    pub identity: Identity,
    /// What it may do; `None`: the default.
    pub permissions: Option<Permissions>,
    /// The connections that it may use.
    pub connection_types: Option<Vec<ConnectionType>>,
    /// It has to come through a proxy.
    pub proxy_required: bool,
}

/// An account.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequestedAccount {
    /// Its name.
    pub name: String,
    /// Its users.
    pub users: Vec<RequestedUser>,
    /// What users without permissions may do.
    pub default_permissions: Option<Permissions>,
    /// Subject mappings.
    pub mappings: Vec<Mapping>,
    /// Limits.
    pub limits: AccountLimits,
    /// What it may store; `None`: nothing.
    pub jetstream: Option<JetStreamAccountLimits>,
    /// Messages are to be traced that do not ask for it.
    pub asks_for_traces: bool,
}

impl RequestedUser {
    /// Its name or key.
    pub fn name(&self) -> &str {
        self.identity.name()
    }

    fn resolve(&self, account: AccountId, default: Option<&Arc<Permissions>>) -> User {
        let own = self.permissions.clone().map(Arc::new);
        User {
            identity: self.identity.clone(),
            account,
            permissions: own.or_else(|| default.cloned()),
            connection_types: self.connection_types.clone(),
            proxy_required: self.proxy_required,
        }
    }
}

impl Access {
    /// The policy: first `$G`, then the system account, then the others.
    ///
    /// # Errors
    /// Names the setting that cannot be.
    pub fn policy(&self) -> Result<Policy, Refusal> {
        let system = match self.system_account.as_str() {
            "" => SYSTEM,
            name => name,
        };
        let is_known = self.accounts.iter().any(|account| account.name == system);
        if !self.system_account.is_empty() && !is_known {
            let text = "error resolving system account: account missing";
            return Err(Refusal::Start(text.to_owned()));
        }
        let mut global = Account::new(GLOBAL);
        global.mappings.clone_from(&self.mappings);
        // Without accounts, everybody shares what the server stores (NATS 2.15).
        let is_alone = self.accounts.iter().all(|account| account.name == system);
        global.jetstream = is_alone.then(JetStreamAccountLimits::default);
        let mut policy = Policy {
            accounts: vec![global, Account::new(system)],
            token: (!self.token.0.is_empty()).then(|| self.token.clone()),
            token_requires_proxy: self.proxy_required,
            ..Policy::default()
        };
        if !self.user.is_empty() {
            policy.users.push(User {
                proxy_required: self.proxy_required,
                ..User::new(&self.user, &self.password.0, AccountId::GLOBAL)
            });
        }
        let mut known = BTreeMap::from([(GLOBAL, AccountId::GLOBAL), (system, AccountId::SYSTEM)]);
        for requested in &self.accounts {
            let id = match known.get(&*requested.name) {
                Some(&id) => id,
                None => add_account(&mut policy, &requested.name).map_err(Refusal::Setting)?,
            };
            known.insert(&requested.name, id);
            configure(&mut policy, id, requested);
        }
        let default = self.default_permissions.clone().map(Arc::new);
        let users = self.users.iter();
        let users = users.map(|user| user.resolve(AccountId::GLOBAL, default.as_ref()));
        policy.users.extend(users);
        policy.has_single_user = !self.user.is_empty() && policy.users.len() == 1;
        if !self.no_auth_user.is_empty() {
            let user = find_no_auth_user(&policy, &self.no_auth_user);
            policy.no_auth_user = Some(user.map_err(Refusal::Setting)?);
        } else if self.admits_anyone(system) {
            policy.no_auth_user = Some(policy.users.len());
            policy.users.push(User {
                identity: Identity::Anonymous,
                ..User::new("", "", AccountId::GLOBAL)
            });
        }
        Ok(policy)
    }

    /// Whether clients without credentials are let into `$G`: a file that only gives the system
    /// account its users closes the door to nobody else (NATS 2.15).
    fn admits_anyone(&self, system: &str) -> bool {
        let mut accounts = self.accounts.iter();
        let has_single = !self.user.is_empty() || !self.token.0.is_empty();
        !self.accounts.is_empty()
            && accounts.all(|account| account.name == system)
            && !self.has_authorization
            && !has_single
    }
}

fn add_account(policy: &mut Policy, name: &str) -> Result<AccountId, String> {
    let place = u32::try_from(policy.accounts.len());
    let place = place.map_err(|_| "too many accounts".to_owned())?;
    policy.accounts.push(Account::new(name));
    Ok(AccountId::new(place, 0))
}

fn configure(policy: &mut Policy, id: AccountId, requested: &RequestedAccount) {
    let account = &mut policy.accounts[id.index()];
    account.limits = requested.limits;
    account.jetstream = requested.jetstream;
    account.mappings.extend(requested.mappings.iter().cloned());
    // Those of `authorization` are for its own users (NATS 2.15).
    let default = requested.default_permissions.clone().map(Arc::new);
    let users = requested.users.iter();
    let users = users.map(|user| user.resolve(id, default.as_ref()));
    policy.users.extend(users);
}

/// The user of clients without credentials, by its name or key.
pub(super) fn find_no_auth_user(policy: &Policy, name: &str) -> Result<usize, String> {
    let mut users = policy.users.iter();
    // That of `authorization.user` is none of those that count here (NATS 2.15).
    let is_listed = !policy.has_single_user;
    let at = users.position(|user| is_listed && user.identity.name() == name);
    at.ok_or_else(|| match policy.users.is_empty() || !is_listed {
        true => format!("no_auth_user: {name} present, but users/nkeys are not defined", name = quoted(&name)),
        false => format!(
            "no_auth_user: {name} not present as user or nkey in authorization block or account configuration", name = quoted(&name)),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn user(name: &str) -> RequestedUser {
        RequestedUser {
            identity: Identity::Password {
                user: name.into(),
                password: Secret("s3cret".into()),
            },
            permissions: None,
            connection_types: None,
            proxy_required: false,
        }
    }

    #[test]
    fn accounts_and_users_find_each_other() {
        let access = Access {
            users: vec![user("g")],
            accounts: vec![
                RequestedAccount {
                    name: "A".into(),
                    users: vec![user("a")],
                    default_permissions: Some(Permissions::default()),
                    ..RequestedAccount::default()
                },
                RequestedAccount {
                    name: "SYS".into(),
                    users: vec![user("admin")],
                    ..RequestedAccount::default()
                },
            ],
            system_account: "SYS".into(),
            no_auth_user: "a".into(),
            ..Access::default()
        };
        let policy = access.policy().unwrap();
        let names: Vec<_> = policy
            .accounts
            .iter()
            .map(|account| &*account.name)
            .collect();
        assert_eq!(names, ["$G", "SYS", "A"]);
        let accounts: Vec<_> = policy
            .users
            .iter()
            .map(|user| user.account.index())
            .collect();
        assert_eq!(accounts, [2, 1, 0]);
        assert!(policy.users[0].permissions.is_some());
        assert!(policy.users[2].permissions.is_none());
        assert_eq!(policy.no_auth_user, Some(0));
        assert!(!format!("{access:?} {policy:?}").contains("s3cret"));
    }

    #[test]
    fn names_that_do_not_exist_are_refused() {
        let access = Access {
            system_account: "X".into(),
            ..Access::default()
        };
        assert!(matches!(access.policy(), Err(Refusal::Start(_))));
        let access = Access {
            no_auth_user: "nobody".into(),
            ..Access::default()
        };
        assert!(
            access
                .policy()
                .unwrap_err()
                .to_string()
                .contains("users/nkeys are not defined")
        );
    }
}
