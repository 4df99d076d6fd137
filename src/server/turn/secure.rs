//! The TLS side of a connection: between the socket and the shard stands a session. What a core does
//! with it is in `secure_io`.
//!
//! A handshake signs with the server's key and costs a core 0.25 ms (P-256) to
//! 1.7 ms (RSA with 4096 bits), almost all of it in one step. So a turn takes no
//! further step once it has spent [`HANDSHAKE_NS_MAX`] on them; the others
//! wait for the next turn, in which messages flow as well. Bounds: the session
//! buffers at most [`SESSION_BUFFER_BYTES`] of output; what does not fit stays
//! in the shard's outbox, and what fits is counted there until it is out.

use std::io::{self, IoSlice, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustls::{ProtocolVersion, ServerConnection};
use trunkline_core::base::id::Nanos;

use crate::net::socket::send;
use crate::net::tls::TlsSetup;
use crate::options::tls::HandshakeOrder;

/// Plaintext that a session takes before it must be sent.
const SESSION_BUFFER_BYTES: usize = 256 << 10;

/// Time that one turn spends on handshakes before it leaves the others to the
/// next one.
pub(super) const HANDSHAKE_NS_MAX: u64 = 1_000_000;

/// The first byte of a record that holds an alert.
const ALERT_RECORD: u8 = 0x15;

/// A record of TLS 1.2: the fatal alert handshake_failure.
const HANDSHAKE_FAILURE: [u8; 7] = [ALERT_RECORD, 3, 3, 0, 2, 2, 40];

/// The first byte of a TLS handshake.
pub(super) const HANDSHAKE_RECORD: u8 = 0x16;

/// The first byte of a greeting of SSL 2.
const OLD_RECORD: u8 = 0x80;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
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
    pub(super) setup: TlsSetup,
    pub(super) phase: Phase,
    /// Nothing went before it.
    pub(super) is_first: bool,
    /// The client has begun.
    pub(super) has_begun: bool,
    /// When the handshake must be over.
    pub(super) deadline: Nanos,
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
    pub(super) fn holds_output(&self) -> bool {
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

/// Tells a client why its handshake came to nothing, as far as the socket takes it.
pub(super) fn send_alert(session: &mut ServerConnection, fd: &OwnedFd, failure: &rustls::Error) {
    let is_old = session.protocol_version() == Some(ProtocolVersion::TLSv1_2);
    // The alert is not encrypted yet. The library sends the one of TLS 1.3, which older clients do not
    // know.
    if is_old && matches!(failure, rustls::Error::NoCertificatesPresented) {
        send(fd, &[IoSlice::new(&HANDSHAKE_FAILURE)]);
    } else {
        let _ = send_out(session, fd);
    }
}

/// A session that is about to begin.
pub(super) fn session(setup: &TlsSetup) -> Result<ServerConnection, rustls::Error> {
    let mut session = ServerConnection::new(Arc::clone(&setup.config))?;
    session.set_buffer_limit(Some(SESSION_BUFFER_BYTES));
    Ok(session)
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
