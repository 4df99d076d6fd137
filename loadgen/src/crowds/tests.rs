//! Attacks and bystanders against small servers of our own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use super::attacks::{ATTACKS, Attack, select};
use super::bystander::{Bystanders, Waits};
use super::fake::{Fake, Fault};
use super::readers::Readers;
use super::scene::Scene;
use crate::compare::config::Setting;
use crate::net::connect;
use crate::net::target::ServerArgs;
use crate::pin;

const PATIENCE: Duration = Duration::from_secs(10);

fn at(address: SocketAddr) -> ServerArgs {
    ServerArgs {
        server: address.to_string(),
        ..ServerArgs::default()
    }
}

fn bystanders(server: &ServerArgs, patience: Duration) -> Bystanders {
    let cpu = pin::first_available().unwrap();
    Bystanders::start(&server.target().unwrap(), 2, cpu, patience).unwrap()
}

fn attack(attack: &Attack) -> (Result<f64, String>, Waits) {
    let server = at(Fake::start(Fault::None).address);
    let bystanders = bystanders(&server, PATIENCE);
    let own_pid = i32::try_from(std::process::id()).unwrap();
    let mut scene = Scene::new(&server, own_pid, &bystanders, 0.001);
    let result = (attack.run)(&mut scene);
    assert!(scene.into_record().is_some(), "{}", attack.name);
    (result, bystanders.finish().unwrap())
}

#[test]
fn every_attack_ends_and_counts() {
    // The fake has no WebSocket that compresses, and traces nothing.
    let fits = |one: &&Attack| one.setting != Setting::Compressed && one.name != "traces";
    for one in ATTACKS.iter().filter(fits) {
        let (result, waits) = attack(one);
        let progress = result.unwrap_or_else(|text| panic!("{}: {text}", one.name));
        // The others count what the fake achieves in a tenth of a second, which may be nothing.
        let counts_all = ["close1m", "queues60k", "inboxes", "rights"].contains(&one.name);
        assert!(progress > 0.0 || !counts_all, "{}", one.name);
        assert_eq!(waits.unanswered, 0, "{}", one.name);
    }
}

#[test]
fn a_server_without_traces_is_found_out() {
    let (result, _) = attack(select(Some("traces")).unwrap()[0]);
    assert_eq!(result, Err("no trace came".into()));
}

#[test]
fn attacks_are_found_by_name() {
    assert_eq!(select(None).unwrap().len(), ATTACKS.len());
    assert_eq!(select(Some("echo, growth")).unwrap().len(), 2);
    assert!(select(Some("nope")).is_err_and(|text| text.contains("flood8000")));
}

/// Bytes that a connection gets before it is cut.
const CUT_AFTER: usize = 100_000;

/// Answers one PING per connection, and sends some bytes; cuts every second connection then, and says so.
fn impatient() -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for (index, stream) in listener.incoming().flatten().enumerate() {
            (&stream).write_all(b"INFO {}\r\n")?;
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.find(|line| line == "PING");
            (&stream).write_all(b"PONG\r\n")?;
            (&stream).write_all(&[b'x'; CUT_AFTER])?;
            if index % 2 == 0 {
                kept.push(stream);
            } else {
                drop(stream);
            }
            let _ = tell.send(());
        }
        std::io::Result::Ok(())
    });
    (address, told)
}

#[test]
fn receivers_that_are_cut_are_counted() {
    let (address, told) = impatient();
    let target = at(address).target().unwrap();
    let mut connections = Vec::new();
    for _ in 0..4 {
        // One by one, as this server lets them in.
        connections.extend(connect::connect_all(&target, "n", 1).unwrap().0);
        told.recv().unwrap();
    }
    assert_eq!(Readers::start(connections).stop(), Ok(2));
}

/// Answers PINGs; before the `stalled`th one of a connection it sleeps.
fn sleepy(stalled: usize, sleep: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                (&stream).write_all(b"INFO {}\r\n")?;
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                for (count, _) in lines.filter(|line| line == "PING").enumerate() {
                    if count == stalled {
                        std::thread::sleep(sleep);
                    }
                    // In two pieces, with something between.
                    (&stream).write_all(b"INFO {}\r\nPO")?;
                    (&stream).write_all(b"NG\r\n")?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    address
}

#[test]
fn everyone_who_waits_for_a_stall_is_counted() {
    let server = at(sleepy(20, Duration::from_millis(400)));
    let bystanders = bystanders(&server, PATIENCE);
    bystanders.measure();
    std::thread::sleep(Duration::from_millis(700));
    let waits = bystanders.finish().unwrap();
    // PINGs went on during the stall: it is seen by far more than the one that met it.
    let late = waits.pongs.count_between(100_000, 1_000_000);
    assert!(
        waits.pongs.max() >= 300_000 && late > 20,
        "{late} were late"
    );
    assert_eq!(waits.unanswered, 0);
}

#[test]
fn what_is_never_answered_counts_too() {
    let server = at(sleepy(5, Duration::from_secs(3600)));
    let bystanders = bystanders(&server, Duration::from_millis(300));
    bystanders.measure();
    std::thread::sleep(Duration::from_millis(300));
    let waits = bystanders.finish().unwrap();
    assert!(waits.unanswered > 0 && waits.pongs.max() >= 300_000);
}
