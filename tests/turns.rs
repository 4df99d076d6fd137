//! A turn is bounded in work: whatever one client asks for, another one on the same core is answered
//! within two turns, and what was put off comes in the end, whole and in order. The cut is by counted
//! work, so these tests look at turns and never at a clock.

#[path = "shards/mod.rs"]
mod shards;

use shards::{QUIET, Shards};
use std::sync::Arc;
use trunkline_core::base::id::AccountId;
use trunkline_core::base::limits::Limits;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::policy::{Permissions, Policy, SubjectRights, User};

const NO_ECHO: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n";

/// Turns that an attack that deserves the name takes at least.
const TURNS_MIN: usize = 8;

struct World {
    shards: Shards,
    bystander: usize,
}

impl World {
    fn new(cores: usize) -> Self {
        let mut shards = Shards::new(cores, &Limits::default(), true);
        let bystander = shards.connect(0);
        shards.send(bystander, QUIET);
        let mut world = Self { shards, bystander };
        world.client(0, QUIET);
        world
    }

    fn client(&mut self, core: usize, connect: &[u8]) -> usize {
        let client = self.shards.connect(core);
        self.shards.send(client, connect);
        client
    }

    /// A client subscribes many times.
    fn subscribe(&mut self, client: usize, count: usize, subject: impl Fn(usize) -> String) {
        let lines = (0..count).map(|sid| format!("SUB {} {sid}\r\n", subject(sid)));
        let bytes = lines.collect::<String>();
        self.shards.send(client, bytes.as_bytes());
    }

    /// While what was posted goes its way, the bystander sends a PING before every turn and must have
    /// had every PONG but the last; returns the turns until rest.
    fn turns_until_rest(&mut self) -> usize {
        let (mut turns, mut asked) = (0, 0);
        self.shards.forget_output(self.bystander);
        while self.shards.has_work() {
            self.shards.post(self.bystander, b"PING\r\n");
            asked += 1;
            self.shards.take_turns();
            turns += 1;
            assert!(turns < 100_000, "the shards never come to rest");
            let output = &self.shards.peer(self.bystander).output;
            let answered = output.len() / b"PONG\r\n".len();
            assert!(
                answered + 1 >= asked,
                "{answered} of {asked} PINGs answered"
            );
        }
        turns
    }
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    memchr::memmem::find_iter(haystack, needle).count()
}

#[test]
fn own_subscriptions_without_echo_cost_their_publisher_alone() {
    let mut world = World::new(1);
    let attacker = world.client(0, NO_ECHO);
    world.subscribe(attacker, 20_000, |_| "a".to_owned());
    world
        .shards
        .post(attacker, &b"PUB a 1\r\nx\r\n".repeat(200));
    assert!(world.turns_until_rest() >= TURNS_MIN);
    world.shards.send(attacker, b"PING\r\n");
    assert!(world.shards.peer(attacker).output.ends_with(b"PONG\r\n"));
}

#[test]
fn a_message_to_very_many_reaches_all_of_them_once_and_in_order() {
    let mut world = World::new(1);
    let publisher = world.client(0, QUIET);
    let receivers: Vec<usize> = (0..3).map(|_| world.client(0, QUIET)).collect();
    for &receiver in &receivers {
        world.subscribe(receiver, 10_000, |sid| match sid % 2 {
            0 => "a.b".to_owned(),
            _ => "a.*".to_owned(),
        });
    }
    for receiver in &receivers {
        world.shards.forget_output(*receiver);
    }
    world.shards.post(
        publisher,
        b"PUB a.b 1\r\n1\r\nPUB a.b 1\r\n2\r\nPUB other 0\r\n\r\n",
    );
    assert!(world.turns_until_rest() >= TURNS_MIN);
    for &receiver in &receivers {
        let output = &world.shards.peer(receiver).output;
        let (first, second) = (b" 1\r\n1\r\n", b" 1\r\n2\r\n");
        assert_eq!(
            (count(output, first), count(output, second)),
            (10_000, 10_000)
        );
        let last_first = memchr::memmem::rfind(output, first);
        assert!(
            last_first < memchr::memmem::find(output, second),
            "in order"
        );
    }
}

#[test]
fn who_unsubscribes_in_the_middle_of_a_wide_fan_out_gets_nothing_more() {
    let mut world = World::new(1);
    let publisher = world.client(0, QUIET);
    let receiver = world.client(0, QUIET);
    world.subscribe(receiver, 30_000, |_| "a".to_owned());
    world.shards.forget_output(receiver);
    world.shards.post(publisher, b"PUB a 1\r\nx\r\n");
    world.shards.take_turns();
    // The last ones first: their turn has not come yet.
    let unsubscribe: String = (0..30_000)
        .rev()
        .map(|sid| format!("UNSUB {sid}\r\nSUB z {sid}\r\n"))
        .collect();
    world.shards.post(receiver, unsubscribe.as_bytes());
    world.turns_until_rest();
    let output = &world.shards.peer(receiver).output;
    let heard = count(output, b"MSG a ");
    assert!(heard < 30_000, "it was ended before its turn came");
    assert_eq!(
        count(output, b"MSG "),
        heard,
        "nothing came by a slot's next owner"
    );
}

#[test]
fn the_end_of_many_subscriptions_leaves_others_their_turns() {
    for cores in [1, 2] {
        let mut world = World::new(cores);
        let attacker = world.client(cores - 1, QUIET);
        world.subscribe(attacker, 50_000, |sid| format!("deep.er.and.deep.er.{sid}"));
        let before = world.shards.counts();
        world.shards.post_end(attacker);
        assert!(world.turns_until_rest() >= TURNS_MIN);
        let after = world.shards.counts();
        assert_eq!(before.0 - after.0, 1, "the connection is gone");
        assert_eq!(before.1 - after.1, 50_000, "and so are its subscriptions");
    }
}

#[test]
fn tens_of_thousands_of_queue_groups_are_served_and_ended_in_pieces() {
    let mut world = World::new(2);
    let attacker = world.client(0, QUIET);
    let groups = 20_000;
    let lines: String = (0..groups)
        .map(|sid| format!("SUB a group{sid} {sid}\r\n"))
        .collect();
    world.shards.send(attacker, lines.as_bytes());
    let publisher = world.client(1, QUIET);
    world.shards.forget_output(attacker);
    world
        .shards
        .post(publisher, b"PUB a 1\r\nx\r\nPUB a 1\r\ny\r\n");
    world.turns_until_rest();
    assert_eq!(
        count(&world.shards.peer(attacker).output, b"MSG a "),
        2 * groups
    );
    world.shards.post_end(attacker);
    assert!(world.turns_until_rest() >= TURNS_MIN);
}

#[test]
fn connect_again_with_many_subscriptions_ends_them_first() {
    let mut world = World::new(1);
    let attacker = world.client(0, QUIET);
    world.subscribe(attacker, 50_000, |_| "a".to_owned());
    world.shards.post(
        attacker,
        &[QUIET, b"SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n"].concat(),
    );
    world.shards.forget_output(attacker);
    assert!(world.turns_until_rest() >= TURNS_MIN);
    let output = &world.shards.peer(attacker).output;
    assert_eq!(count(output, b"MSG a 1 1\r\nx\r\n"), 1);
    assert!(output.ends_with(b"PONG\r\n"));
}

#[test]
fn many_messages_to_many_receivers_leave_others_their_turns() {
    let mut world = World::new(1);
    let publisher = world.client(0, QUIET);
    let receivers: Vec<usize> = (0..500).map(|_| world.client(0, QUIET)).collect();
    for &receiver in &receivers {
        world.shards.send(receiver, b"SUB a 1\r\n");
        world.shards.forget_output(receiver);
    }
    world
        .shards
        .post(publisher, &b"PUB a 1\r\nx\r\n".repeat(1_000));
    assert!(world.turns_until_rest() >= TURNS_MIN);
    for receiver in receivers {
        assert_eq!(
            count(&world.shards.peer(receiver).output, b"MSG a 1 1\r\nx\r\n"),
            1_000
        );
    }
}

#[test]
fn pong_comes_after_what_other_cores_have_put_off() {
    let mut limits = Limits::default();
    // One receiver of many is sent to per turn.
    limits.work.send_ns = 1;
    let mut shards = Shards::new(2, &limits, true);
    let publisher = shards.connect(0);
    shards.send(publisher, QUIET);
    let receivers: Vec<usize> = (0..200).map(|_| shards.connect(1)).collect();
    for &receiver in &receivers {
        shards.send(receiver, b"SUB a 1\r\n");
        shards.forget_output(receiver);
    }
    shards.forget_output(publisher);
    shards.post(publisher, b"PUB a 1\r\nx\r\nPING\r\n");
    let mut turns = 0;
    while shards.peer(publisher).output.is_empty() {
        assert!(turns < 10_000, "it is answered in the end");
        shards.take_turns();
        turns += 1;
    }
    assert!(turns > receivers.len(), "sends were put off");
    for receiver in receivers {
        assert_eq!(shards.peer(receiver).output, b"MSG a 1 1\r\nx\r\n");
    }
}

#[test]
fn very_many_are_told_of_new_info_once_and_in_pieces() {
    let mut world = World::new(1);
    let crowd: Vec<usize> = (0..800)
        .map(|_| world.client(0, b"CONNECT {\"protocol\":1}\r\n"))
        .collect();
    for &client in &crowd {
        // The first PONG comes with INFO.
        world.shards.send(client, b"PING\r\n");
        world.shards.forget_output(client);
    }
    let late = world.client(0, b"CONNECT {\"protocol\":1}\r\n");
    world.shards.announce_info(0);
    // Told in two turns, sent to in four.
    assert!(world.turns_until_rest() >= 4);
    for &client in &crowd {
        assert_eq!(count(&world.shards.peer(client).output, b"INFO {"), 1);
    }
    assert_eq!(
        count(&world.shards.peer(late).output, b"INFO {"),
        0,
        "it waits for its first PONG"
    );
}

/// A policy of one account in which `u` and `v` have the same password and rights of their own.
fn policy_of_two(denied: [&str; 2]) -> Policy {
    let mut policy = Policy::open();
    for (name, denied) in ["u", "v", "bystander"]
        .iter()
        .zip([denied[0], denied[1], "none"])
    {
        let mut user = User::new(name, "pw", AccountId::GLOBAL);
        user.permissions = Some(Arc::new(Permissions {
            subscribe: Some(SubjectRights {
                allow: None,
                deny: vec![denied.to_owned()],
            }),
            ..Permissions::default()
        }));
        policy.users.push(user);
    }
    policy.no_auth_user = Some(0);
    policy
}

#[test]
fn other_rights_of_many_subscriptions_are_applied_in_pieces() {
    const SUBSCRIPTIONS: usize = 20_000;
    let connect = |user: &str| {
        format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{user}\",\"pass\":\"pw\"}}\r\n"
        )
    };
    let authority = Arc::new(Authority::new(policy_of_two(["none", "y.1.*"])).unwrap());
    let mut shards = Shards::with_authority(1, &Limits::default(), true, &authority);
    let bystander = shards.connect(0);
    shards.send(bystander, connect("bystander").as_bytes());
    let mut world = World { shards, bystander };
    let client = world.client(0, connect("u").as_bytes());
    let subject = |sid| format!("{}.{}.{sid}", ["x", "y"][sid % 2], sid / 2 % 2);
    world.subscribe(client, SUBSCRIPTIONS, subject);
    world.shards.forget_output(client);
    let removed = |world: &World, client: usize| {
        let output = &world.shards.peer(client).output;
        count(output, b"Permissions Violation for Subscription")
    };
    // A reload: its own rights are others.
    let newer = authority.succeeded_by(policy_of_two(["x.0.*", "y.1.*"]));
    let newer = Arc::new(newer.unwrap());
    world.shards.reconfigure(0, &Limits::default(), &newer);
    assert!(world.turns_until_rest() >= TURNS_MIN);
    assert_eq!(removed(&world, client), SUBSCRIPTIONS / 4);
    // Another one says only then who it is.
    world.shards.send(client, b"UNSUB 1\r\n");
    let client = world.shards.connect(0);
    world.subscribe(client, SUBSCRIPTIONS, subject);
    world.shards.forget_output(client);
    world.shards.post(client, connect("v").as_bytes());
    world.shards.post(
        client,
        b"PING\r\nPUB x.0.0 1\r\na\r\nPUB y.1.3 1\r\nb\r\nPUB y.0.1 1\r\nc\r\n",
    );
    assert!(world.turns_until_rest() >= TURNS_MIN);
    assert_eq!(removed(&world, client), SUBSCRIPTIONS / 4);
    let output = &world.shards.peer(client).output;
    assert!(
        output.ends_with(b"PONG\r\nMSG y.0.1 1 1\r\nc\r\n"),
        "what it may hear, once"
    );
}
