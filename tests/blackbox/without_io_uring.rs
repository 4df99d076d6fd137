//! A server that is forbidden io_uring: it says so and serves on plain threads.
//!
//! All suites run like this with the variable `TRUNKLINE_TESTS_WITHOUT_IO_URING`.

use rustix::process::Signal;
use trunkline_tests::{Client, ServerBuilder, ServerUnderTest};

use crate::support::{publication, subscriber, text, wait_until};

fn forbidden() -> ServerBuilder {
    ServerUnderTest::builder().without_io_uring()
}

#[test]
fn it_says_what_is_lost() {
    let forbidden = forbidden();
    let is_ours = forbidden.is_ours();
    let log = forbidden.start().log();
    assert_eq!(log.contains("Without io_uring"), is_ours, "{log}");
    assert_eq!(log.contains("seccomp"), is_ours, "{log}");
}

#[test]
fn messages_go_from_core_to_core() {
    let server = forbidden().cores(4).start();
    let mut readers: Vec<Client> = (0..8).map(|_| subscriber(&server, "a.* 1")).collect();
    for number in 0..8 {
        let mut writer = Client::connect(server.address());
        let payload = number.to_string();
        writer.send(publication(&format!("a.{number}"), payload.as_bytes()));
        writer.barrier();
        for reader in &mut readers {
            assert_eq!(text(reader), payload);
        }
    }
}

#[test]
fn a_core_that_slept_long_wakes() {
    let server = forbidden().cores(2).start();
    let mut readers: Vec<Client> = (0..4).map(|_| subscriber(&server, "a 1")).collect();
    let mut writer = Client::connect(server.address());
    // Longer than the short sleep in the poller, and than an idle core keeps its memory.
    for pause_ms in [100, 2_500] {
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        writer.send(publication("a", b"awake"));
        for reader in &mut readers {
            assert_eq!(text(reader), "awake");
        }
    }
}

#[test]
fn it_reloads_and_stops() {
    let server = forbidden().cores(2).config("max_payload: 1024\n").start();
    let mut client = Client::connect(server.address());
    server.signal(Signal::HUP);
    wait_until("the reload", || {
        let log = server.log();
        match log.contains("Reloaded server configuration") {
            true => Ok(()),
            false => Err(log),
        }
    });
    client.barrier();
    server.signal(Signal::TERM);
    client.drain_to_end();
    let finished = server.wait_for_end();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
}
