//! The store's half that does I/O: its directory, its files, and what cores want of them.
//!
//! * [`directory`], [`log_files`], [`files`], [`mode`]: what there is on disk, and how it is reached;
//! * [`core_disk`]: a core's reads and writes, by a [`ring`] or a [`thread`], as [`operation`]s;
//! * [`file_keeper`]: files that are made and removed;
//! * [`recovery`]: what is read before there is a client.

#[cfg(test)]
pub mod core_disk;
pub mod directory;
#[cfg(test)]
pub mod file_keeper;
pub mod files;
pub mod log_files;
pub mod mode;
#[cfg(test)]
pub mod operation;
#[cfg(test)]
pub mod recovery;
#[cfg(test)]
pub mod ring;
#[cfg(test)]
pub mod thread;
