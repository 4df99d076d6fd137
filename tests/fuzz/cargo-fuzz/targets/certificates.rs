//! `certificates` under libfuzzer.
#![no_main]

#[allow(dead_code, reason = "the other targets")]
#[allow(unused_imports, reason = "the other targets")]
#[path = "../../targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::certificates(data));
