//! The listener for leaf nodes, which turns everyone away: leaf nodes are not spoken yet, and
//! files that only say where they would connect are in use.
//!
//! One thread of its own, apart from the cores, answers one connection after the other, at most
//! one per [`PACE`]; more wait in the kernel's queue, which is bounded. Nothing it does waits for a
//! peer. It ends with the process.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tracing::{error, info, warn};

use crate::background;
use crate::options::join_host_port;
use crate::options::leaf::LeafOptions;
use crate::preflight;

/// What a leaf node is told.
const REFUSAL: &[u8] = b"-ERR 'Leaf nodes are not supported by this server yet'\r\n";

/// Between two connections; also bounds how fast the log grows.
const PACE: Duration = Duration::from_millis(20);

/// After a failure to accept.
const PAUSE: Duration = Duration::from_secs(1);

/// The listening socket.
pub struct LeafRefusal {
    listener: TcpListener,
    bound: SocketAddr,
}

impl LeafRefusal {
    /// Listens where the options say.
    ///
    /// # Errors
    /// The text of the fatal log line of nats-server.
    pub fn open(leaf: &LeafOptions) -> Result<Self, String> {
        let failed = |reason: &str| {
            let port = leaf.port;
            format!("Error listening on leafnode port: {port} - {reason}")
        };
        let listener = preflight::listen(&leaf.host, leaf.port)
            .map_err(|text| failed(preflight::reason_of(&text)))?;
        let bound = listener.local_addr();
        Ok(Self {
            bound: bound.map_err(|failure| failed(&failure.to_string()))?,
            listener,
        })
    }

    /// The port that it is bound to.
    pub fn port(&self) -> u16 {
        self.bound.port()
    }

    /// Starts the thread that answers, and says so in the log.
    pub fn start(self, leaf: &LeafOptions) -> std::io::Result<()> {
        let address = join_host_port(&leaf.host, self.port());
        info!("Listening for leafnode connections on {address}");
        warn!(
            "{}: leaf nodes cannot connect to this server yet: they are turned away",
            leaf.place
        );
        std::thread::Builder::new()
            .name("leaf-refusal".to_owned())
            .spawn(move || {
                background::step_back();
                turn_away_all(&self.listener);
            })?;
        Ok(())
    }
}

fn turn_away_all(listener: &TcpListener) -> ! {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                warn!("{peer} - Leaf node turned away: not supported by this server yet");
                // The peer may be gone by now.
                let _ = turn_away(stream);
                std::thread::sleep(PACE);
            }
            Err(failure) if is_of_peer(failure.kind()) => {}
            Err(failure) => {
                error!("Cannot accept a leafnode connection: {failure}");
                std::thread::sleep(PAUSE);
            }
        }
    }
}

fn is_of_peer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}

fn turn_away(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.write_all(REFUSAL)?;
    stream.shutdown(Shutdown::Write)?;
    // What the peer has sent already is taken, or closing would reset the connection.
    let _ = stream.read(&mut [0; 4096])?;
    Ok(())
}
