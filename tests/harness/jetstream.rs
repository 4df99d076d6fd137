//! Whether the server under test serves JetStream, and where a server of a test keeps its streams.

use super::binary::{Binary, binary_under_test};
use super::skips;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Ours does not serve JetStream yet. THE ONE LINE to change when it does: every test that needs
/// JetStream asks here.
pub const OURS_SERVES_JETSTREAM: bool = true;

/// The server under test, or `None` with a loud note where it has no JetStream.
pub fn jetstream_under_test() -> Option<Binary> {
    let is_named = std::env::var_os("TRUNKLINE_TEST_SERVER").is_some();
    let binary = (OURS_SERVES_JETSTREAM || is_named).then(binary_under_test);
    if let Some(binary) = binary.filter(|binary| OURS_SERVES_JETSTREAM || !binary.is_ours) {
        return Some(binary);
    }
    skips::note("JetStream", "the server under test does not serve it yet");
    None
}

/// A directory for the streams of one server; it goes with this value.
#[derive(Debug)]
pub struct StoreDirectory(PathBuf);

impl StoreDirectory {
    /// An empty directory that nobody else uses.
    pub fn new() -> StoreDirectory {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let path = std::env::temp_dir().join(format!(
            "trunkline-store-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        // What a killed run with the same process id left behind.
        let _none = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        StoreDirectory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path as a flag or a configuration takes it.
    pub fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Default for StoreDirectory {
    fn default() -> StoreDirectory {
        StoreDirectory::new()
    }
}

impl Drop for StoreDirectory {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.0);
    }
}
