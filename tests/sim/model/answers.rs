//! Leave to answer requests: what the server must be making of requests that
//! were delivered and of answers, where their order is not always known.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Time;
use crate::history::{History, Tick};
use crate::model::{Allowed, Leave};
use crate::protocol::reaches;

/// A request that may be answered: its time, and answers to it.
type Open = Option<(Time, u32)>;

/// Answers per request and nanoseconds after it, zero: no limit.
type Limits = (u32, u64);

/// More messages that a client has not read yet leave everything possible.
const UNREAD_MAX: usize = 4;

/// What happens in one step: requests and answers, each certain or not.
#[derive(Default)]
struct Happening {
    now: Time,
    asked: Vec<bool>,
    answered: Vec<bool>,
}

/// An answer: whether it is allowed, and what is left.
fn take(open: Open, now: Time, (answers_max, expires_ns): Limits) -> (bool, Open) {
    let Some((at, answers)) = open else {
        return (false, None);
    };
    let answers = answers + 1;
    let is_over = answers_max > 0 && answers > answers_max;
    let is_late = expires_ns > 0 && now - at > expires_ns;
    match is_over || is_late {
        true => (false, None),
        false => (true, Some((at, answers))),
    }
}

/// A request counts as an answer while there may be one, else it begins anew.
fn ask(open: Open, now: Time, limits: Limits) -> Open {
    match take(open, now, limits) {
        (true, open) => open,
        (false, _) => Some((now, 0)),
    }
}

impl Happening {
    /// What may be left after all orders of what happens.
    fn apply(
        &self,
        all: &BTreeSet<Open>,
        (asked, answered): (&[bool], &[bool]),
        limits: Limits,
    ) -> BTreeSet<Open> {
        if asked.is_empty() && answered.is_empty() {
            return all.clone();
        }
        let kept = |is_certain: bool| all.iter().copied().filter(move |_| !is_certain);
        let mut found = BTreeSet::new();
        if let Some((&is_certain, rest)) = asked.split_first() {
            let next = all.iter().map(|&open| ask(open, self.now, limits));
            let next = next.chain(kept(is_certain)).collect();
            found.extend(self.apply(&next, (rest, answered), limits));
        }
        if let Some((&is_certain, rest)) = answered.split_first() {
            let next = all.iter().map(|&open| take(open, self.now, limits).1);
            let next = next.chain(kept(is_certain)).collect();
            found.extend(self.apply(&next, (asked, rest), limits));
        }
        found
    }
}

impl History {
    /// Whether somebody may answer a request though it may not publish.
    pub(super) fn may_answer(
        &self,
        conn: usize,
        subject: &str,
        (tick, now): (Tick, Time),
        limits: Limits,
    ) -> Allowed {
        let record = &self.conns[conn];
        let since = record.standing.asked_since;
        let mut steps: BTreeMap<Tick, Happening> = BTreeMap::new();
        let is_it = |leave: &&Leave| leave.reply == subject && leave.tick >= since;
        for leave in record.standing.asked.iter().filter(is_it) {
            let step = steps.entry(leave.tick).or_default();
            step.now = leave.now;
            // It may come after this answer, or have come before leave was given.
            let is_certain = leave.is_certain && leave.tick != tick && leave.tick != since;
            step.asked.push(is_certain);
        }
        for leave in record.standing.answered.iter().filter(is_it) {
            let step = steps.entry(leave.tick).or_default();
            step.now = leave.now;
            let is_certain = leave.is_certain && leave.tick != since;
            step.answered.push(is_certain);
        }
        let unread = record.standing.delivered as usize - record.got;
        if unread > 0 && self.may_be_asked(conn, subject) {
            if unread > UNREAD_MAX {
                return Allowed::Maybe;
            }
            for at in record.got..record.standing.delivered as usize {
                let stamp = record.stamps.get(at).map(|stamp| (stamp.tick, stamp.now));
                let (at, then) = stamp.unwrap_or((tick, now));
                let step = steps.entry(at).or_default();
                step.now = then;
                step.asked.push(false);
            }
        }
        let mut all = BTreeSet::from([None]);
        for step in steps.values() {
            all = step.apply(&all, (&step.asked, &step.answered), limits);
        }
        let mut allowed = all.iter().map(|&open| take(open, now, limits).0);
        let first = allowed.next().unwrap_or(false);
        match (allowed.all(|other| other == first), first) {
            (false, _) => Allowed::Maybe,
            (true, true) => Allowed::Yes,
            (true, false) => Allowed::No,
        }
    }

    /// Whether something that a connection has not read yet may be a request
    /// under a reply subject.
    fn may_be_asked(&self, conn: usize, reply: &str) -> bool {
        let subs = &self.conns[conn].subs;
        let asks = |number: &usize, subject: &String| {
            self.subs[*number].executed.is_some() && reaches(&self.subs[*number].pattern, subject)
        };
        let mut requests = self.sent.iter().filter(|sent| sent.reply == reply);
        requests.any(|sent| {
            // Others of this core may have been executed in this step, and are
            // looked at after this one.
            if sent.executed.is_none() {
                return self.conns[sent.conn].core == self.conns[conn].core;
            }
            let becomes = sent.executed.iter().flat_map(|executed| &executed.becomes);
            let mut subjects = becomes.filter_map(|(subject, _)| subject.as_ref());
            subjects.any(|subject| {
                let mut missing = subs.iter().filter(|sub| !sent.deliveries.contains(sub));
                missing.any(|number| asks(number, subject))
            })
        })
    }
}
