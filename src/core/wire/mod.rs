//! L1: the client protocol as bytes: commands in, lines out, CONNECT and INFO.
mod argument;
pub mod command;
pub mod complaint;
pub mod connect;
pub mod encode;
pub mod headers;
pub mod info;
pub mod json;
pub mod parse;
pub mod proxy;
mod publish;
pub mod repeat;
pub mod websocket;
