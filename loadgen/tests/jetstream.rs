//! The plans of JetStream against the real nats-server: each verifies what it did, each kind of fault is noticed, and
//! nothing is left behind.

#![allow(clippy::unwrap_used)]

mod reference;

use std::process::{Command, Output};

use reference::Reference;
use reference::meddler::{self, Fault, Kind};

fn loadgen(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn report_of(arguments: &str) -> serde_json::Value {
    let output = loadgen(&format!("{arguments} --json"));
    let errors = text(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments}: {} {errors}",
        text(&output.stdout)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_plan_verifies_what_it_did_and_leaves_nothing_behind() {
    let Some(server) = Reference::start(true) else {
        return;
    };
    let plans = [
        ("js-pub --count 50", 50, 0),
        (
            "js-pub --count 3000 --window 100 --warmup 100 --size uniform:16..900",
            3000,
            0,
        ),
        (
            "js-pub --count 3000 --window 50 --streams 5 --clients 3 --threads 2",
            3000,
            0,
        ),
        (
            "js-pub --count 500 --window 50 --clients 3 --storage memory",
            500,
            0,
        ),
        ("js-fetch --count 1234 --batch 100", 0, 1234),
        (
            "js-fetch --count 1000 --batch 7 --clients 5 --streams 2",
            0,
            1000,
        ),
        ("js-replay --count 2500 --batch 300", 0, 2500),
        ("js-replay --count 2500 --push --clients 2", 0, 5000),
        ("js-consume --count 2000 --clients 2", 2000, 4000),
        ("js-consume --count 2000 --push", 2000, 2000),
        ("kv-put --count 500 --keys 20 --clients 3", 500, 0),
        (
            "kv-get --count 500 --keys 100 --clients 2 --window 4",
            500,
            500,
        ),
        // Nine chunks and a description each.
        ("obj-put --count 2 --object-size 1100000 --clients 2", 20, 0),
        ("obj-get --count 3 --object-size 1100000 --clients 2", 0, 27),
        ("obj-put --object-size 7", 2, 0),
    ];
    for (plan, published, delivered) in plans {
        let (address, pid) = (server.address, server.pid());
        let report = report_of(&format!(
            "{plan} --verify --server {address} --server-pid {pid}"
        ));
        let counts = [&report["published"], &report["delivered"]].map(|count| count.as_u64());
        assert_eq!(counts, [Some(published), Some(delivered)], "{plan}");
        let verdict = report["verdict"].to_string();
        let clean = r#"{"lost":0,"duplicated":0,"reordered":0,"corrupt":0}"#;
        assert_eq!(verdict, clean, "{plan}");
        assert!(report["server"]["cpu_us_per_message"].is_number(), "{plan}");
        let is_timed = !plan.starts_with("js-replay");
        assert_eq!(report["latency"]["p50_us"].is_number(), is_timed, "{plan}");
        assert_eq!(server.streams(), 0, "{plan}");
    }
    report_of(&format!(
        "js-pub --count 5 --streams 2 --keep --server {}",
        server.address
    ));
    assert_eq!(server.streams(), 2);
}

/// Runs plans with one message spoiled on its way to loadgen: each must fail with these words, and leave nothing behind.
#[track_caller]
fn spoiled_runs_fail(kind: Kind, cases: &[(&str, Fault, &str)]) {
    let Some(server) = Reference::start(true) else {
        return;
    };
    for (plan, fault, expected) in cases {
        // The third, which every plan has.
        let address = meddler::start(server.address, kind, 3, *fault);
        let output = loadgen(&format!(
            "{plan} --verify --server {address} --drain-timeout 700ms"
        ));
        let all = text(&output.stdout) + &text(&output.stderr);
        let status = output.status.code();
        let is_expected = match fault {
            Fault::None => status == Some(0),
            _ => status == Some(1) && all.contains(expected),
        };
        assert!(is_expected, "{plan}, {fault:?}: {status:?} {all}");
    }
    assert_eq!(server.streams(), 0);
}

#[test]
fn spoiled_deliveries_are_noticed() {
    let cases = [
        ("js-pub --count 100", Fault::None, ""),
        ("js-pub --count 100", Fault::Damage, "lost 1, duplicated 0"),
        ("js-pub --count 100", Fault::Duplicate, "duplicated 1"),
        ("js-pub --count 100", Fault::Drop, "LOSS: 1 "),
        ("js-fetch --count 100", Fault::Damage, "corrupt 1"),
        ("js-fetch --count 100", Fault::Duplicate, "duplicated 1"),
        ("js-replay --count 100", Fault::Drop, "LOSS: 1 "),
        ("js-replay --count 100 --push", Fault::Damage, "corrupt 1"),
        ("js-consume --count 100", Fault::Drop, "LOSS: 1 "),
        ("obj-put --object-size 1000000", Fault::Damage, "corrupt 1"),
        ("obj-get --object-size 1000000", Fault::Drop, "LOSS: 1 "),
    ];
    spoiled_runs_fail(Kind::Delivery, &cases);
}

#[test]
fn spoiled_acknowledgements_are_noticed() {
    let cases = [
        ("js-pub --count 100", Fault::Lie, "corrupt 1"),
        (
            "js-pub --count 100",
            Fault::Refuse,
            "messages exceeded (10077)",
        ),
        (
            "js-pub --count 100",
            Fault::Drop,
            "waiting for 1 acknowledgements",
        ),
        (
            "kv-put --count 9 --keys 1",
            Fault::Refuse,
            "messages exceeded (10077)",
        ),
    ];
    spoiled_runs_fail(Kind::Acknowledgement, &cases);
}

#[test]
fn spoiled_values_are_noticed() {
    let cases = [
        ("kv-put --count 100 --keys 10", Fault::None, ""),
        ("kv-put --count 100 --keys 10", Fault::Damage, "corrupt 1"),
        (
            "kv-put --count 100 --keys 10",
            Fault::Drop,
            "waiting for 1 values",
        ),
        ("kv-get --count 100 --keys 10", Fault::Damage, "corrupt 1"),
    ];
    spoiled_runs_fail(Kind::Value, &cases);
}

#[test]
fn what_cannot_be_run_is_one_clear_line() {
    for (arguments, expected) in [
        (
            "js-fetch --duration 1s",
            "js-fetch ends when all is read or put; give --count",
        ),
        ("js-pub --rate 100", "js-pub knows no --rate"),
        ("kv-put --verify --size 8", "at least 16 bytes"),
        ("obj-put --object-size 1T", "not a"),
        (
            "compare --ours sh --theirs sh --plans js-async",
            "give --store-dir",
        ),
        (
            "compare --ours sh --features stored --plans pub16",
            "give --store-dir",
        ),
        (
            "compare --ours sh --theirs sh --plans kv-get --store-dir /dev/shm",
            "in memory",
        ),
        (
            "compare --ours sh --features mapped --plans kv-get --store-dir /",
            "not for --features",
        ),
    ] {
        let output = loadgen(arguments);
        let errors = text(&output.stderr);
        assert!(
            output.status.code() == Some(2) && errors.contains(expected),
            "{arguments}: {errors}"
        );
    }
    let Some(server) = Reference::start(false) else {
        return;
    };
    let output = loadgen(&format!("js-pub --server {}", server.address));
    let errors = text(&output.stderr);
    assert!(
        output.status.code() == Some(2) && errors.contains("does the server have JetStream?"),
        "{errors}"
    );
}

#[test]
fn servers_are_compared_and_their_stores_go_away() {
    let Some(program) = reference::program() else {
        return;
    };
    let folder = format!("loadgen-test-stores-{}", std::process::id());
    // Not in the folder for temporary files, which may be in memory.
    let folder = std::env::current_exe().unwrap().with_file_name(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let program = program.display();
    let output = loadgen(&format!(
        "compare --ours {program} --theirs {program} --store-dir {} --rounds 1 --scale 0.002 --json \
         --plans js-sync-always,kv-get,restart-messages",
        folder.display()
    ));
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures_of = |plan: usize| {
        let lines = all["plans"][plan]["lines"].as_array().unwrap();
        let names = lines.iter().map(|line| line["figure"].as_str().unwrap());
        names.collect::<Vec<_>>()
    };
    for plan in 0..3 {
        let figures = figures_of(plan);
        assert!(figures.contains(&"throughput") && figures.contains(&"server CPU"));
    }
    for figure in [
        "stop",
        "restart",
        "restart after kill -9",
        "resident after restart",
    ] {
        assert!(figures_of(2).contains(&figure), "{figure}");
    }
    // Whoever syncs every message writes at least a block for each.
    let writes = all["plans"][0]["lines"].as_array().unwrap();
    let writes = writes
        .iter()
        .find(|line| line["figure"] == "server disk writes");
    let [ours, theirs] = ["ours", "theirs"].map(|side| writes.unwrap()[side]["median"].as_f64());
    assert!(
        theirs >= Some(4096.0) && ours < theirs,
        "{ours:?} {theirs:?}"
    );
    std::fs::remove_dir(&folder).unwrap();
}
