//! The rings between cores, as adversarial as real atomics may be.
//!
//! A batch that was pushed becomes visible to its receiver only after a random
//! delay, but never later than causality allows: every push carries a vector
//! clock, and once a core has seen anything that happened after a push, that
//! push is visible to it. What is visible may also grow between a look at the
//! tail and a pop, since the other cores do not stand still meanwhile.
//!
//! A doorbell carries the ringer's clock too: both sides of the real one have
//! a full fence between their write and their read.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use trunkline_core::base::limits::LINK_BATCHES_MAX;
use trunkline_core::shard::mesh::{Inbound, MeshBatch};

use crate::clock::Time;
use crate::dice::Dice;
use crate::mutants::Fault;

/// How many pushes of each core are known to have happened.
type VectorClock = Vec<u64>;

fn join(into: &mut VectorClock, other: &VectorClock) {
    for (mine, theirs) in into.iter_mut().zip(other) {
        *mine = (*mine).max(*theirs);
    }
}

struct Flight {
    batch: MeshBatch,
    clock: VectorClock,
    visible_at: Time,
}

#[derive(Default)]
struct Ring {
    flights: VecDeque<Flight>,
    /// Flights at the front that the receiver can see.
    visible: usize,
    /// What the batches knew that the receiver has and has not dealt with.
    popped: VecDeque<VectorClock>,
}

/// Which of the two rings of an ordered pair of cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Batches.
    Forth,
    /// Batches that are dealt with, on their way home.
    Back,
}

/// All rings.
pub struct Fabric {
    cores: usize,
    rings: Vec<Ring>,
    /// Per core: the pushes that it knows to have happened.
    known: Vec<VectorClock>,
    /// Per core: what those who rang its bell knew.
    rung: Vec<VectorClock>,
    dice: Dice,
    now: Time,
    delay_max: Time,
    fault: Option<Fault>,
    /// Most batches that a ring has held.
    pub fullest: usize,
    /// What was wrong, if something was.
    pub wrong: Option<String>,
}

/// The receiving end of one ring.
pub struct End {
    fabric: Rc<RefCell<Fabric>>,
    from: usize,
    to: usize,
    lane: Lane,
}

impl Fabric {
    pub fn new(cores: usize, dice: Dice, delay_max: Time, fault: Option<Fault>) -> Self {
        Self {
            cores,
            rings: (0..cores * cores * 2).map(|_| Ring::default()).collect(),
            known: vec![vec![0; cores]; cores],
            rung: vec![vec![0; cores]; cores],
            dice,
            now: 0,
            delay_max,
            fault,
            fullest: 0,
            wrong: None,
        }
    }

    /// The receiving ends at one core, one per sender.
    pub fn ends(fabric: &Rc<RefCell<Self>>, to: usize, lane: Lane) -> Vec<End> {
        let cores = fabric.borrow().cores;
        let end = |from| End {
            fabric: Rc::clone(fabric),
            from,
            to,
            lane,
        };
        (0..cores).map(end).collect()
    }

    pub fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    fn at(&self, from: usize, to: usize, lane: Lane) -> usize {
        (from * self.cores + to) * 2 + usize::from(lane == Lane::Back)
    }

    pub fn push(&mut self, from: usize, to: usize, lane: Lane, mut batch: MeshBatch) {
        self.known[from][from] += 1;
        let at = self.at(from, to, lane);
        let ring = &mut self.rings[at];
        assert!(
            ring.flights.len() < LINK_BATCHES_MAX,
            "a link never holds more than fits"
        );
        if lane == Lane::Forth {
            spoil(self.fault, &mut self.dice, ring, &mut batch);
        }
        if lane == Lane::Back {
            self.check_causality(from, to);
        }
        let delay = self.dice.skewed(self.delay_max);
        let ring = &mut self.rings[at];
        ring.flights.push_back(Flight {
            batch,
            clock: self.known[from].clone(),
            visible_at: self.now + delay,
        });
        self.fullest = self.fullest.max(ring.flights.len());
    }

    /// Notes that a core has rung another one's bell.
    pub fn ring(&mut self, from: usize, to: usize) {
        let known = self.known[from].clone();
        join(&mut self.rung[to], &known);
    }

    /// Notes that a core has looked at its bell.
    pub fn hear_bell(&mut self, core: usize) {
        let rung = self.rung[core].clone();
        join(&mut self.known[core], &rung);
    }

    /// Whether something waits for a core, as far as it can see.
    pub fn has_work(&mut self, to: usize) -> bool {
        (0..self.cores)
            .any(|from| self.look(from, to, Lane::Forth) > 0 || self.look(from, to, Lane::Back) > 0)
    }

    /// Batches that nobody has dealt with, visible or not.
    pub fn undelivered(&self) -> Vec<(usize, usize, usize)> {
        let pairs = (0..self.cores).flat_map(|from| (0..self.cores).map(move |to| (from, to)));
        pairs
            .map(|(from, to)| {
                let ring = &self.rings[self.at(from, to, Lane::Forth)];
                (from, to, ring.flights.len())
            })
            .filter(|&(_, _, len)| len > 0)
            .collect()
    }

    /// Looks at a ring's tail, which makes known what its batches knew.
    fn look(&mut self, from: usize, to: usize, lane: Lane) -> usize {
        let at = self.at(from, to, lane);
        let ring = &mut self.rings[at];
        let known = self.known[to][from];
        let is_visible =
            |flight: &Flight| flight.visible_at <= self.now || flight.clock[from] <= known;
        let newly = (ring.visible..ring.flights.len())
            .rev()
            .find(|&index| is_visible(&ring.flights[index]));
        if let Some(last) = newly {
            ring.visible = last + 1;
        }
        if ring.visible > 0 {
            join(&mut self.known[to], &ring.flights[ring.visible - 1].clock);
        }
        ring.visible
    }

    fn pop(&mut self, from: usize, to: usize, lane: Lane) -> Option<MeshBatch> {
        if self.look(from, to, lane) == 0 && self.dice.percent(30) {
            self.grow(from, to, lane);
        }
        let at = self.at(from, to, lane);
        let ring = &mut self.rings[at];
        if ring.visible == 0 {
            return None;
        }
        ring.visible -= 1;
        let flight = ring.flights.pop_front()?;
        ring.popped.push_back(flight.clock);
        Some(flight.batch)
    }

    /// A core returns a batch, so it has delivered its messages: before, it
    /// must have taken everything that was pushed to it before that batch, by
    /// whomever. (No client would notice today, since what it does next comes
    /// through a socket and so in a later turn.)
    fn check_causality(&mut self, receiver: usize, sender: usize) {
        let at = self.at(sender, receiver, Lane::Forth);
        let Some(batch) = self.rings[at].popped.pop_front() else {
            self.wrong = Some(format!("core {receiver} returns what it never took"));
            return;
        };
        for (core, known) in batch.iter().enumerate() {
            let waiting = self.rings[self.at(core, receiver, Lane::Forth)]
                .flights
                .front();
            if waiting.is_some_and(|flight| flight.clock[core] < *known) {
                self.wrong = Some(format!(
                    "core {receiver} delivered a batch of core {sender} before an earlier one of core {core}"
                ));
            }
        }
    }

    /// More becomes visible, now that the tail was looked at.
    fn grow(&mut self, from: usize, to: usize, lane: Lane) {
        let at = self.at(from, to, lane);
        let len = self.rings[at].flights.len() as u64;
        if len > 0 {
            self.rings[at].visible = self.dice.between(1, len) as usize;
            self.look(from, to, lane);
        }
    }
}

/// Applies a fault of the rings.
fn spoil(fault: Option<Fault>, dice: &mut Dice, ring: &mut Ring, batch: &mut MeshBatch) {
    match fault {
        Some(Fault::DropWhenFull) if ring.flights.len() >= 4 => batch.forget_messages(),
        Some(Fault::ForgetInterest) if dice.one_in(20) => batch.forget_interest(),
        Some(Fault::ReorderFifo) if ring.flights.len() > ring.visible && dice.one_in(4) => {
            if let Some(last) = ring.flights.back_mut() {
                last.batch.swap_messages(batch);
            }
        }
        _ => {}
    }
}

impl Inbound for End {
    fn visible(&self) -> usize {
        let mut fabric = self.fabric.borrow_mut();
        let visible = fabric.look(self.from, self.to, self.lane);
        // The fault: tails are not noted, whatever is popped counts.
        match fabric.fault {
            Some(Fault::NoTails) => 1 << 20,
            _ => visible,
        }
    }

    fn pop(&mut self) -> Option<MeshBatch> {
        self.fabric.borrow_mut().pop(self.from, self.to, self.lane)
    }
}
