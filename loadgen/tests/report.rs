//! `--report`: one page that holds what the run found; and reports that cannot be written.

#![allow(clippy::unwrap_used)]

mod fake;

use std::process::{Command, Output};

use fake::{Fake, Fault};

fn loadgen(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

fn page_of(fault: Fault, plan: &str) -> (i32, serde_json::Value) {
    let fake = Fake::start(fault);
    let name = format!("loadgen-report-{}.html", fake.address.port());
    let path = std::env::temp_dir().join(name);
    let output = loadgen(&format!(
        "{plan} --server nats://u:not-for-reports@{} --drain-timeout 500ms --report {}",
        fake.address,
        path.display()
    ));
    let page = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(!page.contains("not-for-reports"));
    let data = page.split_once("application/json\">").unwrap().1;
    let data = data.split_once("</script>").unwrap().0;
    (
        output.status.code().unwrap(),
        serde_json::from_str(data).unwrap(),
    )
}

#[test]
fn a_run_becomes_a_page() {
    let plan = "pubsub --rate 2000 --duration 500ms --verify --size 16";
    let (status, data) = page_of(Fault::None, plan);
    assert_eq!(status, 0);
    // A busy machine does not keep the schedule, and the page must say so then.
    assert!(["good", "limited"].contains(&data["standing"].as_str().unwrap()));
    let command = data["command"].as_str().unwrap();
    assert!(
        command.starts_with("loadgen pubsub --rate 2000") && command.contains("nats://SECRET@"),
        "{command}"
    );
    let title = data["title"].as_str().unwrap();
    assert!(
        title.starts_with("loadgen pubsub · 16 B at 2000/s · server 127"),
        "{title}"
    );
    let section = &data["sections"][0];
    let count = |chart: &str| section[chart][0]["points"].as_array().unwrap().len();
    assert!(
        count("throughput") > 5 && count("latency") > 20,
        "{section}"
    );
    let rows = section["tables"][0]["rows"].to_string();
    assert!(
        rows.contains("verified") && rows.contains("1,000"),
        "{rows}"
    );
    assert!(rows.contains("median and band of"), "{rows}");
    let percentiles = &section["tables"][1];
    assert_eq!(
        percentiles["columns"].to_string(),
        r#"["percentiles, µs","p50","p90","p99","p99.9","max"]"#
    );
    let row = |index: usize| percentiles["rows"][index].as_array().unwrap();
    assert_eq!(
        (row(0).len(), &row(0)[0], &row(1)[0]),
        (6, &"latency".into(), &"send lag".into())
    );
    assert!(data["machine"].to_string().contains("Linux"));
    assert!(data["parameters"].to_string().contains("2000/s"));
}

#[test]
fn a_bad_run_says_so_on_its_page() {
    let (status, data) = page_of(Fault::Error(5), "pubsub --count 20");
    assert_eq!((status, &data["standing"]), (1, &"bad".into()));
    let failures = data["sections"][0]["failures"].to_string();
    assert!(failures.contains("Something Odd"), "{failures}");
}

#[test]
fn reports_that_cannot_be_written() {
    let fake = Fake::start(Fault::None);
    for (path, expected, published) in [
        ("/dev/full", "No space left", true),
        ("/nonexistent/x.html", "No such file", false),
    ] {
        let server = fake.address;
        let output = loadgen(&format!("pub --count 5 --server {server} --report {path}"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let is_one_line = stderr.lines().count() == 1 && stderr.starts_with("loadgen: ");
        assert!(
            output.status.code() == Some(2) && is_one_line && stderr.contains(expected),
            "{stderr}"
        );
        assert!(stderr.contains(path), "{stderr}");
        // A full disk must not take the printed result away.
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout.contains("published"), published, "{stdout}");
    }
    let output =
        loadgen("compare --ours sh --theirs sh --plans pub16 --report /nonexistent/x.html");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn without_messages_nothing_is_said_per_message() {
    let fake = Fake::start(Fault::None);
    let plan = format!(
        "idle --connections 3 --duration 50ms --server {}",
        fake.address
    );
    let text = String::from_utf8(loadgen(&plan).stdout).unwrap();
    assert!(
        text.contains("own CPU") && !text.contains("per message"),
        "{text}"
    );
    let json = loadgen(&format!("{plan} --json")).stdout;
    let report: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(report["own_cpu_ns_per_message"], serde_json::Value::Null);
}
