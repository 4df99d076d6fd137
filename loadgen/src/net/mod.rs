//! How to reach a server: sockets, the layers on them (TLS, WebSocket), and the way from connecting to the first PONG.

pub mod conn;
pub mod connect;
pub mod frames;
pub mod handshake;
pub mod layers;
pub mod nkey;
pub mod scratch;
pub mod target;
pub mod tls;
mod tls_fault;
pub mod upgrade;
