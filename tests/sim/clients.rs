//! Clients that do random things, and some that answer and pass on what they
//! receive.

use crate::bytes::ByteQueue;
use crate::dice::Dice;
use crate::history::{self, Command, History, Options};
use crate::net::{Ending, Wire};
use crate::policy::{Claim, keys};
use crate::profile::Profile;
use crate::protocol::{Heard, Message, hear};

const SUBJECTS: &[&str] = &["a", "b", "a.b", "a.c", "a.b.c", "d.e", "f", "m.x", "m.y"];
const PATTERNS: &[&str] = &[
    "a", "b", "a.b", "a.c", "a.b.c", "d.e", "a.*", "*.b", "a.>", "*", "*.*", "a", "b", ">",
    "a.*.c", "f", "m.*", "a.*.x",
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
        self.connect(conn, history, wire);
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

    /// Says who it is, perhaps not for the first time.
    fn connect(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        let claim = history.policies.last().claim(&mut self.dice);
        let options = history.conns[conn].options;
        let connect = format!(
            "CONNECT {{\"verbose\":{},\"pedantic\":{},\"echo\":{},\"headers\":{},\"no_responders\":{},\"protocol\":1,{}}}\r\n",
            options.verbose,
            self.dice.percent(30),
            options.echo,
            options.headers,
            options.no_responders,
            credentials(conn, &claim)
        );
        say(conn, &connect, Command::Connect(claim), history, wire);
    }

    fn connect_again(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        self.inbox = None;
        history.reconnect(conn);
        self.connect(conn, history, wire);
        self.subscribe(conn, history, wire);
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
        if self.dice.percent(profile.reconnect_percent) {
            self.connect_again(conn, history, wire);
            return Wish::None;
        }
        match self.dice.between(0, 99) {
            0..2 if profile.has_policy => self.ask_server(conn, history, wire),
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
        say(conn, &line, Command::Unsubscribe(sub), history, wire);
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

    /// Asks the server itself.
    fn ask_server(&mut self, conn: usize, history: &mut History, wire: &mut Wire) {
        let reply = self.reply_subject(conn, history, wire);
        // The one is answered in every account, the other in one.
        let subject = match self.counter % 2 {
            0 => "$SYS.REQ.USER.INFO",
            _ => "$SYS.REQ.SERVER.PING",
        };
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
        let parts = [line.as_bytes(), &header, &payload, b"\r\n"];
        for part in parts {
            wire.outgoing.push(part);
        }
        let conn = history.sent[number].conn;
        let len = parts.iter().map(|part| part.len()).sum();
        history.say(conn, len, Command::Publish(number));
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
                Heard::Ping if wire.ending.is_none() => {
                    say(conn, "PONG\r\n", Command::Other, history, wire);
                }
                Heard::Ping => {}
                Heard::Pong => history.pong(conn)?,
                Heard::Ok => history.conns[conn].oks += 1,
                Heard::Err(text) => {
                    *history.conns[conn].errors.entry(text).or_default() += 1;
                }
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
        let times = 1 + u64::from(hops == 0 && self.dice.percent(10));
        for _ in 0..times {
            let onward = history.publish(conn, subject, reply, 9);
            let mut causes = history.sent[number].causes.clone();
            causes.append(&mut history.sent[onward].causes);
            history.sent[onward].causes = causes;
            self.write(onward, hops.saturating_sub(1), history, wire);
        }
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
    let line = match queue {
        Some(queue) => format!("SUB {pattern} {queue} {sid}\r\n"),
        None => format!("SUB {pattern} {sid}\r\n"),
    };
    let limit = max.map(|max| format!("UNSUB {sid} {max}\r\n"));
    say(conn, &line, Command::Subscribe(sub), history, wire);
    if let Some(limit) = limit {
        say(conn, &limit, Command::Limit, history, wire);
    }
    sub
}

fn ping(conn: usize, history: &mut History, wire: &mut Wire) {
    history.ping(conn);
    say(conn, "PING\r\n", Command::Other, history, wire);
}

/// Sends a line that the history knows.
fn say(conn: usize, line: &str, command: Command, history: &mut History, wire: &mut Wire) {
    wire.outgoing.push(line.as_bytes());
    history.say(conn, line.len(), command);
}

/// The fields of CONNECT that say who it is; all of them each time, since what
/// is absent stays as it was.
fn credentials(conn: usize, claim: &Claim) -> String {
    let (user, password, key, signature) = match claim {
        Claim::Nothing => ("", "", "", String::new()),
        Claim::Password(user, password) => (&**user, &**password, "", String::new()),
        Claim::Signature { key, is_good } => {
            let signature = keys::signature(*key, conn, *is_good);
            ("", "", keys::public(*key), signature)
        }
    };
    format!(
        "\"user\":\"{user}\",\"pass\":\"{password}\",\"nkey\":\"{key}\",\"sig\":\"{signature}\""
    )
}
