//! `/connz`: connections, open or ended, in the fields and order of NATS 2.15.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::Serialize;
use trunkline_core::session::certificate::PeerCertificate;
use trunkline_core::session::policy::ConnectionType;
use trunkline_core::shard::report::{ConnectionReport, SubscriptionReport};
use trunkline_core::subject::pattern::matches;

use super::pages::{Parameters, Refused};
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
    connections: Vec<Connection>,
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
    #[serde(skip_serializing_if = "String::is_empty")]
    rtt: String,
    uptime: String,
    idle: String,
    pending_bytes: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    subscriptions: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    lang: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_cipher_suite: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_peer_certs: Vec<PeerCert>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_first: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    authorized_user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name_tag: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list_detail: Vec<SubscriptionDetail>,
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Details {
    None,
    Subjects,
    All,
}

impl Admin {
    /// The answer to `/connz` with these parameters.
    pub fn connz(&self, parameters: &Parameters) -> Result<Connz, Refused> {
        let with_auth = parameters.boolean("auth")?;
        let details = match parameters.text("subs") {
            "detail" => Details::All,
            _ if parameters.boolean("subs")? => Details::Subjects,
            _ => Details::None,
        };
        let offset = parameters.number("offset")?;
        let limit = match parameters.number("limit")? {
            0 => LIMIT,
            limit => limit,
        };
        let state = parameters.text("state");
        let filter = parameters.text("filter_subject");
        let wants_subscriptions = details != Details::None || !filter.is_empty();
        let mut reports = match state {
            "" | "open" | "0" => self.connections(wants_subscriptions),
            "closed" | "1" => self.closed_connections(),
            "any" | "all" | "2" => {
                let mut all = self.connections(wants_subscriptions);
                all.extend(self.closed_connections());
                all
            }
            _ => return Err(Refused(format!("Error decoding state for {state}"))),
        };
        let cid = parameters.number("cid")? as u64;
        let (user, account) = (parameters.text("user"), parameters.text("acc"));
        let settings = self.settings();
        let name_of = |report: &ConnectionReport| {
            let account = settings.policy.accounts.get(report.account.index());
            account.map_or("", |account| &*account.name)
        };
        reports.retain(|report| {
            let meets = |subscription: SubscriptionReport<'_>| {
                matches(subscription.subject, filter.as_bytes())
            };
            (cid == 0 || report.client_id == cid)
                && (user.is_empty() || report.user == user)
                && (account.is_empty() || name_of(report) == account)
                && (filter.is_empty() || report.subscriptions.iter().any(meets))
        });
        sort(&mut reports, parameters.text("sort"), state)?;
        let total = reports.len();
        let now = Timestamp::now();
        let connections: Vec<Connection> = reports
            .iter()
            .skip(offset)
            .take(limit)
            .map(|report| self.connection(report, name_of(report), with_auth, details))
            .collect();
        Ok(Connz {
            server_id: self.server.server_id.clone(),
            now: format::moment(now),
            num_connections: connections.len(),
            total,
            offset,
            limit,
            connections,
        })
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
        let shown = |text: &str| match with_auth {
            true => text.to_owned(),
            false => String::new(),
        };
        let tls = report.tls.as_deref().cloned().unwrap_or_default();
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
            rtt: match report.round_trip_ns {
                0 => String::new(),
                nanos => format::go_duration(nanos),
            },
            uptime: format::uptime(seconds_since(report.started.0)),
            idle: format::uptime(seconds_since(report.last_activity.0)),
            pending_bytes: report.pending_bytes,
            in_msgs: report.traffic.in_messages,
            out_msgs: report.traffic.out_messages,
            in_bytes: report.traffic.in_bytes,
            out_bytes: report.traffic.out_bytes,
            subscriptions: report.subscription_count,
            name: report.name.clone(),
            lang: report.lang.clone(),
            version: report.version.clone(),
            tls_version: tls.version,
            tls_cipher_suite: tls.cipher_suite,
            tls_peer_certs: match with_auth {
                true => tls.peers.iter().map(PeerCert::of).collect(),
                false => Vec::new(),
            },
            tls_first: tls.is_first,
            authorized_user: shown(&report.user),
            account: shown(account),
            name_tag: shown(account),
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
                    .map(|s| SubscriptionDetail::of(&s, report.client_id, ""))
                    .collect(),
                _ => Vec::new(),
            },
        }
    }
}

/// Sorts as asked for; most first where it is about amounts.
fn sort(reports: &mut [ConnectionReport], by: &str, state: &str) -> Result<(), Refused> {
    let ends = |report: &ConnectionReport| report.ended.map(|(at, _)| at);
    if matches!(by, "stop" | "reason") && !matches!(state, "closed" | "1") {
        return Err(Refused(format!(
            "sort by {by} only valid on closed connections"
        )));
    }
    match by {
        "" | "cid" => reports.sort_by_key(|report| report.client_id),
        "start" => reports.sort_by_key(|report| report.started),
        "subs" => reports.sort_by_key(|report| Reverse(report.subscription_count)),
        "pending" => reports.sort_by_key(|report| Reverse(report.pending_bytes)),
        "msgs_to" => reports.sort_by_key(|report| Reverse(report.traffic.out_messages)),
        "msgs_from" => reports.sort_by_key(|report| Reverse(report.traffic.in_messages)),
        "bytes_to" => reports.sort_by_key(|report| Reverse(report.traffic.out_bytes)),
        "bytes_from" => reports.sort_by_key(|report| Reverse(report.traffic.in_bytes)),
        "last" => reports.sort_by_key(|report| Reverse(report.last_activity)),
        "idle" => reports.sort_by_key(|report| report.last_activity),
        "uptime" => reports.sort_by_key(|report| report.started),
        "rtt" => reports.sort_by_key(|report| Reverse(report.round_trip_ns)),
        "stop" => reports.sort_by_key(|report| Reverse(ends(report))),
        "reason" => reports.sort_by_key(|report| report.ended.map(|(_, reason)| reason.text())),
        _ => return Err(Refused(format!("invalid sorting option: {by}"))),
    }
    Ok(())
}
