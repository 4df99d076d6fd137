//! What monitoring wants to know of a shard, in pieces small enough for one
//! turn. Plain data: names, formats and sums are the asker's business.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Shard;
use crate::base::id::{AccountId, Nanos};
use crate::base::traffic::Traffic;
use crate::session::certificate::TlsFacts;
use crate::session::connection::{CloseReason, Connection};
use crate::session::policy::ConnectionType;

/// Counts of connections that ended for a bad reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Endings {
    /// They did not keep up.
    pub slow_consumers: u64,
    /// They did not answer.
    pub stale_connections: u64,
}

/// A shard as a whole.
#[derive(Clone, Debug, Default)]
pub struct ShardReport {
    /// Open connections.
    pub connections: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// By account.
    pub accounts: Vec<AccountReport>,
    /// Connections that ended for a bad reason.
    pub endings: Endings,
}

/// One account on one shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountReport {
    /// Messages of its clients.
    pub traffic: Traffic,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// Its slow consumers.
    pub slow_consumers: u64,
}

/// A connection.
#[derive(Clone, Debug)]
pub struct ConnectionReport {
    /// Its number in the whole server.
    pub client_id: u64,
    /// How it is connected.
    pub connection_type: ConnectionType,
    /// The peer's address.
    pub peer: SocketAddr,
    /// When it was opened.
    pub started: Nanos,
    /// When it was last heard of.
    pub last_activity: Nanos,
    /// When and why it ended.
    pub ended: Option<(Nanos, CloseReason)>,
    /// The last round trip, zero if unknown.
    pub round_trip_ns: u64,
    /// Bytes that wait for it.
    pub pending_bytes: u64,
    /// Its messages.
    pub traffic: Traffic,
    /// Number of its subscriptions.
    pub subscription_count: usize,
    /// Its account.
    pub account: AccountId,
    /// What TLS says of it.
    pub tls: Option<Arc<TlsFacts>>,
    /// Its user's name or key; empty: nobody in particular.
    pub user: String,
    /// What CONNECT said: name of the application,
    pub name: String,
    /// language of the library,
    pub lang: String,
    /// and its version.
    pub version: String,
    /// Its subscriptions, if they were asked for.
    pub subscriptions: Vec<SubscriptionReport>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionReport {
    /// Its account.
    pub account: AccountId,
    /// Its pattern.
    pub subject: String,
    /// Its queue group; empty: none.
    pub queue: String,
    /// The client's name for it.
    pub sid: String,
    /// Messages delivered.
    pub delivered: u64,
    /// After how many it ends; zero: never.
    pub delivered_max: u64,
    /// The connection's number.
    pub client_id: u64,
}

impl Shard {
    /// The shard as a whole.
    #[must_use]
    pub fn report(&self) -> ShardReport {
        let accounts = self.interests.iter().map(|interest| AccountReport {
            traffic: interest.traffic,
            subscriptions: interest.len(),
            slow_consumers: interest.slow_consumers,
        });
        let mut accounts: Vec<AccountReport> = accounts.collect();
        for key in self.connections.keys() {
            let connection = &self.connections[key.index];
            if connection.closing.is_none() {
                let sent = &connection.traffic;
                let traffic = &mut accounts[connection.account.index()].traffic;
                traffic.in_messages += sent.in_messages;
                traffic.in_bytes += sent.in_bytes;
            }
        }
        ShardReport {
            connections: self.connections.len(),
            subscriptions: self.subscription_count(),
            accounts,
            endings: self.endings,
        }
    }

    /// Some connections, from a slot on, and the slot to go on with.
    #[must_use]
    pub fn report_connections(
        &self,
        from: u32,
        slots_max: u32,
        with_subscriptions: bool,
    ) -> (Vec<ConnectionReport>, Option<u32>) {
        let end = from.saturating_add(slots_max).min(self.connections.slots());
        let mut reports = Vec::new();
        for index in from..end {
            if let Some(connection) = self.connections.get(index)
                && connection.closing.is_none()
            {
                reports.push(self.report_connection(connection, with_subscriptions));
            }
        }
        (reports, (end < self.connections.slots()).then_some(end))
    }

    /// Connections that have ended, the last one last.
    #[must_use]
    pub fn report_closed(&self) -> Vec<ConnectionReport> {
        self.closed.iter().cloned().collect()
    }

    pub(super) fn report_connection(
        &self,
        connection: &Connection,
        with_subscriptions: bool,
    ) -> ConnectionReport {
        let interest = &self.interests[connection.account.index()];
        let mut subscriptions = Vec::new();
        if with_subscriptions {
            subscriptions.extend(connection.subscriptions.iter().map(|&number| {
                let (subject, queue) = interest.name_of(number);
                let subscription = interest.subscription(number);
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                SubscriptionReport {
                    account: connection.account,
                    subject: text(subject),
                    queue: queue.map(text).unwrap_or_default(),
                    sid: text(subscription.sid.bytes()),
                    delivered: subscription.delivered,
                    delivered_max: subscription.delivered_max,
                    client_id: connection.client_id,
                }
            }));
        }
        let options = &connection.options;
        ConnectionReport {
            client_id: connection.client_id,
            connection_type: connection.connection_type,
            peer: connection.peer,
            started: connection.started,
            last_activity: connection.heartbeat.last_input,
            ended: None,
            round_trip_ns: connection.heartbeat.round_trip_ns,
            pending_bytes: connection.outbox.pending_bytes(),
            traffic: connection.traffic,
            subscription_count: connection.subscriptions.len(),
            account: connection.account,
            tls: connection.tls.clone(),
            user: user_of(&connection.identity),
            name: options.name.clone(),
            lang: options.lang.clone(),
            version: options.version.clone(),
            subscriptions,
        }
    }

    /// Keeps what is known of a connection that ends, for a while.
    pub(super) fn remember_closed(&mut self, index: u32, reason: CloseReason) {
        let connection = &self.connections[index];
        let traffic = &mut self.interests[connection.account.index()].traffic;
        traffic.in_messages += connection.traffic.in_messages;
        traffic.in_bytes += connection.traffic.in_bytes;
        match reason {
            CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline => {
                self.endings.slow_consumers += 1;
                self.interests[connection.account.index()].slow_consumers += 1;
            }
            CloseReason::StaleConnection => self.endings.stale_connections += 1,
            _ => {}
        }
        let closed_max = self.config.limits.max_closed_connections / self.config.cores.max(1);
        if closed_max == 0 {
            return;
        }
        let mut report = self.report_connection(&self.connections[index], false);
        report.ended = Some((self.now, reason));
        while self.closed.len() >= closed_max {
            self.closed.pop_front();
        }
        self.closed.push_back(report);
    }
}

/// The name behind the account in a connection's identity.
fn user_of(identity: &str) -> String {
    let name = identity
        .rsplit_once("/user:")
        .or(identity.rsplit_once("/nkey:"));
    name.map_or_else(String::new, |(_, name)| name.to_owned())
}
