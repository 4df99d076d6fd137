//! One open connection: non-blocking sends and receives for the epoll loop, with or without layers below.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::net::handshake::{Handshake, Parts};
use crate::net::layers::Layers;
use crate::net::scratch::{RECEIVE_BYTES, Scratch};
use crate::wire::scan::WireError;

/// A connection that has finished its handshake.
pub struct Connection {
    stream: TcpStream,
    layers: Option<Box<Layers>>,
    /// Wire bytes of the layers that the kernel has not taken yet.
    pending: Vec<u8>,
    /// Received bytes that are not yet a whole line or message.
    carry: Vec<u8>,
    /// Bytes to be sent before anything else: PONG, PING, requests, replies.
    pub control: Vec<u8>,
    /// The kernel has taken all we gave it; false after it refused, until epoll reports room.
    pub writable: bool,
    /// There may be bytes to receive; false after a short read, until epoll reports more.
    pub readable: bool,
    /// The server has not closed it and nothing has failed.
    pub open: bool,
}

/// What one receive brought.
pub enum Received {
    /// Some bytes.
    Bytes,
    /// Nothing there.
    Nothing,
    /// The server closed the connection.
    Closed,
}

impl Connection {
    /// A connection out of a handshake.
    pub fn new(parts: Parts) -> Self {
        Connection {
            stream: parts.stream,
            layers: parts.layers,
            pending: Vec::new(),
            carry: parts.received,
            control: Vec::new(),
            writable: true,
            readable: true,
            open: true,
        }
    }

    /// Sends as much as the kernel takes; 0 when it takes nothing now. Layers take all or nothing, and keep what the
    /// kernel refuses.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.layers.is_none() {
            return self.send_raw(bytes);
        }
        if !self.flush_pending()? {
            return Ok(0);
        }
        if let Some(layers) = &mut self.layers {
            layers.wrap(bytes, &mut self.pending)?;
        }
        self.flush_pending()?;
        Ok(bytes.len())
    }

    /// Sends `bytes` past the layers, as the socket gets them.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes) {
            Ok(sent) => {
                self.writable = sent == bytes.len();
                Ok(sent)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// One compressed WebSocket frame that holds all of `bytes`, for [`Connection::send_raw`]; `None` without WebSocket.
    pub fn frame_of(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let frames = self.layers.as_mut()?.frames.as_mut()?;
        let mut out = Vec::new();
        frames.wrap_whole(bytes, &mut out);
        Some(out)
    }

    fn flush_pending(&mut self) -> io::Result<bool> {
        if !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let sent = self.send_raw(&pending);
            self.pending = pending;
            self.pending.drain(..sent?);
        }
        Ok(self.pending.is_empty())
    }

    /// Something waits to be sent before anything new may be.
    pub fn has_output(&self) -> bool {
        !self.control.is_empty() || !self.pending.is_empty()
    }

    /// Sends what the layers have kept and the control bytes; true when all are gone.
    pub fn flush_control(&mut self) -> io::Result<bool> {
        if !self.flush_pending()? {
            return Ok(false);
        }
        if !self.control.is_empty() {
            let control = std::mem::take(&mut self.control);
            let sent = self.send(&control);
            self.control = control;
            self.control.drain(..sent?);
        }
        Ok(!self.has_output())
    }

    /// Receives once into `scratch` and gives the bytes, behind what was left over last time, to `scan`; what that does
    /// not consume is kept.
    pub fn receive(
        &mut self,
        scratch: &mut Scratch,
        scan: impl FnOnce(&[u8]) -> Result<usize, WireError>,
    ) -> io::Result<Received> {
        let count = match self.read(scratch) {
            Ok(0) => return Ok(Received::Closed),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(Received::Nothing);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Received::Nothing),
            Err(error) => return Err(error),
        };
        let kept = self.carry.len();
        let filled = if self.layers.is_some() {
            &scratch.clear[..]
        } else {
            scratch.raw[..kept].copy_from_slice(&self.carry);
            &scratch.raw[..kept + count]
        };
        let used = scan(filled)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
        self.carry.clear();
        self.carry.extend_from_slice(&filled[used..]);
        // A short read means the socket is drained: epoll (edge-triggered) will tell when there is more.
        self.readable = count == RECEIVE_BYTES;
        Ok(Received::Bytes)
    }

    /// Without layers, into `raw` behind the place for what was left over; with layers, into `clear` behind it.
    fn read(&mut self, scratch: &mut Scratch) -> io::Result<usize> {
        let kept = self.carry.len();
        if let Some(layers) = &mut self.layers {
            scratch.clear.clear();
            scratch.clear.extend_from_slice(&self.carry);
            return layers.read(&self.stream, scratch, &mut self.pending);
        }
        if scratch.raw.len() < kept + RECEIVE_BYTES {
            scratch.raw.resize(kept + RECEIVE_BYTES, 0);
        }
        self.stream
            .read(&mut scratch.raw[kept..kept + RECEIVE_BYTES])
    }

    /// Sends `bytes` and a PING while blocking, and waits for the PONG: then the server has taken all of it. Only for
    /// setting up, before messages flow.
    pub fn barrier(&mut self, bytes: &[u8]) -> Result<(), String> {
        let stream = self
            .stream
            .try_clone()
            .map_err(|error| format!("cannot clone a socket: {error}"))?;
        let carry = std::mem::take(&mut self.carry);
        let mut lines = Handshake::resume(stream, self.layers.take(), carry)?;
        lines.send(bytes)?;
        lines.send(b"PING\r\n")?;
        lines.wait_for_pong()?;
        let parts = lines.into_parts()?;
        (self.layers, self.carry) = (parts.layers, parts.received);
        Ok(())
    }

    /// TLS version and cipher suite, if there is TLS.
    pub fn secured_by(&self) -> Option<String> {
        Some(self.layers.as_ref()?.tls.as_ref()?.summary())
    }

    /// The socket, for epoll.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}
