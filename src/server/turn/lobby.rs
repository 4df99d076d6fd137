//! The lobby: connections to the WebSocket listener that are not clients yet,
//! since TLS and the upgrade go first.
//!
//! Bounds: a request has at most [`REQUEST_BYTES_MAX`] bytes, a turn reads once
//! from each guest, and nobody stays longer than the handshake may take.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::ServerConnection;
use tracing::error;
use trunkline_core::base::id::Nanos;
use trunkline_core::session::policy::ConnectionType;
use trunkline_core::shard::Opening;
use trunkline_core::wire::websocket::upgrade::{REQUEST_BYTES_MAX, Refusal, Upgrade, upgrade};

use super::framed::Framed;
use super::layers::Layers;
use super::opening::with_nonce;
use super::secure::{self, HANDSHAKE_NS_MAX, Secure, looks_like_tls, send_out};
use super::{Core, GUESTS, hang_up};
use crate::mesh::WebsocketSetup;
use crate::net::socket::{Accepted, Received, receive, send};
use crate::net::tls::facts;

/// What a client that forgets TLS gets, and how its request begins (NATS 2.15).
const TLS_FORGOTTEN: &str =
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const METHODS: [&[u8]; 5] = [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];

/// A connection that is not a client yet.
struct Guest {
    accepted: Accepted,
    setup: Arc<WebsocketSetup>,
    session: Option<ServerConnection>,
    has_begun: bool,
    request: Vec<u8>,
    deadline: Nanos,
    is_queued: bool,
}

/// All guests of a core.
#[derive(Default)]
pub(super) struct Lobby {
    guests: Vec<Option<Guest>>,
    free: Vec<usize>,
    /// Guests with something to be read.
    readable: VecDeque<usize>,
    /// Slots in the order of entry, with when their guests must have left.
    deadlines: VecDeque<(Nanos, usize)>,
}

impl Lobby {
    /// Notes that a guest's socket can be read.
    pub(super) fn note_ready(&mut self, slot: u64) {
        let slot = slot as usize;
        if let Some(Some(guest)) = self.guests.get_mut(slot)
            && !guest.is_queued
        {
            guest.is_queued = true;
            self.readable.push_back(slot);
        }
    }

    /// Whether a guest waits to be read.
    pub(super) fn has_work(&self) -> bool {
        !self.readable.is_empty()
    }

    /// When somebody must have left, at the earliest.
    pub(super) fn next_deadline(&self) -> Nanos {
        self.deadlines.front().map_or(Nanos::NEVER, |&(at, _)| at)
    }

    /// How many guests there are.
    pub(super) fn guest_count(&self) -> usize {
        self.guests.len() - self.free.len()
    }

    fn insert(&mut self, guest: Guest) -> usize {
        let slot = self.free.pop().unwrap_or(self.guests.len());
        if slot == self.guests.len() {
            self.guests.push(None);
        }
        self.deadlines.push_back((guest.deadline, slot));
        self.guests[slot] = Some(guest);
        slot
    }

    fn remove(&mut self, slot: usize) -> Option<Guest> {
        let guest = self.guests[slot].take()?;
        self.free.push(slot);
        Some(guest)
    }
}

/// What came of reading from a guest.
enum Progress {
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

impl Guest {
    fn is_in_handshake(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.is_handshaking())
    }

    /// Reads once.
    fn read(&mut self, buffer: &mut [u8]) -> Progress {
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
                let outcome = decrypt(session, bytes, &mut self.request);
                // What the session has to say, an alert perhaps.
                let sent = send_out(session, &self.accepted.fd);
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
    fn answer(&mut self, response: &[u8]) -> bool {
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
    mut records: &[u8],
    into: &mut Vec<u8>,
) -> io::Result<()> {
    while !records.is_empty() {
        session.read_tls(&mut records)?;
        let state = session
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
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

impl Core {
    /// Lets a connection into the lobby.
    pub(super) fn enter_lobby(&mut self, now: Nanos, accepted: Accepted) {
        let Some(setup) = self.shared.listening().websocket else {
            return self.forget_connection();
        };
        let session = setup.tls.as_ref().map(secure::session).transpose();
        let session = match session {
            Ok(session) => session,
            Err(failure) => {
                self.forget_connection();
                return error!("Cannot begin TLS: {failure}");
            }
        };
        self.meter.handshakes_under_way += u64::from(session.is_some());
        let slot = self.lobby.insert(Guest {
            deadline: now.after_ns(setup.handshake_timeout_ns),
            accepted,
            setup,
            session,
            has_begun: false,
            request: Vec::new(),
            is_queued: false,
        });
        let fd = self.lobby.guests[slot]
            .as_ref()
            .map(|guest| &guest.accepted.fd);
        let added = fd.map(|fd| self.poller.add_socket(fd, GUESTS + slot as u64));
        if let Some(Err(failure)) = added {
            error!("Cannot wait for a client's socket: {failure}");
            self.dismiss(slot);
        }
    }

    /// Closes a guest's connection.
    fn dismiss(&mut self, slot: usize) {
        if let Some(mut guest) = self.lobby.remove(slot) {
            if let Some(session) = &mut guest.session {
                self.meter.end_handshake(!session.is_handshaking());
                session.send_close_notify();
                let _ = send_out(session, &guest.accepted.fd);
            }
            hang_up(&guest.accepted.fd, &mut self.buffer);
            self.forget_connection();
        }
    }

    /// Reads from guests that have said something, and sends away those that
    /// took too long.
    pub(super) fn serve_lobby(&mut self, now: Nanos) {
        for _ in 0..self.lobby.readable.len() {
            let Some(slot) = self.lobby.readable.pop_front() else {
                break;
            };
            self.serve_guest(slot);
        }
        while self.lobby.next_deadline() <= now {
            let Some((at, slot)) = self.lobby.deadlines.pop_front() else {
                return;
            };
            // The slot may be another guest's by now.
            let guest = self.lobby.guests[slot].as_ref();
            if guest.is_some_and(|guest| guest.deadline == at) {
                self.dismiss(slot);
            }
        }
    }

    fn serve_guest(&mut self, slot: usize) {
        let Some(guest) = &mut self.lobby.guests[slot] else {
            return;
        };
        guest.is_queued = false;
        let is_step = guest.is_in_handshake();
        if is_step && self.handshake_ns >= HANDSHAKE_NS_MAX {
            return self.lobby.note_ready(slot as u64);
        }
        let begun = is_step.then(|| self.clock.elapsed());
        let progress = guest.read(&mut self.buffer);
        if let Some(begun) = begun {
            self.handshake_ns += (self.clock.elapsed() - begun).as_nanos() as u64;
        }
        match progress {
            Progress::Empty => {}
            // Only an empty socket makes an event later.
            Progress::Waiting => self.lobby.note_ready(slot as u64),
            Progress::Gone => self.dismiss(slot),
            Progress::NoTls(failure) => {
                let peer = guest.accepted.peer;
                error!("websocket: http: TLS handshake error from {peer}: {failure}");
                self.dismiss(slot);
            }
            Progress::Answered(Err(refusal)) => {
                if !refusal.reason.is_empty() {
                    error!("{} - {}", guest.accepted.peer, refusal.reason);
                }
                guest.answer(&refusal.response);
                self.dismiss(slot);
            }
            Progress::Answered(Ok(upgrade)) => self.promote(slot, upgrade),
        }
    }

    /// Makes a guest a client.
    fn promote(&mut self, slot: usize, upgrade: Upgrade) {
        let tls_facts = match &self.lobby.guests[slot] {
            Some(Guest {
                setup,
                session: Some(session),
                ..
            }) => match &setup.tls {
                Some(tls) => facts(session, &tls.options, false).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        };
        let guest = self.lobby.guests[slot].as_mut();
        let is_answered = guest.is_some_and(|guest| guest.answer(&upgrade.response));
        let tls_facts = match tls_facts {
            Ok(tls_facts) if is_answered => tls_facts,
            Ok(_) => return self.dismiss(slot),
            Err(failure) => {
                error!("websocket: TLS handshake error: {failure}");
                return self.dismiss(slot);
            }
        };
        let Some(guest) = self.lobby.remove(slot) else {
            return;
        };
        if guest.session.is_some() {
            self.meter.end_handshake(true);
        }
        let accepted = guest.accepted;
        let framed = Framed::new(&upgrade);
        let opening = Opening {
            is_over_limit: accepted.is_over_limit,
            connection_type: ConnectionType::Websocket,
            presented: upgrade.presented,
            tls: tls_facts.map(Arc::new),
            forwarded_for: upgrade.client_ip,
            ..Opening::client(accepted.client_id, accepted.peer)
        };
        let key = self.shard.open(with_nonce(opening));
        let tls = guest.setup.tls.clone();
        let layers = Layers {
            proxied: None,
            secure: guest
                .session
                .zip(tls)
                .map(|(session, tls)| Secure::opened(session, tls)),
            framed: Some(framed),
        };
        let changed = self.poller.change_socket(&accepted.fd, key.to_bits());
        self.settle_in(key, accepted.fd, layers.boxed(), changed);
    }
}
