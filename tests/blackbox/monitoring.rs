//! Monitoring over HTTP: the fields that tools read, compared with what clients did.

use crate::support::{GUARD, wait_until};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use trunkline_tests::{Client, RunningServer, ServerUnderTest};

const CONFIG: &str = "server_name: one\nhttp: 127.0.0.1:-1\naccounts { A { users: [ {user: a, password: s3cret} ] }, \
                      S { users: [ {user: s, password: s3cret} ] } }\nsystem_account: S";

fn start() -> (RunningServer, SocketAddr) {
    let server = ServerUnderTest::with_config(CONFIG);
    let address = monitoring(&server);
    (server, address)
}

/// Where the server listens for monitoring.
pub fn monitoring(server: &RunningServer) -> SocketAddr {
    let line = server.wait_for_log("Starting http monitor on ");
    let (_, address) = line.split_once("Starting http monitor on ").unwrap();
    address.split_whitespace().next().unwrap().parse().unwrap()
}

/// What came back over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// Asks once.
pub fn request(address: SocketAddr, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    ask(&mut stream, method, path)
}

/// Asks over a connection that ends with the answer.
pub fn ask(stream: &mut (impl Read + Write), method: &str, path: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // TLS peers may leave out their farewell.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!body.contains("s3cret"), "{path} shows a secret: {body}");
    let body = match head.to_lowercase().contains("transfer-encoding: chunked") {
        true => unchunk(body),
        false => body.to_owned(),
    };
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body,
    }
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = request(address, "GET", path);
    (answer.status, answer.body)
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        body = rest.get(size + 2..).unwrap_or("");
    }
    whole
}

pub fn json(address: SocketAddr, path: &str) -> Value {
    let (status, body) = get(address, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

fn client(server: &RunningServer, user: &str) -> Client {
    let mut client = Client::greet(server.address());
    client.send(format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"name\":\"app\",\"lang\":\"none\",\"version\":\"1.2\",\"user\":\"{user}\",\"pass\":\"s3cret\"}}\r\n"
    ));
    client.barrier();
    client
}

#[test]
fn what_clients_did_can_be_seen() {
    let (server, address) = start();
    let mut a = client(&server, "a");
    a.send("SUB x.* 1\r\nSUB x.y q 22\r\nPUB x.y 5\r\nhello\r\nPUB nobody 3\r\nabc\r\n");
    assert_eq!(a.messages_until_barrier(), 2);
    let varz = json(address, "/varz");
    assert_eq!(varz["server_name"], "one");
    assert_eq!(varz["connections"], 1);
    assert_eq!(
        (&varz["in_msgs"], &varz["in_bytes"]),
        (&2.into(), &8.into())
    );
    assert_eq!(
        (&varz["out_msgs"], &varz["out_bytes"]),
        (&2.into(), &10.into())
    );
    assert_eq!(varz["max_payload"], 1_048_576);
    assert_eq!(varz["ping_interval"], 120_000_000_000u64);
    assert_eq!(varz["system_account"], "S");
    assert_eq!(varz["http_req_stats"]["/varz"], 1);
    let connz = json(address, "/connz?subs=detail&auth=1");
    assert_eq!(connz["num_connections"], 1);
    let connection = &connz["connections"][0];
    for (field, expected) in [
        ("kind", "Client"),
        ("type", "nats"),
        ("ip", "127.0.0.1"),
        ("name", "app"),
        ("lang", "none"),
        ("version", "1.2"),
        ("authorized_user", "a"),
        ("account", "A"),
    ] {
        assert_eq!(connection[field], expected, "{field}");
    }
    assert_eq!(connection["subscriptions"], 2);
    assert_eq!(connection["out_msgs"], 2);
    let mut details: Vec<&Value> = connection["subscriptions_list_detail"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    details.sort_by_key(|detail| detail["sid"].as_str().unwrap().to_owned());
    assert_eq!(details[0]["subject"], "x.*");
    assert_eq!(
        (&details[1]["qgroup"], &details[1]["msgs"]),
        (&"q".into(), &1.into())
    );
    let accounts = json(address, "/accstatz");
    let of_a = accounts["account_statz"].as_array().unwrap().iter();
    let of_a = of_a.clone().find(|account| account["acc"] == "A").unwrap();
    assert_eq!(of_a["conns"], 1);
    assert_eq!(of_a["received"]["msgs"], 2);
    assert_eq!(
        json(address, "/healthz"),
        serde_json::json!({"status": "ok"})
    );
    for page in [
        "/routez",
        "/gatewayz",
        "/leafz",
        "/accountz",
        "/jsz",
        "/subsz",
    ] {
        assert_eq!(
            json(address, page)["server_id"],
            varz["server_id"],
            "{page}"
        );
    }
}

#[test]
fn connections_are_chosen_sorted_and_remembered() {
    let (server, address) = start();
    let mut clients: Vec<Client> = ["a", "s", "a"].map(|user| client(&server, user)).into();
    for (number, client) in clients.iter_mut().enumerate() {
        for sid in 0..=number {
            client.send(format!("SUB t.{sid} {sid}\r\n"));
        }
        client.barrier();
    }
    let cids = |path: &str| -> Vec<u64> {
        let connz = json(address, path);
        let list = connz["connections"].as_array().unwrap();
        list.iter()
            .map(|one| one["cid"].as_u64().unwrap())
            .collect()
    };
    let all = cids("/connz");
    assert_eq!(all.len(), 3);
    assert_eq!(cids("/connz?sort=subs"), [all[2], all[1], all[0]]);
    assert_eq!(cids("/connz?limit=1&offset=1"), [all[1]]);
    assert_eq!(cids("/connz?acc=S"), [all[1]]);
    assert_eq!(cids("/connz?user=a&auth=1"), [all[0], all[2]]);
    assert_eq!(cids(&format!("/connz?cid={}", all[2])), [all[2]]);
    clients.remove(1).finish();
    wait_until("a closed connection", || {
        let closed = json(address, "/connz?state=closed");
        match closed["connections"].as_array().map(Vec::as_slice) {
            Some([one]) if one["cid"] == all[1] => {
                assert_eq!(one["reason"], "Client Closed");
                assert!(one["stop"].is_string());
                Ok(())
            }
            _ => Err(closed.to_string()),
        }
    });
    assert_eq!(cids("/connz"), [all[0], all[2]]);
    assert_eq!(cids("/connz?state=any").len(), 3);
    for path in [
        "/connz?sort=nothing",
        "/connz?limit=x",
        "/connz?auth=maybe",
        "/connz?sort=stop",
    ] {
        assert_eq!(get(address, path).0, 400, "{path}");
    }
    assert_eq!(get(address, "/nothing").0, 404);
}

#[test]
fn the_system_account_may_ask_too_and_nobody_else() {
    let (server, _) = start();
    let mut system = client(&server, "s");
    let mut other = client(&server, "a");
    for asker in [&mut system, &mut other] {
        asker.send("SUB r 1\r\nPUB $SYS.REQ.USER.INFO r 0\r\n\r\n");
        let answer: Value = serde_json::from_str(&crate::support::text(asker)).unwrap();
        assert!(answer["data"]["account"].is_string(), "{answer}");
    }
    system.send("PUB $SYS.REQ.SERVER.PING.VARZ r 0\r\n\r\n");
    let answer: Value = serde_json::from_str(&crate::support::text(&mut system)).unwrap();
    assert_eq!(answer["server"]["name"], "one");
    assert_eq!(answer["data"]["server_name"], "one");
    let id = answer["server"]["id"].as_str().unwrap().to_owned();
    system.send(format!(
        "PUB $SYS.REQ.SERVER.{id}.CONNZ r 11\r\n{{\"acc\":\"A\"}}\r\n"
    ));
    let answer: Value = serde_json::from_str(&crate::support::text(&mut system)).unwrap();
    assert_eq!(answer["data"]["num_connections"], 1, "{answer}");
    system.send("PUB $SYS.REQ.SERVER.PING r 0\r\n\r\n");
    let answer: Value = serde_json::from_str(&crate::support::text(&mut system)).unwrap();
    assert_eq!(answer["statsz"]["connections"], 2, "{answer}");
    other.send("PUB $SYS.REQ.SERVER.PING.VARZ r 0\r\n\r\n");
    system.send("PUB $SYS.REQ.SERVER.PING r 0\r\n\r\n");
    let _answered_after_it = crate::support::text(&mut system);
    assert!(other.barrier().is_empty(), "no answer for others");
}

/// Pages of a list fit together: what is alike is in the order of the numbers.
#[test]
fn lists_are_in_one_order_and_counted_as_chosen() {
    let (server, address) = start();
    let mut clients: Vec<Client> = ["a", "s", "a", "a"]
        .map(|user| client(&server, user))
        .into();
    for client in &mut clients {
        client.send("SUB z 9\r\nSUB y 10\r\nSUB x 1\r\n");
        client.barrier();
    }
    let cids = |path: &str| -> Vec<u64> {
        let connz = json(address, path);
        let list = connz["connections"].as_array().unwrap().iter();
        list.map(|one| one["cid"].as_u64().unwrap()).collect()
    };
    let mut all = cids("/connz?sort=cid");
    assert_eq!(all.len(), 4);
    // With most first it is turned round.
    all.reverse();
    for order in [
        "subs",
        "pending",
        "msgs_to",
        "msgs_from",
        "bytes_to",
        "bytes_from",
    ] {
        assert_eq!(cids(&format!("/connz?sort={order}")), all, "{order}");
        let page = format!("/connz?sort={order}&limit=2&offset=1");
        assert_eq!(cids(&page), all[1..3], "{order}");
    }
    for (path, total) in [
        ("/connz", 4),
        ("/connz?limit=1", 4),
        ("/connz?user=a", 3),
        ("/connz?acc=A&limit=1&offset=1", 3),
        ("/connz?acc=S&user=a", 0),
        ("/connz?user=nobody", 0),
    ] {
        assert_eq!(json(address, path)["total"], total, "{path}");
    }
    let place = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        (one["cid"].as_u64().unwrap(), text("sid"), text("subject"))
    };
    let page = |from: usize, len: usize| -> Vec<_> {
        let subsz = json(
            address,
            &format!("/subsz?subs=1&acc=A&offset={from}&limit={len}"),
        );
        let list = subsz["subscriptions_list"].as_array().unwrap().iter();
        list.map(place).collect()
    };
    let whole = page(0, 100);
    assert!(whole.is_sorted(), "{whole:?}");
    assert_eq!(whole[3..8], page(3, 5));
}

/// What one sees does not depend on who else looks.
#[test]
fn the_load_of_the_processor_is_that_of_the_last_second() {
    let (_server, address) = start();
    let load = || json(address, "/varz")["cpu"].as_f64().unwrap();
    // Not while it is measured, if that can be avoided.
    let same = (0..5).any(|_| {
        let first = load();
        (0..5).all(|_| load() == first)
    });
    assert!(same);
}

/// Cores show such lists in many pieces: nothing is missing, nothing is there twice.
#[test]
fn long_lists_are_complete() {
    const MANY: usize = 3000;
    const CROWD: usize = 400;
    let server = ServerUnderTest::with_config("http: 127.0.0.1:-1");
    let address = monitoring(&server);
    let mut busy = Client::connect(server.address());
    let lines: String = (0..MANY)
        .map(|sid| format!("SUB many.{sid} {sid}\r\n"))
        .collect();
    busy.send(lines);
    busy.barrier();
    let mut crowd: Vec<Client> = (0..CROWD)
        .map(|_| Client::connect(server.address()))
        .collect();
    let connz = json(address, "/connz?subs=1&limit=5000");
    assert_eq!(connz["num_connections"], CROWD + 1);
    let connections = connz["connections"].as_array().unwrap();
    let mut subjects: Vec<&str> = connections
        .iter()
        .filter_map(|one| one["subscriptions_list"].as_array())
        .flatten()
        .map(|subject| subject.as_str().unwrap())
        .collect();
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!(subjects.len(), MANY);
    let subsz = json(address, "/subsz?subs=1&limit=100000");
    let listed = subsz["subscriptions_list"].as_array().unwrap().iter();
    let is_ours = |one: &&Value| one["subject"].as_str().unwrap().starts_with("many.");
    let mut sids: Vec<&str> = listed
        .filter(is_ours)
        .map(|one| one["sid"].as_str().unwrap())
        .collect();
    sids.sort_unstable();
    sids.dedup();
    assert_eq!(sids.len(), MANY);
    crowd.drain(..).for_each(Client::finish);
    wait_until("the end of all", || {
        let closed = json(address, "/connz?state=closed&limit=5000");
        let mut cids: Vec<u64> = closed["connections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["cid"].as_u64().unwrap())
            .collect();
        cids.dedup();
        match cids.len() {
            CROWD => Ok(()),
            other => Err(other.to_string()),
        }
    });
}
