//! What the system account and others may ask of the server over messages, and what an operator may
//! have done: the answers' fields, filters, encodings and errors.

use crate::support::{GUARD, log_in, message, wait_until};
use crate::system_events::keys;
use serde_json::{Value, json};
use std::io::Read;
use trunkline_tests::harness::frame::Message;
use trunkline_tests::{Client, Received, RunningServer, ServerUnderTest};

const CONFIG: &str = "server_name: one\nserver_tags: [\"a:b\"]\n\
    accounts {\n\
    A { users: [\n\
    {user: a, password: a},\n\
    {user: p, password: p, permissions: {publish: {allow: [\"x\", \"$SYS.REQ.>\"], deny: \"y\"},\n\
    subscribe: {allow: [\"_INBOX.>\", \"q w\"], deny: \"z\"}, allow_responses: {max: 3, expires: \"1m\"}}}\n\
    ] }\n\
    B { users: [ {user: b, password: b} ] }\n\
    SYS { users: [ {user: s, password: s} ] }\n\
    }\n\
    system_account: SYS";

/// A client that asks.
struct Asker(Client);

impl Asker {
    fn new(server: &RunningServer, user: &str) -> Self {
        let mut client = log_in(server, user, user);
        client.send("SUB _INBOX.r 99\r\n");
        client.barrier();
        Self(client)
    }

    fn send(&mut self, subject: &str, payload: &str) {
        let len = payload.len();
        self.0
            .send(format!("PUB {subject} _INBOX.r {len}\r\n{payload}\r\n"));
    }

    #[track_caller]
    fn message(&mut self, subject: &str, payload: &str) -> Message {
        self.send(subject, payload);
        message(&mut self.0)
    }

    #[track_caller]
    fn ask_with(&mut self, subject: &str, payload: &str) -> Value {
        let message = self.message(subject, payload);
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{subject}: {error}: {text}"))
    }

    #[track_caller]
    fn ask(&mut self, subject: &str) -> Value {
        self.ask_with(subject, "")
    }

    /// Nobody answers, and says so at once.
    #[track_caller]
    fn nobody(&mut self, subject: &str) {
        let message = self.message(subject, "");
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        assert!(text.starts_with("NATS/1.0 503"), "{subject}: {text}");
    }

    /// The next answer is that of another question.
    #[track_caller]
    fn silence(&mut self, subject: &str, payload: &str) {
        self.send(subject, payload);
        let answer = self.ask("$SYS.REQ.SERVER.PING.IDZ");
        assert_eq!(keys(&answer), ["host", "id", "name"], "{subject} {payload}");
    }
}

fn start() -> (RunningServer, Asker, String) {
    let server = ServerUnderTest::builder().config(CONFIG).cores(2).start();
    let mut system = Asker::new(&server, "s");
    let id = system.ask("$SYS.REQ.SERVER.PING.IDZ")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    (server, system, id)
}

/// The number that the server has given to a client.
fn number(client: &mut Client) -> u64 {
    let info = client.line();
    let info: Value = serde_json::from_slice(&info[5..]).unwrap();
    info["client_id"].as_u64().unwrap()
}

#[track_caller]
fn assert_error(answer: &Value, code: u64, description: &str) {
    assert_eq!(answer["error"]["code"], code, "{answer}");
    assert_eq!(answer["error"]["description"], description, "{answer}");
}

#[test]
fn every_page_of_the_server_is_answered() {
    let (_server, mut system, id) = start();
    let own = |page: &str| format!("$SYS.REQ.SERVER.{id}.{page}");
    assert_eq!(
        system.ask(&own("IDZ")),
        json!({"name": "one", "host": "127.0.0.1", "id": id}),
        "the one answer without an envelope"
    );
    for page in [
        "VARZ", "SUBSZ", "CONNZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "JSZ",
    ] {
        for subject in [own(page), format!("$SYS.REQ.SERVER.PING.{page}")] {
            let answer = system.ask(&subject);
            assert_eq!(keys(&answer), ["data", "server"], "{subject}");
            assert_eq!(answer["data"]["server_id"], id.as_str(), "{subject}");
        }
    }
    let health = system.ask(&own("HEALTHZ"));
    assert_eq!(health["data"], json!({"status": "ok", "status_code": 200}));
    let profile = system.ask(&own("PROFILEZ"));
    assert_eq!(
        profile["data"],
        json!({"profile": null, "error": "Profile name not specified"})
    );
    let profile = system.ask_with(&own("PROFILEZ"), "{\"name\":\"x\"}");
    assert_eq!(profile["data"]["error"], "Profile \"x\" not found");
    assert_eq!(
        keys(&system.ask(&own("EXPVARZ"))["data"]),
        ["cmdline", "memstats"]
    );
    assert_eq!(system.ask(&own("RAFTZ"))["data"], json!({}));
    assert!(system.ask(&own("IPQUEUESZ"))["data"].is_object());
    for subject in [own("STATSZ"), "$SYS.REQ.SERVER.PING".to_owned()] {
        let answer = system.ask(&subject);
        assert_eq!(keys(&answer), ["server", "statsz"], "{subject}");
        assert_eq!(answer["statsz"]["connections"], 1);
    }
    system.nobody(&own("NOPE"));
    system.nobody("$SYS.REQ.SERVER.OTHER.VARZ");
    system.nobody("$SYS.REQ.SERVER.PING.RELOAD");
}

#[test]
fn accounts_are_described() {
    let (server, mut system, id) = start();
    let mut a = Asker::new(&server, "a");
    for page in ["SUBSZ", "CONNZ", "LEAFZ"] {
        let answer = system.ask(&format!("$SYS.REQ.ACCOUNT.A.{page}"));
        assert_eq!(keys(&answer), ["data", "server"], "{page}");
        assert_eq!(answer["data"]["server_id"], id.as_str());
    }
    let connections = system.ask("$SYS.REQ.ACCOUNT.A.CONNZ");
    assert_eq!(connections["data"]["num_connections"], 1);
    let none = system.ask("$SYS.REQ.ACCOUNT.NOPE.CONNZ");
    assert_eq!(none["data"]["server_id"], "");
    assert_eq!(none["data"]["connections"], Value::Null);
    let streams = system.ask("$SYS.REQ.ACCOUNT.A.JSZ");
    assert_error(&streams, 500, "jetstream not enabled");
    let info = system.ask("$SYS.REQ.ACCOUNT.A.INFO");
    assert_eq!(info["data"]["account_name"], "A");
    assert_eq!(info["data"]["client_connections"], 1);
    let unknown = system.ask("$SYS.REQ.ACCOUNT.NOPE.INFO");
    assert_eq!(keys(&unknown), ["data", "error", "server"]);
    assert_error(&unknown, 500, "Account NOPE does not exist");
    let statistics = system.ask("$SYS.REQ.ACCOUNT.A.STATZ");
    assert_eq!(
        keys(&statistics["data"]),
        ["account_statz", "now", "server_id"]
    );
    assert_eq!(statistics["data"]["account_statz"][0]["acc"], "A");
    system.silence("$SYS.REQ.ACCOUNT.B.STATZ", "");
    let unused = system.ask_with("$SYS.REQ.ACCOUNT.B.STATZ", "{\"include_unused\":true}");
    assert_eq!(unused["data"]["account_statz"][0]["conns"], 0);
    let all = system.ask("$SYS.REQ.ACCOUNT.PING.STATZ");
    assert_eq!(all["data"]["account_statz"].as_array().unwrap().len(), 2);
    let event = system.ask("$SYS.REQ.ACCOUNT.A.CONNS");
    crate::schema::assert_obeys(&event);
    assert_eq!((&event["acc"], &event["conns"]), (&"A".into(), &1.into()));
    system.silence("$SYS.REQ.ACCOUNT.B.CONNS", "");
    system.silence("$SYS.REQ.ACCOUNT.A.CONNS", "{\"acc\":\"B\"}");
    system.nobody("$SYS.REQ.ACCOUNT.A.NOPE");
    // Others may ask about their own account only.
    for subject in ["$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ"] {
        let own = a.ask_with(subject, "{\"acc\":\"SYS\",\"auth\":true}");
        assert_eq!(own["data"]["num_connections"], 1, "{subject}");
        assert_eq!(own["data"]["connections"][0]["account"], "A");
    }
    let own = a.ask("$SYS.REQ.ACCOUNT.PING.STATZ");
    assert_eq!(own["data"]["account_statz"][0]["acc"], "A");
    assert_eq!(own["data"]["account_statz"].as_array().unwrap().len(), 1);
    for subject in [
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.SERVER.PING.VARZ",
        "$SYS.REQ.ACCOUNT.B.CONNZ",
        "$SYS.REQ.ACCOUNT.NSUBS",
        "$SYS.DEBUG.SUBSCRIBERS",
        &format!("$SYS.REQ.SERVER.{id}.KICK"),
        &format!("$SYS.REQ.SERVER.{id}.RELOAD"),
    ] {
        a.nobody(subject);
    }
}

#[test]
fn the_account_of_the_server_needs_no_configuration_but_its_users() {
    let config = "accounts { $SYS { users: [ {user: s, password: s} ] } }";
    let server = ServerUnderTest::with_config(config);
    let mut system = Asker::new(&server, "s");
    system.0.send("SUB $SYS.ACCOUNT.*.DISCONNECT 1\r\n");
    let health = system.ask("$SYS.REQ.SERVER.PING.HEALTHZ");
    assert_eq!(health["data"]["status"], "ok");
    assert_eq!(
        system.ask("$SYS.REQ.ACCOUNT.PING.STATZ")["data"]["account_statz"][0]["acc"],
        "$SYS"
    );
    Client::greet(server.address()).finish();
    assert_eq!(
        message(&mut system.0).subject,
        b"$SYS.ACCOUNT.$G.DISCONNECT"
    );
}

#[test]
fn users_are_told_who_they_are() {
    let (server, mut system, _) = start();
    let plain = json!({"user": "s", "account": "SYS", "account_name": "SYS"});
    assert_eq!(system.ask("$SYS.REQ.USER.INFO")["data"], plain);
    let nobody = json!({"user": "", "account": ""});
    assert_eq!(system.ask("$SYS.REQ.USER.A.INFO")["data"], nobody);
    let mut restricted = Asker::new(&server, "p");
    let mut told = restricted.ask("$SYS.REQ.USER.INFO")["data"].take();
    // The order means nothing, and the reference has another one each time.
    for kind in ["publish", "subscribe"] {
        let allowed = told["permissions"][kind]["allow"].as_array_mut().unwrap();
        allowed.sort_by_key(|subject| subject.as_str().unwrap().to_owned());
    }
    assert_eq!(
        told,
        json!({
            "user": "p", "account": "A", "account_name": "A",
            "permissions": {
                "publish": {"allow": ["$SYS.REQ.>", "x"], "deny": ["y"]},
                "subscribe": {"allow": ["_INBOX.>", "q w"], "deny": ["z"]},
                "responses": {"max": 3, "ttl": 60_000_000_000u64},
            },
        })
    );
}

#[test]
fn subscriptions_are_counted() {
    let (server, mut system, _) = start();
    let mut a = Asker::new(&server, "a");
    a.0.send("SUB foo.bar 1\r\nSUB foo.* q 2\r\nSUB foo.> 3\r\n");
    a.0.barrier();
    let mut other = log_in(&server, "a", "a");
    other.send("SUB foo.bar 1\r\n");
    other.barrier();
    let mut count = |request: &str| system.ask_with("$SYS.REQ.ACCOUNT.NSUBS", request);
    for (request, expected) in [
        ("{\"acc\":\"A\",\"subject\":\"foo.bar\"}", 4),
        ("{\"acc\":\"A\",\"subject\":\"foo.*\"}", 3),
        ("{\"acc\":\"A\",\"subject\":\"foo.>\"}", 4),
        (
            "{\"acc\":\"A\",\"subject\":\"foo.>\",\"queue\":\"cQ==\"}",
            1,
        ),
        (
            "{\"acc\":\"A\",\"subject\":\"foo.bar\",\"queue\":\"cQ==\"}",
            1,
        ),
        ("{\"acc\":\"A\",\"subject\":\"nope\"}", 0),
    ] {
        assert_eq!(count(request), expected, "{request}");
    }
    for request in ["{\"acc\":\"B\",\"subject\":\"foo.bar\"}", "", "x"] {
        system.silence("$SYS.REQ.ACCOUNT.NSUBS", request);
    }
    system.0.send("SUB bar.x 5\r\nSUB bar.* q 6\r\n");
    system.0.barrier();
    for (request, expected) in [
        ("bar.x", 2),
        ("bar.x q", 1),
        ("bar.*", 2),
        ("bar.* q", 1),
        ("nope", 0),
        ("", 0),
        (" bar.x  q", 0),
    ] {
        let counted = system.ask_with("$SYS.DEBUG.SUBSCRIBERS", request);
        assert_eq!(counted, expected, "{request:?}");
    }
}

#[test]
fn filters_choose_servers() {
    let (_server, mut system, _) = start();
    for passes in [
        "",
        "null",
        "{}",
        "{\"server_name\":\"on\"}",
        "{\"server_name\":\"one\",\"exact_match\":true}",
        "{\"host\":\"127\"}",
        "{\"tags\":[\"A:B\"]}",
        "{\"limit\":\"x\"}",
    ] {
        let answer = system.ask_with("$SYS.REQ.SERVER.PING.HEALTHZ", passes);
        assert_eq!(answer["data"]["status"], "ok", "{passes}");
        assert!(system.ask_with("$SYS.REQ.SERVER.PING", passes)["statsz"].is_object());
    }
    for fails in [
        "{\"server_name\":\"two\"}",
        "{\"server_name\":\"on\",\"exact_match\":true}",
        "{\"host\":\"128\"}",
        "{\"cluster\":\"x\"}",
        "{\"domain\":\"x\"}",
        "{\"tags\":[\"a:b\",\"c\"]}",
    ] {
        for subject in ["$SYS.REQ.SERVER.PING.HEALTHZ", "$SYS.REQ.SERVER.PING"] {
            system.silence(subject, fails);
        }
    }
    for wrong in ["[", "[]", "\"\"", "{\"server_name\":5}"] {
        for subject in ["$SYS.REQ.SERVER.PING.HEALTHZ", "$SYS.REQ.SERVER.PING"] {
            let answer = system.ask_with(subject, wrong);
            assert_eq!(keys(&answer), ["error", "server"], "{subject} {wrong}");
            assert_eq!(answer["error"]["code"], 400);
        }
    }
    let wrong = system.ask_with("$SYS.REQ.SERVER.PING.CONNZ", "{\"sort\":\"x\"}");
    assert_eq!(keys(&wrong), ["data", "error", "server"]);
    assert_error(&wrong, 500, "invalid sorting option: x");
    let wrong = system.ask_with("$SYS.REQ.SERVER.PING.CONNZ", "{\"limit\":\"x\"}");
    assert_eq!(keys(&wrong), ["error", "server"]);
    assert_eq!(wrong["error"]["code"], 400);
}

#[test]
fn answers_come_in_the_encoding_that_is_accepted() {
    let (_server, mut system, _) = start();
    let mut ask = |accepted: &str| {
        let header = format!("NATS/1.0\r\nAccept-Encoding: {accepted}\r\n\r\n");
        let len = header.len();
        system.0.send(format!(
            "HPUB $SYS.REQ.SERVER.PING.VARZ _INBOX.r {len} {len}\r\n{header}\r\n"
        ));
        let message = message(&mut system.0);
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let (header, _) = text.split_once("\r\n\r\n").unwrap();
        (
            header.to_owned(),
            message.payload[header.len() + 4..].to_vec(),
        )
    };
    for (accepted, encoding) in [
        ("gzip", "gzip"),
        ("snappy", "snappy"),
        ("br, GZIP", "gzip"),
        ("gzip, s2", "snappy"),
        ("br", "identity"),
    ] {
        let (header, payload) = ask(accepted);
        assert_eq!(header, format!("NATS/1.0\r\nContent-Encoding: {encoding}"));
        let mut decoded = Vec::new();
        match encoding {
            "gzip" => flate2::read::GzDecoder::new(&payload[..]).read_to_end(&mut decoded),
            "snappy" => snap::read::FrameDecoder::new(&payload[..]).read_to_end(&mut decoded),
            _ => (&payload[..]).read_to_end(&mut decoded),
        }
        .unwrap();
        let answer: Value = serde_json::from_slice(&decoded).unwrap();
        assert_eq!(answer["data"]["server_name"], "one", "{accepted}");
    }
    let plain = system.message("$SYS.REQ.SERVER.PING.VARZ", "");
    assert!(!plain.with_headers);
}

#[test]
fn a_client_is_kicked_or_sent_away() {
    let (server, mut system, id) = start();
    let (kick, duck) = (
        format!("$SYS.REQ.SERVER.{id}.KICK"),
        format!("$SYS.REQ.SERVER.{id}.LDM"),
    );
    for subject in [&kick, &duck] {
        for silent in [
            "",
            "x",
            "{\"cid\":\"x\"}",
            "{\"cid\":1,\"server_name\":\"two\"}",
        ] {
            system.silence(subject, silent);
        }
    }
    for request in ["{}", "{\"cid\":99999}"] {
        let answer = system.ask_with(&kick, request);
        assert_eq!(keys(&answer), ["error", "server"]);
        assert_error(&answer, 500, "no such client or leafnode id");
        assert_error(&system.ask_with(&duck, request), 500, "no such client id");
    }
    // On every core.
    for _ in 0..3 {
        let mut client = Client::open(server.address());
        let cid = json!({"cid": number(&mut client)}).to_string();
        assert_error(
            &system.ask_with(&duck, &cid),
            500,
            "client does not support Lame Duck Mode or is not ready to receive the notification",
        );
        client.send(
            "CONNECT {\"verbose\":false,\"protocol\":1,\"user\":\"a\",\"pass\":\"a\"}\r\nPING\r\n",
        );
        client.expect("PONG\r\n");
        assert!(client.line_within(GUARD).starts_with(b"INFO "));
        assert_eq!(keys(&system.ask_with(&duck, &cid)), ["server"]);
        let info = loop {
            let line = client.line_within(GUARD);
            if line.starts_with(b"INFO ") {
                break serde_json::from_slice::<Value>(&line[5..]).unwrap();
            }
        };
        assert_eq!(info["ldm"], true);
        assert!(info["client_ip"].is_string());
        assert_eq!(keys(&system.ask_with(&kick, &cid)), ["server"]);
        while !matches!(client.frame_within(GUARD), Received::Closed) {}
        assert_error(
            &system.ask_with(&kick, &cid),
            500,
            "no such client or leafnode id",
        );
    }
    wait_until("reasons of closed connections", || {
        let closed = system.ask_with("$SYS.REQ.SERVER.PING.CONNZ", "{\"state\":1}");
        let reason = |one: &Value| one["reason"] == "Kicked";
        let connections = closed["data"]["connections"].as_array();
        match connections.is_some_and(|all| all.iter().filter(|one| reason(one)).count() == 3) {
            true => Ok(()),
            false => Err(closed.to_string()),
        }
    });
}

#[test]
fn a_reload_is_done_and_answered() {
    let place = std::env::temp_dir().join(format!("reload-{}.conf", std::process::id()));
    let write = |text: &str| std::fs::write(&place, text).unwrap();
    write(CONFIG);
    let file = place.to_str().unwrap();
    let server = ServerUnderTest::builder().arguments(&["-c", file]).start();
    let mut system = Asker::new(&server, "s");
    let id = system.ask("$SYS.REQ.SERVER.PING.IDZ")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reload = format!("$SYS.REQ.SERVER.{id}.RELOAD");
    write(&CONFIG.replace("user: b, password: b", "user: c, password: c"));
    system.silence(&reload, "{\"server_name\":\"two\"}");
    assert_eq!(keys(&system.ask(&reload)), ["server"]);
    server.wait_for_log("Reloaded server configuration");
    log_in(&server, "c", "c");
    write("nonsense [");
    let answer = system.ask(&reload);
    assert_eq!(keys(&answer), ["error", "server"]);
    assert_eq!(answer["error"]["code"], 500);
    let text = answer["error"]["description"].as_str().unwrap();
    assert!(
        text.contains("Expected an array value terminator"),
        "{text}"
    );
    log_in(&server, "c", "c");
    std::fs::remove_file(&place).unwrap();
}
