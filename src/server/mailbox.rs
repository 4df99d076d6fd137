//! Letters to the cores: work that comes from other threads (monitoring,
//! reload, lame duck) and is done between two turns of a core.
//!
//! A letter is a closure over the core. At most one is read per turn, so a
//! sender that has much to ask splits it into small letters; that, and the
//! bound on waiting letters, keeps all of it out of the way of messages.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use trunkline_core::base::id::{CoreId, Nanos};

use crate::mesh::Shared;
use crate::turn::Core;

/// Letters that may wait for one core.
const LETTERS_MAX: usize = 1024;

/// Work for a core.
pub type Letter = Box<dyn FnOnce(&mut Core, Nanos) + Send>;

/// The letters that wait for one core.
#[derive(Default)]
pub struct Mailbox {
    letters: Mutex<VecDeque<Letter>>,
    has_letters: AtomicBool,
}

/// The core has too many letters, or the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undeliverable;

impl Mailbox {
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
    pub fn take(&self) -> Option<Letter> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let letter = letters.pop_front();
        self.has_letters
            .store(!letters.is_empty(), Ordering::Release);
        letter
    }

    fn put(&self, letter: Letter) -> Result<(), Undeliverable> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= LETTERS_MAX {
            return Err(Undeliverable);
        }
        letters.push_back(letter);
        self.has_letters.store(true, Ordering::Release);
        Ok(())
    }
}

impl Shared {
    /// Sends a letter to a core and wakes it.
    pub fn post(
        &self,
        core: CoreId,
        letter: impl FnOnce(&mut Core, Nanos) + Send + 'static,
    ) -> Result<(), Undeliverable> {
        self.mailboxes[core.index()].put(Box::new(letter))?;
        self.doorbells[core.index()].ring();
        Ok(())
    }

    /// Sends a question to every core; the answers arrive in any order, as many
    /// as cores could be asked.
    pub fn ask_all<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Core, Nanos) -> T + Clone + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (answers, receiver) = mpsc::channel();
        for core in 0..self.doorbells.len() {
            let (question, answers) = (question.clone(), answers.clone());
            // A core that cannot be asked is missing among the answers.
            let _ = self.post(CoreId(core as u8), move |core, now| {
                // The asker may have given up.
                let _ = answers.send(question(core, now));
            });
        }
        receiver
    }
}
