//! One connection of a scenario: sorts what arrives by subscription, and shows it as text.

use crate::mask;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use trunkline_tests::harness::frame::Message;
use trunkline_tests::harness::text::show;
use trunkline_tests::{Client, Frame, Received};

/// Only a scenario that fails waits that long for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// The subscription that the answers to requests arrive on.
const ANSWERS: &str = "answers";

pub struct Session {
    client: Client,
    boxes: BTreeMap<String, VecDeque<Message>>,
    /// Errors of the protocol that nobody has been told of.
    errors: Vec<String>,
    pongs: usize,
    requests: usize,
}

impl Session {
    pub fn open(address: SocketAddr) -> Session {
        let mut session = Session {
            client: Client::connect(address),
            boxes: BTreeMap::new(),
            errors: Vec::new(),
            pongs: 0,
            requests: 0,
        };
        session.send("SUB _INBOX.answers.* answers\r\n");
        session
    }

    fn send(&mut self, line: &str) {
        self.client.send(line);
    }

    /// Returns once the subscription is live.
    pub fn subscribe(&mut self, name: &str, subject: &str, group: &str) -> Result<(), String> {
        self.send(&format!("SUB {subject} {group} {name}\r\n"));
        self.barrier()
    }

    pub fn unsubscribe(&mut self, name: &str) -> Result<(), String> {
        self.send(&format!("UNSUB {name}\r\n"));
        self.barrier()
    }

    pub fn publish(&mut self, subject: &str, reply: &str, headers: &[String], body: &[u8]) {
        let mut bytes = if headers.is_empty() {
            format!("PUB {subject} {reply} {}\r\n", body.len()).into_bytes()
        } else {
            let head = format!("NATS/1.0\r\n{}\r\n\r\n", headers.join("\r\n"));
            let all = head.len() + body.len();
            format!("HPUB {subject} {reply} {} {all}\r\n{head}", head.len()).into_bytes()
        };
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"\r\n");
        self.client.send(bytes);
    }

    /// Publishes and waits for one answer.
    pub fn request(
        &mut self,
        subject: &str,
        headers: &[String],
        body: &[u8],
    ) -> Result<Message, String> {
        self.requests += 1;
        let reply = format!("_INBOX.answers.{}", self.requests);
        self.publish(subject, &reply, headers, body);
        self.next(ANSWERS)
    }

    /// The next message of a subscription; an error when the server says nothing.
    pub fn next(&mut self, name: &str) -> Result<Message, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(message) = self.waiting(name) {
                return Ok(message);
            }
            if let Some(error) = self.errors.pop() {
                return Err(format!("-ERR {error}"));
            }
            self.pump(deadline)?;
        }
    }

    /// A message that has arrived already.
    pub fn waiting(&mut self, name: &str) -> Option<Message> {
        self.boxes.get_mut(name)?.pop_front()
    }

    /// Waits until the server has answered everything that was sent, as far as it answers in order.
    pub fn barrier(&mut self) -> Result<(), String> {
        let wanted = self.pongs + 1;
        self.send("PING\r\n");
        let deadline = Instant::now() + PATIENCE;
        while self.pongs < wanted {
            self.pump(deadline)?;
        }
        Ok(())
    }

    /// Everything that has arrived and nobody asked for.
    pub fn left_over(&mut self) -> Vec<String> {
        let errors = self.errors.drain(..).map(|error| format!("-ERR {error}"));
        let boxes = self.boxes.iter_mut();
        let messages = boxes.flat_map(|(name, messages)| {
            let shown = messages.drain(..).filter(|each| !is_heartbeat(each));
            shown.map(move |message| format!("{name}: {}", shown_message(&message)))
        });
        errors.chain(messages).collect()
    }

    fn pump(&mut self, deadline: Instant) -> Result<(), String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.client.frame_within(left) {
            Received::Frame(Frame::Message(message)) => {
                let name = String::from_utf8_lossy(&message.sid).into_owned();
                self.boxes.entry(name).or_default().push_back(message);
            }
            Received::Frame(Frame::Ping) => self.client.send(b"PONG\r\n"),
            Received::Frame(Frame::Pong) => self.pongs += 1,
            Received::Frame(Frame::Error(text)) => self.errors.push(show(&text)),
            Received::Frame(_) => {}
            Received::Closed => return Err("(closed)".to_owned()),
            Received::Silence => return Err("(silence)".to_owned()),
        }
        Ok(())
    }
}

pub fn is_heartbeat(message: &Message) -> bool {
    message.payload.starts_with(b"NATS/1.0 100 Idle Heartbeat")
}

/// Subject, reply, headers and body.
pub fn shown_message(message: &Message) -> String {
    let subject = String::from_utf8_lossy(&message.subject);
    let reply = match &message.reply {
        Some(reply) => format!(" @{}", mask::subject(&String::from_utf8_lossy(reply))),
        None => String::new(),
    };
    format!(
        "{}{reply} {}",
        mask::subject(&subject),
        shown_answer(message)
    )
}

/// Headers and body only: the subject of an answer says nothing.
pub fn shown_answer(message: &Message) -> String {
    let (head, body) = parts(message);
    let lines = head.split("\r\n").filter(|line| !line.is_empty());
    let mut shown: String = lines
        .filter(|line| *line != "NATS/1.0")
        .map(|line| format!("[{}]", show(mask::header(line).as_bytes())))
        .collect();
    if !shown.is_empty() {
        shown.push(' ');
    }
    match std::str::from_utf8(body) {
        Ok(text) => shown + &show(mask::body(text).as_bytes()),
        Err(_) => shown + &show(body),
    }
}

/// The text of the headers, and the body.
pub fn parts(message: &Message) -> (String, &[u8]) {
    let sizes = String::from_utf8_lossy(&message.sizes);
    let head = match sizes.split_once(' ') {
        Some((head, _)) if message.with_headers => head.parse().unwrap_or(0),
        _ => 0,
    };
    let (head, body) = message.payload.split_at(head);
    (String::from_utf8_lossy(head).into_owned(), body)
}
