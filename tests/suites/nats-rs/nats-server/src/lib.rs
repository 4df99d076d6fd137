//! Servers for the tests of the Rust client: what its own helper of this name offers, started from
//! the program `nats-server` on the PATH.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine.
const START_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A running server; it ends with this value.
pub struct Server {
    child: Child,
    place: PathBuf,
    arguments: Vec<String>,
    port: u16,
    has_tls: bool,
}

/// Servers that know each other.
pub struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    /// How to connect to one of them.
    pub fn client_url(&self) -> String {
        self.servers[0].client_url()
    }
}

impl Server {
    fn start(port: &str, config: &str, more: &[String]) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("suite-{}-{number}", std::process::id());
        let place = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&place).expect("a place for the server");
        let file = |name: &str| place.join(name).display().to_string();
        let mut arguments = vec![
            "--store_dir".to_owned(),
            file("store"),
            "-p".to_owned(),
            port.to_owned(),
            "-l".to_owned(),
            file("log"),
            "-P".to_owned(),
            file("pid"),
        ];
        if !config.is_empty() {
            arguments.extend(["-c".to_owned(), config.to_owned()]);
        }
        arguments.extend_from_slice(more);
        let child = spawn(&arguments);
        let mut server = Self {
            child,
            place,
            arguments,
            port: 0,
            has_tls: false,
        };
        server.wait_until_ready();
        server
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("log")).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) {
        let begin = Instant::now();
        loop {
            let log = self.log();
            if log.contains("Server is ready") {
                let line = log.lines().rfind(|line| line.contains("client connections on"));
                let port = line.and_then(|line| line.rsplit(':').next());
                let port = port.and_then(|port| port.trim().parse().ok());
                self.port = port.expect("a port for clients in the log");
                self.has_tls = self.info().contains("\"tls_required\":true");
                return;
            }
            let has_ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if has_ended || begin.elapsed() > START_MAX {
                panic!("the server did not start: {:?}\n{log}", self.arguments);
            }
            sleep(POLL);
        }
    }

    /// The first line; nothing where TLS goes first.
    fn info(&self) -> String {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return String::new();
        };
        let _set = stream.set_read_timeout(Some(Duration::from_millis(300)));
        let mut line = String::new();
        let _read = BufReader::new(stream).read_line(&mut line);
        line
    }

    /// How to connect.
    pub fn client_url(&self) -> String {
        let scheme = if self.has_tls { "tls" } else { "nats" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// The port for clients.
    pub fn client_port(&self) -> u16 {
        self.port
    }

    /// Kills the server and starts it again at the same place.
    pub fn restart(&mut self) {
        self.stop();
        if let Some(at) = self.arguments.iter().position(|argument| argument == "-p") {
            self.arguments[at + 1] = self.port.to_string();
        }
        let _removed = std::fs::remove_file(self.place.join("log"));
        self.child = spawn(&self.arguments);
        self.wait_until_ready();
    }

    fn stop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _removed = std::fs::remove_dir_all(&self.place);
    }
}

fn spawn(arguments: &[String]) -> Child {
    Command::new("nats-server")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server is on the PATH")
}

/// A server without a configuration.
pub fn run_basic_server() -> Server {
    Server::start("-1", "", &[])
}

/// A server with a configuration, at a free port.
pub fn run_server(config: &str) -> Server {
    Server::start("-1", config, &[])
}

/// A server with a configuration, at this port.
pub fn run_server_with_port(config: &str, port: Option<&str>) -> Server {
    Server::start(port.unwrap_or("-1"), config, &[])
}

/// Three servers.
pub fn run_cluster<'a>(config: impl Into<Option<&'a str>>) -> Cluster {
    let config = config.into().unwrap_or_default();
    let free = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let ports: Vec<u16> = (0..3).map(|_| free()).collect();
    let start = |(at, port): (usize, &u16)| {
        let others = ports.iter().filter(|other| *other != port);
        let routes: Vec<String> = others
            .map(|other| format!("nats://127.0.0.1:{other}"))
            .collect();
        let more = [
            "--routes".to_owned(),
            routes.join(","),
            "--cluster".to_owned(),
            format!("nats://127.0.0.1:{port}"),
            "--cluster_name".to_owned(),
            "suite".to_owned(),
            "-n".to_owned(),
            format!("node{at}"),
        ];
        Server::start("-1", config, &more)
    };
    Cluster {
        servers: ports.iter().enumerate().map(start).collect(),
    }
}

/// Sends a server away.
pub fn set_lame_duck_mode(server: &Server) {
    let signal = format!("ldm={}", pid(&server.place.join("pid")));
    let status = Command::new("nats-server")
        .args(["--signal", &signal])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{signal}");
}

fn pid(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a pid file")
}
