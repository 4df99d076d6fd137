//! `STATSZ`: the server's statistics, asked for and told (NATS 2.15).

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::{Admin, ServerLine};
use crate::admin::advisory::Amount;
use crate::admin::{format, varz};

/// The message.
#[derive(Serialize)]
pub struct StatisticsMessage {
    server: ServerLine,
    statsz: Statistics,
}

#[derive(Serialize)]
struct Statistics {
    start: String,
    mem: u64,
    cores: usize,
    cpu: f64,
    connections: usize,
    total_connections: u64,
    active_accounts: usize,
    subscriptions: usize,
    sent: Amount,
    sent_to_clients: Amount,
    received: Amount,
    received_from_clients: Amount,
    slow_consumers: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_consumer_stats: Option<ByKind>,
    #[serde(skip_serializing_if = "is_zero")]
    stale_connections: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_connection_stats: Option<ByKind>,
    active_servers: u64,
    gomaxprocs: usize,
}

/// A number of connections, all of clients.
#[derive(Serialize)]
struct ByKind {
    clients: u64,
    routes: u64,
    gateways: u64,
    leafs: u64,
}

impl ByKind {
    /// Nothing if there are none.
    fn of_clients(clients: u64) -> Option<Self> {
        (clients > 0).then_some(Self {
            clients,
            routes: 0,
            gateways: 0,
            leafs: 0,
        })
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl StatisticsMessage {
    /// The statistics of this moment.
    pub fn new(admin: &Admin) -> Self {
        let totals = admin.totals();
        let settings = admin.settings();
        let accounts = settings.policy.accounts.iter();
        let active = accounts.filter(|one| one.usage.connections.load(Ordering::Relaxed) > 0);
        let sent = Amount::out_of(&totals.traffic);
        let received = Amount::in_of(&totals.traffic);
        let (slow, stale) = (
            totals.endings.slow_consumers,
            totals.endings.stale_connections,
        );
        Self {
            server: admin.server_line(),
            statsz: Statistics {
                start: format::moment(admin.started),
                mem: varz::resident_bytes(),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                cpu: admin.processor.percent(),
                connections: totals.connections,
                total_connections: admin.cores.shared.last_client_id.load(Ordering::Relaxed),
                active_accounts: active.count(),
                subscriptions: totals.subscriptions,
                sent,
                sent_to_clients: sent,
                received,
                received_from_clients: received,
                slow_consumers: slow,
                slow_consumer_stats: ByKind::of_clients(slow),
                stale_connections: stale,
                stale_connection_stats: ByKind::of_clients(stale),
                active_servers: 1,
                gomaxprocs: totals.shards.len(),
            },
        }
    }
}

impl Admin {
    /// Where statistics are told to whoever listens.
    pub fn statistics_subject(&self) -> Vec<u8> {
        format!("$SYS.SERVER.{}.STATSZ", self.server.server_id).into_bytes()
    }
}
