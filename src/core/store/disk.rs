//! What a store wants of its disk, and what comes of it: plain data between core and
//! shell.
//!
//! An operation is asked for only when all that it depends on is done, so a shell may
//! carry operations out in any order; what it must keep is said at each of them.

use std::sync::Arc;

use crate::base::pages::Pages;

/// A partition of the store: a log with the streams and consumers in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartitionId(pub u16);

/// For what something is read, as the store knows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReadTicket(pub u64);

/// An operation, answered by the [`DiskDone`] of the same name.
#[derive(Debug)]
pub enum DiskOp {
    /// To write; it is durable when it is done.
    Write {
        /// Number of the log file.
        file: u32,
        /// Where in it, in bytes: a multiple of pages.
        at: u64,
        /// What: a multiple of pages. The store goes on reading them.
        pages: Arc<Pages>,
    },
    /// To read as much as the buffer has room for.
    Read {
        /// For what.
        ticket: ReadTicket,
        /// Number of the log file.
        file: u32,
        /// Where in it, in bytes: a multiple of pages.
        at: u64,
        /// The buffer: a multiple of pages.
        pages: Pages,
    },
    /// To make a log file that has its full length and was written once; it is there
    /// for good when this is done.
    Make {
        /// Its number.
        file: u32,
    },
    /// A log file is needed no more. Files are removed in the order in which this is
    /// asked for, each for good before the next one.
    Remove {
        /// Its number.
        file: u32,
    },
}

/// An operation that is over.
#[derive(Debug)]
pub enum DiskDone {
    /// A write.
    Written {
        /// How it ended.
        result: Result<(), DiskError>,
    },
    /// A read.
    Read {
        /// For what.
        ticket: ReadTicket,
        /// The buffer, filled.
        pages: Pages,
        /// How it ended.
        result: Result<(), DiskError>,
    },
    /// A file that was made.
    Made {
        /// Its number.
        file: u32,
        /// How it ended.
        result: Result<(), DiskError>,
    },
    /// A file that was removed.
    Removed {
        /// Its number.
        file: u32,
        /// How it ended.
        result: Result<(), DiskError>,
    },
}

/// Why an operation was not carried out: the environment, never a mistake of the core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskError {
    /// There is no room.
    NoSpace,
    /// The system says so, by this number; 0: less was transferred than asked for.
    Failed(i32),
}
