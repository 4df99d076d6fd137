//! Whoever guesses passwords: is slowed down, fills neither the log nor the queue of checks, and does
//! not keep out anybody else.

use crate::support::{GUARD, connections_allowed, log_in, wait_until};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use trunkline_tests::{Client, Frame, Received, RunningServer, ServerUnderTest};

const CORES: usize = 2;

/// What `FAILED_TRIES_FREE` of the core says.
const FREE: usize = trunkline_core::base::limits::FAILED_TRIES_FREE as usize;

/// Somebody in a hurry.
const SOON: Duration = Duration::from_secs(3);

/// A connection from another address of this machine.
fn open_from(address: Ipv4Addr, server: &RunningServer) -> Client {
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&stream, &SocketAddr::from((address, 0))).unwrap();
    connect(&stream, &server.address()).unwrap();
    let mut client = Client::from_stream(TcpStream::from(stream));
    assert!(client.line().starts_with(b"INFO "));
    client
}

fn credentials(user: &str, password: &str) -> String {
    format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\nPING\r\n")
}

/// Waits until all are refused.
fn refuse_all(guesses: &mut [Client]) {
    for guess in guesses {
        let refused = Frame::Error(b"Authorization Violation".to_vec());
        assert_eq!(guess.frame_within(GUARD), Received::Frame(refused));
        guess.expect_closed();
    }
}

#[test]
fn a_thousand_guesses_hinder_nobody_else() {
    let server = ServerUnderTest::builder()
        .config("authorization { users: [ {user: a, password: right} ] }")
        .cores(CORES)
        .start();
    let count = connections_allowed(1000);
    let mut guesses: Vec<Client> = (0..count)
        .map(|number| {
            let mut client = Client::greet(server.address());
            client.send(credentials("a", &format!("guess{number}")));
            client
        })
        .collect();
    let began = Instant::now();
    let mut other = open_from(Ipv4Addr::new(127, 0, 0, 2), &server);
    other.send(credentials("a", "right"));
    other.expect("PONG\r\n");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    refuse_all(&mut guesses);
    // Even the source of the guesses gets in at once, if it knows the password.
    let began = Instant::now();
    log_in(&server, "a", "right");
    if ServerUnderTest::builder().is_ours() {
        let log = server.log();
        let lines = log.matches("authentication error").count();
        assert!(lines < 2 * CORES * FREE, "{lines} lines");
        let summaries = log
            .matches("127.0.0.1 - 1 more failed log-in tries")
            .count();
        assert!((1..=CORES).contains(&summaries), "{log}");
        assert!(!log.contains("guess"), "no password in the log");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
}

#[test]
fn who_knows_the_password_gets_in_beside_those_who_try_an_old_one() {
    for secret in ["right", HASH] {
        let password = if secret == HASH { PASSWORD } else { secret };
        let server = ServerUnderTest::builder()
            .config(&format!(
                "authorization {{ users: [ {{user: a, password: \"{secret}\"}} ] }}"
            ))
            .cores(1)
            .start();
        // All behind one address, as clients behind a router are; each tries again and again.
        let mut olds = Vec::new();
        for _ in 0..4 {
            olds.extend((0..60).map(|_| {
                let mut client = Client::greet(server.address());
                client.send(credentials("a", "old"));
                client
            }));
            for _ in 0..10 {
                let began = Instant::now();
                let mut client = Client::greet(server.address());
                client.send(credentials("a", password));
                client.expect("PONG\r\n");
                assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
            }
        }
        refuse_all(&mut olds);
    }
}

#[test]
fn some_tens_of_failures_have_no_consequence() {
    let server = ServerUnderTest::builder()
        .config("authorization { users: [ {user: a, password: right} ] }")
        .cores(CORES)
        .start();
    for number in 0..FREE / 2 {
        let mut client = Client::greet(server.address());
        client.send(credentials("a", &number.to_string()));
        refuse_all(&mut [client]);
    }
    let began = Instant::now();
    log_in(&server, "a", "right");
    assert!(began.elapsed() < SOON);
    wait_until("a line for each", || {
        let log = server.log();
        let lines = log.matches("authentication error - User \"a\"").count();
        (lines == FREE / 2).then_some(()).ok_or(log)
    });
}

#[test]
fn guesses_at_a_hash_wait_behind_others() {
    let config = format!("authorization {{ users: [ {{user: h, password: \"{HASH}\"}} ] }}");
    let server = ServerUnderTest::builder()
        .config(&config)
        .cores(CORES)
        .start();
    let mut guesses: Vec<Client> = (0..60)
        .map(|number| {
            let mut client = Client::greet(server.address());
            client.send(credentials("h", &number.to_string()));
            client
        })
        .collect();
    let mut other = open_from(Ipv4Addr::new(127, 0, 0, 2), &server);
    other.send(credentials("h", PASSWORD));
    other.expect("PONG\r\n");
    if ServerUnderTest::builder().is_ours() {
        let answered = server.log().matches("authentication error").count();
        assert!(answered < 60, "it did not wait for all guesses");
    }
    refuse_all(&mut guesses);
    // A crowd that knows the password is let in without so many checks.
    let crowd: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = Client::greet(server.address());
            client.send(credentials("h", PASSWORD));
            client
        })
        .collect();
    for mut client in crowd {
        client.expect("PONG\r\n");
    }
}

/// The bcrypt hash, of cost 8, of the password.
const HASH: &str = "$2a$08$abcdefghijklmnopqrstuuwezlW09AGl.Qc8oiYvHEzrpumH/GaSu";
const PASSWORD: &str = "correct horse battery";
