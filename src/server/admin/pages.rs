//! The pages: names, parameters and what they show. The same over HTTP and
//! over the system account.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use trunkline_core::base::id::AccountId;
use trunkline_core::subject::pattern::matches;

use super::connz::SubscriptionDetail;
use super::{Admin, format};

/// Subscriptions of one answer, if nothing else is asked for.
const SUBSCRIPTIONS_LIMIT: usize = 1024;

/// A question that cannot be answered as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// What a question says besides its name.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// From the part of a URL after the question mark.
    pub fn of_query(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// From the payload of a request.
    pub fn of_json(payload: &[u8]) -> Result<Self, Refused> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let fields: BTreeMap<String, Value> =
            serde_json::from_slice(payload).map_err(|error| Refused(error.to_string()))?;
        let text = |(name, value)| {
            let value = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            // Some fields have longer names there.
            let name = match name {
                "subscriptions" => "subs",
                "subscriptions_detail" if value == "true" => return ("subs", "detail".to_owned()),
                "account" => "acc",
                name => name,
            };
            (name, value)
        };
        let pairs = fields
            .iter()
            .map(|(name, value)| text((name.as_str(), value.clone())));
        Ok(Self(
            pairs
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        ))
    }

    /// The same with another value of one name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A text, empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A boolean in Go's spellings, false if it is not there.
    pub fn boolean(&self, name: &str) -> Result<bool, Refused> {
        match self.text(name) {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            other => Err(Refused(format!(
                "Error decoding boolean for '{name}': strconv.ParseBool: parsing {other:?}: invalid syntax"
            ))),
        }
    }

    /// A number, zero if it is not there.
    pub fn number(&self, name: &str) -> Result<usize, Refused> {
        match self.text(name) {
            "" => Ok(0),
            text => text.parse().map_err(|_| {
                Refused(format!(
                    "Error decoding int for '{name}': strconv.Atoi: parsing {text:?}: invalid syntax"
                ))
            }),
        }
    }
}

/// The pages that are JSON, as paths; over the system account the same names
/// in capitals.
pub const PAGES: &[&str] = &[
    "/varz",
    "/connz",
    "/subsz",
    "/subscriptionsz",
    "/routez",
    "/gatewayz",
    "/leafz",
    "/accountz",
    "/accstatz",
    "/jsz",
    "/healthz",
    "/ipqueuesz",
    "/raftz",
    "/idz",
];

impl Admin {
    /// What a page shows; `None` if there is no such page.
    pub fn page(&self, path: &str, parameters: &Parameters) -> Option<Result<Value, Refused>> {
        let page = PAGES.iter().find(|page| **page == path)?;
        {
            let mut requests = self
                .requests
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            *requests.entry(page).or_default() += 1;
        }
        Some(match *page {
            "/varz" => Ok(to_value(&self.varz())),
            "/connz" => self.connz(parameters).map(|connz| to_value(&connz)),
            "/subsz" | "/subscriptionsz" => self.subsz(parameters),
            "/routez" => Ok(self.head(json!({
                "server_name": self.server.server_name,
                "num_routes": 0,
                "routes": [],
            }))),
            "/gatewayz" => Ok(self.head(json!({
                "outbound_gateways": {},
                "inbound_gateways": {},
            }))),
            "/leafz" => Ok(self.head(json!({"leafnodes": 0, "leafs": []}))),
            "/accountz" => self.accountz(parameters.text("acc")),
            "/accstatz" => Ok(self.accstatz(parameters.boolean("unused").unwrap_or(false))),
            "/jsz" => Ok(self.jsz()),
            "/healthz" => Ok(json!({"status": "ok"})),
            "/idz" => Ok(json!({
                "name": self.server.server_name,
                "host": self.server.host,
                "id": self.server.server_id,
            })),
            _ => Ok(json!({})),
        })
    }

    /// What every answer begins with.
    fn head(&self, rest: Value) -> Value {
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
        let offset = parameters.number("offset")?;
        let limit = match parameters.number("limit")? {
            0 => SUBSCRIPTIONS_LIMIT,
            limit => limit,
        };
        let (account, test) = (parameters.text("acc"), parameters.text("test"));
        let totals = self.totals();
        let mut answer = self.head(json!({
            "num_subscriptions": totals.subscriptions,
            "num_cache": 0,
            "num_inserts": 0,
            "num_removes": 0,
            "num_matches": 0,
            "cache_hit_rate": 0.0,
            "max_fanout": 0,
            "avg_fanout": 0.0,
            "total": 0,
            "offset": offset,
            "limit": limit,
        }));
        if with_list || !test.is_empty() || !account.is_empty() {
            let settings = self.settings();
            let name_of = |id: AccountId| {
                let account = settings.policy.accounts.get(id.index());
                account.map_or("", |account| &*account.name)
            };
            let connections = self.connections(true);
            let all = connections.iter().flat_map(|report| {
                let subscriptions = report.subscriptions.iter();
                subscriptions.map(move |one| (report, one))
            });
            let wanted: Vec<_> = all
                .filter(|(report, _)| account.is_empty() || name_of(report.account) == account)
                .filter(|(_, one)| test.is_empty() || matches(one.subject, test.as_bytes()))
                .collect();
            let shown = wanted.iter().skip(offset).take(limit);
            let list: Vec<_> = shown
                .map(|(report, one)| {
                    SubscriptionDetail::of(one, report.client_id, name_of(report.account))
                })
                .collect();
            answer["total"] = wanted.len().into();
            answer["subscriptions_list"] = to_value(&list);
        }
        Ok(answer)
    }

    fn accountz(&self, name: &str) -> Result<Value, Refused> {
        let settings = self.settings();
        let accounts = &settings.policy.accounts;
        let system = accounts.get(1).map_or("", |account| &*account.name);
        let mut answer = self.head(json!({"system_account": system}));
        if name.is_empty() {
            let names: Vec<&str> = accounts.iter().map(|account| &*account.name).collect();
            answer["accounts"] = to_value(&names);
            return Ok(answer);
        }
        let Some(at) = accounts.iter().position(|account| &*account.name == name) else {
            return Err(Refused(format!("Account {name} does not exist")));
        };
        let totals = self.totals();
        let shards = totals
            .shards
            .iter()
            .filter_map(|shard| shard.accounts.get(at));
        let connections = accounts[at]
            .usage
            .connections
            .load(std::sync::atomic::Ordering::Relaxed);
        answer["account_detail"] = json!({
            "account_name": name,
            "update_time": format::moment(settings.loaded),
            "expired": false,
            "complete": true,
            "jetstream_enabled": false,
            "leafnode_connections": 0,
            "client_connections": connections,
            "subscriptions": shards.map(|account| account.subscriptions).sum::<usize>(),
        });
        if name == system {
            answer["account_detail"]["is_system"] = true.into();
        }
        Ok(answer)
    }

    /// Accounts with their counts; `unused` shows those without connections too.
    pub fn accstatz(&self, unused: bool) -> Value {
        let settings = self.settings();
        let totals = self.totals();
        let mut statistics = Vec::new();
        for (at, account) in settings.policy.accounts.iter().enumerate() {
            let count = std::sync::atomic::Ordering::Relaxed;
            let connections = account.usage.connections.load(count);
            if connections == 0 && !unused {
                continue;
            }
            let shards = totals
                .shards
                .iter()
                .filter_map(|shard| shard.accounts.get(at));
            let (mut subscriptions, mut slow) = (0, 0);
            let mut traffic = trunkline_core::base::traffic::Traffic::default();
            for shard in shards {
                subscriptions += shard.subscriptions;
                slow += shard.slow_consumers;
                traffic.add(&shard.traffic);
            }
            statistics.push(json!({
                "acc": &*account.name,
                "name": &*account.name,
                "conns": connections,
                "leafnodes": 0,
                "total_conns": account.usage.connections_total.load(count),
                "num_subscriptions": subscriptions,
                "sent": data_stats(traffic.out_messages, traffic.out_bytes),
                "received": data_stats(traffic.in_messages, traffic.in_bytes),
                "slow_consumers": slow,
            }));
        }
        self.head(json!({"account_statz": statistics}))
    }

    fn jsz(&self) -> Value {
        self.head(json!({
            "memory": 0, "storage": 0, "reserved_memory": 0, "reserved_storage": 0,
            "accounts": 0, "ha_assets": 0, "api": {"level": 0, "total": 0, "errors": 0},
            "disabled": true,
            "config": {"max_memory": 0, "max_storage": 0},
            "streams": 0, "consumers": 0, "messages": 0, "bytes": 0, "total": 0,
        }))
    }
}

/// Messages and bytes, none of which are with other servers.
pub fn data_stats(messages: u64, bytes: u64) -> Value {
    let none = json!({"msgs": 0, "bytes": 0});
    json!({
        "msgs": messages,
        "bytes": bytes,
        "gateways": none,
        "routes": none,
        "leafs": none,
    })
}

/// Plain data as JSON.
pub fn to_value(data: &impl serde::Serialize) -> Value {
    serde_json::to_value(data).expect("plain data is always JSON")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_both_kinds() {
        let query = Parameters::of_query("subs=detail&limit=5&auth=1&filter_subject=a.%3E");
        assert_eq!(query.text("subs"), "detail");
        assert_eq!(query.number("limit"), Ok(5));
        assert_eq!(query.boolean("auth"), Ok(true));
        assert_eq!(query.text("filter_subject"), "a.>");
        assert_eq!(query.number("offset"), Ok(0));
        let json = br#"{"subscriptions_detail":true,"account":"A","limit":7}"#;
        let json = Parameters::of_json(json).unwrap();
        assert_eq!((json.text("subs"), json.text("acc")), ("detail", "A"));
        assert_eq!(json.number("limit"), Ok(7));
        assert!(Parameters::of_json(b"[").is_err());
        let wrong = Parameters::of_query("limit=x&auth=maybe");
        assert!(
            wrong
                .number("limit")
                .unwrap_err()
                .0
                .contains("Error decoding int")
        );
        assert!(wrong.boolean("auth").is_err());
    }
}
