//! What is asked about accounts: their pages, their statistics, and how many
//! subscribe to what (NATS 2.15).

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use trunkline_core::base::id::AccountId;
use trunkline_core::shard::system::SystemRequest;
use trunkline_core::subject::pattern::{is_literal, is_within};

use super::{Admin, Outcome};
use crate::admin::format;
use crate::admin::format::to_value;
use crate::admin::parameters::Parameters;

/// How long a core may take to count.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connections of one answer.
const CONNECTIONS_LIMIT: usize = 1024;

/// A request of `NSUBS`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counting {
    acc: String,
    subject: String,
    /// Bytes, in base64.
    queue: Option<String>,
}

impl Admin {
    fn account_id(&self, name: &str) -> Option<AccountId> {
        self.settings().policy.account(name)
    }

    fn connections_in(&self, account: AccountId) -> u64 {
        let settings = self.settings();
        let account = settings.policy.account_of(account);
        account.map_or(0, |account| {
            account.usage.connections.load(Ordering::Relaxed)
        })
    }

    /// A page about one account.
    pub(super) fn account_page(
        &self,
        account: &str,
        page: &str,
        parameters: Parameters,
    ) -> Outcome {
        let parameters = parameters.with("acc", account);
        match page {
            "CONNZ" if self.account_id(account).is_none() => Outcome::Data(json!({
                "server_id": "",
                "now": format::moment(Timestamp::now()),
                "num_connections": 0,
                "total": 0,
                "offset": 0,
                "limit": CONNECTIONS_LIMIT,
                "connections": null,
            })),
            "CONNZ" | "LEAFZ" => self.page_named(page, &parameters),
            "SUBSZ" => self.page_named(page, &parameters.with("subs", "1")),
            "JSZ" => Outcome::NoData("jetstream not enabled".to_owned()),
            "INFO" => match self.page_named("ACCOUNTZ", &parameters) {
                Outcome::Data(mut answer) => Outcome::Data(answer["account_detail"].take()),
                other => other,
            },
            "STATZ" => self.statz(Some(account), &parameters),
            _ => Outcome::Silence,
        }
    }

    /// The statistics of one account or all.
    pub(super) fn statz(&self, account: Option<&str>, parameters: &Parameters) -> Outcome {
        let with_unused = parameters.boolean("include_unused").unwrap_or(false);
        let mut answer = self.accstatz(with_unused);
        let mut accounts = answer["account_statz"].take();
        if let (Some(account), Value::Array(list)) = (account, &mut accounts) {
            list.retain(|one| one["acc"] == account);
        }
        if accounts == json!([]) && !with_unused {
            return Outcome::Silence;
        }
        Outcome::Data(json!({
            "server_id": self.server.server_id,
            "now": format::moment(Timestamp::now()),
            "account_statz": accounts,
        }))
    }

    /// The event about an account's connections, as an answer.
    pub(super) fn connections_of(&self, account: &str, payload: &[u8]) -> Outcome {
        let asked: Counting = match payload {
            b"" => Counting::default(),
            _ => match serde_json::from_slice(payload) {
                Ok(asked) => asked,
                Err(_) => return Outcome::Silence,
            },
        };
        let is_same = asked.acc.is_empty() || asked.acc == account;
        let Some(id) = self.account_id(account).filter(|_| is_same) else {
            return Outcome::Silence;
        };
        match self.connections_in(id) {
            0 => Outcome::Silence,
            connections => {
                let line = self.account_line(id, connections, &self.totals());
                Outcome::Bare(to_value(&self.connections_event(line)))
            }
        }
    }

    /// Subscriptions to a subject of an account that has connections.
    pub(super) fn count_in_account(&self, payload: &[u8]) -> Outcome {
        let Ok(asked) = serde_json::from_slice::<Counting>(payload) else {
            return Outcome::Silence;
        };
        let queue = asked.queue.map(|text| STANDARD.decode(text));
        let Ok(queue) = queue.transpose() else {
            return Outcome::Silence;
        };
        match self.account_id(&asked.acc) {
            Some(id) if self.connections_in(id) > 0 => {
                Outcome::Bare(self.count(id, asked.subject, queue).into())
            }
            _ => Outcome::Silence,
        }
    }

    /// Subscriptions to a subject of the asker's account: `subject queue`.
    pub(super) fn count_own(&self, request: &SystemRequest) -> Outcome {
        let text = String::from_utf8_lossy(&request.payload);
        let mut words = text.trim().split(' ');
        let subject = words.next().unwrap_or_default().to_owned();
        let queue = words.next().map(|queue| queue.as_bytes().to_vec());
        Outcome::Bare(self.count(request.account, subject, queue).into())
    }

    fn count(&self, account: AccountId, subject: String, queue: Option<Vec<u8>>) -> usize {
        if is_literal(subject.as_bytes()) {
            return self.count_interested(account, subject, queue);
        }
        let connections = self.connections(true);
        let own = connections.iter().filter(|one| one.account == account);
        let all = own.flat_map(|report| report.subscriptions.iter());
        let counted = all.filter(|one| {
            is_within(one.subject, subject.as_bytes())
                && queue.as_ref().is_none_or(|queue| one.queue == queue)
        });
        counted.count()
    }

    fn count_interested(
        &self,
        account: AccountId,
        subject: String,
        queue: Option<Vec<u8>>,
    ) -> usize {
        let answers = self.cores.ask_all(move |core, _| {
            let shard = core.shard_mut();
            shard.count_interested(account, subject.as_bytes(), queue.as_deref())
        });
        let cores = 0..self.cores.count();
        cores
            .filter_map(|_| answers.recv_timeout(PATIENCE).ok())
            .sum()
    }
}
