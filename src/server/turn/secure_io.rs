//! Reading from and sending to connections with TLS: records on one side, plain bytes on the other.

use std::io::{self, BufRead, IoSlice, Read};

use crate::net::tls_failure;
use tracing::{debug, error};
use trunkline_core::base::id::{ConnectionKey, Nanos};
use trunkline_core::base::limits::SEND_BLOCKS_MAX;
use trunkline_core::session::close_reason::CloseReason;

use super::layers::Layers;
use super::secure::{HANDSHAKE_RECORD, Phase, Secure, looks_like_tls, send_alert};
use super::{Core, Socket, find};
use crate::net::socket::send;
use crate::net::tls::facts;

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
                    send_alert(&mut secure.session, &socket.fd, &error);
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
            let reason = tls_failure::describe_io(failure);
            error!("{} - TLS handshake error: {reason}", self.shard.label(key));
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

fn secure_of(layers: &mut Option<Box<Layers>>) -> Option<&mut Secure> {
    layers.as_mut().and_then(|layers| layers.secure.as_mut())
}

fn secure_mut(sockets: &mut [Option<Socket>], key: ConnectionKey) -> Option<&mut Secure> {
    find(sockets, key).and_then(|socket| secure_of(&mut socket.layers))
}
