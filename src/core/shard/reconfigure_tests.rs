//! Tests of reloads that come at a bad moment.

use std::io::IoSlice;
use std::sync::Arc;

use super::Settings;
use crate::base::id::{AccountId, ConnectionKey, CoreId, Nanos};
use crate::base::limits::{Limits, SEND_BLOCKS_MAX};
use crate::base::moment::Moment;
use crate::session::authority::Authority;
use crate::session::policy::{Account, Permissions, Policy, SubjectRights, User};
use crate::shard::{Opening, Shard, ShardConfig};
use crate::wire::info::ServerInfo;

const NOW: Nanos = Nanos(1);

/// It looks like a hash of bcrypt; nobody computes one here.
const HASH: &str = "$2a$05$hash";

fn authority(users: Vec<User>) -> Arc<Authority> {
    let policy = Policy {
        users,
        ..Policy::open()
    };
    Authority::new(policy).expect("valid").into()
}

fn user(name: &str, password: &str) -> User {
    User::new(name, password, AccountId::GLOBAL)
}

fn shard(users: Vec<User>) -> Shard {
    Shard::new(ShardConfig {
        core: CoreId(0),
        cores: 1,
        limits: Limits::default(),
        server: ServerInfo::default(),
        authority: authority(users),
        seed: 1,
        trace: false,
    })
}

fn reload(shard: &mut Shard, users: Vec<User>) {
    let policy = Policy {
        users,
        ..Policy::open()
    };
    let authority = shard.config.authority.succeeded_by(policy);
    let settings = Settings {
        limits: Limits::default(),
        server: ServerInfo::default(),
        authority: authority.expect("valid").into(),
        trace: false,
    };
    shard.reconfigure(settings);
}

fn connect(shard: &mut Shard, name: &str, password: &str) -> ConnectionKey {
    let peer = "127.0.0.1:1".parse().expect("an address");
    let key = shard.open(Opening::client(1, peer));
    let line = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{name}\",\"pass\":\"{password}\"}}\r\n"
    );
    shard.on_bytes(key, line.as_bytes());
    key
}

/// What waits for a connection; it is sent.
fn output(shard: &mut Shard, key: ConnectionKey) -> String {
    let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
    let slices = shard.pending_slices(key, &mut slices);
    let bytes: Vec<u8> = slices
        .iter()
        .flat_map(|slice| slice.iter().copied())
        .collect();
    shard.on_sent(key, bytes.len(), false);
    String::from_utf8(bytes).expect("text")
}

#[test]
fn who_closes_is_left_alone_by_two_reloads() {
    let users = || vec![user("a", "x"), user("b", "x"), user("c", "x")];
    let mut shard = shard(users());
    let key = connect(&mut shard, "c", "x");
    shard.on_bytes(key, b"NONSENSE\r\n");
    assert!(!shard.reads(key), "its last words wait to be sent");
    reload(&mut shard, users()[..2].to_vec());
    shard.settle();
    reload(&mut shard, users()[..1].to_vec());
    shard.settle();
    assert!(!shard.is_revising());
}

#[test]
fn a_password_check_begins_anew_with_a_reload() {
    let mut shard = shard(vec![user("a", HASH)]);
    let key = connect(&mut shard, "a", "right");
    let old = shard.login.checks.pop_front().expect("a check");
    shard.on_bytes(key, b"PING\r\n");
    reload(&mut shard, vec![user("a", "$2a$05$other")]);
    shard.settle();
    let new = shard.login.checks.pop_front().expect("another check");
    assert_eq!(new.hash, "$2a$05$other");
    assert_ne!(new.number, old.number);
    output(&mut shard, key);
    shard.on_password_checked(&old, true);
    shard.settle();
    assert_eq!(output(&mut shard, key), "", "the old check says nothing");
    shard.on_password_checked(&new, true);
    shard.settle();
    assert!(output(&mut shard, key).starts_with("PONG\r\n"));
    assert!(shard.reads(key));
}

#[test]
fn a_password_check_of_somebody_known_begins_anew_too() {
    let users = || vec![user("a", HASH), user("b", "x")];
    let mut shard = shard(users());
    let key = connect(&mut shard, "b", "x");
    let again = b"CONNECT {\"user\":\"a\",\"pass\":\"right\"}\r\nPING\r\n";
    shard.on_bytes(key, again);
    assert!(shard.login.checks.pop_front().is_some());
    reload(&mut shard, users());
    shard.settle();
    let check = shard.login.checks.pop_front().expect("another check");
    shard.on_password_checked(&check, true);
    shard.settle();
    assert!(output(&mut shard, key).contains("PONG\r\n"));
}

#[test]
fn a_revoked_subscription_hears_until_the_turn_of_its_connection() {
    let mut shard = shard(vec![user("a", "x"), user("b", "x")]);
    let key = connect(&mut shard, "a", "x");
    let publisher = connect(&mut shard, "b", "x");
    shard.on_bytes(key, b"SUB s 1\r\n");
    output(&mut shard, key);
    let mut bound = user("a", "x");
    bound.permissions = Some(Arc::new(Permissions {
        subscribe: Some(SubjectRights {
            allow: None,
            deny: vec!["s".to_owned()],
        }),
        ..Permissions::default()
    }));
    reload(&mut shard, vec![bound, user("b", "x")]);
    shard.on_bytes(publisher, b"PUB s 2\r\nhi\r\n");
    shard.settle();
    let expected = "MSG s 1 2\r\nhi\r\n\
        -ERR 'Permissions Violation for Subscription to \"s\" (sid \"1\")'\r\n";
    assert_eq!(output(&mut shard, key), expected);
    assert!(!shard.is_revising(), "the reload is over");
    shard.on_bytes(publisher, b"PUB s 2\r\nhi\r\n");
    shard.settle();
    assert_eq!(output(&mut shard, key), "");
}

#[test]
fn who_has_said_nothing_has_to_once_that_is_demanded() {
    let mut shard = shard(Vec::new());
    let peer = "127.0.0.1:1".parse().expect("an address");
    let key = shard.open(Opening::client(1, peer));
    output(&mut shard, key);
    reload(&mut shard, vec![user("a", "x")]);
    shard.settle();
    let late = NOW.after_ns(Limits::default().auth_timeout_ns);
    assert!(shard.next_deadline() <= late);
    shard.begin_turn(Moment::undated(late));
    shard.on_tick();
    assert_eq!(output(&mut shard, key), "-ERR 'Authentication Timeout'\r\n");
}

#[test]
fn room_for_accounts_is_made_before_they_come() {
    const ACCOUNTS: u32 = 1_000;
    let mut shard = shard(vec![user("a", "x")]);
    let connection = connect(&mut shard, "a", "x");
    let mut policy = Policy::open();
    policy.users.push(user("a", "x"));
    for number in 0..ACCOUNTS {
        policy.accounts.push(Account::new(&format!("A{number}")));
        let place = u32::try_from(policy.accounts.len() - 1).expect("a place");
        let account = AccountId::new(place, 0);
        policy
            .users
            .push(User::new(&format!("u{number}"), "x", account));
    }
    let newer = shard.config.authority.succeeded_by(policy);
    let newer = Arc::new(newer.expect("valid"));
    let places = newer.policy().accounts.len();
    output(&mut shard, connection);
    shard.make_room(&newer, 0..places / 2);
    shard.on_bytes(connection, b"SUB s 1\r\nPUB s 1\r\nx\r\n");
    shard.make_room(&newer, places / 2..places);
    let before = shard.interests.iter().count();
    shard.reconfigure(Settings {
        limits: Limits::default(),
        server: ServerInfo::default(),
        authority: Arc::clone(&newer),
        trace: false,
    });
    shard.settle();
    assert_eq!((before, shard.interests.iter().count()), (places, places));
    let last = connect(&mut shard, "u999", "x");
    output(&mut shard, last);
    shard.on_bytes(last, b"SUB s 1\r\nPUB s 1\r\ny\r\n");
    assert_eq!(output(&mut shard, last), "MSG s 1 1\r\ny\r\n");
    assert_eq!(output(&mut shard, connection), "MSG s 1 1\r\nx\r\n");
    shard.check_invariants();
}
