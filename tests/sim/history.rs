//! What the clients did and saw, in the one order in which it happened.
//!
//! `made` is the moment at which a client decided to do something, before any
//! byte of it could reach the server; `confirmed` the moment at which it knew.

use std::collections::{HashMap, VecDeque};

use trunkline_core::base::id::AccountId;

use crate::model::{Acceptance, Executed, Policies, Stamp, Standing};
use crate::policy::{Bound, Claim};

/// A moment: every act and every sight has its own.
pub type Tick = u64;

/// What a connection asked for in CONNECT.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub verbose: bool,
    pub echo: bool,
    pub headers: bool,
    pub no_responders: bool,
}

/// Something that a client says, as far as it matters.
#[derive(Clone, Debug)]
pub enum Command {
    Connect(Claim),
    Subscribe(usize),
    /// UNSUB with a number, right after SUB.
    Limit,
    Unsubscribe(usize),
    Publish(usize),
    Other,
}

/// A connection of a client.
pub struct Conn {
    pub client: usize,
    pub core: usize,
    pub options: Options,
    pub sids: HashMap<String, usize>,
    pub subs: Vec<usize>,
    pub sent: Vec<usize>,
    /// Moments of PINGs that are not answered.
    pub pings: VecDeque<Tick>,
    /// What it has said, each with the number of bytes up to its end.
    pub said: Vec<(u64, Command)>,
    pub said_bytes: u64,
    /// What is known of it on the server's side.
    pub standing: Standing,
    /// Deliveries by the server, in their order.
    pub stamps: Vec<Stamp>,
    /// Messages that the client got, those of the server itself included.
    pub got: usize,
    pub oks: u64,
    /// Errors that it got, by text.
    pub errors: HashMap<String, u64>,
    /// What was delivered: the message, the subscription, the moment.
    pub heard: Vec<(usize, usize, Tick)>,
    /// The client began to end it.
    pub ended: Option<Tick>,
    /// The client saw the server end it.
    pub ended_by_server: Option<Tick>,
    /// The server has decided to end it: its subscriptions are gone already.
    pub is_doomed: bool,
    /// When that was seen, in the time of the run.
    pub doomed_at: u64,
    /// It did not get its last words in the time that it has for that.
    pub is_cut: bool,
    /// The server has forgotten it.
    pub gone: Option<Tick>,
    /// It has ever stopped reading.
    pub has_paused: bool,
}

impl Conn {
    /// Whether it lives from beginning to end of the run.
    pub fn is_alive(&self) -> bool {
        self.ended.is_none() && self.ended_by_server.is_none() && self.gone.is_none()
    }
}

/// A subscription.
#[derive(Debug)]
pub struct Sub {
    /// When the server dealt with it, for whom, and what it said.
    pub executed: Option<Tick>,
    pub who: Option<Bound>,
    pub acceptance: Acceptance,
    /// The server has removed it, by a command or since its right was revoked.
    pub removed: Option<Tick>,
    pub conn: usize,
    pub sid: String,
    pub pattern: String,
    pub queue: Option<String>,
    pub made: Tick,
    pub confirmed: Option<Tick>,
    /// Last deliveries that it may have, said right after its making.
    pub max: Option<u64>,
    /// Answers of the server itself that it got.
    pub answers: u64,
    /// UNSUB was decided.
    pub ended: Option<Tick>,
    pub end_confirmed: bool,
}

/// A message of a client.
#[derive(Debug)]
pub struct Sent {
    pub conn: usize,
    pub subject: String,
    pub reply: String,
    pub with_header: bool,
    pub payload_len: usize,
    pub made: Tick,
    /// What the server did with it.
    pub executed: Option<Executed>,
    /// What a mapping made of its subject, as a delivery told.
    pub became: Option<String>,
    /// It asks the server itself, which has noted that.
    pub is_noted: bool,
    /// When a PONG told that the server has dealt with it.
    pub flushed: Option<Tick>,
    /// What led to it: subscriptions that these connections had made before
    /// these moments must get it, confirmed or not.
    pub causes: Vec<(usize, Tick)>,
    /// Times that the client heard that nobody listens.
    pub unheard: Vec<Tick>,
    /// Deliveries, as subscriptions.
    pub deliveries: Vec<usize>,
}

impl Sent {
    /// Whether it is a request that the server itself answers in the account
    /// in which it was executed.
    pub fn asks_server(&self) -> bool {
        let account = self.executed.as_ref().map(|executed| executed.account);
        match &*self.subject {
            "$SYS.REQ.USER.INFO" => account.is_some(),
            "$SYS.REQ.SERVER.PING" => account == Some(AccountId::SYSTEM.index()),
            _ => false,
        }
    }
}

/// All of it.
#[derive(Default)]
pub struct History {
    pub tick: Tick,
    pub conns: Vec<Conn>,
    pub subs: Vec<Sub>,
    pub sent: Vec<Sent>,
    /// Requests by their reply subject.
    pub requests: HashMap<String, usize>,
    /// The policies of the servers.
    pub policies: Policies,
}

/// The byte that fills a message's payload: now and then one that means
/// something in the protocol.
fn fill(number: usize) -> u8 {
    *[b'x', b'\r', b'\n', b' ', b'y', 0, b'z', 0xff]
        .get(number % 16)
        .unwrap_or(&b'f')
}

/// The payload of a message: its number, the hops left to a relay, filling.
pub fn payload(number: usize, hops: u8, len: usize) -> Vec<u8> {
    let mut payload = format!("{number:08x}{hops}").into_bytes();
    payload.resize(len.max(payload.len()), fill(number));
    payload
}

/// Its header block.
pub fn header(number: usize) -> Vec<u8> {
    format!("NATS/1.0\r\nId: {number:08x}\r\n\r\n").into_bytes()
}

/// The number and hops of a payload, if it is whole.
pub fn read_payload(payload: &[u8]) -> Option<(usize, u8)> {
    let text = std::str::from_utf8(payload.get(..9)?).ok()?;
    let number = usize::from_str_radix(&text[..8], 16).ok()?;
    let hops = text[8..].parse().ok()?;
    let filling = fill(number);
    let is_whole = payload[9..].is_empty()
        || (payload[9] == filling && payload[9..payload.len() - 1] == payload[10..]);
    is_whole.then_some((number, hops))
}

impl History {
    pub fn next_tick(&mut self) -> Tick {
        self.tick += 1;
        self.tick
    }

    pub fn open(&mut self, client: usize, core: usize, options: Options) -> usize {
        self.conns.push(Conn {
            client,
            core,
            options,
            sids: HashMap::new(),
            subs: Vec::new(),
            sent: Vec::new(),
            pings: VecDeque::new(),
            said: Vec::new(),
            said_bytes: 0,
            standing: Standing::default(),
            stamps: Vec::new(),
            got: 0,
            oks: 0,
            errors: HashMap::new(),
            heard: Vec::new(),
            ended: None,
            ended_by_server: None,
            is_doomed: false,
            doomed_at: 0,
            is_cut: false,
            gone: None,
            has_paused: false,
        });
        self.conns.len() - 1
    }

    pub fn subscribe(
        &mut self,
        conn: usize,
        pattern: &str,
        queue: Option<&str>,
        max: Option<u64>,
    ) -> usize {
        let made = self.next_tick();
        let number = self.subs.len();
        let record = &mut self.conns[conn];
        let sid = format!("{}", record.subs.len() + 1);
        record.subs.push(number);
        record.sids.insert(sid.clone(), number);
        self.subs.push(Sub {
            executed: None,
            who: None,
            acceptance: Acceptance::Unknown,
            removed: None,
            conn,
            sid,
            pattern: pattern.into(),
            queue: queue.map(Into::into),
            made,
            confirmed: None,
            max,
            answers: 0,
            ended: None,
            end_confirmed: false,
        });
        number
    }

    pub fn unsubscribe(&mut self, sub: usize) {
        let tick = self.next_tick();
        self.subs[sub].ended = Some(tick);
    }

    /// The client wants to be somebody else: its subscriptions end.
    pub fn reconnect(&mut self, conn: usize) {
        for sub in self.conns[conn].subs.clone() {
            if self.subs[sub].ended.is_none() {
                self.unsubscribe(sub);
            }
        }
    }

    /// Notes that a client has said something of so many bytes.
    pub fn say(&mut self, conn: usize, len: usize, command: Command) {
        let record = &mut self.conns[conn];
        record.said_bytes += len as u64;
        record.said.push((record.said_bytes, command));
    }

    pub fn publish(&mut self, conn: usize, subject: &str, reply: &str, len: usize) -> usize {
        let made = self.next_tick();
        let number = self.sent.len();
        let record = &mut self.conns[conn];
        record.sent.push(number);
        self.sent.push(Sent {
            conn,
            subject: subject.into(),
            reply: reply.into(),
            with_header: false,
            payload_len: len,
            made,
            executed: None,
            became: None,
            is_noted: false,
            flushed: None,
            causes: vec![(conn, made)],
            unheard: Vec::new(),
            deliveries: Vec::new(),
        });
        number
    }

    pub fn ping(&mut self, conn: usize) {
        let tick = self.next_tick();
        self.conns[conn].pings.push_back(tick);
    }

    /// A PONG: everything that its connection said before the PING is done.
    pub fn pong(&mut self, conn: usize) -> Result<(), String> {
        let now = self.next_tick();
        let record = &mut self.conns[conn];
        let asked = record.pings.pop_front().ok_or("a PONG without a PING")?;
        for &number in &record.subs {
            let sub = &mut self.subs[number];
            if sub.made < asked && sub.confirmed.is_none() {
                sub.confirmed = Some(now);
            }
            sub.end_confirmed |= sub.ended.is_some_and(|ended| ended < asked);
        }
        for &number in record.sent.iter().rev() {
            let sent = &mut self.sent[number];
            if sent.flushed.is_some() {
                break;
            }
            sent.flushed = (sent.made < asked).then_some(now);
        }
        Ok(())
    }
}
