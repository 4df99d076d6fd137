//! Configuration files that are good, and the harness that loads them. What is
//! good here is good to `nats-server -t -c` (2.15.3).

#![allow(clippy::unwrap_used)]

mod jetstream;
mod leaf;
mod mistakes;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use trunkline_core::session::policy::Policy;

use crate::options::{CoreChoice, Options, PortChoice};

/// A directory of configuration files, removed at the end.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trunkline-config-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        for (name, text) in files {
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { directory }
    }

    /// Loads `main.conf`; places read `main.conf:1:0`.
    fn load(&self) -> Result<(Requested, Vec<String>), String> {
        let mut requested = Requested::default();
        let path = self.directory.join("main.conf");
        let directory = format!("{}/", self.directory.display());
        let environment = |name: &str| match name {
            "TEST_PORT" => Some("5222".to_owned()),
            "TEST_NAME" => Some("from-env".to_owned()),
            "TEST_MAP" => Some("{ user: a, pass: $TEST_NAME }".to_owned()),
            "TEST_EMPTY" => Some(String::new()),
            "TEST_CYCLE" => Some("$TEST_CYCLE".to_owned()),
            "TEST_BROKEN" => Some("[ s3cret".to_owned()),
            _ => None,
        };
        let outcome = load_with(&path, &mut requested, &environment);
        let relative = |text: String| text.replace(&directory, "");
        match outcome {
            Ok(warnings) => {
                let lines = warnings.iter().map(|line| relative(line.to_string()));
                Ok((requested, lines.collect()))
            }
            Err(findings) => Err(relative(findings.to_string())),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn load_bytes(text: &[u8]) -> Result<(Requested, Vec<String>), String> {
    Files::new(&[("main.conf", text)]).load()
}

fn good(text: &str) -> Options {
    match load_bytes(text.as_bytes()) {
        Ok((requested, _)) => requested.resolve().unwrap(),
        Err(error) => panic!("{text}\n{error}"),
    }
}

fn bad(text: &str) -> String {
    match load_bytes(text.as_bytes()) {
        Ok(outcome) => panic!("{text}\n{outcome:?}"),
        Err(error) => error,
    }
}

#[test]
fn every_key_reaches_its_option() {
    let options = good(
        r#"
        # a comment
        host: "127.0.0.1" // another
        port = 5222
        server_name 'north'
        Debug: yes, trace: on; logtime: off
        no_header_support: true
        max_payload: 2MB
        max_control_line: 2k
        max_pending: 10MiB
        max_connections: 100
        max_subscriptions: 7
        max_subscription_tokens: 16
        ping_interval: "1m30s"
        ping_max: 5
        write_deadline: 3s
        cores: "0-3,8"
        authorization { user: alice, password: s3cret, timeout: 0.5 }
        "#,
    );
    assert_eq!(options.host, "127.0.0.1");
    assert_eq!(options.port, PortChoice::Fixed(5222));
    assert_eq!(options.server_name.as_deref(), Some("north"));
    assert!(options.debug && options.trace && !options.log_time);
    assert!(options.no_header_support);
    assert_eq!(options.max_payload, 2 << 20);
    assert_eq!(options.max_control_line, 2000);
    assert_eq!(options.max_pending_bytes, 10 << 20);
    assert_eq!(options.max_connections, 100);
    assert_eq!(options.max_subscriptions, 7);
    assert_eq!(options.max_subscription_tokens, 16);
    assert_eq!(options.ping_interval_ns, 90_000_000_000);
    assert_eq!(options.ping_max, 5);
    assert_eq!(options.write_deadline_ns, 3_000_000_000);
    assert_eq!(options.cores, CoreChoice::List(vec![0, 1, 2, 3, 8]));
    assert_eq!(options.auth_timeout_ns, 500_000_000);
    let user = Policy::of_user("alice", "s3cret");
    assert_eq!(options.policy, user);
}

#[test]
fn shapes_of_files() {
    for text in [
        "port: 5222",
        "port: 5222\r\nhost: a\r\n",
        "PORT 5222",
        "port\n5222",
        "port\n= 5222",
        "\"port\": 5222",
        "{\"port\": 5222, \"host\": \"a\"}",
        "{\n  \"authorization\": {\"token\": \"x\"},\n  \"port\": 5222\n}\n",
        "{ port: 5222 } host: a",
        "{ { port: 5222 }, { host: a } }",
        "{ port: 5222\n",
        "port: 5222 }",
        "port: 5222 # }\n}",
        "port: 5222 / ",
        "port: 5222, host: a; debug: no",
        "net: a, listen: \"b:5222\"",
        "listen: 5222",
        "listen: \":5222\"",
        "listen: 127.0.0.1:5222",
        "listen: \"[::1]:5222\"",
        "listen: localhost:5222",
        "port: 1\nport: 5222",
        "x = 5222\nport = $x",
        "port: $TEST_PORT",
    ] {
        assert_eq!(good(text).port, PortChoice::Fixed(5222), "{text}");
    }
    assert_eq!(good("listen: 5222").host, "0.0.0.0");
    assert_eq!(good("listen: \"[::1]:5222\"").host, "::1");
    assert_eq!(good("port: -1").port, PortChoice::Random);
    assert_eq!(good("max_connections: 0").max_connections, -1);
    assert_eq!(good("max_conn: -1").max_connections, -1);
    assert_eq!(good("max_subs: -1").max_subscriptions, 0);
    assert_eq!(good("cores: 4").cores, CoreChoice::Count(4));
    assert_eq!(good("cores: auto").cores, CoreChoice::Auto);
}

#[test]
fn strings_and_their_escapes() {
    for (text, expected) in [
        (
            "server_name: plain#not-a-comment//either",
            "plain#not-a-comment//either",
        ),
        (r#"server_name: "a\x2db\t\"\\""#, "a-b\t\"\\"),
        (r"server_name: a\x2db", "a-b"),
        (r#"server_name: 'raw\n"'"#, r#"raw\n""#),
        ("server_name: (\nblock\n)\n", "\nblock\n"),
        ("server_name: \"two\nlines\"", "two\nlines"),
        ("server_name: 10.20.30.40", "10.20.30.40"),
        ("server_name: 1kilo", "1kilo"),
        ("server_name: 3rd", "3rd"),
        ("server_name: h\u{e9}", "h\u{e9}"),
        (r"server_name: \x24HOME", "$HOME"),
        ("server_name: $TEST_NAME", "from-env"),
    ] {
        assert_eq!(good(text).server_name.as_deref(), Some(expected), "{text}");
    }
    assert_eq!(good("server_name:").server_name, None);
    assert_eq!(good("server_name: $TEST_EMPTY").server_name, None);
}

#[test]
fn numbers_and_their_suffixes() {
    for (text, expected) in [
        ("4k", 4_000),
        ("4K", 4_000),
        ("4kb", 4096),
        ("4Ki", 4096),
        ("4KiB", 4096),
        ("1m", 1_000_000),
        ("1Mib", 1 << 20),
        ("1g", 1_000_000_000),
        ("1GB", 1 << 30),
        ("1t", 1_000_000_000_000),
        ("1TiB", 1 << 40),
        ("1p", 1_000_000_000_000_000),
        ("1pb", 1 << 50),
        ("1e", 1_000_000_000_000_000_000),
        ("1eib", 1 << 60),
    ] {
        let file = format!("max_pending: {text}\nmax_payload: 1\n");
        assert_eq!(good(&file).max_pending_bytes, expected, "{text}");
    }
}

#[test]
fn authorization_takes_a_user_or_a_token() {
    let token = Policy::of_token;
    assert_eq!(good("authorization { token: abc }").policy, token("abc"));
    assert_eq!(
        good("authorization: { TOKEN = \"abc\" }").policy,
        token("abc")
    );
    assert_eq!(good("authorization {}").policy, Policy::open());
    assert_eq!(
        good("authorization { timeout: 3 }").auth_timeout_ns,
        3_000_000_000
    );
    assert_eq!(
        good("authorization { timeout: \"1m\" }").auth_timeout_ns,
        60_000_000_000
    );
    let user = Policy::of_user("a", "from-env");
    assert_eq!(good("authorization $TEST_MAP").policy, user);
    for (text, expected) in [
        (
            "authorization { user: a, pass: b, token: c}",
            "main.conf:1:0: Cannot have a user/pass and token",
        ),
        (
            "authorization: yes",
            "main.conf:1:0: authorization must be a map, not a boolean",
        ),
        (
            "authorization { timeout: \"x\" }",
            "main.conf:1:16: error parsing authorization config, 'timeout' time: invalid duration \"x\"",
        ),
        (
            "authorization { user: 5 }",
            "main.conf:1:16: user must be a string, not an integer",
        ),
        (
            "authorization { auth_callout: {} }",
            "main.conf:1:16: \"auth_callout\" is not supported by trunkline yet",
        ),
        (
            "authorization { nope: 1 }",
            "main.conf:1:16: unknown field \"nope\"",
        ),
        // nats-server accepts a block that demands nothing.
        (
            "authorization { pass: b }",
            "main.conf:1:0: authorization has a password but no user",
        ),
    ] {
        assert_eq!(bad(text), expected, "{text}");
    }
}

#[test]
fn warnings_do_not_stop_a_start() {
    let warned = |text: &str| load_bytes(text.as_bytes()).unwrap().1;
    assert!(warned("")[0].ends_with("main.conf: config has no values or is empty"));
    assert_eq!(
        warned("port: 1\nwrite_deadline: 5"),
        [
            "main.conf:2:1: invalid use of field \"write_deadline\": write_deadline should be converted to a duration"
        ]
    );
    assert!(warned("authorization { timeout: 61 }")[0].contains("timeout of 61 seconds is high"));
}

#[test]
fn includes_are_relative_to_their_file() {
    let files = Files::new(&[
        (
            "main.conf",
            b"include sub/limits.conf\nport: $shared\nauthorization { include 'auth.conf' }",
        ),
        (
            "sub/limits.conf",
            b"max_payload: 1k; include \"/deeper.conf\"",
        ),
        ("sub/deeper.conf", b"shared = 5222"),
        ("auth.conf", b"token: abc"),
    ]);
    let (requested, warnings) = files.load().unwrap();
    assert!(warnings.is_empty());
    let options = requested.resolve().unwrap();
    assert_eq!(options.port, PortChoice::Fixed(5222));
    assert_eq!(options.max_payload, 1000);
    assert_eq!(options.policy, Policy::of_token("abc"));
}

#[test]
fn mistakes_inside_of_includes_name_the_included_file() {
    let files = Files::new(&[
        ("main.conf", b"include sub.conf"),
        ("sub.conf", b"debug: true\nfoo: 1"),
    ]);
    assert_eq!(
        files.load().unwrap_err(),
        "sub.conf:2:1: unknown field \"foo\""
    );
    let files = Files::new(&[("main.conf", b"\ninclude nope.conf")]);
    assert_eq!(
        files.load().unwrap_err(),
        "main.conf:2:8: error parsing include file 'nope.conf', open nope.conf: no such file or directory"
    );
    let files = Files::new(&[
        ("main.conf", b"include sub.conf"),
        ("sub.conf", b"include main.conf"),
    ]);
    assert_eq!(
        files.load().unwrap_err(),
        "sub.conf:1:7: error parsing include file 'main.conf', it includes itself"
    );
}

#[test]
fn variables_are_looked_up_from_the_inside_out() {
    let options = good("x: outer\nauthorization { x: inner, token: $x }\nserver_name: $x");
    assert_eq!(options.policy, Policy::of_token("inner"));
    assert_eq!(options.server_name.as_deref(), Some("outer"));
    // Many references to one value cost no copies.
    let mut text = "a0: [ x ]\n".to_owned();
    for level in 1..60 {
        let below = level - 1;
        text.push_str(&format!("a{level}: [ $a{below}, $a{below}, $a{below} ]\n"));
    }
    assert!(bad(&text).contains("unknown field \"a59\""));
}

#[test]
fn what_nothing_comes_of_is_noted() {
    let suites = "cipher_suites: [ TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA ]";
    let suite =
        "tls: cipher suites that are not safe are never spoken: TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA";
    for (text, notice) in [
        (format!("tls {{ {suites} }}"), suite),
        (
            format!("websocket {{ port: -1, host: localhost, tls {{ {suites} }} }}"),
            suite,
        ),
        (
            "cluster {}".to_owned(),
            "cluster: other servers cannot join yet, this one runs alone",
        ),
        (
            "accounts { A { msg_trace: x } }".to_owned(),
            "account \"A\": messages are traced if they ask for it, not by msg_trace yet",
        ),
    ] {
        assert_eq!(good(&text).notices, [notice], "{text}");
    }
    assert!(good("prof_port: 0").notices.is_empty());
}

#[test]
fn a_misspelt_key_is_asked_about() {
    for (text, question) in [
        (
            "max_paylod: 1",
            "unknown field \"max_paylod\"; did you mean max_payload?",
        ),
        (
            "clusters: 1",
            "unknown field \"clusters\"; did you mean cluster?",
        ),
        ("foo: 1", "unknown field \"foo\""),
    ] {
        let told = bad(text);
        assert!(told.trim_end().ends_with(question), "{told}");
    }
    // Whatever is asked about is understood.
    for (before, block, after) in [
        ("", keys::IN_FILE, ""),
        ("authorization {", keys::IN_AUTHORIZATION, "}"),
        ("authorization { users: [ {", keys::IN_USER, "} ] }"),
        ("authorization { permissions {", keys::IN_PERMISSIONS, "} }"),
        (
            "authorization { permissions { allow_responses {",
            keys::IN_RESPONSES,
            "} } }",
        ),
        ("accounts { A {", keys::IN_ACCOUNT, "} }"),
        ("accounts { A { limits {", keys::IN_LIMITS, "} } }"),
        ("tls {", keys::IN_TLS, "}"),
        ("websocket {", keys::IN_WEBSOCKET, "}"),
        (
            "websocket { authorization {",
            keys::IN_WEBSOCKET_AUTHORIZATION,
            "} }",
        ),
        ("leafnodes {", keys::IN_LEAF, "}"),
        ("cluster {", keys::IN_CLUSTER, "}"),
    ] {
        for name in block.iter().copied().flatten() {
            let told = |name: &str| {
                let told = load_bytes(format!("{before} {name}: [] {after}").as_bytes()).err();
                told.unwrap_or_default().to_lowercase()
            };
            assert!(!told(name).contains("unknown field"), "{before} {name}");
            let question = format!("; did you mean {name}?");
            let text = told(&format!("{name}_"));
            assert!(
                text.contains(&question) || name.len() < 3,
                "{before} {text}"
            );
        }
    }
}
