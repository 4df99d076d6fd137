//! Delivery under concurrency: order, completeness, the PONG barrier, queue groups, requests.

use crate::support::{GUARD, core_counts, message, publication, start_with_cores, subscriber};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use trunkline_tests::{Client, Frame, Random, Received, RunningServer, ServerUnderTest};

#[test]
fn order_of_every_publisher_at_every_subscriber() {
    const PUBLISHERS: usize = 4;
    const SUBSCRIBERS: usize = 4;
    const MESSAGES: usize = 3_000;
    for cores in core_counts() {
        let server = start_with_cores(cores);
        let address = server.address();
        let readers: Vec<_> = (0..SUBSCRIBERS)
            .map(|number| {
                let pattern = ["order.*.*", "order.>", "order.*.even", ">"][number % 4];
                let mut client = subscriber(&server, &format!("{pattern} 1"));
                let expected = if number % 4 == 2 {
                    MESSAGES / 2
                } else {
                    MESSAGES
                };
                std::thread::spawn(move || read_in_order(&mut client, PUBLISHERS, expected))
            })
            .collect();
        let writers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                std::thread::spawn(move || publish_numbers(address, publisher, MESSAGES))
            })
            .collect();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
    }
}

fn publish_numbers(address: SocketAddr, publisher: usize, messages: usize) {
    let mut client = Client::connect(address);
    let mut random = Random::new(publisher as u64);
    let mut batch = Vec::new();
    for number in 0..messages {
        let parity = if number % 2 == 0 { "even" } else { "odd" };
        let subject = format!("order.{publisher}.{parity}");
        batch.extend(publication(&subject, number.to_string().as_bytes()));
        if random.chance(10) {
            client.send(std::mem::take(&mut batch));
        }
    }
    client.send(batch);
    client.barrier();
}

fn read_in_order(client: &mut Client, publishers: usize, per_publisher: usize) {
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    for _ in 0..publishers * per_publisher {
        let got = message(client);
        let subject = String::from_utf8(got.subject).unwrap();
        let publisher = subject.split('.').nth(1).unwrap().to_owned();
        let number: i64 = String::from_utf8(got.payload).unwrap().parse().unwrap();
        let before = last.entry(publisher).or_insert(-1);
        assert!(number > *before, "{subject}: {number} came after {before}");
        *before = number;
    }
    let rest = client.barrier();
    assert!(rest.is_empty(), "more than was published: {rest:?}");
}

/// Once the PONG that follows a SUB is there, a publish on any other connection reaches it, and a
/// request finds a responder.
#[test]
fn pong_means_that_the_subscription_is_live() {
    const CONNECTIONS: usize = 16;
    const ROUNDS: usize = 1_000;
    for cores in core_counts() {
        let server = start_with_cores(cores);
        let mut random = Random::new(7);
        let mut clients: Vec<Client> = (0..CONNECTIONS)
            .map(|_| subscriber(&server, "replies 0"))
            .collect();
        for round in 0..ROUNDS {
            let one = random.below(CONNECTIONS);
            let other = (one + random.between(1, CONNECTIONS - 1)) % CONNECTIONS;
            let pattern = match round % 3 {
                0 => format!("live.{round}"),
                1 => format!("live.{round}.*"),
                _ => format!("live.{round}.>"),
            };
            let subject = if round % 3 == 0 {
                format!("live.{round}")
            } else {
                format!("live.{round}.x")
            };
            let queue = if round % 5 == 0 { "group " } else { "" };
            clients[one].send(format!("SUB {pattern} {queue}{}\r\nPING\r\n", round + 1));
            let early = clients[one].until_pong();
            assert!(early.is_empty(), "{early:?}");
            clients[other].send(format!("PUB {subject} replies 2\r\nhi\r\n"));
            match clients[one].frame_within(GUARD) {
                Received::Frame(Frame::Message(got)) => {
                    assert_eq!(
                        got.subject,
                        subject.as_bytes(),
                        "round {round}, {cores} cores"
                    );
                }
                Received::Frame(Frame::Ping) => clients[one].send(b"PONG\r\n"),
                lost => panic!(
                    "round {round}, {cores} cores: published by {other}, subscribed by {one}, got {lost:?}"
                ),
            }
            if round % 2 == 0 {
                clients[one].send(format!("UNSUB {}\r\n", round + 1));
            }
        }
        for client in &mut clients {
            let rest = client.barrier();
            assert!(
                !rest.iter().any(|frame| matches!(frame, Frame::Message(_))),
                "a 503 or a message too many: {rest:?}"
            );
        }
    }
}

#[test]
fn a_queue_group_shares_fairly_and_delivers_once() {
    const MEMBERS: usize = 10;
    const MESSAGES: usize = 10_000;
    for cores in core_counts() {
        let server = start_with_cores(cores);
        let address = server.address();
        let members: Vec<Client> = (0..MEMBERS)
            .map(|_| subscriber(&server, "work group 1"))
            .collect();
        let mut plain = subscriber(&server, "work 1");
        let publishers: Vec<_> = (0..4)
            .map(|publisher| {
                std::thread::spawn(move || {
                    let mut client = Client::connect(address);
                    for number in 0..MESSAGES / 4 {
                        let payload = (publisher * MESSAGES + number).to_string();
                        client.send(publication("work", payload.as_bytes()));
                    }
                    client.barrier();
                })
            })
            .collect();
        publishers
            .into_iter()
            .for_each(|publisher| publisher.join().unwrap());
        for _ in 0..MESSAGES {
            message(&mut plain);
        }
        let mut seen: Vec<String> = Vec::new();
        let mut shares = Vec::new();
        for mut member in members {
            let got = settled_payloads(&server, &mut member);
            shares.push(got.len());
            seen.extend(got);
        }
        assert_eq!(seen.len(), MESSAGES, "shares: {shares:?}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), MESSAGES, "something was delivered twice");
        let (low, high) = (MESSAGES / MEMBERS / 2, MESSAGES / MEMBERS * 2);
        assert!(
            shares.iter().all(|share| (low..=high).contains(share)),
            "an unfair share with {cores} cores: {shares:?}"
        );
    }
}

/// All messages that are on their way to `member`: those before a marker that is sent now, from a
/// connection of its own (everything before it was published and confirmed).
fn settled_payloads(server: &RunningServer, member: &mut Client) -> Vec<String> {
    member.send(b"SUB marker 2\r\n");
    let mut payloads = collect(member.barrier());
    // Twice: a marker from elsewhere may overtake what another connection published.
    for _ in 0..2 {
        let mut marker = Client::connect(server.address());
        marker.send(publication("marker", b"m"));
        loop {
            let got = message(member);
            if got.subject == b"marker" {
                break;
            }
            payloads.push(String::from_utf8(got.payload).unwrap());
        }
    }
    payloads.extend(collect(member.barrier()));
    payloads
}

fn collect(frames: Vec<Frame>) -> Vec<String> {
    frames
        .into_iter()
        .filter_map(|frame| match frame {
            Frame::Message(got) => Some(String::from_utf8(got.payload).unwrap()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_storm_of_requests_is_answered() {
    const REQUESTERS: usize = 16;
    const RESPONDERS: usize = 4;
    const REQUESTS: usize = 300;
    for cores in core_counts() {
        let server = start_with_cores(cores);
        let address = server.address();
        for _ in 0..RESPONDERS {
            let mut responder = subscriber(&server, "service workers 1");
            std::thread::spawn(move || {
                while let Received::Frame(frame) = responder.frame() {
                    if let Frame::Message(got) = frame {
                        let reply = String::from_utf8(got.reply.unwrap()).unwrap();
                        responder.send(publication(&reply, &got.payload));
                    }
                }
            });
        }
        let requesters: Vec<_> = (0..REQUESTERS)
            .map(|number| std::thread::spawn(move || request(address, number, REQUESTS)))
            .collect();
        requesters
            .into_iter()
            .for_each(|requester| requester.join().unwrap());
    }
}

fn request(address: SocketAddr, requester: usize, requests: usize) {
    let mut client = Client::connect(address);
    client.send(format!("SUB inbox.{requester}.* 1\r\n"));
    for number in 0..requests {
        let payload = format!("{requester}/{number}");
        client.send(format!(
            "PUB service inbox.{requester}.{number} {}\r\n{payload}\r\n",
            payload.len()
        ));
        let got = message(&mut client);
        assert_eq!(
            got.subject,
            format!("inbox.{requester}.{number}").as_bytes()
        );
        assert_eq!(
            got.payload,
            payload.as_bytes(),
            "a 503, or another's answer"
        );
    }
}

#[test]
fn the_largest_payloads_pass_unharmed() {
    for (config, size) in [("", 1 << 20), ("max_payload: 8388608\n", 8 << 20)] {
        let server = ServerUnderTest::with_config(config);
        let address = server.address();
        let mut reader = subscriber(&server, "big 1");
        let writing = std::thread::spawn(move || {
            let mut client = Client::connect(address);
            for seed in 0..8 {
                client.send(publication("big", &Random::new(seed).bytes(size)));
            }
            client.barrier();
        });
        for seed in 0..8 {
            let got = message(&mut reader);
            assert!(
                got.payload == Random::new(seed).bytes(size),
                "payload {seed} of {size} bytes came out wrong"
            );
        }
        writing.join().unwrap();
    }
}

/// A client subscribes and, without waiting, starts a relay over one or two others; what comes out of
/// the relay must find the subscription, because it was made before its cause.
#[test]
fn a_relay_never_overtakes_the_subscription_that_came_before_it() {
    const ROUNDS: usize = 1_000;
    for cores in core_counts() {
        let server = start_with_cores(cores);
        let mut clients: Vec<Client> = (0..8)
            .map(|number| subscriber(&server, &format!("to.{number}.* 0")))
            .collect();
        let mut random = Random::new(cores as u64);
        for round in 0..ROUNDS {
            let asker = random.below(8);
            let first = (asker + random.between(1, 7)) % 8;
            let second = (first + random.between(1, 7)) % 8;
            clients[asker].send(format!(
                "SUB result.{round} {}\r\nPUB to.{first}.{round} 2\r\ngo\r\n",
                round + 1
            ));
            let place =
                format!("round {round}, {cores} cores: {asker} > {first} > {second} > {asker}");
            expect_text(&mut clients[first], "go", &place);
            clients[first].send(publication(&format!("to.{second}.{round}"), b"on"));
            expect_text(&mut clients[second], "on", &place);
            clients[second].send(publication(&format!("result.{round}"), b"back"));
            expect_text(&mut clients[asker], "back", &place);
            clients[asker].send(format!("UNSUB {}\r\n", round + 1));
        }
    }
}

#[track_caller]
fn expect_text(client: &mut Client, wanted: &str, place: &str) {
    loop {
        match client.frame_within(GUARD) {
            Received::Frame(Frame::Message(got)) => {
                assert_eq!(String::from_utf8_lossy(&got.payload), wanted, "{place}");
                return;
            }
            Received::Frame(Frame::Ping) => client.send(b"PONG\r\n"),
            other => panic!("{place}: expected {wanted:?}, got {other:?}"),
        }
    }
}
