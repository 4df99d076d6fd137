//! Restarts the server under test on its port, and runs a client program against it.
//!
//! Which server that is and how it starts is the business of the library beside these tests.
//! Every child process dies with the value that holds it, and every wait has an end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use trunkline_tests::harness::jetstream::StoreDirectory;
use trunkline_tests::{RunningServer, ServerUnderTest};

/// How long a client program may take from its start to its end.
pub const PROGRAM_TIMEOUT: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(10);

/// A child process that is killed when it goes out of scope.
pub struct Process(pub Child);

impl Process {
    pub fn spawn(command: &mut Command) -> Process {
        match command.spawn() {
            Ok(child) => Process(child),
            Err(error) => panic!("cannot start {command:?}: {error}"),
        }
    }

    /// The exit status, or nothing when the process still runs at the deadline.
    pub fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL; an error means that the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running server on a port that it keeps over a restart.
pub struct Server {
    running: Option<RunningServer>,
    port: u16,
    /// Of a server that has JetStream.
    streams: Option<StoreDirectory>,
}

impl Server {
    pub fn start() -> Server {
        Server::launched(None)
    }

    /// With JetStream.
    pub fn with_streams() -> Server {
        Server::launched(Some(StoreDirectory::new()))
    }

    fn launched(streams: Option<StoreDirectory>) -> Server {
        let port = free_port();
        Server {
            running: Some(launch(port, streams.as_ref())),
            port,
            streams,
        }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills the server without warning and starts it again on the same port.
    pub fn restart(&mut self) {
        drop(self.running.take());
        self.running = Some(launch(self.port, self.streams.as_ref()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let (true, Some(running)) = (thread::panicking(), &self.running) {
            eprintln!("server log:\n{}", tail(&running.log()));
        }
    }
}

/// The last lines of a text, enough to see why something failed.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Runs a client program to its end, does what it asks for by `READY-FOR-…`, and returns the
/// scenarios that it reported as passed.
pub fn run_scenarios(mut command: Command, mut serve: impl FnMut(&str)) -> Vec<String> {
    let deadline = Instant::now() + PROGRAM_TIMEOUT;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut program = Process::spawn(&mut command);
    let mut input = program.0.stdin.take().unwrap();
    let lines = read_lines(program.0.stdout.take().unwrap());
    let errors = read_lines(program.0.stderr.take().unwrap());
    let mut passed = Vec::new();
    let finished = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => {
                println!("{line}");
                if let Some(request) = line.strip_prefix("READY-FOR-") {
                    serve(request);
                    writeln!(input, "DONE").unwrap();
                }
                passed.extend(line.strip_prefix("ok ").map(str::to_owned));
            }
            Err(RecvTimeoutError::Disconnected) => break program.wait_until(deadline),
            Err(RecvTimeoutError::Timeout) => break None,
        }
    };
    // The channel of a killed program ends, so that this loop does too.
    drop(program);
    let errors: Vec<String> = errors.iter().collect();
    let errors = tail(&errors.join("\n"));
    match finished {
        Some(status) if status.success() => passed,
        Some(status) => panic!("{status} after {passed:?}\n{errors}"),
        None => panic!("no end within {PROGRAM_TIMEOUT:?}, after {passed:?}\n{errors}"),
    }
}

/// The lines of a stream, read by a thread of their own so that waiting for one can time out.
pub fn read_lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        // The receiver may be gone before the stream ends: then nobody needs the rest.
        let _ = lines.into_iter().try_for_each(|line| sender.send(line));
    });
    receiver
}

fn launch(port: u16, streams: Option<&StoreDirectory>) -> RunningServer {
    let builder = ServerUnderTest::builder().without_address().arguments(&[
        "-a",
        "127.0.0.1",
        "-p",
        &port.to_string(),
    ]);
    match streams {
        Some(directory) => builder.arguments(&["-js", "-sd", &directory.text()]),
        None => builder,
    }
    .start()
}

/// A port that nobody listens on, below the range from which the kernel gives ports to outgoing
/// connections: a client that reconnects to a port of that range may end up connected to itself,
/// and then the server cannot come back on it.
fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static OFFSET: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    loop {
        let offset = OFFSET.fetch_add(1, Ordering::Relaxed);
        assert!(offset < COUNT, "no free port");
        let port = FIRST + start.wrapping_mul(7).wrapping_add(offset) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
