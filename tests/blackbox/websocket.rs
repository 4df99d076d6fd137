//! Clients over WebSocket: what is agreed on, what passes through the frames, and what becomes of
//! those who break the rules.

use crate::certificates::Authority;
use crate::support::GUARD;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use trunkline_core::wire::websocket::decoder::{Decoder, Input, Piece};
use trunkline_core::wire::websocket::deflate::Codec;
use trunkline_tests::{Client, RunningServer, ServerUnderTest};

const MAX_PAYLOAD: u32 = 4 << 20;

pub trait Stream: Read + Write {}
impl<Any: Read + Write> Stream for Any {}

/// A client that speaks frames.
pub struct Framed {
    pub stream: Box<dyn Stream>,
    decoder: Decoder,
    codec: Codec,
    compresses: bool,
    pub received: Vec<u8>,
    /// Control frames that came.
    pub control: Vec<Piece>,
}

/// Where the server listens for WebSocket.
fn door(server: &RunningServer) -> SocketAddr {
    let line = server.wait_for_log("Listening for websocket clients on");
    let (_, address) = line.rsplit_once("://").unwrap();
    address.trim().parse().unwrap()
}

pub fn tcp(server: &RunningServer) -> TcpStream {
    let stream = TcpStream::connect(door(server)).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream
}

pub fn request(fields: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    )
}

/// The head of the answer to a request.
pub fn answer(stream: &mut dyn Stream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

impl Framed {
    pub fn open(server: &RunningServer, fields: &str) -> Self {
        Self::over(Box::new(tcp(server)), fields)
    }

    fn over(mut stream: Box<dyn Stream>, fields: &str) -> Self {
        let head = answer(&mut stream, &request(fields));
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        let compresses = head.contains("permessage-deflate");
        let mut framed = Self {
            stream,
            decoder: Decoder::new(false, compresses),
            codec: Codec::default(),
            compresses,
            received: Vec::new(),
            control: Vec::new(),
        };
        framed.read_until(b"\r\n");
        assert!(framed.received.starts_with(b"INFO {"));
        framed
    }

    fn info(&self) -> serde_json::Value {
        let line = &self.received[5..];
        let mut values = serde_json::Deserializer::from_slice(line).into_iter();
        values.next().unwrap().unwrap()
    }

    /// Sends one frame with these first bits.
    pub fn frame(&mut self, first: u8, payload: &[u8]) {
        let key = [0x12, 0x9f, 0x00, 0xc4];
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..=125 => bytes.push(0x80 | len as u8),
            len @ 126..=0xffff => {
                bytes.push(0xfe);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                bytes.push(0xff);
                bytes.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&key);
        let pairs = payload.iter().zip(key.iter().cycle());
        bytes.extend(pairs.map(|(byte, key)| byte ^ key));
        // Whoever was cut off hears of it when reading.
        let _sent = self.stream.write_all(&bytes);
        let _sent = self.stream.flush();
    }

    /// Sends bytes of the client protocol as one message.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.compresses {
            let mut deflated = Vec::new();
            self.codec.deflate(std::iter::once(bytes), &mut deflated);
            self.frame(0xc2, &deflated);
        } else {
            self.frame(0x82, bytes);
        }
    }

    /// Reads once; false at the end.
    pub fn read(&mut self) -> bool {
        let mut bytes = vec![0; 64 << 10];
        let Ok(len @ 1..) = self.stream.read(&mut bytes) else {
            return false;
        };
        let mut input = Input::new(&mut bytes[..len]);
        while let Some(piece) = self.decoder.next(&mut input, &mut self.codec, MAX_PAYLOAD) {
            match piece {
                Piece::Payload(range) => self.received.extend_from_slice(input.payload(range)),
                Piece::Inflated => self.received.extend_from_slice(self.codec.inflated()),
                Piece::Measured(_) => {}
                other => self.control.push(other),
            }
        }
        true
    }

    #[track_caller]
    pub fn read_until(&mut self, end: &[u8]) {
        while !self.received.ends_with(end) {
            let text = String::from_utf8_lossy(&self.received).into_owned();
            assert!(self.read(), "the end, after {text} {:?}", self.control);
        }
    }

    /// Publishes to itself.
    #[track_caller]
    pub fn echo(&mut self, size: usize) {
        self.received.clear();
        let payload = "x".repeat(size);
        self.send(b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
        self.send(format!("PUB a {size}\r\n{payload}\r\n").as_bytes());
        self.send(b"UNSUB 1\r\nPING\r\n");
        self.read_until(b"PONG\r\n");
        let wanted = format!("MSG a 1 {size}\r\n{payload}\r\nPONG\r\n");
        assert!(self.received == wanted.as_bytes(), "other bytes came back");
    }

    /// Everything until the end; the code of the close frame, if one came.
    fn rest(mut self) -> (Vec<u8>, Option<u16>) {
        self.received.clear();
        while self.read() {}
        let mut codes = self.control.iter().filter_map(|piece| match piece {
            Piece::Close(payload) => payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
            _ => None,
        });
        (self.received, codes.next_back())
    }
}

pub const PLAIN: &str = "websocket { host: \"127.0.0.1\", port: -1, no_tls: true }";
pub const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

#[test]
fn messages_of_every_size_pass_plain_and_compressed() {
    let text = PLAIN.replace("no_tls", "compression: true, no_tls");
    let server = ServerUnderTest::with_config(&text);
    for fields in ["", DEFLATE, "Nats-No-Masking: true\r\n"] {
        let mut client = Framed::open(&server, fields);
        assert_eq!(client.compresses, fields == DEFLATE);
        let info = client.info();
        assert_eq!(info["port"], door(&server).port());
        assert_eq!(info["client_ip"], "127.0.0.1");
        if fields.contains("Masking") {
            // Masks are not agreed on: a frame without one.
            client.stream.write_all(b"\x82\x06PING\r\n").unwrap();
            client.read_until(b"PONG\r\n");
            continue;
        }
        for size in [0, 1, 100, 5_000, 70_000, 900_000] {
            client.echo(size);
        }
    }
}

#[test]
fn frames_and_other_connections_mix_in_every_way() {
    let server = ServerUnderTest::with_config(PLAIN);
    let mut framed = Framed::open(&server, "");
    framed.received.clear();
    // A command over three frames of one message, with a ping in the middle; text frames count.
    framed.frame(0x01, b"CONNECT {\"verb");
    framed.frame(0x89, b"are you there?");
    framed.frame(0x00, b"ose\":false}\r\nSUB a");
    framed.frame(0x80, b" 7\r\nPING\r\n");
    framed.read_until(b"PONG\r\n");
    let mut plain = Client::connect(server.address());
    plain.send("SUB b 1\r\nPUB a 5\r\nhello\r\nPING\r\n");
    plain.expect("PONG\r\n");
    framed.received.clear();
    framed.read_until(b"MSG a 7 5\r\nhello\r\n");
    framed.send(b"PUB b 2\r\nhi\r\n");
    plain.expect("MSG b 1 2\r\nhi\r\n");
    framed.frame(0x88, b"\x03\xe8bye");
    assert_eq!(framed.rest().1, Some(1000), "the close frame comes back");
}

#[test]
fn tls_goes_first_if_it_is_configured() {
    let authority = Authority::new("websocket");
    let tls = authority.config("");
    let server = ServerUnderTest::with_config(&format!(
        "websocket {{ host: \"127.0.0.1\", port: -1, compression: true, {tls} }}"
    ));
    let name = ServerName::try_from("localhost").unwrap();
    for fields in ["", DEFLATE] {
        let session = ClientConnection::new(authority.client(None), name.clone()).unwrap();
        let stream = StreamOwned::new(session, tcp(&server));
        let mut client = Framed::over(Box::new(stream), fields);
        assert_eq!(client.info()["tls_required"], true);
        for size in [0, 100, 300_000] {
            client.echo(size);
        }
    }
    // Plain text at a TLS port, and a greeting that never ends, harm nobody.
    let mut plain = tcp(&server);
    plain.write_all(request("").as_bytes()).unwrap();
    let mut rest = Vec::new();
    let _read = plain.read_to_end(&mut rest);
    assert!(rest.starts_with(b"HTTP/1.0 400 Bad Request"));
    let mut client = Client::connect(server.address());
    client.barrier();
}

#[test]
fn requests_that_are_no_upgrade_get_an_answer() {
    let text = PLAIN.replace("no_tls", "same_origin: true, no_tls");
    let server = ServerUnderTest::with_config(&text);
    let status = |request: &str| {
        let head = answer(&mut tcp(&server), request);
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(status(&request("")), "101");
    assert_eq!(status(&request("Origin: http://localhost\r\n")), "101");
    assert_eq!(status(&request("Origin: http://elsewhere\r\n")), "403");
    assert_eq!(status(&request("").replace("GET", "PUT")), "405");
    assert_eq!(status(&request("").replace("Key: dG", "Key: ")), "400");
    assert_eq!(status(&request("").replace(": 13", ": 12")), "400");
    assert_eq!(
        status(&request("").replace("Host: localhost\r\n", "")),
        "400"
    );
    assert_eq!(status(&request("").replace("GET /", "GET /mqtt")), "404");
    assert_eq!(status("INFO {}\r\n\r\n"), "400");
    let mut client = Client::connect(server.address());
    client.barrier();
}

#[test]
fn frames_that_are_not_allowed_end_their_connection_alone() {
    let text = PLAIN.replace("no_tls", "compression: true, no_tls");
    let server = ServerUnderTest::with_config(&text);
    let mut bystander = Framed::open(&server, "");
    for (first, payload) in [
        (0xa2, &b"x"[..]),
        (0x83, b"x"),
        (0x80, b"x"),
        (0x09, b"x"),
        (0x89, &[0; 126]),
        (0x88, b"x"),
        (0x88, b"\x00\x00"),
        (0xc2, &[0xff; 40]),
    ] {
        let mut client = Framed::open(&server, DEFLATE);
        client.frame(first, payload);
        let (rest, code) = client.rest();
        assert!(rest.is_empty());
        assert!(
            code.is_none_or(|code| (1002..=1009).contains(&code)),
            "{code:?}"
        );
    }
    let mut unmasked = Framed::open(&server, "");
    unmasked.stream.write_all(b"\x82\x06PING\r\n").unwrap();
    assert!(unmasked.rest().0.is_empty());
    bystander.echo(10);
}

#[test]
fn a_bomb_does_not_go_off() {
    let text = PLAIN.replace("no_tls", "compression: true, no_tls");
    let server = ServerUnderTest::with_config(&text);
    let mut warm = Framed::open(&server, DEFLATE);
    warm.echo(900_000);
    let before = server.resident_bytes();
    let mut bomb = Vec::new();
    let zeros = vec![0; 60 << 20];
    Codec::default().deflate(std::iter::once(&zeros[..]), &mut bomb);
    for _ in 0..5 {
        let mut client = Framed::open(&server, DEFLATE);
        client.frame(0xc2, &bomb);
        client.rest();
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 40 << 20, "{grown} bytes more");
    Framed::open(&server, DEFLATE).echo(10);
}

#[test]
fn cookies_are_credentials() {
    let text = PLAIN.replace("no_tls", "user_cookie: u, pass_cookie: p, no_tls");
    let server = ServerUnderTest::with_config(&format!(
        "authorization {{ user: me, password: secret }}\n{text}"
    ));
    let mut client = Framed::open(&server, "Cookie: u=me; p=secret\r\n");
    assert_eq!(client.info()["auth_required"], true);
    client.echo(3);
    let mut stranger = Framed::open(&server, "Cookie: u=me; p=wrong\r\n");
    stranger.send(b"CONNECT {}\r\n");
    let (rest, code) = stranger.rest();
    assert_eq!(rest, b"-ERR 'Authorization Violation'\r\n");
    assert_eq!(code, Some(1008));
}

#[test]
fn the_listener_may_have_its_own_credentials() {
    let text = PLAIN.replace("no_tls", "authorization { token: t1 }, no_tls");
    let server = ServerUnderTest::with_config(&text);
    let mut client = Framed::open(&server, "");
    client.received.clear();
    client.send(b"CONNECT {\"auth_token\":\"t1\",\"verbose\":false}\r\nPING\r\n");
    client.read_until(b"PONG\r\n");
    let mut stranger = Framed::open(&server, "");
    stranger.send(b"CONNECT {}\r\nPING\r\n");
    assert_eq!(stranger.rest().0, b"-ERR 'Authorization Violation'\r\n");
    let mut plain = Client::connect(server.address());
    plain.barrier();
}

#[test]
fn users_may_be_bound_to_a_kind_of_connection() {
    let server = ServerUnderTest::with_config(&format!(
        "authorization {{ users: [ {{user: ws, password: p, allowed_connection_types: [WEBSOCKET]}}, \
         {{user: std, password: p, allowed_connection_types: [\"standard\", MQTT_WS]}}, {{user: any, password: p}} ] }}\n{PLAIN}"
    ));
    for (user, by_websocket, by_tcp) in [
        ("ws", true, false),
        ("std", false, true),
        ("any", true, true),
    ] {
        let connect =
            format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"p\"}}\r\nPING\r\n");
        let mut client = Framed::open(&server, "");
        client.received.clear();
        client.send(connect.as_bytes());
        match by_websocket {
            true => client.read_until(b"PONG\r\n"),
            false => {
                let (rest, code) = client.rest();
                assert_eq!(rest, b"-ERR 'Authorization Violation'\r\n", "{user}");
                assert_eq!(code, Some(1008));
            }
        }
        let mut client = Client::greet(server.address());
        client.send(&connect);
        match by_tcp {
            true => client.expect("PONG\r\n"),
            false => client.expect("-ERR 'Authorization Violation'\r\n"),
        }
    }
}

#[test]
fn limits_and_the_end_are_told_in_frames() {
    let server = ServerUnderTest::with_config(&format!("max_connections: 1\n{PLAIN}"));
    let mut first = Framed::open(&server, "");
    first.echo(1);
    let second = Framed::open(&server, "");
    let (_, code) = second.rest();
    assert_eq!(code, Some(1008));
    server.signal(rustix::process::Signal::INT);
    assert_eq!(first.rest().1, Some(1001));
}
