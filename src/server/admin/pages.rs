//! The pages: names, parameters and what they show. The same over HTTP and
//! over the system account.

use std::collections::BTreeMap;
use std::num::IntErrorKind;

use jiff::Timestamp;
use serde_json::{Value, json};
use trunkline_core::base::id::AccountId;
use trunkline_core::subject::pattern::{is_literal, matches};

use super::accounts::list_statistics;
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
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
            // Of several the first one counts.
            parameters.entry(name).or_insert(value);
        }
        Self(parameters)
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
                "state" => return ("state", state_name(value)),
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

    /// The same without one name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
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

    /// A number as Go's `Atoi` reads it, zero if it is not there.
    pub fn integer(&self, name: &str) -> Result<i64, Refused> {
        match self.text(name) {
            "" => Ok(0),
            text => text.parse().map_err(|error| {
                Refused(format!(
                    "Error decoding int for '{name}': strconv.Atoi: parsing {text:?}: {}",
                    reason(&error)
                ))
            }),
        }
    }

    /// How many; `None` if that is not said or makes no sense.
    pub fn amount(&self, name: &str) -> Result<Option<usize>, Refused> {
        let amount = usize::try_from(self.integer(name)?);
        Ok(amount.ok().filter(|&amount| amount > 0))
    }

    /// A number of a connection, zero if it is not there.
    pub fn client_id(&self, name: &str) -> Result<u64, Refused> {
        match self.text(name) {
            "" => Ok(0),
            text if text.starts_with(['+', '-']) => Err(Refused(format!(
                "Error decoding uint64 for '{name}': strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))),
            text => text.parse().map_err(|error| {
                Refused(format!(
                    "Error decoding uint64 for '{name}': strconv.ParseUint: parsing {text:?}: {}",
                    reason(&error)
                ))
            }),
        }
    }

    /// How much is said of subscriptions.
    pub fn details(&self, name: &str) -> Result<Details, Refused> {
        if self.text(name).eq_ignore_ascii_case("detail") {
            return Ok(Details::All);
        }
        let is_asked = self.boolean(name)?;
        Ok(if is_asked {
            Details::Subjects
        } else {
            Details::None
        })
    }
}

/// The name of a state that has a number over the system account.
fn state_name(value: String) -> String {
    match value.as_str() {
        "0" => "open".to_owned(),
        "1" => "closed".to_owned(),
        "2" => "any".to_owned(),
        _ => value,
    }
}

/// How much is said of the subscriptions of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Details {
    /// Nothing.
    None,
    /// Their subjects.
    Subjects,
    /// Everything.
    All,
}

/// Why a text is no number, in Go's words.
fn reason(error: &std::num::ParseIntError) -> &'static str {
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

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
        let name_of = |id: AccountId| {
            let account = settings.policy.accounts.get(id.index());
            account.map_or("", |account| &*account.name)
        };
        let wanted = |id: AccountId| account.is_empty() || name_of(id) == account;
        let mut subscriptions = 0;
        for shard in self.totals().shards {
            for (at, report) in shard.accounts.iter().enumerate() {
                if wanted(AccountId(at as u16)) {
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
            let chosen: Vec<_> = all
                .filter(|(report, _)| wanted(report.account))
                .filter(|(_, one)| test.is_empty() || matches(one.subject, test.as_bytes()))
                .collect();
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
        for (core, mailbox) in self.shared.mailboxes.iter().enumerate() {
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
        assert_eq!(query.integer("limit"), Ok(5));
        assert_eq!(query.boolean("auth"), Ok(true));
        assert_eq!(query.text("filter_subject"), "a.>");
        assert_eq!(query.amount("offset"), Ok(None));
        let json = br#"{"subscriptions_detail":true,"account":"A","limit":7}"#;
        let json = Parameters::of_json(json).unwrap();
        assert_eq!((json.text("subs"), json.text("acc")), ("detail", "A"));
        assert_eq!(json.amount("limit"), Ok(Some(7)));
        assert!(Parameters::of_json(b"[").is_err());
        let wrong = Parameters::of_query("limit=x&auth=maybe");
        assert!(
            wrong
                .integer("limit")
                .unwrap_err()
                .0
                .contains("Error decoding int")
        );
        assert!(wrong.boolean("auth").is_err());
    }
}
