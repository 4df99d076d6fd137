//! Starts a server process on a free port, collects its log, stops it.

use super::binary::{Binary, binary_under_test};
use super::seccomp;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Only a server that never comes up, or never ends, reaches this.
const HANG_GUARD: Duration = Duration::from_secs(40);
const LISTENING: &str = "Listening for client connections on ";
const READY: &str = "Server is ready";

/// How to start a server.
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    binary: Binary,
    arguments: Vec<String>,
    config: Option<String>,
    descriptor_limit: Option<u32>,
    own_address: bool,
    environment: Vec<(String, String)>,
    has_io_uring: bool,
}

/// The server under test, with the usual ways to start it.
pub struct ServerUnderTest;

impl ServerUnderTest {
    pub fn start(arguments: &[&str]) -> RunningServer {
        Self::builder().arguments(arguments).start()
    }

    pub fn with_config(config: &str) -> RunningServer {
        Self::builder().config(config).start()
    }

    pub fn builder() -> ServerBuilder {
        ServerBuilder::new(binary_under_test())
    }
}

impl ServerBuilder {
    pub fn new(binary: Binary) -> Self {
        Self {
            binary,
            arguments: Vec::new(),
            config: None,
            descriptor_limit: None,
            own_address: true,
            environment: Vec::new(),
            has_io_uring: std::env::var_os("TRUNKLINE_TESTS_WITHOUT_IO_URING").is_none(),
        }
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// The text of a configuration file.
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// `--cores N`, for our server only: the reference has no such flag.
    pub fn cores(self, cores: usize) -> Self {
        if self.binary.is_ours {
            self.arguments(&["--cores", &cores.to_string()])
        } else {
            self
        }
    }

    /// Both the soft and the hard limit of open files.
    pub fn descriptor_limit(mut self, limit: u32) -> Self {
        self.descriptor_limit = Some(limit);
        self
    }

    /// A variable of its environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Forbids it io_uring, as the default profiles of containers do.
    pub fn without_io_uring(mut self) -> Self {
        self.has_io_uring = false;
        self
    }

    /// Leaves out `-a 127.0.0.1 -p -1`: the caller names the address.
    pub fn without_address(mut self) -> Self {
        self.own_address = false;
        self
    }

    pub fn is_ours(&self) -> bool {
        self.binary.is_ours
    }

    /// Starts and waits for `Server is ready`.
    #[track_caller]
    pub fn start(self) -> RunningServer {
        match self.launch().wait_until_ready() {
            Ok(server) => server,
            Err(log) => panic!("the server did not come up; its log:\n{log}"),
        }
    }

    /// Runs to its end, for flags that print and exit and for servers that refuse to start.
    pub fn run_to_end(self) -> Finished {
        self.launch().wait_for_end()
    }

    fn launch(self) -> RunningServer {
        let mut command = match self.descriptor_limit {
            None => Command::new(&self.binary.path),
            Some(limit) => {
                // The shell lowers its own limits and becomes the server, so the pid stays right.
                let mut shell = Command::new("sh");
                shell
                    .arg("-c")
                    .arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\""))
                    .arg(&self.binary.path);
                shell
            }
        };
        if self.own_address {
            command.args(["-a", "127.0.0.1", "-p", "-1"]);
        }
        let config_file = self.config.as_deref().map(write_config);
        if let Some(path) = &config_file {
            command.arg("-c").arg(path);
        }
        let says = |argument: &String| {
            let name = argument.trim_start_matches('-');
            ["js", "jetstream", "c", "config"].contains(&name) || name.starts_with("jetstream=")
        };
        if self.binary.is_ours && self.config.is_none() && !self.arguments.iter().any(says) {
            // As the reference, whose users ask for streams.
            command.arg("--jetstream=false");
        }
        if !self.has_io_uring {
            seccomp::forbid_io_uring(&mut command);
        }
        let mut child = command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.binary.path.display()));
        let log = Log::default();
        let stderr = child.stderr.take().expect("stderr is piped");
        log.collect(stderr);
        RunningServer {
            child,
            log,
            config_file,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            is_ours: self.binary.is_ours,
        }
    }
}

/// What a process left behind.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A server process; it is killed when this goes.
pub struct RunningServer {
    child: Child,
    log: Log,
    config_file: Option<PathBuf>,
    address: SocketAddr,
    pub is_ours: bool,
}

impl RunningServer {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until the log has a line with `needle` (any case).
    #[track_caller]
    pub fn wait_for_log(&self, needle: &str) -> String {
        match self.log.wait_for(&[needle], HANG_GUARD) {
            Some(line) => line,
            None => panic!("no log line with {needle:?}; the log:\n{}", self.log()),
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a pid is positive");
        kill_process(pid, signal).expect("the process is ours and lives");
    }

    /// True while the process runs.
    pub fn is_alive(&self) -> bool {
        // A dead child that nobody waited for stays as a zombie, so its pid cannot be reused.
        fs::read_to_string(format!("/proc/{}/stat", self.pid())).is_ok_and(|stat| {
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
            state.is_some_and(|state| state != b'Z' && state != b'X')
        })
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("the server is running");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a status has VmRSS");
        let kibibytes: u64 = line
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number");
        kibibytes * 1024
    }

    /// Open file descriptors of the process.
    pub fn open_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("the server is running")
            .count()
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn wait_for_end(mut self) -> Finished {
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().expect("stdout is piped");
        let deadline = Instant::now() + HANG_GUARD;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("own child") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "the server does not end; its log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        pipe.read_to_string(&mut stdout).expect("text on stdout");
        self.log.wait_for_end_of_stream(HANG_GUARD);
        Finished {
            status,
            stdout,
            stderr: self.log(),
        }
    }

    fn wait_until_ready(mut self) -> Result<RunningServer, String> {
        let Some(line) = self.log.wait_for(&[LISTENING], HANG_GUARD) else {
            return Err(self.log());
        };
        if self.log.wait_for(&[READY], HANG_GUARD).is_none() {
            return Err(self.log());
        }
        let (_, tail) = line
            .split_once(LISTENING)
            .expect("the line was found by it");
        let place = tail.split_ascii_whitespace().next().unwrap_or_default();
        let port = place
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let Some(port) = port else {
            return Err(format!("no port in the log line {line:?}"));
        };
        self.address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(self)
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_reaped = self.child.wait();
        if let Some(path) = &self.config_file {
            let _already_removed = fs::remove_file(path);
        }
    }
}

fn write_config(text: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let path = std::env::temp_dir().join(format!(
        "trunkline-test-{}-{}.conf",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    fs::write(&path, text).expect("the temporary directory is writable");
    path
}

/// The lines of a process's standard error, as they come.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    fn collect(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(length) if length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                log.0
                    .0
                    .lock()
                    .expect("no panic while held")
                    .lines
                    .push(text);
                log.0.1.notify_all();
                line.clear();
            }
            log.0.0.lock().expect("no panic while held").ended = true;
            log.0.1.notify_all();
        });
    }

    fn text(&self) -> String {
        self.0
            .0
            .lock()
            .expect("no panic while held")
            .lines
            .join("\n")
    }

    /// The first line with one of the needles, or `None` when the process ended or time is up.
    fn wait_for(&self, needles: &[&str], limit: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        let mut lines = self.0.0.lock().expect("no panic while held");
        loop {
            let found = lines.lines.iter().find(|line| {
                let lower = line.to_lowercase();
                needles
                    .iter()
                    .any(|needle| lower.contains(&needle.to_lowercase()))
            });
            if let Some(line) = found {
                return Some(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return None;
            }
            lines = self
                .0
                .1
                .wait_timeout(lines, left)
                .expect("no panic while held")
                .0;
        }
    }

    fn wait_for_end_of_stream(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut lines = self.0.0.lock().expect("no panic while held");
        while !lines.ended && Instant::now() < deadline {
            lines = self
                .0
                .1
                .wait_timeout(lines, Duration::from_millis(50))
                .expect("no panic while held")
                .0;
        }
    }
}
