//! Clients that do random things, and some that answer and pass on what they
//! receive.

use crate::bytes::ByteQueue;
use crate::dice::Dice;
use crate::history::{self, History, Options};
use crate::net::{Ending, Wire};
use crate::profile::Profile;
use crate::protocol::{Heard, Message, hear};

const SUBJECTS: &[&str] = &["a", "b", "a.b", "a.c", "a.b.c", "d.e", "f"];
const PATTERNS: &[&str] = &[
    "a", "b", "a.b", "a.c", "a.b.c", "d.e", "a.*", "*.b", "a.>", "*", "*.*", "a", "b", ">", "a.*.c",
];
const SERVICES: &[&str] = &["svc.0", "svc.1", "svc.2", "svc.3"];
const QUEUES: &[&str] = &["q", "r"];

/// Beyond so many messages nothing is passed on any more, so that a run ends.
const RELAYS_END_AT: usize = 2_500;

/// One client, over all its connections.
pub struct Client {
    dice: Dice,
    /// Its connection, which is also its socket.
    pub conn: Option<usize>,
    pub incoming: ByteQueue,
    pub acts_left: u64,
    pub is_paused: bool,
    inbox: Option<usize>,
    counter: u64,
}

/// What a client wants of the world around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    None,
    StopReading,
}

impl Client {
    pub fn new(number: usize, seed: u64, acts: u64) -> Self {
        Self {
            dice: Dice::new(seed, 1000 + number as u64),
            conn: None,
            incoming: ByteQueue::default(),
            acts_left: acts,
            is_paused: false,
            inbox: None,
            counter: 0,
        }
    }

    pub fn options(&mut self) -> Options {
        let headers = self.dice.percent(60);
        Options {
            verbose: self.dice.percent(15),
            echo: self.dice.percent(75),
            headers,
            no_responders: headers && self.dice.percent(80),
        }
    }

    pub fn pause_before_act(&mut self, profile: &Profile) -> u64 {
        self.dice.between(0, profile.act_gap_max)
    }

    /// Begins a connection that the history knows already.
    pub fn begin(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        self.conn = Some(conn);
        self.incoming = ByteQueue::default();
        self.inbox = None;
        self.is_paused = false;
        let options = history.conns[conn].options;
        let connect = format!(
            "CONNECT {{\"verbose\":{},\"pedantic\":{},\"echo\":{},\"headers\":{},\"no_responders\":{},\"protocol\":1}}\r\n",
            options.verbose,
            self.dice.percent(30),
            options.echo,
            options.headers,
            options.no_responders
        );
        wire.outgoing.push(connect.as_bytes());
        for _ in 0..self.dice.between(0, 3) {
            self.subscribe(conn, history, wire);
        }
        if self.dice.percent(40) {
            self.serve(conn, history, wire);
        }
        if self.dice.percent(70) {
            ping(conn, history, wire);
        }
    }

    /// Does one thing.
    pub fn act(
        &mut self,
        conn: usize,
        history: &mut History,
        wire: &mut Wire,
        profile: &Profile,
    ) -> Wish {
        if self.dice.percent(profile.pause_percent) {
            if self.dice.percent(20) {
                for _ in 0..self.dice.between(100, 5_000) {
                    ping(conn, history, wire);
                }
            }
            return Wish::StopReading;
        }
        if self.dice.percent(profile.leave_percent) {
            self.leave(conn, history, wire);
            return Wish::None;
        }
        if self.dice.percent(profile.churn_percent) {
            self.unsubscribe(conn, history, wire);
        }
        if self.dice.percent(profile.request_percent) {
            self.request(conn, history, wire, profile);
            return Wish::None;
        }
        match self.dice.between(0, 99) {
            0..55 => {
                for _ in 0..self.dice.between(1, 6) {
                    self.publish(conn, history, wire, profile);
                }
            }
            55..71 => self.subscribe(conn, history, wire),
            71..78 => self.serve(conn, history, wire),
            78..94 => ping(conn, history, wire),
            _ => self.request_nobody(conn, history, wire),
        }
        Wish::None
    }

    fn subscribe(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        let pattern = *self.dice.pick(PATTERNS);
        let queue = self.dice.percent(35).then(|| *self.dice.pick(QUEUES));
        let max = self.dice.percent(15).then(|| self.dice.between(1, 8));
        subscribe(conn, pattern, queue, max, history, wire);
    }

    /// Offers a service: whoever asks it gets an answer, perhaps of another.
    fn serve(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        let service = *self.dice.pick(SERVICES);
        let queue = self.dice.percent(70).then_some("work");
        subscribe(conn, service, queue, None, history, wire);
    }

    fn unsubscribe(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        let subs = &history.conns[conn].subs;
        if subs.is_empty() {
            return;
        }
        let sub = *self.dice.pick(subs);
        if history.subs[sub].ended.is_some() || Some(sub) == self.inbox {
            return;
        }
        history.unsubscribe(sub);
        let line = format!("UNSUB {}\r\n", history.subs[sub].sid);
        wire.outgoing.push(line.as_bytes());
    }

    fn payload_len(&mut self, profile: &Profile) -> usize {
        let len = if self.dice.percent(profile.large_percent) {
            self.dice.between(0, profile.payload_max)
        } else {
            self.dice.between(0, 40)
        };
        len.max(9) as usize
    }

    fn publish(&mut self, conn: usize, history: &mut History, wire: &mut Wire, profile: &Profile) {
        let subject = *self.dice.pick(SUBJECTS);
        let len = self.payload_len(profile);
        let number = history.publish(conn, subject, "", len);
        self.write(number, 0, history, wire);
    }

    /// Asks a service; the subscription for the answer is often made at once
    /// before, without waiting until it is confirmed.
    fn request(&mut self, conn: usize, history: &mut History, wire: &mut Wire, profile: &Profile) {
        let service = *self.dice.pick(SERVICES);
        let reply = self.reply_subject(conn, history, wire);
        let len = self.payload_len(profile);
        let number = history.publish(conn, service, &reply, len);
        history.requests.insert(reply, number);
        let hops = self.dice.between(0, 2) as u8;
        self.write(number, hops, history, wire);
    }

    fn request_nobody(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        let reply = self.reply_subject(conn, history, wire);
        let subject = *self.dice.pick(&["none.1", "none.2.3", "none"]);
        let number = history.publish(conn, subject, &reply, 9);
        history.requests.insert(reply, number);
        self.write(number, 0, history, wire);
    }

    fn reply_subject(&mut self, conn: usize, history: &mut History, wire: &mut Wire) -> String {
        self.counter += 1;
        let reply = format!("_INBOX.{conn}.{}", self.counter);
        if self.dice.percent(50) {
            subscribe(conn, &reply, None, None, history, wire);
        } else if self.inbox.is_none() {
            let pattern = format!("_INBOX.{conn}.*");
            self.inbox = Some(subscribe(conn, &pattern, None, None, history, wire));
        }
        reply
    }

    /// Writes a message that the history knows.
    fn write(&mut self, number: usize, hops: u8, history: &mut History, wire: &mut Wire) {
        let sent = &mut history.sent[number];
        let with_header = history.conns[sent.conn].options.headers && self.dice.percent(30);
        sent.with_header = with_header;
        let payload = history::payload(number, hops, sent.payload_len);
        let mut line = format!(
            "{} {}",
            if with_header { "HPUB" } else { "PUB" },
            sent.subject
        );
        if !sent.reply.is_empty() {
            line += &format!(" {}", sent.reply);
        }
        let header = if with_header {
            history::header(number)
        } else {
            Vec::new()
        };
        if with_header {
            line += &format!(" {}", header.len());
        }
        line += &format!(" {}\r\n", header.len() + payload.len());
        for part in [line.as_bytes(), &header, &payload, b"\r\n"] {
            wire.outgoing.push(part);
        }
    }

    /// Ends the connection, in order or in the middle of a message.
    fn leave(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        let tick = history.next_tick();
        history.conns[conn].ended = Some(tick);
        if self.dice.percent(50) {
            wire.ending = Some(Ending::Orderly);
        } else {
            let len = self.dice.between(0, wire.outgoing.len() as u64);
            wire.outgoing.truncate(len as usize);
            wire.ending = Some(Ending::Reset);
            self.conn = None;
        }
    }

    /// Understands what has come in; `learn` judges every message.
    pub fn understand(
        &mut self,
        history: &mut History,
        wire: &mut Wire,
        mut learn: impl FnMut(&mut History, usize, &Message) -> Result<Option<(usize, u8)>, String>,
    ) -> Result<(), String> {
        let Some(conn) = self.conn else {
            return Ok(());
        };
        while let Some((heard, taken)) = hear(self.incoming.as_slice())? {
            self.incoming.consume(taken);
            match heard {
                Heard::Info => {}
                Heard::Ping if wire.ending.is_none() => wire.outgoing.push(b"PONG\r\n"),
                Heard::Ping => {}
                Heard::Pong => history.pong(conn)?,
                Heard::Ok => history.conns[conn].oks += 1,
                Heard::Err(text) => return Err(format!("-ERR to connection {conn}: {text}")),
                Heard::Message(message) => {
                    if let Some((number, hops)) = learn(history, conn, &message)?
                        && wire.ending.is_none()
                    {
                        self.pass_on(conn, number, hops, &message, history, wire);
                    }
                }
            }
        }
        Ok(())
    }

    /// A service answers, or asks another service in its turn.
    fn pass_on(
        &mut self,
        conn: usize,
        number: usize,
        hops: u8,
        message: &Message,
        history: &mut History,
        wire: &mut Wire,
    ) {
        let sub = history.conns[conn].sids[&message.sid];
        let is_served = history.subs[sub].pattern.starts_with("svc.");
        if !is_served || message.reply.is_empty() || history.sent.len() > RELAYS_END_AT {
            return;
        }
        let (subject, reply) = if hops == 0 {
            (message.reply.as_str(), "")
        } else {
            (*self.dice.pick(SERVICES), message.reply.as_str())
        };
        let onward = history.publish(conn, subject, reply, 9);
        let mut causes = history.sent[number].causes.clone();
        causes.append(&mut history.sent[onward].causes);
        history.sent[onward].causes = causes;
        self.write(onward, hops.saturating_sub(1), history, wire);
    }
}

fn subscribe(
    conn: usize,
    pattern: &str,
    queue: Option<&str>,
    max: Option<u64>,
    history: &mut History,
    wire: &mut Wire,
) -> usize {
    let sub = history.subscribe(conn, pattern, queue, max);
    let sid = &history.subs[sub].sid;
    let mut lines = match queue {
        Some(queue) => format!("SUB {pattern} {queue} {sid}\r\n"),
        None => format!("SUB {pattern} {sid}\r\n"),
    };
    if let Some(max) = max {
        lines += &format!("UNSUB {sid} {max}\r\n");
    }
    wire.outgoing.push(lines.as_bytes());
    sub
}

fn ping(conn: usize, history: &mut History, wire: &mut Wire) {
    history.ping(conn);
    wire.outgoing.push(b"PING\r\n");
}
