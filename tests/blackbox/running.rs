//! What happens to a running server: other configurations, lame duck mode, log files, files that
//! name it.

use crate::support::{GUARD, wait_until};
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::Duration;
use trunkline_tests::{Client, Received, RunningServer, ServerUnderTest};

/// A directory of one test, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("running-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.file(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _may_be_gone = std::fs::remove_dir_all(&self.0);
    }
}

fn start(place: &Place, config: &str) -> RunningServer {
    let file = place.write("server.conf", config);
    ServerUnderTest::builder().arguments(&["-c", &file]).start()
}

/// Has the file read again and waits until the server says what came of it.
fn reload(server: &RunningServer, place: &Place, config: &str, expected: &str) {
    place.write("server.conf", config);
    let before = server.log().matches(expected).count();
    server.signal(Signal::HUP);
    wait_until(expected, || match server.log().matches(expected).count() {
        count if count > before => Ok(()),
        _ => Err(server.log()),
    });
}

fn user(server: &RunningServer, name: &str, password: &str) -> Client {
    let mut client = Client::greet(server.address());
    let connect = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{name}\",\"pass\":\"{password}\"}}\r\n"
    );
    client.send(connect);
    client
}

const DONE: &str = "Reloaded server configuration";

#[test]
fn a_reload_changes_what_users_may_do() {
    let place = Place::new("rights");
    let users = |list: &str| format!("authorization {{ users: [ {list} ] }}");
    let server = start(
        &place,
        &users(
            "{user: a, password: a, permissions {subscribe: [\"x.*\", \"_INBOX.>\"]}}, {user: gone, password: g}, \
             {user: other, password: o}",
        ),
    );
    let mut a = user(&server, "a", "a");
    a.send("SUB x.1 1\r\nSUB x.2 2\r\nSUB x.* 3\r\n");
    a.barrier();
    let mut gone = user(&server, "gone", "g");
    gone.barrier();
    let mut other = user(&server, "other", "o");
    other.barrier();
    reload(
        &server,
        &place,
        &users(
            "{user: a, password: a, permissions {subscribe: {allow: [\"x.*\"], deny: [\"x.2\"]}}}, \
             {user: other, password: changed}",
        ),
        DONE,
    );
    a.expect("-ERR 'Permissions Violation for Subscription to \"x.2\" (sid \"2\")'\r\n");
    a.send("PUB x.1 0\r\n\r\nPUB x.2 0\r\n\r\n");
    a.expect("MSG x.1 1 0\r\n\r\nMSG x.1 3 0\r\n\r\n");
    assert!(a.barrier().is_empty(), "nothing of x.2");
    gone.expect_closed();
    other.expect("-ERR 'Authorization Violation'\r\n");
    other.expect_closed();
    let mut again = user(&server, "other", "changed");
    again.barrier();
}

#[test]
fn a_reload_moves_users_between_accounts() {
    let place = Place::new("accounts");
    let server = start(
        &place,
        "accounts { A { users: [ {user: a, password: a} ] }, B { users: [ {user: b, password: b} ] } }",
    );
    let mut a = user(&server, "a", "a");
    a.send("SUB > 1\r\n");
    a.barrier();
    let mut b = user(&server, "b", "b");
    b.barrier();
    reload(
        &server,
        &place,
        "accounts { C { users: [ {user: c, password: c} ] }, B { users: [ {user: a, password: a}, {user: b, password: b} ] } }",
        DONE,
    );
    a.expect_closed();
    let mut a = user(&server, "a", "a");
    a.send("SUB > 1\r\n");
    a.barrier();
    let mut c = user(&server, "c", "c");
    c.send("SUB > 1\r\nPUB c 0\r\n\r\n");
    c.expect("MSG c 1 0\r\n\r\n");
    b.send("PUB b 0\r\n\r\n");
    b.barrier();
    a.expect("MSG b 1 0\r\n\r\n");
    assert!(c.barrier().is_empty(), "accounts stay apart");
}

#[test]
fn a_bad_file_changes_nothing() {
    let place = Place::new("bad");
    let good = "authorization { users: [ {user: a, password: a} ] }\nmax_payload: 1000";
    let server = start(&place, good);
    let mut a = user(&server, "a", "a");
    a.barrier();
    let failed = "Failed to reload server configuration";
    for bad in [
        "authorization { users: [ {user: a, password: ",
        "authorization { users: [ {user: b, password: b} ] }\nnonsense: 1",
        "authorization { users: [ {user: b, password: b} ] }\nserver_name: other",
    ] {
        reload(&server, &place, bad, failed);
    }
    a.barrier();
    user(&server, "a", "a").barrier();
    reload(&server, &place, &good.replace("1000", "5"), DONE);
    let mut a = user(&server, "a", "a");
    a.send("PUB x 6\r\n123456\r\n");
    a.expect("-ERR 'Maximum Payload Violation'\r\n");
}

#[test]
fn nothing_is_lost_by_a_reload() {
    let place = Place::new("lossless");
    let config = |number: usize| {
        format!(
            "authorization {{ users: [ {{user: a, password: a, permissions {{ publish: [\"x.>\", \"y.{number}\"], \
             subscribe: \"x.>\" }} }} ] }}"
        )
    };
    let server = start(&place, &config(0));
    let mut subscriber = user(&server, "a", "a");
    subscriber.send("SUB x.> 1\r\n");
    subscriber.barrier();
    let mut publisher = user(&server, "a", "a");
    publisher.barrier();
    let total = 60_000;
    let writer = std::thread::spawn(move || {
        for number in 0..total {
            let payload = number.to_string();
            publisher.send(format!(
                "PUB x.{} {}\r\n{payload}\r\n",
                number % 7,
                payload.len()
            ));
        }
        publisher.barrier();
    });
    let reader = std::thread::spawn(move || {
        for number in 0..total {
            assert_eq!(crate::support::text(&mut subscriber), number.to_string());
        }
    });
    for number in 1..6 {
        reload(&server, &place, &config(number), DONE);
    }
    writer.join().unwrap();
    reader.join().unwrap();
}

#[test]
fn a_lame_duck_tells_its_clients_and_goes() {
    let place = Place::new("duck");
    let server = start(
        &place,
        "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"",
    );
    let mut client = Client::greet(server.address());
    client.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    client.expect("PONG\r\n");
    // The INFO that follows the first PONG.
    assert!(client.line_within(GUARD).starts_with(b"INFO "));
    let mut silent = Client::connect(server.address());
    server.signal(Signal::USR2);
    server.wait_for_log("Entering lame duck mode, stop accepting new clients");
    let info = loop {
        let line = client.line_within(GUARD);
        if line.starts_with(b"INFO ") {
            break String::from_utf8(line).unwrap();
        }
    };
    assert!(info.contains("\"ldm\":true"), "{info}");
    assert!(std::net::TcpStream::connect(server.address()).is_err());
    // A second signal and TERM change nothing.
    server.signal(Signal::USR2);
    server.signal(Signal::TERM);
    client.drain_to_end();
    silent.drain_to_end();
    let finished = server.wait_for_end();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
}

#[test]
fn files_name_the_server_and_take_its_log() {
    let place = Place::new("files");
    let server = ServerUnderTest::builder()
        .arguments(&[
            "-P",
            &place.file("pid"),
            "--ports_file_dir",
            &place.file(""),
            "-m",
            "-1",
        ])
        .start();
    assert_eq!(place.read("pid"), server.pid().to_string());
    let suffix = format!("_{}.ports", server.pid());
    let ports = || {
        let names = std::fs::read_dir(&place.0).unwrap().flatten();
        let mut names = names.map(|entry| entry.file_name().into_string().unwrap());
        names.find(|name| name.ends_with(&suffix))
    };
    // The reference does not write it at once.
    let text = || ports().map_or_else(String::new, |name| place.read(&name));
    wait_until("a ports file", || match text().ends_with('}') {
        true => Ok(()),
        false => Err(server.log()),
    });
    let text = text();
    let address = server.address();
    assert!(
        text.contains(&format!("\"nats\":[\"nats://{address}\"]")),
        "{text}"
    );
    assert!(
        text.contains("\"monitoring\":[\"http://127.0.0.1:"),
        "{text}"
    );
    server.signal(Signal::TERM);
    let finished = server.wait_for_end();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    assert_eq!(ports(), None, "the ports file is removed");
}

#[test]
fn a_second_signal_of_haste_ends_a_lame_duck() {
    let server = ServerUnderTest::start(&[]);
    let mut client = Client::connect(server.address());
    server.signal(Signal::USR2);
    server.wait_for_log("Entering lame duck mode");
    std::thread::sleep(Duration::from_millis(100));
    server.signal(Signal::INT);
    client.drain_to_end();
    let finished = server.wait_for_end();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
}

#[test]
fn a_hash_is_checked_while_others_go_on() {
    let place = Place::new("hash");
    // Cost 10: about a tenth of a second.
    let server = start(
        &place,
        "authorization { users: [ {user: h, password: \"$2a$10$c5EUDcA8bTHrpNZqkC5mbuIU3CHfa3UChoABW/rBdpXs9VUoobnXC\"}, {user: p, password: p} ] }",
    );
    let mut plain = user(&server, "p", "p");
    plain.barrier();
    let mut wrong: Vec<Client> = (0..5).map(|_| user(&server, "h", "no")).collect();
    plain.barrier();
    for client in &mut wrong {
        assert!(matches!(client.frame_within(GUARD), Received::Frame(_)));
        client.expect_closed();
    }
    plain.barrier();
}

/// What a server without a cluster tells clients of itself: the address to use from outside in place
/// of its own, and no list of others.
#[test]
fn clients_are_told_of_the_advertised_address() {
    let place = Place::new("advertise");
    let config = |address: &str| {
        format!(
            "listen: \"127.0.0.1:-1\"\nclient_advertise: \"{address}\"\n\
             websocket {{ listen: \"127.0.0.1:-1\", no_tls: true, advertise: \"far.example:1\" }}"
        )
    };
    let server = start(&place, &config("near.example:77"));
    let told = |expected: &str| {
        let info = String::from_utf8(Client::open(server.address()).line()).unwrap();
        assert!(info.contains(expected), "{info}");
        assert!(!info.contains("connect_urls"), "{info}");
    };
    told("\"host\":\"near.example\",\"port\":77,");
    reload(&server, &place, &config("other.example"), DONE);
    let own = server.address().port();
    told(&format!("\"host\":\"other.example\",\"port\":{own},"));
    let refused =
        "ClientAdvertise value of other:x, err=strconv.Atoi: parsing \"x\": invalid syntax";
    let file = place.write("refused.conf", "client_advertise: \"other:x\"");
    let server = ServerUnderTest::builder().arguments(&["-c", &file]);
    let finished = server.run_to_end();
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stderr.contains(refused), "{}", finished.stderr);
}
