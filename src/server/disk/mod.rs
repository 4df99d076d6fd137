//! The store's half that does I/O: its directory, its files, and what cores want of them.
//!
//! * [`directory`], [`log_files`], [`files`], [`mode`]: what there is on disk, and how it is reached;
//! * [`core_disk`]: a core's reads and writes, by a [`ring`] or a [`thread`], as [`operation`]s;
//! * [`file_keeper`]: files that are made and removed;
//! * [`recovery`]: what is read before there is a client.

pub mod core_disk;
pub mod directory;
pub mod file_keeper;
pub mod files;
pub mod log_files;
pub mod mode;
pub mod operation;
pub mod recovery;
pub mod ring;
pub mod thread;
