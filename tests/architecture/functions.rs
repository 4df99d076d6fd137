//! Functions are short enough to be seen at once.
//!
//! Relies on the layout of rustfmt: a function ends at the first line that is its closing brace, as far
//! to the right as its first line.

use crate::rules::{Tree, sources_of};

/// Functions have at most this many lines, the first and the last one included.
const LINES_MAX: usize = 70;

/// Where functions are measured.
const FOLDERS: [&str; 4] = ["src/core/", "src/server/", "loadgen/", "bench/"];

/// Where long functions are still allowed.
const NOT_YET: [&str; 0] = [];

/// Names the functions that are too long.
pub fn short_functions(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let sources = FOLDERS.iter().flat_map(|folder| sources_of(tree, folder));
    for (file, text) in sources {
        if NOT_YET.iter().any(|room| file.starts_with(room)) {
            continue;
        }
        for (line, name, len) in functions(text) {
            if len > LINES_MAX {
                broken.push(format!(
                    "{file}:{line}: `{name}` has {len} lines, at most {LINES_MAX} are allowed"
                ));
            }
        }
    }
    broken
}

/// First line, name and length of every function with a body of several lines.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (at, first) in lines.iter().enumerate() {
        let inner = first.trim_start();
        let indent = &first[..first.len() - inner.len()];
        let (Some(name), false) = (name(inner), first.ends_with([';', '}'])) else {
            continue;
        };
        // One without a body ends with the bracket of its parameters.
        let end = lines[at..].iter().position(|line| {
            let rest = line.strip_prefix(indent).unwrap_or("");
            rest == "}" || rest.starts_with(')') && rest.ends_with(';')
        });
        if let Some(len) = end.filter(|end| lines[at + end].ends_with('}')) {
            functions.push((at + 1, name, len + 1));
        }
    }
    functions
}

/// The name of the function that a line begins.
fn name(line: &str) -> Option<&str> {
    let mut rest = line;
    if let Some(public) = rest.strip_prefix("pub") {
        rest = public.strip_prefix('(').map_or(public, |within| {
            within.split_once(')').map_or(within, |(_, rest)| rest)
        });
    }
    for word in ["const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.trim_start();
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let name = rest.trim_start().strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}
