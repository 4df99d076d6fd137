//! Many connections and many subscriptions, coming and going; nothing is left behind.

use crate::support::{
    connections_allowed, core_counts, message, publication, start_with_cores, subscriber,
    wait_for_descriptors, wait_until,
};
use std::collections::BTreeMap;
use trunkline_tests::{Client, Random, RunningServer, ServerUnderTest};

#[test]
fn two_thousand_connects_in_a_burst() {
    const THREADS: usize = 4;
    let each = connections_allowed(2_000) / THREADS;
    for cores in core_counts() {
        let server = start_with_cores(cores);
        let address = server.address();
        let baseline = server.open_descriptors();
        let crowds: Vec<_> = (0..THREADS)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut crowd: Vec<Client> = (0..each).map(|_| Client::open(address)).collect();
                    for client in &mut crowd {
                        assert!(client.line().starts_with(b"INFO {"));
                        client.send(b"CONNECT {\"verbose\":false}\r\nSUB all 1\r\nPING\r\n");
                    }
                    for client in &mut crowd {
                        client.expect(b"PONG\r\n");
                    }
                    crowd
                })
            })
            .collect();
        let mut crowd: Vec<Client> = crowds
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        let mut publisher = Client::connect(address);
        publisher.send(b"PUB all 5\r\nhello\r\n");
        publisher.barrier();
        for client in &mut crowd {
            let got = message(client);
            assert_eq!(got.payload, b"hello");
        }
        drop(crowd);
        drop(publisher);
        wait_for_descriptors(&server, baseline);
    }
}

#[test]
fn a_thousand_connections_into_one_subscriber() {
    const ROUNDS: usize = 20;
    let connections = connections_allowed(1_000);
    for cores in core_counts() {
        let server = start_with_cores(cores);
        let mut reader = subscriber(&server, "in.* 1");
        let mut crowd: Vec<Client> = (0..connections)
            .map(|_| Client::connect(server.address()))
            .collect();
        let reading = std::thread::spawn(move || {
            let mut next: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
            for _ in 0..connections * ROUNDS {
                let got = message(&mut reader);
                let expected = next.entry(got.subject.clone()).or_insert(0);
                let number: usize = String::from_utf8(got.payload).unwrap().parse().unwrap();
                assert_eq!(
                    number,
                    *expected,
                    "from {:?}",
                    String::from_utf8(got.subject)
                );
                *expected += 1;
            }
            assert!(reader.barrier().is_empty(), "more than was published");
        });
        for round in 0..ROUNDS {
            for (number, client) in crowd.iter_mut().enumerate() {
                client.send(publication(
                    &format!("in.{number}"),
                    round.to_string().as_bytes(),
                ));
            }
        }
        reading.join().unwrap();
    }
}

#[test]
fn connections_come_and_go_without_a_trace() {
    let server = ServerUnderTest::start(&[]);
    let mut witness = subscriber(&server, "witness 1");
    let baseline = server.open_descriptors();
    let mut random = Random::new(3);
    for round in 0..1_500 {
        let mut client = Client::open(server.address());
        match random.below(4) {
            0 => {}
            1 => client.send(b"CONNECT {\"verbose\":false}\r\nSUB > 1\r\n"),
            2 => client.send(b"SUB a q 1\r\nPUB a 3\r\nab"),
            _ => client.send(b"NONSENSE\r\n"),
        }
        if round % 100 == 0 {
            witness.send(publication("witness", b"here"));
            assert_eq!(message(&mut witness).payload, b"here");
        }
    }
    wait_for_descriptors(&server, baseline);
    assert!(witness.barrier().is_empty());
}

/// Subscribes to many subjects of all kinds and takes it back, in batches.
fn churn(client: &mut Client, random: &mut Random, subscriptions: usize) {
    let mut text = String::new();
    for number in 0..subscriptions {
        let subject = match number % 4 {
            0 => format!("churn.{}", random.next_u64()),
            1 => format!("churn.*.{}", random.next_u64()),
            2 => format!("churn.{}.>", random.next_u64()),
            _ => format!("churn.{}.a.b.c group", random.below(1000)),
        };
        text.push_str(&format!("SUB {subject} {number}\r\n"));
    }
    client.send(&text);
    client.barrier();
    text.clear();
    for number in 0..subscriptions {
        text.push_str(&format!("UNSUB {number}\r\n"));
    }
    client.send(&text);
    client.barrier();
}

#[test]
fn subscriptions_churn_beside_a_steady_stream() {
    for cores in core_counts() {
        let server = start_with_cores(cores);
        let address = server.address();
        let mut reader = subscriber(&server, "steady 1");
        let churners: Vec<_> = (0..3)
            .map(|seed| {
                std::thread::spawn(move || {
                    let mut client = Client::connect(address);
                    let mut random = Random::new(seed);
                    for _ in 0..5 {
                        churn(&mut client, &mut random, 2_000);
                    }
                })
            })
            .collect();
        let mut publisher = Client::connect(address);
        let mut published = 0;
        while churners.iter().any(|churner| !churner.is_finished()) || published < 1_000 {
            for _ in 0..100 {
                publisher.send(publication("steady", published.to_string().as_bytes()));
                published += 1;
            }
            publisher.barrier();
        }
        for number in 0..published {
            assert_eq!(message(&mut reader).payload, number.to_string().as_bytes());
        }
        churners
            .into_iter()
            .for_each(|churner| churner.join().unwrap());
    }
}

#[test]
fn memory_returns_to_its_level_after_churn() {
    let server = ServerUnderTest::start(&[]);
    let mut random = Random::new(11);
    // The first rounds fill caches and pools that may stay.
    one_generation(&server, &mut random);
    one_generation(&server, &mut random);
    let level = server.resident_bytes();
    for _ in 0..6 {
        one_generation(&server, &mut random);
    }
    const ALLOWANCE: u64 = 32 << 20;
    wait_until("the return of the memory", || {
        let now = server.resident_bytes();
        // Loose on purpose: a leak of a generation each time would be far above.
        if now <= level * 2 + ALLOWANCE {
            Ok(())
        } else {
            Err(format!(
                "{now} bytes resident, {level} after two generations"
            ))
        }
    });
}

/// Two hundred connections with a hundred subscriptions each, some traffic, and gone.
fn one_generation(server: &RunningServer, random: &mut Random) {
    let baseline = server.open_descriptors();
    let mut clients: Vec<Client> = (0..connections_allowed(200))
        .map(|_| Client::connect(server.address()))
        .collect();
    let mut text = String::new();
    for client in &mut clients {
        text.clear();
        for number in 0..100 {
            text.push_str(&format!(
                "SUB gone.{}.{number} {number}\r\n",
                random.next_u64()
            ));
        }
        client.send(&text);
        client.send(publication("nobody", &[b'x'; 20_000]));
        client.barrier();
    }
    churn(&mut clients[0], random, 10_000);
    drop(clients);
    wait_for_descriptors(server, baseline);
}
