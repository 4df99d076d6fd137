//! What could not be tried on this machine: noted by every test that leaves something out, and said by
//! the last one, where nobody overlooks it.

use std::fs::{OpenOptions, remove_file};
use std::io::Write;
use std::path::PathBuf;

use super::binary::target_directory;

fn place() -> PathBuf {
    target_directory().join("skipped-tests.txt")
}

/// Notes that the running test goes without something.
pub fn note(what: &str, reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(place())
        .expect("the target directory can be written to");
    // One call for a line: other tests write too.
    file.write_all(format!("{what}: {reason}: {test}\n").as_bytes())
        .expect("the target directory can be written to");
}

/// What was noted since the last time.
pub fn take() -> Vec<String> {
    let text = std::fs::read_to_string(place()).unwrap_or_default();
    // There may be none.
    let _ = remove_file(place());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}
