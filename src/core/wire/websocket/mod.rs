//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692), as far as it is
//! bytes to bytes: the upgrade, frames in, frames out.
//!
//! The messages of WebSocket mean nothing to NATS: their payloads follow each
//! other as one stream of the client protocol, in both directions.

pub mod close;
pub mod decoder;
pub mod deflate;
pub mod encoder;
mod unmask;
pub mod upgrade;
