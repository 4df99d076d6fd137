//! What must be true of a message when it arrives at a client.

use crate::checkers::rights;
use crate::history::{self, History};
use crate::model::Stamp;
use crate::protocol::{Message, reaches};

/// Judges a message that a connection got; the message's number and hops if it
/// is one that a client has sent.
pub fn learn(
    history: &mut History,
    conn: usize,
    message: &Message,
) -> Result<Option<(usize, u8)>, String> {
    let tick = history.next_tick();
    let record = &history.conns[conn];
    let Some(&sub) = record.sids.get(&message.sid) else {
        return Err(format!("connection {conn} has no sid {}", message.sid));
    };
    if message.header.is_some() && !record.options.headers {
        return Err(format!(
            "connection {conn} cannot take headers and got some"
        ));
    }
    let about = &history.subs[sub];
    if !reaches(&about.pattern, &message.subject) {
        return Err(format!("{about:?} got a message for {}", message.subject));
    }
    if let Some(header) = &message.header
        && header.starts_with(b"NATS/1.0 503")
    {
        return nobody_answers(history, conn, sub, message).map(|()| None);
    }
    let stamp = rights::take_stamp(history, conn)?;
    if let Some(about) = message.payload.strip_prefix(b"server ") {
        server_answers(history, sub, message, about, &stamp)?;
        history.subs[sub].answers += 1;
        return Ok(None);
    }
    let Some((number, hops)) = history::read_payload(&message.payload) else {
        return Err(format!("{:?} got a damaged payload", history.subs[sub]));
    };
    compare(history, conn, number, message)?;
    let about = &history.subs[sub];
    let sent = &history.sent[number];
    rights::may_get(history, about, sent, &stamp, message)?;
    if about.end_confirmed {
        return Err(format!("{about:?} is over and confirmed, yet got {sent:?}"));
    }
    if sent.conn == conn && !record_echo(history, conn) {
        return Err(format!("connection {conn} wants no echo and got {sent:?}"));
    }
    if sent.deliveries.contains(&sub) {
        return Err(format!("{about:?} got {sent:?} twice"));
    }
    if about.queue.is_some()
        && let Some(&other) = sent
            .deliveries
            .iter()
            .find(|&&other| history.subs[other].queue == about.queue)
    {
        let other = &history.subs[other];
        return Err(format!("{about:?} and {other:?} both got {sent:?}"));
    }
    history.sent[number].deliveries.push(sub);
    history.sent[number].became = Some(message.subject.clone());
    rights::note_request(history, conn, &message.reply, &stamp);
    history.conns[conn].heard.push((number, sub, tick));
    Ok(Some((number, hops)))
}

fn record_echo(history: &History, conn: usize) -> bool {
    history.conns[conn].options.echo
}

/// The message is the one that was sent.
fn compare(history: &History, conn: usize, number: usize, message: &Message) -> Result<(), String> {
    let Some(sent) = history.sent.get(number) else {
        return Err(format!("message {number} was never sent"));
    };
    let header =
        (sent.with_header && history.conns[conn].options.headers).then(|| history::header(number));
    if message.reply != sent.reply
        || message.payload.len() != sent.payload_len
        || message.header != header
    {
        return Err(format!(
            "connection {conn} got {} {:?} {:?} of {} bytes instead of {sent:?}",
            message.subject,
            message.reply,
            message.header,
            message.payload.len()
        ));
    }
    Ok(())
}

/// An answer of the server itself: it stays in the account of who asked.
fn server_answers(
    history: &History,
    sub: usize,
    message: &Message,
    about: &[u8],
    stamp: &Stamp,
) -> Result<(), String> {
    let number = std::str::from_utf8(about).ok();
    let number = number.and_then(|number| number.parse::<usize>().ok());
    let sent = number.and_then(|number| history.sent.get(number));
    let executed = sent.and_then(|sent| sent.executed.as_ref());
    let (Some(sent), Some(executed)) = (sent, executed) else {
        return Err("the server answers what nobody asked".into());
    };
    let about = &history.subs[sub];
    if message.subject != sent.reply {
        return Err(format!("{about:?} got an answer to {sent:?}"));
    }
    rights::may_hear(history, about, executed.account, &message.subject, stamp)
        .map_err(|wrong| format!("{wrong}: {about:?} got the server's answer to {sent:?}"))
}

/// A status 503: nobody listens to a request.
fn nobody_answers(
    history: &mut History,
    conn: usize,
    sub: usize,
    message: &Message,
) -> Result<(), String> {
    let tick = history.tick;
    let Some(&number) = history.requests.get(&message.subject) else {
        return Err(format!("503 for no request: {}", message.subject));
    };
    let header = message.header.as_deref().unwrap_or_default();
    let header = String::from_utf8_lossy(header);
    let options = history.conns[conn].options;
    let about = &history.subs[sub];
    // A request that was passed on carries the reply of the one that began it.
    let subject = header
        .strip_prefix("NATS/1.0 503\r\nNats-Subject: ")
        .and_then(|rest| rest.strip_suffix("\r\n\r\n"))
        .ok_or("503 of another form")?
        .to_owned();
    if !options.no_responders || !message.payload.is_empty() || about.queue.is_some() {
        return Err(format!("{about:?} got a 503 that it must not get"));
    }
    let sent = &history.sent[number];
    let Some(executed) = &sent.executed else {
        return Err(format!("503 for what was not accepted: {sent:?}"));
    };
    let mut becomes = executed.becomes.iter();
    let is_of_it = becomes.any(|(other, _)| other.as_deref().unwrap_or("") == subject);
    if sent.conn != conn || !is_of_it {
        // The answerer's own subscription may match the reply of another's
        // request that it passed on in vain.
        return Ok(());
    }
    if sent.asks_server() {
        return Err(format!("503 for what the server answers: {sent:?}"));
    }
    let eligible = history.subs.iter().find(|sub| {
        !subject.is_empty()
            && reaches(&sub.pattern, &subject)
            && rights::hold(history, sub, sent)
            && sub.confirmed.is_some_and(|confirmed| confirmed < sent.made)
            && sub.ended.is_none()
            && sub.max.is_none()
            && history.conns[sub.conn].is_alive()
            && !history.conns[sub.conn].is_doomed
            && (sub.conn != conn || options.echo)
    });
    // One that was delivered may have come back to its requester, who passed it
    // on in vain.
    if let Some(eligible) = eligible.filter(|_| sent.deliveries.is_empty()) {
        return Err(format!("503 for {sent:?} although there is {eligible:?}"));
    }
    if !sent.unheard.is_empty() && sent.deliveries.is_empty() {
        return Err(format!("two 503 for {sent:?}"));
    }
    history.sent[number].unheard.push(tick);
    Ok(())
}
