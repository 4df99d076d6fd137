//! L2: one stream.
//!
//! Not here: who asks for what (`api`), consumers, where bytes lie on disk (`journal`).

pub mod config;
pub mod error;
pub mod log;
pub mod subjects;
