//! The system's log, and one on another machine (RFC 3164, in the forms that Go
//! gives it): datagrams or a stream.
//!
//! A log that does not answer must not hold the server up: writes and connects
//! are given up after [`PATIENCE`], lines meanwhile are dropped, and a
//! connection that broke is made again at most once per [`RETRY`].

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use jiff::Zoned;

use crate::program;
use trunkline_core::base::shown::quoted;

const PATIENCE: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_secs(5);
/// Where the system's log listens.
const SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];
/// Messages of daemons of this machine; those sent elsewhere say none (`kern`).
const FACILITY_DAEMON: u8 = 3 << 3;

/// Which log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SyslogAddress {
    /// That of this machine.
    Local,
    /// `udp://host:port`.
    Udp(String),
    /// `tcp://host:port`.
    Tcp(String),
    /// `unix:///path`, a stream.
    Unix(String),
}

impl std::fmt::Display for SyslogAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SyslogAddress::Local => Ok(()),
            SyslogAddress::Udp(address) => write!(formatter, "udp://{address}"),
            SyslogAddress::Tcp(address) => write!(formatter, "tcp://{address}"),
            SyslogAddress::Unix(path) => write!(formatter, "unix://{path}"),
        }
    }
}

impl std::str::FromStr for SyslogAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, address) = text.split_once("://").unwrap_or_default();
        match scheme {
            "udp" => Ok(Self::Udp(address.to_owned())),
            "tcp" => Ok(Self::Tcp(address.to_owned())),
            "unix" => Ok(Self::Unix(address.to_owned())),
            _ => Err(format!(
                "error invalid network type: {scheme}",
                scheme = quoted(&scheme)
            )),
        }
    }
}

/// How much a line matters, in the numbers of RFC 3164.
#[derive(Clone, Copy, Debug)]
pub(super) enum Severity {
    Critical = 2,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Debug = 7,
}

#[derive(Debug)]
enum Socket {
    UnixDatagram(UnixDatagram),
    Unix(UnixStream),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// A connection to a log.
#[derive(Debug)]
pub(super) struct Syslog {
    address: SyslogAddress,
    /// `None`: it broke.
    socket: Option<Socket>,
    connected: Instant,
    host: String,
}

impl Syslog {
    pub(super) fn open(address: SyslogAddress) -> io::Result<Self> {
        let socket = connect(&address)?;
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            address,
            socket: Some(socket),
            connected: Instant::now(),
            host,
        })
    }

    /// Writes a message, or drops it if nobody takes it.
    pub(super) fn write(&mut self, severity: Severity, text: &str) {
        let line = self.line(severity, text, &Zoned::now());
        for _ in 0..2 {
            if self.socket.is_none() && self.connected.elapsed() >= RETRY {
                self.connected = Instant::now();
                self.socket = connect(&self.address).ok();
            }
            let Some(socket) = &mut self.socket else {
                return;
            };
            if send(socket, line.as_bytes()).is_ok() {
                return;
            }
            self.socket = None;
        }
    }

    fn line(&self, severity: Severity, text: &str, now: &Zoned) -> String {
        let (tag, pid) = (program::name(), std::process::id());
        match self.address {
            SyslogAddress::Local | SyslogAddress::Unix(_) => {
                let facility = match self.address {
                    SyslogAddress::Local => FACILITY_DAEMON,
                    _ => 0,
                };
                let priority = facility | severity as u8;
                let moment = now.strftime("%b %e %H:%M:%S");
                format!("<{priority}>{moment} {tag}[{pid}]: {text}\n")
            }
            _ => {
                let (priority, host) = (severity as u8, &self.host);
                let moment = now.strftime("%Y-%m-%dT%H:%M:%S%:z");
                format!("<{priority}>{moment} {host} {tag}[{pid}]: {text}\n")
            }
        }
    }
}

fn connect(address: &SyslogAddress) -> io::Result<Socket> {
    match address {
        SyslogAddress::Local => {
            let missing = io::Error::other("Unix syslog delivery error");
            let mut sockets = SOCKETS.iter();
            sockets.find_map(|path| local(path).ok()).ok_or(missing)
        }
        SyslogAddress::Unix(path) => stream(path),
        SyslogAddress::Udp(address) => {
            let target = resolve(address)?;
            let any = if target.is_ipv6() {
                "[::]:0"
            } else {
                "0.0.0.0:0"
            };
            let socket = UdpSocket::bind(any)?;
            socket.connect(target)?;
            socket.set_nonblocking(true)?;
            Ok(Socket::Udp(socket))
        }
        SyslogAddress::Tcp(address) => {
            let socket = TcpStream::connect_timeout(&resolve(address)?, PATIENCE)?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(Socket::Tcp(socket))
        }
    }
}

fn local(path: &str) -> io::Result<Socket> {
    let socket = UnixDatagram::unbound()?;
    if socket.connect(path).is_ok() {
        socket.set_write_timeout(Some(PATIENCE))?;
        return Ok(Socket::UnixDatagram(socket));
    }
    stream(path)
}

fn stream(path: &str) -> io::Result<Socket> {
    let socket = UnixStream::connect(path)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(Socket::Unix(socket))
}

fn resolve(address: &str) -> io::Result<std::net::SocketAddr> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no such host");
    address.to_socket_addrs()?.next().ok_or_else(missing)
}

fn send(socket: &mut Socket, line: &[u8]) -> io::Result<()> {
    match socket {
        Socket::UnixDatagram(socket) => socket.send(line).map(drop),
        Socket::Unix(socket) => socket.write_all(line),
        Socket::Udp(socket) => socket.send(line).map(drop),
        Socket::Tcp(socket) => socket.write_all(line),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn moment() -> Zoned {
        "2026-11-02T20:44:09.922942+01:00[+01:00]".parse().unwrap()
    }

    #[test]
    fn lines_have_the_forms_of_go() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = format!("udp://{}", socket.local_addr().unwrap());
        let mut log = Syslog::open(address.parse().unwrap()).unwrap();
        log.host = "here".into();
        let (tag, pid) = (program::name(), std::process::id());
        let remote = log.line(Severity::Notice, "text", &moment());
        let expected = format!("<5>2026-11-02T20:44:09+01:00 here {tag}[{pid}]: text\n");
        assert_eq!(remote, expected);
        log.address = SyslogAddress::Local;
        let local = log.line(Severity::Warning, "text", &moment());
        assert_eq!(local, format!("<28>Nov  2 20:44:09 {tag}[{pid}]: text\n"));
    }

    #[test]
    fn addresses_name_their_network() {
        let unix = "unix:///tmp/log".parse();
        assert_eq!(unix, Ok(SyslogAddress::Unix("/tmp/log".to_owned())));
        let wrong = "http://a:1".parse::<SyslogAddress>();
        assert_eq!(
            wrong,
            Err("error invalid network type: \"http\"".to_owned())
        );
        assert!("localhost:514".parse::<SyslogAddress>().is_err());
    }

    #[test]
    fn a_log_that_has_gone_costs_lines_only() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let mut log = Syslog::open(address.parse().unwrap()).unwrap();
        drop(listener);
        let begin = Instant::now();
        for _ in 0..1000 {
            log.write(Severity::Notice, "nobody hears this");
        }
        assert!(log.socket.is_none() && begin.elapsed() < Duration::from_secs(5));
    }
}
