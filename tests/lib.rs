//! Shared harness of the test suites: which server is tested, how it is started and stopped, and a
//! raw client that sees every byte.
//!
//! Two servers can stand behind every suite:
//!
//! * the **server under test**: `TRUNKLINE_TEST_SERVER` names a binary, otherwise ours is built and used;
//! * the **reference**: the real `nats-server`, found through `NATS_SERVER`, `PATH` or
//!   `target/clients/bin`. Running a suite with `TRUNKLINE_TEST_SERVER` pointing at it proves that the
//!   suite's expectations are those of NATS and not ours.
//!
//! No test asserts a duration. Timeouts only keep a hanging test from blocking the suite.
#![allow(clippy::unwrap_used, reason = "this crate is nothing but tests")]

pub mod harness;
pub mod transcript;

pub use harness::binary::{Binary, binary_under_test, reference_server};
pub use harness::client::{Client, Received};
pub use harness::frame::Frame;
pub use harness::random::Random;
pub use harness::server::{RunningServer, ServerBuilder, ServerUnderTest};
