//! Policies from the dice, and what a reload changes of them.

use super::{AccountModel, Claim, Lists, MappingModel, Model, Proof, RightsModel, UserModel, keys};
use crate::clock::MICROSECOND;
use crate::dice::Dice;
use crate::policy::ACCOUNTS_MAX;

const NAMES: &[&str] = &["u0", "u1", "u2", "u3", "u4", "u5"];
const PASSWORDS: &[&str] = &["p0", "p1"];

/// Clauses that allow: wide enough that something is left to do.
const ALLOWED: &[&str] = &[
    ">", "a.>", "a", "b", "*", "a.*", "*.*", "svc.*", "svc.>", "_INBOX.>", "m.*", "d.e",
];
const DENIED: &[&str] = &[
    "a", "b", "a.b", "a.*", "a.>", "d.e", "*.b", "svc.1", "svc.*", "m.x", "_INBOX.>", "none.>",
];
const QUEUED: &[&str] = &[
    "a q",
    "a.* q",
    "> r",
    "a.> *",
    "svc.* work",
    "svc.> *",
    "b q",
    "*.* q",
];

const MAPPINGS: &[(&str, &[(&str, u8)])] = &[
    ("a", &[("b", 100)]),
    ("b", &[("a.b", 100)]),
    ("a.b", &[("a.c", 50), ("d.e", 30)]),
    ("f", &[("a", 40), ("f", 30)]),
    ("m.*", &[("a.$1", 100)]),
    ("m.*", &[("a.{{partition(3,1)}}.$1", 100)]),
    ("m.*", &[("m.{{wildcard(1)}}", 50), ("b", 50)]),
    ("svc.3", &[("svc.0", 50), ("svc.1", 50)]),
    ("svc.*", &[("svc.$1", 100)]),
    ("a.*.c", &[("f", 60)]),
    ("d.e", &[("f", 0), ("b", 100)]),
];

impl Model {
    /// A policy; now and then the open one.
    pub fn random(dice: &mut Dice) -> Self {
        if dice.percent(15) {
            return Self::open();
        }
        let mut model = Self::open();
        for _ in 0..dice.between(0, (ACCOUNTS_MAX - 2) as u64) {
            model.accounts.push(AccountModel::default());
        }
        for account in 0..model.accounts.len() {
            model.accounts[account] = account_of(dice);
        }
        for name in NAMES {
            if dice.percent(70) {
                model.users.push(user(dice, name, model.accounts.len()));
            }
        }
        for key in 0..keys::KEYS {
            if dice.percent(25) {
                let mut user = user(dice, keys::public(key), model.accounts.len());
                user.proof = Proof::Signature;
                model.users.push(user);
            }
        }
        model.no_auth = choose_no_auth(dice, &model);
        model.settle();
        model
    }

    /// The policy after a reload; its accounts keep their numbers.
    pub fn changed(&self, dice: &mut Dice) -> Self {
        let mut model = self.clone();
        if dice.percent(5) {
            model.users.clear();
            model.no_auth = None;
            return model;
        }
        if self.is_open() && dice.percent(50) {
            let mut fresh = Self::random(dice);
            while fresh.accounts.len() < self.accounts.len() {
                fresh.accounts.push(AccountModel::default());
            }
            return fresh;
        }
        if dice.percent(20) && model.accounts.len() < ACCOUNTS_MAX {
            model.accounts.push(account_of(dice));
        }
        for _ in 0..dice.between(1, 4) {
            model.change(dice);
        }
        if dice.percent(20) {
            model.no_auth = choose_no_auth(dice, &model);
        }
        model.settle();
        model
    }

    /// Changes one thing.
    fn change(&mut self, dice: &mut Dice) {
        let accounts = self.accounts.len();
        if dice.percent(20) {
            let account = dice.between(0, accounts as u64 - 1) as usize;
            self.accounts[account] = account_of(dice);
            return;
        }
        if self.users.is_empty() {
            return;
        }
        let at = dice.between(0, self.users.len() as u64 - 1) as usize;
        match dice.between(0, 99) {
            0..55 => self.users[at].rights = rights(dice),
            55..65 if self.users[at].proof != Proof::Signature => {
                self.users[at].proof = proof(dice);
            }
            65..75 => self.users[at].account = account(dice, accounts),
            75..85 if self.users.len() > 1 => {
                self.users.remove(at);
                self.no_auth = None;
            }
            85..100 => {
                let missing = NAMES.iter().find(|name| self.user(name).is_none());
                if let Some(name) = missing {
                    let user = user(dice, name, accounts);
                    self.users.insert(at, user);
                    self.no_auth = None;
                }
            }
            _ => {}
        }
    }

    /// An account whose connections come by themselves has room for them, so
    /// that nobody has to know who came first.
    fn settle(&mut self) {
        if self.users.is_empty() {
            self.no_auth = None;
        }
        let nobody = self.nobody();
        if let Some(nobody) = nobody {
            self.accounts[nobody.account].connections_max = None;
        }
    }

    /// What a client presents: often what is right, sometimes not.
    pub fn claim(&self, dice: &mut Dice) -> Claim {
        if self.users.is_empty() || dice.percent(8) {
            return match dice.percent(50) {
                true => Claim::Nothing,
                false => Claim::Password("u0".into(), "p0".into()),
            };
        }
        if dice.percent(4) {
            return Claim::Password("nobody".into(), "p0".into());
        }
        let user = dice.pick(&self.users);
        let is_good = dice.percent(92);
        match &user.proof {
            Proof::Plain(password) | Proof::Hashed(password) => {
                let suffix = if is_good { "" } else { "?" };
                Claim::Password(user.name.clone(), format!("{password}{suffix}"))
            }
            Proof::Signature => {
                let mut all = 0..keys::KEYS;
                let key = all.find(|&key| keys::public(key) == user.name).unwrap();
                Claim::Signature { key, is_good }
            }
        }
    }
}

fn choose_no_auth(dice: &mut Dice, model: &Model) -> Option<usize> {
    let is_there = dice.percent(40) && !model.users.is_empty();
    is_there.then(|| dice.between(0, model.users.len() as u64 - 1) as usize)
}

fn account_of(dice: &mut Dice) -> AccountModel {
    let mut account = AccountModel::default();
    if dice.percent(10) {
        account.connections_max = Some(dice.between(1, 4) as u32);
    }
    if dice.percent(10) {
        account.subscriptions_max = Some(dice.between(1, 6) as u32);
    }
    if dice.percent(40) {
        for _ in 0..dice.between(1, 3) {
            let (source, destinations) = *dice.pick(MAPPINGS);
            let is_new = |mapping: &MappingModel| mapping.source != source;
            if account.mappings.iter().all(is_new) {
                account.mappings.push(MappingModel {
                    source,
                    destinations: destinations.to_vec(),
                });
            }
        }
    }
    account
}

fn user(dice: &mut Dice, name: &str, accounts: usize) -> UserModel {
    UserModel {
        name: name.into(),
        proof: proof(dice),
        account: account(dice, accounts),
        rights: rights(dice),
    }
}

/// An account: often the same, since who is alone has nothing to hear.
fn account(dice: &mut Dice, accounts: usize) -> usize {
    match dice.percent(50) {
        true => accounts - 1,
        false => dice.between(0, accounts as u64 - 1) as usize,
    }
}

fn proof(dice: &mut Dice) -> Proof {
    let password = (*dice.pick(PASSWORDS)).to_owned();
    match dice.percent(25) {
        true => Proof::Hashed(password),
        false => Proof::Plain(password),
    }
}

fn rights(dice: &mut Dice) -> Option<RightsModel> {
    if dice.percent(45) {
        return None;
    }
    let mut rights = RightsModel {
        publish: lists(dice, false),
        subscribe: lists(dice, true),
        responses: None,
    };
    if dice.percent(30) {
        let messages = dice.between(0, 2) as u32;
        let expires_ns = *dice.pick(&[0, 30, 300, 3_000]) * MICROSECOND;
        rights.responses = Some((messages, expires_ns));
        if dice.percent(60) {
            rights.publish = Lists::default();
        } else if let Some(allow) = &mut rights.publish.allow {
            allow.retain(|clause| clause != "_INBOX.>" && clause != ">");
        }
    }
    Some(rights)
}

fn lists(dice: &mut Dice, with_queues: bool) -> Lists {
    let mut some = |from: &[&str], max: u64| -> Vec<String> {
        let count = dice.between(1, max);
        (0..count)
            .map(|_| match with_queues && dice.percent(25) {
                true => (*dice.pick(QUEUED)).to_owned(),
                false => (*dice.pick(from)).to_owned(),
            })
            .collect()
    };
    let (mut allow, deny) = (some(ALLOWED, 4), some(DENIED, 2));
    if dice.percent(80) {
        allow.push("_INBOX.>".into());
    }
    Lists {
        allow: dice.percent(45).then_some(allow),
        deny: if dice.percent(50) { deny } else { Vec::new() },
    }
}
