//! Sockets: accepting, reading, sending, and waiting for them.

pub mod accept;
pub mod certificate;
pub mod poller;
pub mod socket;
pub mod tls;
pub mod tls_failure;
