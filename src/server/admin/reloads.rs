//! Reloads that the system account asks for and the main thread does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// How long a reload may take.
const RELOAD_PATIENCE: Duration = Duration::from_secs(30);

/// Who waits for the end of a reload that the main thread is going to do.
#[derive(Default)]
pub struct Reloads {
    askers: Mutex<Vec<mpsc::Sender<Result<(), String>>>>,
    has_ended: AtomicBool,
}

impl Reloads {
    /// Has the main thread reload, as the signal does; waits for what comes of
    /// it.
    ///
    /// # Errors
    /// Why there was no reload.
    pub fn ask(&self) -> Result<(), String> {
        let refused = || Err("the server does not reload any more".to_owned());
        if self.has_ended.load(Ordering::Relaxed) {
            return refused();
        }
        let (asker, answer) = mpsc::channel();
        self.askers().push(asker);
        kill_process(getpid(), Signal::HUP).map_err(|failure| failure.to_string())?;
        let result = answer.recv_timeout(RELOAD_PATIENCE);
        result.unwrap_or_else(|_| refused())
    }

    fn askers(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Result<(), String>>>> {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There are no more reloads: the server goes away.
    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Those who wait; the signal was theirs if there are any.
    pub fn take(&self) -> Vec<mpsc::Sender<Result<(), String>>> {
        std::mem::take(&mut *self.askers())
    }
}
