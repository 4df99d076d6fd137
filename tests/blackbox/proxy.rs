//! Clients behind a proxy that says whose connections it passes on.

use crate::certificates::Authority;
use crate::support::GUARD;
use crate::tls::{connect, echo, info, secure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use trunkline_tests::{RunningServer, ServerUnderTest};

const CONFIG: &str = "proxy_protocol: true";

/// Connects, sends a beginning, and returns what came back up to the first PONG.
fn talk(server: &RunningServer, beginning: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    let commands = b"CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n";
    stream.write_all(&[beginning, commands].concat()).unwrap();
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    while !heard.windows(6).any(|window| window == b"PONG\r\n") {
        match stream.read(&mut bytes) {
            Ok(len @ 1..) => heard.extend_from_slice(&bytes[..len]),
            _ => break,
        }
    }
    // INFO comes again after the first PONG, with what is known by then.
    while heard.windows(5).filter(|window| window == b"INFO ").count() == 1 {
        match stream.read(&mut bytes) {
            Ok(len @ 1..) => heard.extend_from_slice(&bytes[..len]),
            _ => break,
        }
    }
    String::from_utf8(heard).unwrap()
}

#[test]
fn the_clients_address_is_the_one_that_the_proxy_says() {
    let server = ServerUnderTest::with_config(CONFIG);
    let four = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc0\0\x02\x02\x13\x88\x10\x7e";
    for (beginning, address) in [
        (
            &b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 4222\r\n"[..],
            "192.0.2.7",
        ),
        (b"PROXY TCP6 2001:db8::7 ::1 5000 4222\r\n", "2001:db8::7"),
        (four, "192.0.2.9"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (b"", "127.0.0.1"),
    ] {
        let heard = talk(&server, beginning);
        let infos: Vec<&str> = heard.split("INFO ").skip(1).collect();
        assert_eq!(infos.len(), 2, "{heard}");
        assert!(!infos[0].contains("client_ip"), "{heard}");
        let wanted = format!("\"client_ip\":\"{address}\"");
        assert!(infos[1].contains(&wanted), "{heard}");
    }
}

#[test]
fn a_wrong_header_ends_the_connection() {
    let server = ServerUnderTest::with_config(CONFIG);
    for beginning in [
        &b"PROXY TCP4 nobody 192.0.2.1 1 1\r\n"[..],
        b"PROXY TCP4 ::1 ::1 1 1\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\x0c",
        // UDP, addresses that are too short, another command, another signature.
        b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b............",
        b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c",
        b"\r\n\r\n\0\rXQUIT\n\x21\x11\0\x0c",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 70000 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 +1 1\r\n",
        b"PROXY SCTP 192.0.2.1 192.0.2.1 1 1\r\n",
        &[&b"PROXY UNKNOWN "[..], &[b'x'; 120], b"\r\n"].concat(),
    ] {
        let heard = talk(&server, beginning);
        assert!(!heard.contains("PONG"), "{heard}");
    }
    server.wait_for_log("Error reading PROXY protocol header from");
    assert!(talk(&server, b"").contains("PONG"));
}

#[test]
fn more_than_addresses_may_be_in_a_header() {
    let server = ServerUnderTest::with_config(CONFIG);
    let mut long = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x4e\x20".to_vec();
    long.extend_from_slice(b"\xc0\0\x02\x09\xc0\0\x02\x02\x13\x88\x10\x7e");
    long.resize(16 + 20_000, b'.');
    for (beginning, address) in [
        (&long[..], "192.0.2.9"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x04what", "127.0.0.1"),
        (b"PROXY TCP6 ::ffff:192.0.2.8 ::1 1 1\r\n", "192.0.2.8"),
        (b"PROXY UNKNOWN what ever\r\n", "127.0.0.1"),
    ] {
        let heard = talk(&server, beginning);
        assert!(
            heard.contains(&format!("\"client_ip\":\"{address}\"")),
            "{heard}"
        );
    }
}

#[test]
fn tls_follows_the_header_whatever_goes_first() {
    let authority = Authority::new("proxy");
    let config = authority.client(None);
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 4222\r\n";
    for order in ["", ", handshake_first: true"] {
        let text = format!("{CONFIG}\n{}", authority.config(order));
        let server = ServerUnderTest::with_config(&text);
        let mut stream = connect(&server);
        if order.is_empty() {
            info(&mut stream);
        }
        stream.write_all(header).unwrap();
        let mut stream = secure(stream, &config);
        if !order.is_empty() {
            info(&mut stream);
        }
        echo(&mut stream, 300).unwrap();
    }
    // Who waits for INFO gets it; the header has its own time.
    let text = authority.config(", handshake_first: \"20ms\", timeout: 0.3");
    let server = ServerUnderTest::with_config(&format!("{CONFIG}\n{text}"));
    let mut stream = connect(&server);
    info(&mut stream);
    std::thread::sleep(Duration::from_millis(500));
    stream.write_all(header).unwrap();
    echo(&mut secure(stream, &config), 300).unwrap();
}

#[test]
fn a_header_has_to_come_in_time() {
    let server = ServerUnderTest::with_config(CONFIG);
    let begun = Instant::now();
    let mut stream = connect(&server);
    info(&mut stream);
    stream.write_all(b"PROXY TCP4 192.0.2.7").unwrap();
    let mut rest = Vec::new();
    let _read = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    assert!(begun.elapsed() > Duration::from_secs(4));
    server.wait_for_log("Error reading PROXY protocol header from");
}
