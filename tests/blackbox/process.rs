//! The process: signals, flags, configuration errors, an occupied port, no file descriptors left.

use crate::support::{connections_allowed, publication, subscriber, text, wait_until};
use rustix::process::Signal;
use std::time::Duration;
use trunkline_tests::{Client, Received, ServerUnderTest, binary_under_test};

fn ends_cleanly_on(signal: Signal) {
    let server = ServerUnderTest::start(&[]);
    let mut idle = Client::connect(server.address());
    let mut subscribed = subscriber(&server, "a 1");
    server.signal(signal);
    idle.drain_to_end();
    subscribed.drain_to_end();
    let finished = server.wait_for_end();
    assert_eq!(
        finished.status.code(),
        Some(0),
        "exit status after {signal:?}; the log:\n{}",
        finished.stderr
    );
}

#[test]
fn terminate_ends_cleanly() {
    ends_cleanly_on(Signal::TERM);
}

#[test]
fn interrupt_ends_cleanly() {
    ends_cleanly_on(Signal::INT);
}

#[test]
fn terminate_ends_cleanly_under_load() {
    let server = ServerUnderTest::start(&[]);
    let address = server.address();
    let mut reader = subscriber(&server, "load 1");
    let reading = std::thread::spawn(move || reader.drain_to_end());
    let writing = std::thread::spawn(move || {
        let mut client = Client::connect(address);
        let batch = publication("load", &[b'x'; 512]).repeat(100);
        while client.try_send(&batch).is_ok() {}
    });
    std::thread::sleep(Duration::from_millis(200));
    server.signal(Signal::TERM);
    let finished = server.wait_for_end();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    writing.join().unwrap();
    assert!(reading.join().unwrap() > 0);
}

#[test]
fn an_occupied_port_is_refused_with_a_clear_message() {
    let first = ServerUnderTest::start(&[]);
    let port = first.address().port().to_string();
    let second = ServerUnderTest::builder()
        .without_address()
        .arguments(&["-a", "127.0.0.1", "-p", &port])
        .run_to_end();
    assert!(!second.status.success(), "a second server on the same port");
    let said = second.stderr.to_lowercase();
    assert!(
        said.contains("address already in use") && said.contains(&port),
        "the message names neither the trouble nor the port:\n{}",
        second.stderr
    );
    Client::connect(first.address());
}

#[test]
fn a_pid_file_that_cannot_be_written_ends_the_start_before_clients_are_served() {
    let ended = ServerUnderTest::builder()
        .arguments(&["-P", "/nowhere/at/all/server.pid"])
        .run_to_end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let text =
        "Could not write pidfile: open /nowhere/at/all/server.pid: no such file or directory";
    assert!(ended.stderr.contains(text), "{}", ended.stderr);
    let served = ended.stderr.contains("Listening for client connections");
    assert!(!served, "{}", ended.stderr);
}

/// Scripts wait for the port for clients and then ask monitoring.
#[test]
fn monitoring_is_open_when_the_port_for_clients_is() {
    let free = || {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        held.local_addr().unwrap()
    };
    for _ in 0..5 {
        let (clients, monitoring) = (free(), free());
        let mut server = std::process::Command::new(binary_under_test().path)
            .args(["-a", "127.0.0.1", "-js=false"])
            .args(["-p", &clients.port().to_string()])
            .args(["-m", &monitoring.port().to_string()])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the port for clients", || {
            let opened = std::net::TcpStream::connect(clients);
            opened.map(drop).map_err(|failure| failure.to_string())
        });
        let opened = std::net::TcpStream::connect(monitoring);
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(opened.is_ok(), "{opened:?}");
    }
}

#[test]
fn the_address_can_be_given() {
    let first = ServerUnderTest::start(&[]);
    let port = first.address().port();
    drop(first);
    let again = ServerUnderTest::builder()
        .without_address()
        .arguments(&["-a", "127.0.0.1", "-p", &port.to_string()])
        .start();
    assert_eq!(again.address().port(), port);
    Client::connect(again.address());
}

#[test]
fn the_configuration_gives_address_and_name() {
    let free = ServerUnderTest::start(&[]).address();
    for config in [
        format!("listen: \"{free}\"\nserver_name: tested\n"),
        format!(
            "host: 127.0.0.1, port: {}\nserver_name = 'tested'\n",
            free.port()
        ),
        format!(
            "{{\"host\":\"127.0.0.1\",\"port\":{},\"server_name\":\"tested\"}}",
            free.port()
        ),
    ] {
        let server = ServerUnderTest::builder()
            .without_address()
            .config(&config)
            .start();
        assert_eq!(server.address().port(), free.port(), "{config}");
        let info = String::from_utf8(Client::open(server.address()).line()).unwrap();
        assert!(info.contains("\"server_name\":\"tested\""), "{info}");
    }
}

#[test]
fn flags_override_the_configuration() {
    let server = ServerUnderTest::builder()
        .config("server_name: file\nport: 1\n")
        .arguments(&["-n", "flag"])
        .start();
    let info = String::from_utf8(Client::open(server.address()).line()).unwrap();
    assert!(info.contains("\"server_name\":\"flag\""), "{info}");
}

#[test]
fn version_and_help() {
    for flag in ["-v", "--version"] {
        let finished = ServerUnderTest::builder()
            .without_address()
            .arguments(&[flag])
            .run_to_end();
        assert_eq!(finished.status.code(), Some(0), "{flag}");
        let number = finished
            .stdout
            .trim()
            .rsplit_once(['v', ' '])
            .map(|(_, number)| number.to_owned());
        let dots = number.unwrap_or_default().matches('.').count();
        assert_eq!(dots, 2, "{flag} printed {:?}", finished.stdout);
    }
    for flag in ["-h", "--help"] {
        let finished = ServerUnderTest::builder()
            .without_address()
            .arguments(&[flag])
            .run_to_end();
        assert_eq!(finished.status.code(), Some(0), "{flag}");
        for word in ["Usage", "-a", "-p", "-c", "-D", "-V", "-h", "-v"] {
            assert!(
                finished.stdout.contains(word),
                "{flag} does not mention {word}:\n{}",
                finished.stdout
            );
        }
    }
}

#[test]
fn a_bad_configuration_is_refused_with_a_clear_message() {
    for (config, word) in [
        ("nonsense: 5\n", "nonsense"),
        ("max_payload: {\n", "line"),
        // What the reference says of these does not name the key; to be refused is enough.
        ("port: \"not a port\"\n", ""),
        ("max_payload: [1, 2]\n", ""),
    ] {
        let finished = ServerUnderTest::builder().config(config).run_to_end();
        assert_ne!(finished.status.code(), Some(0), "{config:?} was accepted");
        assert!(
            finished.stderr.to_lowercase().contains(word),
            "the message about {config:?} lacks {word:?}:\n{}",
            finished.stderr
        );
    }
    let missing = ServerUnderTest::builder()
        .arguments(&["-c", "/nonexistent/file.conf"])
        .run_to_end();
    assert_ne!(missing.status.code(), Some(0));
    assert!(
        missing.stderr.contains("/nonexistent/file.conf"),
        "{}",
        missing.stderr
    );
}

#[test]
fn debug_and_trace_are_logged() {
    let server = ServerUnderTest::start(&["-DV"]);
    let mut client = subscriber(&server, "traced 1");
    client.send(b"PUB traced 5\r\nhello\r\n");
    client.expect(b"MSG traced 1 5\r\nhello\r\n");
    server.wait_for_log("[DBG]");
    server.wait_for_log("[TRC]");
    let quiet = ServerUnderTest::start(&[]);
    let mut client = subscriber(&quiet, "traced 1");
    client.barrier();
    assert!(!quiet.log().contains("[TRC]") && !quiet.log().contains("[DBG]"));
}

#[test]
fn no_descriptors_left_accept_pauses_says_so_and_recovers() {
    const LIMIT: u32 = 100;
    let server = ServerUnderTest::builder()
        .descriptor_limit(LIMIT)
        .cores(1)
        .start();
    let mut first = subscriber(&server, "a 1");
    let crowd: Vec<Client> = (0..connections_allowed(LIMIT as usize + 50))
        .map(|_| Client::open(server.address()))
        .collect();
    server.wait_for_log("too many open files");
    // Whoever is inside is served as ever.
    for round in 0..20 {
        first.send(publication("a", round.to_string().as_bytes()));
        assert_eq!(text(&mut first), round.to_string());
    }
    drop(crowd);
    let mut late = Client::connect(server.address());
    late.send(publication("a", b"recovered"));
    late.barrier();
    assert_eq!(text(&mut first), "recovered");
    assert!(matches!(
        {
            first.send(b"PING\r\n");
            first.frame()
        },
        Received::Frame(_)
    ));
}
