//! From connecting to the first PONG, while blocking: TCP, TLS, the WebSocket upgrade, INFO, CONNECT.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::net::frames::Frames;
use crate::net::layers::Layers;
use crate::net::scratch::Scratch;
use crate::net::target::Target;
use crate::net::tls::{Tls, TlsSettings};
use crate::net::tls_fault;
use crate::net::upgrade::{Upgrade, UpgradeSettings};
use crate::wire::encode;
use crate::wire::info::{self, ServerInfo};
use crate::wire::scan::LINE_BYTES_MAX;

/// How long the server may take for each step.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is used line by line, while blocking.
pub struct Handshake {
    stream: TcpStream,
    address: SocketAddr,
    layers: Option<Box<Layers>>,
    received: Vec<u8>,
}

/// An open connection in parts.
pub struct Parts {
    /// The socket.
    pub stream: TcpStream,
    /// Its layers.
    pub layers: Option<Box<Layers>>,
    /// Bytes that have been received and not looked at.
    pub received: Vec<u8>,
}

impl Handshake {
    /// Connects, and starts what comes before INFO.
    pub fn open(target: &Target) -> Result<Self, String> {
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
            layers: None,
            received: Vec::new(),
        })
    }

    /// Goes on with a connection that was non-blocking meanwhile.
    pub fn resume(
        stream: TcpStream,
        layers: Option<Box<Layers>>,
        received: Vec<u8>,
    ) -> Result<Self, String> {
        stream
            .set_nonblocking(false)
            .map_err(|error| format!("cannot change a socket: {error}"))?;
        let address = stream
            .peer_addr()
            .map_err(|error| format!("the server is gone: {error}"))?;
        Ok(Handshake {
            stream,
            address,
            layers,
            received,
        })
    }

    /// What is left when it is over; the socket is non-blocking now.
    pub fn into_parts(self) -> Result<Parts, String> {
        self.stream
            .set_nonblocking(true)
            .map_err(|error| format!("cannot make a socket non-blocking: {error}"))?;
        Ok(Parts {
            stream: self.stream,
            layers: self.layers,
            received: self.received,
        })
    }

    /// Up to CONNECT and PING; the PONG is still to come.
    pub fn greet(&mut self, target: &Target, name: &str) -> Result<ServerInfo, String> {
        let first = target.upgrade.is_some() || target.tls.as_ref().is_some_and(|tls| tls.first);
        if let (Some(tls), true) = (&target.tls, first) {
            self.start_tls(tls)?;
        }
        if let Some(upgrade) = &target.upgrade {
            self.upgrade(upgrade)?;
        }
        let info = self.info(target.tls.is_some() && first)?;
        match &target.tls {
            Some(tls) if !first => {
                if !info.tls_required && !info.tls_available {
                    return Err(format!("{} does not offer TLS", self.address));
                }
                self.start_tls(tls)?;
            }
            None if info.tls_required && target.upgrade.is_none() => {
                return Err(format!("{} requires TLS; give --tls", self.address));
            }
            _ => {}
        }
        if info.auth_required && !target.credentials.are_given() {
            return Err(format!(
                "{} requires credentials; give --user and --password, --token or --nkey-seed",
                self.address
            ));
        }
        let mut out = Vec::new();
        let hello = encode::Hello {
            name,
            credentials: &target.credentials,
            nonce: &info.nonce,
            secure: target.tls.is_some(),
            echo: target.echo,
        };
        encode::connect(&mut out, &hello)?;
        out.extend_from_slice(b"PING\r\n");
        self.send(&out)?;
        Ok(info)
    }

    fn info(&mut self, after_tls: bool) -> Result<ServerInfo, String> {
        let line = self.line("INFO")?;
        info::parse(&line).ok_or_else(|| {
            let hint = match line.first() {
                Some(0x15 | 0x16) if !after_tls => "; it speaks TLS first: give --tls-first",
                _ if line.starts_with(b"HTTP/") => "; it speaks HTTP: give --ws, or another port",
                _ => "",
            };
            format!(
                "{} is not a NATS server: it began with \"{}\"{hint}",
                self.address,
                line[..line.len().min(100)].escape_ascii()
            )
        })
    }

    fn start_tls(&mut self, settings: &TlsSettings) -> Result<(), String> {
        let mut out = Vec::new();
        let tls = Tls::start(settings, &mut out).map_err(|error| tls_fault::in_words(&error))?;
        self.write(&out)?;
        self.layers = Some(Box::new(Layers::new(Some(tls), None)));
        let handshaking = |layers: &Option<Box<Layers>>| {
            let tls = layers.as_ref().and_then(|layers| layers.tls.as_ref());
            tls.is_some_and(|tls| tls.handshaking)
        };
        while handshaking(&self.layers) {
            self.read_more("the TLS handshake")?;
        }
        Ok(())
    }

    fn upgrade(&mut self, settings: &UpgradeSettings) -> Result<(), String> {
        let mut request = Vec::new();
        let upgrade = Upgrade::start(settings, &mut request);
        self.send(&request)?;
        while !upgrade
            .finish(&mut self.received)
            .map_err(|text| format!("{}: {text}", self.address))?
        {
            self.read_more("the answer to the WebSocket upgrade")?;
        }
        let mut frames = Frames::new(settings.compress, crate::clock::now_ns());
        let early = std::mem::take(&mut self.received);
        let (mut answers, mut out) = (Vec::new(), Vec::new());
        frames.unwrap(&early, &mut self.received, &mut answers)?;
        let layers = self
            .layers
            .get_or_insert_with(|| Box::new(Layers::new(None, None)));
        layers.frames = Some(frames);
        layers.seal(&answers, &mut out)?;
        self.write(&out)
    }

    /// Sends all of `bytes`, through the layers.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(layers) = &mut self.layers else {
            return self.write(bytes);
        };
        let mut out = Vec::new();
        layers
            .wrap(bytes, &mut out)
            .map_err(|error| format!("{}: {error}", self.address))?;
        self.write(&out)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream
            .write_all(bytes)
            .map_err(|error| format!("{} takes nothing from us: {error}", self.address))
    }

    /// Reads until PONG; `-ERR` on the way is an error.
    pub fn wait_for_pong(&mut self) -> Result<(), String> {
        loop {
            let line = self.line("PONG")?;
            match line.as_slice() {
                b"PONG" => return Ok(()),
                b"PING" => self.send(b"PONG\r\n")?,
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

    /// Next line, without its end.
    fn line(&mut self, waiting_for: &str) -> Result<Vec<u8>, String> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.received) {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(line.trim_ascii_end().to_vec());
            }
            if self.received.len() > LINE_BYTES_MAX {
                return Err(format!(
                    "{} is not a NATS server: it sends a line without end",
                    self.address
                ));
            }
            self.read_more(waiting_for)?;
        }
    }

    /// Receives something, or says why not.
    fn read_more(&mut self, waiting_for: &str) -> Result<(), String> {
        let address = self.address;
        let mut out = Vec::new();
        let count = match &mut self.layers {
            None => {
                let mut chunk = [0; 4096];
                self.stream.read(&mut chunk).inspect(|count| {
                    self.received.extend_from_slice(&chunk[..*count]);
                })
            }
            Some(layers) => READ.with_borrow_mut(|scratch| {
                scratch.clear.clear();
                let read = layers.read(&self.stream, scratch, &mut out);
                self.received.extend_from_slice(&scratch.clear);
                read
            }),
        };
        match count {
            Ok(0) => {
                let hint = match waiting_for {
                    "INFO" if self.layers.is_none() => "; if it speaks TLS first, give --tls-first",
                    _ => "",
                };
                Err(format!(
                    "{address} closed the connection while we waited for {waiting_for}{hint}"
                ))
            }
            Ok(_) => self.write(&out),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(format!("{address}: {error}"))
            }
            Err(error) => Err(format!("no {waiting_for} from {address}: {error}")),
        }
    }
}

thread_local! {
    static READ: std::cell::RefCell<Scratch> = std::cell::RefCell::new(Scratch::default());
}
