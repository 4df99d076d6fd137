//! L1: subjects, patterns and the trie of wildcard patterns.
pub mod account_hash;
pub mod mapping;
pub mod pattern;
pub mod rights;
pub mod rights_table;
pub mod service;
pub mod transform;
pub mod trie;
