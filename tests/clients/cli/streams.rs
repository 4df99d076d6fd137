//! The `nats` command-line tool and JetStream: streams, consumers, key-value buckets, object stores, the
//! checks and reports of operators, and small benchmarks.

use super::Tool;
use std::fs;
use std::path::Path;

use crate::setup::cache;
use serde_json::Value;
use trunkline_tests::ServerUnderTest;
use trunkline_tests::harness::jetstream::StoreDirectory;

/// Reports of operators come from the system account.
const CONFIG: &str = r#"
jetstream { store_dir: "$DIR" }
accounts {
  SYS { users [{ user: sys, password: sys }] }
  APP { jetstream: enabled, users [{ user: app, password: app }] }
}
system_account: SYS
no_auth_user: app
"#;

type Scenario = fn(&Tool);

/// Runs every scenario against a server of its own.
pub fn run_streams(program: &Path) {
    let directory = StoreDirectory::new();
    let server = ServerUnderTest::with_config(&CONFIG.replace("$DIR", &directory.text()));
    let tool = Tool::new(program, format!("nats://{}", server.address()));
    let scenarios: [(&str, Scenario); 6] = [
        ("streams", streams),
        ("consumers", consumers),
        ("key-value", key_value),
        ("objects", objects),
        ("account-and-reports", account_and_reports),
        ("bench", bench),
    ];
    for (name, scenario) in scenarios {
        scenario(&tool);
        println!("ok {name}");
    }
}

impl Tool {
    /// The lines that a command prints, which has to succeed.
    fn lines(&self, command: &str) -> Vec<String> {
        let words: Vec<&str> = command.split(' ').collect();
        self.run(&words).stdout
    }

    /// What a command prints as JSON.
    fn json(&self, command: &str) -> Value {
        serde_json::from_str(&self.lines(command).concat()).unwrap()
    }

    /// A command that has to print a line with this text.
    fn prints(&self, command: &str, text: &str) {
        let lines = self.lines(command);
        let found = lines.iter().any(|line| line.contains(text));
        assert!(found, "nats {command}: no {text:?} in {lines:#?}");
    }

    fn fails(&self, command: &str, text: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        let outcome = self.start(&words).outcome();
        assert!(!outcome.success, "nats {command} succeeded");
        assert!(
            outcome.text().contains(text),
            "nats {command}: {}",
            outcome.text()
        );
    }
}

fn streams(tool: &Tool) {
    tool.prints(
        "stream add ORDERS --subjects orders.> --defaults",
        "Stream ORDERS was created",
    );
    tool.prints(
        "request orders.a hello --raw",
        r#"{"stream":"ORDERS","seq":1}"#,
    );
    tool.lines("request orders.b there");
    let info = tool.json("stream info ORDERS --json");
    assert_eq!(info["state"]["messages"], 2);
    assert_eq!(tool.lines("stream ls --names"), ["ORDERS"]);
    tool.prints("stream report", "ORDERS");
    tool.prints("stream subjects ORDERS", "orders.a");
    tool.prints("stream get ORDERS 1", "hello");
    tool.lines("stream rmm ORDERS 1 -f");
    tool.prints("stream edit ORDERS --description changed -f", "changed");
    tool.prints("stream purge ORDERS -f", "ORDERS");
    assert_eq!(
        tool.json("stream info ORDERS --json")["state"]["messages"],
        0
    );
    tool.lines("stream rm ORDERS -f");
    tool.prints("stream ls", "No Streams defined");
}

fn consumers(tool: &Tool) {
    tool.lines("stream add WORK --subjects work.> --defaults");
    tool.lines("request work.a one");
    tool.lines("request work.b two");
    tool.prints("consumer add WORK NEW --pull --defaults", "NEW");
    tool.prints("consumer next WORK NEW --count 1 --raw", "one");
    let info = tool.json("consumer info WORK NEW --json");
    assert_eq!(info["ack_floor"]["stream_seq"], 1);
    assert_eq!(info["num_pending"], 1);
    assert_eq!(tool.lines("consumer ls WORK --names"), ["NEW"]);
    tool.prints("consumer report WORK", "NEW");
    tool.prints("server check stream --stream WORK", "OK");
    tool.prints("server check consumer --stream WORK --consumer NEW", "OK");
    tool.lines("consumer rm WORK NEW -f");
    tool.lines("stream rm WORK -f");
}

fn key_value(tool: &Tool) {
    tool.prints("kv add B --history 5", "Bucket B");
    tool.lines("kv put B color red");
    assert_eq!(tool.lines("kv get B color --raw"), ["red"]);
    tool.lines("kv create B size 1");
    tool.fails("kv create B size 1", "key exists");
    tool.lines("kv update B size 2 2");
    tool.fails("kv update B size 3 2", "wrong last sequence");
    assert_eq!(tool.lines("kv get B size --raw"), ["2"]);
    tool.prints("kv history B size", "PUT");
    assert_eq!(tool.lines("kv ls B"), ["color", "size"]);
    tool.prints("kv ls", "B");
    tool.prints("kv status B", "History Kept: 5");
    tool.prints("server check kv --bucket B --key color", "OK");
    tool.lines("kv del B size -f");
    tool.fails("kv get B size --raw", "key not found");
    tool.lines("kv purge B color -f");
    tool.lines("kv rm B -f");
    tool.fails("kv status B", "bucket not found");
}

fn objects(tool: &Tool) {
    let (source, copy) = (cache().join("object"), cache().join("object-copy"));
    let body = "some bytes ".repeat(50_000);
    fs::write(&source, &body).unwrap();
    let (source, copy) = (source.display(), copy.display());
    tool.prints("object add O", "Bucket O");
    tool.prints(
        &format!("object put O {source} --name thing -f --no-progress"),
        "Size: 537 KiB",
    );
    tool.prints("object info O thing", "SHA-256");
    tool.prints("object ls O", "thing");
    tool.lines(&format!("object get O thing -O {copy} -f --no-progress"));
    assert!(
        fs::read_to_string(copy.to_string()).unwrap() == body,
        "bytes that come back"
    );
    tool.lines("object rm O thing -f");
    tool.lines("object rm O -f");
    tool.fails("object ls O", "bucket not found");
}

fn account_and_reports(tool: &Tool) {
    tool.lines("stream add REPORT --subjects report.> --defaults");
    tool.lines("request report.a one");
    tool.prints("account info", "Account: APP");
    tool.prints("server check jetstream", "streams=1");
    let system = "--user sys --password sys";
    tool.prints(
        &format!("{system} server report jetstream"),
        "JetStream Summary",
    );
    tool.prints(&format!("{system} server list 1"), "yes");
    tool.lines("stream rm REPORT -f");
}

fn bench(tool: &Tool) {
    let stream = "--stream BENCH --no-progress";
    // What the tool creates itself has batches.
    tool.lines("stream add BENCH --subjects bench.> --defaults");
    tool.prints(
        &format!("bench js pub sync bench.a --msgs 200 --size 16 {stream}"),
        "stats",
    );
    tool.prints(
        &format!("bench js pub async bench.a --msgs 500 --size 16 {stream}"),
        "stats",
    );
    tool.prints(&format!("bench js ordered --msgs 700 {stream}"), "stats");
    // These two share a durable consumer.
    tool.prints(&format!("bench js consume --msgs 500 {stream}"), "stats");
    tool.prints(&format!("bench js fetch --msgs 200 {stream}"), "stats");
    tool.prints("bench kv put --msgs 100 --no-progress", "stats");
    tool.prints("bench kv get --msgs 100 --no-progress", "stats");
}
