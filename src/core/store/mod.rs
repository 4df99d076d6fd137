//! L4: everything that one partition stores.
//!
//! Not here: what clients ask for and are told (`api`), who carries operations out.

pub mod disk;
