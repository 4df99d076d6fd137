//! WebSocket with clients that break its rules: what exactly they are told, and what they cost.

use crate::support::{GUARD, wait_for_descriptors, wait_until};
use crate::websocket::{DEFLATE, Framed, PLAIN, answer, request, tcp};
use std::io::{Read, Write};
use std::time::Duration;
use trunkline_core::wire::websocket::decoder::Piece;
use trunkline_core::wire::websocket::deflate::Codec;
use trunkline_tests::{Client, RunningServer, ServerUnderTest};

fn compressing() -> RunningServer {
    ServerUnderTest::with_config(&PLAIN.replace("no_tls", "compression: true, no_tls"))
}

/// Code and text of the close frame, if one came.
fn close_of(client: &Framed) -> Option<(u16, String)> {
    client.control.iter().find_map(|piece| match piece {
        Piece::Close(payload) => {
            let (code, text) = payload.split_first_chunk()?;
            let text = String::from_utf8_lossy(text).into_owned();
            Some((u16::from_be_bytes(*code), text))
        }
        _ => None,
    })
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut into = Vec::new();
    Codec::default().deflate(std::iter::once(bytes), &mut into);
    into
}

/// A masked frame with a header as it is, whatever follows.
fn raw(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [header, &[0; 4], payload].concat()
}

#[test]
fn every_wrong_frame_is_told_what_is_wrong() {
    let server = compressing();
    let long_control = "control frame length bigger than maximum allowed of 125 bytes";
    let reserved = "RSV2 and RSV3 must be clear";
    let cases: &[(&str, Vec<u8>, u16, &str)] = &[
        ("", raw(b"\xa2\x81", b"x"), 1002, reserved),
        ("", raw(b"\x92\x81", b"x"), 1002, reserved),
        (
            "",
            raw(b"\xc2\x81", b"x"),
            1002,
            "compressed frame received without negotiated permessage-deflate",
        ),
        ("", raw(b"\x83\x81", b"x"), 1002, "unknown opcode 3"),
        ("", raw(b"\x8f\x81", b"x"), 1002, "unknown opcode 15"),
        ("", b"\x82\x06PING\r\n".to_vec(), 1002, "mask bit missing"),
        (
            "",
            raw(b"\x80\x81", b"x"),
            1002,
            "invalid continuation frame",
        ),
        (
            "",
            raw(b"\x09\x81", b"x"),
            1002,
            "control frame does not have final bit set",
        ),
        ("", raw(b"\x89\xfe\x00\x7e", &[0; 126]), 1002, long_control),
        ("", raw(b"\x89\xfe\x00\x01", b"x"), 1002, long_control),
        (
            "",
            raw(b"\x88\x81", b"x"),
            1002,
            "close frame payload cannot be 1 byte",
        ),
        (
            "",
            raw(b"\x88\x82", b"\x03\xed"),
            1002,
            "invalid close status code 1005",
        ),
        (
            "",
            raw(b"\x88\x82", b"\x13\x88"),
            1002,
            "invalid close status code 5000",
        ),
        (
            "",
            raw(b"\x82\xff\x80\0\0\0\0\0\0\0", b""),
            1002,
            "invalid 64-bit payload length",
        ),
        (
            "",
            [raw(b"\x02\x81", b"P"), raw(b"\x82\x81", b"I")].concat(),
            1002,
            "new message started before final frame for previous message was received",
        ),
        (
            DEFLATE,
            raw(b"\xc9\x81", b"x"),
            1002,
            "control frame must not be compressed",
        ),
        (
            DEFLATE,
            [raw(b"\x42\x81", b"x"), raw(b"\xc0\x81", b"x")].concat(),
            1002,
            "invalid continuation frame",
        ),
    ];
    for (fields, bytes, code, text) in cases {
        let mut client = Framed::open(&server, fields);
        client.received.clear();
        client.stream.write_all(bytes).unwrap();
        while client.read() {}
        let told = close_of(&client);
        // The reference does not always get the frame out before it closes.
        if server.is_ours || told.is_some() {
            assert_eq!(told, Some((*code, (*text).to_owned())));
        }
        assert_eq!(client.received, b"");
        server.wait_for_log(text);
    }
}

#[test]
fn messages_that_cannot_be_inflated_end_their_connection() {
    let server = compressing();
    let whole = deflated(&b"PING\r\n".repeat(50));
    let garbage = [0xff; 40];
    let too_long = deflated(&b"PING\r\n".repeat(200_000));
    for (payload, code) in [(&garbage[..], 1007), (&whole[..8], 1007), (&too_long, 1009)] {
        let mut client = Framed::open(&server, DEFLATE);
        client.frame(0xc2, payload);
        while client.read() {}
        if server.is_ours {
            assert_eq!(close_of(&client).map(|(code, _)| code), Some(code));
        }
    }
    // Blocks of no length, and a message that says that it ends, are in order.
    for payload in [
        &[0][..],
        b"\x01\x06\x00\xf9\xffPING\r\n",
        b"\x01\x06\x00\xf9\xffPING\r\n\xff\xff",
    ] {
        let mut client = Framed::open(&server, DEFLATE);
        client.frame(0xc2, payload);
        client.frame(0x82, b"PING\r\n");
        client.read_until(b"PONG\r\n");
    }
}

#[test]
fn who_closes_still_gets_the_answers() {
    let server = ServerUnderTest::with_config(PLAIN);
    for (payload, answer) in [
        (&b"\x03\xe8bye"[..], Some((1000, "bye"))),
        (b"\x03\xf3", Some((1011, ""))),
        (
            b"\x03\xe8\xff\xfe",
            Some((1007, "invalid utf8 body in close frame")),
        ),
        (b"", None),
    ] {
        let mut client = Framed::open(&server, "");
        client.received.clear();
        let lines = b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n";
        let mut bytes = raw(&[0x82, 0x80 | lines.len() as u8], lines);
        bytes.extend(raw(b"\x89\x81", b"?"));
        bytes.extend(raw(&[0x88, 0x80 | payload.len() as u8], payload));
        // Nothing counts behind a close frame.
        bytes.extend(raw(b"\xf2\x86", b"PING\r\n"));
        client.stream.write_all(&bytes).unwrap();
        while client.read() {}
        assert_eq!(client.received, b"MSG a 1 2\r\nhi\r\n");
        assert!(client.control.contains(&Piece::Ping(b"?".to_vec())) || client.control.len() <= 2);
        let answer = answer.map(|(code, text)| (code, text.to_owned()));
        assert_eq!(close_of(&client), answer);
    }
}

#[test]
fn floods_of_small_things_cost_nobody_else() {
    let server = ServerUnderTest::with_config(PLAIN);
    let mut plain = Client::connect(server.address());
    plain.barrier();
    let before = server.resident_bytes();
    // Pings whose pongs are not read, empty frames, one byte per frame.
    let mut flood = Framed::open(&server, "");
    let tcp = tcp(&server);
    drop(tcp);
    let pings = raw(b"\x89\x84", b"ping").repeat(2_000);
    let empty = [
        raw(b"\x02\x80", b""),
        raw(b"\x00\x80", b""),
        raw(b"\x80\x80", b""),
    ]
    .concat()
    .repeat(2_000);
    let crumbs: Vec<u8> = b"PING\r\n"
        .repeat(500)
        .iter()
        .flat_map(|byte| raw(b"\x82\x81", &[*byte]))
        .collect();
    for _ in 0..20 {
        flood.stream.write_all(&pings).unwrap();
        flood.stream.write_all(&empty).unwrap();
        flood.stream.write_all(&crumbs).unwrap();
        plain.barrier();
        let mut sink = [0; 1 << 16];
        let _read = flood.stream.read(&mut sink).unwrap();
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 30 << 20, "{grown} bytes more");
}

#[test]
fn requests_that_never_end_do_not_stay() {
    let text = PLAIN.replace("no_tls", "handshake_timeout: \"500ms\", no_tls");
    let server = ServerUnderTest::with_config(&text);
    Client::connect(server.address()).barrier();
    let baseline = server.open_descriptors();
    // Silent, half a request, bytes in crumbs.
    let silent = tcp(&server);
    let mut half = tcp(&server);
    half.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        .unwrap();
    let mut crumbs = tcp(&server);
    for byte in request("").bytes().take(30) {
        let _sent = crumbs.write_all(&[byte]);
        std::thread::sleep(Duration::from_millis(30));
    }
    for mut stream in [silent, half, crumbs] {
        stream.set_read_timeout(Some(GUARD)).unwrap();
        let mut rest = Vec::new();
        let _read = stream.read_to_end(&mut rest);
        // The reference answers half a request.
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "));
    }
    wait_for_descriptors(&server, baseline);
    // A header without end is too much at some point.
    let mut endless = tcp(&server);
    let _sent = endless.write_all(b"GET / HTTP/1.1\r\nX: ");
    for _ in 0..3_000 {
        if endless.write_all(&[b'y'; 1024]).is_err() {
            break;
        }
    }
    let mut rest = Vec::new();
    let _read = endless.read_to_end(&mut rest);
    assert!(
        rest.is_empty() || rest.starts_with(b"HTTP/1.1 431 "),
        "{rest:?}"
    );
    wait_for_descriptors(&server, baseline);
    Framed::open(&server, "").echo(10);
}

#[test]
fn what_follows_a_request_too_early_is_refused() {
    let server = ServerUnderTest::with_config(PLAIN);
    let early = [request("").as_bytes(), &raw(b"\x82\x86", b"PING\r\n")].concat();
    let mut stream = tcp(&server);
    stream.write_all(&early).unwrap();
    let mut rest = Vec::new();
    let _read = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    server.wait_for_log("client sent data before handshake is complete");
}

#[test]
fn only_the_log_believes_who_is_forwarded_for() {
    let server = ServerUnderTest::with_config(&format!("debug: true\n{PLAIN}"));
    let client = Framed::open(&server, "X-Forwarded-For: 192.0.2.7\r\n");
    let text = String::from_utf8_lossy(&client.received).into_owned();
    assert!(text.contains("\"client_ip\":\"127.0.0.1\""), "{text}");
    server.wait_for_log("192.0.2.7/127.0.0.1:");
}

#[test]
fn only_pages_from_the_allowed_places_come_in() {
    let more = "allowed_origins: [ \"http://localhost\", \"https://good.example:8443\" ], headers { X-Server: here }, no_tls";
    let server = ServerUnderTest::with_config(&PLAIN.replace("no_tls", more));
    for (origin, is_let_in) in [
        ("http://localhost", true),
        ("http://localhost:80/page", true),
        ("https://good.example:8443", true),
        ("HTTP://LOCALHOST", true),
        ("https://localhost", false),
        ("https://good.example", false),
        ("http://good.example:8443", false),
        ("null", false),
        ("http://localhost.example", false),
        ("http://[::1", false),
    ] {
        let head = answer(
            &mut tcp(&server),
            &request(&format!("Origin: {origin}\r\n")),
        );
        let status = if is_let_in {
            "HTTP/1.1 101 "
        } else {
            "HTTP/1.1 403 "
        };
        assert!(head.starts_with(status), "{origin}: {head}");
        assert_eq!(head.contains("X-Server: here"), is_let_in, "{head}");
    }
    wait_until("the reason", || {
        match server.log().contains("not in the allowed list") {
            true => Ok(()),
            false => Err(server.log()),
        }
    });
}
