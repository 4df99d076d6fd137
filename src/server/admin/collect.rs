//! Asking the cores, in letters that are small however many connections there
//! are.

use std::time::Duration;

use trunkline_core::base::id::{CoreId, Nanos};
use trunkline_core::base::traffic::Traffic;
use trunkline_core::shard::report::{ConnectionReport, Endings, Place, ShardReport};

use super::Admin;
use crate::turn::Core;

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
    /// Times that a publisher was held back for a receiver.
    pub stalls: u64,
}

impl Admin {
    /// Asks all cores at once; the answers are in their order.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Core, Nanos) -> T + Clone + Send + 'static,
    ) -> Vec<(CoreId, T)> {
        let answers = self
            .cores
            .ask_all(move |core, now| (core.id(), question(core, now)));
        let mut all = Vec::new();
        while all.len() < self.cores.count()
            && let Ok(answer) = answers.recv_timeout(PATIENCE)
        {
            all.push(answer);
        }
        all.sort_by_key(|(core, _)| *core);
        all
    }

    /// What the shards say of themselves.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (_, shard) in self.ask(|core, _| core.shard_mut().report()) {
            totals.connections += shard.connections;
            totals.subscriptions += shard.subscriptions;
            totals.endings.slow_consumers += shard.endings.slow_consumers;
            totals.endings.stale_connections += shard.endings.stale_connections;
            totals.stalls += shard.counts.stalls;
            totals.traffic.add(&shard.traffic());
            totals.shards.push(shard);
        }
        totals
    }

    /// All open connections.
    pub fn connections(&self, with_subscriptions: bool) -> Vec<ConnectionReport> {
        let mut pieces = self.collect(move |core, place| {
            core.shard_mut()
                .report_connections(place, with_subscriptions)
        });
        pieces.dedup_by(|next, first| {
            let is_same = next.client_id == first.client_id;
            if is_same {
                first.subscriptions.append(&next.subscriptions);
            }
            is_same
        });
        pieces
    }

    /// Connections that have ended.
    pub fn closed_connections(&self) -> Vec<ConnectionReport> {
        self.collect(|core, place| core.shard_mut().report_closed(place))
    }

    /// Asks one core after the other for one piece after the other.
    fn collect<T: Send + 'static>(
        &self,
        piece: impl Fn(&mut Core, Place) -> (Vec<T>, Option<Place>) + Copy + Send + 'static,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for core in CoreId::all(self.cores.count()) {
            let mut next = Some(Place::default());
            while let Some(place) = next {
                let (answer, receiver) = std::sync::mpsc::channel();
                let posted = self.cores.post(core, move |core, _| {
                    // Who asked may have lost patience.
                    let _ = answer.send(piece(core, place));
                });
                next = match (posted, receiver.recv_timeout(PATIENCE)) {
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
}
