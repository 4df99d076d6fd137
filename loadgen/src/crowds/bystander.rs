//! Clients that have nothing to do with an attack: on a thread of their own they send a PING every few milliseconds,
//! whether or not the last one was answered, and time the PONGs.
//!
//! A time counts from when the PING was sent; how late our own thread was with it is kept beside, so that a busy load
//! generator is not mistaken for a slow server.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, poll};

use crate::crowds::lane::timespec;
use crate::net::conn::Connection;
use crate::net::connect;
use crate::net::target::Target;
use crate::pin;

/// Time between two PINGs of one client.
const INTERVAL: Duration = Duration::from_millis(5);
/// The greatest time that the histograms hold, in microseconds.
const MICROSECONDS_MAX: u64 = 60_000_000;

/// PINGs are sent, and not counted.
const WARMING: u8 = 0;
/// PINGs are counted.
const MEASURING: u8 = 1;
/// No more PINGs.
const FINISHING: u8 = 2;

/// The clients' thread.
pub struct Bystanders {
    phase: Arc<AtomicU8>,
    thread: JoinHandle<Result<Waits, String>>,
}

/// How long the clients waited: the worst of them.
pub struct Waits {
    /// Times from PING to PONG, in microseconds.
    pub pongs: Histogram<u64>,
    /// How late PINGs were sent, in microseconds.
    pub lags: Histogram<u64>,
    /// PINGs that were never answered.
    pub unanswered: u64,
}

impl Bystanders {
    /// Connects `count` clients and starts their thread on `cpu`. In the end they wait for answers with `patience`.
    pub fn start(
        target: &Target,
        count: usize,
        cpu: usize,
        patience: Duration,
    ) -> Result<Self, String> {
        let (connections, _) = connect::connect_all(target, "loadgen bystander", count)?;
        let phase = Arc::new(AtomicU8::new(WARMING));
        let theirs = phase.clone();
        let thread = std::thread::spawn(move || {
            pin::pin_current_thread(cpu)
                .map_err(|error| format!("cannot use CPU {cpu}: {error}"))?;
            pin::take_precedence();
            watch(&connections, &theirs, patience)
        });
        Ok(Bystanders { phase, thread })
    }

    /// From now on PINGs count.
    pub fn measure(&self) {
        self.phase.store(MEASURING, Relaxed);
    }

    /// Sends no more PINGs, waits for the answers that are missing, and says how long the worst client waited. What is
    /// still missing when their patience ends counts as that late.
    pub fn finish(self) -> Result<Waits, String> {
        self.phase.store(FINISHING, Relaxed);
        self.thread.join().map_err(|_| "a bystander panicked")?
    }
}

/// One client.
struct Client<'a> {
    connection: &'a Connection,
    /// When the PINGs that wait for an answer were sent; `None` for those that do not count.
    waiting: VecDeque<Option<Instant>>,
    line: Vec<u8>,
    pongs: Histogram<u64>,
}

fn watch(
    connections: &[Connection],
    phase: &AtomicU8,
    patience: Duration,
) -> Result<Waits, String> {
    let mut clients: Vec<Client<'_>> = connections.iter().map(Client::new).collect();
    let mut lags = histogram();
    let mut due = Instant::now();
    while phase.load(Relaxed) != FINISHING {
        let now = Instant::now();
        while due <= now {
            let counts = phase.load(Relaxed) == MEASURING;
            for client in &mut clients {
                client.ping(counts)?;
            }
            if counts {
                record(&mut lags, now - due);
            }
            due += INTERVAL;
        }
        receive_until(&mut clients, due)?;
    }
    let end = Instant::now() + patience;
    while clients.iter().any(|client| !client.waiting.is_empty()) && Instant::now() < end {
        receive_until(&mut clients, end)?;
    }
    let unanswered = clients.iter_mut().map(Client::give_up).sum();
    let worst = clients
        .into_iter()
        .map(|client| client.pongs)
        .max_by_key(|pongs| (pongs.value_at_quantile(0.99), pongs.max()));
    Ok(Waits {
        pongs: worst.ok_or("no bystander")?,
        lags,
        unanswered,
    })
}

/// Receives once, as soon as something is there or `until` has come.
fn receive_until(clients: &mut [Client<'_>], until: Instant) -> Result<(), String> {
    let left = timespec(until.saturating_duration_since(Instant::now()));
    let mut fds: Vec<PollFd<'_>> = clients
        .iter()
        .map(|client| PollFd::new(client.connection.stream(), PollFlags::IN))
        .collect();
    match poll(&mut fds, Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(format!("poll: {error}")),
    }
    let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    for (client, _) in clients.iter_mut().zip(ready).filter(|one| one.1) {
        client.receive()?;
    }
    Ok(())
}

impl<'a> Client<'a> {
    fn new(connection: &'a Connection) -> Self {
        Client {
            connection,
            waiting: VecDeque::new(),
            line: Vec::new(),
            pongs: histogram(),
        }
    }

    fn ping(&mut self, counts: bool) -> Result<(), String> {
        self.waiting.push_back(counts.then(Instant::now));
        self.send(b"PING\r\n")
    }

    /// A few bytes always fit into the socket: not even a minute of PINGs fills it.
    fn send(&self, bytes: &[u8]) -> Result<(), String> {
        let mut stream = self.connection.stream();
        stream
            .write_all(bytes)
            .map_err(|error| format!("a bystander cannot send: {error}"))
    }

    fn receive(&mut self) -> Result<(), String> {
        let mut buffer = [0; 4096];
        let mut stream = self.connection.stream();
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Err("the server closed a bystander's connection".into()),
            Ok(count) => count,
            Err(error)
                if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) =>
            {
                return Ok(());
            }
            Err(error) => return Err(format!("a bystander cannot receive: {error}")),
        };
        let now = Instant::now();
        for byte in &buffer[..count] {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.take_line(line.trim_ascii(), now)?;
            } else {
                self.line.push(*byte);
            }
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], now: Instant) -> Result<(), String> {
        match line {
            b"PONG" => {
                if let Some(sent) = self.waiting.pop_front().ok_or("a PONG without PING")? {
                    record(&mut self.pongs, now - sent);
                }
                Ok(())
            }
            b"PING" => self.send(b"PONG\r\n"),
            line if line.starts_with(b"-ERR") => Err(format!(
                "the server told a bystander {}",
                String::from_utf8_lossy(line)
            )),
            // INFO
            _ => Ok(()),
        }
    }

    /// Counts what was not answered, as late as it is by now.
    fn give_up(&mut self) -> u64 {
        let missing: Vec<Instant> = self.waiting.drain(..).flatten().collect();
        for sent in &missing {
            record(&mut self.pongs, sent.elapsed());
        }
        missing.len() as u64
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MICROSECONDS_MAX, 3).expect("the bounds are valid")
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    let microseconds = u64::try_from(time.as_micros()).unwrap_or(MICROSECONDS_MAX);
    histogram.saturating_record(microseconds.clamp(1, MICROSECONDS_MAX));
}
