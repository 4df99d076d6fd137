//! `/connz`: connections, open or ended, in the fields and order of NATS 2.15.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use trunkline_core::base::id::AccountId;
use trunkline_core::base::shown::duration;
use trunkline_core::session::certificate::PeerCertificate;
use trunkline_core::session::policy::ConnectionType;
use trunkline_core::shard::report::{ConnectionReport, SubscriptionReport};
use trunkline_core::subject::pattern::overlap;

use super::format::to_value;
use super::parameters::{Details, Parameters, Refused};
use super::{Admin, format};

/// Connections of one answer, if nothing else is asked for.
const LIMIT: usize = 1024;

/// The answer.
#[derive(Serialize)]
pub struct Connz {
    server_id: String,
    now: String,
    num_connections: usize,
    total: usize,
    offset: usize,
    limit: usize,
    /// `None`: about no account.
    connections: Option<Vec<Connection>>,
}

#[derive(Serialize)]
struct Connection {
    cid: u64,
    kind: &'static str,
    r#type: &'static str,
    ip: String,
    port: u16,
    start: String,
    last_activity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    rtt: String,
    uptime: String,
    idle: String,
    pending_bytes: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stalls: u64,
    subscriptions: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    lang: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(flatten)]
    tls: Tls,
    #[serde(flatten)]
    owner: Owner,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list_detail: Vec<SubscriptionDetail>,
}

/// What is known of a connection's TLS.
#[derive(Serialize)]
struct Tls {
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_cipher_suite: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_peer_certs: Vec<PeerCert>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_first: bool,
}

impl Tls {
    fn of(report: &ConnectionReport, with_auth: bool) -> Self {
        let tls = report.tls.as_deref().cloned().unwrap_or_default();
        Self {
            tls_version: tls.version,
            tls_cipher_suite: tls.cipher_suite,
            tls_peer_certs: match with_auth {
                true => tls.peers.iter().map(PeerCert::of).collect(),
                false => Vec::new(),
            },
            tls_first: tls.is_first,
        }
    }
}

/// Whose connection it is; empty unless that is asked for.
#[derive(Default, Serialize)]
struct Owner {
    #[serde(skip_serializing_if = "String::is_empty")]
    authorized_user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name_tag: String,
}

impl Owner {
    fn of(report: &ConnectionReport, account: &str) -> Self {
        let is_global = report.account == AccountId::GLOBAL;
        let named = |is_hidden: bool| match is_hidden {
            true => String::new(),
            false => account.to_owned(),
        };
        Self {
            authorized_user: report.user.clone(),
            account: named(is_global),
            name_tag: named(is_global && report.ended.is_some()),
        }
    }
}

/// A certificate that a client has shown.
#[derive(Serialize)]
struct PeerCert {
    subject: String,
    spki_sha256: String,
    cert_sha256: String,
}

impl PeerCert {
    fn of(certificate: &PeerCertificate) -> Self {
        Self {
            subject: certificate.subject.clone(),
            spki_sha256: certificate.key_sha256.clone(),
            cert_sha256: certificate.certificate_sha256.clone(),
        }
    }
}

/// One subscription.
#[derive(Serialize)]
pub struct SubscriptionDetail {
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account_tag: String,
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    qgroup: String,
    sid: String,
    msgs: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max: u64,
    cid: u64,
}

/// Bytes of clients as text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl SubscriptionDetail {
    /// A subscription as it is shown; the account may be left out.
    pub fn of(report: &SubscriptionReport<'_>, client_id: u64, account: &str) -> Self {
        Self {
            account: account.to_owned(),
            account_tag: account.to_owned(),
            subject: text(report.subject),
            qgroup: text(report.queue),
            sid: text(report.sid),
            msgs: report.delivered,
            max: report.delivered_max,
            cid: client_id,
        }
    }
}

/// Which connections are asked for.
struct Choice {
    client_id: u64,
    user: String,
    /// Clients of MQTT, of which there are none.
    mqtt: bool,
    account: String,
    /// Pattern that a subscription must overlap with.
    filter: String,
}

impl Choice {
    fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let filter = match parameters.text("filter_subject") {
            ">" => "",
            filter => filter,
        };
        let account = parameters.text("acc");
        if !filter.is_empty() && account.is_empty() {
            let text = "filter by subject only valid with account filtering";
            return Err(Refused(text.to_owned()));
        }
        Ok(Self {
            client_id: parameters.client_id("cid")?,
            user: parameters.text("user").to_owned(),
            mqtt: !parameters.text("mqtt_client").is_empty(),
            account: account.to_owned(),
            filter: filter.to_owned(),
        })
    }

    /// Whether a connection of the account is asked for. Ended ones are not
    /// chosen by their subscriptions, as in the reference server.
    fn takes(&self, report: &ConnectionReport) -> bool {
        let is_wanted = |subject: &[u8]| overlap(subject, self.filter.as_bytes());
        !self.mqtt
            && (self.client_id == 0 || report.client_id == self.client_id)
            && (self.user.is_empty() || report.user == self.user)
            && (self.filter.is_empty()
                || report.ended.is_some()
                || report
                    .subscriptions
                    .iter()
                    .any(|one| is_wanted(one.subject)))
    }
}

impl Admin {
    /// The answer to `/connz` with these parameters.
    pub fn connz(&self, parameters: &Parameters) -> Result<Value, Refused> {
        let with_auth = parameters.boolean("auth")?;
        let details = parameters.details("subs")?;
        let offset = parameters.amount("offset")?.unwrap_or(0);
        let limit = parameters.amount("limit")?.unwrap_or(LIMIT);
        let client_id = parameters.client_id("cid")?;
        let state = State::read(parameters.text("state"))?;
        let order = parameters.text("sort");
        check_order(order, state)?;
        let choice = Choice::read(parameters)?;
        let limit = if client_id > 0 { 1 } else { limit };
        let settings = self.settings();
        let wanted = settings.policy.account(&choice.account);
        if wanted.is_none() && !choice.account.is_empty() {
            return Ok(nothing(offset, limit));
        }
        let with_subscriptions = details != Details::None || !choice.filter.is_empty();
        let mut reports = self.reports(state, with_subscriptions);
        // The reference server does not know that somebody was in `$G`.
        let is_of_account = |report: &ConnectionReport| {
            let is_forgotten = report.ended.is_some() && report.account == AccountId::GLOBAL;
            wanted.is_none_or(|wanted| report.account == wanted && !is_forgotten)
        };
        reports.retain(|report| is_of_account(report) && choice.takes(report));
        let total = reports.len();
        sort(&mut reports, order);
        let name_of = |report: &ConnectionReport| settings.policy.account_name(report.account);
        let connections: Vec<Connection> = reports
            .iter()
            .skip(offset)
            .take(limit)
            .map(|report| self.connection(report, name_of(report), with_auth, details))
            .collect();
        Ok(to_value(&Connz {
            server_id: self.server.server_id.clone(),
            now: format::moment(Timestamp::now()),
            num_connections: connections.len(),
            total,
            offset,
            limit,
            connections: Some(connections),
        }))
    }

    fn reports(&self, state: State, with_subscriptions: bool) -> Vec<ConnectionReport> {
        let mut reports = match state {
            State::Closed => Vec::new(),
            State::Open | State::Any => self.connections(with_subscriptions),
        };
        if state != State::Open {
            reports.extend(self.closed_connections());
        }
        reports
    }

    fn connection(
        &self,
        report: &ConnectionReport,
        account: &str,
        with_auth: bool,
        details: Details,
    ) -> Connection {
        let end = report
            .ended
            .map_or(self.clock.elapsed().as_nanos() as u64, |(at, _)| at.0);
        let seconds_since = |at: u64| end.saturating_sub(at) / 1_000_000_000;
        // Of ended ones the reference server says the account each time.
        let owner = report.ended.map_or("", |_| account);
        Connection {
            cid: report.client_id,
            kind: "Client",
            r#type: match report.connection_type {
                ConnectionType::Websocket => "websocket",
                _ => "nats",
            },
            ip: report.peer.ip().to_canonical().to_string(),
            port: report.peer.port(),
            start: format::moment_of(self, report.started),
            last_activity: format::moment_of(self, report.last_activity),
            stop: report.ended.map(|(at, _)| format::moment_of(self, at)),
            reason: report.ended.map_or("", |(_, reason)| reason.text()),
            rtt: duration(match report.round_trip_ns {
                nanos @ 1_001..1_000_000 => nanos / 1_000 * 1_000,
                nanos => nanos,
            }),
            uptime: format::uptime(seconds_since(report.started.0)),
            idle: format::uptime(seconds_since(report.last_activity.0)),
            pending_bytes: report.pending_bytes,
            in_msgs: report.traffic.in_messages,
            out_msgs: report.traffic.out_messages,
            in_bytes: report.traffic.in_bytes,
            out_bytes: report.traffic.out_bytes,
            stalls: u64::from(report.stalls),
            subscriptions: report.subscription_count,
            name: report.name.clone(),
            lang: report.lang.clone(),
            version: report.version.clone(),
            tls: Tls::of(report, with_auth),
            owner: match with_auth {
                true => Owner::of(report, account),
                false => Owner::default(),
            },
            subscriptions_list: match details {
                Details::Subjects => report
                    .subscriptions
                    .iter()
                    .map(|s| text(s.subject))
                    .collect(),
                _ => Vec::new(),
            },
            subscriptions_list_detail: match details {
                Details::All => report
                    .subscriptions
                    .iter()
                    .map(|s| SubscriptionDetail::of(&s, report.client_id, owner))
                    .collect(),
                _ => Vec::new(),
            },
        }
    }
}

/// The answer about an account that does not exist.
fn nothing(offset: usize, limit: usize) -> Value {
    to_value(&Connz {
        server_id: String::new(),
        now: format::moment(Timestamp::now()),
        num_connections: 0,
        total: 0,
        offset,
        limit,
        connections: None,
    })
}

/// Open or ended connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Any,
}

impl State {
    /// From its name.
    fn read(text: &str) -> Result<Self, Refused> {
        match text.to_lowercase().as_str() {
            "" | "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            "any" | "all" => Ok(Self::Any),
            _ => Err(Refused(format!("Error decoding state for {text}"))),
        }
    }
}

/// Orders that connections can be sorted in.
const ORDERS: [&str; 15] = [
    "",
    "cid",
    "start",
    "subs",
    "pending",
    "msgs_to",
    "msgs_from",
    "bytes_to",
    "bytes_from",
    "last",
    "idle",
    "uptime",
    "rtt",
    "stop",
    "reason",
];

fn check_order(by: &str, state: State) -> Result<(), Refused> {
    if !ORDERS.contains(&by) {
        return Err(Refused(format!("invalid sorting option: {by}")));
    }
    if matches!(by, "stop" | "reason") && state != State::Closed {
        let text = format!("sort by {by} only valid on closed connections");
        return Err(Refused(text));
    }
    Ok(())
}

/// Sorts as asked for; most first where it is about amounts. What is alike is in
/// the order of the numbers, which is turned round with the rest (NATS 2.15.3).
fn sort(reports: &mut [ConnectionReport], by: &str) {
    let ends = |report: &ConnectionReport| report.ended.map(|(at, _)| at);
    let reason = |report: &ConnectionReport| report.ended.map(|(_, reason)| reason.text());
    reports.sort_by_key(|report| report.client_id);
    // What follows keeps the order of what is alike.
    match by {
        "subs" => reports.sort_by_key(|report| report.subscription_count),
        "pending" => reports.sort_by_key(|report| report.pending_bytes),
        "msgs_to" => reports.sort_by_key(|report| report.traffic.out_messages),
        "msgs_from" => reports.sort_by_key(|report| report.traffic.in_messages),
        "bytes_to" => reports.sort_by_key(|report| report.traffic.out_bytes),
        "bytes_from" => reports.sort_by_key(|report| report.traffic.in_bytes),
        "last" | "idle" => reports.sort_by_key(|report| report.last_activity),
        "uptime" => reports.sort_by_key(|report| report.started),
        "rtt" => reports.sort_by_key(|report| report.round_trip_ns),
        "stop" => reports.sort_by_key(ends),
        "reason" => reports.sort_by_key(reason),
        _ => {}
    }
    if !matches!(by, "" | "cid" | "start" | "idle" | "reason") {
        reports.reverse();
    }
}
