//! TLS and WebSocket in front of the fake server, by implementations other than the load generator's own.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::{Message, WebSocket};

/// How clients reach the fake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Front {
    /// TLS after INFO.
    Tls,
    /// TLS before INFO.
    TlsFirst,
    /// A WebSocket.
    WebSocket,
    /// A WebSocket over TLS.
    SecureWebSocket,
}

/// A running front.
pub struct Fronted {
    pub address: SocketAddr,
    /// The certificate to trust.
    pub ca: PathBuf,
}

impl Drop for Fronted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca);
    }
}

/// Puts `front` before the server at `behind`.
pub fn start(front: Front, behind: SocketAddr) -> Fronted {
    start_with(front, behind, |_| {})
}

/// The same, with a certificate of its own kind, which is self-signed.
pub fn start_with(
    front: Front,
    behind: SocketAddr,
    change: impl FnOnce(&mut CertificateParams),
) -> Fronted {
    let mut wanted = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
    change(&mut wanted);
    let pair = KeyPair::generate().unwrap();
    let certificate = wanted.self_signed(&pair).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ca = std::env::temp_dir().join(format!(
        "loadgen-test-{}-{}.pem",
        std::process::id(),
        address.port()
    ));
    std::fs::write(&ca, certificate.pem()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            // A client that breaks off is what some tests are about.
            std::thread::spawn(move || serve(front, stream, behind, &config));
        }
    });
    Fronted { address, ca }
}

fn serve(
    front: Front,
    mut near: TcpStream,
    behind: SocketAddr,
    config: &Arc<ServerConfig>,
) -> Option<()> {
    let mut far = BufReader::new(TcpStream::connect(behind).ok()?);
    let tls = |near| StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), near);
    match front {
        Front::Tls => {
            let mut info = String::new();
            far.read_line(&mut info).ok()?;
            let info = info.replace('{', "{\"tls_required\":true,");
            near.write_all(info.as_bytes()).ok()?;
            relay(Stream(tls(near)), far)
        }
        Front::TlsFirst => relay(Stream(tls(near)), far),
        Front::WebSocket => relay(Framed(tungstenite::accept(near).ok()?), far),
        Front::SecureWebSocket => relay(Framed(tungstenite::accept(tls(near)).ok()?), far),
    }
}

/// One side of the relay; what would block is `None`.
trait Side {
    fn socket(&self) -> &TcpStream;
    fn read(&mut self) -> Option<Option<Vec<u8>>>;
    fn write(&mut self, bytes: &[u8]) -> Option<()>;
}

trait Socket {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for StreamOwned<ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

struct Stream<S>(S);

impl<S: Read + Write + Socket> Side for Stream<S> {
    fn socket(&self) -> &TcpStream {
        self.0.tcp()
    }

    fn read(&mut self) -> Option<Option<Vec<u8>>> {
        let mut bytes = vec![0; 65_536];
        match self.0.read(&mut bytes) {
            Ok(0) => None,
            Ok(count) => Some(Some(bytes[..count].to_vec())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(None),
            Err(_) => None,
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Option<()> {
        loop {
            match self.0.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => nap(),
                Err(_) => return None,
            }
            if bytes.is_empty() && self.0.flush().is_ok() {
                return Some(());
            }
        }
    }
}

struct Framed<S>(WebSocket<S>);

impl<S: Read + Write + Socket> Side for Framed<S> {
    fn socket(&self) -> &TcpStream {
        self.0.get_ref().tcp()
    }

    fn read(&mut self) -> Option<Option<Vec<u8>>> {
        match self.0.read() {
            Ok(Message::Binary(bytes)) => Some(Some(bytes.to_vec())),
            Ok(_) => Some(None),
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                Some(None)
            }
            Err(_) => None,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        // Frames of odd sizes, and a PING now and then.
        let mut send = |message: Message| match self.0.send(message) {
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Some(()),
            sent => sent.ok(),
        };
        for part in bytes.chunks(777) {
            send(Message::binary(part.to_vec()))?;
        }
        send(Message::Ping("are you there?".into()))?;
        while let Err(tungstenite::Error::Io(error)) = self.0.flush() {
            if error.kind() != ErrorKind::WouldBlock {
                return None;
            }
            nap();
        }
        Some(())
    }
}

fn nap() {
    std::thread::sleep(Duration::from_micros(100));
}

fn relay(mut near: impl Side, far: BufReader<TcpStream>) -> Option<()> {
    let early = far.buffer().to_vec();
    let mut far = Stream(far.into_inner());
    near.socket().set_nonblocking(true).ok()?;
    far.socket().set_nonblocking(true).ok()?;
    near.write(&early)?;
    loop {
        let (up, down) = (near.read()?, far.read());
        if let Some(bytes) = &up {
            far.write(bytes)?;
        }
        match down {
            Some(Some(bytes)) => near.write(&bytes)?,
            Some(None) if up.is_none() => nap(),
            Some(None) => {}
            None => {
                let _ = near.socket().shutdown(std::net::Shutdown::Both);
                return None;
            }
        }
    }
}
