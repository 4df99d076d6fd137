//! Letters: work that comes from other threads (monitoring, reload, lame duck) and is done by the one
//! reader of a mailbox, a core, between two of its turns. Knows no core; who sends is in `cores`.
//!
//! A letter is a closure over the reader. At most one is read per turn, so a sender that has much to ask
//! splits it into small letters; that, and the bound on waiting letters, keeps all of it out of the way
//! of messages.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use trunkline_core::base::id::Nanos;

/// Letters that may wait in one mailbox.
const LETTERS_MAX: usize = 1024;

/// Work for a reader.
pub type Letter<Reader> = Box<dyn FnOnce(&mut Reader, Nanos) + Send>;

/// The letters that wait for one reader.
pub struct Mailbox<Reader> {
    letters: Mutex<VecDeque<Letter<Reader>>>,
    has_letters: AtomicBool,
}

/// The reader has too many letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undeliverable;

impl<Reader> Default for Mailbox<Reader> {
    fn default() -> Self {
        Self {
            letters: Mutex::default(),
            has_letters: AtomicBool::new(false),
        }
    }
}

impl<Reader> Mailbox<Reader> {
    /// Whether a letter waits; cheap enough for every turn.
    #[inline]
    pub fn has_letters(&self) -> bool {
        self.has_letters.load(Ordering::Acquire)
    }

    /// Letters that wait.
    pub fn len(&self) -> usize {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.len()
    }

    /// Takes the oldest letter.
    pub fn take(&self) -> Option<Letter<Reader>> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let letter = letters.pop_front();
        self.has_letters
            .store(!letters.is_empty(), Ordering::Release);
        letter
    }

    /// Leaves a letter; who wakes the reader is another matter.
    ///
    /// # Errors
    /// The reader has too many letters.
    pub fn put(&self, letter: Letter<Reader>) -> Result<(), Undeliverable> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= LETTERS_MAX {
            return Err(Undeliverable);
        }
        letters.push_back(letter);
        self.has_letters.store(true, Ordering::Release);
        Ok(())
    }
}
