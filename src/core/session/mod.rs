//! L2: one connection: what is known of its client, what waits to be parsed
//! and what waits to be sent.
#![cfg_attr(not(test), deny(clippy::cast_possible_truncation))]

pub mod authority;
pub mod certificate;
pub mod connection;
pub mod distinguished;
pub mod large;
pub mod outbox;
pub mod policy;
pub mod responses;
pub mod succession;
pub mod tries;
