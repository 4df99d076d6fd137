//! One thread's epoll loop over its connections.
//!
//! Edge-triggered: after registration no epoll_ctl is ever needed, and readiness is kept in two flags per connection. A
//! turn reads once from every readable connection, then lets publishers and clients send, a bounded number of them; so
//! receiving never starves, whatever the server pushes back, and a publisher can never block the loop.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use rustix::event::{Timespec, epoll};

use crate::clock::now_ns;
use crate::engine::client::{self, Client};
use crate::engine::pace::Pace;
use crate::engine::phase::{Group, Phase, Shared};
use crate::engine::publisher::{Publisher, State};
use crate::engine::subscriber::{Controls, Subscriber};
use crate::engine::tally::Tally;
use crate::net::conn::{Connection, Received};
use crate::net::scratch::Scratch;
use crate::parse::Amount;

/// Sends per turn, before looking for received bytes again.
pub(super) const SENDS_PER_TURN: usize = 64;
/// How often shared state is looked at while nothing happens here.
pub(super) const GLANCE_NS: u64 = 10_000_000;
/// Below this, waiting for the schedule spins: a sleep would end too late.
const SPIN_NS: u64 = 200_000;

/// What a connection is for.
pub enum Role {
    /// Publishes.
    Publisher(Box<Publisher>),
    /// Receives.
    Subscriber(Box<Subscriber>),
    /// Requests.
    Client(Box<Client>),
    /// Answers.
    Responder,
    /// Only stays connected.
    Idle,
}

/// A connection and its role.
pub struct Link {
    /// The socket.
    pub connection: Connection,
    /// Its use.
    pub role: Role,
    /// Name for error messages.
    pub name: String,
    /// Since when it could send, if the server had kept it from that before: lateness up to then is the server's.
    pub able_since_ns: u64,
}

impl Link {
    /// A link that has done nothing yet.
    pub fn new(connection: Connection, role: Role, name: String) -> Self {
        Link {
            connection,
            role,
            name,
            able_since_ns: 0,
        }
    }
}

/// What a worker needs to know of a phase.
pub struct Share<'a> {
    /// State shared with the other workers.
    pub shared: &'a Shared,
    /// The work.
    pub phase: &'a Phase,
    /// Groups of subscribers.
    pub groups: &'a [Group],
    /// When the phase began.
    pub start_ns: u64,
    /// How many sources the workers before this one have.
    pub first_source: usize,
    /// How many sources there are in all.
    pub sources: usize,
}

/// One thread's connections.
pub struct Worker {
    epoll: OwnedFd,
    /// The connections.
    pub links: Vec<Link>,
    /// Links that send on their own account, in sending order.
    pub(super) source_links: Vec<usize>,
    scratch: Scratch,
    readable: Vec<usize>,
}

/// A worker's state within one phase.
pub(super) struct Run<'a> {
    pub share: &'a Share<'a>,
    pub tally: Tally,
    pub pace: Option<Pace>,
    /// When sending stops, if a duration was asked for.
    pub deadline_ns: u64,
    pub now_ns: u64,
    /// Whose turn it is to send: counts over all our sources, round and round.
    pub cursor: u64,
    /// Sources that were blocked and are not any more.
    pub unblocked: Vec<usize>,
    last_activity: (u64, u64),
    controls: Controls,
}

impl Worker {
    /// Registers all connections.
    pub fn new(links: Vec<Link>) -> Result<Self, String> {
        let fail = |error: rustix::io::Errno| format!("cannot set up epoll: {error}");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(fail)?;
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        for (index, link) in links.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, link.connection.stream(), data, flags).map_err(fail)?;
        }
        let is_source = |link: &Link| matches!(link.role, Role::Publisher(_) | Role::Client(_));
        let source_links = (0..links.len())
            .filter(|index| is_source(&links[*index]))
            .collect();
        let readable = (0..links.len()).collect();
        Ok(Worker {
            epoll,
            links,
            source_links,
            scratch: Scratch::default(),
            readable,
        })
    }

    /// How many publishers and clients it has.
    pub fn sources(&self) -> usize {
        self.source_links.len()
    }

    /// Works through one phase.
    pub fn run(&mut self, share: &Share<'_>) -> Tally {
        let cpu_at_start = crate::procstat::thread_cpu_ns();
        // Without this, sleeps end up to 50 µs late.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let mut run = Run::new(share, self.sources());
        self.restart(&mut run);
        self.work(&mut run);
        self.settle(&mut run);
        run.tally.cpu_ns = crate::procstat::thread_cpu_ns() - cpu_at_start;
        run.tally
    }

    fn restart(&mut self, run: &mut Run<'_>) {
        for link in &mut self.links {
            match &mut link.role {
                Role::Publisher(publisher) => publisher.restart(),
                Role::Client(client) => client.restart(),
                Role::Subscriber(subscriber) => subscriber.restart(),
                Role::Responder | Role::Idle => {}
            }
        }
        for position in 0..self.source_links.len() {
            if !self.links[self.source_links[position]].connection.open {
                self.finish_source(run, self.source_links[position]);
            }
        }
    }

    /// Sends and receives until all sources are done and all subscribers have what they are owed.
    fn work(&mut self, run: &mut Run<'_>) {
        loop {
            let wait_ns = self.send_all(run);
            let wait_ns = if self.readable.is_empty() { wait_ns } else { 0 };
            self.poll(run, wait_ns);
            self.read_all(run);
            if self.is_satisfied(run) || self.is_stalled(run) {
                return;
            }
        }
    }

    /// After the work: one PING per subscriber, so that deliveries beyond what was promised are counted too.
    fn settle(&mut self, run: &mut Run<'_>) {
        let until_ns = run.now_ns + run.share.phase.drain_timeout.as_nanos() as u64;
        for index in 0..self.links.len() {
            let Link {
                connection,
                role: Role::Subscriber(subscriber),
                ..
            } = &mut self.links[index]
            else {
                continue;
            };
            if connection.open {
                subscriber.barrier_sent = true;
                connection.control.extend_from_slice(b"PING\r\n");
                self.flush(run, index);
            }
        }
        let waiting = |link: &Link| match &link.role {
            Role::Subscriber(subscriber) => {
                link.connection.open && subscriber.barrier_sent && !subscriber.barrier_passed
            }
            _ => false,
        };
        while run.now_ns < until_ns && self.links.iter().any(waiting) {
            let wait_ns = if self.readable.is_empty() {
                GLANCE_NS
            } else {
                0
            };
            self.poll(run, wait_ns);
            self.read_all(run);
        }
    }

    fn poll(&mut self, run: &mut Run<'_>, wait_ns: u64) {
        let mut events: [std::mem::MaybeUninit<epoll::Event>; 256] =
            [std::mem::MaybeUninit::uninit(); 256];
        let spin_ns = if run.pace.is_some() { SPIN_NS } else { 0 };
        let wait_ns = wait_ns.saturating_sub(spin_ns).min(GLANCE_NS);
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: wait_ns as i64,
        };
        let ready = match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            Ok((ready, _)) => ready,
            // A signal; the loop comes back.
            Err(_) => &mut [],
        };
        for event in ready.iter() {
            let (flags, index) = (event.flags, event.data.u64() as usize);
            let link = &mut self.links[index];
            let connection = &mut link.connection;
            let incoming = epoll::EventFlags::IN
                | epoll::EventFlags::RDHUP
                | epoll::EventFlags::HUP
                | epoll::EventFlags::ERR;
            if flags.intersects(incoming) && !connection.readable && connection.open {
                connection.readable = true;
                self.readable.push(index);
            }
            if flags.contains(epoll::EventFlags::OUT) && !connection.writable {
                connection.writable = true;
                link.able_since_ns = now_ns();
                run.unblocked.push(index);
            }
        }
        run.now_ns = now_ns();
        for position in 0..run.unblocked.len() {
            self.flush(run, run.unblocked[position]);
        }
    }

    fn read_all(&mut self, run: &mut Run<'_>) {
        let mut readable = std::mem::take(&mut self.readable);
        readable.retain(|index| {
            self.read(run, *index);
            self.links[*index].connection.readable && self.links[*index].connection.open
        });
        self.readable = readable;
    }

    fn read(&mut self, run: &mut Run<'_>, index: usize) {
        let Link {
            connection, role, ..
        } = &mut self.links[index];
        let (controls, tally, now_ns) = (&mut run.controls, &mut run.tally, run.now_ns);
        let received_before = tally.received;
        let mut out = std::mem::take(&mut connection.control);
        let result = connection.receive(&mut self.scratch, |bytes| match role {
            Role::Subscriber(subscriber) => subscriber.scan(bytes, now_ns, tally, controls),
            Role::Client(client) => client.scan(bytes, now_ns, tally, controls),
            Role::Responder => client::respond(bytes, &mut out, controls),
            Role::Publisher(_) | Role::Idle => client::respond(bytes, &mut Vec::new(), controls),
        });
        connection.control = out;
        match result {
            Ok(Received::Bytes) => self.account(run, index, received_before),
            Ok(Received::Nothing) => {}
            Ok(Received::Closed) => {
                self.close(run, index, "the server closed the connection".into())
            }
            Err(error) => self.close(run, index, error.to_string()),
        }
    }

    /// What follows from received bytes beside the counting.
    fn account(&mut self, run: &mut Run<'_>, index: usize, received_before: u64) {
        let fresh = run.tally.received - received_before;
        let shared = run.share.shared;
        let link = &mut self.links[index];
        if let Role::Subscriber(subscriber) = &mut link.role {
            if fresh > 0 && run.share.groups[subscriber.group].joint {
                shared.joint_received[subscriber.group].fetch_add(fresh, Relaxed);
            }
            subscriber.barrier_passed |= subscriber.barrier_sent && run.controls.pongs > 0;
        }
        if fresh > 0 {
            shared.received.fetch_add(fresh, Relaxed);
            run.tally.last_ns = run.now_ns;
            if run.tally.first_ns == 0 {
                run.tally.first_ns = run.now_ns;
            }
            if matches!(link.role, Role::Client(_)) {
                // Free again: it goes first, whatever the order of sending is.
                link.able_since_ns = run.now_ns;
                run.unblocked.push(index);
            }
        }
        for _ in 0..run.controls.pings {
            self.pong(index);
        }
        let barrier = matches!(&self.links[index].role, Role::Publisher(publisher) if publisher.state == State::Barrier);
        if barrier && run.controls.pongs > 0 {
            run.tally.last_ns = run.now_ns;
            self.finish_source(run, index);
        }
        for text in std::mem::take(&mut run.controls.errors) {
            let text = format!("{}: the server says -ERR {text}", self.links[index].name);
            run.tally.error(text);
        }
        (run.controls.pings, run.controls.pongs) = (0, 0);
        self.flush(run, index);
    }

    fn pong(&mut self, index: usize) {
        let Link {
            connection, role, ..
        } = &mut self.links[index];
        if let Role::Publisher(publisher) = role {
            publisher.move_lap_to_control(connection);
        }
        connection.control.extend_from_slice(b"PONG\r\n");
    }

    pub(super) fn flush(&mut self, run: &mut Run<'_>, index: usize) {
        let connection = &mut self.links[index].connection;
        if connection.open
            && connection.writable
            && connection.has_output()
            && let Err(error) = connection.flush_control()
        {
            self.close(run, index, error.to_string());
        }
    }

    pub(super) fn close(&mut self, run: &mut Run<'_>, index: usize, why: String) {
        let link = &mut self.links[index];
        link.connection.open = false;
        run.tally.error(format!("{}: {why}", link.name));
        if matches!(link.role, Role::Publisher(_) | Role::Client(_)) {
            self.finish_source(run, index);
        }
    }

    /// Marks a source as done and tells what it promised.
    pub(super) fn finish_source(&mut self, run: &mut Run<'_>, index: usize) {
        let shared = run.share.shared;
        let state = match &mut self.links[index].role {
            Role::Publisher(publisher) => {
                if publisher.state != State::Done && publisher.group < shared.expected.len() {
                    shared.expected[publisher.group].fetch_add(publisher.promised, Relaxed);
                }
                &mut publisher.state
            }
            Role::Client(client) => &mut client.state,
            _ => return,
        };
        if *state != State::Done {
            *state = State::Done;
            shared.sources_left.fetch_sub(1, AcqRel);
        }
    }

    /// All sources (of all workers) are done and our subscribers have what they are owed.
    fn is_satisfied(&self, run: &Run<'_>) -> bool {
        let shared = run.share.shared;
        if shared.sources_left.load(Acquire) > 0 {
            return false;
        }
        if run.share.phase.external.is_some() && matches!(run.share.phase.amount, Amount::Time(_)) {
            return run.now_ns >= run.deadline_ns;
        }
        self.links.iter().all(|link| match &link.role {
            Role::Subscriber(subscriber) if link.connection.open => {
                let joint = run.share.groups[subscriber.group].joint;
                let expected = shared.expected[subscriber.group].load(Relaxed);
                let have = if joint {
                    shared.joint_received[subscriber.group].load(Relaxed)
                } else {
                    subscriber.received
                };
                have >= expected
            }
            _ => true,
        })
    }

    fn is_stalled(&self, run: &mut Run<'_>) -> bool {
        let (activity, phase) = (run.share.shared.activity(), run.share.phase);
        if activity != run.last_activity.0 {
            run.last_activity = (activity, run.now_ns);
            return false;
        }
        let quiet_ns = run.now_ns - run.last_activity.1;
        let mut limit_ns = phase.drain_timeout.as_nanos() as u64
            + phase.rate.map_or(0, |rate| (1e9 / rate) as u64);
        if let Some(external) = phase.external
            && run.share.shared.received.load(Relaxed) == 0
        {
            limit_ns = external.first_message_timeout.as_nanos() as u64;
        }
        let timed = phase.external.is_some() && matches!(phase.amount, Amount::Time(_));
        if quiet_ns <= limit_ns || timed {
            return false;
        }
        for index in &self.source_links {
            let waiting = match &self.links[*index].role {
                Role::Publisher(publisher) if publisher.state != State::Done => {
                    "the server to take its messages"
                }
                Role::Client(client) if client.state != State::Done => "a reply",
                _ => continue,
            };
            let seconds = limit_ns as f64 / 1e9;
            run.tally.error(format!(
                "{}: no progress for {seconds:.1} s while waiting for {waiting}",
                self.links[*index].name
            ));
        }
        true
    }
}

impl<'a> Run<'a> {
    fn new(share: &'a Share<'a>, sources: usize) -> Self {
        let deadline_ns = match share.phase.amount {
            Amount::Count(_) => u64::MAX,
            Amount::Time(time) => share.start_ns + time.as_nanos() as u64,
        };
        let pace = share
            .phase
            .rate
            .map(|rate| Pace::new(share.start_ns, rate, share.first_source, share.sources));
        debug_assert!(share.first_source + sources <= share.sources.max(sources));
        Run {
            share,
            tally: Tally::new(),
            pace,
            deadline_ns,
            now_ns: now_ns(),
            cursor: 0,
            unblocked: Vec::new(),
            last_activity: (u64::MAX, share.start_ns),
            controls: Controls::default(),
        }
    }
}
