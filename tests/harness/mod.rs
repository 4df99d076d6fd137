//! The building blocks that all suites share; one file each.

pub mod binary;
pub mod client;
pub mod frame;
pub mod jetstream;
pub mod random;
pub mod schema;
pub mod seccomp;
pub mod server;
pub mod skips;
pub mod sockets;
pub mod text;
