//! What a reload must do to the connections of a core.

use crate::history::{History, Tick};
use crate::model::commands::{ACCOUNT_FULL, violation};
use crate::model::{Acceptance, Lasting, Seen};
use crate::policy::{Bound, Claim, Verdict};

/// What becomes of a connection.
enum Fate {
    Stays,
    /// Its user or account is gone: it is closed without a word.
    Closed,
    Refused,
    /// It had to be judged again and is this now.
    Judged(Bound),
    /// It waits for its password to be checked and begins anew with that.
    Again,
}

impl History {
    /// A core goes over to another policy.
    pub fn reloaded(&mut self, core: usize, version: usize) {
        let tick = self.next_tick();
        let before = self.policies.version(core);
        self.policies.in_force[core].push((tick, version));
        for conn in 0..self.conns.len() {
            let record = &self.conns[conn];
            let is_here = record.core == core && record.standing.is_open;
            if !is_here || record.is_doomed || record.standing.must_end.is_some() {
                continue;
            }
            match self.fate(conn, before) {
                Fate::Stays => self.keep(conn, before, tick),
                Fate::Closed => {
                    let standing = &mut self.conns[conn].standing;
                    standing.must_end = Some(tick);
                    standing.bound = None;
                }
                Fate::Refused => self.refuse(conn, tick),
                Fate::Judged(bound) => {
                    self.rebind(conn, bound, tick);
                    self.conns[conn].standing.doubts.push(tick);
                    self.revoke(conn, tick, true);
                }
                Fate::Again => {
                    self.conns[conn].standing.check = None;
                    self.conns[conn].standing.checking = None;
                    self.authenticate(conn, tick, false);
                }
            }
        }
    }

    fn fate(&self, conn: usize, before: usize) -> Fate {
        let record = &self.conns[conn];
        let standing = &record.standing;
        let old = &self.policies.models[before];
        let new = &self.policies.models[self.policies.version(record.core)];
        if standing.checking.is_some() {
            return Fate::Again;
        }
        let Some(bound) = &standing.bound else {
            return Fate::Stays;
        };
        match &bound.user {
            None if new.is_open() => return Fate::Stays,
            None => {}
            Some(name) => {
                let proof = old.user(name).map(|user| &user.proof);
                match new.user(name) {
                    None => return Fate::Closed,
                    Some(user) if Some(&user.proof) == proof => {
                        return match user.account == bound.account {
                            true => Fate::Stays,
                            false => Fate::Closed,
                        };
                    }
                    Some(_) => {}
                }
            }
        }
        let claim = standing.claim.as_ref().unwrap_or(&Claim::Nothing);
        match new.judge(claim, standing.has_nonce) {
            Verdict::Accepted(now) if now.account == bound.account => Fate::Judged(now),
            Verdict::Accepted(_) => Fate::Closed,
            Verdict::Refused if !new.lists(claim) => Fate::Closed,
            Verdict::Refused | Verdict::Checked(..) => Fate::Refused,
        }
    }

    /// The same user goes on, perhaps with other rights.
    fn keep(&mut self, conn: usize, before: usize, tick: Tick) {
        let record = &mut self.conns[conn];
        let Some(bound) = &record.standing.bound else {
            return;
        };
        let now = self.policies.version(record.core);
        let responses = |version: usize| {
            let rights = self.policies.rights(version, bound);
            rights.and_then(|rights| rights.responses)
        };
        if responses(before) != responses(now) {
            record.standing.asked_since = tick;
        }
        if self.policies.rights(before, bound) != self.policies.rights(now, bound) {
            record.standing.lasting.push(Lasting {
                version: before,
                from: tick,
                until: None,
            });
        }
    }

    /// Looks whether the turn of a connection has come whose rights a reload has
    /// changed; the policies by which it has heard in this step, if they are not
    /// simply the one in force.
    pub(super) fn end_revision(&mut self, seen: &Seen, tick: Tick) -> Option<[usize; 2]> {
        let record = &mut self.conns[seen.conn];
        let new = self.policies.version(record.core);
        let lasting = record.standing.lasting.last_mut();
        let lasting = lasting.filter(|lasting| lasting.until.is_none())?;
        let old = lasting.version;
        if seen.is_under_revision {
            return Some([old; 2]);
        }
        lasting.until = Some(tick);
        self.revoke(seen.conn, tick, !seen.is_closing);
        Some([old, new])
    }

    /// Ends the subscriptions that are not allowed any more.
    fn revoke(&mut self, conn: usize, tick: Tick, is_certain: bool) {
        let record = &mut self.conns[conn];
        let version = self.policies.version(record.core);
        let Some(bound) = &record.standing.bound else {
            return;
        };
        let Some(rights) = self.policies.rights(version, bound) else {
            return;
        };
        for &number in &record.subs {
            let sub = &mut self.subs[number];
            let queue = sub.queue.as_deref();
            let is_there = sub.executed.is_some()
                && sub.removed.is_none()
                && sub.acceptance != Acceptance::Refused;
            if is_there && !rights.subscribe.allows(&sub.pattern, queue) {
                sub.removed = Some(tick);
                let text = violation(&sub.pattern, queue) + &format!(" (sid \"{}\")", sub.sid);
                // A CONNECT that has to wait ends subscriptions before it is executed.
                let was_there = sub.acceptance == Acceptance::Accepted
                    && sub.max.is_none()
                    && sub.ended.is_none();
                record.standing.owe_error(&text, is_certain && was_there);
            }
        }
    }

    /// A core has closed connections for which a lowered limit leaves no room.
    pub fn surplus_closed(&mut self, account: usize, conns: &[usize]) -> Result<(), String> {
        let tick = self.next_tick();
        for &conn in conns {
            let standing = &mut self.conns[conn].standing;
            let bound = standing.bound.take();
            if bound.as_ref().is_none_or(|bound| bound.account != account) {
                return Err(format!(
                    "connection {conn} is closed as one of account {account}"
                ));
            }
            standing.must_end = Some(tick);
            standing.owe_error(ACCOUNT_FULL, true);
        }
        Ok(())
    }

    /// A core says that its connections are all in order again: whoever had to
    /// go has gone.
    pub fn revised(&mut self, core: usize) -> Result<(), String> {
        let tick = self.next_tick();
        self.policies.calm[core].push(tick);
        let conns = self.conns.iter().enumerate();
        let left = conns
            .filter(|(_, record)| record.core == core)
            .find(|(_, record)| record.standing.must_end.is_some() && !record.is_doomed);
        match left {
            Some((conn, record)) => Err(format!(
                "connection {conn} should have ended at {:?} and has not",
                record.standing.must_end
            )),
            None => Ok(()),
        }
    }
}
