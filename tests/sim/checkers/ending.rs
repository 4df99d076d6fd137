//! What must be true when everything has come to rest.

use std::collections::HashMap;

use crate::checkers::rights;
use crate::history::{Conn, History, Sent, Sub};
use crate::protocol::reaches;

/// Judges a run that is over.
pub fn judge(history: &History, is_tight: bool) -> Result<(), String> {
    for check in [answers, requests, plain, queues, limited, order, nobody] {
        check(history)?;
    }
    if !is_tight
        && let Some((number, _)) = (history.conns.iter().enumerate()).find(|(_, conn)| {
            conn.ended_by_server.is_some() && conn.ended.is_none() && !had_to_go(conn)
        })
    {
        return Err(format!(
            "the server closed connection {number} for no reason"
        ));
    }
    Ok(())
}

/// Whether the server may have ended a connection for who it is.
fn had_to_go(conn: &Conn) -> bool {
    conn.standing.must_end.is_some() || conn.standing.may_be_full
}

/// Every command has its answer.
fn answers(history: &History) -> Result<(), String> {
    for (number, conn) in history.conns.iter().enumerate() {
        // What is said last reaches whoever reads all the time, if a slow server says it
        // in time.
        let reads_all = conn.ended.is_none()
            && conn.standing.must_end.is_some()
            && !conn.has_paused
            && !conn.is_cut;
        for (text, &(least, most)) in &conn.standing.errors {
            let got = conn.errors.get(text).copied().unwrap_or_default();
            if got > most || (got < least && (conn.is_alive() || reads_all)) {
                return Err(format!(
                    "connection {number} got {got} instead of {least} to {most} -ERR {text}: {:?} {:?}",
                    conn.errors, conn.standing
                ));
            }
        }
        let is_refusal =
            |(text, _): &(&String, &u64)| text.starts_with("'Permissions Violation for Publish");
        let got: u64 = conn.errors.iter().filter(is_refusal).map(|(_, n)| n).sum();
        let (least, most) = conn.standing.refused_messages;
        if got > most || (got < least && (conn.is_alive() || reads_all)) {
            return Err(format!(
                "connection {number} got {got} instead of {least} to {most} refusals: {:?}",
                conn.errors
            ));
        }
        if let Some((text, _)) =
            (conn.errors.iter()).find(|(text, _)| !conn.standing.errors.contains_key(*text))
        {
            return Err(format!(
                "connection {number} got -ERR {text}: {:?}",
                conn.standing
            ));
        }
        if !conn.is_alive() {
            continue;
        }
        if !conn.pings.is_empty() {
            return Err(format!(
                "connection {number} misses {} PONG",
                conn.pings.len()
            ));
        }
        let (least, most) = conn.standing.oks;
        if !(least..=most).contains(&conn.oks) {
            return Err(format!(
                "connection {number} got {} instead of {least} to {most} +OK",
                conn.oks
            ));
        }
    }
    Ok(())
}

/// Every request to the server itself was noted.
fn requests(history: &History) -> Result<(), String> {
    let lost = history
        .sent
        .iter()
        .find(|sent| sent.asks_server() && rights::is_published(sent) && !sent.is_noted);
    lost.map_or(Ok(()), |lost| {
        Err(format!("the server did not hear {lost:?}"))
    })
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
        && rights::hold(history, sub, sent)
}

/// The subscriptions that match each subject.
fn matching(history: &History) -> HashMap<&str, Vec<usize>> {
    let mut found: HashMap<&str, Vec<usize>> = HashMap::new();
    for subject in history.sent.iter().filter_map(rights::subject_of) {
        found.entry(subject).or_insert_with(|| {
            let subs = history.subs.iter().enumerate();
            subs.filter(|(_, sub)| reaches(&sub.pattern, subject))
                .map(|(number, _)| number)
                .collect()
        });
    }
    found
}

/// The subscriptions that match the subject that a message became.
fn matched<'a>(matching: &'a HashMap<&str, Vec<usize>>, sent: &Sent) -> &'a [usize] {
    rights::subject_of(sent).map_or(&[], |subject| &matching[subject])
}

fn account_of(sub: &Sub) -> Option<usize> {
    sub.who.as_ref().map(|who| who.account)
}

/// Plain subscriptions that last get every message.
fn plain(history: &History) -> Result<(), String> {
    let matching = matching(history);
    for (message, sent) in history.sent.iter().enumerate() {
        for &number in matched(&matching, sent) {
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
            let numbers = matched(&matching, sent).iter();
            numbers.map(|&number| (number, &history.subs[number]))
        };
        let lasting = members().filter(|(_, sub)| {
            sub.queue.is_some()
                && sub.max.is_none()
                && sub.ended.is_none()
                && is_due(history, sub, sent)
        });
        for (_, lasting) in lasting {
            let mut group = members().filter(|(_, sub)| {
                sub.queue == lasting.queue && account_of(sub) == account_of(lasting)
            });
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
        for &number in matched(&matching, sent) {
            let (got, due) = counts.entry(number).or_default();
            *got += u64::from(sent.deliveries.contains(&number));
            *due += u64::from(is_due(history, &history.subs[number], sent));
        }
    }
    for (number, sub) in history.subs.iter().enumerate() {
        let Some(max) = sub.max else { continue };
        let (got, due) = counts.get(&number).copied().unwrap_or_default();
        let got = got + sub.answers;
        // What was delivered before the server read the limit may exceed it.
        let excess = sub.confirmed.map_or(got, |confirmed| {
            let heard = history.conns[sub.conn].heard.iter();
            let early = |(_, of, tick): &&(usize, usize, u64)| *of == number && *tick < confirmed;
            heard.filter(early).count() as u64 + sub.answers
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
        let Some(executed) = sent.executed.as_ref() else {
            continue;
        };
        let listens = |sub: &Sub| {
            let mut becomes = executed.becomes.iter();
            becomes.any(|(to, _)| to.as_ref().is_some_and(|to| reaches(&sub.pattern, to)))
                && (sub.conn != sent.conn || conn.options.echo)
                && account_of(sub).is_none_or(|account| account == executed.account)
        };
        let must_hear = conn.options.no_responders
            && conn.is_alive()
            && rights::is_published(sent)
            && !sent.asks_server()
            && hears_reply(history, sent);
        if must_hear && sent.unheard.is_empty() && !history.subs.iter().any(listens) {
            return Err(format!("no 503 for {sent:?}"));
        }
    }
    Ok(())
}

/// Whether who asked certainly had a subscription for the answer.
fn hears_reply(history: &History, sent: &Sent) -> bool {
    let conn = &history.conns[sent.conn];
    let mut subs = conn.subs.iter().map(|&sub| &history.subs[sub]);
    subs.any(|sub| {
        sub.made < sent.made
            && sub.queue.is_none()
            && sub.max.is_none()
            && reaches(&sub.pattern, &sent.reply)
            && rights::hears(history, sub, sent, &sent.reply)
    })
}
