//! Events in the fields and order of NATS 2.15 (`io.nats.server.advisory.v1`).

use jiff::Timestamp;
use serde::Serialize;
use trunkline_core::base::id::{AccountId, Nanos};
use trunkline_core::base::traffic::Traffic;
use trunkline_core::session::close_reason::CloseReason;
use trunkline_core::session::policy::ConnectionType;
use trunkline_core::shard::system_events::Party;

use super::collect::Totals;
use super::server_messages::ServerLine;
use super::{Admin, format};

/// A client has logged in.
#[derive(Serialize)]
pub struct Connect {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerLine,
    client: Client,
}

/// A client has gone, or was refused.
#[derive(Serialize)]
pub struct Disconnect {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerLine,
    client: Client,
    /// What the client has sent.
    sent: Amount,
    /// What it has received.
    received: Amount,
    reason: &'static str,
}

/// How many connections an account has, and what it does.
#[derive(Clone, Serialize)]
pub struct AccountConnections {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerLine,
    #[serde(flatten)]
    account: AccountLine,
}

/// What is said of an account.
#[derive(Clone, Serialize)]
pub struct AccountLine {
    acc: String,
    name: String,
    conns: u64,
    leafnodes: u64,
    total_conns: u64,
    num_subscriptions: usize,
    sent: Amounts,
    received: Amounts,
    slow_consumers: u64,
}

/// A client as events show it.
#[derive(Serialize)]
struct Client {
    start: String,
    host: String,
    id: u64,
    acc: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    lang: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ver: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    issuer_key: String,
    name_tag: String,
    kind: &'static str,
    client_type: &'static str,
}

/// Messages and their bytes.
#[derive(Clone, Copy, Default, Serialize)]
pub struct Amount {
    msgs: u64,
    bytes: u64,
}

/// Messages and their bytes, and those of other servers among them: none.
#[derive(Clone, Copy, Default, Serialize)]
struct Amounts {
    #[serde(flatten)]
    all: Amount,
    gateways: Amount,
    routes: Amount,
    leafs: Amount,
}

impl Amount {
    /// What was sent to clients.
    pub fn out_of(traffic: &Traffic) -> Self {
        Self {
            msgs: traffic.out_messages,
            bytes: traffic.out_bytes,
        }
    }

    /// What came from clients.
    pub fn in_of(traffic: &Traffic) -> Self {
        Self {
            msgs: traffic.in_messages,
            bytes: traffic.in_bytes,
        }
    }
}

impl From<Amount> for Amounts {
    fn from(all: Amount) -> Self {
        Self {
            all,
            ..Self::default()
        }
    }
}

impl Admin {
    /// The event of a login.
    pub fn connect_event(&self, party: &Party) -> Connect {
        Connect {
            r#type: "io.nats.server.advisory.v1.client_connect",
            id: self.numbers.event_id(),
            timestamp: format::moment(Timestamp::now()),
            server: self.server_line(),
            client: self.client(party, false),
        }
    }

    /// The event of an end.
    pub fn disconnect_event(&self, party: &Party) -> Disconnect {
        let ended = party.report.ended;
        let (at, reason) = ended.unwrap_or((Nanos(0), CloseReason::ClientClosed));
        Disconnect {
            r#type: "io.nats.server.advisory.v1.client_disconnect",
            id: self.numbers.event_id(),
            timestamp: format::moment_of(self, at),
            server: self.server_line(),
            client: self.client(party, true),
            sent: Amount::in_of(&party.report.traffic),
            received: Amount::out_of(&party.report.traffic),
            reason: reason.text(),
        }
    }

    /// The event of an account's number of connections.
    pub fn connections_event(&self, account: AccountLine) -> AccountConnections {
        AccountConnections {
            r#type: "io.nats.server.advisory.v1.account_connections",
            id: self.numbers.event_id(),
            timestamp: format::moment(Timestamp::now()),
            server: self.server_line(),
            account,
        }
    }

    /// What is said of an account that has this many connections.
    pub fn account_line(
        &self,
        account: AccountId,
        connections: u64,
        totals: &Totals,
    ) -> AccountLine {
        let name = self.account_name(account);
        let shards = totals.shards.iter();
        let reports = shards.filter_map(|shard| shard.account(account));
        let (mut traffic, mut subscriptions, mut slow) = (Traffic::default(), 0, 0);
        for report in reports {
            traffic.add(&report.traffic);
            subscriptions += report.subscriptions;
            slow += report.slow_consumers;
        }
        AccountLine {
            acc: name.clone(),
            name,
            conns: connections,
            leafnodes: 0,
            total_conns: connections,
            num_subscriptions: subscriptions,
            sent: Amount::out_of(&traffic).into(),
            received: Amount::in_of(&traffic).into(),
            slow_consumers: slow,
        }
    }

    fn client(&self, party: &Party, has_ended: bool) -> Client {
        let report = &party.report;
        let account = self.account_name(report.account);
        let ended = report.ended.filter(|_| has_ended);
        Client {
            start: format::moment_of(self, report.started),
            host: report.peer.ip().to_canonical().to_string(),
            id: report.client_id,
            acc: account.clone(),
            user: report.user.clone(),
            name: report.name.clone(),
            lang: report.lang.clone(),
            ver: report.version.clone(),
            rtt: (has_ended && report.round_trip_ns > 0).then_some(report.round_trip_ns),
            stop: ended.map(|(at, _)| format::moment_of(self, at)),
            issuer_key: match party.is_signed {
                true => account.clone(),
                false => String::new(),
            },
            name_tag: account,
            kind: "Client",
            client_type: match report.connection_type {
                ConnectionType::Websocket => "websocket",
                _ => "nats",
            },
        }
    }
}
