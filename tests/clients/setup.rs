//! Installs what the programs in other languages need, below Cargo's target directory, once per
//! version of their requirement files.
//!
//! A missing language or registry is not a failure of the server: locally the test is skipped
//! loudly, and only where `CI` is set does it fail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use trunkline_tests::harness::binary::target_directory;
use trunkline_tests::harness::skips;

use crate::harness::{Process, tail};

const SETUP_TIMEOUT: Duration = Duration::from_secs(900);
const NATS_CLI: &str = "github.com/nats-io/natscli/nats@v0.5.1";

/// Why a client cannot be run on this machine.
pub struct Absent(pub String);

/// Reports a client that could not be run: an error where `CI` is set.
pub fn skip(name: &str, reason: &str) {
    let text = format!("skipped: {name}: {reason}");
    assert!(std::env::var_os("CI").is_none(), "{text}");
    skips::note(name, reason);
    // Not `eprintln!`, whose output the test runner hides when a test passes.
    io::stderr()
        .write_all(format!("{text}\n").as_bytes())
        .unwrap();
}

/// A Python program.
pub fn python(program: &str) -> Result<Command, Absent> {
    let environment = cache().join("python-venv");
    let requirements = source("python/requirements.txt");
    let interpreter = environment.join("bin").join("python");
    let contents = format!(
        "{}{}",
        version("python3", "--version")?,
        read(&requirements)
    );
    once("python-venv", &contents, || {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment))?;
        run(Command::new(&interpreter)
            .args(["-m", "pip", "install", "--disable-pip-version-check", "-r"])
            .arg(&requirements))
    })?;
    let mut command = Command::new(interpreter);
    command.arg(source("python").join(program));
    Ok(command)
}

/// A JavaScript program.
pub fn node(program: &str) -> Result<Command, Absent> {
    let directory = cache().join("node");
    fs::create_dir_all(&directory).unwrap();
    let manifests = ["package.json", "package-lock.json"];
    let texts = manifests.map(|name| read(&source("node").join(name)));
    let contents = format!("{}{}", version("node", "--version")?, texts.concat());
    once("node", &contents, || {
        for (name, text) in manifests.iter().zip(&texts) {
            fs::write(directory.join(name), text).unwrap();
        }
        run(Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(&directory))
    })?;
    // Node looks for packages beside the program, so the program goes where the packages are.
    let text = read(&source("node").join(program));
    once(&format!("node-{program}"), &text, || {
        fs::write(directory.join(program), &text).unwrap();
        Ok(())
    })?;
    let mut command = Command::new("node");
    command.arg(directory.join(program));
    Ok(command)
}

pub fn go() -> Result<Command, Absent> {
    let directory = source("go");
    let program = cache().join("go").join("program");
    let mut sources: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    sources.sort();
    let texts: String = sources.iter().map(|path| read(path)).collect();
    once(
        "go",
        &format!("{}{texts}", version("go", "version")?),
        || {
            run(go_command(&["mod", "download"]).current_dir(&directory))?;
            let mut build = go_command(&["build", "-buildvcs=false", "-o"]);
            run(build.arg(&program).current_dir(&directory))
                .unwrap_or_else(|Absent(reason)| panic!("{reason}"));
            Ok(())
        },
    )?;
    Ok(Command::new(program))
}

/// The `nats` command-line tool.
pub fn nats_cli() -> Result<PathBuf, Absent> {
    let directory = cache().join("bin");
    once(
        "nats-cli",
        &format!("{}{NATS_CLI}", version("go", "version")?),
        || {
            run(go_command(&["install", NATS_CLI])
                .env("GOBIN", &directory)
                .current_dir(cache()))
        },
    )?;
    Ok(directory.join("nats"))
}

/// Where the tests keep what they install.
pub fn cache() -> PathBuf {
    let directory = target_directory().join("clients");
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn go_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("go");
    // Pure Go: a C compiler is not something that these tests need.
    command.args(arguments).env("CGO_ENABLED", "0");
    command
}

/// Runs `install` unless it has already succeeded with the same contents. A second test run beside
/// this one waits for its turn.
fn once(
    name: &str,
    contents: &str,
    install: impl FnOnce() -> Result<(), Absent>,
) -> Result<(), Absent> {
    let lock = File::create(cache().join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let stamp = cache().join(format!("{name}.installed"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == contents) {
        return Ok(());
    }
    // A failed attempt must not look like the version before it.
    let _ = fs::remove_file(&stamp);
    install()?;
    fs::write(stamp, contents).unwrap();
    Ok(())
}

/// What a tool says about its version, which shows that it exists.
fn version(tool: &str, argument: &str) -> Result<String, Absent> {
    let output = Command::new(tool)
        .arg(argument)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8(output.stdout).unwrap()),
        Ok(output) => Err(Absent(format!("{tool} {argument}: {}", output.status))),
        Err(error) => Err(Absent(format!("{tool}: {error}"))),
    }
}

fn run(command: &mut Command) -> Result<(), Absent> {
    let name = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "-");
    let path = cache().join(format!("setup-{}-{name}.log", std::process::id()));
    let log = File::create(&path).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let what = format!("{command:?}");
    let spawned = command
        .spawn()
        .map_err(|error| Absent(format!("{what}: {error}")))?;
    let status = Process(spawned).wait_until(Instant::now() + SETUP_TIMEOUT);
    let output = read(&path);
    let _ = fs::remove_file(&path);
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Absent(format!("{what}: {status}\n{}", tail(&output)))),
        None => Err(Absent(format!(
            "{what}: no end within {SETUP_TIMEOUT:?}\n{}",
            tail(&output)
        ))),
    }
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
