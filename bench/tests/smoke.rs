//! Runs every benchmark in its smallest size, so that none of them rots.

use std::process::Command;

#[test]
fn every_benchmark_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_trunkline-bench"))
        .args(["--smoke", "--json"])
        .output()
        .expect("the benchmarks start");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = rows.as_array().expect("an array");
    for module in ["wire/", "subject/", "outbox/", "fanout/", "ring/", "route/"] {
        let of_module = |row: &&serde_json::Value| {
            let name = row["name"].as_str();
            name.is_some_and(|name| name.starts_with(module))
        };
        assert!(rows.iter().filter(of_module).count() >= 2, "{module}");
    }
}

#[test]
fn a_filter_that_fits_nothing_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_trunkline-bench"))
        .args(["--smoke", "no such benchmark"])
        .output()
        .expect("the benchmarks start");
    assert!(!output.status.success());
}
