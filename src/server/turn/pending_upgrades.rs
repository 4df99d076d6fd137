//! Connections to the WebSocket listener that are not clients yet, since TLS and the upgrade go first.
//! What a core does with them is in `upgrading`.
//!
//! Bounds: a request has at most [`REQUEST_BYTES_MAX`] bytes, a turn reads once from each connection, and
//! none stays longer than the handshake may take.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustls::ServerConnection;
use trunkline_core::base::id::Nanos;
use trunkline_core::wire::websocket::upgrade::{REQUEST_BYTES_MAX, Refusal, Upgrade, upgrade};

use super::secure::{looks_like_tls, send_alert, send_out};
use crate::listening::WebsocketSetup;
use crate::net::socket::{Accepted, Received, receive, send};

/// What a client that forgets TLS gets, and how its request begins (NATS 2.15).
const TLS_FORGOTTEN: &str =
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const METHODS: [&[u8]; 5] = [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];

/// A connection that is not a client yet.
pub(super) struct PendingUpgrade {
    pub(super) accepted: Accepted,
    pub(super) setup: Arc<WebsocketSetup>,
    pub(super) session: Option<ServerConnection>,
    /// The client has begun.
    has_begun: bool,
    request: Vec<u8>,
    deadline: Nanos,
    /// Is in the list of those to be read.
    pub(super) is_queued: bool,
}

/// All of a core.
#[derive(Default)]
pub(super) struct PendingUpgrades {
    slots: Vec<Option<PendingUpgrade>>,
    free: Vec<usize>,
    /// Those with something to be read.
    pub(super) readable: VecDeque<usize>,
    /// Slots in the order of entry, with when they must be free again.
    deadlines: VecDeque<(Nanos, usize)>,
}

impl PendingUpgrades {
    /// Notes that the socket in a slot can be read.
    pub(super) fn note_ready(&mut self, slot: u64) {
        let slot = slot as usize;
        if let Some(Some(pending)) = self.slots.get_mut(slot)
            && !pending.is_queued
        {
            pending.is_queued = true;
            self.readable.push_back(slot);
        }
    }

    /// Whether one waits to be read.
    pub(super) fn has_work(&self) -> bool {
        !self.readable.is_empty()
    }

    /// When one must be over, at the earliest.
    pub(super) fn next_deadline(&self) -> Nanos {
        self.deadlines.front().map_or(Nanos::NEVER, |&(at, _)| at)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The one in a slot.
    pub(super) fn get(&mut self, slot: usize) -> Option<&mut PendingUpgrade> {
        self.slots[slot].as_mut()
    }

    /// Takes one in; returns its slot.
    pub(super) fn insert(&mut self, pending: PendingUpgrade) -> usize {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        self.deadlines.push_back((pending.deadline, slot));
        self.slots[slot] = Some(pending);
        slot
    }

    /// Takes the one in a slot out.
    pub(super) fn remove(&mut self, slot: usize) -> Option<PendingUpgrade> {
        let pending = self.slots[slot].take()?;
        self.free.push(slot);
        Some(pending)
    }

    /// The next slot whose time is over.
    pub(super) fn next_late(&mut self, now: Nanos) -> Option<usize> {
        while let Some((at, slot)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            // The slot may be another one's by now.
            let pending = self.slots[slot].as_ref();
            if pending.is_some_and(|pending| pending.deadline == at) {
                return Some(slot);
            }
        }
        None
    }
}

/// What came of reading.
pub(super) enum Progress {
    /// Nothing is there.
    Empty,
    /// More is needed.
    Waiting,
    /// It is gone, or has to go.
    Gone,
    /// Its TLS does not come about.
    NoTls(io::Error),
    /// It gets an answer.
    Answered(Result<Upgrade, Refusal>),
}

impl PendingUpgrade {
    /// A connection that was just accepted.
    pub(super) fn new(
        now: Nanos,
        accepted: Accepted,
        setup: Arc<WebsocketSetup>,
        session: Option<ServerConnection>,
    ) -> Self {
        Self {
            deadline: now.after_ns(setup.handshake_timeout_ns),
            accepted,
            setup,
            session,
            has_begun: false,
            request: Vec::new(),
            is_queued: false,
        }
    }

    /// Whether a read would be a step of a handshake.
    pub(super) fn is_in_handshake(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.is_handshaking())
    }

    /// Reads once.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Progress {
        let len = match receive(&self.accepted.fd, buffer) {
            Received::Bytes(len) => len,
            Received::WouldBlock => return Progress::Empty,
            Received::End | Received::Failed => return Progress::Gone,
        };
        let bytes = &buffer[..len];
        let before = self.request.len();
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        match &mut self.session {
            None => self.request.extend_from_slice(bytes),
            Some(_) if is_first && !looks_like_tls(bytes) => {
                return Progress::NoTls(self.take_probe(bytes));
            }
            Some(session) => {
                let fd = &self.accepted.fd;
                let outcome = decrypt(session, fd, bytes, &mut self.request);
                let sent = send_out(session, fd);
                if let Err(failure) = outcome.and_then(|()| sent.map(drop)) {
                    return Progress::NoTls(failure);
                }
            }
        }
        // Nothing but the end of a line can make a request whole or wrong: one
        // that comes in crumbs is not read again for each.
        let has_line = self.request[before..].contains(&b'\n');
        if !has_line && self.request.len() < REQUEST_BYTES_MAX {
            return Progress::Waiting;
        }
        match upgrade(&self.request, &self.setup.rules).transpose() {
            None => Progress::Waiting,
            Some(answer) => Progress::Answered(answer),
        }
    }

    /// Tells a client that speaks HTTP where TLS is spoken; returns what to log.
    fn take_probe(&self, bytes: &[u8]) -> io::Error {
        let is_request = METHODS.iter().any(|method| bytes.starts_with(method));
        if is_request {
            send(&self.accepted.fd, &[IoSlice::new(TLS_FORGOTTEN.as_bytes())]);
        }
        io::Error::other(match is_request {
            true => "client sent an HTTP request to an HTTPS server",
            false => "tls: first record does not look like a TLS handshake",
        })
    }

    /// Sends an answer; false if it is not out at once.
    pub(super) fn answer(&mut self, response: &[u8]) -> bool {
        let fd = &self.accepted.fd;
        match &mut self.session {
            None => send(fd, &[IoSlice::new(response)]) == Some(response.len()),
            Some(session) => {
                session.writer().write_all(response).is_ok()
                    && send_out(session, fd).unwrap_or(false)
            }
        }
    }
}

/// Appends what is in records, up to the size of a request.
fn decrypt(
    session: &mut ServerConnection,
    fd: &OwnedFd,
    mut records: &[u8],
    into: &mut Vec<u8>,
) -> io::Result<()> {
    while !records.is_empty() {
        session.read_tls(&mut records)?;
        let state = match session.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                send_alert(session, fd, &error);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        };
        let len = state.plaintext_bytes_to_read();
        let begin = into.len();
        into.resize(begin + len, 0);
        session.reader().read_exact(&mut into[begin..])?;
        if state.peer_has_closed() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
    Ok(())
}
