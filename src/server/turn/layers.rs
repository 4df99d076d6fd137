//! What may stand between a socket and the shard: the header of a proxy, TLS, WebSocket, in this order.
//! What a core does with them is in `layered_io`.

use std::io::Write;
use std::os::fd::OwnedFd;

use trunkline_core::base::id::Nanos;
use trunkline_core::session::close_reason::CloseReason;
use trunkline_core::wire::websocket::close::close_payload;

use super::framed::Framed;
use super::secure::Secure;
use crate::net::socket::send;

/// How long the header of a proxy may take (NATS 2.15).
const PROXY_TIMEOUT_NS: u64 = 5_000_000_000;

/// The layers of a connection; at least one is there.
#[derive(Default)]
pub(super) struct Layers {
    /// The header of a proxy is waited for.
    pub(super) proxied: Option<Proxied>,
    /// TLS.
    pub(super) secure: Option<Secure>,
    /// WebSocket.
    pub(super) framed: Option<Framed>,
}

/// The beginning of a connection that may come through a proxy. Its bytes are
/// bounded by the header's own length of 16 bits and one read.
pub(super) struct Proxied {
    pub(super) bytes: Vec<u8>,
    pub(super) deadline: Nanos,
}

impl Proxied {
    pub(super) fn new(now: Nanos) -> Self {
        Self {
            bytes: Vec::new(),
            deadline: now.after_ns(PROXY_TIMEOUT_NS),
        }
    }
}

impl Layers {
    /// The layers as a socket has them: `None` if there is none.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        let is_empty = self.proxied.is_none() && self.secure.is_none() && self.framed.is_none();
        (!is_empty).then(|| Box::new(self))
    }

    /// When something about it is due.
    pub(super) fn due(&self) -> Nanos {
        let secure = |due: fn(&Secure) -> Nanos| self.secure.as_ref().map_or(Nanos::NEVER, due);
        match &self.proxied {
            Some(proxied) => proxied.deadline.min(secure(Secure::greets_at)),
            None => secure(Secure::due),
        }
    }

    /// Whether its TLS is not agreed on yet.
    pub(super) fn lacks_tls(&self) -> bool {
        self.secure.as_ref().is_some_and(|secure| !secure.is_open())
    }

    /// Whether a read would be a step of a handshake.
    pub(super) fn is_in_handshake(&self) -> bool {
        self.proxied.is_none() && self.lacks_tls()
    }
}

/// Says goodbye in the languages of the layers, as far as the socket takes it.
pub(super) fn say_goodbye(layers: &mut Layers, fd: &OwnedFd, reason: CloseReason) {
    let Layers { secure, framed, .. } = layers;
    if let Some(framed) = framed {
        let ours = || {
            let code = reason.websocket_code();
            code.map(|code| close_payload(code, reason.text()))
        };
        let payload = framed.close.take().or_else(ours);
        if let Some(bytes) = payload.and_then(|payload| framed.encoder.closing(&payload)) {
            match secure {
                // What the session does not take cannot be said.
                Some(secure) => drop(secure.session.writer().write(&bytes)),
                None => drop(send(fd, &[std::io::IoSlice::new(&bytes)])),
            }
        }
    }
    if let Some(secure) = secure {
        secure.say_goodbye(fd);
    }
}
