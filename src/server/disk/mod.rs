//! Disk operations of a core, carried out by an io_uring of its own.
//!
//! * [`ring`]: operations in flight, and their completions;
//! * [`files`]: making, zeroing and opening the files of a journal.

pub mod files;
pub mod ring;
