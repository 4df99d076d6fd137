//! Behaviours that need several connections, timing or the process itself. Every test starts its own
//! server, so that none can spoil another.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "blackbox/certificates.rs"]
mod certificates;
#[path = "blackbox/crowds.rs"]
mod crowds;
#[path = "blackbox/delivery.rs"]
mod delivery;
#[path = "blackbox/https.rs"]
mod https;
#[path = "blackbox/metrics.rs"]
mod metrics;
#[path = "blackbox/monitoring.rs"]
mod monitoring;
#[path = "blackbox/parity.rs"]
mod parity;
#[path = "blackbox/process.rs"]
mod process;
#[path = "blackbox/proxy.rs"]
mod proxy;
#[path = "blackbox/running.rs"]
mod running;
#[path = "blackbox/schema.rs"]
mod schema;
#[path = "blackbox/slow.rs"]
mod slow;
#[path = "blackbox/support.rs"]
mod support;
#[path = "blackbox/tls.rs"]
mod tls;
#[path = "blackbox/websocket.rs"]
mod websocket;
