//! L1: subjects, patterns and the trie of wildcard patterns.

pub mod pattern;
pub mod transform;
pub mod trie;
