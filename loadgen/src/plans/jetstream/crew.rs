//! Connections that answer what they receive, dealt to threads with an epoll loop each. What a connection says and
//! waits for is its actor's business; nothing of JetStream is here.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::event::{Timespec, epoll};

use crate::clock::now_ns;
use crate::engine::tally::Tally;
use crate::net::conn::{Connection, Received};
use crate::net::scratch::Scratch;
use crate::parse::Amount;
use crate::pin::CpuList;
use crate::wire::scan::{Control, Message, MessageScanner, Sink};

/// Longest sleep: then what others have done, and the clock, are looked at.
const GLANCE_NS: i64 = 50_000_000;
/// Events taken in one call.
const EVENTS: usize = 256;

/// What one connection does.
pub trait Actor: Send {
    /// Sends what comes first in a phase.
    fn begin(&mut self, turn: &mut Turn<'_>);
    /// Takes a message, and sends what follows from it.
    fn message(&mut self, message: &Message<'_>, turn: &mut Turn<'_>);
    /// It has nothing left to do in this phase.
    fn is_done(&self) -> bool;
    /// What it waits for, if it never comes.
    fn awaits(&self) -> String;
}

/// What an actor works with while it is called.
pub struct Turn<'a> {
    /// Bytes to be sent.
    pub out: &'a mut Vec<u8>,
    /// The time.
    pub now_ns: u64,
    /// Where it counts.
    pub tally: &'a mut Tally,
    /// How much there is to do.
    pub work: &'a Work,
}

/// One phase of work that all connections share.
pub struct Work {
    /// How much may still be begun; at most this many, where time is the bound.
    left: AtomicU64,
    /// When nothing more may be begun.
    deadline_ns: u64,
    /// Give up after this long without any progress.
    quiet_ns_max: u64,
    /// Messages published and confirmed, for whoever watches.
    published: AtomicU64,
    /// Messages received, for whoever watches.
    received: AtomicU64,
}

impl Work {
    /// A phase that begins now.
    pub fn new(amount: Amount, drain_timeout: Duration) -> Self {
        let (left, deadline_ns) = match amount {
            Amount::Count(count) => (count, u64::MAX),
            Amount::Time(time) => (u64::MAX, now_ns() + time.as_nanos() as u64),
        };
        Work {
            left: AtomicU64::new(left),
            deadline_ns,
            quiet_ns_max: drain_timeout.as_nanos() as u64,
            published: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    /// Takes the right to begin as many as `wanted`; how many it got, 0 when the work is over.
    pub fn take(&self, wanted: u64, now_ns: u64) -> u64 {
        if now_ns >= self.deadline_ns {
            return 0;
        }
        let before = self
            .left
            .fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(wanted)));
        before.unwrap_or(0).min(wanted)
    }
}

/// A connection and its actor.
pub struct Hand<A> {
    /// The connection.
    pub connection: Connection,
    /// What it does.
    pub actor: A,
    /// Its name in error texts.
    pub name: String,
}

/// All connections of a plan.
pub struct Crew<A> {
    workers: Vec<Worker<A>>,
    cpus: Option<CpuList>,
}

impl<A: Actor> Crew<A> {
    /// Deals the hands to so many threads.
    pub fn new(hands: Vec<Hand<A>>, threads: usize, cpus: Option<CpuList>) -> Result<Self, String> {
        let mut dealt: Vec<Vec<Hand<A>>> = (0..threads.max(1)).map(|_| Vec::new()).collect();
        for (index, hand) in hands.into_iter().enumerate() {
            dealt[index % threads.max(1)].push(hand);
        }
        let workers = dealt.into_iter().map(Worker::new);
        Ok(Crew {
            workers: workers.collect::<Result<_, _>>()?,
            cpus,
        })
    }

    /// Works through one phase. `watch` is called now and then with messages published and received.
    pub fn run(
        &mut self,
        work: &Work,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Tally>, String> {
        let start_ns = now_ns();
        let cpus = self.cpus.as_ref();
        std::thread::scope(|scope| {
            let workers = self.workers.iter_mut().enumerate();
            let threads: Vec<_> = workers
                .map(|(index, worker)| {
                    let cpu = cpus.map(|cpus| cpus.cpu(index));
                    scope.spawn(move || -> Result<Tally, String> {
                        if let Some(cpu) = cpu {
                            crate::pin::pin_current_thread(cpu)
                                .map_err(|error| format!("cannot run on CPU {cpu}: {error}"))?;
                        }
                        Ok(worker.run(work))
                    })
                })
                .collect();
            while !threads.iter().all(|thread| thread.is_finished()) {
                watch(work.published.load(Relaxed), work.received.load(Relaxed));
                // Short at first: a phase of few messages should not last as long as a glance at it.
                let age_ms = (now_ns() - start_ns) / 1_000_000;
                std::thread::sleep(Duration::from_millis((age_ms / 4).clamp(1, 100)));
            }
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .map(|tally| tally.expect("workers do not panic"))
                .collect()
        })
    }

    /// The actors, in the order of their hands.
    pub fn into_actors(self) -> Vec<A> {
        let mut dealt: Vec<_> = self
            .workers
            .into_iter()
            .map(|worker| worker.hands.into_iter())
            .collect();
        let mut actors = Vec::new();
        loop {
            let before = actors.len();
            for hands in &mut dealt {
                actors.extend(hands.next().map(|hand| hand.actor));
            }
            if actors.len() == before {
                return actors;
            }
        }
    }
}

/// One thread's connections.
struct Worker<A> {
    epoll: OwnedFd,
    hands: Vec<Hand<A>>,
    scratch: Scratch,
    /// Hands whose connections may have something to receive.
    readable: Vec<usize>,
}

/// A worker's state within one phase.
struct Run<'a> {
    work: &'a Work,
    tally: Tally,
    now_ns: u64,
    /// What was published and received in sum when it last changed, and when that was.
    last_progress: (u64, u64),
}

impl<A: Actor> Worker<A> {
    fn new(hands: Vec<Hand<A>>) -> Result<Self, String> {
        let fail = |error: rustix::io::Errno| format!("cannot set up epoll: {error}");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(fail)?;
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        for (index, hand) in hands.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, hand.connection.stream(), data, flags).map_err(fail)?;
        }
        Ok(Worker {
            epoll,
            readable: (0..hands.len()).collect(),
            hands,
            scratch: Scratch::default(),
        })
    }

    fn run(&mut self, work: &Work) -> Tally {
        let cpu_at_start = crate::procstat::thread_cpu_ns();
        let now_ns = now_ns();
        let mut run = Run {
            work,
            tally: Tally::new(),
            now_ns,
            last_progress: (0, now_ns),
        };
        for index in 0..self.hands.len() {
            self.begin(&mut run, index);
        }
        while !self.hands.iter().all(Hand::is_over) && !self.is_stalled(&mut run) {
            self.poll(&mut run);
            self.read_all(&mut run);
        }
        run.tally.cpu_ns = crate::procstat::thread_cpu_ns() - cpu_at_start;
        run.tally
    }

    fn begin(&mut self, run: &mut Run<'_>, index: usize) {
        let Hand {
            connection, actor, ..
        } = &mut self.hands[index];
        actor.begin(&mut Turn {
            out: &mut connection.control,
            now_ns: run.now_ns,
            tally: &mut run.tally,
            work: run.work,
        });
        self.flush(run, index);
    }

    fn poll(&mut self, run: &mut Run<'_>) {
        let mut events: [std::mem::MaybeUninit<epoll::Event>; EVENTS] =
            [std::mem::MaybeUninit::uninit(); EVENTS];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: if self.readable.is_empty() {
                GLANCE_NS
            } else {
                0
            },
        };
        let ready = match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            Ok((ready, _)) => ready,
            // A signal; the loop comes back.
            Err(_) => &mut [],
        };
        run.now_ns = now_ns();
        for event in ready.iter() {
            let (flags, index) = (event.flags, event.data.u64() as usize);
            let connection = &mut self.hands[index].connection;
            let incoming = epoll::EventFlags::IN
                | epoll::EventFlags::RDHUP
                | epoll::EventFlags::HUP
                | epoll::EventFlags::ERR;
            if flags.intersects(incoming) && !connection.readable && connection.open {
                connection.readable = true;
                self.readable.push(index);
            }
            if flags.contains(epoll::EventFlags::OUT) {
                connection.writable = true;
                self.flush(run, index);
            }
        }
    }

    fn read_all(&mut self, run: &mut Run<'_>) {
        let mut readable = std::mem::take(&mut self.readable);
        readable.retain(|index| {
            self.read(run, *index);
            let connection = &self.hands[*index].connection;
            connection.readable && connection.open
        });
        self.readable = readable;
    }

    fn read(&mut self, run: &mut Run<'_>, index: usize) {
        let Hand {
            connection,
            actor,
            name,
        } = &mut self.hands[index];
        let (published, received) = (run.tally.published, run.tally.received);
        let mut out = std::mem::take(&mut connection.control);
        let result = connection.receive(&mut self.scratch, |bytes| {
            let turn = Turn {
                out: &mut out,
                now_ns: run.now_ns,
                tally: &mut run.tally,
                work: run.work,
            };
            MessageScanner::scan(bytes, &mut Listener { actor, name, turn })
        });
        connection.control = out;
        match result {
            Ok(Received::Bytes) => {
                let work = run.work;
                work.published
                    .fetch_add(run.tally.published - published, Relaxed);
                work.received
                    .fetch_add(run.tally.received - received, Relaxed);
                self.flush(run, index);
            }
            Ok(Received::Nothing) => {}
            Ok(Received::Closed) => {
                self.close(run, index, "the server closed the connection".into())
            }
            Err(error) => self.close(run, index, error.to_string()),
        }
    }

    fn flush(&mut self, run: &mut Run<'_>, index: usize) {
        let connection = &mut self.hands[index].connection;
        if connection.open
            && connection.writable
            && connection.has_output()
            && let Err(error) = connection.flush_control()
        {
            self.close(run, index, error.to_string());
        }
    }

    fn close(&mut self, run: &mut Run<'_>, index: usize, why: String) {
        let hand = &mut self.hands[index];
        hand.connection.open = false;
        run.tally.error(format!("{}: {why}", hand.name));
    }

    /// Nothing has moved for too long; says what is waited for.
    fn is_stalled(&self, run: &mut Run<'_>) -> bool {
        let work = run.work;
        let moved = work.published.load(Relaxed) + work.received.load(Relaxed);
        if moved != run.last_progress.0 {
            run.last_progress = (moved, run.now_ns);
        }
        if run.now_ns - run.last_progress.1 <= work.quiet_ns_max {
            return false;
        }
        for hand in self.hands.iter().filter(|hand| !hand.is_over()) {
            let (name, awaited) = (&hand.name, hand.actor.awaits());
            let seconds = work.quiet_ns_max as f64 / 1e9;
            run.tally.error(format!(
                "{name}: no progress for {seconds:.1} s while waiting for {awaited}"
            ));
        }
        true
    }
}

impl<A> Hand<A> {
    /// The same connection with another actor.
    pub fn map<B>(self, change: impl FnOnce(A) -> B) -> Hand<B> {
        Hand {
            connection: self.connection,
            actor: change(self.actor),
            name: self.name,
        }
    }
}

impl<A: Actor> Hand<A> {
    fn is_over(&self) -> bool {
        !self.connection.open || self.actor.is_done()
    }
}

/// Hands messages to the actor and deals with the rest.
struct Listener<'a, A> {
    actor: &'a mut A,
    name: &'a str,
    turn: Turn<'a>,
}

impl<A: Actor> Sink for Listener<'_, A> {
    fn message(&mut self, message: &Message<'_>) {
        self.actor.message(message, &mut self.turn);
    }

    fn control(&mut self, control: Control<'_>) {
        match control {
            Control::Ping => self.turn.out.extend_from_slice(b"PONG\r\n"),
            Control::Error(text) => {
                let (name, text) = (self.name, String::from_utf8_lossy(text));
                self.turn
                    .tally
                    .error(format!("{name}: the server says -ERR {text}"));
            }
            Control::Pong | Control::Ok | Control::Info => {}
        }
    }
}
