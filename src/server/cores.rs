//! All cores, as other threads know them: what they share, and the way to post letters to them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use trunkline_core::base::id::{CoreId, Nanos};

use crate::mailbox::{Mailbox, Undeliverable};
use crate::mesh::Shared;
use crate::turn::Core;

/// All cores.
#[derive(Clone)]
pub struct Cores {
    /// What they share.
    pub shared: Arc<Shared>,
    /// One per core.
    pub mailboxes: Arc<[Mailbox<Core>]>,
}

impl Cores {
    /// The cores that share this; they are yet to be started.
    pub fn new(shared: Arc<Shared>) -> Self {
        let mailboxes = shared.doorbells.iter().map(|_| Mailbox::default());
        Self {
            mailboxes: mailboxes.collect(),
            shared,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.mailboxes.len()
    }

    /// Sends a letter to a core and wakes it.
    ///
    /// # Errors
    /// The core has too many letters.
    pub fn post(
        &self,
        core: CoreId,
        letter: impl FnOnce(&mut Core, Nanos) + Send + 'static,
    ) -> Result<(), Undeliverable> {
        self.mailboxes[core.index()].put(Box::new(letter))?;
        self.shared.doorbells[core.index()].ring();
        Ok(())
    }

    /// Sends a question to every core; the answers arrive in any order, as many
    /// as cores could be asked.
    pub fn ask_all<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Core, Nanos) -> T + Clone + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (answers, receiver) = mpsc::channel();
        for core in 0..self.count() {
            let (question, answers) = (question.clone(), answers.clone());
            // A core that cannot be asked is missing among the answers.
            let _ = self.post(CoreId::at(core), move |core, now| {
                // The asker may have given up.
                let _ = answers.send(question(core, now));
            });
        }
        receiver
    }

    /// Ends them all: each notices before its next turn.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        for bell in &self.shared.doorbells {
            bell.ring();
        }
    }
}
