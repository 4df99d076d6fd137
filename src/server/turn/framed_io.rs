//! Reading from and sending to connections over WebSocket: frames on one side, the client protocol on
//! the other.

use std::io::{self, IoSlice};

use tracing::error;
use trunkline_core::base::id::ConnectionKey;
use trunkline_core::base::limits::{INFLATED_BYTE_WORK_NS, SEND_BLOCKS_MAX};
use trunkline_core::session::close_reason::CloseReason;
use trunkline_core::wire::websocket::close::close_payload;
use trunkline_core::wire::websocket::decoder::{Input, Piece};

use super::framed::Framed;
use super::layers::Layers;
use super::{Core, Socket, find};
use crate::net::socket::send;

impl Core {
    /// Goes on with frames that waited; returns the number of bytes, or `None` if
    /// there are none.
    pub(super) fn take_undecoded(&mut self, key: ConnectionKey) -> Option<usize> {
        let framed = framed_mut(&mut self.sockets, key)?;
        if !framed.has_undecoded() {
            return None;
        }
        let mut bytes = std::mem::take(&mut framed.undecoded);
        self.take_frames(key, &mut bytes);
        Some(bytes.len())
    }

    /// Takes frames and gives what is in them to the shard, until the connection is
    /// held: a frame may hold a thousand times its size.
    pub(super) fn take_frames(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        let max_payload = self.shard.max_payload(key);
        let mut input = Input::new(bytes);
        while let Some(framed) = framed_mut(&mut self.sockets, key) {
            if !framed.undecoded.is_empty() || !self.shard.reads(key) {
                framed.undecoded.extend_from_slice(input.rest());
                return;
            }
            match framed
                .decoder
                .next(&mut input, &mut self.codec, max_payload)
            {
                None => break,
                Some(Piece::Payload(range)) => {
                    self.shard.on_bytes(key, input.payload(range));
                }
                Some(Piece::Inflated) => {
                    let inflated = self.codec.inflated();
                    self.shard
                        .charge(inflated.len() as u64 * INFLATED_BYTE_WORK_NS);
                    self.shard.on_bytes(key, inflated);
                }
                Some(Piece::Measured(len)) => {
                    let work_ns = len as u64 * INFLATED_BYTE_WORK_NS;
                    self.shard.charge_input(key, work_ns);
                }
                Some(Piece::Ping(payload)) => {
                    framed.encoder.pong(&payload);
                    self.shard.request_flush(key);
                }
                Some(Piece::Close(answer)) => {
                    framed.close = Some(answer);
                    self.shard.on_goodbye(key);
                }
                Some(Piece::Violation(violation)) => {
                    framed.close = Some(close_payload(violation.code, &violation.text));
                    let label = self.shard.label(key);
                    error!("{label} - read error: {}", violation.text);
                    self.shard.on_hangup(key, CloseReason::ReadError);
                }
            }
        }
    }

    /// Sends what waits for a connection over WebSocket, one frame after the
    /// other.
    pub(super) fn flush_framed(&mut self, key: ConnectionKey) {
        loop {
            let Some(socket) = find(&mut self.sockets, key) else {
                return;
            };
            let Socket { fd, layers, .. } = socket;
            let Some(Layers {
                secure,
                framed: Some(framed),
                ..
            }) = layers.as_deref_mut()
            else {
                return;
            };
            let mut waiting = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
            let waiting = self.shard.pending_slices(key, &mut waiting);
            let waiting_len: usize = waiting.iter().map(|slice| slice.len()).sum();
            framed.encoder.prepare(waiting, &mut self.codec);
            let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX + 2];
            let slices = framed.encoder.slices(waiting, &mut slices);
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            let outcome = match secure {
                None if offered == 0 => return,
                None => send(fd, slices)
                    .map(|sent| (sent, sent < offered))
                    .ok_or_else(|| io::ErrorKind::ConnectionReset.into()),
                Some(secure) => secure.pass_on(fd, slices),
            };
            match outcome {
                Ok((sent, is_blocked)) => {
                    // Less waits only if the shard has given up the connection.
                    let gone = framed.encoder.advance(sent, &mut self.codec);
                    let gone = gone.min(waiting_len);
                    self.shard.on_sent(key, gone, is_blocked);
                    if is_blocked || offered == 0 {
                        return;
                    }
                }
                Err(_) => return self.shard.on_hangup(key, CloseReason::WriteError),
            }
        }
    }
}

fn framed_mut(sockets: &mut [Option<Socket>], key: ConnectionKey) -> Option<&mut Framed> {
    let layers = find(sockets, key)?.layers.as_deref_mut()?;
    layers.framed.as_mut()
}
