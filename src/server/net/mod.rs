//! Sockets: accepting, reading, sending, and waiting for them.

pub mod accept;
pub mod certificate;
mod chain;
mod chain_certificate;
mod chain_fault;
pub mod client_certificates;
pub mod poller;
pub mod socket;
pub mod tls;
pub mod tls_failure;
