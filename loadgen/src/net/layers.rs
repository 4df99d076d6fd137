//! What lies between the socket's bytes and the NATS protocol: TLS, WebSocket frames, both or neither.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;

use crate::net::frames::Frames;
use crate::net::scratch::{RECEIVE_BYTES, Scratch};
use crate::net::tls::Tls;
use crate::net::tls_fault;

/// The layers of one connection.
pub struct Layers {
    /// Next to the socket.
    pub tls: Option<Tls>,
    /// Above it.
    pub frames: Option<Frames>,
    /// Received bytes that are not yet a whole TLS record.
    waiting: Vec<u8>,
}

impl Layers {
    /// Layers that have received nothing yet.
    pub fn new(tls: Option<Tls>, frames: Option<Frames>) -> Self {
        Layers {
            tls,
            frames,
            waiting: Vec::new(),
        }
    }

    /// Receives once and appends what the layers hide to `scratch.clear`, answers of the layers to `out`. Returns the
    /// number of bytes received.
    pub fn read(
        &mut self,
        mut stream: &TcpStream,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let Scratch { raw, clear, middle } = scratch;
        let kept = self.waiting.len();
        if raw.len() < kept + RECEIVE_BYTES {
            raw.resize(kept + RECEIVE_BYTES, 0);
        }
        let count = stream.read(&mut raw[kept..kept + RECEIVE_BYTES])?;
        raw[..kept].copy_from_slice(&self.waiting);
        let filled = &mut raw[..kept + count];
        self.waiting.clear();
        self.take(filled, middle, clear, out)
            .map_err(|text| io::Error::new(ErrorKind::InvalidData, text))?;
        Ok(count)
    }

    fn take(
        &mut self,
        bytes: &mut [u8],
        middle: &mut Vec<u8>,
        clear: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let Some(tls) = &mut self.tls else {
            return match &mut self.frames {
                Some(frames) => frames.unwrap(bytes, clear, out),
                None => {
                    clear.extend_from_slice(bytes);
                    Ok(())
                }
            };
        };
        middle.clear();
        let opened = if self.frames.is_some() {
            &mut *middle
        } else {
            &mut *clear
        };
        let used = tls
            .receive(bytes, opened, out)
            .map_err(|error| tls_fault::in_words(&error))?;
        self.waiting.extend_from_slice(&bytes[used..]);
        if let Some(frames) = &mut self.frames {
            let mut answers = Vec::new();
            frames.unwrap(middle, clear, &mut answers)?;
            if !answers.is_empty() {
                self.seal(&answers, out)?;
            }
        }
        Ok(())
    }

    /// Appends `bytes` to `out` as the socket must get them.
    pub fn wrap(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let wrapped = match (&mut self.frames, &self.tls) {
            (Some(frames), None) => {
                frames.wrap(bytes, out);
                Ok(())
            }
            (Some(frames), Some(_)) => {
                let mut framed = Vec::with_capacity(bytes.len() + 64);
                frames.wrap(bytes, &mut framed);
                self.seal(&framed, out)
            }
            (None, _) => self.seal(bytes, out),
        };
        wrapped.map_err(io::Error::other)
    }

    /// Appends frames to `out` as the socket must get them.
    pub fn seal(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        match &mut self.tls {
            Some(tls) => tls
                .seal(bytes, &mut self.waiting, out)
                .map_err(|error| tls_fault::in_words(&error)),
            None => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}
