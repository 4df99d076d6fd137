//! The official NATS clients as tests: one test per client, each with a server of its own.
//!
//! The programs, what they check and how to run one by hand are in `clients/README.md`. Not here:
//! raw protocol (the black-box suite) and speed (nothing here depends on it).
#![allow(clippy::unwrap_used, reason = "this crate is nothing but tests")]

#[path = "blackbox/certificates.rs"]
mod certificates;
#[path = "clients/cli.rs"]
mod cli;
#[path = "clients/guarded.rs"]
mod guarded;
#[path = "clients/harness.rs"]
mod harness;
#[path = "clients/rust.rs"]
mod rust_client;
#[path = "clients/setup.rs"]
mod setup;

use std::process::Command;

use guarded::Guarded;
use harness::Server;
use setup::Absent;
use trunkline_tests::harness::jetstream::jetstream_under_test;

/// What every client has to pass, in this order. A program that leaves one out fails.
const SCENARIOS: [&str; 18] = [
    "publish-subscribe",
    "wildcards",
    "request-reply",
    "no-responders",
    "request-timeout",
    "queue-groups",
    "headers",
    "subscription-drain",
    "connection-drain",
    "auto-unsubscribe",
    "thousand-subscriptions",
    "max-payload",
    "payload-too-large",
    "flush-and-rtt",
    "echo-off",
    "many-connections",
    "burst",
    "reconnect",
];

/// What they have to pass with a server that has users, TLS and WebSocket.
const GUARDED_SCENARIOS: [&str; 6] = [
    "tls-password",
    "nkey",
    "permissions",
    "websocket",
    "reload",
    "lame-duck",
];

/// What they have to pass with a server that has JetStream, in this order; each has more of its own.
const STREAM_SCENARIOS: [&str; 12] = [
    "streams",
    "publish-sync",
    "publish-async",
    "fetch",
    "acknowledgements",
    "push",
    "ordered",
    "key-value",
    "key-value-watch",
    "objects",
    "object-watch",
    "account",
];

#[test]
fn rust() {
    let mut server = Server::start();
    let url = server.url();
    let passed = rust_client::run(&url, || server.restart());
    assert_eq!(passed, SCENARIOS, "scenarios that the program ran");
}

#[test]
fn python() {
    run_program("python", || setup::python("scenarios.py"));
}

#[test]
fn node() {
    run_program("node", || setup::node("scenarios.js"));
}

#[test]
fn go() {
    run_program("go", setup::go);
}

#[test]
fn python_guarded() {
    run_guarded("python_guarded", || setup::python("guarded.py"));
}

#[test]
fn node_guarded() {
    run_guarded("node_guarded", || setup::node("guarded.js"));
}

#[test]
fn go_guarded() {
    run_guarded("go_guarded", setup::go);
}

#[test]
fn python_streams() {
    run_streams("python_streams", || setup::python("streams.py"));
}

#[test]
fn node_streams() {
    run_streams("node_streams", || setup::node("streams.js"));
}

#[test]
fn go_streams() {
    run_streams("go_streams", setup::go);
}

#[test]
fn rust_streams() {
    if jetstream_under_test().is_some() {
        assert_streams(&rust_client::run_streams(&Server::with_streams().url()));
    }
}

#[test]
fn nats_cli_streams() {
    if jetstream_under_test().is_none() {
        return;
    }
    match setup::nats_cli() {
        Ok(program) => cli::run_streams(&program),
        Err(Absent(reason)) => setup::skip("nats_cli_streams", &reason),
    }
}

#[test]
fn nats_cli() {
    match setup::nats_cli() {
        Ok(program) => cli::run(&program, &mut Server::start()),
        Err(Absent(reason)) => setup::skip("nats_cli", &reason),
    }
}

fn run_program(name: &str, prepare: impl FnOnce() -> Result<Command, Absent>) {
    match prepare() {
        Ok(mut command) => {
            let mut server = Server::start();
            command.arg(server.url());
            let passed = harness::run_scenarios(command, |request| match request {
                "RESTART" => server.restart(),
                other => panic!("a program asks for {other:?}"),
            });
            assert_eq!(passed, SCENARIOS, "scenarios that the program ran");
        }
        Err(Absent(reason)) => setup::skip(name, &reason),
    }
}

fn run_guarded(name: &str, prepare: impl FnOnce() -> Result<Command, Absent>) {
    match prepare() {
        Ok(mut command) => {
            let mut server = Guarded::start(name);
            command.args(server.arguments());
            command.env("NODE_EXTRA_CA_CERTS", server.ca_file());
            let passed = harness::run_scenarios(command, |request| server.serve(request));
            assert_eq!(passed, GUARDED_SCENARIOS, "scenarios that the program ran");
        }
        Err(Absent(reason)) => setup::skip(name, &reason),
    }
}

fn run_streams(name: &str, prepare: impl FnOnce() -> Result<Command, Absent>) {
    if jetstream_under_test().is_none() {
        return;
    }
    match prepare() {
        Ok(mut command) => {
            let server = Server::with_streams();
            // The Go program has one more word, which the others do not look at.
            command.args([server.url(), "streams".to_owned()]);
            let passed =
                harness::run_scenarios(command, |request| panic!("a program asks for {request:?}"));
            assert_streams(&passed);
        }
        Err(Absent(reason)) => setup::skip(name, &reason),
    }
}

/// All scenarios that every program has, in their order.
fn assert_streams<T: AsRef<str>>(passed: &[T]) {
    let passed = passed.iter().map(AsRef::as_ref);
    let common: Vec<&str> = passed
        .filter(|name| STREAM_SCENARIOS.contains(name))
        .collect();
    assert_eq!(common, STREAM_SCENARIOS, "scenarios that the program ran");
}
