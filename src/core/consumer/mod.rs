//! L3: one consumer: what it has delivered, what waits for an acknowledgement, and when
//! it delivers again.
//!
//! Not here: where messages are (`stream`), whom they go to.

pub mod progress;
pub mod pull;
