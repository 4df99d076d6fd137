//! What must be true when everything has come to rest.

use std::collections::HashMap;

use crate::history::{History, Sent, Sub};
use crate::protocol::reaches;

/// Judges a run that is over.
pub fn judge(history: &History, is_tight: bool) -> Result<(), String> {
    for check in [answers, plain, queues, limited, order, nobody] {
        check(history)?;
    }
    if !is_tight
        && let Some((number, _)) = (history.conns.iter().enumerate())
            .find(|(_, conn)| conn.ended_by_server.is_some() && conn.ended.is_none())
    {
        return Err(format!(
            "the server closed connection {number} for no reason"
        ));
    }
    Ok(())
}

/// Every command has its answer.
fn answers(history: &History) -> Result<(), String> {
    for (number, conn) in history.conns.iter().enumerate() {
        if !conn.is_alive() {
            continue;
        }
        if !conn.pings.is_empty() {
            return Err(format!(
                "connection {number} misses {} PONG",
                conn.pings.len()
            ));
        }
        if conn.oks != conn.oks_expected {
            return Err(format!(
                "connection {number} got {} of {} +OK",
                conn.oks, conn.oks_expected
            ));
        }
    }
    Ok(())
}

/// Whether a message has certainly been dealt with.
fn is_certain(history: &History, sent: &Sent) -> bool {
    sent.flushed.is_some() || history.conns[sent.conn].is_alive()
}

/// Whether a subscription was certainly known wherever a message was routed:
/// confirmed before, or made before what caused the message.
fn is_known(sub: &Sub, sent: &Sent) -> bool {
    sub.confirmed.is_some_and(|confirmed| confirmed < sent.made)
        || (sent.causes.iter()).any(|&(conn, tick)| sub.conn == conn && sub.made < tick)
}

fn echoes(history: &History, sub: &Sub, sent: &Sent) -> bool {
    sub.conn != sent.conn || history.conns[sub.conn].options.echo
}

/// Whether a matching subscription, were it not limited, would certainly get a
/// message.
fn is_due(history: &History, sub: &Sub, sent: &Sent) -> bool {
    // Even a subscription that ended must have got what was flushed before.
    sub.ended
        .is_none_or(|ended| sent.flushed.is_some_and(|flushed| flushed < ended))
        && history.conns[sub.conn].is_alive()
        && is_known(sub, sent)
        && echoes(history, sub, sent)
        && is_certain(history, sent)
}

/// The subscriptions that match each subject.
fn matching(history: &History) -> HashMap<&str, Vec<usize>> {
    let mut found: HashMap<&str, Vec<usize>> = HashMap::new();
    for sent in &history.sent {
        found.entry(&sent.subject).or_insert_with(|| {
            let subs = history.subs.iter().enumerate();
            subs.filter(|(_, sub)| reaches(&sub.pattern, &sent.subject))
                .map(|(number, _)| number)
                .collect()
        });
    }
    found
}

/// Plain subscriptions that last get every message.
fn plain(history: &History) -> Result<(), String> {
    let matching = matching(history);
    for (message, sent) in history.sent.iter().enumerate() {
        for &number in &matching[&*sent.subject] {
            let sub = &history.subs[number];
            let is_unlimited = sub.queue.is_none() && sub.max.is_none();
            if is_unlimited && is_due(history, sub, sent) && !sent.deliveries.contains(&number) {
                return Err(format!("{sub:?} missed message {message}: {sent:?}"));
            }
        }
    }
    Ok(())
}

/// One member of every group that lasts gets every message, unless it died
/// with a member's connection.
fn queues(history: &History) -> Result<(), String> {
    let matching = matching(history);
    for (message, sent) in history.sent.iter().enumerate() {
        let members = || {
            let numbers = matching[&*sent.subject].iter();
            numbers.map(|&number| (number, &history.subs[number]))
        };
        let lasting = members().filter(|(_, sub)| {
            sub.queue.is_some()
                && sub.max.is_none()
                && sub.ended.is_none()
                && is_due(history, sub, sent)
        });
        for (_, lasting) in lasting {
            let mut group = members().filter(|(_, sub)| sub.queue == lasting.queue);
            let is_settled = group.any(|(number, sub)| {
                let conn = &history.conns[sub.conn];
                let may_be_lost = !conn.is_alive() && conn.gone.is_none_or(|gone| gone > sent.made);
                may_be_lost || sent.deliveries.contains(&number)
            });
            if !is_settled {
                return Err(format!(
                    "{lasting:?} lasts, yet nobody of its group got message {message}: {sent:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Subscriptions that end by themselves get as many messages as they asked for.
fn limited(history: &History) -> Result<(), String> {
    let matching = matching(history);
    let mut counts: HashMap<usize, (u64, u64)> = HashMap::new();
    for sent in &history.sent {
        for &number in &matching[&*sent.subject] {
            let (got, due) = counts.entry(number).or_default();
            *got += u64::from(sent.deliveries.contains(&number));
            *due += u64::from(is_due(history, &history.subs[number], sent));
        }
    }
    for (number, sub) in history.subs.iter().enumerate() {
        let Some(max) = sub.max else { continue };
        let (got, due) = counts.get(&number).copied().unwrap_or_default();
        // What was delivered before the server read the limit may exceed it.
        let excess = sub.confirmed.map_or(got, |confirmed| {
            let heard = history.conns[sub.conn].heard.iter();
            let early = |(_, of, tick): &&(usize, usize, u64)| *of == number && *tick < confirmed;
            heard.filter(early).count() as u64
        });
        if got > max.max(excess) || (sub.queue.is_none() && got < due.min(max)) {
            return Err(format!("{sub:?} got {got} messages of {due}"));
        }
    }
    Ok(())
}

/// Messages of one publisher reach each connection in the order of sending.
fn order(history: &History) -> Result<(), String> {
    for (number, conn) in history.conns.iter().enumerate() {
        let mut last: HashMap<usize, usize> = HashMap::new();
        // A group whose members change may hand a message on over a third
        // core, where a later one can overtake it.
        let heard = conn
            .heard
            .iter()
            .filter(|(_, sub, _)| history.subs[*sub].queue.is_none());
        for &(message, sub, _) in heard {
            let publisher = history.sent[message].conn;
            let previous = last.insert(publisher, message);
            if previous.is_some_and(|previous| previous > message) {
                return Err(format!(
                    "connection {number} got message {message} of connection {publisher} after {previous:?}, on {:?}",
                    history.subs[sub]
                ));
            }
        }
    }
    Ok(())
}

/// A request that clearly nobody listens to is answered with 503.
fn nobody(history: &History) -> Result<(), String> {
    for &number in history.requests.values() {
        let sent = &history.sent[number];
        let conn = &history.conns[sent.conn];
        let listens = |sub: &Sub| {
            reaches(&sub.pattern, &sent.subject) && (sub.conn != sent.conn || conn.options.echo)
        };
        let must_hear = conn.options.no_responders && conn.is_alive();
        if must_hear && sent.unheard.is_empty() && !history.subs.iter().any(listens) {
            return Err(format!("no 503 for {sent:?}"));
        }
    }
    Ok(())
}
