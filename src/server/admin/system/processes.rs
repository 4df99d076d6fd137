//! What the reference server tells of its runtime, as far as it means something
//! here (NATS 2.15: `PROFILEZ`, `EXPVARZ`).

use serde_json::{Value, json};

use super::Parameters;
use crate::admin::varz::resident_bytes;
use trunkline_core::base::shown::quoted;

/// There are no profiles.
pub fn profile(parameters: &Parameters) -> Value {
    let error = match parameters.text("name") {
        "" => "Profile name not specified".to_owned(),
        "cpu" => "Failed to start CPU profile: not supported".to_owned(),
        name => format!("Profile {name} not found", name = quoted(&name)),
    };
    json!({"profile": null, "error": error})
}

/// Memory, and the program's name; its arguments may hold secrets.
pub fn variables() -> Value {
    let memory = resident_bytes();
    let program: Vec<String> = std::env::args().take(1).collect();
    json!({
        "memstats": {"Alloc": memory, "Sys": memory, "HeapAlloc": memory, "HeapSys": memory},
        "cmdline": program,
    })
}
