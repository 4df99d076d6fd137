//! TLS for clients: when it begins, whose certificate counts, and what becomes of those who speak
//! something else.

use crate::certificates::Authority;
use crate::monitoring::{json, monitoring};
use crate::support::{GUARD, wait_until};
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use trunkline_tests::{Client, RunningServer, ServerUnderTest};

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

pub fn connect(server: &RunningServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream
}

pub fn info(stream: &mut impl Read) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

pub fn secure(stream: TcpStream, config: &Arc<ClientConfig>) -> Stream {
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::clone(config), name).unwrap(),
        stream,
    )
}

/// Connects, reads INFO in plain text, then begins TLS.
pub fn after_info(server: &RunningServer, config: &Arc<ClientConfig>) -> Stream {
    let mut stream = connect(server);
    assert!(info(&mut stream).contains("\"tls_required\":true"));
    secure(stream, config)
}

/// Publishes to itself; the error if the connection does not last.
pub fn echo(stream: &mut (impl Read + Write), size: usize) -> std::io::Result<()> {
    let payload = "x".repeat(size);
    let lines = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB a 1\r\nPUB a {size}\r\n{payload}\r\nPING\r\n"
    );
    stream.write_all(lines.as_bytes())?;
    stream.flush()?;
    let wanted = format!("MSG a 1 {size}\r\n{payload}\r\nPONG\r\n");
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got)?;
    match got == wanted.as_bytes() {
        true => Ok(()),
        false => Err(std::io::Error::other("other bytes came back")),
    }
}

#[test]
fn tls_begins_after_info_or_at_once() {
    let authority = Authority::new("order");
    let config = authority.client(None);
    let server = ServerUnderTest::with_config(&authority.config(""));
    for size in [0, 1, 70_000, 1 << 20] {
        echo(&mut after_info(&server, &config), size).unwrap();
    }
    let server = ServerUnderTest::with_config(&authority.config(", handshake_first: auto"));
    echo(&mut after_info(&server, &config), 10).unwrap();
    let mut first = secure(connect(&server), &config);
    assert!(info(&mut first).starts_with("INFO "));
    echo(&mut first, 10).unwrap();
    // INFO comes in time whoever else has not begun yet.
    let text = authority.config(", handshake_first: 50ms, timeout: 60");
    let server = ServerUnderTest::with_config(&text);
    let waiting: Vec<TcpStream> = (0..3).map(|_| connect(&server)).collect();
    for mut stream in waiting {
        info(&mut stream);
        echo(&mut after_info(&server, &config), 10).unwrap();
    }
}

#[test]
fn plain_clients_are_welcome_if_that_is_said() {
    let authority = Authority::new("plain");
    let text = format!("{}\nallow_non_tls: true", authority.config(""));
    let server = ServerUnderTest::with_config(&text);
    let mut plain = connect(&server);
    assert!(info(&mut plain).contains("\"tls_available\":true"));
    echo(&mut plain, 100).unwrap();
    let mut stream = connect(&server);
    info(&mut stream);
    echo(&mut secure(stream, &authority.client(None)), 100).unwrap();
}

#[test]
fn whose_certificate_is_wrong_stays_outside() {
    let authority = Authority::new("verify");
    let stranger = Authority::new("stranger");
    let users = "authorization { users: [ { user: \"client@example.com\" } ] }";
    let text = format!("{}\n{users}", authority.config(", verify_and_map: true"));
    let server = ServerUnderTest::with_config(&text);
    echo(
        &mut after_info(&server, &authority.client(Some("client"))),
        10,
    )
    .unwrap();
    // Nobody, somebody whose authority is unknown, somebody who is no user.
    std::fs::copy(stranger.file("client.pem"), authority.file("stranger.pem")).unwrap();
    std::fs::copy(stranger.file("client.key"), authority.file("stranger.key")).unwrap();
    for identity in [None, Some("stranger"), Some("server")] {
        let config = authority.client(identity);
        let outcome = echo(&mut after_info(&server, &config), 10);
        assert!(outcome.is_err(), "{identity:?} is let in");
    }
    echo(
        &mut after_info(&server, &authority.client(Some("client"))),
        10,
    )
    .unwrap();
}

#[test]
fn who_does_not_speak_tls_is_cut_and_harms_nobody() {
    let authority = Authority::new("garbage");
    let server = ServerUnderTest::with_config(&authority.config(", timeout: 0.5"));
    let mut quiet = connect(&server);
    info(&mut quiet);
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for bytes in [
        &b"CONNECT {}\r\nPING\r\n"[..],
        b"\x80\x01\x02garbage\r\n\r\n",
        &[0; 5000],
        hello,
    ] {
        let mut stream = connect(&server);
        info(&mut stream);
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        // An alert, perhaps, and the end; or a reset.
        let _read = stream.read_to_end(&mut rest);
        assert!(!rest.windows(4).any(|window| window == b"PONG"));
    }
    let mut rest = Vec::new();
    let _read = quiet.read_to_end(&mut rest);
    echo(&mut after_info(&server, &authority.client(None)), 10).unwrap();
}

#[test]
fn certificates_are_renewed_while_the_server_runs() {
    let authority = Authority::new("renewal");
    let place = authority.file("server.conf");
    std::fs::write(&place, authority.config("")).unwrap();
    let server = ServerUnderTest::builder()
        .arguments(&["-c", &place])
        .start();
    let config = authority.client(None);
    let certificate = || {
        let mut stream = after_info(&server, &config);
        echo(&mut stream, 1).unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone()
    };
    let mut old = after_info(&server, &config);
    echo(&mut old, 1).unwrap();
    let before = certificate();
    authority.issue("server");
    server.signal(Signal::HUP);
    wait_until("a new certificate", || match certificate() == before {
        true => Err(server.log()),
        false => Ok(()),
    });
    old.write_all(b"PING\r\n").unwrap();
    // Connections of before stay; this one has heard what the others published.
    let mut heard = Vec::new();
    while !heard.ends_with(b"PONG\r\n") {
        let mut byte = [0];
        old.read_exact(&mut byte).unwrap();
        heard.push(byte[0]);
    }
    // Files that do not fit together change nothing.
    std::fs::copy(authority.file("client.key"), authority.file("server.key")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_log("Failed to reload server configuration");
    certificate();
}

#[test]
fn tls_comes_and_goes_with_a_reload() {
    let authority = Authority::new("switch");
    let place = authority.file("server.conf");
    let plain = "max_payload: 1000\n";
    let both = format!("{plain}{}", authority.config(""));
    std::fs::write(&place, plain).unwrap();
    let server = ServerUnderTest::builder()
        .arguments(&["-c", &place])
        .start();
    let mut old = Client::connect(server.address());
    std::fs::write(&place, both).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded: tls = enabled");
    server.wait_for_log("Reloaded server configuration");
    echo(&mut after_info(&server, &authority.client(None)), 10).unwrap();
    old.barrier();
    std::fs::write(&place, plain).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded: tls = disabled");
    wait_until("a plain greeting", || {
        let told = info(&mut connect(&server));
        match told.contains("tls_required") {
            true => Err(told),
            false => Ok(()),
        }
    });
    Client::connect(server.address()).barrier();
    old.barrier();
}

#[test]
fn the_certificate_is_the_one_for_the_name_that_the_client_asks_for() {
    let authority = Authority::new("names");
    authority.issue_for("other", "*.example.com");
    let pair = |name: &str| {
        let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
        let (cert, key) = (authority.file(&cert), authority.file(&key));
        format!("{{ cert_file: {cert:?}, key_file: {key:?} }}")
    };
    let text = format!("tls {{ certs: [ {}, {} ] }}", pair("server"), pair("other"));
    let server = ServerUnderTest::with_config(&text);
    let config = authority.client(None);
    for host in ["localhost", "nats.example.com"] {
        let mut stream = connect(&server);
        info(&mut stream);
        let name = ServerName::try_from(host).unwrap();
        let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        echo(&mut StreamOwned::new(session, stream), 5).unwrap();
    }
    let mut stream = connect(&server);
    info(&mut stream);
    let name = ServerName::try_from("elsewhere.org").unwrap();
    let session = ClientConnection::new(config, name).unwrap();
    assert!(echo(&mut StreamOwned::new(session, stream), 5).is_err());
}

#[test]
fn ciphers_and_curves_are_those_of_the_lists() {
    let authority = Authority::new("lists");
    let text = authority.config(
        ", cipher_suites: [ \"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\" ], curve_preferences: [ \"CurveP384\" ]",
    );
    let server = ServerUnderTest::with_config(&format!("{text}\nhttp: 127.0.0.1:-1"));
    let provider = |suite: &str, group: &str| {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .cipher_suites
            .retain(|known| format!("{:?}", known.suite()).contains(suite));
        let all = rustls::crypto::aws_lc_rs::ALL_KX_GROUPS.iter().copied();
        provider.kx_groups = all
            .filter(|known| format!("{:?}", known.name()) == group)
            .collect();
        authority.client_with(provider)
    };
    for (suite, group, is_let_in) in [
        ("ECDHE_ECDSA_WITH_AES_256_GCM", "secp384r1", true),
        ("TLS13_AES_128_GCM", "secp384r1", true),
        ("ECDHE_ECDSA_WITH_AES_128_GCM", "secp384r1", false),
        ("ECDHE_ECDSA_WITH_AES_256_GCM", "X25519", false),
        ("TLS13_AES_128_GCM", "X25519", false),
    ] {
        let outcome = echo(&mut after_info(&server, &provider(suite, group)), 5);
        assert_eq!(outcome.is_ok(), is_let_in, "{suite} {group}");
    }
    let mut last = after_info(
        &server,
        &provider("ECDHE_ECDSA_WITH_AES_256_GCM", "secp384r1"),
    );
    echo(&mut last, 5).unwrap();
    let connz = json(monitoring(&server), "/connz");
    let connections = connz["connections"].as_array().unwrap().iter();
    let wanted = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    let shown = connections
        .filter(|shown| shown["tls_cipher_suite"] == wanted && shown["tls_version"] == "1.2");
    assert!(shown.count() > 0, "{connz}");
}

#[test]
fn handshakes_are_rationed_if_that_is_said() {
    let authority = Authority::new("ration");
    let text = authority.config(", connection_rate_limit: 2");
    let server = ServerUnderTest::with_config(&text);
    let refused = (0..20)
        .map(|_| {
            let mut stream = connect(&server);
            info(&mut stream);
            // Begins TLS, so that the reference looks at its count.
            let _sent = stream.write_all(b"\x16\x03\x01");
            stream
        })
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(|mut stream| {
            let mut rest = Vec::new();
            let _read = stream.read_to_end(&mut rest);
            let wanted = b"-ERR 'Connection throttling is active. Please try again later.'\r\n";
            (rest == wanted).then_some(())
        })
        .count();
    assert!(refused > 0);
}
