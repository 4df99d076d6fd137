//! What the server must be making of its clients' commands: who they are, what
//! is allowed, what a reload takes away. Everything has its exact moment,
//! since the world looks at a core after each of its steps: how many bytes of a
//! connection are executed, and how many messages were delivered to it.

mod answers;
mod commands;
mod reloads;

use std::collections::HashMap;
use std::rc::Rc;

use crate::clock::Time;
use crate::history::{Conn, History, Tick};
use crate::policy::{Bound, Claim, Model, RightsModel};

/// The policies of a run, and when which was in force where.
#[derive(Default)]
pub struct Policies {
    pub models: Vec<Model>,
    /// Per core, the moments at which it went over to policies.
    pub in_force: Vec<Vec<(Tick, usize)>>,
    /// Per core, the moments at which all its connections were in order again.
    pub calm: Vec<Vec<Tick>>,
}

/// What is known of a connection on the server's side.
#[derive(Default, Debug)]
pub struct Standing {
    /// Its slot was opened.
    pub is_open: bool,
    /// It got a nonce to sign.
    pub has_nonce: bool,
    pub has_connected: bool,
    pub claim: Option<Claim>,
    pub bound: Option<Bound>,
    /// Who it was since the last look.
    pub was: Vec<Bound>,
    /// A check of its password is under way: what it is if that fits.
    pub checking: Option<(Bound, bool)>,
    /// The number of that check, once the shell has taken it.
    pub check: Option<u64>,
    /// The server must end it.
    pub must_end: Option<Tick>,
    /// Its account has a limit, so it may be one too many.
    pub may_be_full: bool,
    /// Commands that are executed for certain or perhaps.
    pub executed: usize,
    /// Messages that it was ever given.
    pub delivered: u64,
    /// Reloads that leave it in doubt for a while, in which it hears nothing.
    pub doubts: Vec<Tick>,
    /// Times at which the rights of an older policy went on to decide what it
    /// hears, until its turn came.
    pub lasting: Vec<Lasting>,
    /// Requests that it may answer, and answers.
    pub asked: Vec<Leave>,
    pub answered: Vec<Leave>,
    /// Older requests may not be answered any more.
    pub asked_since: Tick,
    /// +OK that it must get, and may get.
    pub oks: (u64, u64),
    /// Errors likewise, by text.
    pub errors: HashMap<String, (u64, u64)>,
    /// Refused messages: as many errors must come, whatever mappings make of
    /// their subjects.
    pub refused_messages: (u64, u64),
}

/// A time in which the rights of an older policy go on.
#[derive(Clone, Copy, Debug)]
pub struct Lasting {
    pub version: usize,
    pub from: Tick,
    /// `None`: it is not over.
    pub until: Option<Tick>,
}

/// A request under a reply subject, or an answer to one.
#[derive(Clone, Debug)]
pub struct Leave {
    pub reply: String,
    pub tick: Tick,
    pub now: Time,
    pub is_certain: bool,
}

/// What became of a SUB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acceptance {
    Unknown,
    Accepted,
    /// Perhaps: what was in its way is not known exactly.
    Maybe,
    Refused,
}

/// Whether something is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allowed {
    Yes,
    No,
    Maybe,
}

/// What the server did with a message.
#[derive(Clone, Debug)]
pub struct Executed {
    pub tick: Tick,
    pub account: usize,
    /// It was not in the input of a connection that just ended.
    pub is_certain: bool,
    /// The subjects that it may have become, and whether it may be published
    /// there; `None`: it is lost.
    pub becomes: Vec<(Option<String>, Allowed)>,
}

impl Executed {
    /// Whether it is allowed under the subject that it has become, if that is
    /// known.
    pub fn is_allowed(&self, became: Option<&str>) -> Allowed {
        let is_it = |(subject, _): &&(Option<String>, Allowed)| {
            became.is_none() || subject.as_deref() == became
        };
        let mut all = self
            .becomes
            .iter()
            .filter(is_it)
            .map(|&(_, allowed)| allowed);
        let first = all.next().unwrap_or(Allowed::No);
        match all.all(|other| other == first) {
            true => first,
            false => Allowed::Maybe,
        }
    }
}

/// The moment at which the server delivered a message to a connection.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub tick: Tick,
    pub now: Time,
    pub version: usize,
    /// The policies whose rights decided about it: more than one if that changed
    /// in this step.
    pub filters: [usize; 2],
    /// Who the connection was: more than one if that changed in this step.
    pub who: Rc<[Bound]>,
}

/// A connection of a core after one of the core's steps.
pub struct Seen {
    pub conn: usize,
    pub is_closing: bool,
    /// Bytes that are executed.
    pub executed: u64,
    /// Messages that it was ever given.
    pub delivered: u64,
    /// A reload has not reached it yet.
    pub is_under_revision: bool,
}

impl Policies {
    pub fn begin(&mut self, model: Model, cores: usize) {
        self.models.push(model);
        self.in_force = vec![vec![(0, 0)]; cores];
        self.calm = vec![Vec::new(); cores];
    }

    /// The newest policy, be it in force or not.
    pub fn last(&self) -> &Model {
        self.models.last().expect("there is a first one")
    }

    /// The policy in force on a core.
    pub fn version(&self, core: usize) -> usize {
        self.in_force[core]
            .last()
            .map_or(0, |&(_, version)| version)
    }

    /// The policies in force on a core from one moment to another.
    pub fn during(&self, core: usize, from: Tick, to: Tick) -> impl Iterator<Item = usize> {
        let all = &self.in_force[core];
        let first = all.partition_point(|&(tick, _)| tick <= from).max(1) - 1;
        let known = all[first..].iter().enumerate();
        let versions = known.filter(move |&(at, &(tick, _))| at == 0 || tick <= to);
        versions.map(|(_, &(_, version))| version)
    }

    /// What somebody may do under a policy; `None`: everything.
    pub fn rights(&self, version: usize, bound: &Bound) -> Option<&RightsModel> {
        self.models[version].rights_of(bound)
    }
}

impl Standing {
    /// A message is refused under one of some subjects.
    fn owe_refusal(&mut self, subjects: &[&str], is_certain: bool) {
        for subject in subjects {
            let text = format!("Permissions Violation for Publish to \"{subject}\"");
            self.owe_error(&text, is_certain && subjects.len() == 1);
        }
        self.refused_messages.0 += u64::from(is_certain);
        self.refused_messages.1 += 1;
    }

    pub fn owe_error(&mut self, text: &str, is_certain: bool) {
        let owed = self.errors.entry(format!("'{text}'")).or_default();
        owed.0 += u64::from(is_certain);
        owed.1 += 1;
    }

    fn owe_ok(&mut self, is_certain: bool) {
        self.oks.0 += u64::from(is_certain);
        self.oks.1 += 1;
    }
}

impl History {
    /// A core has taken over a connection.
    pub fn opened(&mut self, conn: usize) {
        let record = &mut self.conns[conn];
        let model = &self.policies.models[self.policies.version(record.core)];
        record.standing.is_open = true;
        record.standing.has_nonce = model.signs();
    }

    /// Notes what a step of a core has done to its connections.
    pub fn observe(&mut self, core: usize, now: Time, seen: &[Seen]) -> Result<(), String> {
        let tick = self.next_tick();
        for seen in seen {
            self.observe_one(core, tick, now, seen)
                .map_err(|wrong| format!("connection {}: {wrong}", seen.conn))?;
        }
        Ok(())
    }

    fn observe_one(
        &mut self,
        core: usize,
        tick: Tick,
        now: Time,
        seen: &Seen,
    ) -> Result<(), String> {
        let record = &mut self.conns[seen.conn];
        if record.is_doomed {
            return Ok(());
        }
        record.standing.delivered = seen.delivered;
        let before = record.standing.bound.clone();
        let older = self.end_revision(seen, tick);
        self.execute_up_to(seen, tick, now);
        let record = &mut self.conns[seen.conn];
        let version = self.policies.version(core);
        let was = std::mem::take(&mut record.standing.was);
        let who: Rc<[Bound]> = before.into_iter().chain(was).collect();
        for _ in record.stamps.len() as u64..seen.delivered {
            record.stamps.push(Stamp {
                tick,
                now,
                version,
                filters: older.unwrap_or([version; 2]),
                who: Rc::clone(&who),
            });
        }
        record.is_doomed = seen.is_closing;
        record.doomed_at = now;
        let refused = record.standing.bound.is_none()
            && record.standing.checking.is_none()
            && record.standing.has_connected;
        let claim = &record.standing.claim;
        // Whom a reload takes its place has to go only until that is through.
        if refused && !seen.is_closing && record.standing.must_end == Some(tick) {
            return Err(format!("not refused with {claim:?}"));
        }
        Ok(())
    }

    /// Whether a connection is known to be ending.
    pub fn is_doomed(&self, conn: usize) -> bool {
        self.conns[conn].is_doomed
    }

    /// No account has more connections than it may; to be asked while no reload
    /// is under way. Who says CONNECT once more is nobody until its password is
    /// checked.
    pub fn check_fullness(&self, core: usize) -> Result<(), String> {
        let version = self.policies.version(core);
        let accounts = self.policies.models[version].accounts.iter().enumerate();
        for (account, model) in accounts {
            let Some(max) = model.connections_max else {
                continue;
            };
            let is_here = |(_, record): &(usize, &Conn)| {
                let bound = record.standing.bound.as_ref();
                !record.is_doomed
                    && record.standing.checking.is_none()
                    && bound.is_some_and(|bound| bound.account == account)
            };
            let here = self.conns.iter().enumerate().filter(is_here);
            let here: Vec<usize> = here.map(|(number, _)| number).collect();
            if here.len() > max as usize {
                return Err(format!(
                    "connections {here:?} in account {account} of {max}"
                ));
            }
        }
        Ok(())
    }
}
