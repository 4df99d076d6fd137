//! Asking the cores.

use std::time::Duration;

use trunkline_core::base::id::CoreId;
use trunkline_core::base::traffic::Traffic;
use trunkline_core::shard::report::{ConnectionReport, Endings, ShardReport};

use super::{Admin, CONNECTIONS_PER_LETTER};

/// How long a core may take to answer before it is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// All shards together.
#[derive(Default)]
pub struct Totals {
    /// Every shard.
    pub shards: Vec<ShardReport>,
    /// Open connections.
    pub connections: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Messages.
    pub traffic: Traffic,
    /// Connections that ended for a bad reason.
    pub endings: Endings,
}

impl Admin {
    /// What the shards say of themselves.
    pub fn totals(&self) -> Totals {
        let answers = self
            .shared
            .ask_all(|core, _| (core.id(), core.shard_mut().report()));
        let mut shards: Vec<(CoreId, ShardReport)> = Vec::new();
        while shards.len() < self.shared.doorbells.len()
            && let Ok(answer) = answers.recv_timeout(PATIENCE)
        {
            shards.push(answer);
        }
        shards.sort_by_key(|(core, _)| *core);
        let mut totals = Totals::default();
        for (_, shard) in shards {
            totals.connections += shard.connections;
            totals.subscriptions += shard.subscriptions;
            totals.endings.slow_consumers += shard.endings.slow_consumers;
            totals.endings.stale_connections += shard.endings.stale_connections;
            for account in &shard.accounts {
                totals.traffic.add(&account.traffic);
            }
            totals.shards.push(shard);
        }
        totals
    }

    /// All open connections.
    pub fn connections(&self, with_subscriptions: bool) -> Vec<ConnectionReport> {
        let mut all = Vec::new();
        for core in 0..self.shared.doorbells.len() {
            let mut from = Some(0);
            while let Some(slot) = from {
                let (answer, receiver) = std::sync::mpsc::channel();
                let posted = self.shared.post(CoreId(core as u8), move |core, _| {
                    let shard = core.shard_mut();
                    let some =
                        shard.report_connections(slot, CONNECTIONS_PER_LETTER, with_subscriptions);
                    // Who asked may have lost patience.
                    let _ = answer.send(some);
                });
                from = match (posted, receiver.recv_timeout(PATIENCE)) {
                    (Ok(()), Ok((some, next))) => {
                        all.extend(some);
                        next
                    }
                    _ => None,
                };
            }
        }
        all
    }

    /// Connections that have ended.
    pub fn closed_connections(&self) -> Vec<ConnectionReport> {
        let answers = self
            .shared
            .ask_all(|core, _| core.shard_mut().report_closed());
        let mut all = Vec::new();
        for _ in 0..self.shared.doorbells.len() {
            if let Ok(some) = answers.recv_timeout(PATIENCE) {
                all.extend(some);
            }
        }
        all
    }
}
