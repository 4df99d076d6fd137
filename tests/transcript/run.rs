//! Plays one section of a transcript against a running server.

use super::escape::Piece;
use super::parse::{Action, Section, Step};
use crate::harness::client::Client;
use crate::harness::text::{show, show_short};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

/// Only a failing expectation waits that long.
const WAIT: Duration = Duration::from_secs(8);

/// How the bytes of a `>` line reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Whole,
    /// Every byte alone: the server has read each before the next is written.
    Dribble,
    /// Every line in two parts, cut after this many bytes.
    CutAt(usize),
}

/// A step that went wrong, with the conversation that led to it.
#[derive(Clone, Debug)]
pub struct Failure {
    pub line: usize,
    pub report: String,
}

struct Play<'a> {
    address: SocketAddr,
    delivery: Delivery,
    connections: BTreeMap<&'a str, Client>,
    unfinished: Vec<&'a str>,
    done: Vec<&'a Step>,
}

/// Plays the section; `Err` tells the first step that failed.
pub fn run_section(
    section: &Section,
    address: SocketAddr,
    delivery: Delivery,
) -> Result<(), Failure> {
    let mut play = Play {
        address,
        delivery,
        connections: BTreeMap::new(),
        unfinished: Vec::new(),
        done: Vec::new(),
    };
    for step in &section.steps {
        if let Err(problem) = play.step(step) {
            return Err(play.failure(section, step.line, &step.text, &problem));
        }
        play.done.push(step);
    }
    let last_line = section.steps.last().map_or(section.line, |step| step.line);
    if let Err(problem) = play.final_check() {
        return Err(play.failure(section, last_line, "(end of the section)", &problem));
    }
    for (_, client) in std::mem::take(&mut play.connections) {
        client.finish();
    }
    Ok(())
}

impl<'a> Play<'a> {
    fn step(&mut self, step: &'a Step) -> Result<(), String> {
        let name = step.connection.as_str();
        match &step.action {
            Action::Open => {
                self.connections.insert(name, Client::open(self.address));
                return Ok(());
            }
            Action::Unfinished => {
                self.unfinished.push(name);
                return Ok(());
            }
            Action::Drop => {
                if let Some(client) = self.connections.remove(name) {
                    client.finish();
                }
                return Ok(());
            }
            _ => {}
        }
        let delivery = self.delivery;
        let client = self.connection(name)?;
        match &step.action {
            Action::Send(bytes) => send(client, bytes, delivery),
            Action::Expect(pieces) => expect(client, pieces)?,
            Action::Info(fields) => info(client, fields)?,
            Action::Closed => {
                let extra = client.up_to_within(1, WAIT);
                if !extra.is_empty() {
                    let more = client.up_to_within(4096, Duration::from_millis(200));
                    return Err(format!("got {}", show_short(&[extra, more].concat())));
                }
                if !client.is_closed() {
                    return Err("the connection stays open".to_owned());
                }
                self.connections.remove(name);
            }
            Action::Open | Action::Unfinished | Action::Drop => unreachable!("handled above"),
        }
        Ok(())
    }

    fn connection(&mut self, name: &'a str) -> Result<&mut Client, String> {
        if !self.connections.contains_key(name) {
            let mut client = Client::open(self.address);
            let line = client.line_within(WAIT);
            if !line.starts_with(b"INFO {") {
                return Err(format!("the greeting is {}", show_short(&line)));
            }
            self.connections.insert(name, client);
        }
        Ok(self.connections.get_mut(name).expect("just inserted"))
    }

    /// Nothing may be left over: the next thing on every connection is the PONG.
    fn final_check(&mut self) -> Result<(), String> {
        for (name, client) in &mut self.connections {
            if self.unfinished.contains(name) {
                continue;
            }
            client.send(b"PING\r\n");
            let mut got = client.up_to_within(6, WAIT);
            if got == b"PING\r\n" {
                // The server's own probe, two seconds after the connection was made.
                got = client.up_to_within(6, WAIT);
            }
            if got != b"PONG\r\n" {
                let more = client.up_to_within(4096, Duration::from_millis(200));
                return Err(format!(
                    "connection {name:?} has more to say, or closed: {}",
                    show_short(&[got, more].concat())
                ));
            }
        }
        Ok(())
    }

    fn failure(&self, section: &Section, line: usize, text: &str, problem: &str) -> Failure {
        let mut report = String::new();
        let _infallible = write!(
            report,
            "section {:?}, line {line} ({:?}):\n    {text}\n    {problem}\n  after:\n",
            section.title, self.delivery
        );
        for step in &self.done {
            let _infallible = writeln!(report, "    {:>4}  {}", step.line, step.text);
        }
        Failure { line, report }
    }
}

fn send(client: &mut Client, bytes: &[u8], delivery: Delivery) {
    match delivery {
        Delivery::CutAt(at) if at > 0 && at < bytes.len() => {
            client.send_and_wait_until_read(&bytes[..at]);
            client.send(&bytes[at..]);
        }
        Delivery::Dribble => {
            for byte in bytes {
                client.send_and_wait_until_read(&[*byte]);
            }
        }
        Delivery::Whole | Delivery::CutAt(_) => client.send(bytes),
    }
}

fn expect(client: &mut Client, pieces: &[Piece]) -> Result<(), String> {
    let exact = match pieces {
        [] => return Ok(()),
        [Piece::Exact(bytes)] => bytes,
        _ => return expect_pattern(client, pieces),
    };
    let mut got = client.up_to_within(exact.len(), WAIT);
    if &got == exact {
        return Ok(());
    }
    got.extend(client.up_to_within(4096, Duration::from_millis(200)));
    let end = if client.is_closed() {
        " and the end"
    } else {
        ""
    };
    Err(format!("got {}{end}", show_short(&got)))
}

/// Placeholders stand for any bytes within one line, so the whole line is read first.
fn expect_pattern(client: &mut Client, pieces: &[Piece]) -> Result<(), String> {
    let line = client.line_within(WAIT);
    if matches(&line, pieces) {
        Ok(())
    } else {
        Err(format!("got {}", show(&line)))
    }
}

fn matches(text: &[u8], pieces: &[Piece]) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Exact(exact), rest @ ..] => text
            .strip_prefix(exact.as_slice())
            .is_some_and(|tail| matches(tail, rest)),
        [Piece::Anything, rest @ ..] => (0..=text.len()).any(|at| matches(&text[at..], rest)),
    }
}

fn info(client: &mut Client, fields: &[(String, String)]) -> Result<(), String> {
    let line = client.line_within(WAIT);
    let shown = show(&line);
    let json = line
        .strip_prefix(b"INFO ")
        .and_then(|rest| rest.strip_suffix(b"\r\n"))
        .ok_or_else(|| format!("got {shown}"))?;
    let value: Value =
        serde_json::from_slice(json).map_err(|error| format!("bad JSON ({error}): {shown}"))?;
    for (name, wanted) in fields {
        let got = value.get(name);
        let fits = match wanted.as_str() {
            "absent" => got.is_none(),
            "present" => got.is_some(),
            literal => got == serde_json::from_str::<Value>(literal).ok().as_ref(),
        };
        if !fits {
            return Err(format!("{name} is {got:?}, not {wanted}, in {shown}"));
        }
    }
    Ok(())
}
