//! TLS with clients that mean no good or know no better, and certificates that are not in order.

use crate::certificates::Authority;
use crate::support::wait_until;
use crate::tls::{Stream, after_info, connect, echo, info, secure};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, date_time_ymd};
use rustix::process::Signal;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trunkline_tests::ServerUnderTest;

/// Everything until the end.
fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _may_be_a_reset = stream.read_to_end(&mut bytes);
    bytes
}

/// What a client says first.
fn hello(authority: &Authority) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(authority.client(None), name).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn who_stops_in_the_middle_or_crawls_is_cut_in_time() {
    let authority = Authority::new("crawl");
    for order in ["", ", handshake_first: true", ", handshake_first: 20ms"] {
        let text = authority.config(&format!(", timeout: 0.6 {order}"));
        let server = ServerUnderTest::with_config(&text);
        let hello = hello(&authority);
        let begun = Instant::now();
        let greeted = |stream: &mut std::net::TcpStream| {
            if !order.contains("true") {
                info(stream);
            }
        };
        let mut silent = connect(&server);
        greeted(&mut silent);
        let mut half = connect(&server);
        greeted(&mut half);
        half.write_all(&hello[..hello.len() / 2]).unwrap();
        let mut crawling = connect(&server);
        greeted(&mut crawling);
        for byte in &hello[..40] {
            // The end of it is an error of writing.
            let _sent = crawling.write_all(&[*byte]);
            std::thread::sleep(Duration::from_millis(25));
        }
        for stream in [&mut silent, &mut half, &mut crawling] {
            assert_eq!(rest(stream), b"", "{order}");
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{order}");
    }
}

#[test]
fn what_is_not_tls_gets_no_alert() {
    let authority = Authority::new("probe");
    let text = format!("debug: true\n{}", authority.config(""));
    let server = ServerUnderTest::with_config(&text);
    for bytes in [
        &b"CONNECT {}\r\nPING\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x17\x03\x03\0\x05hello",
    ] {
        let mut stream = connect(&server);
        info(&mut stream);
        stream.write_all(bytes).unwrap();
        assert_eq!(rest(&mut stream), b"");
    }
    let line = server.wait_for_log("first record does not look like a TLS handshake");
    assert!(line.contains("[DBG]"), "{line}");
    // What is TLS, but wrong, does get one.
    let mut stream = connect(&server);
    info(&mut stream);
    stream
        .write_all(b"\x16\x03\x01\0\x05\x02\0\0\x01\0")
        .unwrap();
    assert_eq!(rest(&mut stream).first(), Some(&0x15));
    echo(&mut after_info(&server, &authority.client(None)), 10).unwrap();
}

#[test]
fn a_hello_in_crumbs_and_a_large_one_are_taken() {
    let authority = Authority::new("crumbs");
    let server = ServerUnderTest::with_config(&authority.config(""));
    let mut stream = connect(&server);
    info(&mut stream);
    let config = authority.client(None);
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::clone(&config), name).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    for byte in bytes.chunks(7) {
        stream.write_all(byte).unwrap();
        std::thread::sleep(Duration::from_micros(200));
    }
    echo(&mut Stream::new(session, stream), 300).unwrap();
    // Many protocols make a hello of some 16 KiB, in more than one record.
    let mut large = (*config).clone();
    large.alpn_protocols = (0..80)
        .map(|at| format!("{at:0200}").into_bytes())
        .collect();
    let mut stream = after_info(&server, &Arc::new(large));
    // Whatever is thought of the protocols, the server goes on.
    let _outcome = echo(&mut stream, 10);
    echo(&mut after_info(&server, &config), 10).unwrap();
}

#[test]
fn who_takes_leave_still_gets_the_answers() {
    let authority = Authority::new("leave");
    let server = ServerUnderTest::with_config(&authority.config(""));
    let mut stream = after_info(&server, &authority.client(None));
    stream.conn.complete_io(&mut stream.sock).unwrap();
    let lines = b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n";
    stream.write_all(lines).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    stream.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut stream), b"MSG a 1 2\r\nhi\r\n");
}

#[test]
fn certificates_of_clients_have_to_be_in_order() {
    let authority = Authority::new("order-of-clients");
    let server = ServerUnderTest::with_config(&authority.config(", verify: true"));
    authority.issue_with("expired", |params| {
        params.not_after = date_time_ymd(2020, 1, 1)
    });
    authority.issue_with("early", |params| {
        params.not_before = date_time_ymd(2080, 1, 1)
    });
    authority.issue_with("usage", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    authority.issue_with("right", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
    });
    for (name, is_let_in) in [
        ("expired", false),
        ("early", false),
        ("usage", false),
        ("right", true),
    ] {
        let config = authority.client(Some(name));
        let outcome = echo(&mut after_info(&server, &config), 10);
        assert_eq!(outcome.is_ok(), is_let_in, "{name}: {outcome:?}");
    }
    server.wait_for_log("TLS handshake error");
}

#[test]
fn subjects_name_users_in_any_order() {
    let authority = Authority::new("subjects");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    for (kind, value) in [
        (DnType::CountryName, "US"),
        (DnType::OrganizationName, "Acme, Inc"),
        (DnType::CommonName, "app"),
        (
            DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25]),
            "example",
        ),
    ] {
        params.distinguished_name.push(kind, value);
    }
    authority.issue_as("app", params);
    for (user, is_let_in) in [
        ("DC=example,CN=app,O=Acme\\\\, Inc,C=US", true),
        ("C=US,O=Acme\\\\, Inc,CN=app,DC=example", true),
        ("CN=app,O=Acme\\\\, Inc,C=US", true),
        ("cn=app,dc=example, o=Acme\\\\, Inc,c=US", true),
        ("O=Acme\\\\, Inc,CN=app,C=US", false),
        ("CN=app,O=acme\\\\, inc,C=US,DC=example", false),
    ] {
        let tls = authority.config(", verify_and_map: true");
        let text = format!("{tls}\nauthorization {{ users: [ {{ user: \"{user}\" }} ] }}");
        let server = ServerUnderTest::with_config(&text);
        let config = authority.client(Some("app"));
        let outcome = echo(&mut after_info(&server, &config), 10);
        assert_eq!(outcome.is_ok(), is_let_in, "{user}: {outcome:?}");
    }
}

#[test]
fn who_is_not_pinned_any_more_is_closed() {
    let authority = Authority::new("pins");
    let place = authority.file("server.conf");
    authority.issue("other");
    let write = |names: &[&str]| {
        let pins: Vec<String> = names
            .iter()
            .map(|name| format!("{:?}", authority.pin(name)))
            .collect();
        let more = format!(", verify: true, pinned_certs: [ {} ]", pins.join(", "));
        std::fs::write(&place, authority.config(&more)).unwrap();
    };
    write(&["client", "other"]);
    let server = ServerUnderTest::builder()
        .arguments(&["-c", &place])
        .start();
    let open = |name: &str| {
        let mut stream = after_info(&server, &authority.client(Some(name)));
        echo(&mut stream, 1).map(|()| stream)
    };
    let mut stays = open("client").unwrap();
    let mut goes = open("other").unwrap();
    assert!(open("server").is_err(), "not pinned");
    write(&["client"]);
    server.signal(Signal::HUP);
    server.wait_for_log("Disconnect 1 clients due to pinned certs reload");
    assert_eq!(rest(&mut goes), b"");
    stays.write_all(b"UNSUB 1\r\nPING\r\n").unwrap();
    let mut pong = [0; 6];
    stays.read_exact(&mut pong).unwrap();
    assert!(open("other").is_err(), "not any more");
    wait_until("a new connection", || {
        open("client").map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn mistakes_in_files_are_named_with_their_place() {
    let authority = Authority::new("mistakes");
    authority.issue("other");
    let file = |name: &str, text: &str| {
        std::fs::write(authority.file(name), text).unwrap();
    };
    let whole = std::fs::read_to_string(authority.file("server.pem")).unwrap();
    file("empty.pem", "");
    file("cut.pem", &whole[..whole.len() / 2]);
    file(
        "wrong.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for (cert, key, ca, named) in [
        ("absent.pem", "server.key", "ca.pem", "absent.pem"),
        ("server.pem", "absent.key", "ca.pem", "absent.key"),
        ("server.pem", "server.key", "absent.pem", "absent.pem"),
        ("empty.pem", "server.key", "ca.pem", "empty.pem"),
        ("server.pem", "empty.pem", "ca.pem", "empty.pem"),
        ("server.pem", "server.key", "empty.pem", "empty.pem"),
        ("cut.pem", "server.key", "ca.pem", "cut.pem"),
        ("wrong.pem", "server.key", "ca.pem", "wrong.pem"),
        ("server.key", "server.key", "ca.pem", "server.key"),
        ("server.pem", "server.pem", "ca.pem", "server.pem"),
        ("server.pem", "other.key", "ca.pem", "other.key"),
        ("server.pem", "server.key", "wrong.pem", "wrong.pem"),
    ] {
        let [cert, key, ca] = [cert, key, ca].map(|name| authority.file(name));
        let text = format!("\n  tls {{ cert_file: {cert:?}, key_file: {key:?}, ca_file: {ca:?} }}");
        let builder = ServerUnderTest::builder().config(&text);
        let is_ours = builder.is_ours();
        let finished = builder.run_to_end();
        let said = finished.stderr;
        assert!(!finished.status.success(), "{said}");
        assert!(said.contains(".conf:2:"), "the place: {said}");
        // The reference does not always name the file.
        assert!(!is_ours || said.contains(named), "{named}: {said}");
        assert!(!said.contains("PRIVATE"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn one_sort_of_handshake_does_not_hold_up_the_others() {
    let authority = Authority::new("crowd");
    let server = ServerUnderTest::with_config(&authority.config(", timeout: 30"));
    let hello = hello(&authority);
    let mut waiting: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    for stream in &mut waiting {
        info(stream);
        stream.write_all(&hello).unwrap();
    }
    let config = authority.client(None);
    echo(&mut after_info(&server, &config), 10).unwrap();
    for stream in &mut waiting {
        // The answer to the hello, of whom nothing more comes.
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [0x16]);
    }
    let mut last = secure(connect(&server), &config);
    info(&mut last.sock);
    echo(&mut last, 10).unwrap();
}

#[test]
fn all_of_a_burst_arrives_without_a_further_push() {
    const SENDERS: usize = 4;
    const MESSAGES: usize = 7;
    let authority = Authority::new("burst");
    let text = format!("{}\nallow_non_tls: true", authority.config(""));
    let server = ServerUnderTest::with_config(&text);
    let config = authority.client(None);
    let mut receivers: Vec<Stream> = (0..2)
        .map(|_| {
            let mut stream = connect(&server);
            info(&mut stream);
            let mut stream = secure(stream, &config);
            let lines = b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n";
            stream.write_all(lines).unwrap();
            stream.read_exact(&mut [0; 6]).unwrap();
            stream
        })
        .collect();
    let mut senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let mut stream = connect(&server);
            info(&mut stream);
            stream
                .write_all(b"CONNECT {\"verbose\":false}\r\n")
                .unwrap();
            stream
        })
        .collect();
    // Messages that receivers share, in many pieces.
    let message = [b"PUB a 17000\r\n", &[b'x'; 17_000][..], b"\r\n"].concat();
    let burst = message.repeat(MESSAGES);
    let mut heard = vec![0; b"MSG a 1 17000\r\n\r\n".len() + 17_000];
    for _ in 0..20 {
        for sender in &mut senders {
            sender.write_all(&burst).unwrap();
        }
        for receiver in &mut receivers {
            for _ in 0..SENDERS * MESSAGES {
                receiver.read_exact(&mut heard).unwrap();
                assert!(heard.starts_with(b"MSG a 1 17000\r\n"));
            }
        }
    }
}
