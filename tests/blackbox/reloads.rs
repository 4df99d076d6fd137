//! What a reload does to connections, setting by setting: who is closed with which words, what
//! applies at once, what is refused and named.

use rustix::process::Signal;
use trunkline_tests::{Client, RunningServer, ServerBuilder, binary_under_test};

use crate::support::wait_until;

/// A server with a file that can be exchanged.
pub struct Reloadable {
    server: RunningServer,
    file: std::path::PathBuf,
    is_ours: bool,
}

impl Reloadable {
    pub fn start(name: &str, config: &str) -> Self {
        let name = format!("reloads-{name}-{}.conf", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, config).unwrap();
        let binary = binary_under_test();
        let is_ours = binary.is_ours;
        let server = ServerBuilder::new(binary)
            .arguments(&["-c", file.to_str().unwrap()])
            .start();
        Self {
            server,
            file,
            is_ours,
        }
    }

    pub fn server(&self) -> &RunningServer {
        &self.server
    }

    /// Has another configuration read; returns what was logged of it.
    #[track_caller]
    fn reload(&self, config: &str, expected: &str) -> String {
        std::fs::write(&self.file, config).unwrap();
        let before = self.server.log().len();
        self.server.signal(Signal::HUP);
        wait_until(expected, || {
            let log = self.server.log();
            match log[before..].contains(expected) {
                true => Ok(()),
                false => Err(log),
            }
        });
        self.server.log()[before..].to_owned()
    }

    pub fn done(&self, config: &str) -> String {
        self.reload(config, "Reloaded server configuration")
    }

    fn refused(&self, config: &str, what: &str) {
        let text = format!("config reload not supported for {what}: old=");
        let failed = "Failed to reload server configuration: ";
        self.reload(config, &format!("{failed}{text}"));
    }

    /// A client that has been greeted and has said nothing.
    pub fn greet(&self) -> Client {
        Client::greet(self.server.address())
    }

    /// A client that has said who it is and has had its answer.
    pub fn client(&self, credentials: &str) -> Client {
        let mut client = self.greet();
        client.send(format!("CONNECT {{\"verbose\":false{credentials}}}\r\n"));
        client.barrier();
        client
    }

    pub fn user(&self, name: &str) -> Client {
        self.client(&format!(",\"user\":\"{name}\",\"pass\":\"{name}\""))
    }

    /// What INFO says to one who connects now.
    fn info(&self) -> String {
        String::from_utf8(Client::open(self.server.address()).line()).unwrap()
    }
}

impl Drop for Reloadable {
    fn drop(&mut self) {
        let _may_be_gone = std::fs::remove_file(&self.file);
    }
}

/// Those who go on; the others must be told `text` and closed.
fn survivors(clients: Vec<Client>, text: &str) -> Vec<Client> {
    let mut survivors = Vec::new();
    for mut client in clients {
        client.try_send(b"PING\r\n").ok();
        let line = client.line();
        if line == b"PONG\r\n" {
            survivors.push(client);
            continue;
        }
        assert_eq!(
            String::from_utf8(line).unwrap(),
            format!("-ERR '{text}'\r\n")
        );
        client.expect_closed();
    }
    survivors
}

#[test]
fn a_lowered_limit_of_connections_closes_the_surplus() {
    let server = Reloadable::start("connections", "max_connections: 10");
    let clients: Vec<Client> = (0..5).map(|_| server.client("")).collect();
    let log = server.done("max_connections: 2");
    assert!(
        log.contains("Closed 3 connections to fall within max_connections"),
        "{log}"
    );
    assert_eq!(survivors(clients, "maximum connections exceeded").len(), 2);
}

#[test]
fn lowered_limits_of_an_account_apply() {
    let accounts = |limits: &str| {
        format!(
            "accounts {{ A {{ users: [ {{user: a, password: a}} ], limits {{ {limits} }} }}, \
             B {{ users: [ {{user: b, password: b}} ] }} }}"
        )
    };
    let server = Reloadable::start("account", &accounts("max_connections: 5"));
    let clients: Vec<Client> = (0..4).map(|_| server.user("a")).collect();
    let mut other = server.user("b");
    server.done(&accounts("max_connections: 3, max_payload: 5"));
    let text = "maximum account active connections exceeded";
    let mut survivors = survivors(clients, text);
    assert_eq!(survivors.len(), 3);
    other.barrier();
    let a = &mut survivors[0];
    a.send("PUB x 6\r\n123456\r\n");
    a.expect("-ERR 'Maximum Payload Violation'\r\n");
    a.expect_closed();
}

#[test]
fn credentials_that_changed_end_connections() {
    let server = Reloadable::start("token", "authorization { token: one }");
    let mut client = server.client(",\"auth_token\":\"one\"");
    server.done("authorization { token: two }");
    client.expect("-ERR 'Authorization Violation'\r\n");
    client.expect_closed();
    let mut client = server.client(",\"auth_token\":\"two\"");
    server.done("debug: false");
    client.barrier();
    let mut nobody = server.client("");
    server.done("authorization { users: [ {user: a, password: a} ] }");
    nobody.expect("-ERR 'Authorization Violation'\r\n");
    nobody.expect_closed();
}

#[test]
fn a_way_of_connecting_that_is_not_allowed_any_more_ends() {
    let server = Reloadable::start(
        "types",
        "authorization { users: [ {user: a, password: a} ] }",
    );
    let mut client = server.user("a");
    server.done(
        "authorization { users: [ {user: a, password: a, allowed_connection_types: [WEBSOCKET]} ] }",
    );
    client.expect("-ERR 'Authorization Violation'\r\n");
    client.expect_closed();
}

#[test]
fn default_permissions_are_for_users_without_their_own() {
    let config = |subject: &str| {
        format!(
            "authorization {{ default_permissions {{ subscribe: [\"{subject}\", \"_INBOX.>\"] }}, users: [ \
             {{user: a, password: a}}, {{user: b, password: b, permissions {{ subscribe: \">\" }} }} ] }}\n\
             accounts {{ C {{ users: [ {{user: c, password: c}} ] }} }}"
        )
    };
    let server = Reloadable::start("defaults", &config("x"));
    let mut clients = ["a", "b", "c"].map(|name| server.user(name));
    for client in &mut clients {
        client.send("SUB x 1\r\n");
        assert!(client.barrier().is_empty());
    }
    let log = server.done(&config("y"));
    let [a, b, c] = &mut clients;
    a.expect("-ERR 'Permissions Violation for Subscription to \"x\" (sid \"1\")'\r\n");
    assert!(
        log.contains("Removed sub \"x\" (sid \"1\") for User \"a\" - not authorized"),
        "{log}"
    );
    for client in [b, c] {
        client.send("PUB x 0\r\n\r\n");
        client.expect("MSG x 1 0\r\n\r\n");
    }
}

#[test]
fn what_info_says_is_advertised_anew() {
    let server = Reloadable::start("advertise", "client_advertise: \"one:77\"");
    let port = server.server.address().port();
    let says = |host: &str, port: u16| {
        let info = server.info();
        let wanted = format!("\"host\":\"{host}\",\"port\":{port},");
        assert!(info.contains(&wanted), "{wanted} in {info}");
        assert!(!info.contains("connect_urls"), "{info}");
    };
    says("one", 77);
    server.done("client_advertise: two");
    says("two", port);
    server.done("debug: false");
    says("127.0.0.1", port);
    let bad = server.reload("client_advertise: \"one:two\"", "server configuration");
    assert!(!server.is_ours || bad.contains("Failed to reload"), "{bad}");
}

#[test]
fn limits_of_the_protocol_apply_to_those_who_are_connected() {
    let server = Reloadable::start("limits", "max_payload: 1000\nping_interval: \"100s\"");
    let mut client = server.client("");
    let log = server.done("max_payload: 5\nping_interval: \"1s\"\nping_max: 5");
    for setting in ["max_payload = 5", "ping_max = 5"] {
        assert!(
            log.contains(&format!("Reloaded: {setting}")),
            "{setting} in {log}"
        );
    }
    client.send("PUB x 6\r\n123456\r\n");
    client.expect("-ERR 'Maximum Payload Violation'\r\n");
    client.expect_closed();
}

#[test]
fn mappings_are_exchanged() {
    let server = Reloadable::start("mappings", "mappings { a: b }");
    let mut client = server.client("");
    client.send("SUB b 1\r\nSUB c 2\r\nPUB a 0\r\n\r\n");
    client.expect("MSG b 1 0\r\n\r\n");
    server.done("mappings { a: c }");
    client.send("PUB a 0\r\n\r\n");
    client.expect("MSG c 2 0\r\n\r\n");
}

#[test]
fn traces_begin_and_end() {
    let server = Reloadable::start("traces", "debug: false");
    let mut client = server.client("");
    server.done("trace: true, debug: true");
    client.barrier();
    server.server.wait_for_log("<<- [PING]");
    server.done("debug: false");
    let before = server.server.log().len();
    client.barrier();
    client.barrier();
    let log = server.server.log();
    assert!(!log[before..].contains("[TRC]"), "{}", &log[before..]);
}

#[test]
fn the_ports_file_follows_its_directory() {
    let directory = std::env::temp_dir().join(format!("reloads-ports-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let server = Reloadable::start("ports", "debug: false");
    server.done(&format!("ports_file_dir: {directory:?}"));
    let count = || std::fs::read_dir(&directory).unwrap().count();
    assert_eq!(count(), 1);
    server.done("debug: false");
    assert_eq!(count(), 0);
    std::fs::remove_dir(&directory).unwrap();
}

#[test]
fn what_needs_a_restart_is_named() {
    let server = Reloadable::start("refused", "server_name: one");
    let mut client = server.client("");
    for (config, what) in [
        ("server_name: two", "ServerName"),
        (
            "server_name: one\nno_header_support: true",
            "NoHeaderSupport",
        ),
        ("server_name: one\nproxy_protocol: true", "ProxyProtocol"),
        (
            "server_name: one\naccounts { B { } }\nsystem_account: B",
            "SystemAccount",
        ),
    ] {
        server.refused(config, what);
    }
    client.barrier();
    assert!(server.info().contains("\"server_name\":\"one\""));
}
