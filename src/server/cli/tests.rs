//! The command line, judged by what comes out of it.

#![allow(clippy::unwrap_used)]

use super::spelling::UNSUPPORTED;
use super::*;
use crate::options::PortChoice;

fn run(words: &[&str]) -> Command {
    command(words.iter().map(OsString::from))
}

fn options(words: &[&str]) -> Options {
    match run(words) {
        Command::Start(start) => start.options,
        Command::Exit(exit) => panic!("{words:?}: {exit:?}"),
    }
}

fn exit(words: &[&str]) -> Exit {
    match run(words) {
        Command::Start(start) => panic!("{words:?}: {start:?}"),
        Command::Exit(exit) => exit,
    }
}

#[test]
fn every_spelling_reaches_its_option() {
    for flag in ["-a", "--a", "-addr", "--addr", "-net", "--net"] {
        assert_eq!(options(&[flag, "127.0.0.1"]).host, "127.0.0.1", "{flag}");
        let joined = format!("{flag}=::1");
        assert_eq!(options(&[&joined]).host, "::1", "{flag}");
    }
    for flag in ["-p", "--p", "-port", "--port"] {
        assert_eq!(options(&[flag, "-1"]).port, PortChoice::Random, "{flag}");
        let joined = format!("{flag}=-1");
        assert_eq!(options(&[&joined]).port, PortChoice::Random, "{flag}");
        assert_eq!(options(&[flag, "5222"]).port, PortChoice::Fixed(5222));
    }
    for flag in ["-n", "-name", "--name", "--server_name"] {
        let name = options(&[flag, "-odd"]).server_name;
        assert_eq!(name.as_deref(), Some("-odd"), "{flag}");
    }
    assert_eq!(
        options(&["--cores", "0-3,8"]).cores,
        CoreChoice::List(vec![0, 1, 2, 3, 8])
    );
    assert_eq!(options(&["-cores=4"]).cores, CoreChoice::Count(4));
    assert_eq!(options(&["--cores=auto"]).cores, CoreChoice::Auto);
}

#[test]
fn switches_combine_and_switch_off() {
    let both = |words: &[&str]| {
        let options = options(words);
        (options.debug, options.trace)
    };
    assert_eq!(both(&[]), (false, false));
    assert_eq!(both(&["-D"]), (true, false));
    assert_eq!(both(&["--trace"]), (false, true));
    assert_eq!(both(&["-DV"]), (true, true));
    assert_eq!(both(&["--DV=T"]), (true, true));
    assert_eq!(both(&["-DV", "-D=false"]), (false, true));
    assert_eq!(both(&["-v", "-v=false", "-h=0"]), (false, false));
    assert_eq!(both(&["-D", "-D", "-V=1"]), (true, true));
    // The word after a switch is not its value.
    assert!(
        exit(&["-D", "false"])
            .stderr
            .contains("unrecognized command: \"false\"")
    );
}

#[test]
fn the_last_of_a_repeated_flag_wins() {
    assert_eq!(options(&["-p", "1", "--port=2"]).port, PortChoice::Fixed(2));
}

#[test]
fn help_and_version() {
    for words in [
        ["-v"],
        ["--version"],
        ["-version"],
        ["version"],
        ["VERSION"],
    ] {
        let exit = exit(&words);
        assert_eq!(exit.stdout, "trunkline: v0.1.0 (NATS 2.15.3)\n");
        assert_eq!((exit.stderr.as_str(), exit.status), ("", 0));
    }
    for words in [["-h"], ["--help"], ["-help"], ["help"]] {
        let exit = exit(&words);
        for part in [
            "Server:",
            "Logging:",
            "Common:",
            "--cores",
            "-DV",
            "-p, --port",
        ] {
            assert!(exit.stdout.contains(part), "{part} in {}", exit.stdout);
        }
        assert_eq!((exit.stderr.as_str(), exit.status), ("", 0));
    }
}

#[test]
fn mistakes_are_named_and_followed_by_the_usage() {
    for (words, expected) in [
        (&["-nope"][..], "flag provided but not defined: -nope"),
        (&["--nope=1"], "flag provided but not defined: -nope"),
        (&["-p"], "flag needs an argument: -p"),
        (
            &["-p", "abc"],
            "invalid value \"abc\" for flag -p: parse error",
        ),
        (
            &["-D=maybe"],
            "invalid boolean value \"maybe\" for -D: parse error",
        ),
        (&["---p"], "bad flag syntax: ---p"),
        (&["-=1"], "bad flag syntax: -=1"),
    ] {
        let exit = exit(words);
        assert!(
            exit.stderr.contains(expected),
            "{expected} in {}",
            exit.stderr
        );
        assert!(exit.stderr.contains("Usage: trunkline"), "{}", exit.stderr);
        assert_eq!((exit.stdout.as_str(), exit.status), ("", 1));
    }
}

#[test]
fn what_is_not_supported_yet_is_refused_by_name() {
    for name in UNSUPPORTED {
        let exit = exit(&[&format!("--{name}=1")]);
        let expected = format!("trunkline: flag -{name} is not supported yet\n");
        assert_eq!((exit.stderr, exit.status), (expected, 1));
    }
}

#[test]
fn values_that_cannot_be_used_are_refused() {
    assert_eq!(
        exit(&["-n", "a b"]).stderr,
        "trunkline: server name cannot contain spaces\n"
    );
    assert!(
        exit(&["--cores", "0"])
            .stderr
            .starts_with("trunkline: --cores: a count is")
    );
    let port = exit(&["-a", "127.0.0.1", "-p", "99999"]);
    assert_eq!(
        port.fatal.as_deref(),
        Some(
            "Error listening on port: 127.0.0.1:99999, \"listen tcp: address 99999: invalid port\""
        )
    );
    assert_eq!(port.status, 1);
    assert!(
        exit(&["-c", "/nonexistent.conf"])
            .stderr
            .contains("no such file")
    );
}

#[test]
fn flags_override_the_file() {
    let name = format!("trunkline-cli-{}.conf", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(
        &path,
        "port: 1\ndebug: true\ntrace: true\nping_interval: 5\n",
    )
    .unwrap();
    let file = path.display().to_string();
    let command = run(&["-p", "2", "-c", &file, "-D=false"]);
    std::fs::remove_file(&path).unwrap();
    let Command::Start(start) = command else {
        panic!("{command:?}")
    };
    assert_eq!(start.options.port, PortChoice::Fixed(2));
    assert!(!start.options.debug && start.options.trace);
    assert_eq!(start.options.ping_interval_ns, 5_000_000_000);
    assert_eq!(start.config_file, Some(path));
    assert_eq!(start.warnings.len(), 1);
}
