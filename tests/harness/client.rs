//! A raw TCP client: sends bytes as given, reads exact bytes, frames or the end of the stream.
//!
//! Every read has one long timeout as a guard against hanging; reaching it is a test failure (or, for
//! [`Client::frame_within`], an answer). Write errors are remembered and not raised: when a server
//! closes a connection, the interesting thing is what it said before.

use super::frame::Frame;
use super::sockets;
use super::text::show_short;
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; only a hang ever reaches it.
pub const HANG_GUARD: Duration = Duration::from_secs(40);

/// What a bounded read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Frame(Frame),
    /// The server closed the connection (cleanly or by reset).
    Closed,
    /// Nothing within the given time.
    Silence,
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    /// Bytes received and not yet consumed.
    buffer: Vec<u8>,
    closed: bool,
}

impl Client {
    /// Connects and leaves the greeting unread.
    pub fn open(address: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&address, HANG_GUARD)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Client::from_stream(stream)
    }

    /// As [`Client::open`], with a receive buffer that takes all that a server may say before it
    /// closes. Writing to a closed connection brings a reset, and a reset destroys what the server's
    /// kernel could not hand over yet.
    pub fn open_wide(address: SocketAddr) -> Client {
        let stream = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        sockopt::set_socket_recv_buffer_size(&stream, 8 << 20).expect("a receive buffer");
        connect(&stream, &address)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Client::from_stream(TcpStream::from(stream))
    }

    /// Wraps a stream that the test made itself (with its own socket options).
    pub fn from_stream(stream: TcpStream) -> Client {
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        Client {
            stream,
            buffer: Vec::new(),
            closed: false,
        }
    }

    /// Connects and reads the greeting.
    pub fn greet(address: SocketAddr) -> Client {
        let mut client = Client::open(address);
        let line = client.line();
        assert!(
            line.starts_with(b"INFO {"),
            "the greeting is an INFO, not {}",
            show_short(&line)
        );
        client
    }

    /// Connects, sends a terse `CONNECT` and waits until it is processed.
    pub fn connect(address: SocketAddr) -> Client {
        let mut client = Client::greet(address);
        client.send(
            br#"CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}"#,
        );
        client.send(b"\r\n");
        client.barrier();
        client
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed_by_peer = self.stream.write_all(bytes.as_ref());
    }

    /// Sends, and tells whether the kernel took all of it.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends and returns when the server's kernel has handed every byte to the server.
    pub fn send_and_wait_until_read(&mut self, bytes: &[u8]) {
        self.send(bytes);
        sockets::wait_until_read(&self.stream);
    }

    /// Reads more into the buffer; false at the end of the stream; `None` after `limit`.
    fn fill(&mut self, limit: Duration) -> Option<bool> {
        if self.closed {
            return Some(false);
        }
        let limit = limit.max(Duration::from_millis(1));
        self.stream
            .set_read_timeout(Some(limit))
            .expect("a timeout above zero");
        let mut chunk = [0u8; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.closed = true,
            Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return None,
                ErrorKind::Interrupted => {}
                // A reset after the last bytes is how a close with unread input looks.
                _ => self.closed = true,
            },
        }
        Some(!self.closed)
    }

    fn fill_or_panic(&mut self, wanted: &str) -> bool {
        self.fill(HANG_GUARD).unwrap_or_else(|| {
            panic!(
                "no {wanted} after {HANG_GUARD:?}; unconsumed: {}",
                show_short(&self.buffer)
            )
        })
    }

    /// Up to `length` bytes; fewer only when the server closed first.
    pub fn up_to(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.fill_or_panic("further bytes") {}
        let taken = length.min(self.buffer.len());
        self.buffer.drain(..taken).collect()
    }

    /// As [`Client::up_to`], but gives up after `limit` with what there is.
    pub fn up_to_within(&mut self, length: usize, limit: Duration) -> Vec<u8> {
        let deadline = Instant::now() + limit;
        while self.buffer.len() < length {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.fill(left) == Some(false) {
                break;
            }
        }
        let taken = length.min(self.buffer.len());
        self.buffer.drain(..taken).collect()
    }

    /// True once the end of the stream was read.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// A line with its ending; what there is when the server closes or `limit` passes.
    pub fn line_within(&mut self, limit: Duration) -> Vec<u8> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                return self.buffer.drain(..=end).collect();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.fill(left) == Some(false) {
                return std::mem::take(&mut self.buffer);
            }
        }
    }

    /// A line with its ending; shorter at the end of the stream.
    pub fn line(&mut self) -> Vec<u8> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                return self.buffer.drain(..=end).collect();
            }
            if !self.fill_or_panic("line") {
                return std::mem::take(&mut self.buffer);
            }
        }
    }

    /// The next frame or the end; never silence.
    pub fn frame(&mut self) -> Received {
        match self.frame_within(HANG_GUARD) {
            Received::Silence => panic!(
                "no frame after {HANG_GUARD:?}; unconsumed: {}",
                show_short(&self.buffer)
            ),
            received => received,
        }
    }

    /// The next frame, the end, or silence for `limit`.
    pub fn frame_within(&mut self, limit: Duration) -> Received {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return Received::Frame(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.fill(left) {
                Some(true) => {}
                Some(false) if self.buffer.is_empty() => return Received::Closed,
                Some(false) => {
                    let cut_off = std::mem::take(&mut self.buffer);
                    return Received::Frame(Frame::Unknown(cut_off));
                }
                None => return Received::Silence,
            }
        }
    }

    /// Exactly these bytes must come next.
    #[track_caller]
    pub fn expect(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        let got = self.up_to(wanted.len());
        assert!(
            got == wanted,
            "expected {}\n     got {}",
            show_short(wanted),
            show_short(&got)
        );
    }

    /// Everything up to the `PONG` that answers a `PING` sent now, without server `PING`s. Only for
    /// connections that have no other `PING` under way.
    #[track_caller]
    pub fn barrier(&mut self) -> Vec<Frame> {
        self.send(b"PING\r\n");
        self.until_pong()
    }

    /// The frames before the next `PONG`.
    #[track_caller]
    pub fn until_pong(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            match self.frame() {
                Received::Frame(Frame::Pong) => return frames,
                Received::Frame(Frame::Ping) => self.send(b"PONG\r\n"),
                Received::Frame(frame) => frames.push(frame),
                Received::Closed | Received::Silence => {
                    panic!("the server closed before the PONG, after {frames:?}")
                }
            }
        }
    }

    /// The number of messages that arrive before a `PONG`.
    #[track_caller]
    pub fn messages_until_barrier(&mut self) -> usize {
        self.barrier()
            .iter()
            .filter(|frame| matches!(frame, Frame::Message(_)))
            .count()
    }

    /// Nothing but the end of the stream may follow.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        while self.fill_or_panic("end of the stream") {
            assert!(
                self.buffer.is_empty(),
                "expected the end of the stream, got {}",
                show_short(&self.buffer)
            );
        }
        assert!(
            self.buffer.is_empty(),
            "expected the end of the stream, got {}",
            show_short(&self.buffer)
        );
    }

    /// Reads and throws away until the end of the stream; the number of bytes.
    pub fn drain_to_end(&mut self) -> usize {
        self.drain_with_tail(0).0
    }

    /// As [`Client::drain_to_end`], and the last bytes of it.
    pub fn drain_with_tail(&mut self, keep: usize) -> (usize, Vec<u8>) {
        let mut thrown_away = 0;
        while self.fill_or_panic("end of the stream") {
            let surplus = self.buffer.len().saturating_sub(keep);
            self.buffer.drain(..surplus);
            thrown_away += surplus;
        }
        let tail = std::mem::take(&mut self.buffer);
        (thrown_away + tail.len(), tail)
    }

    /// Says goodbye and waits until the server has closed too, so that it has forgotten this
    /// connection when the next one is used.
    pub fn finish(mut self) {
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            while self.fill(Duration::from_secs(5)) == Some(true) {
                self.buffer.clear();
            }
        }
    }
}
