//! Streams of several cores, from a client's bytes to the disk and back, without a shell.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "shards/mod.rs"]
mod shards;

use serde_json::Value;
use shards::{QUIET, Shards};
use trunkline_core::base::limits::Limits;

/// Some cores with a store, and a client that waits for answers.
struct World {
    shards: Shards,
    client: usize,
}

impl World {
    fn new(cores: usize, partitions: u16) -> Self {
        let mut shards = Shards::new(cores, &Limits::default(), true);
        shards.open_stores(partitions);
        Self::with(shards)
    }

    fn with(mut shards: Shards) -> Self {
        let client = shards.connect(0);
        shards.send(client, &[QUIET, b"SUB in.* 1\r\nPING\r\n"].concat());
        shards.forget_output(client);
        Self { shards, client }
    }

    /// The power is cut, and comes back.
    fn crash(self, cores: usize, partitions: u16) -> Self {
        let mut disks = self.shards.disks;
        disks.cut_power();
        let mut shards = Shards::new(cores, &Limits::default(), true);
        shards.disks = disks;
        shards.open_stores(partitions);
        Self::with(shards)
    }

    fn publish(&mut self, subject: &str, payload: &str) {
        let line = format!("PUB {subject} in.x {}\r\n{payload}\r\n", payload.len());
        self.shards.send(self.client, line.as_bytes());
    }

    /// What the client has received since it was asked last, without the control lines.
    fn received(&mut self) -> Vec<String> {
        let output = self.shards.peer(self.client).output.clone();
        self.shards.forget_output(self.client);
        let text = String::from_utf8_lossy(&output).into_owned();
        let lines = text.split("\r\n").filter(|line| !line.is_empty());
        lines
            .filter(|line| !line.starts_with("MSG "))
            .map(str::to_owned)
            .collect()
    }

    fn ask(&mut self, subject: &str, payload: &str) -> Value {
        self.publish(&format!("$JS.API.{subject}"), payload);
        let received = self.received();
        assert_eq!(received.len(), 1, "{subject}: {received:?}");
        serde_json::from_str(&received[0]).unwrap()
    }
}

#[test]
fn a_message_is_acknowledged_when_it_is_durable_and_not_before() {
    for storage in ["file", "memory"] {
        let mut world = World::new(2, 2);
        let body = format!(r#"{{"name":"S","subjects":["s.*"],"storage":"{storage}"}}"#);
        let created = world.ask("STREAM.CREATE.S", &body);
        assert_eq!(created["config"]["name"], "S", "{created}");
        world.publish("s.a", "hello");
        assert_eq!(world.received(), [r#"{"stream":"S","seq":1}"#]);
        world.shards.disks.are_held = true;
        world.publish("s.b", "hello");
        let expected = [r#"{"stream":"S","seq":2}"#];
        let expected = if storage == "file" {
            &[][..]
        } else {
            &expected
        };
        assert_eq!(world.received(), expected);
        world.shards.disks.are_held = false;
        world.shards.run();
        let expected = if storage == "file" { 1 } else { 0 };
        assert_eq!(world.received().len(), expected, "now it is durable");
        let info = world.ask("STREAM.INFO.S", "");
        assert_eq!(info["state"]["messages"], 2, "{info}");
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_with_another_number_of_cores() {
    let mut world = World::new(2, 2);
    for name in ["A", "B", "C"] {
        world.ask(
            &format!("STREAM.CREATE.{name}"),
            &format!(r#"{{"name":"{name}"}}"#),
        );
        for _ in 0..500 {
            world.publish(name, &"x".repeat(300));
        }
        assert_eq!(world.received().len(), 500);
    }
    world.ask("STREAM.DELETE.B", "");
    assert_eq!(
        world.ask("STREAM.MSG.DELETE.A", r#"{"seq":7}"#)["success"],
        true
    );
    assert_eq!(world.ask("STREAM.PURGE.C", r#"{"keep":10}"#)["purged"], 490);
    for cores in [1, 3, 2] {
        world = world.crash(cores, 2);
        let names = world.ask("STREAM.NAMES", "");
        assert_eq!(names["streams"], serde_json::json!(["A", "C"]));
        let info = world.ask("STREAM.INFO.A", r#"{"deleted_details":true}"#);
        let state = &info["state"];
        assert_eq!(
            (&state["messages"], &state["deleted"]),
            (&499.into(), &serde_json::json!([7]))
        );
        let state = &world.ask("STREAM.INFO.C", "")["state"];
        assert_eq!(
            (&state["first_seq"], &state["last_seq"]),
            (&491.into(), &500.into())
        );
    }
    world.publish("A", "again");
    assert_eq!(world.received(), [r#"{"stream":"A","seq":501}"#]);
}

#[test]
fn messages_are_read_from_wherever_they_are() {
    let mut world = World::new(2, 3);
    let body = r#"{"name":"S","subjects":["s.*"],"allow_direct":true}"#;
    world.ask("STREAM.CREATE.S", body);
    for number in 0..3_000 {
        let payload = format!("{number}:{}", "x".repeat(700));
        world.publish(&format!("s.{}", number % 10), &payload);
    }
    world.received();
    for round in 0..2 {
        for sequence in [1, 7, 1_500, 2_999] {
            world.publish("$JS.API.DIRECT.GET.S", &format!(r#"{{"seq":{sequence}}}"#));
            let received = world.received();
            let expected = format!("{}:xxx", sequence - 1);
            assert!(
                received.last().unwrap().starts_with(&expected),
                "{round}: {received:?}"
            );
            let got = world.ask("STREAM.MSG.GET.S", &format!(r#"{{"seq":{sequence}}}"#));
            assert_eq!(
                got["message"]["subject"],
                format!("s.{}", (sequence - 1) % 10)
            );
        }
        world.publish("$JS.API.DIRECT.GET.S.s.3", "");
        assert!(world.received().last().unwrap().starts_with("2993:"));
        world.publish("$JS.API.DIRECT.GET.S", r#"{"seq":10,"batch":5}"#);
        assert_eq!(
            world
                .received()
                .iter()
                .filter(|line| line.contains(":xxx"))
                .count(),
            5
        );
        assert_eq!(
            world.ask("STREAM.MSG.GET.S", r#"{"seq":9000}"#)["error"]["err_code"],
            10_037
        );
        world = world.crash(2, 3);
    }
    let list = world.ask("STREAM.LIST", "");
    assert_eq!(
        (&list["total"], &list["streams"][0]["state"]["messages"]),
        (&1.into(), &3_000.into())
    );
    assert_eq!(world.ask("INFO", "")["streams"], 1);
}

#[test]
fn nothing_is_acknowledged_after_a_failed_write() {
    let mut world = World::new(1, 1);
    world.ask("STREAM.CREATE.S", r#"{"name":"S"}"#);
    world.shards.disks.fail = true;
    world.publish("S", "lost");
    assert_eq!(world.received(), [""; 0]);
    world.shards.disks.fail = false;
    world.publish("S", "refused");
    let received = world.received();
    assert!(received[0].contains("10077"), "{received:?}");
    let mut world = world.crash(1, 1);
    assert_eq!(world.ask("STREAM.INFO.S", "")["state"]["messages"], 0);
}
