//! Hundreds of bad connections of every kind: everything is given back, and no secret is told.

use crate::certificates::Authority;
use crate::monitoring::{json, monitoring};
use crate::support::{wait_for_descriptors, wait_until};
use crate::tls::{connect, info, secure};
use crate::websocket::{Framed, request, tcp};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use trunkline_tests::{RunningServer, ServerUnderTest};

/// Bad connections of one kind.
const CONNECTIONS: usize = 60;

fn to_websocket(server: &RunningServer, bytes: &[u8]) -> TcpStream {
    let mut stream = tcp(server);
    let _sent = stream.write_all(bytes);
    stream
}

fn to_client_port(server: &RunningServer, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(server);
    info(&mut stream);
    let _sent = stream.write_all(bytes);
    stream
}

/// Many at a time, then each is read to its end, or left.
fn crowd(open: impl Fn() -> TcpStream) {
    let streams: Vec<TcpStream> = (0..CONNECTIONS).map(|_| open()).collect();
    for (number, mut stream) in streams.into_iter().enumerate() {
        if number % 3 == 0 {
            stream
                .set_read_timeout(Some(Duration::from_millis(5)))
                .unwrap();
            let mut rest = [0; 4096];
            let _read = stream.read(&mut rest);
        }
    }
}

#[test]
fn bad_connections_leave_nothing_behind() {
    let authority = Authority::new("leaks");
    let text = format!(
        "http: 127.0.0.1:-1\nauthorization {{ user: u, password: p, timeout: 0.5 }}\n{}\n\
         websocket {{ host: \"127.0.0.1\", port: -1, no_tls: true, compression: true, handshake_timeout: \"500ms\" }}",
        authority.config(", timeout: 0.5")
    );
    let server = ServerUnderTest::with_config(&text);
    let round = || {
        for bytes in [
            &b""[..],
            b"CONNECT {}\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\x16\x03\x01\xff\xff",
            &[0x80; 3000],
        ] {
            crowd(|| to_client_port(&server, bytes));
        }
        for bytes in [
            &b""[..],
            b"GET / HTTP/1.1\r\nHost: ",
            b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"nonsense\r\n\r\n",
        ] {
            crowd(|| to_websocket(&server, bytes));
        }
        let upgrade = request("Sec-WebSocket-Extensions: permessage-deflate\r\n");
        for frames in [
            &b"\xa2\x80\0\0\0\0"[..],
            b"\x42\xff\0\0\0\0\0\0\x40\0\0\0\0\0xx",
            b"\xc2\x83\0\0\0\0\xff\xff\xff",
        ] {
            crowd(|| {
                let mut stream = to_websocket(&server, upgrade.as_bytes());
                let mut head = [0; 60];
                stream.read_exact(&mut head).unwrap();
                let _sent = stream.write_all(frames);
                stream
            });
        }
        // Through TLS, and then wrong or without a word.
        let config = authority.client(None);
        for bytes in [
            &b"CONNECT {\"user\":\"u\",\"pass\":\"x\"}\r\n"[..],
            b"NONSENSE\r\n",
            b"PUB a 5\r\n",
        ] {
            crowd(|| {
                let mut stream = secure(to_client_port(&server, b""), &config);
                let _sent = stream.write_all(bytes).and_then(|()| stream.flush());
                stream.sock
            });
        }
    };
    let address = monitoring(&server);
    let rest = || {
        wait_until("the end of all connections", || {
            match &json(address, "/varz")["connections"] {
                count if count == 0 => Ok(()),
                count => Err(count.to_string()),
            }
        });
    };
    let baseline = server.open_descriptors();
    // The first rounds fill buffers and pools that stay.
    round();
    rest();
    wait_for_descriptors(&server, baseline);
    round();
    rest();
    let memory = server.resident_bytes();
    round();
    rest();
    wait_for_descriptors(&server, baseline);
    let grown = server.resident_bytes().saturating_sub(memory);
    // The reference's collector takes its time.
    assert!(!server.is_ours || grown < 8 << 20, "{grown} bytes more");
}

#[test]
fn secrets_are_told_nowhere() {
    let authority = Authority::new("secrets");
    let config = authority.config("");
    let text = format!(
        "http: 127.0.0.1:-1\ndebug: true, trace: true\nallow_non_tls: true\n{config}\n\
         authorization {{ users: [ {{ user: u, password: the-s3cret }} ] }}\n\
         websocket {{ host: \"127.0.0.1\", port: -1, no_tls: true, user_cookie: u, pass_cookie: p, token_cookie: t }}"
    );
    let server = ServerUnderTest::with_config(&text);
    for options in [
        r#""user":"u","pass":"the-s3cret""#,
        r#""user":"x","pass":"the-s3cret""#,
        r#""auth_token" : "the-s3cret""#,
        r#""nkey":"UA","sig":"the-s3cret""#,
        r#""pass":"the-s3cret"#,
    ] {
        let line = format!("CONNECT {{{options}}}\r\nPING\r\n");
        to_client_port(&server, line.as_bytes());
    }
    if server.is_ours {
        // The reference tells these.
        for options in [
            r#""PASS":"the-s3cret""#,
            r#""pass":["the-s3cret"]"#,
            r#""pass":"\"the-s3cret","pass":"the-s3cret""#,
            r#""jwt":"the-s3cret""#,
            r#""nkey":"Sthe-s3cret""#,
        ] {
            to_client_port(&server, format!("CONNECT {{{options}}}\r\n").as_bytes());
        }
        to_client_port(&server, b"CONNECT the-s3cret\r\n");
    }
    for fields in [
        "Cookie: u=u; p=the-s3cret\r\n",
        "Cookie: t=the-s3cret\r\nAuthorization: Bearer the-s3cret\r\n",
    ] {
        let mut client = Framed::open(&server, fields);
        client.send(b"CONNECT {\"verbose\":false}\r\nPING\r\n");
        while !client.received.ends_with(b"PONG\r\n") && client.read() {}
    }
    to_websocket(&server, request("Bad Name: the-s3cret\r\n").as_bytes());
    let address = monitoring(&server);
    for path in [
        "/varz",
        "/connz?subs=1&auth=1",
        "/connz?state=closed&auth=1",
        "/accountz?acc=$G",
    ] {
        let page = json(address, path).to_string();
        assert!(!page.contains("s3cret"), "{path}: {page}");
    }
    let key = std::fs::read_to_string(authority.file("server.key")).unwrap();
    let key = key.lines().nth(1).unwrap();
    let log = server.log();
    let telling = log
        .lines()
        .find(|line| line.contains("s3cret") || line.contains(key));
    assert_eq!(telling, None);
    assert!(log.contains("[REDACTED]"));
}
