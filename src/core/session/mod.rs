//! L2: one connection: what is known of its client, what waits to be parsed
//! and what waits to be sent.

pub mod authority;
pub mod certificate;
pub mod connection;
pub mod distinguished;
pub mod large;
pub mod outbox;
pub mod policy;
pub mod responses;
pub mod tries;
