//! Configuration files, good and broken in every way, judged by both servers (`-t`): the same
//! verdict, and a mistake named at the same place.
//!
//! The files stand in `tests/config/*.txt`. Then come mutations of them, made from a seed:
//! `CONFIG_MUTATIONS=5000` for more (default 150), `CONFIG_SEED=…` for others.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "blackbox/certificates.rs"]
mod certificates;

use certificates::Authority;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;
use trunkline_tests::harness::random::Random;
use trunkline_tests::{Binary, binary_under_test, reference_server};

/// What our server says of a key that it does not support.
const NOT_YET: &str = "is not supported by trunkline";

/// Mistakes that the reference places where its maps, which have no order, lead
/// it, or that are its own.
const AT_RANDOM: &[&str] = &[
    "User entry requires a user",
    "Not a valid public nkey",
    "Duplicate user",
    "error parsing tls certs config",
    "single user/pass and a users array",
    "for mapping destination",
    "runtime error",
    // A quoted key over several lines.
    "\\n",
];

/// What ours refuses and the reference takes, on purpose: every message would be too large, TLS that
/// cannot be spoken, a mapping to nowhere, a password that nobody can give, a port that there is not
/// (which the reference says when it binds; here it is started on another one).
const STRICTER: &[&str] = &[
    "can not be negative",
    "missing field dest for mapping destination",
    "authorization has a password but no user",
    "invalid port",
    "websocket: invalid header",
];

fn corpus() -> Vec<&'static str> {
    let files = [
        include_str!("config/grammar.txt"),
        include_str!("config/settings.txt"),
        include_str!("config/complete.txt"),
        include_str!("config/jetstream.txt"),
    ];
    let cases = files.into_iter().flat_map(|text| text.split("%%%\n"));
    cases.collect()
}

/// A folder with what the files refer to.
struct Place {
    authority: Authority,
}

/// What a server says of a file.
#[derive(Debug)]
struct Verdict {
    is_good: bool,
    /// Lines and columns of mistakes.
    places: Vec<(u32, u32)>,
    text: String,
}

impl Place {
    fn new(test: &str) -> Self {
        let authority = Authority::new(test);
        for (name, text) in [
            ("included.conf", "debug: true\n"),
            ("broken.conf", "debug: true\nport: {\n"),
            ("users.conf", "user: a\npassword: b\n"),
            ("accounts.conf", "A { users: [ {user: a, password: b} ] }\n"),
            ("nested.conf", "include \"included.conf\"\ntrace: false\n"),
        ] {
            std::fs::write(authority.file(name), text).unwrap();
        }
        Self { authority }
    }

    fn judge(&self, server: &Binary, text: &[u8]) -> Verdict {
        let file = PathBuf::from(self.authority.file("test.conf"));
        std::fs::write(&file, text).unwrap();
        let output = Command::new(&server.path)
            .args(["-t", "-c", "test.conf"])
            .current_dir(file.parent().unwrap())
            .env("CONFIG_TEST_PORT", "4555")
            .env("CONFIG_TEST_NAME", "from environment")
            .env("CONFIG_TEST_BOOL", "true")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let places = said.split("test.conf:").skip(1).filter_map(|mistake| {
            let line = mistake.lines().next()?;
            if AT_RANDOM.iter().any(|text| line.contains(text)) {
                return None;
            }
            let mut numbers = mistake.split(':').map_while(|part| part.parse().ok());
            Some((numbers.next()?, numbers.next()?))
        });
        let places = places.collect();
        Verdict {
            is_good: output.status.success(),
            places,
            text: said,
        }
    }

    /// Whether a server starts with the file judged last.
    fn starts(&self, server: &Binary) -> bool {
        let file = PathBuf::from(self.authority.file("test.conf"));
        let mut child = Command::new(&server.path)
            .args(["-p", "-1", "-c", "test.conf"])
            .current_dir(file.parent().unwrap())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let is_ready = lines
            .map_while(Result::ok)
            .any(|line| line.contains("Server is ready"));
        let _may_be_gone = child.kill();
        child.wait().unwrap();
        is_ready
    }

    /// What both say that should not differ; `None` if all is well.
    fn difference(&self, ours: &Binary, reference: &Binary, text: &[u8]) -> Option<String> {
        let shown = String::from_utf8_lossy(text);
        // An unclosed quote at the end: there the last block is dropped in silence.
        if shown.trim_end().ends_with(['"', '\'']) {
            return None;
        }
        let ours = self.judge(ours, text);
        if ours.text.contains(NOT_YET) {
            return None;
        }
        assert!(!ours.text.contains("panicked"), "{shown}\n{}", ours.text);
        let theirs = self.judge(reference, text);
        let has_crashed = theirs.text.contains("goroutine ");
        // The reference drops a block that ends in the middle of a value, and
        // goes on with what follows as if it stood outside.
        let is_stricter = STRICTER.iter().any(|text| ours.text.contains(text));
        let is_grammar = ours.text.contains("Parse error");
        let digest = |verdict: &Verdict| verdict.text.split("(sha256:").nth(1).map(str::to_owned);
        let is_alike = match (ours.is_good, theirs.is_good) {
            (true, true) => digest(&ours) == digest(&theirs),
            // In no order.
            (false, false) => {
                is_grammar
                    || theirs
                        .places
                        .iter()
                        .all(|place| ours.places.contains(place))
            }
            // The reference finds some mistakes only when it starts.
            (false, true) => is_stricter || !self.starts(reference),
            (true, false) => false,
        };
        (!is_alike && !has_crashed).then(|| {
            let first = |text: &str| text.lines().take(4).collect::<Vec<_>>().join("\n");
            format!(
                "--- file\n{shown}\n--- ours: {}\n--- reference: {}\n",
                first(&ours.text),
                first(&theirs.text)
            )
        })
    }
}

#[track_caller]
fn report(differences: &[String], total: usize) {
    assert!(
        differences.is_empty(),
        "{} of {total} files are judged differently:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn the_corpus_is_judged_alike() {
    let Some(reference) = reference_server() else {
        return;
    };
    let (ours, place) = (binary_under_test(), Place::new("config-corpus"));
    let corpus = corpus();
    assert!(corpus.len() > 300, "the corpus is there");
    let differences: Vec<String> = corpus
        .iter()
        .filter_map(|text| place.difference(&ours, &reference, text.as_bytes()))
        .collect();
    report(&differences, corpus.len());
}

fn setting(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// Takes out, puts in, repeats and mixes pieces of files.
fn mutated(random: &mut Random, corpus: &[&str]) -> Vec<u8> {
    const PIECES: [&str; 24] = [
        "{", "}", "[", "]", "(", ")", ":", "=", ",", ";", "\"", "'", "\n", " ", "#", "//", "$",
        "-", "1", "k", "true", "include ", "\\", "%",
    ];
    let mut text = (*random.pick::<&str>(corpus)).to_owned();
    if random.chance(30) {
        text.push_str(random.pick::<&str>(corpus));
    }
    let mut bytes = text.into_bytes();
    for _ in 0..random.between(1, 3) {
        let at = random.below(bytes.len() + 1);
        if random.chance(50) && at < bytes.len() {
            bytes.remove(at);
        } else {
            let piece = random.pick(&PIECES);
            bytes.splice(at..at, piece.bytes());
        }
    }
    bytes
}

#[test]
fn mutations_are_judged_alike() {
    let Some(reference) = reference_server() else {
        return;
    };
    let (ours, place) = (binary_under_test(), Place::new("config-mutations"));
    let corpus = corpus();
    let count = setting("CONFIG_MUTATIONS").unwrap_or(150);
    let mut random = Random::new(setting("CONFIG_SEED").unwrap_or(1) as u64);
    let differences: Vec<String> = (0..count)
        .map(|_| mutated(&mut random, &corpus))
        .filter_map(|text| place.difference(&ours, &reference, &text))
        .collect();
    report(&differences, count);
}
