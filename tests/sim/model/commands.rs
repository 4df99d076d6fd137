//! What the commands of a client must do.

use crate::clock::Time;
use crate::history::{Command, History, Tick};
use crate::model::{Acceptance, Allowed, Executed, Leave, Seen};
use crate::policy::mapping::destinations;
use crate::policy::{Bound, Claim, Verdict};

impl History {
    /// Takes note of the commands up to a number of bytes. Those of a connection
    /// that has just ended may have been thrown away.
    pub(super) fn execute_up_to(&mut self, seen: &Seen, tick: Tick, now: Time) {
        let conn = seen.conn;
        loop {
            let record = &self.conns[conn];
            let Some((end, command)) = record.said.get(record.standing.executed) else {
                return;
            };
            if *end > seen.executed || record.standing.must_end.is_some() {
                return;
            }
            let (command, is_certain) = (command.clone(), !seen.is_closing);
            self.conns[conn].standing.executed += 1;
            match command {
                Command::Connect(claim) => self.connect(conn, claim, tick, seen.is_closing),
                Command::Subscribe(sub) => self.execute_subscribe(sub, tick, is_certain),
                Command::Limit => self.owe_ok(conn, is_certain),
                Command::Unsubscribe(sub) => {
                    self.subs[sub].removed.get_or_insert(tick);
                    self.owe_ok(conn, is_certain);
                }
                Command::Publish(number) => {
                    self.execute_publish(number, tick, now, is_certain);
                }
                Command::Other => {}
            }
        }
    }

    fn owe_ok(&mut self, conn: usize, is_certain: bool) {
        let record = &mut self.conns[conn];
        if record.options.verbose {
            record.standing.owe_ok(is_certain);
        }
    }

    fn connect(&mut self, conn: usize, claim: Claim, tick: Tick, is_closing: bool) {
        for &sub in &self.conns[conn].subs {
            if self.subs[sub].executed.is_some() {
                self.subs[sub].removed.get_or_insert(tick);
            }
        }
        let standing = &mut self.conns[conn].standing;
        standing.has_connected = true;
        standing.claim = Some(claim);
        self.authenticate(conn, tick, is_closing);
    }

    /// Finds out who a client is, by what it has presented.
    pub(super) fn authenticate(&mut self, conn: usize, tick: Tick, is_closing: bool) {
        let record = &mut self.conns[conn];
        let model = &self.policies.models[self.policies.version(record.core)];
        let claim = record.standing.claim.as_ref().unwrap_or(&Claim::Nothing);
        match model.judge(claim, record.standing.has_nonce) {
            Verdict::Accepted(bound) => self.welcome(conn, bound, tick, is_closing),
            Verdict::Refused => self.refuse(conn, tick),
            Verdict::Checked(bound, fits) => {
                record.standing.checking = Some((bound, fits));
                record.standing.check = None;
            }
        }
    }

    /// The answer of a check of a password.
    pub fn password_checked(
        &mut self,
        conn: usize,
        number: u64,
        is_closing: bool,
    ) -> Result<(), String> {
        let tick = self.next_tick();
        let record = &mut self.conns[conn];
        let standing = &mut record.standing;
        if standing.check != Some(number) || record.is_doomed {
            return Ok(());
        }
        match standing.checking.take() {
            Some((bound, true)) => self.welcome(conn, bound, tick, is_closing),
            Some((_, false)) if !is_closing => {
                return Err(format!("connection {conn} may stay with a wrong password"));
            }
            Some((_, false)) => self.refuse(conn, tick),
            None => {}
        }
        Ok(())
    }

    fn welcome(&mut self, conn: usize, bound: Bound, tick: Tick, is_closing: bool) {
        self.rebind(conn, bound, tick);
        let record = &mut self.conns[conn];
        let model = &self.policies.models[self.policies.version(record.core)];
        let account = record
            .standing
            .bound
            .as_ref()
            .map_or(0, |bound| bound.account);
        if model.accounts[account].connections_max.is_some() {
            record.standing.may_be_full = true;
            record.standing.owe_error(ACCOUNT_FULL, false);
        }
        let is_certain = !is_closing && !record.standing.may_be_full;
        self.owe_ok(conn, is_certain);
    }

    /// Somebody is somebody else from now on.
    pub(super) fn rebind(&mut self, conn: usize, bound: Bound, tick: Tick) {
        let record = &mut self.conns[conn];
        let version = self.policies.version(record.core);
        let responses = |bound: &Bound| {
            let rights = self.policies.rights(version, bound);
            rights.and_then(|rights| rights.responses)
        };
        let standing = &mut record.standing;
        let keeps = standing.bound.as_ref().is_some_and(|before| {
            before.account == bound.account && responses(before) == responses(&bound)
        });
        if !keeps {
            standing.asked_since = tick;
        }
        standing.checking = None;
        for &sub in &record.subs {
            if self.subs[sub].removed.is_none() && self.subs[sub].who.is_some() {
                self.subs[sub].who = Some(bound.clone());
            }
        }
        standing.was.push(bound.clone());
        standing.bound = Some(bound);
    }

    pub(super) fn refuse(&mut self, conn: usize, tick: Tick) {
        let standing = &mut self.conns[conn].standing;
        // It may have been one too many before.
        standing.owe_error("Authorization Violation", !standing.may_be_full);
        standing.bound = None;
        standing.checking = None;
        standing.must_end = Some(tick);
    }

    fn execute_subscribe(&mut self, number: usize, tick: Tick, is_certain: bool) {
        let sub = &self.subs[number];
        let record = &self.conns[sub.conn];
        let version = self.policies.version(record.core);
        let Some(bound) = &record.standing.bound else {
            return;
        };
        let rights = self.policies.rights(version, bound);
        let queue = sub.queue.as_deref();
        let is_refused = rights.is_some_and(|rights| !rights.subscribe.allows(&sub.pattern, queue));
        let (who, account, conn) = (Some(bound.clone()), bound.account, sub.conn);
        let room = self.room_for_subscription(conn, account, version);
        let violation = violation(&sub.pattern, queue);
        let (acceptance, error) = match (is_refused, room) {
            (true, _) => (Acceptance::Refused, &*violation),
            (_, Allowed::Yes) if is_certain => (Acceptance::Accepted, ""),
            (_, Allowed::Yes) => (Acceptance::Maybe, ""),
            (_, Allowed::Maybe) => (Acceptance::Maybe, SUBSCRIPTIONS_EXCEEDED),
            (_, Allowed::No) => (Acceptance::Refused, SUBSCRIPTIONS_EXCEEDED),
        };
        let standing = &mut self.conns[conn].standing;
        if !error.is_empty() {
            standing.owe_error(error, is_certain && acceptance == Acceptance::Refused);
        }
        if acceptance != Acceptance::Refused {
            self.owe_ok(conn, acceptance == Acceptance::Accepted);
        }
        let sub = &mut self.subs[number];
        sub.executed = Some(tick);
        sub.who = who;
        sub.acceptance = acceptance;
    }

    /// Whether a connection may have one more subscription.
    fn room_for_subscription(&self, conn: usize, account: usize, version: usize) -> Allowed {
        let Some(max) = self.policies.models[version].accounts[account].subscriptions_max else {
            return Allowed::Yes;
        };
        let subs = self.conns[conn].subs.iter().map(|&sub| &self.subs[sub]);
        let (mut certain, mut possible) = (0, 0);
        for sub in subs.filter(|sub| sub.executed.is_some() && sub.removed.is_none()) {
            let is_there = sub.acceptance == Acceptance::Accepted && sub.max.is_none();
            certain += u32::from(is_there);
            possible += u32::from(sub.acceptance != Acceptance::Refused);
        }
        match (certain >= max, possible < max) {
            (true, _) => Allowed::No,
            (_, true) => Allowed::Yes,
            _ => Allowed::Maybe,
        }
    }

    fn execute_publish(&mut self, number: usize, tick: Tick, now: Time, is_certain: bool) {
        let sent = &self.sent[number];
        let conn = sent.conn;
        let record = &self.conns[conn];
        let version = self.policies.version(record.core);
        let Some(bound) = record.standing.bound.clone() else {
            return;
        };
        let rights = self.policies.rights(version, &bound);
        let needs_leave = |subject: &str| rights.is_some_and(|r| !r.may_publish(subject));
        let judge = |subject: &Option<String>| match (subject, rights) {
            (Some(subject), Some(rights)) if needs_leave(subject) => match rights.responses {
                Some(limits) => self.may_answer(conn, subject, (tick, now), limits),
                None => Allowed::No,
            },
            (None, Some(rights)) if !rights.may_publish_nowhere() => Allowed::No,
            _ => Allowed::Yes,
        };
        let mappings = &self.policies.models[version].accounts[bound.account].mappings;
        let subjects = destinations(mappings, &sent.subject);
        let judged = subjects.into_iter().map(|subject| {
            let allowed = judge(&subject);
            (subject, allowed)
        });
        let becomes: Vec<(Option<String>, Allowed)> = judged.collect();
        let is_leave_certain = is_certain && becomes.len() == 1;
        let leaves = becomes.iter().filter_map(|(subject, _)| subject.clone());
        let leaves = leaves.filter(|subject| needs_leave(subject));
        let leaves: Vec<Leave> = leaves
            .map(|reply| Leave {
                reply,
                tick,
                now,
                is_certain: is_leave_certain,
            })
            .collect();
        let executed = Executed {
            tick,
            account: bound.account,
            is_certain,
            becomes,
        };
        let is_allowed = executed.is_allowed(None);
        let refused = executed.becomes.iter();
        let refused = refused.filter(|(_, allowed)| *allowed != Allowed::Yes);
        let refused: Vec<&str> = refused.map(|(to, _)| to.as_deref().unwrap_or("")).collect();
        let standing = &mut self.conns[conn].standing;
        if !refused.is_empty() {
            standing.owe_refusal(&refused, is_certain && is_allowed == Allowed::No);
        }
        standing.answered.extend(leaves);
        self.sent[number].executed = Some(executed);
        if is_allowed != Allowed::No {
            self.owe_ok(conn, is_certain && is_allowed == Allowed::Yes);
        }
    }
}

pub(super) const ACCOUNT_FULL: &str = "maximum account active connections exceeded";
const SUBSCRIPTIONS_EXCEEDED: &str = "maximum subscriptions exceeded";

/// The text for a subscription that is not allowed.
pub(super) fn violation(pattern: &str, queue: Option<&str>) -> String {
    let text = format!("Permissions Violation for Subscription to \"{pattern}\"");
    match queue {
        Some(queue) => format!("{text} using queue \"{queue}\""),
        None => text,
    }
}
