//! What an operator may have done over the system account: reload, end a
//! connection, send a client away (NATS 2.15).

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Map, Value};
use trunkline_core::base::id::CoreId;

use super::{Admin, Outcome};
use crate::turn::Core;

/// How long a core may take for one connection.
const PATIENCE: Duration = Duration::from_secs(2);

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
            "RELOAD" => self.reloads.ask(),
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
        question: impl Fn(&mut Core) -> Option<T> + Clone + Send + 'static,
    ) -> Option<T> {
        CoreId::all(self.cores.count()).find_map(|core| {
            let (answer, answers) = mpsc::channel();
            let question = question.clone();
            let posted = self.cores.post(core, move |core, _| {
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
