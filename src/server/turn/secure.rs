//! Connections with TLS: between the socket and the shard stands a session.
//!
//! A handshake signs with the server's key and costs a core 0.25 ms (P-256) to
//! 1.7 ms (RSA with 4096 bits), almost all of it in one step. So a turn takes no
//! further step once it has spent [`HANDSHAKE_NS_MAX`] on them; the others
//! wait for the next turn, in which messages flow as well. Bounds: the session
//! buffers at most [`SESSION_BUFFER_BYTES`] of output; what does not fit stays
//! in the shard's outbox, and what fits is counted there until it is out.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustls::ServerConnection;
use tracing::{debug, error};
use trunkline_core::base::id::{ConnectionKey, Nanos};
use trunkline_core::base::limits::SEND_BLOCKS_MAX;
use trunkline_core::session::connection::CloseReason;

use super::layers::Layers;
use super::{Core, Socket, find};
use crate::net::socket::send;
use crate::net::tls::{TlsSetup, facts};
use crate::options::tls::HandshakeOrder;

/// Plaintext that a session takes before it must be sent.
const SESSION_BUFFER_BYTES: usize = 256 << 10;

/// Time that one turn spends on handshakes before it leaves the others to the
/// next one.
pub(super) const HANDSHAKE_NS_MAX: u64 = 1_000_000;

/// The first byte of a record that holds an alert.
const ALERT_RECORD: u8 = 0x15;

/// The first byte of a TLS handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// The first byte of a greeting of SSL 2.
const OLD_RECORD: u8 = 0x80;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// INFO goes out in plain text first.
    Greeting,
    /// The client may begin at once; INFO goes out in plain text if it does not
    /// until then.
    Waiting { until: Nanos },
    /// The client may begin, or go on in plain text.
    Undecided,
    /// The handshake is under way.
    Handshake,
    /// Everything is encrypted.
    Open,
}

/// The TLS side of a connection.
pub(super) struct Secure {
    pub(super) session: ServerConnection,
    setup: TlsSetup,
    phase: Phase,
    /// Nothing went before it.
    is_first: bool,
    /// The client has begun.
    has_begun: bool,
    /// When the handshake must be over.
    deadline: Nanos,
    /// Plaintext that the session has taken and the socket has not.
    taken: usize,
}

/// Writes to a socket without blocking.
struct Wire<'a>(&'a OwnedFd);

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match send(self.0, slices) {
            Some(0) => Err(io::ErrorKind::WouldBlock.into()),
            Some(len) => Ok(len),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Secure {
    /// The TLS side of a connection that was just accepted.
    pub(super) fn new(setup: TlsSetup, now: Nanos) -> Result<Self, rustls::Error> {
        let session = session(&setup)?;
        let phase = match setup.options.handshake {
            HandshakeOrder::AfterInfo => Phase::Greeting,
            HandshakeOrder::First => Phase::Handshake,
            HandshakeOrder::FirstWithin(wait_ns) => Phase::Waiting {
                until: now.after_ns(wait_ns),
            },
        };
        let deadline = now.after_ns(setup.options.timeout_ns);
        Ok(Self {
            session,
            setup,
            phase,
            is_first: phase != Phase::Greeting,
            has_begun: false,
            deadline,
            taken: 0,
        })
    }

    /// A connection whose handshake is over.
    pub(super) fn opened(session: ServerConnection, setup: TlsSetup) -> Self {
        Self {
            session,
            setup,
            phase: Phase::Open,
            is_first: true,
            has_begun: true,
            deadline: Nanos::NEVER,
            taken: 0,
        }
    }

    /// Whether everything is encrypted.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether the client owes a handshake.
    pub(super) fn is_awaited(&self) -> bool {
        !matches!(self.phase, Phase::Open | Phase::Undecided)
    }

    /// The time for the handshake begins now, not when the connection did.
    pub(super) fn restart_timeout(&mut self, now: Nanos) {
        self.deadline = now.after_ns(self.setup.options.timeout_ns);
    }

    /// When INFO goes out in plain text, if the client waits for it.
    pub(super) fn greets_at(&self) -> Nanos {
        match self.phase {
            Phase::Waiting { until } => until,
            _ => Nanos::NEVER,
        }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Nanos {
        match self.phase {
            Phase::Waiting { until } => until.min(self.deadline),
            Phase::Undecided | Phase::Open => Nanos::NEVER,
            Phase::Greeting | Phase::Handshake => self.deadline,
        }
    }

    /// Whether the shard's output must wait.
    fn holds_output(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. } | Phase::Handshake)
    }

    /// Sends what the session has; true if everything is out.
    pub(super) fn send_out(&mut self, fd: &OwnedFd) -> io::Result<bool> {
        send_out(&mut self.session, fd)
    }

    /// Encrypts and sends what waits. Returns how many bytes of it are out, and
    /// whether the socket refuses more. As long as the session holds a part of
    /// what it has taken, none of it counts as out: limits and deadlines apply
    /// to it, and a connection that closes waits for it.
    pub(super) fn pass_on(
        &mut self,
        fd: &OwnedFd,
        waiting: &[IoSlice<'_>],
    ) -> io::Result<(usize, bool)> {
        if self.taken == 0 && !waiting.is_empty() {
            self.taken = self.session.writer().write_vectored(waiting)?;
        }
        Ok(match self.send_out(fd)? {
            true => (std::mem::take(&mut self.taken), false),
            false => (0, true),
        })
    }

    /// Says goodbye in the language of TLS, as far as the socket takes it.
    pub(super) fn say_goodbye(&mut self, fd: &OwnedFd) {
        if self.phase == Phase::Open {
            self.session.send_close_notify();
            let _ = self.send_out(fd);
        }
    }
}

/// Sends what a session has; true if everything is out.
pub(super) fn send_out(session: &mut ServerConnection, fd: &OwnedFd) -> io::Result<bool> {
    while session.wants_write() {
        match session.write_tls(&mut Wire(fd)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A session that is about to begin.
pub(super) fn session(setup: &TlsSetup) -> Result<ServerConnection, rustls::Error> {
    let mut session = ServerConnection::new(Arc::clone(&setup.config))?;
    session.set_buffer_limit(Some(SESSION_BUFFER_BYTES));
    Ok(session)
}

impl Core {
    /// Does what is due about a handshake.
    pub(super) fn end_late_secure(&mut self, now: Nanos, key: ConnectionKey) {
        let Some(secure) = secure_mut(&mut self.sockets, key) else {
            return;
        };
        match secure.phase {
            Phase::Waiting { until } if until <= now => {
                secure.phase = Phase::Greeting;
                secure.is_first = false;
                self.flush_secure(key);
            }
            Phase::Waiting { .. } | Phase::Greeting | Phase::Handshake => {
                debug!("{} - TLS handshake timeout", self.shard.label(key));
                // It is not looked at again.
                secure.deadline = Nanos::NEVER;
                self.shard.on_hangup(key, CloseReason::TlsHandshakeFailure);
            }
            Phase::Open | Phase::Undecided => {}
        }
    }

    /// Takes bytes that are encrypted, or begin to be.
    pub(super) fn take_encrypted(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        let Some(socket) = find(&mut self.sockets, key) else {
            return;
        };
        let Some(secure) = secure_of(&mut socket.layers) else {
            return;
        };
        if secure.phase == Phase::Undecided && bytes[0] != HANDSHAKE_RECORD {
            socket.layers = None;
            self.meter.handshakes_under_way -= 1;
            return self.shard.on_bytes(key, bytes);
        }
        if secure.phase != Phase::Open {
            secure.phase = Phase::Handshake;
        }
        if !std::mem::replace(&mut secure.has_begun, true) && !looks_like_tls(bytes) {
            // A probe, or a client without TLS: an alert would mean nothing to it.
            debug!(
                "{} - TLS handshake error: tls: first record does not look like a TLS handshake",
                self.shard.label(key)
            );
            let reason = CloseReason::TlsHandshakeFailure;
            return self.shard.on_hangup(key, reason);
        }
        if let Err(failure) = self.take_records(key, bytes) {
            self.fail_handshake(key, &failure);
        }
    }

    /// Decrypts records and gives what is in them to the shard.
    fn take_records(&mut self, key: ConnectionKey, mut records: &[u8]) -> io::Result<()> {
        loop {
            let Some(socket) = find(&mut self.sockets, key) else {
                return Ok(());
            };
            let Some(secure) = secure_of(&mut socket.layers) else {
                return Ok(());
            };
            if !records.is_empty() {
                secure.session.read_tls(&mut records)?;
            }
            let state = match secure.session.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The alert that says why, if the socket takes it.
                    let _ = secure.send_out(&socket.fd);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            };
            if secure.phase == Phase::Handshake && !secure.session.is_handshaking() {
                self.finish_handshake(key)?;
                continue;
            }
            let plain = state.plaintext_bytes_to_read();
            self.take_decrypted(key, plain)?;
            if state.peer_has_closed() {
                self.shard.on_goodbye(key);
                return Ok(());
            }
            if records.is_empty() {
                return match find(&mut self.sockets, key) {
                    Some(Socket { fd, layers, .. }) => {
                        secure_of(layers).map_or(Ok(()), |secure| secure.send_out(fd).map(drop))
                    }
                    None => Ok(()),
                };
            }
        }
    }

    /// Takes what a session has decrypted: where it lies, unless a layer has to
    /// change it.
    fn take_decrypted(&mut self, key: ConnectionKey, mut len: usize) -> io::Result<()> {
        while len > 0
            && let Some(socket) = find(&mut self.sockets, key)
            && let Some(layers) = &mut socket.layers
            && let Some(secure) = &mut layers.secure
        {
            if layers.framed.is_some() {
                let mut bytes = std::mem::take(&mut self.plain);
                bytes.resize(len, 0);
                secure.session.reader().read_exact(&mut bytes)?;
                self.take_frames(key, &mut bytes);
                self.plain = bytes;
                return Ok(());
            }
            let bytes = secure.session.reader().into_first_chunk()?;
            self.shard.on_bytes(key, bytes);
            let taken = bytes.len();
            secure.session.reader().consume(taken);
            len -= taken;
        }
        Ok(())
    }

    /// The handshake is over: what is known of the peer's certificate goes to
    /// the shard, and its output may leave.
    fn finish_handshake(&mut self, key: ConnectionKey) -> io::Result<()> {
        let Some(secure) = secure_mut(&mut self.sockets, key) else {
            return Ok(());
        };
        let facts = facts(&secure.session, &secure.setup.options, secure.is_first)?;
        secure.phase = Phase::Open;
        self.meter.end_handshake(true);
        self.shard.on_secured(key, facts);
        self.flush_secure(key);
        Ok(())
    }

    pub(super) fn fail_handshake(&mut self, key: ConnectionKey, failure: &io::Error) {
        let is_open =
            secure_mut(&mut self.sockets, key).is_some_and(|secure| secure.phase == Phase::Open);
        let reason = if is_open {
            CloseReason::ReadError
        } else {
            error!("{} - TLS handshake error: {failure}", self.shard.label(key));
            CloseReason::TlsHandshakeFailure
        };
        self.shard.on_hangup(key, reason);
    }

    /// Sends what waits for a connection with TLS.
    pub(super) fn flush_secure(&mut self, key: ConnectionKey) {
        loop {
            let Some(socket) = find(&mut self.sockets, key) else {
                return;
            };
            let Some(secure) = secure_of(&mut socket.layers) else {
                return;
            };
            if secure.holds_output() {
                return;
            }
            let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
            let slices = self.shard.pending_slices(key, &mut slices);
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            if secure.phase != Phase::Open {
                if offered > 0 {
                    let sent = send(&socket.fd, slices);
                    self.shard.on_sent(key, sent.unwrap_or(0), false);
                }
                let allow_plain = secure.setup.options.allow_plain;
                secure.phase = match allow_plain {
                    true => Phase::Undecided,
                    false => Phase::Handshake,
                };
                return;
            }
            match secure.pass_on(&socket.fd, slices) {
                Ok((sent, is_blocked)) => {
                    // Less waits only if the shard has given up the connection.
                    let sent = sent.min(offered);
                    self.shard.on_sent(key, sent, is_blocked);
                    if is_blocked || sent == 0 {
                        return;
                    }
                }
                Err(_) => {
                    self.shard.on_hangup(key, CloseReason::WriteError);
                    return;
                }
            }
        }
    }
}

/// Whether bytes may be the beginning of TLS: a record with a handshake or an
/// alert, or what SSL 2 began with, which gets an alert.
pub(super) fn looks_like_tls(bytes: &[u8]) -> bool {
    match *bytes {
        [HANDSHAKE_RECORD | ALERT_RECORD, version, ..] => version < 0x10,
        [first, ..] => matches!(first, HANDSHAKE_RECORD | ALERT_RECORD | OLD_RECORD),
        [] => true,
    }
}

fn secure_of(layers: &mut Option<Box<Layers>>) -> Option<&mut Secure> {
    layers.as_mut().and_then(|layers| layers.secure.as_mut())
}

fn secure_mut(sockets: &mut [Option<Socket>], key: ConnectionKey) -> Option<&mut Secure> {
    find(sockets, key).and_then(|socket| secure_of(&mut socket.layers))
}
