//! What an operator may have done over the system account: reload, end a
//! connection, send a client away (NATS 2.15).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Map, Value};
use trunkline_core::base::id::CoreId;

use super::{Admin, Outcome};

/// How long a core may take for one connection.
const PATIENCE: Duration = Duration::from_secs(2);

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
    fn ask(&self) -> Result<(), String> {
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

/// The number of the client that a request is about, zero if it does not say;
/// `None` if the request is wrong.
pub(super) fn client_named(payload: &[u8]) -> Option<u64> {
    let fields: Map<String, Value> = serde_json::from_slice(payload).ok()?;
    fields.get("cid").map_or(Some(0), Value::as_u64)
}

impl Admin {
    pub(super) fn obey(&self, command: &str, payload: &[u8]) -> Outcome {
        let client_id = client_named(payload).unwrap_or(0);
        let done = match command {
            "RELOAD" => self.system.reloads.ask(),
            "KICK" => self.kick(client_id),
            _ => self.send_away(client_id),
        };
        done.map_or_else(Outcome::Failed, |()| Outcome::Done)
    }

    fn kick(&self, client_id: u64) -> Result<(), String> {
        let kicked = self.ask_each(move |core| core.shard_mut().kick(client_id).then_some(()));
        kicked.ok_or_else(|| "no such client or leafnode id".to_owned())
    }

    fn send_away(&self, client_id: u64) -> Result<(), String> {
        let told = self.ask_each(move |core| core.shard_mut().send_lame_duck(client_id));
        match told {
            Some(true) => Ok(()),
            Some(false) => Err(
                "client does not support Lame Duck Mode or is not ready to receive the notification"
                    .to_owned(),
            ),
            None => Err("no such client id".to_owned()),
        }
    }

    /// The answer of the core that has one.
    fn ask_each<T: Send + 'static>(
        &self,
        question: impl Fn(&mut crate::turn::Core) -> Option<T> + Clone + Send + 'static,
    ) -> Option<T> {
        (0..self.shared.doorbells.len()).find_map(|core| {
            let (answer, answers) = mpsc::channel();
            let question = question.clone();
            let posted = self.shared.post(CoreId(core as u8), move |core, _| {
                // Who asked may have lost patience.
                let _ = answer.send(question(core));
            });
            posted.ok()?;
            answers.recv_timeout(PATIENCE).ok().flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_about_clients_name_them() {
        assert_eq!(client_named(b"{\"cid\":5}"), Some(5));
        assert_eq!(client_named(b"{}"), Some(0));
        for wrong in [&b""[..], b"x", b"{\"cid\":\"x\"}", b"{\"cid\":-1}", b"[]"] {
            assert_eq!(client_named(wrong), None, "{wrong:?}");
        }
    }
}
