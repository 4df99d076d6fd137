//! A server process of ours to start and to stop: pinned, on a free loopback port, its output kept for error messages.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::compare::config::{Prepared, Setting, Wishes};
use crate::compare::stage::Stage;
use crate::net::connect;
use crate::pin::{self, CpuList};

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long it may take to end after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two looks whether it has started or ended.
const GLANCE: Duration = Duration::from_millis(2);
/// Lines of its output shown when it fails.
const LOG_LINES: usize = 15;
/// Those of them from its beginning.
const FIRST_LINES: usize = 4;
/// How panics of Rust and Go begin.
const PANICS: [&str; 3] = ["panicked at", "panic: ", "fatal error: "];

/// How to start one of the two servers.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Its name in results.
    pub label: &'static str,
    /// The binary.
    pub path: PathBuf,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// CPUs it runs on.
    pub cpus: CpuList,
    /// What its configuration shall hold.
    pub wishes: Wishes,
}

/// A running server; it is stopped when this is dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
    /// How it is reached.
    pub prepared: Prepared,
}

impl Server {
    /// Starts a server as a row wants it, and waits until it answers a PING.
    pub fn start(launch: &Launch, stage: &Stage, setting: Setting) -> Result<Self, String> {
        let [address, http, websocket] = free_addresses()?;
        let free = [http, websocket];
        let prepared = Prepared::new(stage, setting, &launch.wishes, address, free)?;
        let log = stage.path(&format!("{}-{}.log", launch.label, address.port()));
        let child = spawn(launch, &prepared, &log)?;
        let mut server = Server {
            child,
            log,
            prepared,
        };
        server.wait_until_ready(launch, START_TIMEOUT)?;
        Ok(server)
    }

    /// Starts it again, as it was started, once it has ended.
    pub fn start_again(&mut self, launch: &Launch, timeout: Duration) -> Result<(), String> {
        self.child = spawn(launch, &self.prepared, &self.log)?;
        self.wait_until_ready(launch, timeout)
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The last lines it printed.
    pub fn log_tail(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default())
    }

    fn wait_until_ready(&mut self, launch: &Launch, timeout: Duration) -> Result<(), String> {
        let name = launch.path.display();
        let target = self.prepared.server.target()?;
        let begin = Instant::now();
        loop {
            let problem = match self.child.try_wait() {
                Ok(Some(status)) => format!("ended at once, {status}"),
                _ => match connect::connect_all(&target, "loadgen probe", 1) {
                    Ok(_) => return Ok(()),
                    Err(text) if begin.elapsed() > timeout => {
                        format!("not ready after {} s: {text}", timeout.as_secs())
                    }
                    Err(_) => {
                        std::thread::sleep(GLANCE);
                        continue;
                    }
                },
            };
            return Err(format!("{name}: {problem}\n{}", self.log_tail()));
        }
    }

    /// Ends the process: SIGTERM, and SIGKILL if that does not help; false if it had ended before by itself.
    pub fn stop(&mut self) -> bool {
        self.stop_within(STOP_TIMEOUT)
    }

    /// The same, with so much time for SIGTERM to help.
    pub fn stop_within(&mut self, timeout: Duration) -> bool {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return false;
        }
        if let Some(pid) = Pid::from_raw(self.pid()) {
            // Still our child and not yet waited for: the id cannot belong to anyone else.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begin = Instant::now();
        while begin.elapsed() < timeout {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(GLANCE);
        }
        self.kill();
        true
    }

    /// Ends the process with SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(launch: &Launch, prepared: &Prepared, log: &Path) -> Result<Child, String> {
    let output =
        File::create(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    let errors = output
        .try_clone()
        .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    let mut command = Command::new(&launch.path);
    command.args(["-a", "127.0.0.1", "-p", &prepared.plain.port().to_string()]);
    match &prepared.config {
        Some(config) => command.arg("-c").arg(config),
        // The same of both; whoever wants streams says so behind it.
        None => command.arg("-js=false"),
    };
    command.args(&launch.arguments);
    // Go takes its number of running threads from the mask at start anyway; this makes it independent of the version.
    command.env("GOMAXPROCS", launch.cpus.len().to_string());
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let spawned = pin::with_affinity(&launch.cpus, || command.spawn());
    spawned.and_then(|child| child).map_err(|error| {
        let _ = fs::remove_file(log);
        format!("cannot start {}: {error}", launch.path.display())
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_file(&self.log);
    }
}

/// The lines that say most: those from a panic on, which a long trace follows, or else the first, which tell why options
/// are refused before help follows, and the last.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    if lines.len() <= LOG_LINES {
        return lines.join("\n");
    }
    let panics = |line: &&str| PANICS.iter().any(|panic| line.contains(panic));
    match lines.iter().position(panics) {
        Some(from) => {
            let shown = lines.into_iter().skip(from).take(LOG_LINES);
            shown.collect::<Vec<_>>().join("\n")
        }
        None => {
            let last = &lines[lines.len() - (LOG_LINES - FIRST_LINES - 1)..];
            [&lines[..FIRST_LINES], &["…"], last].concat().join("\n")
        }
    }
}

fn free_addresses() -> Result<[SocketAddr; 3], String> {
    // Bound all at once and let go: the kernel does not hand out the same port again soon.
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let addresses = || -> std::io::Result<[SocketAddr; 3]> {
        let [one, two, three] = [bind()?, bind()?, bind()?];
        Ok([one.local_addr()?, two.local_addr()?, three.local_addr()?])
    };
    addresses().map_err(|error| format!("no free port on 127.0.0.1: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_shown_however_long_its_trace_is() {
        let lines = |count: usize| "frame\n".repeat(count);
        let plain = tail(&format!("first\n{}last\n", lines(100)));
        assert_eq!(plain.lines().count(), LOG_LINES);
        assert!(plain.starts_with("first\n") && plain.ends_with("last"));
        assert!(tail("one") == "one" && tail("").is_empty());
        let panicked = tail(&format!("first\nthread panicked at x:\n{}", lines(100)));
        assert!(panicked.starts_with("thread panicked at x"));
        assert_eq!(panicked.lines().count(), LOG_LINES);
    }
}
