//! The start of the store: what the log and INFO say of it, and what keeps a server from having one.

use crate::support::wait_until;
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use trunkline_tests::harness::server::Finished;
use trunkline_tests::{Client, RunningServer, ServerUnderTest, binary_under_test};

/// A directory of its own, which goes with this.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        // Not the temporary one, which may be in memory.
        let top = std::env::current_exe().unwrap();
        let name = format!("store-{name}-{}", std::process::id());
        let path = top.parent().unwrap().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn join(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _may_be_gone = fs::remove_dir_all(&self.0);
    }
}

fn info(server: &RunningServer) -> serde_json::Value {
    let mut client = Client::open(server.address());
    let line = client.line();
    serde_json::from_slice(line.strip_prefix(b"INFO ").unwrap()).unwrap()
}

#[track_caller]
fn assert_refused(finished: &Finished, reason: &str) {
    let said = &finished.stderr;
    assert!(said.contains(reason), "no {reason:?} in:\n{said}");
    assert_eq!(finished.status.code(), Some(1), "{said}");
}

#[test]
fn the_log_and_info_tell_of_the_store() {
    let directory = Directory::new("told");
    let server = ServerUnderTest::with_config(&format!(
        "jetstream {{ store_dir: \"{}\", domain: hub, max_mem: 10M, max_file: \"2G\" }}",
        directory.path().display()
    ));
    for line in [
        "Starting JetStream".to_owned(),
        "---------------- JETSTREAM ----------------".to_owned(),
        "  Strict:          true".to_owned(),
        "  Max Memory:      9.54 MB".to_owned(),
        "  Max Storage:     2.00 GB".to_owned(),
        format!("  Store Directory: \"{}\"", directory.join("jetstream")),
        "  Domain:          hub".to_owned(),
        "  API Level:       5".to_owned(),
        "to start JetStream".to_owned(),
    ] {
        server.wait_for_log(&line);
    }
    let info = info(&server);
    assert_eq!(info["jetstream"], true);
    assert_eq!(info["domain"], "hub");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_end().status.code(), Some(0));
}

#[test]
fn without_streams_info_says_nothing_of_them() {
    let info = info(&ServerUnderTest::with_config("jetstream: disabled"));
    assert!(info.get("jetstream").is_none() && info.get("domain").is_none());
}

#[test]
fn what_is_no_directory_is_no_store() {
    let directory = Directory::new("file");
    let file = directory.join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), format!("{file}/inner")] {
        let finished = ServerUnderTest::builder()
            .arguments(&["-js", "-sd", &path])
            .run_to_end();
        let reason = "Can't start JetStream: storage directory is not a directory";
        assert_refused(&finished, reason);
    }
    let finished = ServerUnderTest::builder()
        .arguments(&["-js", "-sd", "/proc/nothing"])
        .run_to_end();
    let reason = "Can't start JetStream: could not create storage directory - mkdir /proc/nothing";
    assert_refused(&finished, reason);
}

#[test]
fn accounts_may_not_store_more_than_there_is_or_be_the_system() {
    let directory = Directory::new("accounts");
    for (config, reason) in [
        (
            "accounts { A { jetstream { max_mem: 20M } } }",
            "Can't start JetStream: Error enabling jetstream on configured accounts: \
             insufficient memory resources available (10028)",
        ),
        (
            "accounts { S { jetstream: true } }\nsystem_account: S",
            "Not allowed to enable JetStream on the system account",
        ),
    ] {
        let store = directory.path().display();
        let block = format!("jetstream {{ store_dir: \"{store}\", max_mem: 10M }}\n{config}");
        let finished = ServerUnderTest::builder().config(&block).run_to_end();
        assert_refused(&finished, reason);
    }
}

#[test]
fn a_store_has_one_server_and_keeps_its_partitions() {
    let directory = Directory::new("one");
    let store = directory.join("store");
    let arguments = ["-js", "-sd", &store];
    let builder = || ServerUnderTest::builder().arguments(&arguments);
    if !builder().is_ours() {
        return;
    }
    let server = builder().cores(3).start();
    server.wait_for_log("  Partitions:      3");
    let reason = format!("is in use by process {}", server.pid());
    assert_refused(&builder().run_to_end(), &reason);
    server.signal(Signal::KILL);
    server.wait_for_end();
    let server = builder().cores(2).start();
    server.wait_for_log("  Partitions:      3");
    drop(server);
    fs::remove_file(format!("{store}/jetstream/format")).unwrap();
    assert_refused(&builder().run_to_end(), "is not of a store of trunkline");
}

#[test]
fn without_io_uring_the_log_says_how_streams_are_written() {
    let directory = Directory::new("threads");
    let builder = ServerUnderTest::builder().arguments(&["-js", "-sd", &directory.join("s")]);
    if builder.is_ours() {
        let server = builder.without_io_uring().start();
        server.wait_for_log("Streams without io_uring: one thread per core writes them");
    }
}

#[test]
fn a_reload_raises_bounds_and_moves_nothing() {
    let directory = Directory::new("reload");
    let config = directory.join("server.conf");
    let write = |name: &str, memory: &str| {
        let store = directory.join(name);
        let text = format!("jetstream {{ store_dir: \"{store}\", max_mem: {memory} }}\n");
        fs::write(&config, text).unwrap();
    };
    write("a", "10M");
    let server = ServerUnderTest::start(&["-c", &config]);
    write("a", "20M");
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded: JetStream max_mem_store = 19.07 MB");
    server.wait_for_log("Reloaded server configuration");
    for (name, memory, reason) in [
        (
            "b",
            "20M",
            "config reload not supported for jetstream storage directory",
        ),
        (
            "a",
            "5M",
            "config reload not supported for decreasing jetstream max memory and store",
        ),
    ] {
        write(name, memory);
        server.signal(Signal::HUP);
        wait_until("the refusal", || match server.log().contains(reason) {
            true => Ok(()),
            false => Err(server.log()),
        });
    }
}

#[test]
fn without_a_file_streams_are_kept_where_a_reboot_leaves_them() {
    let binary = binary_under_test();
    if !binary.is_ours {
        return;
    }
    let directory = Directory::new("default");
    let data = directory.join("data");
    fs::write(&data, "no directory").unwrap();
    let output = Command::new(&binary.path)
        .args(["-a", "127.0.0.1", "-p", "-1"])
        .env("XDG_DATA_HOME", &data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = "Can't start JetStream: storage directory is not a directory";
    assert!(said.contains(reason), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
