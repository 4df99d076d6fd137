//! What the system account hears without asking: who logs in, who leaves, who is refused, how many
//! connections accounts have, statistics, and that the server goes.

use crate::schema::assert_obeys;
use crate::support::{GUARD, connections_allowed, log_in, message};
use ed25519_dalek::{Signer, SigningKey};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use trunkline_tests::{Client, Received, RunningServer, ServerUnderTest};

/// The user that signs, and its seed.
const NKEY: &str = "UDVEU3DD4KOFECV66VIHWEZOYX4ZKR3WV27L464SIIPOU2IUI3JCYSJF";
const NKEY_SEED: [u8; 32] = [7; 32];

const CONFIG: &str = "server_name: one\nserver_tags: [\"a:b\"]\nserver_metadata: {rack: r1}\nfeature_flags: {js_ack_fc_v2: true}\n\
    accounts {\n\
    A { users: [ {user: a, password: a} ] }\n\
    B { users: [ {user: b, password: b}, {nkey: UDVEU3DD4KOFECV66VIHWEZOYX4ZKR3WV27L464SIIPOU2IUI3JCYSJF} ] }\n\
    FULL { users: [ {user: f, password: f} ], limits { max_connections: 1 } }\n\
    SYS { users: [ {user: s, password: s} ] }\n\
    }\n\
    authorization { users: [ {user: g, password: g} ] }\n\
    system_account: SYS";

const SERVER_KEYS: &[&str] = &[
    "feature_flags",
    "flags",
    "host",
    "id",
    "jetstream",
    "metadata",
    "name",
    "seq",
    "tags",
    "time",
    "ver",
];

pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// A client of the system account that listens.
fn listener(server: &RunningServer, subject: &str) -> Client {
    let mut client = log_in(server, "s", "s");
    client.send(format!("SUB {subject} 1\r\n"));
    client.barrier();
    client
}

/// The next message of the server, with `ID` for its identity in the subject.
#[track_caller]
fn told(client: &mut Client) -> (String, Value) {
    let message = message(client);
    let subject = String::from_utf8(message.subject).unwrap();
    let value: Value = serde_json::from_slice(&message.payload).unwrap();
    let tokens: Vec<&str> = subject
        .split('.')
        .map(|token| if token.len() == 56 { "ID" } else { token })
        .collect();
    (tokens.join("."), value)
}

/// The next event, which obeys its schema.
#[track_caller]
fn event(client: &mut Client, subject: &str) -> Value {
    one_of(client, &[subject]).1
}

/// The next two events, which the reference tells in either order.
#[track_caller]
fn both(client: &mut Client, subjects: [&str; 2]) -> [Value; 2] {
    let (at, first) = one_of(client, &subjects);
    let [one, other] = subjects;
    match at == one {
        true => [first, event(client, other)],
        false => [event(client, one), first],
    }
}

/// The next event, which has one of these subjects. Statistics, and what the listener's own login has
/// made known late, do not count.
#[track_caller]
fn one_of(client: &mut Client, subjects: &[&str]) -> (String, Value) {
    loop {
        let (at, value) = told(client);
        let is_of_system = |subject: &str| subject.contains("ACCOUNT.SYS.");
        let is_late = is_of_system(&at) && !subjects.iter().any(|subject| is_of_system(subject));
        if at.ends_with(".STATSZ") || is_late {
            continue;
        }
        assert!(subjects.contains(&&*at), "{at} for {subjects:?}: {value}");
        assert_obeys(&value);
        assert_eq!(keys(&value["server"]), SERVER_KEYS);
        assert_eq!(value["server"]["metadata"]["rack"], "r1");
        assert_eq!(value["server"]["feature_flags"]["js_ack_fc_v2"], true);
        assert_eq!(value["server"]["name"], "one");
        assert_eq!(value["server"]["tags"][0], "a:b");
        return (at, value);
    }
}

/// Both events about an account's connections.
#[track_caller]
fn connections(client: &mut Client, account: &str, count: u64) -> Value {
    let older = event(client, &format!("$SYS.SERVER.ACCOUNT.{account}.CONNS"));
    let event = event(client, &format!("$SYS.ACCOUNT.{account}.SERVER.CONNS"));
    assert_eq!(event["id"], older["id"], "one event under two subjects");
    assert_eq!(event["acc"], account);
    assert_eq!(event["conns"], count);
    assert_eq!(event["total_conns"], count);
    event
}

#[test]
fn logins_and_ends_are_told() {
    let server = ServerUnderTest::with_config(CONFIG);
    let mut system = listener(&server, "$SYS.>");
    let mut a = Client::greet(server.address());
    a.send("CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"a\",\"name\":\"app\",\"lang\":\"none\",\"version\":\"1.2\"}\r\n");
    a.barrier();
    let numbers = connections(&mut system, "A", 1);
    assert_eq!(
        keys(&numbers),
        [
            "acc",
            "conns",
            "id",
            "leafnodes",
            "name",
            "num_subscriptions",
            "received",
            "sent",
            "server",
            "slow_consumers",
            "timestamp",
            "total_conns",
            "type"
        ]
    );
    assert_eq!(
        keys(&numbers["sent"]),
        ["bytes", "gateways", "leafs", "msgs", "routes"]
    );
    let login = event(&mut system, "$SYS.ACCOUNT.A.CONNECT");
    assert_eq!(
        keys(&login),
        ["client", "id", "server", "timestamp", "type"]
    );
    let client = &login["client"];
    assert_eq!(
        keys(client),
        [
            "acc",
            "client_type",
            "host",
            "id",
            "kind",
            "lang",
            "name",
            "name_tag",
            "start",
            "user",
            "ver"
        ]
    );
    for (field, expected) in [
        ("acc", "A"),
        ("client_type", "nats"),
        ("host", "127.0.0.1"),
        ("kind", "Client"),
        ("lang", "none"),
        ("name", "app"),
        ("name_tag", "A"),
        ("user", "a"),
        ("ver", "1.2"),
    ] {
        assert_eq!(client[field], expected, "{field}");
    }
    a.send("SUB x 1\r\nPUB x 3\r\nabc\r\nPUB y 2\r\nab\r\n");
    assert_eq!(a.messages_until_barrier(), 1);
    a.finish();
    let numbers = connections(&mut system, "A", 0);
    assert_eq!(numbers["received"]["msgs"], 2);
    assert_eq!(numbers["received"]["bytes"], 5);
    assert_eq!(numbers["sent"]["msgs"], 1);
    let end = event(&mut system, "$SYS.ACCOUNT.A.DISCONNECT");
    assert_eq!(
        keys(&end),
        [
            "client",
            "id",
            "reason",
            "received",
            "sent",
            "server",
            "timestamp",
            "type"
        ]
    );
    assert_eq!(
        keys(&end["client"]),
        [
            "acc",
            "client_type",
            "host",
            "id",
            "kind",
            "lang",
            "name",
            "name_tag",
            "rtt",
            "start",
            "stop",
            "user",
            "ver"
        ]
    );
    assert_eq!(end["reason"], "Client Closed");
    assert_eq!(end["client"]["id"], login["client"]["id"]);
    assert_eq!(end["client"]["start"], login["client"]["start"]);
    assert_eq!(end["sent"], serde_json::json!({"msgs": 2, "bytes": 5}));
    assert_eq!(end["received"], serde_json::json!({"msgs": 1, "bytes": 3}));
    assert_ne!(end["id"], login["id"]);
    let seq = |event: &Value| event["server"]["seq"].as_u64().unwrap();
    assert!(seq(&end) > seq(&login));
}

#[test]
fn refusals_are_told_to_operators_and_in_the_account() {
    let server = ServerUnderTest::with_config(CONFIG);
    let mut global = log_in(&server, "g", "g");
    global.send("SUB $SYS.> 1\r\n");
    global.barrier();
    let mut system = listener(&server, "$SYS.>");
    for (credentials, user) in [
        ("\"user\":\"a\",\"pass\":\"wrong\"", Some("a")),
        ("\"user\":\"nobody\",\"pass\":\"x\"", Some("nobody")),
        ("\"auth_token\":\"secret\"", Some("[REDACTED]")),
        (&format!("\"nkey\":\"{NKEY}\",\"sig\":\"AAAA\""), Some(NKEY)),
        ("\"lang\":\"x\"", None),
    ] {
        let mut client = Client::greet(server.address());
        client.send(format!("CONNECT {{\"verbose\":false,{credentials}}}\r\n"));
        client.expect("-ERR 'Authorization Violation'\r\n");
        client.expect_closed();
        let subjects = [
            "$SYS.SERVER.ID.CLIENT.AUTH.ERR",
            "$SYS.ACCOUNT.$G.DISCONNECT",
        ];
        let [refusal, end] = both(&mut system, subjects);
        let in_account = event(&mut global, "$SYS.ACCOUNT.CLIENT.AUTH.ERR");
        for told in [&refusal, &end, &in_account] {
            assert_eq!(told["reason"], "Authentication Failure");
            assert_eq!(told["client"]["acc"], "$G");
            assert_eq!(told["client"]["user"].as_str(), user);
            assert_eq!(told["client"]["id"], refusal["client"]["id"]);
        }
    }
    // Whoever never says who it is leaves a trace too.
    Client::greet(server.address()).finish();
    let end = event(&mut system, "$SYS.ACCOUNT.$G.DISCONNECT");
    assert_eq!(end["client"]["user"], Value::Null);
    assert_eq!(end["client"]["rtt"], Value::Null);
}

#[test]
fn everybody_is_told_of_but_only_accounts_are_counted() {
    let server = ServerUnderTest::with_config(CONFIG);
    let mut system = listener(&server, "$SYS.>");
    let g = log_in(&server, "g", "g");
    assert_eq!(
        event(&mut system, "$SYS.ACCOUNT.$G.CONNECT")["client"]["user"],
        "g"
    );
    g.finish();
    event(&mut system, "$SYS.ACCOUNT.$G.DISCONNECT");
    let _first = log_in(&server, "f", "f");
    connections(&mut system, "FULL", 1);
    event(&mut system, "$SYS.ACCOUNT.FULL.CONNECT");
    let mut second = Client::greet(server.address());
    second.send("CONNECT {\"verbose\":false,\"user\":\"f\",\"pass\":\"f\"}\r\n");
    second.expect("-ERR 'maximum account active connections exceeded'\r\n");
    second.expect_closed();
    let end = event(&mut system, "$SYS.ACCOUNT.FULL.DISCONNECT");
    assert_eq!(end["reason"], "Maximum Account Connections Exceeded");
    let mut a = log_in(&server, "a", "a");
    connections(&mut system, "A", 1);
    event(&mut system, "$SYS.ACCOUNT.A.CONNECT");
    a.send("CONNECT {\"verbose\":false,\"user\":\"b\",\"pass\":\"b\"}\r\n");
    a.barrier();
    connections(&mut system, "A", 0);
    connections(&mut system, "B", 1);
    assert_eq!(
        event(&mut system, "$SYS.ACCOUNT.B.CONNECT")["client"]["acc"],
        "B"
    );
    a.send("CONNECT {\"verbose\":false,\"user\":\"b\",\"pass\":\"wrong\"}\r\n");
    a.expect("-ERR 'Authorization Violation'\r\n");
    connections(&mut system, "B", 0);
    let subjects = [
        "$SYS.SERVER.ID.CLIENT.AUTH.ERR",
        "$SYS.ACCOUNT.$G.DISCONNECT",
    ];
    let [_, end] = both(&mut system, subjects);
    assert_eq!(end["client"]["acc"], "$G");
}

#[test]
fn who_signs_is_told_of_with_the_key() {
    let server = ServerUnderTest::with_config(CONFIG);
    let mut system = listener(&server, "$SYS.ACCOUNT.*.CONNECT");
    let mut client = Client::open(server.address());
    let info = client.line();
    let info: Value = serde_json::from_slice(&info[5..]).unwrap();
    let nonce = info["nonce"].as_str().unwrap();
    let signature = SigningKey::from_bytes(&NKEY_SEED).sign(nonce.as_bytes());
    let signature = base64(&signature.to_bytes());
    client.send(format!(
        "CONNECT {{\"verbose\":false,\"nkey\":\"{NKEY}\",\"sig\":\"{signature}\"}}\r\n"
    ));
    client.barrier();
    let login = event(&mut system, "$SYS.ACCOUNT.B.CONNECT");
    assert_eq!(login["client"]["user"], NKEY);
    assert_eq!(login["client"]["issuer_key"], "B");
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate();
        let word = word.fold(0u32, |sum, (at, &byte)| {
            sum | u32::from(byte) << (16 - 8 * at)
        });
        for at in 0..=chunk.len() {
            text.push(char::from(DIGITS[(word >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}

#[test]
fn statistics_are_told_from_time_to_time_and_on_demand() {
    let server = ServerUnderTest::with_config(CONFIG);
    let mut system = listener(&server, "$SYS.SERVER.*.STATSZ");
    for is_asked in [false, true] {
        if is_asked {
            system.send("PUB $SYS.REQ.SERVER.PING 0\r\n\r\n");
        }
        let (subject, message) = told(&mut system);
        assert_eq!(subject, "$SYS.SERVER.ID.STATSZ");
        assert_eq!(keys(&message), ["server", "statsz"]);
        assert_eq!(keys(&message["server"]), SERVER_KEYS);
        let statistics = &message["statsz"];
        assert_eq!(
            keys(statistics),
            [
                "active_accounts",
                "active_servers",
                "connections",
                "cores",
                "cpu",
                "gomaxprocs",
                "mem",
                "received",
                "received_from_clients",
                "sent",
                "sent_to_clients",
                "slow_consumers",
                "start",
                "subscriptions",
                "total_connections"
            ]
        );
        assert_eq!(statistics["connections"], 1);
        assert_eq!(statistics["active_servers"], 1);
        assert_eq!(keys(&statistics["sent"]), ["bytes", "msgs"]);
    }
}

#[test]
fn the_end_of_the_server_is_told() {
    let is_ours = ServerUnderTest::builder().is_ours();
    for (signal, what) in [(Signal::TERM, "SHUTDOWN"), (Signal::USR2, "LAMEDUCK")] {
        if what == "SHUTDOWN" && !is_ours {
            // The reference closes its clients before it tells (2.15.3).
            continue;
        }
        let server = ServerUnderTest::builder()
            .config(&format!(
                "{CONFIG}\nlame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\""
            ))
            .cores(4)
            .start();
        // On every core somebody listens.
        let mut listeners: Vec<Client> = (0..6)
            .map(|_| listener(&server, &format!("$SYS.SERVER.*.{what}")))
            .collect();
        server.signal(signal);
        for system in &mut listeners {
            let (subject, line) = told(system);
            assert_eq!(subject, format!("$SYS.SERVER.ID.{what}"));
            assert_eq!(keys(&line), SERVER_KEYS);
        }
    }
}

#[test]
fn a_lame_duck_answers_and_tells_no_statistics_any_more() {
    let server = ServerUnderTest::with_config(&format!(
        "{CONFIG}\nlame_duck_duration: \"30s\"\nlame_duck_grace_period: \"5s\""
    ));
    let mut system = listener(&server, "$SYS.SERVER.*.STATSZ");
    told(&mut system);
    system.send("SUB $SYS.SERVER.*.LAMEDUCK 2\r\nSUB answer 3\r\n");
    server.signal(Signal::USR2);
    while told(&mut system).0 != "$SYS.SERVER.ID.LAMEDUCK" {}
    system.send("PUB $SYS.REQ.SERVER.PING.STATSZ answer 0\r\n\r\n");
    let (_, said) = system.drain_with_tail(1 << 16);
    let said = String::from_utf8_lossy(&said);
    assert_eq!(said.matches("MSG answer 3").count(), 1, "{said}");
    assert_eq!(said.matches("MSG $SYS.").count(), 0, "{said}");
}

#[test]
fn other_accounts_hear_nothing_of_it() {
    let server = ServerUnderTest::with_config(CONFIG);
    let mut a = log_in(&server, "a", "a");
    a.send("SUB $SYS.> 1\r\nSUB > 2\r\n");
    a.barrier();
    let mut system = listener(&server, "$SYS.ACCOUNT.>");
    log_in(&server, "a", "a").finish();
    for _ in 0..4 {
        told(&mut system);
    }
    assert!(a.barrier().is_empty());
}

#[test]
fn a_crowd_is_told_of_in_order_while_others_go_on() {
    let count = connections_allowed(2_000);
    let server = ServerUnderTest::builder().config(CONFIG).cores(2).start();
    let mut system = listener(&server, "$SYS.ACCOUNT.A.*");
    let mut other = log_in(&server, "b", "b");
    let crowd: Vec<Client> = (0..count)
        .map(|_| {
            let mut client = Client::greet(server.address());
            client.send("CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"a\"}\r\n");
            client
        })
        .collect();
    other.barrier();
    drop(crowd);
    other.barrier();
    let mut seen: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for _ in 0..2 * count {
        let (subject, event) = told(&mut system);
        let number = event["client"]["id"].as_u64().unwrap();
        seen.entry(number).or_default().push(subject);
    }
    assert_eq!(seen.len(), count);
    for (number, subjects) in seen {
        assert_eq!(
            subjects,
            ["$SYS.ACCOUNT.A.CONNECT", "$SYS.ACCOUNT.A.DISCONNECT"],
            "{number}"
        );
    }
    other.barrier();
    assert!(!matches!(
        system.frame_within(GUARD / 100),
        Received::Closed
    ));
}
