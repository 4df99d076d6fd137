//! Writes down who gets a traced message, while it is delivered.
//!
//! Not here: what is traced and what becomes of the notes (`fanout`), how an account
//! is made of them (`message_trace`).

use super::message::{Look, Observer};
use super::message_trace::Egress;
use crate::base::core_set::CoreSet;
use crate::base::id::Nanos;
use crate::base::limits::TRACED_EGRESSES_MAX;
use crate::route::interest::Interest;
use crate::route::receivers::Target;
use crate::route::subscription::Subscription;
use crate::session::connection::Connection;

/// Receivers are told these reasons (NATS 2.15).
const NO_ECHO: &str = "Not delivered because of no echo";
const CLIENT_CLOSED: &str = "Not delivered because client is closed";
const EXCEEDED: &str = "Not delivered because auto-unsubscribe exceeded";

/// Writes receivers down. Beyond [`TRACED_EGRESSES_MAX`] of a message they are left
/// out.
pub(super) struct Notes {
    now: Nanos,
    /// Nobody is to get the message.
    is_only: bool,
    /// Receivers written down so far.
    pub egresses: Vec<Egress>,
    /// Cores that the message was handed to: they write down theirs.
    pub cores: CoreSet,
    /// Subscriptions of the last of them, whose names are not known yet.
    unnamed: Vec<u32>,
}

impl Notes {
    /// Nobody is written down yet; `is_only`: nobody is to get the message.
    pub fn new(now: Nanos, is_only: bool) -> Self {
        Self {
            now,
            is_only,
            egresses: Vec::new(),
            cores: CoreSet::EMPTY,
            unnamed: Vec::new(),
        }
    }

    /// What was written down.
    pub fn into_egresses(self) -> Vec<Egress> {
        debug_assert!(self.unnamed.is_empty(), "all are named in the end");
        self.egresses
    }

    fn obstacle(
        &self,
        connection: &Connection,
        subscription: &Subscription,
        is_own: bool,
    ) -> &'static str {
        let max = subscription.delivered_max;
        match () {
            () if is_own && !connection.echo => NO_ECHO,
            () if !connection.hears => CLIENT_CLOSED,
            () if !self.is_only && max > 0 && subscription.delivered >= max => EXCEEDED,
            () => "",
        }
    }
}

impl Observer for Notes {
    fn look(
        &mut self,
        connection: &Connection,
        subscription: &Subscription,
        target: Target,
        is_own: bool,
    ) -> Look {
        let error = self.obstacle(connection, subscription, is_own);
        if self.egresses.len() < TRACED_EGRESSES_MAX {
            self.unnamed.push(target.subscription);
            self.egresses.push(Egress {
                at: self.now,
                client_id: connection.client_id,
                name: connection.options.name.clone(),
                subscription: String::new(),
                queue: String::new(),
                error,
            });
        }
        match (error, self.is_only) {
            ("", false) => Look::Deliver,
            ("", true) => Look::Spare,
            _ => Look::Refused,
        }
    }

    fn name(&mut self, interest: &Interest) {
        let first = self.egresses.len() - self.unnamed.len();
        for (egress, number) in self.egresses[first..]
            .iter_mut()
            .zip(self.unnamed.drain(..))
        {
            let (pattern, queue) = interest.name_of(number);
            egress.subscription = String::from_utf8_lossy(pattern).into_owned();
            egress.queue = String::from_utf8_lossy(queue.unwrap_or_default()).into_owned();
        }
    }

    fn note_cores(&mut self, cores: CoreSet) {
        self.cores = cores;
    }
}
