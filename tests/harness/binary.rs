//! Finds the executables: the server under test and the reference `nats-server`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::skips;

/// An executable server, and whose it is.
#[derive(Clone, Debug)]
pub struct Binary {
    pub path: PathBuf,
    /// Ours understands `--cores` and may word its log differently; the reference is `nats-server`.
    pub is_ours: bool,
}

/// The server that the suites test. Ours is built once per test process, unless
/// `TRUNKLINE_TEST_SERVER` names a binary.
pub fn binary_under_test() -> Binary {
    static FOUND: OnceLock<Binary> = OnceLock::new();
    FOUND
        .get_or_init(|| match env::var_os("TRUNKLINE_TEST_SERVER") {
            Some(path) => named(PathBuf::from(path)),
            None => Binary {
                path: build_ours(),
                is_ours: true,
            },
        })
        .clone()
}

/// The real `nats-server`, or `None` with a loud note. Under CI its absence is a failure, because a
/// suite that silently skips its proof proves nothing.
pub fn reference_server() -> Option<Binary> {
    let found = env::var_os("NATS_SERVER")
        .map(PathBuf::from)
        .or_else(|| in_path("nats-server"))
        .or_else(|| {
            let installed = target_directory().join("clients/bin/nats-server");
            installed.is_file().then_some(installed)
        });
    match found {
        Some(path) => Some(Binary {
            path,
            is_ours: false,
        }),
        None => {
            assert!(
                env::var_os("CI").is_none(),
                "no nats-server found: set NATS_SERVER or put it on PATH"
            );
            skips::note(
                "nats-server",
                "not found (set NATS_SERVER, or put it on PATH or in target/clients/bin)",
            );
            None
        }
    }
}

fn named(path: PathBuf) -> Binary {
    assert!(
        path.is_file(),
        "TRUNKLINE_TEST_SERVER names {}, which is no file",
        path.display()
    );
    let is_ours = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("trunkline"));
    Binary { path, is_ours }
}

fn build_ours() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests live in a workspace");
    let target = target_directory();
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "-p",
            "trunkline",
            "--bin",
            "trunkline",
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(root)
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "building the server failed");
    target.join("debug/trunkline")
}

/// `target`, seen from a test executable in `target/debug/deps`.
pub fn target_directory() -> PathBuf {
    let executable = env::current_exe().expect("a running test has an executable");
    executable
        .ancestors()
        .nth(3)
        .expect("a test executable lies in target/<profile>/deps")
        .to_path_buf()
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}
