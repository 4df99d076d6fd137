//! `/metrics`: the text format of Prometheus, read strictly, and numbers that agree with what clients
//! did. The reference server has no such page.

use crate::monitoring::{monitoring, request};
use crate::reloads::Reloadable;
use crate::support::wait_until;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use trunkline_tests::{Client, ServerUnderTest};

#[derive(Debug, Default)]
struct Family {
    kind: String,
    /// Name, labels and value.
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Labels without escapes; the server under test has none.
fn labels(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for pair in text.split("\",") {
        let (name, value) = pair.split_once("=\"").unwrap();
        assert!(is_name(name), "{text}");
        let value = value.trim_end_matches('"');
        let before = found.insert(name.to_owned(), value.to_owned());
        assert!(before.is_none(), "a label twice: {text}");
    }
    found
}

/// Reads a page; every rule of the format and of naming that is broken is a panic.
fn parse(page: &str) -> BTreeMap<String, Family> {
    assert!(page.ends_with('\n'));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(is_name(name) && help.ends_with('.'), "{line}");
            let before = families.insert(name.to_owned(), Family::default());
            assert!(before.is_none(), "a family twice: {line}");
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current, "the type follows the help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let is_total = name.ends_with("_total");
            assert_eq!(
                is_total,
                kind == "counter",
                "counters and nothing else are totals: {line}"
            );
            families.get_mut(name).unwrap().kind = kind.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            assert!(value >= 0.0, "{line}");
            let (name, labels) = match series.split_once('{') {
                Some((name, rest)) => (name, labels(rest.strip_suffix('}').unwrap())),
                None => (series, BTreeMap::new()),
            };
            let family = families.get_mut(&current).unwrap();
            let is_own = match family.kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|end| name.strip_suffix(end) == Some(&current)),
                _ => name == current,
            };
            assert!(is_own, "{line} after {current}");
            let is_new = !family
                .samples
                .iter()
                .any(|(a, b, _)| a == name && *b == labels);
            assert!(is_new, "a series twice: {line}");
            family.samples.push((name.to_owned(), labels, value));
        }
    }
    families
}

fn check_histogram(name: &str, family: &Family, core: &str) -> f64 {
    let of_core = |end: &str| {
        let wanted = format!("{name}{end}");
        let samples = family.samples.iter();
        samples.filter(move |(name, labels, _)| *name == wanted && labels["core"] == core)
    };
    let buckets: Vec<(f64, f64)> = of_core("_bucket")
        .map(|(_, labels, value)| (labels["le"].parse().unwrap(), *value))
        .collect();
    assert!(
        buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1),
        "{buckets:?}"
    );
    let &(last_bound, last) = buckets.last().unwrap();
    assert_eq!(last_bound, f64::INFINITY);
    let count = of_core("_count").next().unwrap().2;
    assert_eq!(last, count);
    assert!(of_core("_sum").next().unwrap().2 <= count * 60.0);
    count
}

fn page(address: SocketAddr) -> BTreeMap<String, Family> {
    let answer = request(address, "GET", "/metrics");
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    parse(&answer.body)
}

fn sum(page: &BTreeMap<String, Family>, name: &str) -> f64 {
    page[name].samples.iter().map(|(.., value)| value).sum()
}

#[test]
fn metrics_are_in_form_and_agree_with_what_clients_did() {
    let builder = ServerUnderTest::builder();
    if !builder.is_ours() {
        return;
    }
    let server = builder
        .cores(2)
        .config("http: 127.0.0.1:-1\nmax_connections: 3")
        .start();
    let address = monitoring(&server);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(server.address())).collect();
    for client in &mut clients {
        client.send("SUB x 1\r\n");
        client.barrier();
    }
    clients[0].send("PUB x 5\r\nhello\r\n".repeat(10));
    for client in &mut clients {
        let mut heard = 0;
        while heard < 10 {
            heard += client.messages_until_barrier();
        }
    }
    let mut refused = Client::open(server.address());
    refused.drain_to_end();
    let before = page(address);
    for (name, wanted) in [
        ("trunkline_core_received_messages_total", 10.0),
        ("trunkline_core_received_bytes_total", 50.0),
        ("trunkline_core_sent_messages_total", 30.0),
        ("trunkline_core_sent_bytes_total", 150.0),
        ("trunkline_core_subscriptions", 3.0),
        ("trunkline_core_connections_refused_total", 1.0),
        ("trunkline_core_outbox_bytes", 0.0),
        ("trunkline_core_websocket_connections", 0.0),
        ("trunkline_account_subscriptions", 3.0),
        ("trunkline_account_received_bytes_total", 50.0),
        ("trunkline_account_sent_messages_total", 30.0),
        ("trunkline_build_info", 1.0),
    ] {
        assert_eq!(sum(&before, name), wanted, "{name}");
    }
    for name in [
        "trunkline_core_turn_seconds",
        "trunkline_core_letter_cpu_seconds",
    ] {
        for core in ["0", "1"] {
            let turns = check_histogram(name, &before[name], core);
            assert!(turns > 0.0 || name.contains("letter"));
        }
    }
    assert!(sum(&before, "trunkline_core_turn_seconds_max") > 0.0);
    clients.pop().unwrap().finish();
    wait_until("the end of a connection", || {
        let closed = sum(&page(address), "trunkline_core_connections_closed_total");
        // The refused one, and that one.
        match closed == 2.0 {
            true => Ok(()),
            false => Err(closed.to_string()),
        }
    });
    let after = page(address);
    assert_eq!(sum(&after, "trunkline_core_connections"), 2.0);
    for (name, family) in &before {
        let grows = family.kind != "gauge";
        assert!(
            !grows || sum(&after, name) >= sum(&before, name),
            "{name} goes back"
        );
    }
    assert_eq!(sum(&after, "trunkline_core_received_messages_total"), 10.0);
}

/// What waits for a client that does not read is seen, and is gone when it reads.
#[test]
fn waiting_bytes_are_seen() {
    let builder = ServerUnderTest::builder();
    if !builder.is_ours() {
        return;
    }
    let server = builder.cores(1).config("http: 127.0.0.1:-1").start();
    let address = monitoring(&server);
    let mut deaf = Client::connect(server.address());
    deaf.send("SUB flood 1\r\n");
    deaf.barrier();
    let mut publisher = Client::connect(server.address());
    let message = [
        b"PUB flood 65536\r\n".as_slice(),
        &vec![b'x'; 65536],
        b"\r\n",
    ]
    .concat();
    let mut sent = 0;
    wait_until("bytes that wait", || {
        publisher.send(&message);
        publisher.barrier();
        sent += 1;
        match sum(&page(address), "trunkline_core_outbox_bytes") {
            waiting if waiting > 1e6 => Ok(()),
            waiting => Err(waiting.to_string()),
        }
    });
    let mut heard = 0;
    while heard < sent {
        heard += deaf.messages_until_barrier();
    }
    assert_eq!(sum(&page(address), "trunkline_core_outbox_bytes"), 0.0);
}

/// What remembered routes may take is configured, shown and reloaded, and is kept to.
#[test]
fn the_memory_of_remembered_routes_is_bounded_as_configured() {
    if !ServerUnderTest::builder().is_ours() {
        return;
    }
    let config = |size: &str| {
        let listen = "listen: 127.0.0.1:-1\nhttp: 127.0.0.1:-1\ncores: 1";
        format!("{listen}\nmax_route_cache: {size}\n")
    };
    let server = Reloadable::start("routes", &config("8MB"));
    let address = monitoring(server.server());
    let used = "trunkline_core_route_cache_bytes";
    let bound = "trunkline_core_route_cache_bytes_max";
    assert_eq!(sum(&page(address), bound), f64::from(8 << 20));
    let mut client = server.client("");
    client.send("SUB subject.> 1\r\n");
    for some in 0..40 {
        let lines = (0..500).map(|subject| format!("PUB subject.{some}.{subject} 0\r\n\r\n"));
        // A subject is remembered at its second sight.
        client.send(lines.collect::<String>().repeat(2));
        client.messages_until_barrier();
    }
    let before = sum(&page(address), used);
    assert!(before > 1e6 && before <= f64::from(8 << 20), "{before}");
    let log = server.done(&config("1MB"));
    assert!(log.contains("Reloaded: max_route_cache = 1048576"), "{log}");
    assert_eq!(sum(&page(address), bound), f64::from(1 << 20));
    wait_until("room made by the core", || {
        client.messages_until_barrier();
        match sum(&page(address), used) {
            bytes if bytes <= f64::from(1 << 20) => Ok(()),
            bytes => Err(bytes.to_string()),
        }
    });
}
