//! Monitoring page by page against nats-server: the same configuration, the same clients, the same
//! questions; then status, headers, keys, types and values must be the same. What differs on purpose
//! is in [`VOLATILE`] and [`LEFT_OUT`], each with its reason.

use crate::certificates::Authority;
use crate::monitoring::{Answer, monitoring, request};
use crate::support::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use trunkline_tests::{Client, RunningServer, ServerBuilder, binary_under_test, reference_server};

/// Fields whose values belong to one run of one server: only that they are there and their types
/// are compared.
const VOLATILE: &[&str] = &[
    // Identity of the process, its machine's load and memory.
    "server_id",
    "version",
    "go",
    "mem",
    "cpu",
    "gomaxprocs",
    "port",
    // Moments and durations.
    "now",
    "start",
    "uptime",
    "idle",
    "last_activity",
    "stop",
    "rtt",
    "config_load_time",
    "update_time",
    // Names of files in a configuration that are each test's own.
    "config_digest",
    // The reference server subscribes to its own services in every account, and counts that.
    "num_subscriptions",
    "num_cache",
    "num_inserts",
    "num_removes",
    "num_matches",
    "cache_hit_rate",
    "max_fanout",
    "avg_fanout",
    // What an ended connection had not taken is a matter of microseconds.
    "pending_bytes",
    // Requests for this page: it is asked for until the scene is as it should be.
    "/connz",
];

/// Orders by something that the servers may find a little different each time.
const UNORDERED: &[&str] = &["sort=last", "sort=idle"];

/// What is left out: page, path of the field, reason.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    (
        "/varz",
        "git_commit",
        "a build of the reference server from its sources says which",
    ),
    (
        "/varz",
        "subscriptions",
        "the reference server counts its own",
    ),
    (
        "/accountz",
        "account_detail.subscriptions",
        "the reference server counts its own",
    ),
    ("/subsz", "total", "the reference server counts its own"),
    (
        "/subscriptionsz",
        "total",
        "the reference server counts its own",
    ),
    ("/debug/vars", "memstats", "memory of the runtime of Go"),
    (
        "/debug/vars",
        "cmdline",
        "may hold passwords: only its first word is shown",
    ),
    ("/ipqueuesz", "", "queues of the reference server's insides"),
    ("/connz", "connections.tls_first", "no client here uses TLS"),
];

/// Every page with every parameter, right and wrong, one a line.
const QUESTIONS: &str = include_str!("questions.txt");

const CONFIG: &str = "server_name: one
http: 127.0.0.1:-1
server_tags: [\"a:b\", c]
max_closed_clients: 100
websocket { host: 127.0.0.1, port: -1, no_tls: true }
allow_non_tls: true
accounts {
  A { users: [ {user: a, password: s3cret} ]
      mappings { m.x: m.y, \"w.*\": [ {destination: \"v.$1\", weight: 50%}, {destination: \"u.$1\", weight: 50%} ] } }
  B { users: [ {user: b, password: s3cret} ] }
  S { users: [ {user: s, password: s3cret} ] }
}
system_account: S\n";

/// A server with clients that have done something.
struct Scene {
    server: RunningServer,
    address: SocketAddr,
    /// What paths begin with.
    base: String,
    _clients: Vec<Client>,
}

fn client(server: &RunningServer, user: &str, name: &str) -> Client {
    let mut client = Client::greet(server.address());
    client.send(format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"name\":\"{name}\",\"version\":\"1.2\",\"user\":\"{user}\",\"pass\":\"s3cret\"}}\r\n"
    ));
    client.barrier();
    client
}

impl Scene {
    fn set(builder: ServerBuilder, config: &str, base: &str) -> Self {
        let server = builder.config(config).start();
        let address = monitoring(&server);
        // One after the other, so that their order in time is the same everywhere.
        let mut clients = Vec::new();
        let mut add = |user, name, lines: &str| {
            let mut client = client(&server, user, name);
            client.send(lines);
            client.barrier();
            clients.push(client);
            std::thread::sleep(Duration::from_millis(5));
        };
        add(
            "a",
            "first",
            "SUB x.* 1\r\nSUB x.y q 22\r\nUNSUB 1 9\r\nSUB m.> 3\r\n",
        );
        add(
            "b",
            "second",
            "SUB only 1\r\nPUB only 1\r\na\r\nPUB only 3\r\nabc\r\nPUB only 2\r\nab\r\n",
        );
        add("a", "third", "SUB z 1\r\nSUB w 2\r\nPUB x.y 5\r\nhello\r\n");
        let own = "PUB own 2\r\nab\r\n".repeat(4);
        let lines = format!("SUB own 1\r\nSUB o 2\r\nSUB p 3\r\nSUB q 4\r\n{own}");
        add("s", "fourth", &lines);
        for (name, farewell) in [
            ("left", "SUB c.1 7\r\n"),
            ("wrong", "SUB c.2 7\r\nnonsense\r\n"),
        ] {
            let mut client = client(&server, "a", name);
            client.send(farewell);
            if name == "left" {
                client.barrier();
            }
            client.finish();
            let wanted = if name == "left" { 1 } else { 2 };
            wait_for_closed(address, base, wanted);
        }
        let mut stranger = Client::greet(server.address());
        stranger.send("CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"wrong\"}\r\n");
        stranger.drain_to_end();
        wait_for_closed(address, base, 3);
        Self {
            server,
            address,
            base: base.to_owned(),
            _clients: clients,
        }
    }

    fn ask(&self, question: &str) -> Answer {
        request(self.address, "GET", question)
    }

    /// Numbers of connections as how many there were before.
    fn ranks(&self) -> BTreeMap<u64, usize> {
        let all: Value =
            serde_json::from_str(&self.ask(&format!("{}/connz?state=all", self.base)).body)
                .unwrap();
        let connections = all["connections"].as_array().unwrap();
        let mut cids: Vec<u64> = connections
            .iter()
            .map(|one| one["cid"].as_u64().unwrap())
            .collect();
        cids.sort_unstable();
        cids.into_iter()
            .enumerate()
            .map(|(rank, cid)| (cid, rank))
            .collect()
    }
}

fn wait_for_closed(address: SocketAddr, base: &str, wanted: usize) {
    wait_until("the end of a connection", || {
        let answer = request(address, "GET", &format!("{base}/connz?state=closed")).body;
        let closed: Value = serde_json::from_str(&answer).unwrap();
        match closed["total"].as_u64() {
            Some(total) if total == wanted as u64 => Ok(()),
            _ => Err(answer),
        }
    });
}

/// Replaces what is [`VOLATILE`] by its type, numbers of connections by their ranks, and sorts lists
/// whose order means nothing.
fn settle(value: &mut Value, ranks: &BTreeMap<u64, usize>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if VOLATILE.contains(&name.as_str()) {
                    *field = kind(field).into();
                } else if name == "cid" {
                    let cid = field.as_u64().unwrap_or(u64::MAX);
                    *field = ranks
                        .get(&cid)
                        .map_or("unknown".into(), |&rank| rank.into());
                } else {
                    settle(field, ranks);
                    if name != "connections"
                        && let Value::Array(items) = field
                    {
                        items.sort_by_key(ordered);
                    }
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| settle(item, ranks)),
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        // Go leaves out the fraction of whole numbers.
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// A text that is the same for the same fields in any order.
fn ordered(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields
                .iter()
                .map(|(name, field)| (name, ordered(field)))
                .collect();
            format!("{sorted:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(ordered).collect::<Vec<_>>()),
        Value::Number(number) => number.as_f64().unwrap().to_string(),
        other => other.to_string(),
    }
}

fn remove(value: &mut Value, path: &[&str]) {
    match (value, path) {
        (Value::Array(items), path) => items.iter_mut().for_each(|item| remove(item, path)),
        (Value::Object(fields), [last]) => drop(fields.remove(*last)),
        (Value::Object(fields), [first, rest @ ..]) => {
            if let Some(field) = fields.get_mut(*first) {
                remove(field, rest);
            }
        }
        _ => {}
    }
}

/// Every field with its path; what two answers must have in common.
fn fields(value: &Value, path: &str, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(inner) => {
            into.insert(path.to_owned(), "object".to_owned());
            for (name, field) in inner {
                fields(field, &format!("{path}.{name}"), into);
            }
        }
        Value::Array(items) => {
            into.insert(path.to_owned(), format!("list of {}", items.len()));
            for (at, item) in items.iter().enumerate() {
                fields(item, &format!("{path}[{at}]"), into);
            }
        }
        scalar => drop(into.insert(path.to_owned(), ordered(scalar))),
    }
}

/// What differs between two answers, line by line.
fn differences(
    question: &str,
    ours: &Answer,
    theirs: &Answer,
    ranks: [&BTreeMap<u64, usize>; 2],
) -> Vec<String> {
    let mut found = Vec::new();
    let page = question.split('?').next().unwrap();
    if ours.status != theirs.status {
        found.push(format!(
            "status {} instead of {}",
            ours.status, theirs.status
        ));
    }
    for name in [
        "content-type",
        "access-control-allow-origin",
        "x-content-type-options",
        "location",
    ] {
        let (one, other) = (ours.header(name), theirs.header(name));
        if one != other {
            found.push(format!("{name}: {one:?} instead of {other:?}"));
        }
    }
    let parsed = [ours, theirs].map(|answer| serde_json::from_str::<Value>(&answer.body));
    let [Ok(mut one), Ok(mut other)] = parsed else {
        let is_index = ours.body.starts_with("<!DOCTYPE");
        if !is_index && ours.body.trim() != theirs.body.trim() {
            found.push(format!("{:?} instead of {:?}", ours.body, theirs.body));
        }
        return found;
    };
    for (value, ranks) in [&mut one, &mut other].into_iter().zip(ranks) {
        for (_, path, _) in LEFT_OUT.iter().filter(|(of, ..)| page.ends_with(of)) {
            match *path {
                "" => *value = Value::Null,
                path => remove(value, &path.split('.').collect::<Vec<_>>()),
            }
        }
        settle(value, ranks);
        if let Some(Value::Array(list)) = value.get_mut("subscriptions_list") {
            // The reference server's own.
            list.retain(|one| {
                !one["subject"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("$SYS."))
            });
        }
        if UNORDERED.iter().any(|order| question.contains(order)) {
            let connections = value["connections"].as_array_mut().unwrap();
            connections.sort_by_key(ordered);
        }
    }
    let (mut of_one, mut of_other) = (BTreeMap::new(), BTreeMap::new());
    fields(&one, "", &mut of_one);
    fields(&other, "", &mut of_other);
    let all: std::collections::BTreeSet<_> = of_one.keys().chain(of_other.keys()).collect();
    for path in all {
        let (one, other) = (of_one.get(path), of_other.get(path));
        if one != other {
            found.push(format!("{path}: {one:?} instead of {other:?}"));
        }
    }
    found
}

/// Plays the scene on both servers and compares the answers to these questions.
fn compare(config: &str, base: &str, questions: &[&str]) -> Option<(Scene, Scene)> {
    let reference = reference_server()?;
    let ours = Scene::set(ServerBuilder::new(binary_under_test()), config, base);
    let theirs = Scene::set(ServerBuilder::new(reference), config, base);
    compare_scenes(&ours, &theirs, questions);
    Some((ours, theirs))
}

#[track_caller]
fn compare_scenes(ours: &Scene, theirs: &Scene, questions: &[&str]) {
    let (our_ranks, their_ranks) = (ours.ranks(), theirs.ranks());
    let mut report = String::new();
    for question in questions {
        let (one, other) = (ours.ask(question), theirs.ask(question));
        for difference in differences(question, &one, &other, [&our_ranks, &their_ranks]) {
            report.push_str(&format!("{question}: {difference}\n"));
        }
    }
    assert!(report.is_empty(), "the answers differ:\n{report}");
}

#[test]
fn every_page_with_every_parameter_is_as_the_reference_shows_it() {
    let authority = Authority::new("parity");
    let config = format!("{CONFIG}{}\n", authority.config(""));
    let Some((ours, theirs)) = compare(&config, "", &QUESTIONS.lines().collect::<Vec<_>>()) else {
        return;
    };
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        for page in ["/varz", "/healthz", "/nothing"] {
            let [one, other] = [&ours, &theirs].map(|scene| request(scene.address, method, page));
            assert_eq!(one.status, other.status, "{method} {page}");
            assert_eq!(
                one.header("content-type"),
                other.header("content-type"),
                "{method} {page}"
            );
            assert_eq!(
                one.body.is_empty(),
                other.body.is_empty(),
                "{method} {page}"
            );
        }
    }
    drop(ours.server);
}

#[test]
fn pages_may_lie_under_a_path() {
    for base in ["nats", "/nats/", "/a/b"] {
        let config = format!("{CONFIG}http_base_path: {base:?}\n");
        let inner = base.trim_matches('/');
        let questions: Vec<String> = ["", "/", "/varz", "/connz?limit=1", "/healthz", "/nothing"]
            .iter()
            .map(|page| format!("/{inner}{page}"))
            .chain(["/", "/varz", "/natsvarz"].map(str::to_owned))
            .collect();
        let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
        if compare(&config, &format!("/{inner}"), &questions).is_none() {
            return;
        }
    }
}

#[test]
fn slow_consumers_are_shown_alike() {
    let config = format!("{CONFIG}max_pending: 1MB\nwrite_deadline: \"30s\"\n");
    let Some((ours, theirs)) = compare(&config, "", &["/healthz"]) else {
        return;
    };
    for scene in [&ours, &theirs] {
        let mut deaf = client(&scene.server, "b", "deaf");
        deaf.send("SUB flood 1\r\n");
        deaf.barrier();
        let mut publisher = client(&scene.server, "b", "publisher");
        let message = [
            b"PUB flood 65536\r\n".as_slice(),
            &vec![b'x'; 65536],
            b"\r\n",
        ]
        .concat();
        wait_until("a slow consumer", || {
            for _ in 0..16 {
                publisher.send(&message);
            }
            publisher.barrier();
            let varz: Value = serde_json::from_str(&scene.ask("/varz").body).unwrap();
            match varz["slow_consumers"].as_u64() {
                Some(1) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        wait_for_closed(scene.address, &scene.base, 4);
        let closed: Value =
            serde_json::from_str(&scene.ask("/connz?state=closed&sort=reason").body).unwrap();
        let reasons: Vec<&str> = closed["connections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["reason"].as_str().unwrap())
            .collect();
        assert_eq!(
            reasons,
            [
                "Authentication Failure",
                "Client Closed",
                "Protocol Violation",
                "Slow Consumer (Pending Bytes)"
            ]
        );
        let varz: Value = serde_json::from_str(&scene.ask("/varz").body).unwrap();
        assert_eq!(varz["slow_consumer_stats"]["clients"], 1);
        let accounts: Value = serde_json::from_str(&scene.ask("/accstatz").body).unwrap();
        let of_b = accounts["account_statz"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["acc"] == "B");
        assert_eq!(of_b.unwrap()["slow_consumers"], 1);
    }
}
