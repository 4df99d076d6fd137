//! The pure core of Trunkline: everything that decides, and nothing that acts.
//!
//! No I/O, no clock, no randomness of its own, no executor: a shell passes in
//! bytes, moments and batches, and carries out what a [`shard::Shard`] leaves
//! for it. So a server of many cores runs inside a test, from a seed.
//!
//! Modules import downwards only (a test reads the sources and checks it):
//!
//! | layer | module | may import |
//! |---|---|---|
//! | L0 | `base` | nothing |
//! | L1 | `wire` | `base` |
//! | L1 | `subject` | `base` |
//! | L1 | `format` | `base` |
//! | L2 | `session` | `base`, `wire`, `subject` |
//! | L2 | `route` | `base`, `subject` |
//! | L2 | `journal` | `base`, `format` |
//! | L2 | `stream` | `base`, `wire`, `subject`, `format` |
//! | L3 | `consumer` | `base`, `wire`, `subject`, `format`, `stream` |
//! | L4 | `store` | `base`, `wire`, `subject`, `format`, `journal`, `stream`, `consumer` |
//! | L5 | `api` | `base`, `wire`, `subject`, `stream`, `consumer`, `store` |
//! | L6 | `shard` | everything below |

#![cfg_attr(not(test), deny(clippy::cast_possible_truncation))]

pub mod api;
pub mod base;
pub mod consumer;
pub mod format;
pub mod journal;
pub mod route;
pub mod session;
pub mod shard;
pub mod store;
pub mod stream;
pub mod subject;
pub mod wire;
