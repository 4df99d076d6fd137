//! What `-D` and `-V` log: one session against both servers, line by line; where logs go; and that
//! no secret is in them.

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use trunkline_tests::{Binary, Client, ServerBuilder, binary_under_test, reference_server};

use crate::support::wait_until;

/// Plays the session; returns the log from the first connection to the end of the last.
fn log_of(binary: Binary, settings: &str) -> Vec<String> {
    let server = ServerBuilder::new(binary)
        .config(settings)
        .arguments(&["-D"])
        .start();
    let mut client = Client::greet(server.address());
    client.send(
        "CONNECT {\"verbose\":true,\"headers\":true,\"name\":\"n\\\"a\",\"lang\":\"rs\",\"version\":\"1.2\",\
         \"user\":\"u\",\"pass\":\"hidden\",\"auth_token\":\"hidden\",\"sig\":\"hidden\",\"protocol\":1}\r\n",
    );
    let steps: [&[u8]; 12] = [
        b"PING\r\n",
        b"PONG\r\n",
        b"SUB a.* q 1\r\n",
        b"sub b 2\r\n",
        b"UNSUB 2 1\r\n",
        b"PUB a.b 5\r\nhello\r\n",
        b"PUB a.b  reply  11\r\nhello world\r\n",
        b"HPUB a.b reply 20 25\r\nNATS/1.0\r\nA: \"b\"\r\n\r\nhello\r\n",
        b"HPUB a.b 20 20\r\nNATS/1.0\r\nA: \"b\"\r\n\r\n\r\n",
        b"PUB a.c 0\r\n\r\n",
        b"PUB b 14\r\n\"\t\\\x01\x7f\xff\xfe\xc3\xa9\r\n\x07\x0b\x00\r\n",
        b"UNSUB 1\r\n",
    ];
    for step in steps {
        client.send(step);
        // Each alone, so that answers and deliveries come in one order.
        client.barrier();
    }
    client.send("garbage\r\n");
    client.drain_to_end();
    server.wait_for_log("Client connection closed: Protocol Violation");
    let mut silent = Client::open(server.address());
    silent.line();
    drop(silent);
    server.wait_for_log("Client connection closed: Client Closed");
    let log = server.log();
    let lines = log.lines().map(normalised);
    let is_session = |line: &String| line.contains("cid:N");
    lines.filter(is_session).collect()
}

/// Without process, time, port and number; what is worded for a server's own parser is left out.
fn normalised(line: &str) -> String {
    let Some(at) = line.find(" [") else {
        return line.to_owned();
    };
    let line = &line[at + 1..];
    let (label, rest) = line.split_at(5);
    let Some((_, text)) = rest.split_once("cid:") else {
        return line.to_owned();
    };
    let text = text.trim_start_matches(|character: char| character.is_ascii_digit());
    match label {
        "[ERR]" => "[ERR] cid:N (parser)".to_owned(),
        _ => format!("{label} cid:N{text}"),
    }
}

#[test]
fn a_session_is_traced_as_by_nats_server() {
    let Some(reference) = reference_server() else {
        return;
    };
    for settings in [
        "trace: true",
        "trace: false",
        "trace_verbose: true\nmax_traced_msg_len: 7",
        "trace_headers: true",
    ] {
        let mut expected = log_of(reference.clone(), settings);
        let mut lines = log_of(binary_under_test(), settings);
        // That a subscription has had its last message is noticed at other moments, as is the end.
        expected.sort();
        lines.sort();
        assert!(expected.len() > 3, "{expected:?}");
        assert_eq!(lines, expected, "with {settings}");
    }
}

const SECRETS: [&str; 9] = [
    "sesame1", "sesame2", "sesame3", "sesame4", "sesame5", "sesame6", "sesame7", "sesame8",
    "$2a$04$",
];

/// Fails if one of the planted secrets shows.
#[track_caller]
fn assert_no_secret(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} shows in:\n{text}");
    }
}

#[test]
fn no_secret_is_logged() {
    if !binary_under_test().is_ours {
        return; // The reference shows passwords under keys such as "Pass".
    }
    let file = std::env::temp_dir().join(format!("secrets-{}.conf", std::process::id()));
    let users = |password: &str| {
        format!(
            "PASS: {password}\nauthorization {{ users: [ {{user: a, password: $PASS}}, \
             {{user: b, password: \"$2a$04$ZkvIcNnrINWNHTPvYTlTEuJFV3uTx65PIEZNSvHyP0hfBCrdMPQWS\"}} ] }}\n"
        )
    };
    std::fs::write(&file, users("sesame1")).unwrap();
    let server = ServerBuilder::new(binary_under_test())
        .arguments(&["-DV", "-c", file.to_str().unwrap()])
        .start();
    for connect in [
        r#"{"user":"a","pass":"sesame1"}"#,
        r#"{"user":"a","pass":"sesame2"}"#,
        r#"{"user":"b","pass":"sesame3","auth_token":"sesame4"}"#,
        r#"{"user":"a", "Pass" : "sesame5", "PASSWORD":"sesame5","verbose":1}"#,
        r#"{"jwt":"x","nkey":"sesame6","sig":"sesame7"}"#,
        r#"{"user":"a","pass":"sesame8"#,
    ] {
        let mut client = Client::greet(server.address());
        client.send(format!("CONNECT {connect}\r\nPING\r\n"));
        client.send("PUB x 1\r\nx\r\nnonsense\r\n");
        client.drain_to_end();
    }
    std::fs::write(&file, users("sesame2")).unwrap();
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log("Reloaded server configuration");
    std::fs::write(&file, users("sesame3 nonsense sesame4")).unwrap();
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log("Failed to reload server configuration");
    assert!(server.log().contains("[REDACTED]"));
    assert_no_secret(&server.log());
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn no_secret_is_in_what_is_said_of_a_bad_file() {
    for config in [
        "authorization { user: a, password: [sesame1] }",
        "authorization { user: a, password: {sesame1: sesame2} }",
        "authorization { users: [ {user: a, password: sesame1, nonsense: sesame2} ] }",
        "authorization { users: [ {user: a, password: sesame1}, {user: a, password: sesame2} ] }",
        "authorization { user: a, password: sesame1, token: sesame2 }",
        "authorization { token: sesame1, users: [] }",
        "authorization { users: [ {password: sesame1} ] }",
        "authorization { users: [ {nkey: sesame1} ] }",
        "accounts { A { users: [ {user: a, password: \"sesame1\", permissions: sesame2 } ] } }",
        "authorization { user: a, password: \"sesame1",
        "websocket { port: -1, no_tls: true, authorization { password: [sesame1] } }",
        "authorization { password: $SECRET_ONE }",
        "authorization { user: a, password: $SECRET_TWO }",
        "port: $SECRET_ONE",
        "max_payload: $SECRET_ONE",
        "$SECRET_ONE: 1",
        "listen: $SECRET_ONE",
        "write_timeout: $SECRET_ONE",
        "include $SECRET_ONE",
    ] {
        let file = std::env::temp_dir().join(format!("bad-secrets-{}.conf", std::process::id()));
        std::fs::write(&file, config).unwrap();
        let ours = binary_under_test();
        if !ours.is_ours {
            return; // The reference shows some of these.
        }
        let output = std::process::Command::new(&ours.path)
            .args(["-t", "-c", file.to_str().unwrap()])
            .env("SECRET_ONE", "sesame3 = {")
            .env("SECRET_TWO", "{ sesame4: [ sesame5")
            .output()
            .unwrap();
        std::fs::remove_file(&file).unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success(), "{config}: {said}");
        assert_no_secret(&said);
    }
}

#[test]
fn a_system_log_takes_the_lines() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(crate::support::GUARD))
        .unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    let mut server = start_without_log(&["-r", &url]);
    let mut buffer = [0; 4096];
    let line = loop {
        let len = socket.recv(&mut buffer).unwrap();
        let line = String::from_utf8_lossy(&buffer[..len]).into_owned();
        if line.contains("Server is ready") {
            break line;
        }
    };
    server.kill().unwrap();
    server.wait().unwrap();
    // Priority, moment, host, program and its number.
    let words: Vec<&str> = line.split(' ').collect();
    assert!(
        words[0].starts_with("<5>20") && words[0].len() > 20,
        "{line}"
    );
    assert!(words[2].ends_with(&format!("[{}]:", server.id())), "{line}");
    assert_eq!(words[3..].join(" "), "Server is ready\n");
}

#[test]
fn a_system_log_over_a_stream_takes_the_lines() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let mut server = start_without_log(&["--remote_syslog", &url, "-s"]);
    let (mut stream, _) = listener.accept().unwrap();
    stream
        .set_read_timeout(Some(crate::support::GUARD))
        .unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains("Server is ready\n") {
        let len = stream.read(&mut buffer).unwrap();
        assert!(len > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..len]));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(text.lines().all(|line| line.starts_with('<')), "{text}");
}

fn start_without_log(arguments: &[&str]) -> std::process::Child {
    std::process::Command::new(&binary_under_test().path)
        .args(["-a", "127.0.0.1", "-p", "-1", "-js=false"])
        .args(arguments)
        .spawn()
        .unwrap()
}

#[test]
fn a_log_file_is_put_aside_at_its_limit() {
    let directory = std::env::temp_dir().join(format!("rotation-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("server.log");
    let config = format!(
        "log_file: {:?}\nlogfile_size_limit: 1500\nlogfile_max_num: 3\n",
        file.display()
    );
    let mut server = {
        let path = directory.join("server.conf");
        std::fs::write(&path, config).unwrap();
        start_without_log(&["-c", path.to_str().unwrap(), "-DV"])
    };
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    let names = || {
        let entries = std::fs::read_dir(&directory).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        let mut names: Vec<String> = names
            .filter(|name| name.starts_with("server.log"))
            .collect();
        names.sort();
        names
    };
    let all = || {
        let files = names().into_iter();
        files
            .map(|name| std::fs::read_to_string(directory.join(name)).unwrap_or_default())
            .collect::<String>()
    };
    wait_until("the server", || {
        all()
            .contains("Server is ready")
            .then_some(())
            .ok_or_else(all)
    });
    let log = all();
    let port = log
        .split("client connections on 127.0.0.1:")
        .nth(1)
        .unwrap();
    let port = port.lines().next().unwrap().trim();
    let mut client = Client::connect(format!("127.0.0.1:{port}").parse().unwrap());
    for _ in 0..60 {
        client.barrier();
    }
    wait_until("a file that is put aside and one that is removed", || {
        let aside = names().len() == 3 && all().contains("Purged log file \"server.log.");
        aside.then_some(()).ok_or_else(all)
    });
    assert!(read().contains("Rotated log, backup saved as \""));
    // server.log.2026.11.25.22.48.01.123456789
    let stamp = names()[1].trim_start_matches("server.log.").to_owned();
    let parts: Vec<usize> = stamp.split('.').map(str::len).collect();
    assert_eq!(parts, [4, 2, 2, 2, 2, 2, 9], "{stamp}");
    server.kill().unwrap();
    server.wait().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
}
