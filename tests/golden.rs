//! Plays every transcript of `golden/` against the server under test, whole and cut at every byte.
//!
//! `GOLDEN=name cargo test -p trunkline-tests --test golden` plays only the files whose name contains
//! `name`.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use std::fs;
use std::path::PathBuf;
use trunkline_tests::transcript::{Action, Delivery, Section, Transcript, run_section};
use trunkline_tests::{RunningServer, ServerUnderTest};

/// Longer lines are not cut at every place beyond this one: the parser has no state that depends on it.
const LAST_CUT: usize = 90;

struct File {
    name: String,
    transcript: Transcript,
}

#[test]
fn every_transcript_holds() {
    let failures = play_all(|section| {
        let _every_section = section;
        vec![Delivery::Whole]
    });
    report(failures);
}

#[test]
fn every_split_transcript_holds_when_cut_anywhere() {
    let failures = play_all(|section| {
        if !section.split {
            return Vec::new();
        }
        let longest = section
            .steps
            .iter()
            .map(|step| match &step.action {
                Action::Send(bytes) => bytes.len(),
                _ => 0,
            })
            .max()
            .unwrap_or(0);
        let cuts = (1..longest.min(LAST_CUT)).map(Delivery::CutAt);
        std::iter::once(Delivery::Dribble).chain(cuts).collect()
    });
    report(failures);
}

fn play_all(deliveries: impl Fn(&Section) -> Vec<Delivery>) -> Vec<String> {
    let files = files();
    assert!(!files.is_empty(), "no transcripts");
    let mut failures = Vec::new();
    for file in &files {
        let mut server: Option<RunningServer> = None;
        for section in &file.transcript.sections {
            for delivery in deliveries(section) {
                let running = server.get_or_insert_with(|| start(&file.transcript));
                let Err(_first) = run_section(section, running.address(), delivery) else {
                    continue;
                };
                // A server that has not yet forgotten the connections before this one may answer
                // differently; a fresh one has no such excuse.
                let fresh = server.insert(start(&file.transcript));
                if let Err(failure) = run_section(section, fresh.address(), delivery) {
                    failures.push(format!("golden/{}: {}", file.name, failure.report));
                    server = None;
                    break;
                }
            }
        }
    }
    failures
}

fn start(transcript: &Transcript) -> RunningServer {
    let flags: Vec<&str> = transcript.flags.iter().map(String::as_str).collect();
    ServerUnderTest::builder()
        .config(&transcript.config)
        .arguments(&flags)
        .start()
}

fn files() -> Vec<File> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let only = std::env::var("GOLDEN").unwrap_or_default();
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".txt") && name.contains(&only))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let text = fs::read_to_string(directory.join(&name)).unwrap();
            let transcript =
                Transcript::parse(&text).unwrap_or_else(|error| panic!("golden/{name}: {error}"));
            File { name, transcript }
        })
        .collect()
}

fn report(failures: Vec<String>) {
    assert!(
        failures.is_empty(),
        "{} section(s) failed\n\n{}",
        failures.len(),
        failures.join("\n")
    );
}
