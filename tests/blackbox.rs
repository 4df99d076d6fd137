//! Behaviours that need several connections, timing or the process itself. Every test starts its own
//! server, so that none can spoil another.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "blackbox/admission.rs"]
mod admission;
#[path = "blackbox/bad_tls.rs"]
mod bad_tls;
#[path = "blackbox/bad_websocket.rs"]
mod bad_websocket;
#[path = "blackbox/certificates.rs"]
mod certificates;
#[path = "blackbox/client_certificates.rs"]
mod client_certificates;
#[path = "blackbox/commandline.rs"]
mod commandline;
#[path = "blackbox/crowds.rs"]
mod crowds;
#[path = "blackbox/delivery.rs"]
mod delivery;
#[path = "blackbox/guessing.rs"]
mod guessing;
#[path = "blackbox/http_requests.rs"]
mod http_requests;
#[path = "blackbox/https.rs"]
mod https;
#[path = "blackbox/leaf_nodes.rs"]
mod leaf_nodes;
#[path = "blackbox/mappings.rs"]
mod mappings;
#[path = "blackbox/message_traces.rs"]
mod message_traces;
#[path = "blackbox/metrics.rs"]
mod metrics;
#[path = "blackbox/monitoring.rs"]
mod monitoring;
#[path = "blackbox/notify.rs"]
mod notify;
#[path = "blackbox/parity.rs"]
mod parity;
#[path = "blackbox/process.rs"]
mod process;
#[path = "blackbox/proxy.rs"]
mod proxy;
#[path = "blackbox/reloads.rs"]
mod reloads;
#[path = "blackbox/running.rs"]
mod running;
#[path = "blackbox/schema.rs"]
mod schema;
#[path = "blackbox/slow.rs"]
mod slow;
#[path = "blackbox/storage.rs"]
mod storage;
#[path = "blackbox/succession.rs"]
mod succession;
#[path = "blackbox/support.rs"]
mod support;
#[path = "blackbox/system_events.rs"]
mod system_events;
#[path = "blackbox/system_requests.rs"]
mod system_requests;
#[path = "blackbox/tls.rs"]
mod tls;
#[path = "blackbox/traces.rs"]
mod traces;
#[path = "blackbox/trouble.rs"]
mod trouble;
#[path = "blackbox/websocket.rs"]
mod websocket;
#[path = "blackbox/without_io_uring.rs"]
mod without_io_uring;
