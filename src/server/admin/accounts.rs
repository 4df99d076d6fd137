//! `/accountz` and `/accstatz`: accounts, in the fields of NATS 2.15.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};
use trunkline_core::base::id::AccountId;
use trunkline_core::base::traffic::Traffic;
use trunkline_core::session::policy::{Account, Mapping};

use super::format::to_value;
use super::parameters::Refused;
use super::{Admin, format};

/// What every account may ask the server: subject in the account, subject of
/// the service, whether the service learns who asks (NATS 2.15).
const SERVICES: [(&str, &str, &str, bool); 4] = [
    ("ACCOUNT", "CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ", false),
    ("ACCOUNT", "CONNZ", "$SYS.REQ.SERVER.PING.CONNZ", false),
    ("ACCOUNT", "STATZ", "$SYS.REQ.ACCOUNT.PING.STATZ", false),
    ("USER", "INFO", "$SYS.REQ.USER.INFO", true),
];

/// What the system account offers for that, with how often it answers.
const OFFERS: [(&str, &str); 4] = [
    ("$SYS.DEBUG.SUBSCRIBERS", "Singleton"),
    ("$SYS.REQ.ACCOUNT.*.CONNZ", "Streamed"),
    ("$SYS.REQ.ACCOUNT.*.STATZ", "Streamed"),
    ("$SYS.REQ.USER.*.INFO", "Singleton"),
];

impl Admin {
    /// All accounts, or one with its details.
    pub(super) fn accountz(&self, name: &str) -> Result<Value, Refused> {
        let settings = self.settings();
        let system = settings.policy.account_name(AccountId::SYSTEM);
        let mut answer = self.head(json!({"system_account": system}));
        if name.is_empty() {
            let accounts = settings.policy.accounts_in_use();
            let names: Vec<&str> = accounts.map(|(_, account)| &*account.name).collect();
            answer["accounts"] = to_value(&names);
            return Ok(answer);
        }
        let mut accounts = settings.policy.accounts_in_use();
        let Some((id, account)) = accounts.find(|(_, account)| &*account.name == name) else {
            return Err(Refused(format!("Account {name} does not exist")));
        };
        let totals = self.totals();
        let shards = totals.shards.iter();
        let subscriptions: usize = shards
            .filter_map(|shard| shard.account(id))
            .map(|account| account.subscriptions)
            .sum();
        let mut detail = json!({
            "account_name": name,
            "update_time": format::moment(settings.loaded),
            "expired": false,
            "complete": true,
            "jetstream_enabled": self.server.has_jetstream && account.jetstream.is_some(),
            "leafnode_connections": 0,
            "client_connections": account.usage.connections.load(Ordering::Relaxed),
            "subscriptions": subscriptions,
            "name_tag": name,
            "sublist_stats": list_statistics(subscriptions),
        });
        if name == system {
            detail["is_system"] = true.into();
            let offers = OFFERS.iter().map(|(subject, answers)| {
                json!({"subject": subject, "type": "service", "response_type": answers})
            });
            detail["exports"] = offers.collect();
        }
        if !account.mappings.is_empty() {
            detail["mappings"] = mappings(account);
        }
        detail["imports"] = imports(name, system);
        answer["account_detail"] = detail;
        Ok(answer)
    }

    /// Accounts with their counts; `unused` shows those without connections too.
    pub fn accstatz(&self, unused: bool) -> Value {
        let settings = self.settings();
        let totals = self.totals();
        let mut statistics = Vec::new();
        for (id, account) in settings.policy.accounts_in_use() {
            let connections = account.usage.connections.load(Ordering::Relaxed);
            if connections == 0 && !unused {
                continue;
            }
            let (mut subscriptions, mut slow) = (0, 0);
            let mut traffic = Traffic::default();
            let shards = totals.shards.iter();
            for shard in shards.filter_map(|shard| shard.account(id)) {
                subscriptions += shard.subscriptions;
                slow += shard.slow_consumers;
                traffic.add(&shard.traffic);
            }
            statistics.push(json!({
                "acc": &*account.name,
                "name": &*account.name,
                "conns": connections,
                "leafnodes": 0,
                // Those of now, with those of other servers.
                "total_conns": connections,
                "num_subscriptions": subscriptions,
                "sent": data_stats(traffic.out_messages, traffic.out_bytes),
                "received": data_stats(traffic.in_messages, traffic.in_bytes),
                "slow_consumers": slow,
            }));
        }
        self.head(json!({"account_statz": statistics}))
    }
}

/// The services of the server as imports.
fn imports(name: &str, system: &str) -> Value {
    let services = SERVICES.iter().filter(|(_, what, ..)| {
        // The system account asks the server itself.
        name != system || *what == "INFO"
    });
    let import = |&(kind, what, to, shares): &(&str, &str, &str, bool)| {
        json!({
            "subject": format!("$SYS.REQ.{kind}.{name}.{what}"),
            "account": system,
            "to": to,
            "local_subject": to,
            "type": "service",
            "invalid": false,
            "share": shares,
            "tracking": false,
        })
    };
    services.map(import).collect()
}

fn mappings(account: &Account) -> Value {
    let shown = account.mappings.iter().map(|mapping| {
        let destinations = destinations(mapping);
        (mapping.source.clone(), Value::Array(destinations))
    });
    Value::Object(shown.collect::<Map<_, _>>())
}

/// The destinations with the draws below which they are chosen.
fn destinations(mapping: &Mapping) -> Vec<Value> {
    // Every cluster draws of its own hundred.
    let mut bounds: BTreeMap<&str, u32> = BTreeMap::new();
    let mut shown = Vec::new();
    for destination in &mapping.destinations {
        let bound = bounds.entry(&destination.cluster).or_default();
        *bound += u32::from(destination.weight);
        let mut one = json!({"subject": destination.subject, "weight": bound});
        if !destination.cluster.is_empty() {
            one["cluster"] = (&*destination.cluster).into();
        }
        shown.push(one);
    }
    shown
}

/// Statistics of a list of subscriptions. Only their number means the same as
/// in the reference server.
pub(super) fn list_statistics(subscriptions: usize) -> Value {
    json!({
        "num_subscriptions": subscriptions,
        "num_cache": 0,
        "num_inserts": 0,
        "num_removes": 0,
        "num_matches": 0,
        "cache_hit_rate": 0.0,
        "max_fanout": 0,
        "avg_fanout": 0.0,
    })
}

/// Messages and bytes, none of which are with other servers.
fn data_stats(messages: u64, bytes: u64) -> Value {
    let none = json!({"msgs": 0, "bytes": 0});
    json!({
        "msgs": messages,
        "bytes": bytes,
        "gateways": none,
        "routes": none,
        "leafs": none,
    })
}
