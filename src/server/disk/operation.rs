//! Reads and writes as what carries them out knows them, a ring or a thread.

use std::fs::File;
use std::io;
use std::sync::Arc;

use trunkline_core::base::pages::Pages;
use trunkline_core::store::disk::DiskError;

/// What an operation is of, as the asker knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(pub u64);

/// What is to be done with a buffer, which is transferred whole or the operation has failed.
#[derive(Debug)]
pub enum Transfer {
    /// It is filled.
    Read(Pages),
    /// It is written, and durable when that is over.
    Write(Arc<Pages>),
}

/// Something to be done, of which there will be a [`Completion`].
#[derive(Debug)]
pub struct Operation {
    /// Of what it is.
    pub ticket: Ticket,
    /// What.
    pub transfer: Transfer,
    /// To what; kept open until it is over.
    pub file: Arc<File>,
    /// Where in it.
    pub at: u64,
}

/// An operation that is over.
#[derive(Debug)]
pub struct Completion {
    /// Of what it was.
    pub ticket: Ticket,
    /// Its buffer.
    pub transfer: Transfer,
    /// How it ended.
    pub result: io::Result<()>,
}

impl Transfer {
    /// Bytes of the buffer.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Read(pages) => pages.len(),
            Self::Write(pages) => pages.len(),
        }
    }
}

/// What the core is told of a failure.
pub fn error_of(failure: &io::Error) -> DiskError {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    match failure.kind() {
        StorageFull | QuotaExceeded => DiskError::NoSpace,
        _ => DiskError::Failed(failure.raw_os_error().unwrap_or(0)),
    }
}
