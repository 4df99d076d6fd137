//! Clients that do not read, do not finish, or vanish: they are cut, and nobody else notices.

use crate::support::{
    GUARD, message, publication, reset, subscriber, text, wait_for_descriptors, wait_until,
};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trunkline_tests::{Client, Received, RunningServer, ServerUnderTest};

const CHUNK: usize = 64 * 1024;

/// A subscriber of `flood` that will never read again.
fn sleeper(server: &RunningServer) -> Client {
    subscriber(server, "flood 1")
}

/// Publishes `total` chunks in step with a healthy subscriber, so that only who does not read falls
/// behind. Checks that the healthy one misses nothing.
fn flood(server: &RunningServer, total: usize, mut enough: impl FnMut(usize) -> bool) -> usize {
    let mut publisher = Client::connect(server.address());
    let mut healthy = subscriber(server, "flood 1");
    for number in 0..total {
        let mut payload = vec![b'x'; CHUNK];
        payload[..8].copy_from_slice(format!("{number:08}").as_bytes());
        publisher.send(publication("flood", &payload));
        let got = message(&mut healthy);
        assert!(got.payload == payload, "message {number} came out wrong");
        if enough(number) {
            return number + 1;
        }
    }
    publisher.barrier();
    total
}

fn slow_consumer_is_cut(config: &str, chunks: usize) {
    let server = ServerUnderTest::with_config(config);
    let mut bystander = subscriber(&server, "other 1");
    let baseline = server.open_descriptors();
    let mut asleep = sleeper(&server);
    let sent = flood(&server, chunks, |_| {
        server.log().to_lowercase().contains("slow consumer")
    });
    server.wait_for_log("slow consumer");
    bystander.send(publication("other", b"undisturbed"));
    assert_eq!(text(&mut bystander), "undisturbed");
    // What was already on its way may arrive, then the stream ends: no error is sent.
    let (length, tail) = asleep.drain_with_tail(64);
    assert!(length < sent * (CHUNK + 40), "nothing was withheld");
    assert!(
        !String::from_utf8_lossy(&tail).contains("-ERR"),
        "a slow consumer is cut without a word"
    );
    drop(asleep);
    wait_for_descriptors(&server, baseline);
}

#[test]
fn a_slow_consumer_is_cut_at_its_pending_bytes() {
    slow_consumer_is_cut("max_pending: 1048576\n", 2_000);
}

#[test]
fn a_slow_consumer_is_cut_at_its_write_deadline() {
    slow_consumer_is_cut("write_deadline: \"500ms\"\n", 900);
}

#[test]
fn a_slow_consumer_does_not_hold_up_its_publishers_other_subscribers() {
    let server = ServerUnderTest::with_config("max_pending: 4194304\n");
    let sleepers: Vec<Client> = (0..10).map(|_| sleeper(&server)).collect();
    flood(&server, 400, |_| false);
    for mut asleep in sleepers {
        asleep.drain_to_end();
    }
}

#[test]
fn a_slow_consumer_that_wakes_in_time_loses_nothing() {
    let server = ServerUnderTest::start(&[]);
    let mut asleep = sleeper(&server);
    let sent = flood(&server, 200, |_| false);
    for number in 0..sent {
        let got = message(&mut asleep);
        assert_eq!(&got.payload[..8], format!("{number:08}").as_bytes());
    }
}

#[test]
fn half_closed_connections_are_closed() {
    let server = ServerUnderTest::start(&[]);
    let baseline = server.open_descriptors();
    for start in [
        "",
        "PING\r\n",
        "SUB a 1\r\n",
        "PUB a 10\r\nhalf",
        "CONNECT {",
        "NOTHING",
    ] {
        let mut client = Client::greet(server.address());
        client.send(start);
        client.stream().shutdown(Shutdown::Write).unwrap();
        client.drain_to_end();
    }
    wait_for_descriptors(&server, baseline);
}

#[test]
fn what_was_sent_before_a_half_close_is_done() {
    let server = ServerUnderTest::start(&[]);
    let mut listener = subscriber(&server, "last 1");
    let mut client = Client::connect(server.address());
    client.send(b"PUB last 5\r\nwords\r\n");
    client.stream().shutdown(Shutdown::Write).unwrap();
    assert_eq!(text(&mut listener), "words");
    client.drain_to_end();
}

#[test]
fn stalled_connections_disturb_nobody() {
    let server = ServerUnderTest::start(&[]);
    let baseline = server.open_descriptors();
    let mut stalled: Vec<Client> = Vec::new();
    for start in [
        "",
        "P",
        "PUB",
        "SUB a",
        "CONNECT {\"verb",
        "PUB a 1000000\r\nx",
        "PUB a 3\r\nabc\r",
    ] {
        for _ in 0..20 {
            let mut client = Client::open(server.address());
            client.send(start);
            stalled.push(client);
        }
    }
    let mut big = Client::connect(server.address());
    big.send(b"PUB a 1048576\r\n");
    big.send(vec![b'x'; 1_000_000]);
    stalled.push(big);
    let mut client = subscriber(&server, "b 1");
    for round in 0..200 {
        client.send(publication("b", round.to_string().as_bytes()));
        assert_eq!(text(&mut client), round.to_string());
    }
    drop(client);
    drop(stalled);
    wait_for_descriptors(&server, baseline);
}

#[test]
fn clients_killed_in_the_middle_of_a_message_leave_nothing() {
    let server = ServerUnderTest::start(&[]);
    let mut listener = subscriber(&server, "> 1");
    let baseline = server.open_descriptors();
    for round in 0..100 {
        let mut client = Client::connect(server.address());
        client.send(b"PUB whole 2\r\nok\r\nPUB cut 1000\r\n");
        client.send_and_wait_until_read(&vec![b'x'; round * 9]);
        assert_eq!(text(&mut listener), "ok");
        if round % 2 == 0 {
            reset(client);
        }
    }
    let rest = listener.barrier();
    assert!(rest.is_empty(), "half a message was delivered: {rest:?}");
    wait_for_descriptors(&server, baseline);
}

#[test]
fn subscribers_killed_while_being_sent_to_leave_nothing() {
    let server = ServerUnderTest::start(&[]);
    let baseline = server.open_descriptors();
    for _ in 0..5 {
        let asleep: Vec<Client> = (0..10).map(|_| sleeper(&server)).collect();
        flood(&server, 30, |_| false);
        asleep.into_iter().for_each(reset);
        flood(&server, 5, |_| false);
    }
    wait_for_descriptors(&server, baseline);
}

#[test]
fn a_tiny_receive_window_gets_everything_in_order() {
    let server = ServerUnderTest::start(&[]);
    let mut slow = small_window(server.address());
    slow.line();
    slow.send(b"CONNECT {\"verbose\":false}\r\nSUB flood 1\r\n");
    slow.barrier();
    let reading = std::thread::spawn(move || {
        for number in 0..40 {
            let got = message(&mut slow);
            assert_eq!(&got.payload[..8], format!("{number:08}").as_bytes());
            assert!(got.payload[8..].iter().all(|&byte| byte == b'x'));
        }
    });
    flood(&server, 40, |_| false);
    reading.join().unwrap();
}

fn small_window(address: SocketAddr) -> Client {
    use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_recv_buffer_size(&socket, 2048).unwrap();
    connect(&socket, &address).unwrap();
    Client::from_stream(TcpStream::from(socket))
}

#[test]
fn silent_connections_are_pinged_and_talkative_ones_live() {
    let server = ServerUnderTest::with_config("ping_interval: \"300ms\"\nping_max: 2\n");
    let baseline = server.open_descriptors();
    let mut silent: Vec<Client> = (0..50).map(|_| Client::connect(server.address())).collect();
    let mut talkative = subscriber(&server, "talk 1");
    for client in &mut silent {
        loop {
            match client.frame_within(Duration::from_millis(20)) {
                Received::Closed => break,
                Received::Frame(_) | Received::Silence => {
                    talkative.send(publication("talk", b"alive"));
                    assert_eq!(text(&mut talkative), "alive");
                }
            }
        }
    }
    drop(silent);
    wait_until("a last word", || {
        talkative.send(publication("talk", b"still"));
        match text(&mut talkative).as_str() {
            "still" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    wait_for_descriptors(&server, baseline + 1);
}

/// A flood for a subscriber that reads little at a time, for several write deadlines; returns it.
fn trickle(server: &RunningServer) -> Client {
    let mut slow = sleeper(server);
    let (begin, is_over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let flood_is_over = Arc::clone(&is_over);
    let reading = std::thread::spawn(move || {
        let goes_on = || {
            let is_early = begin.elapsed() < Duration::from_secs(2);
            is_early || !flood_is_over.load(Ordering::Relaxed)
        };
        while goes_on() && !slow.is_closed() {
            slow.up_to_within(128 * 1024, Duration::from_millis(100));
            std::thread::sleep(Duration::from_millis(25));
        }
        slow
    });
    flood(server, 800, |_| false);
    is_over.store(true, Ordering::Relaxed);
    reading.join().unwrap()
}

#[test]
fn a_trickle_is_enough_if_writes_are_retried() {
    let config = |policy| format!("write_deadline: \"400ms\"\nwrite_timeout: {policy}\n");
    let server = ServerUnderTest::with_config(&config("close"));
    trickle(&server).drain_to_end();
    server.wait_for_log("slow consumer");
    let server = ServerUnderTest::with_config(&config("retry"));
    let mut slow = trickle(&server);
    slow.send("PING\r\n");
    // Behind what is left of the flood; a PING of the server may follow.
    let (mut last, begin) = (Vec::new(), Instant::now());
    while !last.windows(6).any(|bytes| bytes == b"PONG\r\n") {
        assert!(begin.elapsed() < GUARD, "no answer; {}", server.log());
        last.drain(..last.len().saturating_sub(6));
        last.extend(slow.up_to_within(1 << 20, Duration::from_millis(200)));
        assert!(!slow.is_closed(), "{}", server.log());
    }
}

#[test]
fn without_stalls_who_falls_behind_misses_messages_and_stays() {
    let server = ServerUnderTest::with_config(
        "max_pending: 4MB\nno_fast_producer_stall: true\nwrite_deadline: \"60s\"\n",
    );
    let mut asleep = sleeper(&server);
    let sent = flood(&server, 1_500, |_| false);
    let got = asleep.messages_until_barrier();
    assert!(0 < got && got < sent, "{got} of {sent} messages");
    assert!(
        !server.log().to_lowercase().contains("slow consumer"),
        "{}",
        server.log()
    );
    asleep.barrier();
}
