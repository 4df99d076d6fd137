//! What a plan of JetStream stands on: the connection to the API, the streams made for the run, and connections with an
//! inbox each. What was made is deleted at the end.

use serde_json::{Value, json};

use crate::args::{PlanArgs, Storage};
use crate::clock::now_ns;
use crate::net::conn::Connection;
use crate::plans::flow;
use crate::plans::jetstream::api::Api;
use crate::plans::jetstream::crew::{Actor, Crew, Hand};
use crate::plans::jetstream::reader::delivery_subject;
use crate::plans::setup::Opener;

/// Streams that are asked for with one request each; more would only wait.
const STREAMS_MAX: usize = 100_000;

/// The stand of one run.
pub struct Stand<'a> {
    /// The options.
    pub args: &'a PlanArgs,
    /// For requests.
    pub api: Api,
    opener: &'a mut Opener,
    /// In all names of this run.
    unique: String,
    made: Vec<String>,
    /// Connections opened for the crews so far.
    pub connections: usize,
}

impl<'a> Stand<'a> {
    /// Connects.
    pub fn new(args: &'a PlanArgs, opener: &'a mut Opener) -> Result<Self, String> {
        if args.jetstream.streams > STREAMS_MAX {
            return Err(format!("--streams must be at most {STREAMS_MAX}"));
        }
        let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let unique = format!(
            "{:x}x{:x}",
            std::process::id(),
            since_epoch.as_nanos() as u64 ^ now_ns()
        );
        let api = Api::open(opener, format!("_INBOX.{unique}.api"))?;
        Ok(Stand {
            args,
            api,
            opener,
            unique,
            made: Vec::new(),
            connections: 0,
        })
    }

    /// A name for a stream or a bucket of this run.
    pub fn name(&self, index: usize) -> String {
        let prefix: String = self
            .args
            .prefix
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character
                } else {
                    '-'
                }
            })
            .collect();
        format!("{prefix}-{}-{index}", self.unique)
    }

    /// The subject of a stream of this run.
    pub fn subject(&self, index: usize) -> String {
        format!("{}.{}.{index}", self.args.prefix, self.unique)
    }

    /// Makes a stream; `more` is what its configuration has beside the usual.
    pub fn make_stream(
        &mut self,
        name: &str,
        subjects: &[String],
        more: &Value,
    ) -> Result<(), String> {
        let storage = match self.args.jetstream.storage {
            Storage::File => "file",
            Storage::Memory => "memory",
        };
        let mut config = json!({
            "name": name, "subjects": subjects, "retention": "limits", "storage": storage, "discard": "old",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msgs_per_subject": -1,
            "max_msg_size": -1, "num_replicas": 1,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        self.made.push(name.into());
        self.api
            .request(&format!("STREAM.CREATE.{name}"), &config)?;
        Ok(())
    }

    /// Deletes what was made.
    pub fn take_down(&mut self) -> Result<(), String> {
        if self.args.jetstream.keep {
            return Ok(());
        }
        let mut failures = Vec::new();
        for name in std::mem::take(&mut self.made) {
            let deleted = self
                .api
                .request(&format!("STREAM.DELETE.{name}"), &Value::Null);
            failures.extend(deleted.err());
        }
        match failures.first() {
            Some(text) => Err(format!("what was made could not be deleted: {text}")),
            None => Ok(()),
        }
    }

    /// Opens `count` connections with an inbox each, for the actors that `make` makes of their number and inbox.
    pub fn hands<A>(
        &mut self,
        kind: &str,
        count: usize,
        mut make: impl FnMut(usize, &str) -> A,
    ) -> Result<Vec<Hand<A>>, String> {
        let opened = self.opener.open(kind, count, self.args.size.max())?;
        opened
            .into_iter()
            .enumerate()
            .map(|(index, connection)| {
                let name = format!("{kind} {index}");
                self.hand(name, connection, |inbox| make(index, inbox))
            })
            .collect()
    }

    /// Opens one connection with an inbox, likewise.
    pub fn one_hand<A>(
        &mut self,
        kind: &str,
        make: impl FnOnce(&str) -> A,
    ) -> Result<Hand<A>, String> {
        let mut opened = self.opener.open(kind, 1, 0)?;
        let connection = opened.pop().ok_or("no connection")?;
        self.hand(kind.into(), connection, make)
    }

    fn hand<A>(
        &mut self,
        name: String,
        mut connection: Connection,
        make: impl FnOnce(&str) -> A,
    ) -> Result<Hand<A>, String> {
        let inbox = format!("_INBOX.{}.{}", self.unique, self.connections);
        self.connections += 1;
        let subjects = [format!("{inbox}.*"), delivery_subject(&inbox)];
        flow::subscribe(&mut connection, &subjects, None)?;
        Ok(Hand {
            connection,
            actor: make(&inbox),
            name,
        })
    }

    /// Deals hands to threads, as the options want it.
    pub fn crew<A: Actor>(&self, hands: Vec<Hand<A>>) -> Result<Crew<A>, String> {
        let threads = self.args.thread_count(hands.len());
        Crew::new(hands, threads, self.args.pin.clone())
    }
}
