//! Behaviours that need several connections, timing or the process itself. Every test starts its own
//! server, so that none can spoil another.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "blackbox/certificates.rs"]
mod certificates;
#[path = "blackbox/commandline.rs"]
mod commandline;
#[path = "blackbox/crowds.rs"]
mod crowds;
#[path = "blackbox/delivery.rs"]
mod delivery;
#[path = "blackbox/monitoring.rs"]
mod monitoring;
#[path = "blackbox/process.rs"]
mod process;
#[path = "blackbox/proxy.rs"]
mod proxy;
#[path = "blackbox/reloads.rs"]
mod reloads;
#[path = "blackbox/running.rs"]
mod running;
#[path = "blackbox/slow.rs"]
mod slow;
#[path = "blackbox/support.rs"]
mod support;
#[path = "blackbox/tls.rs"]
mod tls;
#[path = "blackbox/traces.rs"]
mod traces;
#[path = "blackbox/websocket.rs"]
mod websocket;
