//! Runs the fuzz targets on stable: over their corpora, then over a bounded number of mutations of
//! these, the same ones every time.
//!
//! `FUZZ_MUTATIONS=1000000 cargo test --release -p trunkline-tests --test fuzz` looks further;
//! `FUZZ_SEED=…` looks elsewhere. `tests/fuzz/README.md` tells more.

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use mutate::Mutator;

/// Inputs longer than this are cut: what they would find, shorter ones find too.
const INPUT_BYTES_MAX: usize = 4096;

#[test]
fn parser() {
    run("parser", 12_000, targets::parser);
}

#[test]
fn hpub() {
    run("hpub", 8_000, targets::hpub);
}

#[test]
fn subjects() {
    run("subjects", 10_000, targets::subjects);
}

#[test]
fn connect() {
    run("connect", 10_000, targets::connect);
}

#[test]
fn config() {
    run("config", 4_000, targets::config);
}

#[test]
fn certificates() {
    run("certificates", 10_000, targets::certificates);
}

/// nats-server 2.15.3 gives the same verdicts, but for `policies`, `short_key` and `short_root`, which
/// it accepts.
#[test]
fn the_corpus_of_certificates_has_its_verdicts() {
    const WITHIN: u64 = 1_800_000_000;
    const REFUSED: [&str; 13] = [
        "cut",
        "for_servers",
        "may_not_sign",
        "names_forbidden",
        "no_authority",
        "nothing",
        "policies",
        "sha1",
        "short_key",
        "short_root",
        "too_deep",
        "unknown",
        "unknown_extension",
    ];
    for (path, input) in corpus("certificates") {
        let name = path.file_name().map(|name| name.to_string_lossy());
        let name = name.unwrap_or_default();
        let is_accepted = trunkline::judge_certificates(&input, WITHIN);
        assert_ne!(is_accepted, REFUSED.contains(&name.as_ref()), "{name}");
    }
}

#[test]
fn session() {
    run("session", 6_000, targets::session);
}

#[test]
fn websocket() {
    run("websocket", 10_000, targets::websocket);
}

#[test]
fn upgrade() {
    run("upgrade", 2_000, targets::upgrade_request);
}

#[test]
fn proxy() {
    run("proxy", 10_000, targets::proxy);
}

fn run(name: &str, mutations: u64, target: fn(&[u8])) {
    let seeds = corpus(name);
    assert!(seeds.len() >= 20, "the corpus of {name} is there");
    for (path, input) in &seeds {
        call(name, &path.display().to_string(), input, target);
    }
    let mutations = setting("FUZZ_MUTATIONS").unwrap_or(mutations);
    let seed = setting("FUZZ_SEED").unwrap_or(1);
    let inputs: Vec<Vec<u8>> = seeds.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(seed, &inputs);
    for number in 0..mutations {
        let mut input = mutator.next_input();
        input.truncate(INPUT_BYTES_MAX);
        call(
            name,
            &format!("mutation {number} of seed {seed}"),
            &input,
            target,
        );
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let entries = fs::read_dir(&directory).expect("every target has a corpus");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the entry can be read").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).expect("the seed can be read"));
    paths.into_iter().map(read).collect()
}

/// Calls a target; if it panics, the input is shown as it can be put into a file.
fn call(name: &str, origin: &str, input: &[u8], target: fn(&[u8])) {
    struct Shown<'a>(&'a str, &'a str, &'a [u8]);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let Self(name, origin, input) = self;
                eprintln!("target {name}, {origin}: printf '{}'", printf(input));
            }
        }
    }
    let _shown = Shown(name, origin, input);
    target(input);
}

fn printf(input: &[u8]) -> String {
    let escape = |&byte: &u8| match byte {
        b'%' => "%%".into(),
        b'\'' | b'\\' => format!("\\{byte:03o}"),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    input.iter().map(escape).collect()
}
