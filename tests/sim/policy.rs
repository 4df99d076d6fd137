//! Accounts, users and rights as the checkers understand them: plainly, without
//! the code that they judge. A model is also what the servers' policy is made
//! from.

pub mod keys;
pub mod mapping;
pub mod random;

use std::sync::Arc;

use trunkline_core::base::id::AccountId;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::policy::{
    Account, AccountUsage, Identity, Mapping, MappingDestination, Permissions, Policy,
    ResponseRights, SubjectRights, User,
};

use crate::protocol::reaches;

/// Accounts that a run may ever have, `$G` and `$SYS` included.
pub const ACCOUNTS_MAX: usize = 6;

/// What counts for an account's connections together, over all reloads.
pub type Usages = Vec<Arc<AccountUsage>>;

/// Who may connect and do what; without users it is the open policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    pub accounts: Vec<AccountModel>,
    pub users: Vec<UserModel>,
    /// The user of clients without credentials.
    pub no_auth: Option<usize>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountModel {
    pub connections_max: Option<u32>,
    pub subscriptions_max: Option<u32>,
    pub mappings: Vec<MappingModel>,
}

/// A mapping: the pattern, and where its subjects go with what weights.
#[derive(Clone, PartialEq, Debug)]
pub struct MappingModel {
    pub source: &'static str,
    pub destinations: Vec<(&'static str, u8)>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct UserModel {
    /// Its name, or its public key.
    pub name: String,
    pub proof: Proof,
    pub account: usize,
    /// `None`: everything is allowed.
    pub rights: Option<RightsModel>,
}

/// How a user proves who it is.
#[derive(Clone, PartialEq, Debug)]
pub enum Proof {
    Plain(String),
    /// A hash of this password, which takes long to check.
    Hashed(String),
    Signature,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct RightsModel {
    pub publish: Lists,
    pub subscribe: Lists,
    /// Answers per request and nanoseconds after it, zero: no limit.
    pub responses: Option<(u32, u64)>,
}

/// Clauses: a pattern, perhaps with a queue group after a blank.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Lists {
    pub allow: Option<Vec<String>>,
    pub deny: Vec<String>,
}

/// What a client presents in CONNECT.
#[derive(Clone, PartialEq, Debug)]
pub enum Claim {
    Nothing,
    Password(String, String),
    /// A signature by the owner of one of [`keys`], good or not.
    Signature {
        key: usize,
        is_good: bool,
    },
}

/// Who somebody is to the server.
#[derive(Clone, PartialEq, Debug)]
pub struct Bound {
    /// `None`: nobody in particular.
    pub user: Option<String>,
    pub account: usize,
}

/// What must become of a CONNECT.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    Accepted(Bound),
    Refused,
    /// It is this user if the password, checked for long, fits.
    Checked(Bound, bool),
}

impl Lists {
    /// Whether some clause without a queue matches, and what those with one
    /// say of this queue, if there are any.
    fn find(clauses: &[String], subject: &str, queue: Option<&str>) -> (bool, Option<bool>) {
        let (mut plain, mut queued) = (false, None);
        for clause in clauses {
            let (pattern, of) = match clause.split_once(' ') {
                Some((pattern, of)) => (pattern, Some(of)),
                None => (&**clause, None),
            };
            match (of, queue) {
                _ if !reaches(pattern, subject) => {}
                (None, _) => plain = true,
                (Some(_), None) => {}
                (Some(of), Some(queue)) => {
                    queued = Some(queued == Some(true) || reaches(of, queue));
                }
            }
        }
        (plain, queued)
    }

    pub fn denies(&self, subject: &str, queue: Option<&str>) -> bool {
        let (plain, queued) = Self::find(&self.deny, subject, queue);
        plain || queued == Some(true)
    }

    pub fn allows(&self, subject: &str, queue: Option<&str>) -> bool {
        let is_allowed = self.allow.as_ref().is_none_or(|allow| {
            let (plain, queued) = Self::find(allow, subject, queue);
            queued.unwrap_or(plain)
        });
        is_allowed && !self.denies(subject, queue)
    }
}

impl RightsModel {
    /// Whether a message may be published that a mapping sends nowhere: no
    /// clause speaks of it.
    pub fn may_publish_nowhere(&self) -> bool {
        let is_silent = self.responses.is_some() && self.publish == Lists::default();
        !is_silent && self.publish.allow.is_none()
    }

    pub fn may_publish(&self, subject: &str) -> bool {
        // Who may answer may not publish otherwise, unless that is said.
        let is_silent = self.responses.is_some() && self.publish == Lists::default();
        !is_silent && self.publish.allows(subject, None)
    }
}

impl Model {
    pub fn open() -> Self {
        Self {
            accounts: vec![AccountModel::default(); 2],
            users: Vec::new(),
            no_auth: None,
        }
    }

    pub fn is_open(&self) -> bool {
        self.users.is_empty()
    }

    pub fn signs(&self) -> bool {
        self.users.iter().any(|user| user.proof == Proof::Signature)
    }

    pub fn user(&self, name: &str) -> Option<&UserModel> {
        self.users.iter().find(|user| user.name == name)
    }

    /// What somebody may do; `None`: everything.
    pub fn rights_of(&self, bound: &Bound) -> Option<&RightsModel> {
        self.user(bound.user.as_deref()?)?.rights.as_ref()
    }

    fn bound(&self, user: &UserModel) -> Bound {
        Bound {
            user: Some(user.name.clone()),
            account: user.account,
        }
    }

    /// Who clients without credentials are.
    fn nobody(&self) -> Option<Bound> {
        self.no_auth.map(|user| self.bound(&self.users[user]))
    }

    /// Whether there is a user of the name or key that somebody claims, if it claims any.
    pub fn lists(&self, claim: &Claim) -> bool {
        match claim {
            Claim::Nothing => true,
            Claim::Signature { key, .. } => self.user(keys::public(*key)).is_some(),
            Claim::Password(name, _) => self.user(name).is_some(),
        }
    }

    /// Judges a CONNECT of a connection that was given a nonce or not.
    pub fn judge(&self, claim: &Claim, has_nonce: bool) -> Verdict {
        if self.is_open() {
            let (user, account) = (None, 0);
            return Verdict::Accepted(Bound { user, account });
        }
        match claim {
            Claim::Signature { key, is_good } if self.signs() => {
                let user = self.user(keys::public(*key));
                match user.filter(|_| *is_good && has_nonce) {
                    Some(user) => Verdict::Accepted(self.bound(user)),
                    None => Verdict::Refused,
                }
            }
            Claim::Nothing | Claim::Signature { .. } => {
                self.nobody().map_or(Verdict::Refused, Verdict::Accepted)
            }
            Claim::Password(name, given) => match self.user(name) {
                Some(user) => match &user.proof {
                    Proof::Plain(wanted) if wanted == given => Verdict::Accepted(self.bound(user)),
                    Proof::Hashed(wanted) => Verdict::Checked(self.bound(user), wanted == given),
                    _ => Verdict::Refused,
                },
                None => Verdict::Refused,
            },
        }
    }

    /// The policy of the servers, after another one if there was one.
    pub fn authority(&self, usages: &Usages, before: Option<&Authority>) -> Arc<Authority> {
        let policy = self.policy(usages);
        let authority = match before {
            Some(before) => before.succeeded_by(policy),
            None => Authority::new(policy),
        };
        Arc::new(authority.expect("models are valid"))
    }

    fn policy(&self, usages: &Usages) -> Policy {
        let accounts = self.accounts.iter().enumerate().map(|(number, model)| {
            let name = match number {
                0 => "$G".to_owned(),
                1 => "$SYS".to_owned(),
                _ => format!("A{number}"),
            };
            let mut account = Account::new(&name);
            account.usage = Arc::clone(&usages[number]);
            account.limits.connections_max = model.connections_max;
            account.limits.subscriptions_max = model.subscriptions_max;
            account.mappings = model.mappings.iter().map(mapping_of).collect();
            account
        });
        Policy {
            accounts: accounts.collect(),
            users: self.users.iter().map(user_of).collect(),
            no_auth_user: self.no_auth,
            ..Policy::default()
        }
    }
}

/// What stands in place of a bcrypt hash.
const HASH_PREFIX: &str = "$2a$05$";

/// Whether a password belongs to what stands in place of a hash.
pub fn fits(hash: &str, given: &str) -> bool {
    hash.strip_prefix(HASH_PREFIX) == Some(given)
}

fn mapping_of(model: &MappingModel) -> Mapping {
    let destination = |&(subject, weight): &(&str, u8)| MappingDestination {
        subject: subject.into(),
        weight,
        cluster: String::new(),
    };
    Mapping {
        source: model.source.into(),
        destinations: model.destinations.iter().map(destination).collect(),
    }
}

fn user_of(model: &UserModel) -> User {
    let account = AccountId::new(model.account as u32, 0);
    let mut user = match &model.proof {
        Proof::Plain(password) => User::new(&model.name, password, account),
        Proof::Hashed(password) => {
            User::new(&model.name, &format!("{HASH_PREFIX}{password}"), account)
        }
        Proof::Signature => {
            let mut user = User::new("", "", account);
            user.identity = Identity::Nkey(model.name.clone());
            user
        }
    };
    user.permissions = model.rights.as_ref().map(|rights| {
        let lists = |lists: &Lists| {
            let is_said = *lists != Lists::default();
            is_said.then(|| SubjectRights {
                allow: lists.allow.clone(),
                deny: lists.deny.clone(),
            })
        };
        let some = |number: u64| (number > 0).then_some(number);
        Arc::new(Permissions {
            publish: lists(&rights.publish),
            subscribe: lists(&rights.subscribe),
            responses: rights
                .responses
                .map(|(messages, expires_ns)| ResponseRights {
                    messages_max: some(u64::from(messages)).map(|messages| messages as u32),
                    expires_ns: some(expires_ns),
                }),
        })
    });
    user
}
