//! The name that this program was started under. As `nats-server` it says of
//! itself what nats-server says; scripts and client suites look for that.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

use trunkline_core::wire::info::NATS_VERSION;

/// The name of the program that this one stands in for.
const REFERENCE: &str = "nats-server";

/// The last part of the name that the program was started under.
pub fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let word = std::env::args_os().next().unwrap_or_default();
        let name = Path::new(&word).file_name().and_then(OsStr::to_str);
        name.unwrap_or("trunkline").to_owned()
    })
}

/// Whether it was started as `nats-server`.
pub fn is_stand_in() -> bool {
    name() == REFERENCE
}

/// The name in messages about the command line and the configuration.
pub fn prefix() -> &'static str {
    if is_stand_in() {
        REFERENCE
    } else {
        "trunkline"
    }
}

/// What `--version` prints.
pub fn version() -> String {
    match is_stand_in() {
        true => format!("{REFERENCE}: v{NATS_VERSION}\n"),
        false => format!(
            "trunkline: v{} (NATS {NATS_VERSION})\n",
            env!("CARGO_PKG_VERSION")
        ),
    }
}
