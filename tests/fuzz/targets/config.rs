//! The reader of configuration files: whatever stands in one, it is judged, not stumbled over.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory of this thread, removed at its end; with a file that others can include.
struct Place(PathBuf);

thread_local! {
    static PLACE: Place = Place::new();
}

impl Place {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("fuzz-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory for temporary files");
        fs::write(path.join("included.conf"), "debug: true\nB: 5\n").expect("room for a file");
        Self(path)
    }

    fn judge(&self, text: &[u8]) -> Result<String, String> {
        let file = self.0.join("test.conf");
        // A file that is written over may be flushed to the disk, a new one is not.
        let _may_be_missing = fs::remove_file(&file);
        fs::write(&file, text).expect("room for a file");
        trunkline::judge_configuration(&file)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _may_be_gone = fs::remove_dir_all(&self.0);
    }
}

/// Input: a configuration file.
pub fn config(data: &[u8]) {
    PLACE.with(|place| check(place, data));
}

fn check(place: &Place, data: &[u8]) {
    let verdict = place.judge(data);
    assert_eq!(
        verdict,
        place.judge(data),
        "the same file, the same verdict"
    );
    match &verdict {
        Ok(digest) => {
            let number = digest.strip_prefix("sha256:").unwrap_or_default();
            let is_number =
                number.len() == 64 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_number, "{digest:?} is no digest");
        }
        Err(text) => check_places(data, text),
    }
    let shifted = place.judge(&[b"# a comment\n\n", data].concat());
    match (&verdict, &shifted) {
        (Ok(digest), shifted) => assert_eq!(shifted.as_ref(), Ok(digest), "a comment says nothing"),
        (Err(_), shifted) => assert!(shifted.is_err(), "a comment repairs nothing"),
    }
}

/// Mistakes are at places that there are.
fn check_places(data: &[u8], text: &str) {
    assert!(!text.is_empty(), "a mistake has a name");
    let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
    for mistake in text.split("test.conf:").skip(1) {
        let mut numbers = mistake.split(':').map_while(|part| part.parse().ok());
        let (line, column): (usize, usize) = match (numbers.next(), numbers.next()) {
            (Some(line), Some(column)) => (line, column),
            // Something about the whole file.
            _ => continue,
        };
        assert!(
            (1..=lines).contains(&line),
            "line {line} of {lines}: {text}"
        );
        assert!(column <= data.len(), "column {column}: {text}");
    }
}
