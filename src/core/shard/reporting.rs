//! Tells monitoring of the shard ([`super::report`]), in pieces small enough for one
//! turn.

use super::Shard;
use super::report::{
    AccountReport, ConnectionReport, Counts, LinksReport, Place, ShardReport, Subscriptions,
};
use crate::base::limits::{CLOSED_SUBSCRIPTIONS_MAX, REPORT_WORK_MAX, REPORT_WORK_PER_CONNECTION};
use crate::base::width;
use crate::session::close_reason::CloseReason;
use crate::session::connection::Connection;

impl Shard {
    /// The shard as a whole; the work does not depend on the number of its
    /// connections.
    #[must_use]
    pub fn report(&self) -> ShardReport {
        let accounts = self
            .interests
            .iter()
            .map(|(account, interest)| AccountReport {
                account: Some(account),
                traffic: interest.traffic,
                subscriptions: interest.len(),
                slow_consumers: interest.slow_consumers,
            });
        let mut links = LinksReport::default();
        for link in &self.mesh.links {
            links.batches += link.batches_under_way();
            links.batches_max = links.batches_max.max(link.batches_under_way());
            links.bytes += link.bytes_under_way();
        }
        let (route_cache_bytes, route_cache_bytes_max) = self.interests.route_bytes();
        ShardReport {
            connections: self.connections.len(),
            subscriptions: self.subscription_count(),
            accounts: accounts.collect(),
            former_traffic: self.interests.former_traffic(),
            endings: self.ledger.endings,
            counts: Counts {
                waiting_bytes: self.connections.waiting_bytes(),
                ..self.ledger.counts.clone()
            },
            links,
            route_cache_bytes,
            route_cache_bytes_max,
        }
    }

    /// Some connections, and where to go on. One with many subscriptions is
    /// reported several times in a row, each time with some of them. What comes
    /// or goes between two pieces may be missing or be there twice.
    #[must_use]
    pub fn report_connections(
        &self,
        from: Place,
        with_subscriptions: bool,
    ) -> (Vec<ConnectionReport>, Option<Place>) {
        let mut reports = Vec::new();
        let mut work = 0;
        let mut place = from;
        while place.at < u64::from(self.connections.slots()) {
            if work >= REPORT_WORK_MAX {
                return (reports, Some(place));
            }
            work += 1;
            if let Some(connection) = place.slot().and_then(|slot| self.connections.get(slot))
                && !connection.input.is_closing()
            {
                work += REPORT_WORK_PER_CONNECTION;
                let mut report = self.report_connection(connection);
                if with_subscriptions {
                    let table = &connection.subscriptions;
                    let part = match place.client_id == connection.client_id {
                        true => place.part.min(table.parts() - 1),
                        false => 0,
                    };
                    let numbers = table.part(part).iter().copied();
                    work += table.part(part).len();
                    report.subscriptions = self.report_subscriptions(connection, numbers);
                    if part + 1 < table.parts() {
                        place.client_id = connection.client_id;
                        place.part = part + 1;
                        reports.push(report);
                        continue;
                    }
                }
                reports.push(report);
            }
            place = Place {
                at: place.at + 1,
                ..Place::default()
            };
        }
        (reports, None)
    }

    /// Some connections that have ended, the last one last, and where to go on.
    #[must_use]
    pub fn report_closed(&self, from: Place) -> (Vec<ConnectionReport>, Option<Place>) {
        const PIECE: usize = REPORT_WORK_MAX / REPORT_WORK_PER_CONNECTION;
        let first = self.ledger.closed_forgotten;
        let skipped = width::size(from.at.saturating_sub(first));
        let some: Vec<_> = self
            .ledger
            .closed
            .iter()
            .skip(skipped)
            .take(PIECE)
            .collect();
        let end = skipped + some.len();
        let next = (end < self.ledger.closed.len()).then(|| Place {
            at: first + end as u64,
            ..Place::default()
        });
        (some.into_iter().cloned().collect(), next)
    }

    fn report_subscriptions(
        &self,
        connection: &Connection,
        numbers: impl Iterator<Item = u32>,
    ) -> Subscriptions {
        let interest = &self.interests[connection.account];
        let mut list = Subscriptions::with_room(numbers.size_hint().0);
        for number in numbers {
            let (subject, queue) = interest.name_of(number);
            let subscription = interest.subscription(number);
            list.push(subject, queue.unwrap_or_default(), subscription);
        }
        list
    }

    pub(super) fn report_connection(&self, connection: &Connection) -> ConnectionReport {
        let options = &connection.options;
        ConnectionReport {
            client_id: connection.client_id,
            connection_type: connection.connection_type,
            peer: connection.peer.address,
            started: connection.started,
            last_activity: connection.liveness.last_input,
            ended: None,
            round_trip_ns: connection.liveness.round_trip_ns,
            pending_bytes: connection.writing.outbox.pending_bytes(),
            traffic: connection.traffic,
            stalls: connection.stalling.count,
            subscription_count: connection.subscriptions.len(),
            account: connection.account,
            tls: connection.peer.tls.clone(),
            user: user_of(connection),
            name: options.name.clone(),
            lang: options.lang.clone(),
            version: options.version.clone(),
            subscriptions: Subscriptions::default(),
        }
    }

    /// Keeps what is known of a connection that ends, for a while.
    pub(super) fn remember_closed(&mut self, index: u32, reason: CloseReason) {
        let account = self.connections[index].account;
        let is_slow = self.ledger.count_closed(reason);
        self.interests[account].slow_consumers += u64::from(is_slow);
        let closed_max = self.config.limits.max_closed_connections / self.config.cores.max(1);
        if closed_max == 0 {
            return;
        }
        let connection = &self.connections[index];
        let mut report = self.report_connection(connection);
        let numbers = connection.subscriptions.iter();
        let some = numbers.take(CLOSED_SUBSCRIPTIONS_MAX);
        report.subscriptions = self.report_subscriptions(connection, some);
        report.ended = Some((self.clock.mono, reason));
        self.ledger.remember(report, closed_max);
    }
}

/// The user that a connection is, or says that it is; a token is not told.
fn user_of(connection: &Connection) -> String {
    let identity = &connection.login.identity;
    let name = identity
        .rsplit_once("/user:")
        .or(identity.rsplit_once("/nkey:"));
    let presented = || connection.options.presented_name();
    let name = name.map(|(_, name)| name).or_else(presented);
    name.unwrap_or_default().to_owned()
}
