//! Tests of requests.

use super::*;

fn read(body: &str) -> PullRequest {
    PullRequest::read(body.as_bytes()).expect("valid")
}

#[derive(Default)]
struct World {
    pulls: Pulls,
    says: VecDeque<Say>,
    deaf: Vec<&'static str>,
}

impl World {
    fn add(&mut self, body: &str, inbox: &'static str) -> Result<(), Option<Status>> {
        let inbox = Bytes::from_static(inbox.as_bytes());
        self.pulls.add(read(body), inbox, 10, Nanos(0))
    }

    fn serve(&mut self, len: u64) -> Option<String> {
        let deaf = self.deaf.clone();
        let mut is_heard = |inbox: &[u8]| deaf.iter().all(|one| one.as_bytes() != inbox);
        let inbox = self
            .pulls
            .serve(len, Nanos(0), &mut is_heard, &mut self.says);
        inbox.map(|inbox| String::from_utf8_lossy(&inbox).into_owned())
    }

    /// What was said: inbox, and the first line.
    fn said(&mut self) -> Vec<String> {
        let says = self.says.drain(..).map(|say| {
            let header = String::from_utf8_lossy(&say.header).into_owned();
            let line = header
                .lines()
                .next()
                .unwrap_or_default()
                .replace("NATS/1.0 ", "");
            format!("{} {line}", String::from_utf8_lossy(&say.to))
        });
        says.collect()
    }
}

#[test]
fn bodies_are_numbers_or_objects() {
    let cases = [
        ("", 1),
        ("7", 7),
        (" 12 ", 12),
        ("0", 0),
        ("-3", 0),
        ("x", 1),
        ("{}", 0),
    ];
    for (body, batch) in cases {
        assert_eq!(read(body).batch, batch, "{body}");
    }
    let whole =
        r#"{"batch":2,"expires":1000,"max_bytes":50,"no_wait":true,"idle_heartbeat":500,"x":1}"#;
    let expected = PullRequest {
        batch: 2,
        expires_ns: Some(1000),
        max_bytes: Some(50),
        no_wait: true,
        heartbeat_ns: Some(500),
    };
    assert_eq!(read(whole), expected);
    for (body, why) in [
        (r#"{"batch":5"#, "unexpected end of JSON input"),
        (
            r#"{"expires":1000,"idle_heartbeat":501}"#,
            "heartbeat value too large",
        ),
        (r#"{"idle_heartbeat":501}"#, "heartbeat value too large"),
        (r#"{"min_pending":1}"#, "Not a Overflow Priority consumer"),
        (r#"{"id":"x"}"#, "Not a Pinned Client Priority consumer"),
        (r#"{"priority":10}"#, "Priority must be between 0 and 9"),
    ] {
        let wrong = PullRequest::read(body.as_bytes());
        assert_eq!(wrong, Err(Status::BadRequest(why)), "{body}");
    }
}

#[test]
fn requests_are_compared_with_what_is_allowed() {
    let config = PullConfig {
        max_waiting: 1,
        max_batch: Some(5),
        max_expires_ns: Some(1_000_000_000),
        max_bytes: Some(100),
    };
    let check = |body: &str| read(body).check(&config);
    assert_eq!(
        check(r#"{"batch":5,"expires":1000000000,"max_bytes":100}"#),
        Ok(())
    );
    let batch = Status::Exceeded("MaxRequestBatch", "5".to_owned());
    assert_eq!(check("6"), Err(batch));
    let expires = Status::Exceeded("MaxRequestExpires", "1s".to_owned());
    assert_eq!(check(r#"{"expires":1000000001}"#), Err(expires));
    let bytes = Status::Exceeded("MaxRequestMaxBytes", "100".to_owned());
    assert_eq!(check(r#"{"max_bytes":101}"#), Err(bytes));
}

#[test]
fn requests_are_served_in_turn() {
    let mut world = World::default();
    world.add("2", "a").expect("there is room");
    world.add("1", "b").expect("there is room");
    world.add("0", "c").expect("there is room");
    world.add("9", "deaf").expect("there is room");
    world.deaf.push("deaf");
    assert_eq!(world.pulls.claimed(), 12);
    let order: Vec<_> = (0..5).map(|_| world.serve(10)).collect();
    let expected = [Some("a"), Some("b"), Some("c"), Some("a"), None];
    assert_eq!(order, expected.map(|one| one.map(str::to_owned)));
    assert_eq!((world.pulls.claimed(), world.said()), (0, vec![]));
}

#[test]
fn bytes_end_a_request() {
    let mut world = World::default();
    world
        .add(r#"{"batch":2,"max_bytes":50}"#, "a")
        .expect("there is room");
    assert_eq!(world.serve(20).as_deref(), Some("a"));
    assert_eq!(world.serve(31), None);
    assert_eq!(world.said(), ["a 409 Message Size Exceeds MaxBytes"]);
    world
        .add(r#"{"batch":2,"max_bytes":50}"#, "b")
        .expect("there is room");
    world.serve(20);
    assert_eq!(world.serve(20).as_deref(), Some("b"));
    assert_eq!(world.said(), ["b 409 Batch Completed"]);
    world
        .add(r#"{"batch":9,"max_bytes":20}"#, "c")
        .expect("there is room");
    assert_eq!(world.serve(20).as_deref(), Some("c"));
    assert!(
        world.said().is_empty() && world.pulls.is_empty(),
        "in silence"
    );
}

#[test]
fn who_does_not_wait_gets_what_is_there() {
    let mut world = World::default();
    let (now, later) = (
        read(r#"{"no_wait":true}"#),
        read(r#"{"no_wait":true,"expires":9}"#),
    );
    assert_eq!(world.pulls.refusal(&now, 0), Some(Status::NoMessages));
    assert_eq!(world.pulls.refusal(&later, 0), None);
    world.add("5", "b").expect("there is room");
    assert_eq!(world.pulls.refusal(&now, 4), Some(Status::RequestsPending));
    assert_eq!(
        world.pulls.refusal(&later, 4),
        Some(Status::RequestsPending)
    );
    assert_eq!(world.pulls.refusal(&now, 5), None);
    assert_eq!(world.pulls.refusal(&read("5"), 0), None);
    let waiting = r#"{"no_wait":true,"expires":9,"batch":2}"#;
    world.add(waiting, "d").expect("there is room");
    assert!(
        !world.pulls.end_of_stream(&mut world.says),
        "nothing was there yet"
    );
    world.serve(1);
    world.serve(1);
    assert!(world.pulls.end_of_stream(&mut world.says));
    assert_eq!(
        (world.said(), world.pulls.len()),
        (vec!["d 404 No Messages".to_owned()], 1)
    );
    for _ in 1..10 {
        world.add("1", "e").expect("there is room");
    }
    assert_eq!(world.add("1", "f"), Err(Some(Status::TooManyWaiting)));
    let patient = r#"{"expires":100,"idle_heartbeat":10}"#;
    assert_eq!(
        world.add(patient, "g"),
        Err(None),
        "it would ask again at once"
    );
}

#[test]
fn time_ends_requests_and_silence() {
    let mut world = World::default();
    world
        .add(r#"{"batch":3,"expires":100,"idle_heartbeat":40}"#, "a")
        .expect("there is room");
    world.add("1", "b").expect("there is room");
    assert_eq!(world.pulls.next_due(), Nanos(40));
    let tick = |world: &mut World, now| {
        let heartbeat = || b"NATS/1.0 100 Idle Heartbeat".to_vec();
        let has_ended = world.pulls.tick(Nanos(now), heartbeat, &mut world.says);
        (has_ended, world.said(), world.pulls.next_due())
    };
    assert_eq!(tick(&mut world, 39), (false, vec![], Nanos(40)));
    let beat = vec!["a 100 Idle Heartbeat".to_owned()];
    assert_eq!(tick(&mut world, 40), (false, beat, Nanos(80)));
    let timeout = vec!["a 408 Request Timeout".to_owned()];
    assert_eq!(tick(&mut world, 100), (true, timeout, Nanos::NEVER));
    world
        .pulls
        .end_all(&Status::ConsumerDeleted, &mut world.says);
    assert_eq!(world.said(), ["b 409 Consumer Deleted"]);
    assert_eq!((world.pulls.len(), world.pulls.claimed()), (0, 0));
}
