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
    server.wait_for_log("Entering lame duck mode");
    server.signal(Signal::TERM);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(server.is_alive());
    client.barrier();
    server.signal(Signal::INT);
    client.drain_to_end();
    assert_eq!(server.wait_for_end().status.code(), Some(0));
}

/// Whether a file could be reloaded is told before a running server is asked to.
#[test]
fn a_reload_can_be_tried() {
    let server = binary_under_test();
    let program = server
        .path
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let directory = std::env::temp_dir().join(format!("test-reload-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let old = file("old.conf", "port: 4222\n");
    let can_be = |file: &str| format!("{program}: configuration file {file} can be reloaded\n");
    let free = file("free.conf", "port: 4222\nmax_payload: 2MB\n");
    let fixed = file("fixed.conf", "port: 4223\n");
    let refused = "config reload not supported for Port: old=4222, new=4223";
    let wrong = file("wrong.conf", "nonsense: 1\n");
    for (new, status, said) in [
        (&free, 0, can_be(&free)),
        (&fixed, 3, format!("{program}: {refused}\n")),
        (&wrong, 1, "unknown field \"nonsense\"".to_owned()),
    ] {
        let words = ["-t", "-c", &old, "--test_reload", new];
        let output = run(&server.path, &words);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        assert!(stderr.contains(&said), "{stderr}");
        assert_eq!(stderr.contains("is valid"), status == 0, "{stderr}");
    }
    // Flags stand above both files.
    let words = ["-p", "5", "-t", "-c", &old, "--test_reload", &fixed];
    assert_eq!(run(&server.path, &words).status.code(), Some(0));
    std::fs::remove_dir_all(&directory).unwrap();
}
