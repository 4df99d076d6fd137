//! The WebSocket side of a connection: its frames, in and out. What a core does with it is in
//! `framed_io`.

use trunkline_core::wire::websocket::decoder::Decoder;
use trunkline_core::wire::websocket::encoder::Encoder;
use trunkline_core::wire::websocket::upgrade::Upgrade;

/// The WebSocket side of a connection.
pub(super) struct Framed {
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    /// Frames that wait because the connection is held: at most one read of them,
    /// since the socket of a held connection is not read.
    pub(super) undecoded: Vec<u8>,
    /// What the peer's close frame or violation is answered with.
    pub(super) close: Option<Vec<u8>>,
}

impl Framed {
    /// A connection that has been upgraded.
    pub(super) fn new(upgrade: &Upgrade) -> Self {
        Self {
            decoder: Decoder::new(upgrade.masks, upgrade.compresses),
            encoder: Encoder::new(upgrade.compresses, upgrade.is_browser),
            undecoded: Vec::new(),
            close: None,
        }
    }

    /// Whether frames wait to be decoded, or a message to be inflated further.
    pub(super) fn has_undecoded(&self) -> bool {
        !self.undecoded.is_empty() || self.decoder.is_inflating()
    }
}
