//! Mappings whose outcome is drawn: weights, random partitions, and requests to groups behind them.

use crate::support::message;
use std::collections::BTreeMap;
use trunkline_tests::{Client, ServerUnderTest};

const CONFIG: &str = "mappings {\n\
    \"half\": [ {destination: \"half.a\", weight: 50}, {destination: \"half.b\", weight: \"50%\"} ]\n\
    \"some\": [ {destination: \"some.a\", weight: 20%}, {destination: \"some.b\", weight: 30%} ]\n\
    \"lost\": [ {destination: \"lost\", weight: 25%}, {destination: \"lost.a\", weight: 25%} ]\n\
    \"dice\": \"dice.{{random(4)}}\"\n\
    \"ask.*\": [ {destination: \"old.$1\", weight: 50%}, {destination: \"new.$1\", weight: 50%} ]\n\
    }";

const TOTAL: usize = 4000;

/// How many of a hundred messages arrive under which subject, give or take.
fn shares(subject: &str) -> BTreeMap<String, usize> {
    let server = ServerUnderTest::builder().config(CONFIG).cores(2).start();
    let mut hears = Client::connect(server.address());
    hears.send("SUB > 1\r\n");
    hears.barrier();
    let mut says = Client::connect(server.address());
    says.send(format!("PUB {subject} 0\r\n\r\n").repeat(TOTAL));
    says.send("PUB end 0\r\n\r\n");
    let mut counts = BTreeMap::new();
    loop {
        let subject = String::from_utf8(message(&mut hears).subject).unwrap();
        if subject == "end" {
            return counts;
        }
        *counts.entry(subject).or_default() += 100;
    }
}

#[track_caller]
fn assert_shares(subject: &str, expected: &[(&str, usize)]) {
    let shares = shares(subject);
    let names: Vec<&str> = shares.keys().map(String::as_str).collect();
    let wanted: Vec<&str> = expected.iter().map(|&(name, _)| name).collect();
    assert_eq!(names, wanted);
    for &(name, percent) in expected {
        let got = shares[name] as f64 / TOTAL as f64;
        // Six standard deviations of a share of a half are below five percent.
        assert!(
            (got - percent as f64).abs() < 5.0,
            "{name}: {got} instead of {percent} percent"
        );
    }
}

#[test]
fn weights_are_shares() {
    assert_shares("half", &[("half.a", 50), ("half.b", 50)]);
    // What is left stays where it is...
    assert_shares("some", &[("some", 50), ("some.a", 20), ("some.b", 30)]);
    // ...unless the subject itself has a share: then it is lost.
    assert_shares("lost", &[("lost", 25), ("lost.a", 25)]);
    assert_shares(
        "dice",
        &[
            ("dice.0", 25),
            ("dice.1", 25),
            ("dice.2", 25),
            ("dice.3", 25),
        ],
    );
}

#[test]
fn every_request_is_answered_once_wherever_it_goes() {
    let server = ServerUnderTest::builder().config(CONFIG).cores(2).start();
    let mut workers: Vec<Client> = ["old.* q", "new.* q", "old.* q", "new.* q"]
        .iter()
        .map(|subscription| {
            let mut client = Client::connect(server.address());
            client.send(format!("SUB {subscription} 1\r\n"));
            client.barrier();
            client
        })
        .collect();
    let mut asker = Client::connect(server.address());
    asker.send("SUB _INBOX.* 1\r\n");
    asker.barrier();
    let requests = 400;
    for number in 0..requests {
        asker.send(format!("PUB ask.{number} _INBOX.{number} 0\r\n\r\n"));
    }
    asker.barrier();
    let mut served = Vec::new();
    for worker in &mut workers {
        let requests = worker.barrier();
        served.push(requests.len());
        for request in requests {
            let trunkline_tests::Frame::Message(request) = request else {
                panic!("{request:?}");
            };
            let reply = String::from_utf8(request.reply.unwrap()).unwrap();
            worker.send(format!("PUB {reply} 0\r\n\r\n"));
        }
        worker.barrier();
    }
    assert!(
        served.iter().all(|&count| count > requests / 16),
        "{served:?}"
    );
    let mut answers: Vec<Vec<u8>> = (0..requests).map(|_| message(&mut asker).subject).collect();
    answers.sort_unstable();
    answers.dedup();
    assert_eq!(answers.len(), requests);
    assert!(asker.barrier().is_empty());
}
