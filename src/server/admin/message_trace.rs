//! Accounts of the ways of messages (ADR-41): joins the parts that the cores have
//! written and publishes each account where its message wanted it.
//!
//! Parts come through a bounded channel. An account whose parts are not there
//! after [`PATIENCE`] is published without them, parts without an account are
//! forgotten then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_core::shard::message_trace::{Egress, PartName, Published, TracePart, headers};

use super::server_messages::Message;
use super::{Admin, format};

/// How long an account waits for the parts of other cores.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connections of clients, as traces number the kinds.
const KIND_CLIENT: u8 = 0;

/// Starts the thread that publishes; it ends with the cores.
pub fn start(admin: Arc<Admin>, parts: mpsc::Receiver<TracePart>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("traces".to_owned())
        .spawn(move || {
            let mut waiting = Waiting::default();
            loop {
                let next = match waiting.is_empty() {
                    true => parts.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    false => parts.recv_timeout(PATIENCE),
                };
                match next {
                    Ok(part) => waiting.take(part, Instant::now()),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                for account in waiting.ready(Instant::now()) {
                    admin.publish_trace(account);
                }
            }
        })?;
    Ok(())
}

/// Accounts that miss parts, and parts that miss their account.
#[derive(Default)]
struct Waiting {
    accounts: Vec<(Instant, Published)>,
    parts: HashMap<PartName, (Instant, Vec<Egress>)>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.parts.is_empty()
    }

    fn take(&mut self, part: TracePart, now: Instant) {
        match part {
            TracePart::Published(published) => self.accounts.push((now, published)),
            TracePart::HandedOn { name, egresses } => {
                self.parts.insert(name, (now, egresses));
            }
        }
    }

    /// Takes out the accounts that are complete or have waited long enough.
    fn ready(&mut self, now: Instant) -> Vec<Published> {
        let mut ready = Vec::new();
        for (since, mut account) in std::mem::take(&mut self.accounts) {
            account
                .awaited
                .retain(|name| match self.parts.remove(name) {
                    Some((_, egresses)) => {
                        account.egresses.extend(egresses);
                        false
                    }
                    None => true,
                });
            match account.awaited.is_empty() || now - since >= PATIENCE {
                true => ready.push(account),
                false => self.accounts.push((since, account)),
            }
        }
        self.parts
            .retain(|_, (since, _)| now - *since < 2 * PATIENCE);
        ready
    }
}

impl Admin {
    fn publish_trace(&self, trace: Published) {
        let mut events = vec![json!({
            "type": "in",
            "ts": format::moment_of(self, trace.at),
            "kind": KIND_CLIENT,
            "cid": trace.client_id,
            "acc": self.account_name(trace.account),
            "subj": String::from_utf8_lossy(&trace.subject),
        })];
        put(&mut events[0], "name", &trace.name);
        put(&mut events[0], "error", &trace.error);
        if let Some(to) = &trace.mapped_to {
            events.push(json!({
                "type": "sm",
                "ts": format::moment_of(self, trace.at),
                "to": String::from_utf8_lossy(to),
            }));
        }
        events.extend(trace.egresses.iter().map(|egress| self.egress(egress)));
        let message = json!({
            "server": self.server_line(),
            "request": request(&trace),
            "events": events,
        });
        self.publish(vec![Message {
            account: trace.account,
            subject: trace.destination,
            header: Vec::new(),
            payload: message.to_string().into_bytes(),
        }]);
    }

    fn egress(&self, egress: &Egress) -> Value {
        let mut event = json!({
            "type": "eg",
            "ts": format::moment_of(self, egress.at),
            "kind": KIND_CLIENT,
            "cid": egress.client_id,
        });
        put(&mut event, "name", &egress.name);
        put(&mut event, "sub", &egress.subscription);
        put(&mut event, "queue", &egress.queue);
        put(&mut event, "error", egress.error);
        event
    }
}

/// Adds a member that is left out when empty.
fn put(event: &mut Value, name: &str, text: &str) {
    if !text.is_empty() {
        event[name] = text.into();
    }
}

fn request(trace: &Published) -> Value {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers(&trace.header) {
        let name = String::from_utf8_lossy(name).into_owned();
        let value = String::from_utf8_lossy(value).into_owned();
        values.entry(name).or_default().push(value);
    }
    json!({"header": values, "msgsize": trace.size})
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use trunkline_core::base::id::{AccountId, CoreId, Nanos};

    fn name(core: u8) -> PartName {
        PartName {
            origin: CoreId(0),
            core: CoreId(core),
            number: 7,
        }
    }

    fn handed_on(core: u8) -> TracePart {
        TracePart::HandedOn {
            name: name(core),
            egresses: vec![Egress {
                at: Nanos(1),
                client_id: u64::from(core),
                name: String::new(),
                subscription: "a".into(),
                queue: String::new(),
                error: "",
            }],
        }
    }

    #[test]
    fn accounts_wait_for_their_parts() {
        let mut waiting = Waiting::default();
        let now = Instant::now();
        waiting.take(handed_on(1), now);
        assert!(waiting.ready(now).is_empty());
        let published = Published {
            account: AccountId::GLOBAL,
            at: Nanos(1),
            client_id: 1,
            name: String::new(),
            subject: b"a".to_vec(),
            mapped_to: None,
            error: String::new(),
            header: Vec::new(),
            size: 0,
            destination: b"t".to_vec(),
            egresses: Vec::new(),
            awaited: vec![name(1), name(2)],
            is_only: false,
        };
        waiting.take(TracePart::Published(published.clone()), now);
        assert!(waiting.ready(now).is_empty());
        waiting.take(handed_on(2), now);
        let ready = waiting.ready(now);
        let receivers = ready[0].egresses.iter().map(|egress| egress.client_id);
        assert_eq!(receivers.collect::<Vec<_>>(), [1, 2]);
        assert!(waiting.is_empty());

        waiting.take(TracePart::Published(published), now);
        assert_eq!(
            waiting.ready(now + PATIENCE).len(),
            1,
            "better than nothing"
        );
        waiting.take(handed_on(3), now);
        waiting.ready(now + 2 * PATIENCE);
        assert!(waiting.is_empty(), "nobody waits for it");
    }
}
