//! What the service manager hears (sd_notify(3)): the tests are the manager, with a datagram socket
//! of their own. The reference knows nothing of it.

use crate::support::GUARD;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use trunkline_tests::{Client, RunningServer, ServerBuilder, ServerUnderTest};

/// The manager's end.
struct Manager {
    socket: UnixDatagram,
    /// The value of NOTIFY_SOCKET.
    name: String,
    place: PathBuf,
}

impl Manager {
    fn new(test: &str) -> Self {
        let place = std::env::temp_dir().join(format!("notify-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let path = place.join("manager");
        let socket = UnixDatagram::bind(&path).unwrap();
        let name = path.to_str().unwrap().to_owned();
        Self {
            socket,
            name,
            place,
        }
    }

    fn abstractly(test: &str) -> Self {
        let mut manager = Self::new(test);
        let name = format!("trunkline-{test}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        manager.socket = UnixDatagram::bind_addr(&address).unwrap();
        manager.name = format!("@{name}");
        manager
    }

    /// A server that knows this manager and reads a configuration file.
    fn server(&self, config: &str) -> ServerBuilder {
        let file = self.write(config);
        ServerUnderTest::builder()
            .arguments(&["-c", &file])
            .environment("NOTIFY_SOCKET", &self.name)
    }

    fn write(&self, config: &str) -> String {
        let path = self.place.join("server.conf");
        std::fs::write(&path, config).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn hear_within(&self, limit: Duration) -> Option<Message> {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = [0; 4096];
        let len = self.socket.recv(&mut bytes).ok()?;
        let text = std::str::from_utf8(&bytes[..len]).unwrap();
        Some(Message(text.lines().map(str::to_owned).collect()))
    }

    /// The next message, which must be this one.
    #[track_caller]
    fn expect(&self, line: &str) -> Message {
        let message = self.hear_within(GUARD).expect("a message");
        assert_eq!(message.0[0], line, "{message:?}");
        message
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _may_be_gone = std::fs::remove_dir_all(&self.place);
    }
}

#[derive(Debug)]
struct Message(Vec<String>);

impl Message {
    #[track_caller]
    fn value(&self, name: &str) -> &str {
        let lines = self.0.iter();
        let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values.next().unwrap_or_else(|| panic!("{name}: {self:?}"))
    }
}

fn is_ours() -> bool {
    let is_ours = ServerUnderTest::builder().is_ours();
    if !is_ours {
        eprintln!("skipped: the reference does not notify");
    }
    is_ours
}

fn now_usec() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[test]
fn start_reload_and_end_are_told() {
    if !is_ours() {
        return;
    }
    let manager = Manager::new("life");
    let server = manager.server("max_payload: 1000").start();
    let ready = manager.expect("READY=1");
    assert_eq!(ready.value("MAINPID"), server.pid().to_string());
    assert!(ready.value("STATUS").starts_with("Serving clients on "));
    Client::connect(server.address());

    let reload = |config: &str| {
        manager.write(config);
        let before = now_usec();
        server.signal(Signal::HUP);
        let reloading = manager.expect("RELOADING=1");
        let at: i64 = reloading.value("MONOTONIC_USEC").parse().unwrap();
        assert!((before..=now_usec()).contains(&at), "{before} {at}");
        manager.expect("READY=1").value("STATUS").to_owned()
    };
    let status = reload("max_payload: 2000");
    assert!(status.contains("reloaded"), "{status}");
    let status = reload("max_payload: 2000\nnonsense: 1");
    assert!(status.contains("reload failed") && status.contains("nonsense"));

    server.signal(Signal::TERM);
    manager.expect("STOPPING=1");
    assert_eq!(server.wait_for_end().status.code(), Some(0));
    assert!(manager.hear_within(Duration::from_millis(1)).is_none());
}

#[test]
fn a_reload_without_a_file_ends_too() {
    if !is_ours() {
        return;
    }
    let manager = Manager::new("fileless");
    let server = ServerUnderTest::builder()
        .environment("NOTIFY_SOCKET", &manager.name)
        .start();
    manager.expect("READY=1");
    server.signal(Signal::HUP);
    manager.expect("RELOADING=1");
    manager.expect("READY=1");
}

#[test]
fn a_lame_duck_says_how_long_it_may_take() {
    if !is_ours() {
        return;
    }
    let manager = Manager::abstractly("duck");
    let config = "lame_duck_duration: \"300s\"\nlame_duck_grace_period: \"299s\"";
    let server = manager.server(config).start();
    manager.expect("READY=1");
    let mut client = Client::connect(server.address());
    server.signal(Signal::USR2);
    let stopping = manager.expect("STOPPING=1");
    let patience: u64 = stopping.value("EXTEND_TIMEOUT_USEC").parse().unwrap();
    assert!((300_000_001..400_000_000).contains(&patience), "{patience}");
    assert!(stopping.value("STATUS").contains("Lame duck"));
    server.signal(Signal::INT);
    manager.expect("STOPPING=1");
    client.drain_to_end();
    assert_eq!(server.wait_for_end().status.code(), Some(0));
}

#[test]
fn the_manager_is_nobody_elses_business() {
    if !is_ours() {
        return;
    }
    let manager = Manager::new("secret");
    let finished = manager.server("server_name: $NOTIFY_SOCKET").run_to_end();
    assert_ne!(finished.status.code(), Some(0));
    assert!(finished.stderr.contains("NOTIFY_SOCKET"));
    assert!(!finished.stderr.contains(&manager.name));
    // It is not a matter of the name.
    let other = ServerUnderTest::builder()
        .config("server_name: $NOTIFY_SOCKETS")
        .environment("NOTIFY_SOCKETS", "visible")
        .start();
    let info = Client::open(other.address()).line();
    assert!(String::from_utf8(info).unwrap().contains("visible"));
}

#[test]
fn a_manager_that_is_not_there_is_named_and_not_needed() {
    if !is_ours() {
        return;
    }
    for name in ["/nonexistent/manager", "vsock:2:1234"] {
        let server = ServerUnderTest::builder()
            .environment("NOTIFY_SOCKET", name)
            .start();
        let line = server.wait_for_log("Cannot notify the service manager");
        assert!(line.contains(name), "{line}");
        Client::connect(server.address());
    }
}

/// What the manager hears of the watchdog in this time.
fn signs_of_life(manager: &Manager, time: Duration) -> usize {
    let end = Instant::now() + time;
    let mut count = 0;
    while let Some(left) = end.checked_duration_since(Instant::now())
        && !left.is_zero()
    {
        if let Some(message) = manager.hear_within(left) {
            assert_eq!(message.0, ["WATCHDOG=1"]);
            count += 1;
        }
    }
    count
}

/// The thread of a core: the first of its name, later ones are helpers that the executor started.
fn thread(server: &RunningServer, core: usize) -> Pid {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let prefix = format!("core-{core}-");
    let own = tasks.flatten().filter(|task| {
        let name = std::fs::read_to_string(task.path().join("comm"));
        name.is_ok_and(|name| name.starts_with(&prefix))
    });
    let numbers = own.map(|task| task.file_name().to_str().unwrap().parse().unwrap());
    Pid::from_raw(numbers.min().expect("a thread of the core"))
}

/// A thread that is held; it goes on when this goes. A held thread would also keep its process from
/// being reaped, and so a failing test from ending.
struct Held(Pid);

impl Held {
    fn new(thread: Pid) -> Self {
        ptrace::attach(thread).unwrap();
        let held = Self(thread);
        let stopped = waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
        held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _may_be_gone = ptrace::detach(self.0, None);
    }
}

#[test]
fn a_core_that_hangs_is_not_reported_alive() {
    const PERIOD: Duration = Duration::from_secs(1);
    if !is_ours() {
        return;
    }
    let manager = Manager::new("watchdog");
    let server = ServerUnderTest::builder()
        .cores(3)
        .environment("NOTIFY_SOCKET", &manager.name)
        .environment("WATCHDOG_USEC", &PERIOD.as_micros().to_string())
        .start();
    manager.expect("READY=1");
    for _ in 0..3 {
        manager.expect("WATCHDOG=1");
    }
    for core in [0, 2] {
        let hung = Held::new(thread(&server, core));
        // One sign may have been under way.
        assert!(signs_of_life(&manager, PERIOD) <= 1, "core {core}");
        assert_eq!(signs_of_life(&manager, PERIOD * 2), 0, "core {core}");
        server.wait_for_log(&format!("for want of turns of core {core}"));
        drop(hung);
        manager.expect("WATCHDOG=1");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_end().status.code(), Some(0));
}

#[test]
fn nobody_watches_without_being_asked() {
    if !is_ours() {
        return;
    }
    let manager = Manager::new("unwatched");
    // For another process, as the shell that a server was started from.
    let server = ServerUnderTest::builder()
        .environment("NOTIFY_SOCKET", &manager.name)
        .environment("WATCHDOG_USEC", "100000")
        .environment("WATCHDOG_PID", "1")
        .start();
    manager.expect("READY=1");
    assert_eq!(signs_of_life(&manager, Duration::from_millis(500)), 0);
    assert!(server.is_alive());
}
