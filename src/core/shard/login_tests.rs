//! Tests of what comes of logins: events where somebody listens, waiting for
//! those who fail too often.

use std::io::IoSlice;
use std::net::SocketAddr;

use super::system_events::{Fact, SystemEvent};
use super::{Opening, Shard, ShardConfig};
use crate::base::id::{AccountId, ConnectionKey, CoreId, Nanos};
use crate::base::limits::{
    FAILED_TRIES_FREE, FAILED_TRIES_WAITING_MAX, FAILED_TRY_PAUSE_NS, Limits,
    PASSWORD_CHECK_RETRY_NS, PASSWORD_CHECKS_SOURCE_MAX, SEND_BLOCKS_MAX, SYSTEM_NOTES_MAX,
};
use crate::base::moment::Moment;
use crate::session::authority::Authority;
use crate::session::policy::{Account, Policy, User};
use crate::wire::info::ServerInfo;

/// The well-known test vector of bcrypt.
const HASH: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

struct World {
    shard: Shard,
    now: Nanos,
    opened: u64,
}

impl World {
    fn new() -> Self {
        let mut policy = Policy::open();
        policy.accounts.push(Account::new("A"));
        policy.users = vec![
            User::new("s", "s", AccountId::SYSTEM),
            User::new("a", "a", AccountId::new(2, 0)),
            User::new("h", HASH, AccountId::new(2, 0)),
        ];
        let shard = Shard::new(ShardConfig {
            core: CoreId(0),
            cores: 1,
            limits: Limits::default(),
            server: ServerInfo {
                server_id: "ID".to_owned(),
                ..ServerInfo::default()
            },
            authority: Authority::new(policy).expect("a valid policy").into(),
            seed: 1,
            trace: false,
        });
        Self {
            shard,
            now: Nanos(1),
            opened: 0,
        }
    }

    fn open(&mut self, address: [u8; 4]) -> ConnectionKey {
        self.opened += 1;
        let peer = SocketAddr::from((address, 1));
        let key = self.shard.open(Opening::client(self.opened, peer));
        self.output(key);
        key
    }

    fn output(&mut self, key: ConnectionKey) -> String {
        self.shard.settle();
        let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
        let slices = self.shard.pending_slices(key, &mut slices);
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.shard.on_sent(key, bytes.len(), false);
        String::from_utf8(bytes).expect("text")
    }

    fn say(&mut self, key: ConnectionKey, text: &str) -> String {
        self.shard.on_bytes(key, text.as_bytes());
        self.output(key)
    }

    fn log_in(&mut self, address: [u8; 4], user: &str, password: &str) -> (ConnectionKey, String) {
        let key = self.open(address);
        let connect = format!(
            "CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n"
        );
        let said = self.say(key, &connect);
        (key, said)
    }

    /// Lets time go by.
    fn pass(&mut self, duration_ns: u64) {
        self.now = self.now.after_ns(duration_ns);
        self.shard.begin_turn(Moment::undated(self.now));
        self.shard.on_tick();
    }

    /// Has all checks that are asked for end well; returns how many those were.
    fn finish_checks(&mut self) -> usize {
        let checks: Vec<_> = std::iter::from_fn(|| self.shard.login.checks.pop_front()).collect();
        for check in &checks {
            self.shard.on_password_checked(check, true);
        }
        checks.len()
    }

    fn events(&mut self) -> Vec<SystemEvent> {
        std::iter::from_fn(|| self.shard.notices.events.pop_front()).collect()
    }
}

const HERE: [u8; 4] = [10, 0, 0, 1];
const THERE: [u8; 4] = [10, 0, 0, 2];
const REFUSED: &str = "-ERR 'Authorization Violation'\r\n";

#[test]
fn events_are_noted_where_somebody_listens_only() {
    let mut world = World::new();
    let (system, _) = world.log_in(HERE, "s", "s");
    let (a, _) = world.log_in(HERE, "a", "a");
    world.say(a, "SUB $SYS.> 1\r\n");
    assert!(world.events().is_empty(), "nobody listens in that account");
    world.say(system, "SUB $SYS.ACCOUNT.*.CONNECT 1\r\n");
    world.log_in(HERE, "a", "a");
    let events = world.events();
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    let subject = b"$SYS.ACCOUNT.A.CONNECT".to_vec();
    assert_eq!(event.heard_at, [(AccountId::SYSTEM, subject)]);
    let Fact::Connected(party) = &event.fact else {
        panic!("{event:?}");
    };
    assert_eq!(party.report.user, "a");
    world.say(system, "SUB $SYS.> 2\r\n");
    assert_eq!(world.log_in(HERE, "a", "no").1, REFUSED);
    let events = world.events();
    assert!(matches!(events[0].fact, Fact::Refused(_)));
    assert!(matches!(events[1].fact, Fact::Disconnected(_)));
    assert_eq!(events.len(), 2);
    world.say(system, "UNSUB 1\r\nUNSUB 2\r\n");
    world.log_in(HERE, "a", "a");
    assert!(world.events().is_empty());
}

#[test]
fn events_of_one_turn_are_bounded_and_those_beyond_are_counted() {
    let mut world = World::new();
    let (system, _) = world.log_in(HERE, "s", "s");
    world.say(system, "SUB $SYS.ACCOUNT.*.CONNECT 1\r\n");
    for _ in 0..SYSTEM_NOTES_MAX + 5 {
        world.log_in(HERE, "a", "a");
    }
    assert_eq!(world.events().len(), SYSTEM_NOTES_MAX);
    assert_eq!(std::mem::take(&mut world.shard.notices.lost_events), 5);
    assert_eq!(std::mem::take(&mut world.shard.notices.lost_events), 0);
}

#[test]
fn failures_wait_for_their_answers_and_the_right_password_does_not() {
    let mut world = World::new();
    for _ in 1..FAILED_TRIES_FREE {
        assert_eq!(world.log_in(HERE, "a", "no").1, REFUSED);
    }
    let (bad, said) = world.log_in(HERE, "a", "no");
    let (worse, more) = world.log_in(HERE, "a", "no");
    assert_eq!(said + &more, "");
    let (good, _) = world.log_in(HERE, "a", "a");
    assert_eq!(
        world.say(good, "PING\r\n"),
        "PONG\r\n",
        "of the same source"
    );
    world.pass(FAILED_TRY_PAUSE_NS);
    assert_eq!(world.output(bad), REFUSED);
    assert_eq!(world.output(worse), "");
    world.pass(FAILED_TRY_PAUSE_NS);
    assert_eq!(world.output(worse), REFUSED);
    // However many fail, they wait for a bounded time.
    let many: Vec<_> = (0..3 * FAILED_TRIES_WAITING_MAX)
        .map(|_| world.log_in(HERE, "a", "no").0)
        .collect();
    let (good, _) = world.log_in(HERE, "a", "a");
    assert_eq!(world.say(good, "PING\r\n"), "PONG\r\n");
    world.pass(FAILED_TRY_PAUSE_NS * u64::from(FAILED_TRIES_WAITING_MAX));
    for key in many {
        assert_eq!(world.output(key), REFUSED);
    }
    world.shard.check_invariants();
}

#[test]
fn password_checks_of_one_source_are_bounded_and_the_others_come_later() {
    let mut world = World::new();
    for _ in 0..PASSWORD_CHECKS_SOURCE_MAX {
        assert_eq!(world.log_in(HERE, "h", "U*U").1, "");
    }
    let (later, said) = world.log_in(HERE, "h", "U*U");
    assert_eq!(said, "");
    let (there, _) = world.log_in(THERE, "h", "U*U");
    assert_eq!(
        world.finish_checks(),
        PASSWORD_CHECKS_SOURCE_MAX as usize + 1
    );
    assert_eq!(world.say(there, "PING\r\n"), "PONG\r\n");
    world.pass(PASSWORD_CHECK_RETRY_NS);
    assert_eq!(world.finish_checks(), 1);
    assert_eq!(world.say(later, "PING\r\n"), "PONG\r\n");
    world.shard.check_invariants();
}
