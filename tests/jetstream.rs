//! JetStream by raw protocol: scenarios of requests, with what NATS 2.15.3 answers.
//!
//! Every file of `jetstream/corpus` holds scenarios of one feature (`jetstream/scenario.rs` describes the
//! files, `jetstream/play.rs` the steps). The server under test and the reference both play all of them
//! and have to answer as recorded, byte by byte but for moments and names of servers.
//!
//! * `JETSTREAM=pull` plays only scenarios whose `file/name` contains that.
//! * `JETSTREAM_RECORD=1` records what the reference answers instead of comparing.
//!
//! What our server does not serve yet is listed in `jetstream/not_yet.txt`; an entry that holds no more
//! fails the test. Not here: losses by crashes (`crash.rs`) and the official clients (`clients.rs`).
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "jetstream/mask.rs"]
mod mask;
#[path = "jetstream/play.rs"]
mod play;
#[path = "jetstream/scenario.rs"]
mod scenario;
#[path = "jetstream/session.rs"]
mod session;

use play::{Answers, Stage};
use scenario::{File, Scenario};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use trunkline_tests::harness::jetstream::jetstream_under_test;
use trunkline_tests::{Binary, reference_server};

/// Files played at the same time: most of a scenario's time is waiting.
const FILES_AT_ONCE: usize = 4;

/// The reference lets a consumer know of a message some time after its publisher, and mixes up the order
/// now and then: what it answers as recorded once out of so many times is proven.
const TRIES_OF_THE_REFERENCE: usize = 3;

#[test]
fn the_server_answers_as_recorded() {
    let Some(binary) = jetstream_under_test() else {
        return;
    };
    let not_yet = if binary.is_ours {
        not_yet()
    } else {
        Vec::new()
    };
    let outcomes = play_all(&binary);
    let mut report = String::new();
    for outcome in &outcomes {
        let is_excused = not_yet.iter().any(|entry| entry.covers(&outcome.name));
        if !is_excused {
            report.push_str(&outcome.report);
        }
    }
    for entry in &not_yet {
        let mut covered = outcomes.iter().filter(|each| entry.covers(&each.name));
        if covered.all(|each| each.report.is_empty()) && !is_partial() {
            let _infallible = writeln!(report, "not_yet.txt: {} holds by now", entry.name);
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn the_reference_answers_as_recorded() {
    let Some(binary) = reference_server() else {
        return;
    };
    let outcomes = play_all(&binary);
    let report: String = outcomes.into_iter().map(|outcome| outcome.report).collect();
    assert!(report.is_empty(), "\n{report}");
}

/// What a scenario came to; the report is empty when all answers were as recorded.
struct Outcome {
    name: String,
    report: String,
}

/// A line of `not_yet.txt`: a file of the corpus or one scenario, and why.
struct NotYet {
    name: String,
}

impl NotYet {
    fn covers(&self, scenario: &str) -> bool {
        scenario == self.name || scenario.split('/').next() == Some(&self.name)
    }
}

fn not_yet() -> Vec<NotYet> {
    let text = fs::read_to_string(directory().join("not_yet.txt")).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) = line.split_once(": ").unwrap_or((line, ""));
            assert!(!reason.is_empty(), "not_yet.txt: {line}: why?");
            NotYet {
                name: name.to_owned(),
            }
        })
        .collect()
}

fn play_all(binary: &Binary) -> Vec<Outcome> {
    let files = Mutex::new(files());
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..FILES_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(file) = files.lock().unwrap().pop() else {
                        return;
                    };
                    let played = play_file(binary, &file);
                    outcomes.lock().unwrap().extend(played);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    assert!(!outcomes.is_empty(), "no scenario is called that");
    outcomes.sort_by(|left, right| left.name.cmp(&right.name));
    outcomes
}

fn play_file(binary: &Binary, file: &File) -> Vec<Outcome> {
    let full_name = |scenario: &Scenario| format!("{}/{}", file.name, scenario.name);
    let is_wanted = |scenario: &&Scenario| full_name(scenario).contains(&wanted());
    if file.scenarios.iter().filter(is_wanted).count() == 0 {
        return Vec::new();
    }
    let mut stage = Stage::new(binary, file);
    let is_recording = !binary.is_ours && std::env::var_os("JETSTREAM_RECORD").is_some();
    let mut outcomes = Vec::new();
    let mut recorded = Vec::new();
    for scenario in &file.scenarios {
        if !is_wanted(&scenario) {
            recorded.push(
                scenario
                    .steps
                    .iter()
                    .map(|step| step.answers.clone())
                    .collect(),
            );
            continue;
        }
        let mut answers = stage.play(scenario);
        let name = full_name(scenario);
        let tries = if binary.is_ours {
            1
        } else {
            TRIES_OF_THE_REFERENCE
        };
        let mut report = String::new();
        for tried in 1..=tries {
            report = difference(&name, scenario, &answers);
            if report.is_empty() || is_recording {
                break;
            }
            if tried < tries {
                stage.renew();
                answers = stage.play(scenario);
            }
        }
        if is_recording {
            answers = settled(&mut stage, scenario, answers);
            report.clear();
        }
        outcomes.push(Outcome { name, report });
        recorded.push(answers);
    }
    if is_recording {
        let path = directory()
            .join("corpus")
            .join(format!("{}.txt", file.name));
        fs::write(path, file.with_answers(&recorded)).unwrap();
    }
    outcomes
}

/// What is recorded was answered twice in a row: the reference is not the same every time.
fn settled(stage: &mut Stage<'_>, scenario: &Scenario, mut answers: Answers) -> Answers {
    loop {
        stage.renew();
        let again = stage.play(scenario);
        if again == answers {
            return answers;
        }
        answers = again;
    }
}

/// The steps that were answered otherwise than recorded.
fn difference(name: &str, scenario: &Scenario, answers: &Answers) -> String {
    let mut report = String::new();
    for (step, answers) in scenario.steps.iter().zip(answers) {
        if step.answers == *answers {
            continue;
        }
        let _infallible = writeln!(report, "{name}, line {}: {}", step.line, step.text);
        for (who, lines) in [("recorded", &step.answers), ("answered", answers)] {
            for line in lines {
                let _infallible = writeln!(report, "    {who}: {line}");
            }
        }
    }
    if answers.len() < scenario.steps.len() {
        let _infallible = writeln!(report, "{name} ended early");
    }
    report
}

fn wanted() -> String {
    std::env::var("JETSTREAM").unwrap_or_default()
}

fn is_partial() -> bool {
    !wanted().is_empty()
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("jetstream")
}

/// The corpus; files with the most scenarios come last, and are taken first.
fn files() -> Vec<File> {
    let entries = fs::read_dir(directory().join("corpus")).unwrap();
    let mut files: Vec<File> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            File::parse(&name, &text).unwrap_or_else(|error| panic!("{name}.txt: {error}"))
        })
        .collect();
    files.sort_by_key(|file| file.scenarios.len());
    files
}
