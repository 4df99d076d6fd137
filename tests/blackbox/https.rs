//! Monitoring over HTTPS, and that nobody who misuses the port of monitoring gets in the way.

use crate::certificates::Authority;
use crate::monitoring::{Answer, ask, request};
use crate::support::{GUARD, wait_until};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use trunkline_tests::{Client, RunningServer, ServerUnderTest};

fn address(server: &RunningServer, scheme: &str) -> SocketAddr {
    let announced = format!("Starting {scheme} monitor on ");
    let line = server.wait_for_log(&announced);
    let (_, address) = line.split_once(&announced).unwrap();
    address.split_whitespace().next().unwrap().parse().unwrap()
}

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream
}

fn over_tls(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    path: &str,
) -> (Answer, CertificateDer<'static>) {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, open(address));
    let answer = ask(&mut stream, "GET", path);
    let shown = stream.conn.peer_certificates().unwrap()[0].clone();
    (answer, shown.into_owned())
}

#[test]
fn https_has_the_certificate_of_the_tls_block_and_asks_for_none() {
    let authority = Authority::new("https");
    let place = authority.file("server.conf");
    let text = format!(
        "https: 127.0.0.1:-1\n{}\n",
        authority.config(", verify: true")
    );
    std::fs::write(&place, text).unwrap();
    let server = ServerUnderTest::builder()
        .arguments(&["-c", &place])
        .start();
    let address = address(&server, "https");
    let config = authority.client(None);
    let (answer, before) = over_tls(address, &config, "/varz");
    assert_eq!(answer.status, 200);
    let varz: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(varz["http_port"], 0);
    assert_eq!(varz["https_port"], -1, "as the file has it");
    assert!(varz["tls_cert_not_after"].is_string(), "{varz}");
    // Plain HTTP is told so.
    let mut plain = open(address);
    plain
        .write_all(b"GET /varz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut said = String::new();
    plain.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{said}");
    assert!(
        said.ends_with("Client sent an HTTP request to an HTTPS server.\n"),
        "{said}"
    );
    // Renewed certificates are for new connections.
    authority.issue("server");
    server.signal(Signal::HUP);
    wait_until("a new certificate", || {
        // One that remembers no session, which would have the old one.
        let config = authority.client(None);
        match over_tls(address, &config, "/healthz").1 == before {
            true => Err(server.log()),
            false => Ok(()),
        }
    });
}

#[test]
fn https_without_a_certificate_and_both_at_once_are_refused() {
    for (arguments, reason) in [
        (&["-ms", "18443"][..], "TLS cert and key required for HTTPS"),
        (
            &["--https_port", "18443"],
            "TLS cert and key required for HTTPS",
        ),
        (
            &["-m", "18222", "--https_port=18443"],
            "can't specify both HTTP (18222) and HTTPs (18443) ports",
        ),
    ] {
        let ended = ServerUnderTest::builder().arguments(arguments).run_to_end();
        assert!(!ended.status.success());
        let wanted = format!("Can't start monitoring: {reason}");
        assert!(ended.stderr.contains(&wanted), "{}", ended.stderr);
    }
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let ended = ServerUnderTest::builder()
        .arguments(&["-m", &port.to_string()])
        .run_to_end();
    let wanted = format!(
        "Can't start monitoring: can't listen to the monitor port: \
         listen tcp 127.0.0.1:{port}: bind: address already in use"
    );
    assert!(ended.stderr.contains(&wanted), "{}", ended.stderr);
}

/// Whoever does not finish asking is sent away, whoever asks too much is told so, and neither keeps
/// others from clients or from monitoring.
#[test]
fn bad_guests_of_monitoring_are_in_nobodys_way() {
    let server = ServerUnderTest::builder().arguments(&["-m", "-1"]).start();
    let address = address(&server, "http");
    let mut slow: Vec<TcpStream> = (0..70).map(|_| open(address)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /varz HTTP/1.1\r\nX-").unwrap();
    }
    // Clients do not notice.
    let mut client = Client::connect(server.address());
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n");
    assert_eq!(client.messages_until_barrier(), 1);
    // Their time is over after a while, and then others are answered.
    assert_eq!(request(address, "GET", "/healthz").status, 200);
    for stream in &mut slow {
        let mut said = Vec::new();
        // Cut with or without a word.
        let _ = stream.read_to_end(&mut said);
    }
    for head in [
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(2 << 20)),
        format!("GET /varz HTTP/1.1\r\nX: {}\r\n", "x".repeat(2 << 20)),
    ] {
        let mut stream = open(address);
        // It need not be read to the end.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(b"\r\n");
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        let is_refused = said.starts_with("HTTP/1.1 431") || said.starts_with("HTTP/1.1 414");
        assert!(said.is_empty() || is_refused, "{said}");
    }
    for garbage in [
        &b"\x16\x03\x01\x00\x05hello"[..],
        b"\r\n\r\n\r\n",
        b"PUB a 1\r\nx\r\n",
    ] {
        let mut stream = open(address);
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(request(address, "GET", "/varz").status, 200);
    client.send("PUB a 2\r\nhi\r\n");
    assert_eq!(client.messages_until_barrier(), 1);
}
