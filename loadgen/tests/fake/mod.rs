//! A small in-process server that loses, repeats, swaps, damages and delays messages on demand.

#[allow(dead_code)]
pub mod front;
#[allow(dead_code)]
pub mod login;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What it does to the `n`th published message (counting from 1), or to every one.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// Delivers it to nobody.
    Drop(u64),
    /// Delivers it to all but one of its subscribers.
    DropForOne(u64),
    /// Delivers it twice.
    Duplicate(u64),
    /// Delivers it after the next one.
    Swap(u64),
    /// Changes the last byte of its payload.
    Damage(u64),
    /// Stops everything for a while before it.
    Stall(u64, Duration),
    /// Sends `-ERR` to its publisher.
    Error(u64),
    /// Closes its publisher's connection.
    Close(u64),
    /// Stops reading from then on, with connections left open.
    Freeze(u64),
    /// Sends PING to its publisher and wants a PONG before it goes on.
    Ping(u64),
    /// Requires credentials: see `login`.
    RequireAuth,
}

/// A running fake; its threads end with the test process.
pub struct Fake {
    pub address: SocketAddr,
}

struct State {
    fault: Fault,
    published: u64,
    subscriptions: Vec<Subscription>,
    held: Option<Publish>,
    next_member: usize,
}

struct Subscription {
    pattern: String,
    queue: Option<String>,
    sid: String,
    stream: TcpStream,
}

#[derive(Clone)]
struct Publish {
    subject: String,
    reply: String,
    /// Bytes of the payload that are headers.
    headers: Option<usize>,
    payload: Vec<u8>,
}

impl Fake {
    pub fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            fault,
            published: 0,
            subscriptions: Vec::new(),
            held: None,
            next_member: 0,
        }));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                // A connection that breaks is what some tests are about.
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Fake { address }
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let auth = matches!(state.lock().unwrap().fault, Fault::RequireAuth);
    let info = format!(
        r#"INFO {{"version":"fake","max_payload":1048576,"auth_required":{auth},"nonce":"{}"}}"#,
        login::NONCE
    );
    write!(out, "{info}\r\n")?;
    let mut input = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["CONNECT", ..] if auth && !login::is_known(&line["CONNECT ".len()..]) => {
                return out.write_all(b"-ERR 'Authorization Violation'\r\n");
            }
            ["PING"] => out.write_all(b"PONG\r\n")?,
            ["SUB", pattern, queue @ .., sid] => {
                state.lock().unwrap().subscriptions.push(Subscription {
                    pattern: pattern.to_string(),
                    queue: queue.first().map(|queue| queue.to_string()),
                    sid: sid.to_string(),
                    stream: out.try_clone()?,
                })
            }
            ["HPUB", subject, headers, size] => {
                let publish = Publish {
                    subject: subject.to_string(),
                    reply: String::new(),
                    headers: Some(headers.parse().unwrap()),
                    payload: payload(&mut input, size)?,
                };
                state.lock().unwrap().publish(publish)?;
            }
            ["PUB", subject, reply @ .., size] => {
                let reply = reply.first();
                let publish = Publish {
                    subject: subject.to_string(),
                    reply: reply.map(|reply| format!("{reply} ")).unwrap_or_default(),
                    headers: None,
                    payload: payload(&mut input, size)?,
                };
                let state = state.lock().unwrap();
                if !publish_or_fail(publish, state, &mut input, &mut out)? {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
}

/// Takes a PUB, or does what is wrong with this server; false when the connection is over.
fn publish_or_fail(
    publish: Publish,
    mut state: MutexGuard<'_, State>,
    input: &mut BufReader<TcpStream>,
    out: &mut TcpStream,
) -> std::io::Result<bool> {
    state.published += 1;
    let number = state.published;
    match state.fault {
        Fault::Error(n) if n == number => out.write_all(b"-ERR 'Something Odd'\r\n")?,
        Fault::Close(n) if n == number => {
            out.shutdown(std::net::Shutdown::Both)?;
            return Ok(false);
        }
        Fault::Freeze(n) if n <= number => {
            drop(state);
            loop {
                std::thread::park();
            }
        }
        Fault::Ping(n) if n == number => {
            out.write_all(b"PING\r\n")?;
            expect_pong_between_messages(input, &mut state, &publish)?;
            return Ok(true);
        }
        _ => {}
    }
    state.publish(publish)?;
    Ok(true)
}

/// The payload behind a line that says its size.
fn payload(input: &mut BufReader<TcpStream>, size: &str) -> std::io::Result<Vec<u8>> {
    let mut payload = vec![0; size.parse::<usize>().unwrap() + 2];
    input.read_exact(&mut payload)?;
    payload.truncate(payload.len() - 2);
    Ok(payload)
}

/// Goes on taking PUBs until the PONG comes; a PONG inside a payload would break the framing and show as loss.
fn expect_pong_between_messages(
    input: &mut BufReader<TcpStream>,
    state: &mut State,
    first: &Publish,
) -> std::io::Result<()> {
    state.publish(first.clone())?;
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["PONG"] => return Ok(()),
            ["PUB", subject, size] => {
                let payload = payload(input, size)?;
                state.publish(Publish {
                    subject: subject.to_string(),
                    reply: String::new(),
                    headers: None,
                    payload,
                })?;
            }
            other => panic!("{other:?} where a PONG or PUB belongs"),
        }
    }
}

impl State {
    fn publish(&mut self, mut publish: Publish) -> std::io::Result<()> {
        let number = self.published;
        match self.fault {
            Fault::Drop(n) if n == number => return Ok(()),
            Fault::DropForOne(n) if n == number => return self.deliver(&publish, 1),
            Fault::Duplicate(n) if n == number => self.deliver(&publish, 0)?,
            Fault::Swap(n) if n == number => {
                self.held = Some(publish);
                return Ok(());
            }
            Fault::Damage(n) if n == number => *publish.payload.last_mut().unwrap() ^= 1,
            Fault::Stall(n, time) if n == number => std::thread::sleep(time),
            _ => {}
        }
        self.deliver(&publish, 0)?;
        match self.held.take() {
            Some(held) => self.deliver(&held, 0),
            None => Ok(()),
        }
    }

    fn deliver(&mut self, publish: &Publish, skip: usize) -> std::io::Result<()> {
        let matching = |one: &&Subscription| matches(&one.pattern, &publish.subject);
        let all: Vec<&Subscription> = self.subscriptions.iter().filter(matching).collect();
        let (members, plain): (Vec<&Subscription>, Vec<&Subscription>) =
            all.into_iter().partition(|one| one.queue.is_some());
        self.next_member += 1;
        let member = members.get(self.next_member % members.len().max(1));
        for one in plain.iter().chain(member).skip(skip) {
            let Publish {
                subject,
                reply,
                headers,
                payload,
            } = publish;
            let (verb, headers) = match headers {
                Some(bytes) => ("HMSG", format!("{bytes} ")),
                None => ("MSG", String::new()),
            };
            let size = payload.len();
            let mut bytes =
                format!("{verb} {subject} {} {reply}{headers}{size}\r\n", one.sid).into_bytes();
            bytes.extend_from_slice(payload);
            bytes.extend_from_slice(b"\r\n");
            (&one.stream).write_all(&bytes)?;
        }
        Ok(())
    }
}

fn matches(pattern: &str, subject: &str) -> bool {
    let mut subject = subject.split('.');
    for token in pattern.split('.') {
        match (token, subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(own)) if token == own => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}
