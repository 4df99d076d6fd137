//! Directories that servers with JetStream keep their streams in: one per server that is started, below --store-dir,
//! which must be on a disk.

use std::fs;
use std::path::{Path, PathBuf};

/// The type of a file system in memory (`statfs`).
const TMPFS: i64 = 0x0102_1994;

/// One server's directory; it goes away with this.
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Makes a directory of its own below `base`.
    pub fn new(base: &Path, name: &str) -> Result<Self, String> {
        let name = format!("loadgen-store-{}-{name}", std::process::id());
        let store = Store {
            folder: base.join(name),
        };
        fs::create_dir_all(&store.folder)
            .map_err(|error| format!("cannot make {}: {error}", store.folder.display()))?;
        Ok(store)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Refuses a directory that is none, or is in memory: figures of it would say nothing about a disk.
pub fn check(base: &Path) -> Result<(), String> {
    let option = format!("--store-dir {}", base.display());
    let facts = fs::metadata(base).map_err(|error| format!("{option}: {error}"))?;
    if !facts.is_dir() {
        return Err(format!("{option}: this is no directory"));
    }
    let system = rustix::fs::statfs(base).map_err(|error| format!("{option}: {error}"))?;
    match system.f_type {
        TMPFS => Err(format!(
            "{option}: this is in memory; name a place on a disk"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_directory_of_its_own_that_goes_away() {
        let base = std::env::temp_dir();
        let (one, other) = (
            Store::new(&base, "1").unwrap(),
            Store::new(&base, "2").unwrap(),
        );
        assert!(one.path() != other.path() && one.path().is_dir());
        let path = one.path().to_path_buf();
        fs::write(path.join("x"), "y").unwrap();
        drop(one);
        assert!(!path.exists() && other.path().is_dir());
    }

    #[test]
    fn what_is_no_directory_or_in_memory_is_refused() {
        for (path, expected) in [
            ("/nonexistent", "No such file"),
            ("/proc/self/stat", "no directory"),
            ("/dev/shm", "in memory"),
        ] {
            let text = check(Path::new(path)).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }
}
