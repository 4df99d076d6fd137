//! One connection to the server: handshake while blocking, then non-blocking sends and receives for the epoll loop.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::wire::encode::{self, Credentials};
use crate::wire::info::{self, ServerInfo};
use crate::wire::scan::{LINE_BYTES_MAX, WireError};

/// How long the server may take for each step of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections whose handshakes are under way at once; below the usual listen backlog.
const HANDSHAKES_AT_ONCE: usize = 100;
/// What one receive asks for. Large enough that syscalls do not matter, small enough to stay in the cache.
pub const RECEIVE_BYTES: usize = 256 * 1024;

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct Target {
    /// Server address.
    pub address: SocketAddr,
    /// Credentials for CONNECT.
    pub credentials: Credentials,
}

/// A connection that has finished its handshake.
pub struct Connection {
    stream: TcpStream,
    /// Received bytes that are not yet a whole line or message.
    carry: Vec<u8>,
    /// Bytes to be sent before anything else: PONG, PING, requests, replies.
    pub control: Vec<u8>,
    /// The kernel has taken all we gave it; false after it refused, until epoll reports room.
    pub writable: bool,
    /// There may be bytes to receive; false after a short read, until epoll reports more.
    pub readable: bool,
    /// The server has not closed it and nothing has failed.
    pub open: bool,
}

/// What one receive brought.
pub enum Received {
    /// Some bytes.
    Bytes,
    /// Nothing there.
    Nothing,
    /// The server closed the connection.
    Closed,
}

impl Connection {
    /// Sends as much as the kernel takes; 0 when it takes nothing now.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes) {
            Ok(sent) => {
                self.writable = sent == bytes.len();
                Ok(sent)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Sends the control bytes; true when all are gone.
    pub fn flush_control(&mut self) -> io::Result<bool> {
        if self.control.is_empty() {
            return Ok(true);
        }
        let control = std::mem::take(&mut self.control);
        let sent = self.send(&control);
        self.control = control;
        self.control.drain(..sent?);
        Ok(self.control.is_empty())
    }

    /// Receives once into `scratch` (which is shared by all connections of a thread) and gives the bytes, behind what
    /// was left over last time, to `scan`; what that does not consume is kept.
    pub fn receive(
        &mut self,
        scratch: &mut Vec<u8>,
        scan: impl FnOnce(&[u8]) -> Result<usize, WireError>,
    ) -> io::Result<Received> {
        let kept = self.carry.len();
        if scratch.len() < kept + RECEIVE_BYTES {
            scratch.resize(kept + RECEIVE_BYTES, 0);
        }
        let count = match self.stream.read(&mut scratch[kept..kept + RECEIVE_BYTES]) {
            Ok(0) => return Ok(Received::Closed),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(Received::Nothing);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Received::Nothing),
            Err(error) => return Err(error),
        };
        scratch[..kept].copy_from_slice(&self.carry);
        let filled = &scratch[..kept + count];
        let used = scan(filled)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
        self.carry.clear();
        self.carry.extend_from_slice(&filled[used..]);
        // A short read means the socket is drained: epoll (edge-triggered) will tell when there is more.
        self.readable = count == RECEIVE_BYTES;
        Ok(Received::Bytes)
    }

    /// Sends `bytes` and a PING while blocking, and waits for the PONG: then the server has taken all of it. Only for
    /// setting up, before messages flow.
    pub fn barrier(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut stream = &self.stream;
        let blocking = |on: bool| {
            stream
                .set_nonblocking(!on)
                .map_err(|error| format!("cannot change a socket: {error}"))
        };
        blocking(true)?;
        let sent = stream
            .write_all(bytes)
            .and_then(|()| stream.write_all(b"PING\r\n"));
        sent.map_err(|error| format!("the server takes no subscriptions: {error}"))?;
        let stream = self
            .stream
            .try_clone()
            .map_err(|error| format!("cannot clone a socket: {error}"))?;
        let address = stream
            .peer_addr()
            .map_err(|error| format!("the server is gone: {error}"))?;
        let mut lines = Handshake {
            stream,
            address,
            received: std::mem::take(&mut self.carry),
        };
        lines.wait_for_pong()?;
        self.carry = lines.received;
        blocking(false)
    }

    /// The socket, for epoll.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

/// Opens `count` connections named `name`, each past CONNECT and a first PING/PONG, and returns the server's INFO too.
pub fn connect_all(
    target: &Target,
    name: &str,
    count: usize,
) -> Result<(Vec<Connection>, ServerInfo), String> {
    let mut connections = Vec::with_capacity(count);
    let mut server = ServerInfo::default();
    while connections.len() < count {
        let window = HANDSHAKES_AT_ONCE.min(count - connections.len());
        // Step by step over the whole window, so that the server works on many while we wait for one.
        let mut opening = Vec::with_capacity(window);
        for _ in 0..window {
            opening.push(Handshake::open(target)?);
        }
        for handshake in &mut opening {
            server = handshake.greet(target, name)?;
        }
        for handshake in opening {
            connections.push(handshake.finish()?);
        }
    }
    Ok((connections, server))
}

struct Handshake {
    stream: TcpStream,
    address: SocketAddr,
    received: Vec<u8>,
}

impl Handshake {
    fn open(target: &Target) -> Result<Self, String> {
        let address = target.address;
        let stream = TcpStream::connect_timeout(&address, HANDSHAKE_TIMEOUT).map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::MFILE.raw_os_error() => {
                format!("cannot open another connection: out of file descriptors ({error}); raise `ulimit -n`")
            }
            _ => format!("cannot connect to {address}: is the server running? ({error})"),
        })?;
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT)))
            .and_then(|()| stream.set_write_timeout(Some(HANDSHAKE_TIMEOUT)));
        prepared.map_err(|error| format!("cannot set up a socket: {error}"))?;
        Ok(Handshake {
            stream,
            address,
            received: Vec::new(),
        })
    }

    fn greet(&mut self, target: &Target, name: &str) -> Result<ServerInfo, String> {
        let line = self.line("INFO")?;
        let address = self.address;
        let info = info::parse(&line).ok_or_else(|| {
            format!(
                "{address} is not a NATS server: it began with {:?}",
                String::from_utf8_lossy(&line)
            )
        })?;
        if info.tls_required {
            return Err(format!(
                "{address} requires TLS, which this load generator does not speak"
            ));
        }
        let has_credentials =
            target.credentials.user.is_some() || target.credentials.token.is_some();
        if info.auth_required && !has_credentials {
            return Err(format!(
                "{address} requires credentials; give --user and --password, or --token"
            ));
        }
        let mut out = Vec::new();
        encode::connect(&mut out, name, &target.credentials);
        out.extend_from_slice(b"PING\r\n");
        self.stream
            .write_all(&out)
            .map_err(|error| format!("{address} closed during CONNECT: {error}"))?;
        Ok(info)
    }

    /// Reads until PONG; `-ERR` on the way is an error.
    fn wait_for_pong(&mut self) -> Result<(), String> {
        loop {
            let line = self.line("PONG")?;
            match line.as_slice() {
                b"PONG" => return Ok(()),
                b"PING" => self
                    .stream
                    .write_all(b"PONG\r\n")
                    .map_err(|error| error.to_string())?,
                other if other.starts_with(b"-ERR") => {
                    return Err(format!(
                        "{} refused us: {}",
                        self.address,
                        String::from_utf8_lossy(other)
                    ));
                }
                // INFO again, +OK
                _ => {}
            }
        }
    }

    fn finish(mut self) -> Result<Connection, String> {
        self.wait_for_pong()?;
        self.stream
            .set_nonblocking(true)
            .map_err(|error| format!("cannot make a socket non-blocking: {error}"))?;
        Ok(Connection {
            stream: self.stream,
            carry: self.received,
            control: Vec::new(),
            writable: true,
            readable: true,
            open: true,
        })
    }

    /// Next line, without its end.
    fn line(&mut self, waiting_for: &str) -> Result<Vec<u8>, String> {
        let address = self.address;
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.received) {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(line.trim_ascii_end().to_vec());
            }
            if self.received.len() > LINE_BYTES_MAX {
                return Err(format!(
                    "{address} is not a NATS server: it sends a line without end"
                ));
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    return Err(format!(
                        "{address} closed the connection while we waited for {waiting_for}"
                    ));
                }
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) => return Err(format!("no {waiting_for} from {address}: {error}")),
            }
        }
    }
}
