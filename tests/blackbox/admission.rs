//! Who may come in, and what the server says of itself on the way: configurations that say nothing,
//! or little, about somebody.

use serde_json::Value;
use trunkline_tests::{Client, ServerUnderTest};

use crate::monitoring::{json, monitoring};
use crate::reloads::Reloadable;

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1}\r\nPING\r\n";

fn of_user(user: &str, password: &str) -> String {
    format!(
        "CONNECT {{\"verbose\":false,\"protocol\":1,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\nPING\r\n"
    )
}

/// What INFO says in one line.
fn info(line: &[u8]) -> Value {
    let json = line.strip_prefix(b"INFO ").expect("INFO");
    serde_json::from_slice(json).unwrap()
}

/// The first line that comes of `said`, and what the greeting was.
fn answer(config: &str, said: &str) -> (Value, String) {
    let server = ServerUnderTest::with_config(config);
    let mut client = Client::open(server.address());
    let greeting = info(&client.line());
    client.try_send(said.as_bytes()).ok();
    let line = client.line();
    (greeting, String::from_utf8(line).unwrap())
}

const PONG: &str = "PONG\r\n";
const REFUSED: &str = "-ERR 'Authorization Violation'\r\n";
const USERS: &str = "users: [ {user: u, password: p}, {user: v, password: p} ]";

#[test]
fn users_of_the_system_account_alone_shut_nobody_out() {
    let own = "accounts { $SYS { users: [ {user: s, password: p} ] } }";
    let named = "accounts { SYS { users: [ {user: s, password: p} ] } }";
    for (config, said, expected) in [
        (own.to_owned(), CONNECT.to_owned(), PONG),
        (own.to_owned(), "PING\r\n".to_owned(), PONG),
        (own.to_owned(), of_user("s", "p"), PONG),
        (own.to_owned(), of_user("x", "p"), REFUSED),
        (
            format!("{named}\nsystem_account: SYS"),
            CONNECT.to_owned(),
            PONG,
        ),
        // An account like any other, another account, or a block that says who may come.
        (named.to_owned(), CONNECT.to_owned(), REFUSED),
        (
            "accounts { SYS { users: [ {user: s, password: p} ] }, A {} }\nsystem_account: SYS"
                .to_owned(),
            CONNECT.to_owned(),
            REFUSED,
        ),
        (
            format!("{own}\nauthorization {{ timeout: 1 }}"),
            CONNECT.to_owned(),
            REFUSED,
        ),
    ] {
        let (greeting, line) = answer(&config, &said);
        assert_eq!(line, expected, "{config} {said}");
        assert_eq!(greeting["auth_required"], true, "{config}");
    }
}

#[test]
fn who_says_nothing_is_nobody_yet() {
    let config = "accounts { A { users: [ {user: u, password: p} ] } }\nno_auth_user: u\nhttp: 127.0.0.1:-1\n\
                  authorization { timeout: 1 }";
    let server = ServerUnderTest::with_config(config);
    let mut client = Client::greet(server.address());
    let address = monitoring(&server);
    let owner = || {
        let page = json(address, "/connz?auth=1");
        let connection = &page["connections"][0];
        (
            connection["authorized_user"].clone(),
            connection["account"].clone(),
        )
    };
    assert_eq!(owner(), (Value::Null, Value::Null));
    client.barrier();
    assert_eq!(owner(), ("u".into(), "A".into()));
    let mut silent = Client::greet(server.address());
    assert_eq!(silent.line(), b"-ERR 'Authentication Timeout'\r\n");
    silent.expect_closed();
}

#[test]
fn without_trusted_proxies_nobody_gets_in_who_needs_one() {
    for config in [
        "authorization { user: u, password: p, proxy_required: true }",
        "authorization { users: [ {user: u, password: p, proxy_required: true} ] }",
        "authorization { users: [ {user: u, password: p, proxy_required: true} ] }\nno_auth_user: u",
    ] {
        for said in [of_user("u", "p"), CONNECT.to_owned(), "PING\r\n".to_owned()] {
            assert_eq!(answer(config, &said).1, REFUSED, "{config} {said}");
        }
    }
    let (_, line) = answer("authorization { proxy_required: true }", CONNECT);
    assert_eq!(line, PONG);
}

#[test]
fn only_the_greeting_spares_clients_the_demand() {
    const KEY: &str = "UDKTV7HZVYJFJN64LLMYQBUR6MTNNYCDC3LAZH4VHURW3GZLL3FULBXV";
    let config = format!(
        "authorization {{ users: [ {{user: u, password: p}}, {{nkey: {KEY}}} ] }}\nno_auth_user: u"
    );
    let server = ServerUnderTest::with_config(&config);
    for said in [CONNECT.to_owned(), of_user("u", "p")] {
        let mut client = Client::open(server.address());
        let greeting = info(&client.line());
        assert_eq!(greeting["auth_required"], Value::Null);
        assert!(greeting["nonce"].is_string());
        client.send(said);
        assert_eq!(client.line(), b"PONG\r\n");
        let later = info(&client.line());
        assert_eq!(later["auth_required"], true);
        assert_eq!(later["nonce"], Value::Null);
        assert_eq!(later["connect_info"], true);
    }
}

#[test]
fn without_room_nobody_connects() {
    for limit in ["0", "-1", "-5"] {
        let (_, line) = answer(&format!("max_connections: {limit}"), CONNECT);
        assert_eq!(line, "-ERR 'maximum connections exceeded'\r\n", "{limit}");
    }
    let server = Reloadable::start("no-room", "max_connections: 5");
    let mut client = server.client("");
    server.done("max_connections: 0");
    assert_eq!(client.line(), b"-ERR 'maximum connections exceeded'\r\n");
    client.expect_closed();
}

#[test]
fn empty_lists_are_no_lists() {
    let both = "SUB x 1\r\nPUB x 0\r\n\r\nPING\r\n";
    let delivered = "MSG x 1 0\r\n";
    let refused = "-ERR 'Permissions Violation for Publish to \"x\"'\r\n";
    for (rights, expected) in [
        ("permissions: {publish: []}", delivered),
        ("permissions: {subscribe: []}", delivered),
        ("permissions: {publish: {allow: []}}", delivered),
        ("allowed_connection_types: []", delivered),
        // Who may answer may publish nothing else, unless that is said.
        ("permissions: {publish: [], allow_responses: true}", refused),
        (
            "permissions: {publish: {deny: y}, allow_responses: true}",
            refused,
        ),
        (
            "permissions: {publish: {allow: [], deny: y}, allow_responses: true}",
            refused,
        ),
    ] {
        let config = format!(
            "authorization {{ users: [ {{user: u, password: p, {rights}}} ] }}\nno_auth_user: u"
        );
        let (_, line) = answer(&config, &CONNECT.replace("PING\r\n", both));
        assert_eq!(line, expected, "{rights}");
    }
}

#[test]
fn credentials_of_a_listener_go_with_a_single_user() {
    let listener = "websocket { listen: \"127.0.0.1:-1\", no_tls: true, authorization { user: w, password: p } }";
    let config = format!("{listener}\nauthorization {{ user: u, password: p }}");
    for (said, expected) in [
        (of_user("u", "p"), PONG),
        (of_user("w", "p"), REFUSED),
        (CONNECT.to_owned(), REFUSED),
    ] {
        assert_eq!(answer(&config, &said).1, expected, "{said}");
    }
}

#[test]
fn a_session_whose_password_is_changed_ends() {
    let server = Reloadable::start("single", "authorization { user: u, password: u }");
    let mut client = server.user("u");
    server.done("authorization { user: u, password: other }");
    client.expect_closed();
    // One of a list is told why.
    let list = |password: &str| {
        format!("authorization {{ users: [ {{user: u, password: {password}}} ] }}")
    };
    let server = Reloadable::start("listed", &list("u"));
    let mut client = server.user("u");
    server.done(&list("other"));
    assert_eq!(client.line(), REFUSED.as_bytes());
    client.expect_closed();
}

#[test]
fn the_user_without_credentials_is_one_of_a_list() {
    for single in ["user: u, password: p", "token: u"] {
        for place in [
            "no_auth_user: u",
            "websocket { port: -1, no_tls: true, no_auth_user: u }",
        ] {
            let config = format!("authorization {{ {single} }}\n{place}");
            let ended = ServerUnderTest::builder().config(&config).run_to_end();
            assert_eq!(ended.status.code(), Some(1), "{config}");
            let text = "no_auth_user: \"u\" present, but users/nkeys are not defined";
            assert!(ended.stderr.contains(text), "{config}: {}", ended.stderr);
        }
    }
    let (greeting, line) = answer(
        &format!("authorization {{ {USERS} }}\nno_auth_user: u"),
        CONNECT,
    );
    assert_eq!(
        (greeting["auth_required"].clone(), &*line),
        (Value::Null, PONG)
    );
}
