//! Reading from and sending to connections with layers, whichever they have; and handshakes that take
//! too long.

use tracing::warn;
use trunkline_core::base::id::{ConnectionKey, Nanos};
use trunkline_core::session::close_reason::CloseReason;
use trunkline_core::wire::proxy::{self, ProxyHeader};

use super::secure::{HANDSHAKE_NS_MAX, Secure};
use super::{Core, find};
use crate::net::socket::{Received, receive};

impl Core {
    /// Notes that a connection has something to be over in time.
    pub(super) fn note_handshake(&mut self, key: ConnectionKey) {
        let layers = find(&mut self.sockets, key).and_then(|socket| socket.layers.as_ref());
        let due = layers.map_or(Nanos::NEVER, |layers| layers.due());
        if due != Nanos::NEVER {
            self.handshakes.insert(due, key);
        }
    }

    /// Looks after handshakes that are due; what is looked at too early is
    /// looked at again.
    pub(super) fn end_late_handshakes(&mut self, now: Nanos) {
        while let Some((_, key)) = self.handshakes.pop_due(now) {
            let layers = find(&mut self.sockets, key).and_then(|socket| socket.layers.as_ref());
            let Some(layers) = layers else {
                continue;
            };
            let proxied = layers.proxied.as_ref();
            if layers.due() > now {
                self.note_handshake(key);
            } else if proxied.is_some_and(|proxied| proxied.deadline <= now) {
                self.refuse_proxy(key, "timeout reading PROXY protocol header");
            } else {
                self.end_late_secure(now, key);
                self.note_handshake(key);
            }
        }
    }

    /// Reads a socket with layers; returns the number of bytes.
    pub(super) fn read_layered(&mut self, now: Nanos, key: ConnectionKey) -> usize {
        if let Some(len) = self.take_undecoded(key) {
            self.queue_read(key);
            return len;
        }
        let Some(socket) = find(&mut self.sockets, key) else {
            return 0;
        };
        let layers = socket.layers.as_ref();
        let is_step = layers.is_some_and(|layers| layers.is_in_handshake());
        if is_step && self.handshake_ns >= HANDSHAKE_NS_MAX {
            self.queue_read(key);
            return 0;
        }
        let room = self.buffer.len();
        let len = match receive(&socket.fd, &mut self.buffer) {
            Received::Bytes(len) => len,
            Received::WouldBlock => {
                socket.is_readable = false;
                return 0;
            }
            Received::End => {
                self.take_end(key, "EOF");
                return 0;
            }
            Received::Failed => {
                self.take_end(key, "connection reset by peer");
                return 0;
            }
        };
        socket.is_readable = len == room || socket.is_ending;
        // Taken out of the core, which its bytes must not be part of.
        let mut buffer = std::mem::take(&mut self.buffer);
        let begun = is_step.then(|| self.now());
        self.take_raw(now, key, &mut buffer[..len]);
        if let Some(begun) = begun {
            self.handshake_ns += self.now().since_ns(begun);
        }
        self.buffer = buffer;
        self.queue_read(key);
        len
    }

    /// The client has closed, or its socket failed.
    fn take_end(&mut self, key: ConnectionKey, how: &'static str) {
        let layers = find(&mut self.sockets, key).and_then(|socket| socket.layers.as_ref());
        if layers.is_some_and(|layers| layers.proxied.is_some()) {
            return self.refuse_proxy(key, how);
        }
        let secure = layers.and_then(|layers| layers.secure.as_ref());
        match secure.is_some_and(Secure::is_awaited) {
            true => self.fail_handshake(key, &std::io::Error::other(how)),
            false => self.shard.on_hangup(key, CloseReason::ClientClosed),
        }
    }

    /// Takes bytes as they come from the socket.
    fn take_raw(&mut self, now: Nanos, key: ConnectionKey, bytes: &mut [u8]) {
        let layers = find(&mut self.sockets, key).and_then(|socket| socket.layers.as_mut());
        match layers {
            Some(layers) if layers.proxied.is_some() => self.take_proxied(now, key, bytes),
            Some(layers) if layers.secure.is_some() => self.take_encrypted(key, bytes),
            _ => self.take_plain(key, bytes),
        }
    }

    /// Takes bytes that are not encrypted, or not any more.
    pub(super) fn take_plain(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        let layers = find(&mut self.sockets, key).and_then(|socket| socket.layers.as_ref());
        match layers.is_some_and(|layers| layers.framed.is_some()) {
            true => self.take_frames(key, bytes),
            false => self.shard.on_bytes(key, bytes),
        }
    }

    /// Takes bytes at the beginning of a connection that may come through a
    /// proxy; what follows the header is taken as if it had come without.
    fn take_proxied(&mut self, now: Nanos, key: ConnectionKey, bytes: &[u8]) {
        let Some(socket) = find(&mut self.sockets, key) else {
            return;
        };
        let Some(layers) = socket.layers.as_mut() else {
            return;
        };
        let Some(proxied) = layers.proxied.as_mut() else {
            return;
        };
        proxied.bytes.extend_from_slice(bytes);
        let (header_len, client) = match proxy::parse(&proxied.bytes) {
            Ok(None) => return,
            Ok(Some(ProxyHeader::Absent)) => (0, None),
            Ok(Some(ProxyHeader::Present(len, client))) => (len, client),
            Err(failure) => return self.refuse_proxy(key, &failure.to_string()),
        };
        let mut rest = std::mem::take(&mut proxied.bytes);
        layers.proxied = None;
        match &mut layers.secure {
            Some(secure) => secure.restart_timeout(now),
            None => socket.layers = None,
        }
        self.note_handshake(key);
        self.shard.on_proxy_header(key, client);
        if rest.len() > header_len {
            self.take_raw(now, key, &mut rest[header_len..]);
        }
    }

    fn refuse_proxy(&mut self, key: ConnectionKey, reason: &str) {
        warn!(
            "Error reading PROXY protocol header from {}: {reason}",
            self.shard.label(key)
        );
        self.shard.on_hangup(key, CloseReason::ProtocolViolation);
    }

    /// Sends what waits for a connection with layers; false if none of them
    /// changes what is sent.
    pub(super) fn flush_layered(&mut self, key: ConnectionKey) -> bool {
        let layers = find(&mut self.sockets, key).and_then(|socket| socket.layers.as_ref());
        match layers {
            Some(layers) if layers.framed.is_some() => self.flush_framed(key),
            Some(layers) if layers.secure.is_some() => self.flush_secure(key),
            _ => return false,
        }
        true
    }
}
