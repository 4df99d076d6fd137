//! The official NATS clients as tests: one test per client, each with a server of its own.
//!
//! The programs, what they check and how to run one by hand are in `clients/README.md`. Not here:
//! raw protocol (the black-box suite) and speed (nothing here depends on it).
#![allow(clippy::unwrap_used, reason = "this crate is nothing but tests")]

#[path = "clients/cli.rs"]
mod cli;
#[path = "clients/harness.rs"]
mod harness;
#[path = "clients/rust.rs"]
mod rust_client;
#[path = "clients/setup.rs"]
mod setup;

use std::process::Command;

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

#[test]
fn rust() {
    let mut server = Server::start();
    let url = server.url();
    let passed = rust_client::run(&url, || server.restart());
    assert_eq!(passed, SCENARIOS, "scenarios that the program ran");
}

#[test]
fn python() {
    run_program("python", setup::python);
}

#[test]
fn node() {
    run_program("node", setup::node);
}

#[test]
fn go() {
    run_program("go", setup::go);
}

#[test]
fn nats_cli() {
    match setup::nats_cli() {
        Ok(program) => cli::run(&program, &mut Server::start()),
        Err(Absent(reason)) => setup::skip("nats_cli", &reason),
    }
}

fn run_program(name: &str, prepare: fn() -> Result<Command, Absent>) {
    match prepare() {
        Ok(command) => {
            let mut server = Server::start();
            let passed = harness::run_scenarios(command, &mut server);
            assert_eq!(passed, SCENARIOS, "scenarios that the program ran");
        }
        Err(Absent(reason)) => setup::skip(name, &reason),
    }
}
