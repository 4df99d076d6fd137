//! Deciding who a client is: a [`Policy`] in the form in which it is asked,
//! shared by all cores and made once per configuration.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};

use super::certificate::CertificateNames;
use super::distinguished_name::DistinguishedName;
use super::policy::{
    Account, ConnectionType, Identity, ListenerCredentials, Permissions, Policy, Secret,
};
use super::succession::numbered_after;
use crate::base::identity::user_key;
use crate::base::limits::{ACCOUNTS_MAX, USERS_MAX};
use crate::base::shown::quoted;
use crate::subject::mapping::SubjectMapping;
use crate::subject::rights::Rights;
use crate::subject::rights_table::{RightsCollector, RightsId, RightsTable};
use crate::wire::connect::ConnectOptions;

/// A policy, compiled.
#[derive(Debug, Default)]
pub struct Authority {
    policy: Policy,
    /// All different sets of rights.
    rights: RightsTable,
    /// The rights of every user; `None`: it may do everything.
    rights_of_users: Vec<Option<RightsId>>,
    /// Users with passwords, by name.
    names: BTreeMap<String, u32>,
    /// Users whose names are subjects of certificates.
    subjects: Vec<(u32, DistinguishedName)>,
    /// Users that sign, by key.
    keys: BTreeMap<String, (u32, VerifyingKey)>,
    /// The mappings of every account.
    mappings: Vec<Arc<[SubjectMapping]>>,
}

/// What a client presents.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Its CONNECT.
    pub options: &'a ConnectOptions,
    /// The nonce that it was given; empty: none.
    pub nonce: &'a [u8],
    /// The names in its certificate.
    pub certificate: Option<&'a CertificateNames>,
    /// How it is connected.
    pub connection_type: ConnectionType,
}

/// What is to become of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is this user, or nobody in particular.
    Accepted(Option<u32>),
    /// It must not connect.
    Refused,
    /// It is this user if the password belongs to the hash, which takes too
    /// long to be found out here.
    IfPasswordFits {
        /// The user, if there are users.
        user: Option<u32>,
        /// The bcrypt hash.
        hash: String,
        /// What the client gave.
        given: String,
    },
}

/// What a connection waits to become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The user, if there are users.
    pub user: Option<u32>,
    /// The number of the check that decides it.
    pub check: u64,
}

/// Why a policy cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadPolicy(pub String);

impl Authority {
    /// Compiles a policy.
    ///
    /// # Errors
    /// If a subject, mapping or key of it is not valid, or it has too many users
    /// or accounts.
    pub fn new(policy: Policy) -> Result<Self, BadPolicy> {
        Self::compiled(policy, RightsCollector::new(&RightsTable::default(), None))
    }

    /// Compiles the policy that follows this one, once this one has reached all
    /// connections. Accounts of the same name keep their numbers
    /// ([`numbered_after`]), and so do equal sets of rights, so that whoever
    /// keeps its rights needs no look.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn succeeded_by(&self, policy: Policy) -> Result<Self, BadPolicy> {
        let policy = numbered_after(&self.policy, policy)
            .ok_or_else(|| BadPolicy("too many reloads: the server must restart".to_owned()))?;
        let in_use = self.rights_of_users.iter().flatten().copied();
        Self::compiled(policy, RightsCollector::new(&self.rights, in_use))
    }

    fn compiled(policy: Policy, mut rights: RightsCollector) -> Result<Self, BadPolicy> {
        if policy.users.len() > USERS_MAX {
            return Err(BadPolicy(format!("more than {USERS_MAX} users")));
        }
        if policy.accounts_in_use().count() > ACCOUNTS_MAX {
            return Err(BadPolicy(format!("more than {ACCOUNTS_MAX} accounts")));
        }
        let mut authority = Self::default();
        // Users share the permissions of their account: those are compiled once.
        let mut compiled: BTreeMap<*const Permissions, RightsId> = BTreeMap::new();
        for (number, user) in (0u32..).zip(&policy.users) {
            authority.enter(number, &user.identity)?;
            let id = match &user.permissions {
                None => None,
                Some(permissions) => Some(match compiled.entry(Arc::as_ptr(permissions)) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        let id = rights.number_of(compile(permissions)?);
                        let too_many = || BadPolicy("too many sets of permissions".to_owned());
                        *new.insert(id.ok_or_else(too_many)?)
                    }
                }),
            };
            authority.rights_of_users.push(id);
        }
        let mappings = policy.accounts.iter().map(mappings_of);
        authority.mappings = mappings.collect::<Result<_, _>>()?;
        authority.rights = rights.finish();
        authority.policy = policy;
        Ok(authority)
    }

    /// Lets a user be found by what it presents.
    fn enter(&mut self, number: u32, identity: &Identity) -> Result<(), BadPolicy> {
        match identity {
            Identity::Password { user, .. } => {
                self.names.insert(user.clone(), number);
                let subject = DistinguishedName::parse(user).filter(|_| user.contains('='));
                self.subjects
                    .extend(subject.map(|subject| (number, subject)));
            }
            Identity::Nkey(text) => {
                let key = user_key(text)
                    .and_then(|raw| VerifyingKey::from_bytes(&raw).ok())
                    .ok_or_else(|| {
                        BadPolicy(format!("not a valid public nkey: {}", quoted(text)))
                    })?;
                self.keys.insert(text.clone(), (number, key));
            }
            Identity::Anonymous => {}
        }
        Ok(())
    }

    /// Everybody may do everything.
    ///
    /// # Panics
    /// Never: the policy without users is valid.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Policy::open()).expect("the policy without users is valid")
    }

    /// What was compiled.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// All different sets of rights.
    #[must_use]
    pub fn rights(&self) -> &RightsTable {
        &self.rights
    }

    /// The rights of a user; `None`: it may do everything.
    #[must_use]
    pub fn rights_of(&self, user: Option<u32>) -> Option<RightsId> {
        self.rights_of_users[user? as usize]
    }

    /// Whether connections that had rights by the older policy may go on with their
    /// numbers: this one has succeeded it ([`Self::succeeded_by`]).
    #[must_use]
    pub fn keeps_numbers_of(&self, older: &Self) -> bool {
        let mut in_use = older.rights_of_users.iter().flatten();
        in_use.all(|&id| self.rights.agrees_on(id, &older.rights))
    }

    /// The mappings of the account that has a place.
    #[must_use]
    pub fn mappings_of(&self, place: usize) -> Arc<[SubjectMapping]> {
        self.mappings.get(place).cloned().unwrap_or_default()
    }

    /// The user that clients without credentials are.
    #[must_use]
    pub fn no_auth_user(&self, connection_type: ConnectionType) -> Option<u32> {
        let policy = &self.policy;
        let own = match connection_type {
            ConnectionType::Websocket => policy.websocket_no_auth_user,
            _ => None,
        };
        let user = own.or(policy.no_auth_user)?;
        Some(u32::try_from(user).expect("the number of users is bounded"))
    }

    /// Whether a connection of this type has to present credentials.
    #[must_use]
    pub fn requires_credentials(&self, connection_type: ConnectionType) -> bool {
        self.policy.requires_credentials_over(connection_type)
    }

    /// Finds out who a client is.
    #[must_use]
    pub fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        let is_websocket = attempt.connection_type == ConnectionType::Websocket;
        let options = attempt.options;
        if is_websocket && let Some(wanted) = &self.policy.websocket_override {
            return match wanted {
                ListenerCredentials::Token(token) => compare(None, token, &options.token),
                ListenerCredentials::User { user, password } if *user == options.user => {
                    compare(None, password, &options.password)
                }
                ListenerCredentials::User { .. } => Verdict::Refused,
            };
        }
        if !self.policy.requires_credentials() {
            return Verdict::Accepted(None);
        }
        let verdict = self.judge_user(attempt, is_websocket);
        let user = match &verdict {
            Verdict::Accepted(user) | Verdict::IfPasswordFits { user, .. } => *user,
            Verdict::Refused => None,
        };
        let is_fitting = user.is_none_or(|user| self.admits_type(user, attempt.connection_type));
        match is_fitting {
            true => verdict,
            false => Verdict::Refused,
        }
    }

    fn judge_user(&self, attempt: &Attempt<'_>, is_websocket: bool) -> Verdict {
        let options = attempt.options;
        if !options.nkey.is_empty() && !self.keys.is_empty() {
            return self.judge_signature(attempt);
        }
        let maps_certificates = match is_websocket {
            true => self.policy.websocket_maps_certificates,
            false => self.policy.maps_certificates,
        };
        if maps_certificates {
            let user = attempt
                .certificate
                .and_then(|names| self.owner(attempt, names));
            return user.map_or(Verdict::Refused, |user| self.check_password(user, options));
        }
        let is_bare =
            options.user.is_empty() && options.password.is_empty() && options.token.is_empty();
        if is_bare && let Some(user) = self.no_auth_user(attempt.connection_type) {
            return Verdict::Accepted(Some(user));
        }
        if let Some(token) = &self.policy.token {
            if self.policy.token_requires_proxy {
                return Verdict::Refused;
            }
            return compare(None, token, &options.token);
        }
        match self.names.get(&options.user) {
            Some(&user) => self.check_password(user, options),
            None => Verdict::Refused,
        }
    }

    fn judge_signature(&self, attempt: &Attempt<'_>) -> Verdict {
        let Some((user, key)) = self.keys.get(&attempt.options.nkey) else {
            return Verdict::Refused;
        };
        let text = &attempt.options.signature;
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .or_else(|_| STANDARD.decode(text))
            .unwrap_or_default();
        let is_signed = Signature::from_slice(&bytes)
            .is_ok_and(|signature| key.verify_strict(attempt.nonce, &signature).is_ok());
        match is_signed && !attempt.nonce.is_empty() {
            true => Verdict::Accepted(Some(*user)),
            false => Verdict::Refused,
        }
    }

    fn check_password(&self, user: u32, options: &ConnectOptions) -> Verdict {
        match &self.policy.users[user as usize].identity {
            Identity::Password { password, .. } => compare(Some(user), password, &options.password),
            // Only a certificate leads here.
            Identity::Nkey(_) | Identity::Anonymous => Verdict::Refused,
        }
    }

    /// The user that a certificate belongs to: by e-mail, DNS name, URI, then
    /// subject. Who may not connect in this way does not count.
    fn owner(&self, attempt: &Attempt<'_>, names: &CertificateNames) -> Option<u32> {
        let admits = |user: &u32| self.admits_type(*user, attempt.connection_type);
        let by_name = |name: &String| self.names.get(name).copied().filter(admits);
        let by_subject = |is_same: fn(&DistinguishedName, &DistinguishedName) -> bool| {
            let subject = names.subject.as_ref()?;
            let mut users = self.subjects.iter();
            let found = users.find(|(user, own)| admits(user) && is_same(own, subject));
            found.map(|&(user, _)| user)
        };
        let lists = [&names.emails, &names.dns_names, &names.uris];
        let mut all = lists.into_iter().flatten();
        all.find_map(by_name)
            .or_else(|| by_subject(DistinguishedName::is_same))
            .or_else(|| by_subject(DistinguishedName::is_same_in_any_order))
            .or_else(|| names.written.iter().find_map(by_name))
    }

    /// Whether a user may connect in this way. None is through a proxy that is trusted: those who
    /// must come through one stay out, as in the reference server where none is named.
    #[must_use]
    pub fn admits_type(&self, user: u32, connection_type: ConnectionType) -> bool {
        let user = &self.policy.users[user as usize];
        let types = user.connection_types.as_ref();
        !user.proxy_required && types.is_none_or(|types| types.contains(&connection_type))
    }

    /// Whether a user of an older policy still exists, be it with other
    /// credentials.
    #[must_use]
    pub fn still_knows(&self, older: &Self, user: u32) -> bool {
        match &older.policy.users[user as usize].identity {
            Identity::Password { user, .. } => self.names.contains_key(user),
            Identity::Nkey(key) => self.keys.contains_key(key),
            Identity::Anonymous => self.anonymous().is_some(),
        }
    }

    /// The user that presents nothing and has no name, if there is one.
    fn anonymous(&self) -> Option<u32> {
        let user = self.policy.no_auth_user?;
        let is_anonymous = self.policy.users[user].identity == Identity::Anonymous;
        u32::try_from(user).ok().filter(|_| is_anonymous)
    }

    /// Whether the name or key that a client presents is one of a list of users, or it presents
    /// none. After a reload the reference server takes all others for users that are gone, also
    /// the one of `authorization.user` with another password: they end without a word.
    #[must_use]
    pub fn lists(&self, options: &ConnectOptions) -> bool {
        match (&*options.nkey, &*options.user) {
            ("", "") => true,
            ("", user) => !self.policy.has_single_user && self.names.contains_key(user),
            (key, _) => self.keys.contains_key(key),
        }
    }

    /// The user of an older policy under whose identity nothing has to be
    /// proven again; `None` if there is none.
    #[must_use]
    pub fn same_user(&self, older: &Self, user: u32) -> Option<u32> {
        let before = &older.policy.users[user as usize];
        let now = match &before.identity {
            Identity::Password { user, .. } => self.names.get(user).copied(),
            Identity::Nkey(key) => self.keys.get(key).map(|entry| entry.0),
            Identity::Anonymous => self.anonymous(),
        }?;
        (self.policy.users[now as usize].identity == before.identity).then_some(now)
    }
}

fn compile(permissions: &Permissions) -> Result<Rights, BadPolicy> {
    #[cfg(test)]
    tests::COMPILED.with(|count| count.set(count.get() + 1));
    let lists = |rights: &Option<super::policy::SubjectRights>| {
        let rights = rights.clone().unwrap_or_default();
        (rights.allow, rights.deny)
    };
    let (publish, subscribe) = (lists(&permissions.publish), lists(&permissions.subscribe));
    let responses = permissions.responses.map(|responses| {
        let messages = responses.messages_max.unwrap_or(0);
        (messages, responses.expires_ns.unwrap_or(0))
    });
    Rights::parse(
        (publish.0.as_deref(), &publish.1),
        (subscribe.0.as_deref(), &subscribe.1),
        responses,
    )
    .map_err(|_| BadPolicy("permissions hold an invalid subject".to_owned()))
}

fn mappings_of(account: &Account) -> Result<Arc<[SubjectMapping]>, BadPolicy> {
    let compiled = account.mappings.iter().map(|mapping| {
        // Destinations for clusters wait for clusters.
        let destinations = mapping.destinations.iter();
        let own = destinations.filter(|destination| destination.cluster.is_empty());
        let own: Vec<_> = own.map(|d| (&*d.subject, d.weight)).collect();
        SubjectMapping::parse(&mapping.source, &own)
            .map_err(|error| BadPolicy(format!("mapping {}: {error}", quoted(&mapping.source))))
    });
    compiled.collect()
}

fn compare(user: Option<u32>, secret: &Secret, given: &str) -> Verdict {
    if secret.is_bcrypt() {
        return Verdict::IfPasswordFits {
            user,
            hash: secret.0.clone(),
            given: given.to_owned(),
        };
    }
    match is_same(&secret.0, given) {
        true => Verdict::Accepted(user),
        false => Verdict::Refused,
    }
}

/// Compares without telling by its time where the first difference is.
fn is_same(expected: &str, given: &str) -> bool {
    let differing = expected
        .bytes()
        .zip(given.bytes())
        .fold(0u8, |sum, (a, b)| sum | (a ^ b));
    differing == 0 && expected.len() == given.len()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::base::id::AccountId;
    use crate::session::policy::{SubjectRights, User};

    thread_local! {
        /// How often permissions were compiled on this thread.
        pub(super) static COMPILED: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn what_users_share_is_compiled_once() {
        let allowing = |subject: &str| {
            Arc::new(Permissions {
                publish: Some(SubjectRights {
                    allow: Some(vec![subject.to_owned()]),
                    deny: Vec::new(),
                }),
                ..Permissions::default()
            })
        };
        let (shared, own) = (allowing("shared"), allowing("own"));
        let mut policy = Policy::open();
        policy.users = (0..500)
            .map(|number| User {
                permissions: Some(match number {
                    7 => Arc::clone(&own),
                    _ => Arc::clone(&shared),
                }),
                ..User::new(&format!("u{number}"), "p", AccountId::GLOBAL)
            })
            .collect();
        let before = COMPILED.with(Cell::get);
        let authority = Authority::new(policy).expect("valid");
        assert_eq!(COMPILED.with(Cell::get) - before, 2);
        assert_eq!(authority.rights_of(Some(0)), authority.rights_of(Some(499)));
        assert_ne!(authority.rights_of(Some(0)), authority.rights_of(Some(7)));
    }
}
