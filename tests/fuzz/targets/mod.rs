//! The fuzz targets: plain functions over bytes that panic when an invariant of the core is broken.
//!
//! `tests/fuzz.rs` runs them over the corpora and over mutations of these on stable;
//! `tests/fuzz/cargo-fuzz` runs the same functions under libfuzzer.

mod certificates;
mod config;
mod connect;
mod hpub;
mod parser;
mod proxy;
mod session;
#[path = "../../shards/mod.rs"]
mod shards;
mod subjects;
mod upgrade;
mod websocket;

pub use certificates::certificates;
pub use config::config;
pub use connect::connect;
pub use hpub::hpub;
pub use parser::parser;
pub use proxy::proxy;
pub use session::session;
pub use subjects::subjects;
pub use upgrade::upgrade_request;
pub use websocket::websocket;

use trunkline_core::base::rng::Rng;

/// Cuts a stream into pieces whose lengths follow from one byte of the input: zero means one piece,
/// small numbers tiny pieces, larger ones longer pieces.
fn pieces(stream: &[u8], cuts: u8) -> Vec<&[u8]> {
    let mut rng = Rng::new(u64::from(cuts));
    let len_max = match cuts {
        0 => return vec![stream],
        1 => 1,
        2..64 => 4,
        64..128 => 16,
        _ => 200,
    };
    let mut rest = stream;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let len = 1 + rng.below(len_max) as usize;
        let (piece, after) = rest.split_at(len.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
