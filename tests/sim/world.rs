//! The scheduler: cores, sockets and clients under one virtual clock.

mod inspect;
mod threads;

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use trunkline_core::base::id::Nanos;
use trunkline_core::base::limits::CLOSE_LINGER_NS;
use trunkline_core::shard::Shard;

use crate::checkers::{delivery, ending};
use crate::clients::{Client, Wish};
use crate::clock::{Clock, Event, MICROSECOND, MILLISECOND, Time};
use crate::dice::Dice;
use crate::fabric::Fabric;
use crate::history::History;
use crate::mutants::Fault;
use crate::net::{Ending, Net, Wire};
use crate::policy::{ACCOUNTS_MAX, Usages};
use crate::profile::Profile;
use crate::shell::{Consequences, Core, Letter, Step};
use threads::Reloads;

/// Nothing happens for so long: everything has come to rest. Timers that would
/// wake a core later do not count, since they would hide a lost wake-up.
const REST: Time = 400 * MILLISECOND;

/// The same when everybody has left: closing may take its time.
const LAST_REST: Time = 2 * CLOSE_LINGER_NS;

/// A run with more events never ends.
const EVENTS_MAX: u64 = 4_000_000;

/// What became of a run without faults.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Of every byte that clients got, with its moment.
    pub hash: u64,
    pub events: u64,
    pub messages: usize,
    pub deliveries: usize,
    /// Messages caused by others, over three cores and more.
    pub relayed: usize,
    /// Connections that the server closed.
    pub closed: usize,
    /// Most batches in one ring, and most bytes on one link.
    pub fullest: (usize, usize),
    /// Policies, and subscriptions that ended by a reload.
    pub policies: usize,
    pub revoked: usize,
}

/// One run.
pub struct World {
    profile: Profile,
    dice: Dice,
    clock: Clock,
    net: Net,
    fabric: Rc<RefCell<Fabric>>,
    cores: Vec<Core>,
    /// Number of each core's present sleep or turn.
    epochs: Vec<u64>,
    clients: Vec<Client>,
    history: History,
    hash: DefaultHasher,
    events: u64,
    trace: bool,
    /// When a client last did something, or had an answer that it waited for.
    last_act: Time,
    link_bytes_max: usize,
    /// Choices about policies.
    policy_dice: Dice,
    usages: Usages,
    reloads: Reloads,
    /// Letters, with the core that each is for, until it has them.
    letters: Vec<Option<(usize, Letter)>>,
    /// When the thread that checks passwords has done what it has.
    checker_free_at: Time,
}

impl World {
    pub fn new(seed: u64, fault: Option<Fault>, trace: bool) -> Self {
        let mut dice = Dice::new(seed, 1);
        let profile = Profile::new(seed, &mut dice);
        if trace {
            println!("{profile:#?}");
        }
        let fabric = Fabric::new(
            profile.cores,
            Dice::new(seed, 2),
            profile.visibility_max,
            fault,
        );
        let fabric = Rc::new(RefCell::new(fabric));
        let mut policy_dice = Dice::new(seed, 3);
        let usages: Usages = (0..ACCOUNTS_MAX).map(|_| Arc::default()).collect();
        let model = threads::first_model(&profile, &mut policy_dice);
        if trace {
            println!("{model:#?}");
        }
        let authority = model.authority(&usages, None);
        let mut history = History::default();
        history.policies.begin(model, profile.cores);
        let sizes = (profile.buffer_bytes, profile.turn_input);
        let core = |id| {
            let mut shard = Shard::new(threads::config(id, &profile, seed, &authority));
            if let Some(Fault::Core(mutant)) = fault {
                shard.set_mutant(Some(mutant));
            }
            Core::new(id, shard, &fabric, sizes, fault)
        };
        let client = |number| Client::new(number, seed, profile.acts);
        let mut world = Self {
            dice,
            clock: Clock::default(),
            net: Net::new(profile.cores),
            cores: (0..profile.cores).map(core).collect(),
            fabric: Rc::clone(&fabric),
            epochs: vec![0; profile.cores],
            clients: (0..profile.clients).map(client).collect(),
            history,
            hash: DefaultHasher::new(),
            events: 0,
            trace,
            last_act: 0,
            link_bytes_max: 0,
            policy_dice,
            usages,
            reloads: Reloads::new(profile.reloads, authority),
            letters: Vec::new(),
            checker_free_at: 0,
            profile,
        };
        for number in 0..world.clients.len() {
            let delay = world.dice.between(0, MILLISECOND);
            world.clock.after(delay, Event::Act(number));
        }
        world
    }

    /// Runs to the end and judges.
    pub fn run(mut self) -> Result<Outcome, String> {
        self.run_to_rest(REST)?;
        // With heartbeats there is no rest.
        if !self.profile.heartbeats {
            self.at_rest()?;
        }
        ending::judge(&self.history, self.profile.is_tight)?;
        let outcome = self.outcome();
        self.everybody_leaves();
        self.run_to_rest(LAST_REST)?;
        self.nothing_is_left()?;
        Ok(outcome)
    }

    fn run_to_rest(&mut self, rest: Time) -> Result<(), String> {
        while let Some(at) = self.clock.next_at() {
            let is_over = at > self.last_act + 20 * REST && self.profile.heartbeats;
            if at > self.clock.now() + rest || is_over {
                break;
            }
            let Some(event) = self.clock.next() else {
                break;
            };
            self.events += 1;
            if self.events > EVENTS_MAX {
                return Err("it never comes to rest".into());
            }
            self.happen(event)
                .map_err(|wrong| format!("{wrong} (at {} ns)", self.clock.now()))?;
        }
        Ok(())
    }

    fn everybody_leaves(&mut self) {
        self.last_act = self.clock.now();
        for client in &mut self.clients {
            client.acts_left = 0;
            client.is_paused = false;
            if let Some(conn) = client.conn {
                self.net.wires[conn].ending.get_or_insert(Ending::Orderly);
            }
        }
        for conn in 0..self.history.conns.len() {
            self.schedule_read(conn);
            self.schedule_arrival(conn);
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Core(core, epoch) if epoch == self.epochs[core] => self.advance(core),
            Event::Core(..) => Ok(()),
            Event::Arrive(wire) => {
                self.arrive(wire);
                Ok(())
            }
            Event::Read(wire) => self.read(wire),
            Event::Act(client) => {
                self.act(client);
                Ok(())
            }
            Event::Letter(number) => {
                self.letter_arrives(number);
                Ok(())
            }
            Event::Reload => {
                self.ask_all();
                Ok(())
            }
        }
    }

    fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>12} {}", self.clock.now(), text());
        }
    }

    // ---- cores

    /// A core that sleeps gets something to do.
    fn wake(&mut self, core: usize) {
        if self.cores[core].is_parked {
            self.cores[core].is_parked = false;
            let delay = self.dice.skewed(self.profile.wake_max);
            self.proceed(core, delay);
        }
    }

    fn proceed(&mut self, core: usize, delay: Time) {
        self.epochs[core] += 1;
        let delay = delay + self.interruption();
        self.clock
            .after(delay, Event::Core(core, self.epochs[core]));
    }

    /// How long a core has just lost its processor.
    fn interruption(&mut self) -> Time {
        if self.profile.starve_one_in < u64::MAX && self.dice.one_in(self.profile.starve_one_in) {
            self.dice.between(0, self.profile.starve_max)
        } else if self.dice.percent(self.profile.preempt_percent) {
            self.dice.between(0, self.profile.preempt_max)
        } else {
            0
        }
    }

    fn advance(&mut self, number: usize) -> Result<(), String> {
        self.cores[number].is_parked = false;
        self.fabric.borrow_mut().set_now(self.clock.now());
        loop {
            let step = self.cores[number].step;
            let mut done = self.cores[number].advance(self.clock.now(), &mut self.net);
            if self.trace && !(done.sent.is_empty() && done.rung.is_empty()) {
                self.note(|| {
                    format!(
                        "core {number} {step:?}: sent to {:?}, rang {:?}",
                        done.sent, done.rung
                    )
                });
            }
            let post = std::mem::take(&mut done.post);
            self.take_answers(number, &post)?;
            self.observe(number, step, &done)?;
            self.take_wishes(number, post)?;
            self.take_consequences(number, &done);
            if step == Step::Bells {
                self.check_bounds(number)?;
            }
            if step == Step::Bells && self.dice.one_in(40) {
                self.cores[number].shard.check_invariants();
            }
            if let Some(wrong) = self.fabric.borrow_mut().wrong.take() {
                return Err(wrong);
            }
            if self.cores[number].step == Step::End {
                break;
            }
            let step = self.cores[number].step;
            let is_torn = matches!(step, Step::Sockets | Step::Output)
                && number == self.profile.torn_core
                && self.dice.percent(self.profile.torn_percent);
            let interruption = if is_torn {
                self.dice.between(0, self.profile.torn_max)
            } else {
                self.interruption()
            };
            if interruption > 0 {
                self.epochs[number] += 1;
                let event = Event::Core(number, self.epochs[number]);
                self.clock.after(interruption, event);
                return Ok(());
            }
        }
        if self.cores[number].has_work() || self.net.has_events(number) {
            self.proceed(number, MICROSECOND);
        } else {
            self.park(number);
        }
        Ok(())
    }

    /// As the real core: first the sign that it sleeps, then one more look.
    fn park(&mut self, number: usize) {
        self.cores[number].is_parked = true;
        let mut fabric = self.fabric.borrow_mut();
        fabric.hear_bell(number);
        let has_work = fabric.has_work(number) || !self.cores[number].letters.is_empty();
        drop(fabric);
        if has_work || self.net.has_events(number) {
            self.wake(number);
            return;
        }
        self.epochs[number] += 1;
        let Nanos(deadline) = self.cores[number].shard.next_deadline();
        if deadline < Nanos::NEVER.0 {
            let delay = deadline.saturating_sub(self.clock.now());
            let event = Event::Core(number, self.epochs[number]);
            self.clock.after(delay, event);
        }
    }

    fn take_consequences(&mut self, from: usize, done: &Consequences) {
        for &core in &done.rung {
            if self.cores[core].is_parked {
                self.fabric.borrow_mut().hear_bell(core);
                self.wake(core);
            }
        }
        for &wire in &done.sent {
            if self.net.wires[wire].server_closed && self.history.conns[wire].gone.is_none() {
                self.note(|| format!("core {from} has closed connection {wire}"));
                let tick = self.history.next_tick();
                let record = &mut self.history.conns[wire];
                record.gone = Some(tick);
                record.is_cut =
                    record.is_doomed && self.clock.now() - record.doomed_at >= CLOSE_LINGER_NS;
                record.is_doomed = true;
            }
            self.schedule_read(wire);
        }
        for &wire in &done.drained {
            self.schedule_arrival(wire);
        }
    }

    // ---- sockets

    fn schedule_arrival(&mut self, number: usize) {
        let wire = &mut self.net.wires[number];
        let is_due = !wire.outgoing.is_empty() || (wire.ending.is_some() && !wire.end_arrived);
        if is_due
            && !wire.is_moving
            && (wire.arrived.len() < wire.capacity || wire.ending.is_some())
        {
            wire.is_moving = true;
            let delay = self.dice.skewed(20 * MICROSECOND);
            self.clock.after(delay, Event::Arrive(number));
        }
    }

    fn arrive(&mut self, number: usize) {
        let wire = &mut self.net.wires[number];
        wire.is_moving = false;
        let len_max = self.dice.between(1, wire.piece_max) as usize;
        let is_stuck = wire.arrived.len() >= wire.capacity && !wire.outgoing.is_empty();
        if self.net.arrive(number, len_max) {
            self.wake(self.net.wires[number].core);
        }
        if !is_stuck {
            self.schedule_arrival(number);
        }
    }

    fn schedule_read(&mut self, number: usize) {
        let wire = &mut self.net.wires[number];
        let client = &self.clients[self.history.conns[number].client];
        let is_due = !wire.towards_client.is_empty() || wire.server_closed;
        if is_due && client.conn == Some(number) && !client.is_paused && !wire.is_being_read {
            wire.is_being_read = true;
            let delay = self.dice.skewed(50 * MICROSECOND);
            self.clock.after(delay, Event::Read(number));
        }
    }

    fn read(&mut self, number: usize) -> Result<(), String> {
        let wire = &mut self.net.wires[number];
        wire.is_being_read = false;
        let client = &mut self.clients[self.history.conns[number].client];
        if client.conn != Some(number) || client.is_paused {
            return Ok(());
        }
        let piece = self.dice.between(1, wire.piece_max) as usize;
        let len = wire.towards_client.len().min(piece);
        self.hash.write(&wire.towards_client.as_slice()[..len]);
        self.hash.write_u64(self.clock.now() ^ number as u64);
        wire.towards_client.move_to(&mut client.incoming, len);
        let trace = self.trace;
        let now = self.clock.now();
        let unanswered = self.history.conns[number].pings.len();
        client.understand(&mut self.history, wire, |history, conn, message| {
            let learnt = delivery::learn(history, conn, message)?;
            if trace {
                println!(
                    "{now:>12} connection {conn} got {learnt:?} {} sid {}",
                    message.subject, message.sid
                );
            }
            Ok(learnt)
        })?;
        // A core that takes a line a turn, and loses its processor between
        // turns, needs its time for thousands of PINGs.
        if self.history.conns[number].pings.len() < unanswered {
            self.last_act = now;
        }
        if wire.towards_client.is_empty() && wire.server_closed {
            client.conn = None;
            let tick = self.history.next_tick();
            self.history.conns[number].ended_by_server = Some(tick);
        }
        if self.net.has_read(number) {
            self.wake(self.net.wires[number].core);
        }
        self.schedule_arrival(number);
        if !self.net.wires[number].towards_client.is_empty() {
            self.schedule_read(number);
        }
        Ok(())
    }

    // ---- clients

    fn act(&mut self, number: usize) {
        self.last_act = self.clock.now();
        self.reload_some_time();
        let client = &mut self.clients[number];
        if client.is_paused {
            client.is_paused = false;
            if let Some(conn) = client.conn {
                self.schedule_read(conn);
            }
        }
        let client = &mut self.clients[number];
        let mut delay = client.pause_before_act(&self.profile);
        match client.conn {
            None if client.acts_left > 0 => self.connect(number),
            Some(conn) if client.acts_left > 0 && self.net.wires[conn].ending.is_none() => {
                client.acts_left -= 1;
                let before = self.history.tick;
                let wire = &mut self.net.wires[conn];
                let wish = client.act(conn, &mut self.history, wire, &self.profile);
                if wish == Wish::StopReading {
                    client.is_paused = true;
                    self.history.conns[conn].has_paused = true;
                    delay = self.dice.between(0, self.profile.pause_max);
                }
                if self.trace {
                    self.tell_act(number, conn, before);
                }
                self.schedule_arrival(conn);
            }
            Some(conn) if client.acts_left > 0 && self.net.wires[conn].server_closed => {}
            Some(_) if client.acts_left > 0 => client.acts_left -= 1,
            _ => return,
        }
        self.clock.after(delay, Event::Act(number));
    }

    fn connect(&mut self, number: usize) {
        let core = self.dice.between(0, self.cores.len() as u64 - 1) as usize;
        let client = &mut self.clients[number];
        let options = client.options();
        let conn = self.history.open(number, core, options);
        assert_eq!(conn, self.net.wires.len(), "a connection is a wire");
        let capacity = *self.dice.pick(self.profile.capacities);
        let piece_max = *self.dice.pick(self.profile.pieces);
        self.net.wires.push(Wire::new(core, capacity, piece_max));
        client.begin(conn, &mut self.history, &mut self.net.wires[conn]);
        self.note(|| format!("client {number} connects to core {core} as {conn}: {options:?}"));
        self.cores[core].handovers.push_back(conn);
        self.wake(core);
        self.schedule_arrival(conn);
    }
}
