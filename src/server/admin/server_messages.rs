//! How the server speaks in its own name: what every answer and event says of
//! it, and the way to the subscribers.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use trunkline_core::base::id::{AccountId, CoreId};
use trunkline_core::shard::Shard;
use trunkline_core::shard::system::ServerMessage;
use trunkline_core::wire::info::NATS_VERSION;

use super::{Admin, format};

/// How long subscribers' cores may take to take messages.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait for a core that has too many letters.
const LETTER_PAUSE: Duration = Duration::from_millis(5);

/// Rounds of letters after which everything that was published before has left:
/// the first core hands it on when its turn ends, the others send it when theirs
/// do.
const ROUNDS_UNTIL_OUT: usize = 3;

/// The server, as every answer and event says.
#[derive(Clone, Serialize)]
pub struct ServerLine {
    name: String,
    host: String,
    id: String,
    ver: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    feature_flags: BTreeMap<String, bool>,
    jetstream: bool,
    flags: u64,
    seq: u64,
    time: String,
}

/// A message of the server.
pub struct Message {
    /// The account of its subscribers.
    pub account: AccountId,
    /// Its subject.
    pub subject: Vec<u8>,
    /// Its header block, whole or empty.
    pub header: Vec<u8>,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Message {
    /// Publishes it; false if it has to wait.
    fn publish(&self, shard: &mut Shard) -> bool {
        shard.publish_as_server(&ServerMessage {
            account: self.account,
            subject: &self.subject,
            reply: b"",
            header: &self.header,
            payload: &self.payload,
        })
    }

    /// JSON without a header.
    pub fn json(account: AccountId, subject: &[u8], payload: &impl Serialize) -> Self {
        Self {
            account,
            subject: subject.to_vec(),
            header: Vec::new(),
            payload: serde_json::to_vec(payload).expect("plain data is always JSON"),
        }
    }
}

impl Admin {
    /// What the next answer or event says of the server.
    pub fn server_line(&self) -> ServerLine {
        let options = &self.settings().options;
        ServerLine {
            name: self.server.server_name.clone(),
            host: self.server.host.clone(),
            id: self.server.server_id.clone(),
            ver: NATS_VERSION,
            tags: options.tags.clone(),
            metadata: options.metadata.clone(),
            feature_flags: options.all_feature_flags(),
            jetstream: self.server.has_jetstream,
            flags: 0,
            seq: self.numbers.next(),
            time: format::moment(Timestamp::now()),
        }
    }

    /// The name of an account.
    pub fn account_name(&self, account: AccountId) -> String {
        self.settings().policy.account_name(account).to_owned()
    }

    /// Publishes messages in their order, all in one letter; returns when they
    /// are published, so that a sender of many is as slow as its receivers.
    pub fn publish(&self, messages: Vec<Message>) {
        let messages = std::sync::Arc::new(messages);
        let mut published = 0;
        while published < messages.len() && !self.cores.shared.is_stopping.load(Ordering::Relaxed) {
            let (done, is_done) = mpsc::channel();
            let letter = std::sync::Arc::clone(&messages);
            let posted = self.cores.post(CoreId(0), move |core, _| {
                let rest = letter[published..].iter();
                let taken = rest.take_while(|message| message.publish(core.shard_mut()));
                // Whoever waits may have lost patience.
                let _ = done.send(taken.count());
            });
            let taken = posted.map_or(Ok(0), |()| is_done.recv_timeout(PATIENCE));
            // A letter that is not answered may still be read: nothing twice.
            let Ok(taken) = taken else {
                return;
            };
            published += taken;
            if published < messages.len() {
                std::thread::sleep(LETTER_PAUSE);
            }
        }
    }

    /// Which of these subjects somebody listens to, as the first core knows it.
    pub fn heard(&self, subjects: Vec<(AccountId, Vec<u8>)>) -> Vec<(AccountId, Vec<u8>)> {
        let (answer, answers) = mpsc::channel();
        let posted = self.cores.post(CoreId(0), move |core, _| {
            let mut subjects = subjects;
            subjects.retain(|(account, subject)| core.shard_mut().has_interest(*account, subject));
            // Who asked may have lost patience.
            let _ = answer.send(subjects);
        });
        match posted {
            Ok(()) => answers.recv_timeout(PATIENCE).unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// Says that the server goes away (`SHUTDOWN`), or that it will soon
    /// (`LAMEDUCK`); returns when subscribers have been sent it.
    pub fn say_goodbye(&self, what: &str) {
        let subject = format!("$SYS.SERVER.{}.{what}", self.server.server_id).into_bytes();
        if self
            .heard(vec![(AccountId::SYSTEM, subject.clone())])
            .is_empty()
        {
            return;
        }
        let line = self.server_line();
        self.publish(vec![Message::json(AccountId::SYSTEM, &subject, &line)]);
        for _ in 0..ROUNDS_UNTIL_OUT {
            let answers = self.cores.ask_all(|_, _| ());
            for _ in 0..self.cores.count() {
                // Whoever is late does not hold up the end.
                let _ = answers.recv_timeout(PATIENCE);
            }
        }
    }
}
