//! The command line: under the name `nats-server` it says what nats-server says, byte for byte;
//! `--signal` finds servers by number, file and name.

use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use trunkline_tests::{Binary, Client, ServerBuilder, binary_under_test, reference_server};

/// The server under test under another name, in a directory of its own.
struct Link {
    directory: PathBuf,
    binary: Binary,
}

impl Link {
    fn new(test: &str, name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("{test}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let original = binary_under_test();
        let path = directory.join(name);
        std::os::unix::fs::symlink(&original.path, &path).unwrap();
        let is_ours = original.is_ours;
        let binary = Binary { path, is_ours };
        Self { directory, binary }
    }

    fn run(&self, words: &[&str]) -> Output {
        run(&self.binary.path, words)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _may_be_gone = std::fs::remove_dir_all(&self.directory);
    }
}

fn run(program: &Path, words: &[&str]) -> Output {
    Command::new(program).args(words).output().unwrap()
}

#[test]
fn under_its_name_it_speaks_as_nats_server() {
    let Some(reference) = reference_server() else {
        return;
    };
    let ours = Link::new("stand-in", "nats-server");
    for words in [
        "-v",
        "--version",
        "version",
        "VERSION",
        "version more",
        "-v -h",
        "-h=false -v",
        "-h",
        "--help",
        "help",
        "help more",
        "-- help",
        "-nope",
        "-nope -v",
        "--nope=1",
        "-p",
        "-p abc",
        "-p 99999999999999999999",
        "-m abc",
        "-log_size_limit x",
        "-max_traced_msg_len=x",
        "-n",
        "-sl",
        "-D=maybe",
        "-T=x",
        "-s=x",
        "-logtime_utc=7",
        "---p",
        "-=x",
        "-",
        "word",
        "-D false",
        "-t",
        "-t -DV",
        "-c /none.conf",
        "--test_reload x",
        "-t --test_reload x",
        "-t --test_reload",
        "-sl reload=abc",
        "-sl reload=/none",
        "-sl reload=2147483647",
        "-sl dance=2147483647",
        "-sl reload=1=2",
    ] {
        let list: Vec<&str> = words.split(' ').collect();
        let (expected, output) = (run(&reference.path, &list), ours.run(&list));
        assert_eq!(output, expected, "{words}");
    }
}

#[test]
fn signals_find_servers_by_number_file_and_name() {
    let link = Link::new("signals", &format!("signalled-{}", std::process::id()));
    if !link.binary.is_ours {
        return; // The reference looks for its own name, wherever it runs.
    }
    let name = link.binary.path.file_name().unwrap().to_str().unwrap();
    let said = |words: &[&str]| {
        let output = link.run(words);
        let status = output.status.code();
        (status, String::from_utf8(output.stderr).unwrap())
    };
    let done = (Some(0), String::new());
    let none = format!("trunkline: no {name} processes running\n");
    assert_eq!(said(&["--signal", "reload"]), (Some(1), none));
    let pid_file = link.directory.join("pid").display().to_string();
    let first = ServerBuilder::new(link.binary.clone())
        .arguments(&["-P", &pid_file])
        .start();
    assert_eq!(said(&["--signal", "reload"]), done);
    first.wait_for_log("Trapped \"hangup\" signal");
    assert_eq!(said(&["-sl", &format!("reopen={pid_file}")]), done);
    first.wait_for_log("File log re-open ignored, not a file logger");
    let second = ServerBuilder::new(link.binary.clone()).start();
    let (status, text) = said(&["--signal", "quit"]);
    let many = format!("trunkline: multiple {name} processes running:\n");
    assert!(status == Some(1) && text.starts_with(&many), "{text}");
    for server in [&first, &second] {
        assert!(text.contains(&format!("\n{}", server.pid())), "{text}");
    }
    assert_eq!(said(&[&format!("--signal=quit={}*", second.pid())]), done);
    let ended = second.wait_for_end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    Client::connect(first.address());
    assert_eq!(said(&["--signal", "term=*"]), done);
    assert_eq!(first.wait_for_end().status.code(), Some(0));
}

#[test]
fn terminate_does_not_hurry_a_lame_duck() {
    let server = ServerBuilder::new(binary_under_test())
        .config("lame_duck_duration: 30s\nlame_duck_grace_period: 10s\n")
        .start();
    let mut client = Client::connect(server.address());
    server.signal(Signal::USR2);
    server.signal(Signal::TERM);
    server.wait_for_log("Entering lame duck mode");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(server.is_alive());
    client.barrier();
    server.signal(Signal::INT);
    client.drain_to_end();
    assert_eq!(server.wait_for_end().status.code(), Some(0));
}

#[test]
fn a_reload_can_be_tried_beforehand() {
    let link = Link::new("test-reload", "nats-server");
    let write = |name: &str, text: &str| {
        let path = link.directory.join(name).display().to_string();
        std::fs::write(&path, text).unwrap();
        path
    };
    let old = write("old.conf", "port: 5000\n");
    let moved = write("moved.conf", "port: 5001\n");
    let good = write("good.conf", "port: 5000\ndebug: true\n");
    let bad = write("bad.conf", "prt: 1\n");
    let large = write("large.conf", "max_payload: 2MB\nmax_pending: 1MB\n");
    for (words, status, text) in [
        (
            vec!["-t", "-c", &old, "--test_reload", &good],
            0,
            format!("configuration file {good} can be reloaded"),
        ),
        (
            vec!["-t", "-c", &old, "--test_reload", &old],
            0,
            format!("configuration file {old} can be reloaded"),
        ),
        (
            vec!["-t", "-c", &old, "--test_reload", &moved],
            3,
            "config reload not supported for Port: old=5000, new=5001".to_owned(),
        ),
        (
            vec!["-t", "-p", "6000", "-c", &old, "--test_reload", &moved],
            0,
            "can be reloaded".to_owned(),
        ),
        (
            vec!["-t", "-c", &old, "--test_reload", &bad],
            1,
            "unknown field \"prt\"".to_owned(),
        ),
        (
            vec!["-t", "-c", &bad, "--test_reload", &old],
            1,
            "unknown field \"prt\"".to_owned(),
        ),
        (
            vec!["-t", "-c", &large],
            1,
            "max_payload (2097152) cannot be higher than max_pending (1048576)".to_owned(),
        ),
        (
            vec!["-c", &old, "--test_reload", &good],
            1,
            "--test_reload can only be used together with -t".to_owned(),
        ),
        (
            vec!["-t", "--test_reload", &good],
            1,
            "must specify [-c, --config] option".to_owned(),
        ),
    ] {
        let output = link.run(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{words:?} {said}");
        assert!(said.contains(&text), "{words:?} {said}");
    }
}
