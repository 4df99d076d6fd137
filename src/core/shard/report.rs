//! What monitoring wants to know of a shard.
//!
//! Plain data: names, formats and sums are the asker's business. Not here: how a
//! report is made (`reporting`).

use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::id::{AccountId, Nanos};
use crate::base::traffic::Traffic;
use crate::base::width;
use crate::route::subscription::Subscription;
use crate::session::certificate::TlsFacts;
use crate::session::close_reason::CloseReason;
use crate::session::policy::ConnectionType;

/// Counts of connections that ended for a bad reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Endings {
    /// They did not keep up.
    pub slow_consumers: u64,
    /// They did not answer.
    pub stale_connections: u64,
}

/// What a shard counts besides messages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Connections that have ended, by reason.
    pub closed: Vec<(CloseReason, u64)>,
    /// Connections refused because there were too many.
    pub refused: u64,
    /// Connections refused because too many began a handshake.
    pub throttled: u64,
    /// Times that a publisher was held back for a receiver.
    pub stalls: u64,
    /// Open connections over WebSocket.
    pub websockets: usize,
    /// Bytes that waited in outboxes at the end of the last turn.
    pub waiting_bytes: u64,
}

impl Counts {
    pub(super) fn count_closed(&mut self, reason: CloseReason) {
        match self.closed.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.closed.push((reason, 1)),
        }
    }
}

/// What is under way to other cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinksReport {
    /// Batches given to the rings and not returned.
    pub batches: usize,
    /// The same of the fullest ring.
    pub batches_max: usize,
    /// Bytes said and not confirmed.
    pub bytes: usize,
}

/// Bytes that a subscription's texts may take before room is made for more.
const TEXT_BYTES_EXPECTED: usize = 32;

/// A shard as a whole.
#[derive(Clone, Debug, Default)]
pub struct ShardReport {
    /// Open connections.
    pub connections: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// By the places of accounts.
    pub accounts: Vec<AccountReport>,
    /// Messages of accounts that are gone.
    pub former_traffic: Traffic,
    /// Connections that ended for a bad reason.
    pub endings: Endings,
    /// What else is counted.
    pub counts: Counts,
    /// What is under way to other cores.
    pub links: LinksReport,
    /// Memory of remembered routes,
    pub route_cache_bytes: usize,
    /// and what it may be.
    pub route_cache_bytes_max: usize,
}

impl ShardReport {
    /// An account, if it is known here.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&AccountReport> {
        let report = self.accounts.get(id.index())?;
        (report.account == Some(id)).then_some(report)
    }

    /// Messages of all accounts that there ever were.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let mut sum = self.former_traffic;
        for account in &self.accounts {
            sum.add(&account.traffic);
        }
        sum
    }
}

/// One account on one shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountReport {
    /// Which one; `None`: a sum of several.
    pub account: Option<AccountId>,
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
    /// Times that it was held back for a receiver.
    pub stalls: u32,
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
    pub subscriptions: Subscriptions,
}

/// Some subscriptions of a connection. Their texts lie one behind the other,
/// so that taking note of many costs a core few allocations.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    texts: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where the texts of a subscription end, and its counts.
#[derive(Clone, Copy, Debug)]
struct Entry {
    subject_end: u32,
    queue_end: u32,
    sid_end: u32,
    delivered: u64,
    delivered_max: u64,
}

/// A subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionReport<'a> {
    /// Its pattern.
    pub subject: &'a [u8],
    /// Its queue group; empty: none.
    pub queue: &'a [u8],
    /// The client's name for it.
    pub sid: &'a [u8],
    /// Messages delivered.
    pub delivered: u64,
    /// After how many it ends; zero: never.
    pub delivered_max: u64,
}

impl Place {
    /// The slot of an open connection, if it can be one.
    pub(super) fn slot(self) -> Option<u32> {
        u32::try_from(self.at).ok()
    }
}

impl Subscriptions {
    /// None yet, with room for so many.
    pub(super) fn with_room(count: usize) -> Self {
        Self {
            texts: Vec::with_capacity(count * TEXT_BYTES_EXPECTED),
            entries: Vec::with_capacity(count),
        }
    }

    pub(super) fn push(&mut self, subject: &[u8], queue: &[u8], subscription: &Subscription) {
        let mut add = |text: &[u8]| {
            self.texts.extend_from_slice(text);
            width::short(self.texts.len())
        };
        self.entries.push(Entry {
            subject_end: add(subject),
            queue_end: add(queue),
            sid_end: add(subscription.sid.bytes()),
            delivered: subscription.delivered,
            delivered_max: subscription.delivered_max,
        });
    }

    /// Adds others behind them.
    pub fn append(&mut self, others: &Self) {
        let base = width::short(self.texts.len());
        self.texts.extend_from_slice(&others.texts);
        self.entries
            .extend(others.entries.iter().map(|entry| Entry {
                subject_end: base + entry.subject_end,
                queue_end: base + entry.queue_end,
                sid_end: base + entry.sid_end,
                ..*entry
            }));
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = SubscriptionReport<'_>> {
        let mut begin = 0;
        self.entries.iter().map(move |entry| {
            let text = |from: u32, to: u32| &self.texts[from as usize..to as usize];
            let report = SubscriptionReport {
                subject: text(begin, entry.subject_end),
                queue: text(entry.subject_end, entry.queue_end),
                sid: text(entry.queue_end, entry.sid_end),
                delivered: entry.delivered,
                delivered_max: entry.delivered_max,
            };
            begin = entry.sid_end;
            report
        })
    }
}

/// Where a report of many pieces goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Slot of an open connection, number of an ended one.
    pub(super) at: u64,
    /// The connection whose subscriptions are not all reported,
    pub(super) client_id: u64,
    /// and where in their table it goes on.
    pub(super) part: usize,
}
