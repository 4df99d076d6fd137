//! The real nats-server, with or without JetStream, and what stands between it and loadgen.

pub mod meddler;

use std::env;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Where the real server is; without one, a loud note, and a failure under CI: a suite that silently skips its proof
/// proves nothing.
pub fn program() -> Option<PathBuf> {
    let executable = env::current_exe().unwrap();
    // A test executable lies in target/<profile>/deps.
    let target = executable.ancestors().nth(3).unwrap();
    let installed = target.join("clients/bin/nats-server");
    let in_path = || {
        let places = env::var_os("PATH")?;
        let mut all = env::split_paths(&places).map(|place| place.join("nats-server"));
        all.find(|candidate| candidate.is_file())
    };
    let found = env::var_os("NATS_SERVER")
        .map(PathBuf::from)
        .or_else(in_path)
        .or_else(|| installed.is_file().then_some(installed));
    if found.is_none() {
        assert!(
            env::var_os("CI").is_none(),
            "no nats-server found: set NATS_SERVER or put it on PATH"
        );
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let text = format!("nats-server: not found, so loadgen's JetStream is not tried: {test}\n");
        // Read and said by the last test of the workspace.
        let notes = target.join("skipped-tests.txt");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(notes)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        // Not `eprintln!`, whose output the test runner hides when a test passes.
        let _nobody_listens =
            std::io::stderr().write_all(format!("*** skipped: {text}").as_bytes());
    }
    found
}

/// A running server; it ends with this, and what it has stored goes away.
pub struct Reference {
    child: Child,
    store: PathBuf,
    pub address: SocketAddr,
}

impl Reference {
    /// Starts one; `None` where there is no program.
    pub fn start(with_jetstream: bool) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let program = program()?;
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("loadgen-test-{}-{number}", std::process::id());
        let store = env::temp_dir().join(name);
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", &address.port().to_string()]);
        if with_jetstream {
            command.arg("-js").arg("-sd").arg(&store);
        }
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "no server");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Reference {
            child,
            store,
            address,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many streams there are.
    pub fn streams(&self) -> u64 {
        let stream = TcpStream::connect(self.address).unwrap();
        (&stream)
            .write_all(b"CONNECT {}\r\nSUB i 1\r\nPUB $JS.API.INFO i 0\r\n\r\n")
            .unwrap();
        let lines = BufReader::new(stream).lines();
        let mut bodies = lines
            .map(Result::unwrap)
            .skip_while(|line| !line.starts_with("MSG "));
        let body = bodies.nth(1).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        answer["streams"].as_u64().unwrap()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.store);
    }
}
