//! Nobody who reads a log or an answer sees the marks of Rust: values are shown by their own words, texts
//! in quotes by `base::shown` and by loadgen's `quoted`.

use crate::rules::{Tree, sources_of};

/// Where people read what is written.
const FOLDERS: [&str; 3] = ["src/core/", "src/server/", "loadgen/src/"];

/// Where the marks are no text for people, and why.
const ALLOWED: [(&str, &str); 4] = [
    (
        "src/server/logging/mod.rs",
        "the interface of tracing is Debug",
    ),
    (
        "src/server/net/tls_failure.rs",
        "makes words of a library's names",
    ),
    ("src/core/shard/faults.rs", "for the simulation"),
    ("loadgen/src/net/tls.rs", "is an implementation of Debug"),
];

/// What is shown only with a bug.
const OF_BUGS: [&str; 9] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "panic",
    "unreachable",
    "todo",
];

/// Names the lines that would show them.
pub fn no_marks(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, text) in FOLDERS.iter().flat_map(|folder| sources_of(tree, folder)) {
        let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
        if is_test || ALLOWED.iter().any(|(allowed, _)| file == allowed) {
            continue;
        }
        let own = text.split("\n#[cfg(test)]").next().unwrap_or(text);
        for (at, _) in own.match_indices(":?}").chain(own.match_indices(":#?}")) {
            let before = &own[..at];
            let is_comment = before
                .lines()
                .next_back()
                .is_some_and(|line| line.trim_start().starts_with("//"));
            if !is_comment && !OF_BUGS.contains(&last_macro(before)) {
                let line = before.matches('\n').count() + 1;
                broken.push(format!("{file}:{line}: shows a value as Rust writes it"));
            }
        }
    }
    broken
}

/// The name of the macro that was called last.
fn last_macro(text: &str) -> &str {
    let Some(end) = text.rfind("!(") else {
        return "";
    };
    let is_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    text[..end]
        .rsplit(|letter| !is_of_name(letter))
        .next()
        .unwrap_or("")
}
