//! Small helpers of the black-box tests.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::time::{Duration, Instant};
use trunkline_tests::harness::frame::Message;
use trunkline_tests::{Client, Frame, Received, RunningServer, ServerUnderTest};

/// Long enough for a loaded machine; only a failing test waits that long.
pub const GUARD: Duration = Duration::from_secs(40);

/// Our server runs with each of these; the reference has no such choice.
pub fn core_counts() -> Vec<usize> {
    if ServerUnderTest::builder().is_ours() {
        vec![1, 2, 4, 8]
    } else {
        vec![1]
    }
}

pub fn start_with_cores(cores: usize) -> RunningServer {
    ServerUnderTest::builder().cores(cores).start()
}

/// Polls until the condition holds; what it says is the report if it never does.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + GUARD;
    let mut last = String::new();
    while Instant::now() < deadline {
        match condition() {
            Ok(()) => return,
            Err(state) => last = state,
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} never happened; last: {last}");
}

/// The server has let go of the sockets of connections that are gone.
#[track_caller]
pub fn wait_for_descriptors(server: &RunningServer, baseline: usize) {
    wait_until("the return of the file descriptors", || {
        let open = server.open_descriptors();
        // The reference opens a few of its own now and then.
        if open <= baseline + 3 {
            Ok(())
        } else {
            Err(format!("{open} are open, {baseline} at first"))
        }
    });
}

/// The next message; skips the server's PINGs.
#[track_caller]
pub fn message(client: &mut Client) -> Message {
    loop {
        match client.frame_within(GUARD) {
            Received::Frame(Frame::Message(message)) => return message,
            Received::Frame(Frame::Ping) => client.send(b"PONG\r\n"),
            other => panic!("expected a message, got {other:?}"),
        }
    }
}

/// A message whose payload is text.
#[track_caller]
pub fn text(client: &mut Client) -> String {
    String::from_utf8(message(client).payload).unwrap()
}

/// A connection of a user who is let in.
#[track_caller]
pub fn log_in(server: &RunningServer, user: &str, password: &str) -> Client {
    let mut client = Client::greet(server.address());
    client.send(format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n"
    ));
    client.barrier();
    client
}

/// A connection that has subscribed, and knows that the server knows.
pub fn subscriber(server: &RunningServer, subscription: &str) -> Client {
    let mut client = Client::connect(server.address());
    client.send(format!("SUB {subscription}\r\n"));
    client.barrier();
    client
}

pub fn publication(subject: &str, payload: &[u8]) -> Vec<u8> {
    [
        format!("PUB {subject} {}\r\n", payload.len()).as_bytes(),
        payload,
        b"\r\n",
    ]
    .concat()
}

/// Raises this process's limit of open files as far as it goes, and says how many connections (one
/// descriptor here and one in the server) a test may use.
pub fn connections_allowed(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _stays_as_it_is = setrlimit(Resource::Nofile, limit);
    let available = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let available = usize::try_from(available).unwrap_or(usize::MAX);
    wanted.min(available.saturating_sub(300))
}

/// Closes with a reset, as a killed machine's peer would see it.
pub fn reset(client: Client) {
    let linger = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(client.stream(), linger).unwrap();
    drop(client);
}
