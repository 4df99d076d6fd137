//! Accounts and rights under random traffic on several cores, with reloads that
//! the cores apply one after the other: nothing crosses an account, nothing is
//! delivered that nobody may hear, and what is allowed arrives.
//!
//! `AUTHORITY_SEEDS=1000 cargo test -p trunkline-tests --test authority` looks further.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "shards/mod.rs"]
mod shards;

use shards::Shards;
use std::sync::Arc;
use trunkline_core::base::id::AccountId;
use trunkline_core::base::limits::Limits;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::policy::{Account, Permissions, Policy, SubjectRights, User};
use trunkline_core::subject::pattern::matches;
use trunkline_tests::harness::random::Random;

const USERS: [&str; 6] = ["u0", "u1", "u2", "u3", "u4", "u5"];
const SUBJECTS: [&str; 6] = ["a.1", "a.2", "b.1", "b.2", "c", "a.1.x"];
const PATTERNS: [&str; 8] = ["a.*", "a.>", "b.1", "b.*", "c", ">", "a.1", "*.2"];
const STEPS: usize = 300;

/// What the policy in force says of one user.
#[derive(Clone, PartialEq, Debug)]
struct Rules {
    /// Its name.
    account: String,
    publish_deny: Vec<String>,
    subscribe_deny: Vec<String>,
}

/// A policy, and what it says in plain words.
struct Configuration {
    authority: Arc<Authority>,
    rules: Vec<Rules>,
}

/// Some accounts of many, so that they come and go, and users in them; it may
/// follow another configuration.
fn configuration(random: &mut Random, older: Option<&Authority>) -> Configuration {
    let mut policy = Policy::open();
    for name in ["A", "B", "C", "D", "E", "F"] {
        if random.chance(40) {
            policy.accounts.push(Account::new(name));
        }
    }
    let mut rules = Vec::new();
    for name in USERS {
        let some = |random: &mut Random| -> Vec<String> {
            let count = random.below(3);
            (0..count)
                .map(|_| (*random.pick(&PATTERNS[..7])).to_owned())
                .collect()
        };
        let mut rule = Rules {
            account: String::new(),
            publish_deny: some(random),
            subscribe_deny: some(random),
        };
        let account = random.below(policy.accounts.len());
        rule.account = policy.accounts[account].name.to_string();
        let mut user = User::new(name, "pw", AccountId::new(account as u32, 0));
        let rights = |deny: &Vec<String>| {
            Some(SubjectRights {
                allow: None,
                deny: deny.clone(),
            })
        };
        user.permissions = Some(Arc::new(Permissions {
            publish: rights(&rule.publish_deny),
            subscribe: rights(&rule.subscribe_deny),
            responses: None,
        }));
        policy.users.push(user);
        rules.push(rule);
    }
    let authority = match older {
        Some(older) => older.succeeded_by(policy),
        None => Authority::new(policy),
    };
    let authority = Arc::new(authority.unwrap());
    Configuration { authority, rules }
}

struct Client {
    number: usize,
    core: usize,
    user: usize,
    /// Its subscriptions by sid.
    subscriptions: Vec<&'static str>,
}

struct World {
    random: Random,
    shards: Shards,
    cores: usize,
    clients: Vec<Client>,
    configuration: Configuration,
}

fn is_denied(deny: &[String], subject: &str) -> bool {
    deny.iter()
        .any(|one| matches(one.as_bytes(), subject.as_bytes()))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let cores = random.between(1, 4);
        let configuration = configuration(&mut random, None);
        let shards =
            Shards::with_authority(cores, &Limits::default(), true, &configuration.authority);
        Self {
            random,
            shards,
            cores,
            clients: Vec::new(),
            configuration,
        }
    }

    fn join(&mut self) {
        let (core, user) = (
            self.random.below(self.cores),
            self.random.below(USERS.len()),
        );
        let number = self.shards.connect(core);
        let connect = format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{}\",\"pass\":\"pw\"}}\r\n",
            USERS[user]
        );
        self.shards.send(number, connect.as_bytes());
        self.shards.run();
        assert!(self.shards.peer(number).is_open);
        self.clients.push(Client {
            number,
            core,
            user,
            subscriptions: Vec::new(),
        });
    }

    fn subscribe(&mut self) {
        let at = self.random.below(self.clients.len());
        let pattern = *self.random.pick(&PATTERNS);
        let client = &mut self.clients[at];
        let line = format!("SUB {pattern} {}\r\n", client.subscriptions.len());
        let rules = &self.configuration.rules[client.user];
        self.shards.forget_output(client.number);
        self.shards.send(client.number, line.as_bytes());
        self.shards.run();
        let refused = !self.shards.peer(client.number).output.is_empty();
        assert_eq!(
            refused,
            is_denied(&rules.subscribe_deny, pattern),
            "{line} {rules:?}"
        );
        // A refused one keeps its number, so that sids stay places.
        client
            .subscriptions
            .push(if refused { "" } else { pattern });
    }

    /// Publishes, and compares what everybody hears with what they should.
    fn publish(&mut self) {
        let from = self.random.below(self.clients.len());
        let subject = *self.random.pick(&SUBJECTS);
        for client in &self.clients {
            self.shards.forget_output(client.number);
        }
        let publisher = &self.clients[from];
        let rules = &self.configuration.rules;
        let mine = &rules[publisher.user];
        let is_allowed = !is_denied(&mine.publish_deny, subject);
        self.shards.send(
            publisher.number,
            format!("PUB {subject} 2\r\nhi\r\n").as_bytes(),
        );
        self.shards.run();
        for client in &self.clients {
            let theirs = &rules[client.user];
            let mut expected: Vec<String> = Vec::new();
            if !is_allowed && client.number == publisher.number {
                expected.push(format!(
                    "-ERR 'Permissions Violation for Publish to \"{subject}\"'"
                ));
            }
            if is_allowed
                && theirs.account == mine.account
                && !is_denied(&theirs.subscribe_deny, subject)
            {
                let hears = client.subscriptions.iter().enumerate();
                let hears = hears.filter(|(_, pattern)| {
                    !pattern.is_empty() && matches(pattern.as_bytes(), subject.as_bytes())
                });
                expected.extend(hears.map(|(sid, _)| format!("MSG {subject} {sid} 2")));
            }
            let output = &self.shards.peer(client.number).output;
            let output = String::from_utf8_lossy(output);
            let mut got: Vec<&str> = output.lines().filter(|line| *line != "hi").collect();
            got.sort_unstable();
            expected.sort_unstable();
            assert_eq!(got, expected, "{subject} from {mine:?} to {theirs:?}");
        }
    }

    /// Another configuration, core by core, with traffic in between.
    fn reload(&mut self) {
        let older = Arc::clone(&self.configuration.authority);
        let new = configuration(&mut self.random, Some(&older));
        let mut order: Vec<usize> = (0..self.cores).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, self.random.below(at + 1));
        }
        for core in order {
            self.shards
                .reconfigure(core, &Limits::default(), &new.authority);
            // While cores differ nobody can say what is right; nothing may break.
            let at = self.random.below(self.clients.len());
            let lines = "PUB a.1 2\r\nhi\r\nSUB b.2 x\r\nPUB b.2 2\r\nhi\r\nUNSUB x\r\n";
            let number = self.clients[at].number;
            if self.shards.peer(number).is_open {
                self.shards.send(number, lines.as_bytes());
            }
            if self.random.chance(50) {
                self.shards.run();
            }
        }
        self.shards.run();
        let old = std::mem::replace(&mut self.configuration, new);
        let (shards, rules) = (&self.shards, &self.configuration.rules);
        self.clients.retain_mut(|client| {
            let (before, now) = (&old.rules[client.user], &rules[client.user]);
            let is_open = shards.peer(client.number).is_open;
            assert_eq!(
                is_open,
                before.account == now.account,
                "core {}",
                client.core
            );
            for pattern in &mut client.subscriptions {
                if is_denied(&now.subscribe_deny, pattern) {
                    *pattern = "";
                }
            }
            is_open
        });
        if self.clients.is_empty() {
            self.join();
        }
    }
}

fn play(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..4 {
        world.join();
    }
    for _ in 0..STEPS {
        match world.random.below(100) {
            0..5 => world.join(),
            5..25 => world.subscribe(),
            25..28 => world.reload(),
            _ => world.publish(),
        }
    }
}

#[test]
fn nothing_crosses_an_account_and_revoked_rights_end() {
    let seeds = std::env::var("AUTHORITY_SEEDS").ok();
    let seeds: u64 = seeds.map_or(60, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let outcome = std::panic::catch_unwind(|| play(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

/// Who is counted as a member elsewhere may not be allowed to get a message:
/// then it goes on until it finds one who is.
#[test]
fn a_message_for_a_group_finds_the_one_member_who_may_get_it() {
    const CORES: usize = 4;
    let mut policy = Policy::open();
    policy
        .users
        .push(User::new("free", "pw", AccountId::GLOBAL));
    let mut bound = User::new("bound", "pw", AccountId::GLOBAL);
    bound.permissions = Some(Arc::new(Permissions {
        subscribe: Some(SubjectRights {
            allow: None,
            deny: vec!["a.1".to_owned()],
        }),
        ..Permissions::default()
    }));
    policy.users.push(bound);
    let authority = Arc::new(Authority::new(policy).unwrap());
    for home in 0..CORES {
        let mut shards = Shards::with_authority(CORES, &Limits::default(), true, &authority);
        let join = |shards: &mut Shards, core: usize, user: &str, lines: &str| {
            let number = shards.connect(core);
            let text = format!(
                "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{user}\",\"pass\":\"pw\"}}\r\n{lines}"
            );
            shards.send(number, text.as_bytes());
            number
        };
        for core in 0..CORES {
            join(&mut shards, core, "bound", "SUB a.* q 1\r\n");
        }
        let free = join(&mut shards, home, "free", "SUB a.* q 1\r\n");
        let publisher = join(&mut shards, 0, "free", "");
        for _ in 0..40 {
            shards.send(publisher, b"PUB a.1 2\r\nhi\r\n");
        }
        shards.run();
        let output = String::from_utf8_lossy(&shards.peer(free).output).into_owned();
        assert_eq!(output.matches("MSG a.1 1 2").count(), 40, "on core {home}");
    }
}

/// Users with sets of rights of their own, all of which another policy changes:
/// numbers go round every width that is too small, and back.
#[test]
fn everybody_has_rights_of_their_own() {
    const USERS: usize = 30_000;
    let policy = |users: usize, salt: usize| {
        let mut policy = Policy::open();
        for number in 0..users {
            let mut user = User::new(&format!("u{number}"), "pw", AccountId::GLOBAL);
            user.permissions = Some(Arc::new(Permissions {
                publish: Some(SubjectRights {
                    allow: Some(vec![format!("{salt}.{number}")]),
                    deny: Vec::new(),
                }),
                ..Permissions::default()
            }));
            policy.users.push(user);
        }
        policy
    };
    let mut authority = Authority::new(policy(70_000, 0)).unwrap();
    for salt in 1..6 {
        authority = authority.succeeded_by(policy(USERS, salt)).unwrap();
        for user in 0..USERS {
            let rights = authority.rights_of(Some(user as u32)).unwrap();
            let rights = &authority.rights()[rights];
            assert!(rights.may_publish(format!("{salt}.{user}").as_bytes()));
            assert!(!rights.may_publish(format!("{}.{user}", salt - 1).as_bytes()));
            assert!(!rights.may_publish(format!("{salt}.{}", user ^ 1).as_bytes()));
        }
        let len = authority.rights().len();
        assert!(len <= 70_000 + USERS, "numbers are given again: {len}");
    }
    let rights = authority.rights_of(Some(7));
    let same = authority.succeeded_by(policy(USERS, 5)).unwrap();
    assert_eq!(
        same.rights_of(Some(7)),
        rights,
        "who keeps rights keeps their number"
    );
}
