//! Consumers as clients ask for them: ordered ones, pushed or pulled, and the durable one of workers.

use serde_json::{Value, json};

/// How long an ordered consumer outlives its client, ns.
const INACTIVE_NS: u64 = 300_000_000_000;
/// How often a consumer that pushes says that it lives, ns.
const HEARTBEAT_NS: u64 = 5_000_000_000;

/// The end of the API's subject that makes a consumer, behind `$JS.API.`.
pub fn create_subject(stream: &str, name: &str, filter: &str) -> String {
    match filter {
        "" => format!("CONSUMER.CREATE.{stream}.{name}"),
        filter => format!("CONSUMER.CREATE.{stream}.{name}.{filter}"),
    }
}

/// The subject that a consumer is asked for messages on.
pub fn next_subject(stream: &str, name: &str) -> String {
    format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}")
}

/// An ordered consumer that is asked.
pub fn ordered_pull(stream: &str, name: &str) -> Value {
    json!({ "stream_name": stream, "config": {
        "name": name, "deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant",
        "inactive_threshold": INACTIVE_NS, "num_replicas": 1, "mem_storage": true,
    } })
}

/// An ordered consumer that pushes what matches `filter` (or all) to `inbox`.
pub fn ordered_push(stream: &str, name: &str, filter: &str, inbox: &str) -> Value {
    let mut body = json!({ "stream_name": stream, "config": {
        "name": name, "deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant", "max_deliver": 1,
        "deliver_subject": inbox, "flow_control": true, "idle_heartbeat": HEARTBEAT_NS,
        "inactive_threshold": INACTIVE_NS, "num_replicas": 1, "mem_storage": true,
    } });
    if !filter.is_empty() {
        body["config"]["filter_subject"] = filter.into();
    }
    body
}

/// A durable consumer of workers that acknowledge every message.
pub fn durable_pull(stream: &str, name: &str, pending_max: u64) -> Value {
    json!({ "stream_name": stream, "config": {
        "durable_name": name, "name": name, "deliver_policy": "all", "ack_policy": "explicit",
        "replay_policy": "instant", "max_ack_pending": pending_max,
    } })
}
