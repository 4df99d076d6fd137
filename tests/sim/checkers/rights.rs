//! What accounts and rights have to do with a delivery.

use crate::history::{History, Sent, Sub, Tick};
use crate::model::{Acceptance, Allowed, Leave, Stamp};
use crate::policy::Bound;
use crate::protocol::Message;

/// The moment at which a message was delivered that a connection gets now.
pub fn take_stamp(history: &mut History, conn: usize) -> Result<Stamp, String> {
    let record = &mut history.conns[conn];
    let stamp = record.stamps.get(record.got).cloned();
    record.got += 1;
    stamp.ok_or_else(|| format!("connection {conn} got more messages than were delivered"))
}

/// Judges whether a connection may get a message.
pub fn may_get(
    history: &History,
    sub: &Sub,
    sent: &Sent,
    stamp: &Stamp,
    message: &Message,
) -> Result<(), String> {
    let Some(executed) = &sent.executed else {
        return Err(format!("{sub:?} got what was not accepted: {sent:?}"));
    };
    let complain = |what: &str| Err(format!("{what}: {sub:?} got {sent:?}, {stamp:?}"));
    let becomes = Some(&*message.subject);
    let is_it = |(subject, _): &(Option<String>, Allowed)| subject.as_deref() == becomes;
    if !executed.becomes.iter().any(is_it) {
        return complain(&format!("{} is not what it becomes", message.subject));
    }
    if executed.is_allowed(becomes) == Allowed::No {
        let standing = &history.conns[sent.conn].standing;
        let (asked, answered) = (&standing.asked, &standing.answered);
        return complain(&format!(
            "nobody may publish this, asked {asked:?} and answered {answered:?}"
        ));
    }
    if sent.became.is_some() && sent.became.as_deref() != becomes {
        return complain(&format!("it became {} too", message.subject));
    }
    if executed.tick > stamp.tick {
        return complain("it was delivered before it was sent");
    }
    may_hear(history, sub, executed.account, &message.subject, stamp).or_else(complain)
}

/// Judges whether a subscription may get something of an account.
pub fn may_hear(
    history: &History,
    sub: &Sub,
    account: usize,
    subject: &str,
    stamp: &Stamp,
) -> Result<(), &'static str> {
    let is_of_account = |who: &Bound| who.account == account;
    if !stamp.who.iter().any(is_of_account) || !sub.who.as_ref().is_some_and(is_of_account) {
        return Err("it crossed accounts");
    }
    if matches!(sub.acceptance, Acceptance::Unknown | Acceptance::Refused) {
        return Err("the subscription was refused");
    }
    if sub.removed.is_some_and(|removed| removed < stamp.tick) {
        return Err("the subscription is gone");
    }
    let hears = |who: &&Bound| {
        stamp.filters.iter().any(|&version| {
            let rights = history.policies.rights(version, who);
            rights.is_none_or(|rights| !rights.subscribe.denies(subject, sub.queue.as_deref()))
        })
    };
    match stamp.who.iter().find(hears) {
        Some(_) => Ok(()),
        None => Err("nobody may hear it"),
    }
}

/// Notes that a request may be answered by who got it.
pub fn note_request(history: &mut History, conn: usize, reply: &str, stamp: &Stamp) {
    let policies = &history.policies;
    let answers = |who: &Bound| {
        let rights = policies.rights(stamp.version, who);
        rights.is_some_and(|rights| rights.responses.is_some())
    };
    if stamp.who.iter().any(answers) && !reply.is_empty() {
        let is_certain = stamp.who.iter().all(answers);
        history.conns[conn].standing.asked.push(Leave {
            reply: reply.into(),
            tick: stamp.tick,
            now: stamp.now,
            is_certain,
        });
    }
}

/// The subject under which a message is delivered, if that is known.
pub fn subject_of(sent: &Sent) -> Option<&str> {
    if sent.became.is_some() {
        return sent.became.as_deref();
    }
    match &*sent.executed.as_ref()?.becomes {
        [(Some(subject), _)] => Some(subject),
        _ => None,
    }
}

/// Whether a message is published for certain, and allowed.
pub fn is_published(sent: &Sent) -> bool {
    let executed = sent.executed.as_ref();
    executed.is_some_and(|executed| {
        let is_allowed = executed.is_allowed(sent.became.as_deref());
        executed.is_certain && is_allowed == Allowed::Yes
    })
}

/// Whether publisher and receiver had their rights all the time in which a
/// message may have been under way.
pub fn hold(history: &History, sub: &Sub, sent: &Sent) -> bool {
    subject_of(sent).is_some_and(|subject| hears(history, sub, sent, subject))
}

/// The same for another subject, as that of an answer.
pub fn hears(history: &History, sub: &Sub, sent: &Sent, subject: &str) -> bool {
    let (Some(executed), Some(who)) = (&sent.executed, &sub.who) else {
        return false;
    };
    let end = sent.flushed.unwrap_or(Tick::MAX);
    let record = &history.conns[sub.conn];
    let policies = &history.policies;
    let is_in_doubt = |&doubt: &Tick| {
        let mut calm = policies.calm[record.core].iter();
        let over = calm.find(|&&calm| calm > doubt).copied();
        doubt <= end && over.is_none_or(|over| executed.tick <= over)
    };
    let lasting = record.standing.lasting.iter();
    let lasting = lasting.filter(|lasting| {
        lasting.from <= end && lasting.until.is_none_or(|until| executed.tick <= until)
    });
    let lasting = lasting.map(|lasting| lasting.version);
    let mut versions = policies
        .during(record.core, executed.tick, end)
        .chain(lasting);
    is_published(sent)
        && sub.acceptance == Acceptance::Accepted
        && who.account == executed.account
        && sub.removed.is_none_or(|removed| end < removed)
        // Whoever must go hears nothing more, though it is still there.
        && record.standing.must_end.is_none_or(|ending| end < ending)
        && !record.standing.doubts.iter().any(is_in_doubt)
        && versions.all(|version| {
            let rights = policies.rights(version, who);
            rights.is_none_or(|rights| !rights.subscribe.denies(subject, sub.queue.as_deref()))
        })
}
