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
