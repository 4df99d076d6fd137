//! What the server tells without being asked, on a thread of its own: events
//! that the cores have noted, its statistics every [`STATISTICS_MAX`], the
//! connections of every account once in [`HEARTBEAT`].
//!
//! Bounds: events that find their channel full are dropped, counted, and named
//! in the log once a minute. One letter with at most [`EVENTS_PER_LETTER`] of
//! them is on its way at a time, so that a core never has more of them between
//! two turns however many clients come and go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tracing::warn;
use trunkline_core::base::id::AccountId;
use trunkline_core::shard::system_events::{Fact, SystemEvent};

use super::Admin;
use super::collect::Totals;
use super::server_messages::Message;
use super::system::StatisticsMessage;
use crate::work::SystemEventInbox;

/// Facts that become messages of one letter.
const EVENTS_PER_LETTER: usize = 64;

/// While facts come faster than they are told, what accounts do is asked for
/// once in this time.
const TOTALS_AGE_MAX: Duration = Duration::from_millis(100);

/// Statistics follow the start after this time, then after twice that, and so
/// on up to the maximum (NATS 2.15).
const STATISTICS_FIRST: Duration = Duration::from_millis(250);
const STATISTICS_MAX: Duration = Duration::from_secs(10);

/// An account with connections is told of again after this time.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Between two log lines about lost events.
const LOSS_REPORT: Duration = Duration::from_secs(60);

/// Starts the thread; it ends with the cores.
pub fn start(admin: Arc<Admin>, inbox: SystemEventInbox) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("events".to_owned())
        .spawn(move || Teller::new(admin, inbox.lost).run(&inbox.events))?;
    Ok(())
}

struct Teller {
    admin: Arc<Admin>,
    totals: Option<(Instant, Totals)>,
    statistics_at: Instant,
    statistics_interval: Duration,
    /// When an account's connections were last told.
    told: HashMap<AccountId, Instant>,
    began: Instant,
    lost: Arc<AtomicU64>,
    loss_reported: Option<Instant>,
}

impl Teller {
    fn new(admin: Arc<Admin>, lost: Arc<AtomicU64>) -> Self {
        let now = Instant::now();
        Self {
            admin,
            totals: None,
            statistics_at: now + STATISTICS_FIRST,
            statistics_interval: STATISTICS_FIRST,
            told: HashMap::new(),
            began: now,
            lost,
            loss_reported: None,
        }
    }

    fn run(mut self, facts: &mpsc::Receiver<SystemEvent>) {
        loop {
            let wait = self.next_beat().saturating_duration_since(Instant::now());
            match facts.recv_timeout(wait) {
                Ok(first) => {
                    let more = facts.try_iter().take(EVENTS_PER_LETTER - 1);
                    let batch: Vec<SystemEvent> = std::iter::once(first).chain(more).collect();
                    self.tell(batch);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.beat(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            // A burst of facts must not silence the statistics.
            if self.next_beat() <= Instant::now() {
                self.beat();
            }
            self.report_losses();
        }
    }

    /// When something is to be told that nobody has caused.
    fn next_beat(&self) -> Instant {
        let accounts = self.told.values().map(|&told| told + HEARTBEAT);
        accounts.fold(self.statistics_at, Instant::min)
    }

    fn tell(&mut self, batch: Vec<SystemEvent>) {
        let is_flooded = batch.len() == EVENTS_PER_LETTER;
        let needs_totals = |event: &SystemEvent| matches!(event.fact, Fact::Connections { .. });
        if batch.iter().any(needs_totals) {
            self.refresh_totals(is_flooded);
        }
        let messages = batch
            .iter()
            .flat_map(|event| self.messages(event))
            .collect();
        self.admin.publish(messages);
        for event in batch {
            if let Fact::Connections { account, .. } = event.fact {
                self.told.insert(account, Instant::now());
            }
        }
    }

    fn refresh_totals(&mut self, may_be_old: bool) {
        let is_young = |at: &Instant| may_be_old && at.elapsed() < TOTALS_AGE_MAX;
        if !self.totals.as_ref().is_some_and(|(at, _)| is_young(at)) {
            self.totals = Some((Instant::now(), self.admin.totals()));
        }
    }

    fn messages(&self, event: &SystemEvent) -> Vec<Message> {
        let admin = &self.admin;
        let places = event.heard_at.iter();
        match &event.fact {
            Fact::Connected(party) => places
                .map(|(account, subject)| {
                    Message::json(*account, subject, &admin.connect_event(party))
                })
                .collect(),
            Fact::Disconnected(party) | Fact::Refused(party) => places
                .map(|(account, subject)| {
                    Message::json(*account, subject, &admin.disconnect_event(party))
                })
                .collect(),
            Fact::Connections {
                account,
                connections,
            } => self.connections_messages(*account, *connections, &event.heard_at),
        }
    }

    /// One event for all places that want it.
    fn connections_messages(
        &self,
        account: AccountId,
        connections: u64,
        places: &[(AccountId, Vec<u8>)],
    ) -> Vec<Message> {
        let Some((_, totals)) = &self.totals else {
            return Vec::new();
        };
        let line = self.admin.account_line(account, connections, totals);
        let event = self.admin.connections_event(line);
        let places = places.iter();
        places
            .map(|(account, subject)| Message::json(*account, subject, &event))
            .collect()
    }

    /// Tells what is told from time to time, if somebody listens.
    fn beat(&mut self) {
        let now = Instant::now();
        let subject = self.admin.statistics_subject();
        let mut subjects = Vec::new();
        if self.statistics_at <= now {
            self.statistics_interval = (self.statistics_interval * 2).min(STATISTICS_MAX);
            self.statistics_at = now + self.statistics_interval;
            // Others take a server that tells them for one to go to (NATS 2.15.3).
            if !self.admin.is_lame_duck.load(Ordering::Relaxed) {
                subjects.push((AccountId::SYSTEM, subject.clone()));
            }
        }
        let mut accounts: HashMap<Vec<u8>, (AccountId, u64)> = HashMap::new();
        for (account, connections) in self.silent_accounts(now) {
            let name = self.admin.account_name(account);
            for subject in [
                format!("$SYS.SERVER.ACCOUNT.{name}.CONNS"),
                format!("$SYS.ACCOUNT.{name}.SERVER.CONNS"),
            ] {
                subjects.push((AccountId::SYSTEM, subject.clone().into_bytes()));
                accounts.insert(subject.into_bytes(), (account, connections));
            }
        }
        // Those without connections or listeners are looked at with the
        // statistics only.
        self.told.retain(|_, told| *told + HEARTBEAT > now);
        let heard = self.admin.heard(subjects);
        let mut messages = Vec::new();
        if heard.iter().any(|(_, heard)| *heard == subject) {
            let statistics = StatisticsMessage::new(&self.admin);
            messages.push(Message::json(AccountId::SYSTEM, &subject, &statistics));
        }
        if heard.iter().any(|(_, heard)| accounts.contains_key(heard)) {
            self.refresh_totals(false);
        }
        for place in heard {
            if let Some(&(account, connections)) = accounts.get(&place.1) {
                self.told.insert(account, now);
                messages.extend(self.connections_messages(account, connections, &[place]));
            }
        }
        if !messages.is_empty() {
            self.admin.publish(messages);
        }
    }

    /// Accounts with connections that have not been told of for long.
    fn silent_accounts(&self, now: Instant) -> Vec<(AccountId, u64)> {
        let settings = self.admin.settings();
        let accounts = settings.policy.accounts_in_use().skip(1);
        let silent = accounts.filter_map(|(id, account)| {
            let connections = account.usage.connections.load(Ordering::Relaxed);
            let told = self.told.get(&id).copied().unwrap_or(self.began);
            (connections > 0 && now.duration_since(told) >= HEARTBEAT).then_some((id, connections))
        });
        silent.collect()
    }

    fn report_losses(&mut self) {
        let is_due = self
            .loss_reported
            .is_none_or(|at| at.elapsed() >= LOSS_REPORT);
        if is_due && self.lost.load(Ordering::Relaxed) > 0 {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            self.loss_reported = Some(Instant::now());
            warn!("{lost} system events were lost: more came than could be told");
        }
    }
}
