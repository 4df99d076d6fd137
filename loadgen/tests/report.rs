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
    assert_eq!((status, &data["good"]), (0, &true.into()));
    let section = &data["sections"][0];
    let count = |chart: &str| section[chart][0]["points"].as_array().unwrap().len();
    assert!(
        count("throughput") > 5 && count("latency") > 20,
        "{section}"
    );
    let rows = section["rows"].to_string();
    assert!(
        rows.contains("verified") && rows.contains("1,000"),
        "{rows}"
    );
    assert!(data["machine"].to_string().contains("Linux"));
    assert!(data["parameters"].to_string().contains("2000/s"));
}

#[test]
fn a_bad_run_says_so_on_its_page() {
    let (status, data) = page_of(Fault::Error(5), "pubsub --count 20");
    assert_eq!((status, &data["good"]), (1, &false.into()));
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
    let output = loadgen("compare --ours a --theirs b --plans pub16 --report /nonexistent/x.html");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_comparison_becomes_a_page_even_when_servers_do_not_start() {
    let path = std::env::temp_dir().join(format!("loadgen-cmp-{}.html", std::process::id()));
    let output = loadgen(&format!(
        "compare --ours /nonexistent --theirs /nonexistent --plans tls1,reload1 --rounds 1 --scale 0.01 --report {}",
        path.display()
    ));
    assert_eq!(output.status.code(), Some(1));
    let page = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(page.contains("4 runs lost messages or failed"), "{page}");
    assert!(page.contains("cannot start /nonexistent"), "{page}");
}
