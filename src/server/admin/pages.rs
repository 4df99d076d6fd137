//! The pages: names and what they show. The same over HTTP and over the system
//! account.

use jiff::Timestamp;
use serde_json::{Value, json};
use trunkline_core::base::id::AccountId;
use trunkline_core::subject::pattern::{is_literal, matches};

use super::accounts::list_statistics;
use super::connz::SubscriptionDetail;
use super::format::to_value;
use super::parameters::{Parameters, Refused};
use super::{Admin, format};

/// Subscriptions of one answer, if nothing else is asked for.
const SUBSCRIPTIONS_LIMIT: usize = 1024;

impl Admin {
    /// What a page shows; `None` if there is no such page.
    pub fn page(&self, path: &str, parameters: &Parameters) -> Option<Result<Value, Refused>> {
        Some(match path {
            "/varz" => Ok(to_value(&self.varz())),
            "/connz" => self.connz(parameters),
            "/subsz" | "/subscriptionsz" => self.subsz(parameters),
            "/routez" => self.routez(parameters),
            "/gatewayz" => self.gatewayz(parameters),
            "/leafz" => self.leafz(parameters),
            "/accountz" => self.accountz(parameters.text("acc")),
            "/accstatz" => {
                let unused = parameters.boolean("unused");
                unused.map(|unused| self.accstatz(unused))
            }
            "/jsz" => self.jsz(parameters),
            "/healthz" => {
                let health = self.health(parameters);
                health.map(|health| health.json_with_code())
            }
            "/ipqueuesz" => self.ipqueuesz(parameters),
            "/raftz" => Ok(json!({})),
            "/idz" => Ok(json!({
                "name": self.server.server_name,
                "host": self.server.host,
                "id": self.server.server_id,
            })),
            _ => return None,
        })
    }

    /// What every answer begins with.
    pub(super) fn head(&self, rest: Value) -> Value {
        let mut answer = json!({
            "server_id": self.server.server_id,
            "now": format::moment(Timestamp::now()),
        });
        if let (Value::Object(answer), Value::Object(rest)) = (&mut answer, rest) {
            answer.extend(rest);
        }
        answer
    }

    fn subsz(&self, parameters: &Parameters) -> Result<Value, Refused> {
        let with_list = parameters.boolean("subs")?;
        let offset = parameters.amount("offset")?.unwrap_or(0);
        let limit = parameters.amount("limit")?.unwrap_or(SUBSCRIPTIONS_LIMIT);
        let (account, test) = (parameters.text("acc"), parameters.text("test"));
        if !test.is_empty() && !is_literal(test.as_bytes()) {
            return Err(Refused(format!(
                "invalid test subject, must be valid publish subject: {test}"
            )));
        }
        let settings = self.settings();
        let name_of = |id: AccountId| settings.policy.account_name(id);
        let wanted = |id: AccountId| account.is_empty() || name_of(id) == account;
        let mut subscriptions = 0;
        for shard in self.totals().shards {
            for report in shard.accounts {
                if report.account.is_some_and(wanted) {
                    subscriptions += report.subscriptions;
                }
            }
        }
        let mut answer = self.head(list_statistics(subscriptions));
        answer["total"] = 0.into();
        answer["offset"] = offset.into();
        answer["limit"] = limit.into();
        if with_list {
            let connections = self.connections(true);
            let all = connections.iter().flat_map(|report| {
                let subscriptions = report.subscriptions.iter();
                subscriptions.map(move |one| (report, one))
            });
            let mut chosen: Vec<_> = all
                .filter(|(report, _)| wanted(report.account))
                .filter(|(_, one)| test.is_empty() || matches(one.subject, test.as_bytes()))
                .collect();
            chosen.sort_by_key(|(report, one)| (report.client_id, one.sid, one.subject));
            let shown = chosen.iter().skip(offset).take(limit);
            let list: Vec<_> = shown
                .map(|(report, one)| {
                    SubscriptionDetail::of(one, report.client_id, name_of(report.account))
                })
                .collect();
            answer["total"] = chosen.len().into();
            if !list.is_empty() {
                answer["subscriptions_list"] = to_value(&list);
            }
        }
        Ok(answer)
    }

    fn routez(&self, parameters: &Parameters) -> Result<Value, Refused> {
        parameters.details("subs")?;
        Ok(json!({
            "server_id": self.server.server_id,
            "server_name": self.server.server_name,
            "now": format::moment(Timestamp::now()),
            "num_routes": 0,
            "routes": [],
        }))
    }

    fn gatewayz(&self, parameters: &Parameters) -> Result<Value, Refused> {
        parameters.details("subs")?;
        parameters.boolean("accs")?;
        Ok(self.head(json!({"outbound_gateways": {}, "inbound_gateways": {}})))
    }

    fn leafz(&self, parameters: &Parameters) -> Result<Value, Refused> {
        parameters.boolean("subs")?;
        Ok(self.head(json!({"leafnodes": 0, "leafs": []})))
    }

    /// Letters that wait for cores; `all` shows the empty queues too.
    fn ipqueuesz(&self, parameters: &Parameters) -> Result<Value, Refused> {
        let all = parameters.boolean("all")?;
        let wanted = parameters.text("queues");
        let mut queues = serde_json::Map::new();
        for (core, mailbox) in self.cores.mailboxes.iter().enumerate() {
            let (name, pending) = (format!("letters of core {core}"), mailbox.len());
            if (all || pending > 0) && name.contains(wanted) {
                queues.insert(name, json!({ "pending": pending }));
            }
        }
        Ok(Value::Object(queues))
    }

    fn jsz(&self, parameters: &Parameters) -> Result<Value, Refused> {
        for name in [
            "accounts",
            "streams",
            "consumers",
            "direct-consumers",
            "config",
        ] {
            parameters.boolean(name)?;
        }
        parameters.integer("offset")?;
        parameters.integer("limit")?;
        let is_for_leaders = parameters.boolean("leader-only")?;
        parameters.boolean("raft")?;
        parameters.boolean("stream-leader-only")?;
        if is_for_leaders {
            return Err(Refused("filtered response: not leader".to_owned()));
        }
        Ok(self.head(json!({
            "memory": 0, "storage": 0, "reserved_memory": 0, "reserved_storage": 0,
            "accounts": 0, "ha_assets": 0, "api": {"level": 0, "total": 0, "errors": 0},
            "disabled": true,
            "config": {"max_memory": 0, "max_storage": 0},
            "streams": 0, "consumers": 0, "messages": 0, "bytes": 0, "total": 0,
        })))
    }
}
