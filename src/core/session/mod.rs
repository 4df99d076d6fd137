//! L2: one connection: what is known of its client, what waits to be parsed
//! and what waits to be sent.
//!
//! [`connection`] is composed of parts, each of which says what it serves; they are
//! plain data but [`input`], whose transitions are checked.
pub mod authority;
pub mod certificate;
pub mod close_reason;
pub mod connection;
pub mod distinguished_name;
pub mod input;
pub mod large_message;
pub mod liveness;
pub mod login_state;
pub mod login_throttle;
pub mod outbox;
pub mod peer;
pub mod policy;
pub mod reading;
pub mod responses;
pub mod stalling;
pub mod succession;
pub mod writing;
