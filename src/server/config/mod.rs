//! Configuration files in nats-server's grammar.
//!
//! ```text
//! bytes ── lexer ──► keys, scalars ── parser ──► Map of Items with places ── apply ──► Requested
//! ```
//!
//! Every mistake is an error `FILE:LINE:COL: message`; all mistakes of one file
//! are reported together, except that reading stops at the first one of grammar.

mod access;
mod apply;
mod digest;
mod duration;
mod elsewhere;
mod findings;
mod jetstream;
mod keys;
mod leaf;
mod lexer;
mod mappings;
mod names;
mod number;
mod parser;
mod permissions;
mod read;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod value;
mod websocket;

use std::path::Path;

pub use findings::Findings;
pub use value::ConfigError;

use crate::options::Requested;

/// Reads the file at `path` into `requested`.
///
/// Returns warnings; on an error `requested` is not to be used.
pub fn load(path: &Path, requested: &mut Requested) -> Result<Vec<ConfigError>, Findings> {
    load_with(path, requested, &|name| std::env::var(name).ok())
}

fn load_with(
    path: &Path,
    requested: &mut Requested,
    environment: parser::Environment<'_>,
) -> Result<Vec<ConfigError>, Findings> {
    let document = parser::parse_file(path, environment).map_err(|error| Findings {
        warnings: Vec::new(),
        errors: vec![error],
    })?;
    let mut findings = apply::apply(&document, requested);
    if findings.errors.is_empty() {
        match digest::digest(&document.map) {
            Some(digest) => requested.config_digest = digest,
            None => findings.errors.push(ConfigError::of_file(format!(
                "{}: too long once variables are in their places",
                path.display()
            ))),
        }
    }
    if findings.errors.is_empty() {
        Ok(findings.warnings)
    } else {
        Err(findings)
    }
}
