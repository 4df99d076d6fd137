//! The rings between cores: lock-free queues of batches, one per ordered pair,
//! another one back for the batches that are dealt with, and the doorbell that
//! wakes a core which sleeps.
//!
//! The doorbell: a core that finds nothing to do says so in `is_parked`, looks
//! at its rings once more and sleeps only if they are still empty; a core that
//! has pushed something rings if `is_parked` says so. Both sides put a full
//! fence between their write and their read, so one of them sees the other.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use rtrb::{Consumer, Producer, RingBuffer};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use trunkline_core::base::id::Nanos;
use trunkline_core::base::limits::LINK_BATCHES_MAX;
use trunkline_core::shard::mesh::{Inbound, MeshBatch};

use crate::listening::Listening;
use crate::net::socket::Accepted;

/// Connections accepted for a core that it has not taken over yet.
const HANDOVER_MAX: usize = 1024;

/// What all cores see of one core.
pub struct Doorbell {
    event: OwnedFd,
    is_parked: AtomicBool,
    /// Connections that the core has or is about to get.
    pub connections: AtomicUsize,
    /// Times the core was woken by others.
    pub rings: AtomicU64,
}

impl Doorbell {
    fn new() -> rustix::io::Result<Self> {
        Ok(Self {
            event: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
            is_parked: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            rings: AtomicU64::new(0),
        })
    }

    /// The descriptor that becomes readable when the bell rings.
    pub fn event(&self) -> &OwnedFd {
        &self.event
    }

    /// Wakes the core if it sleeps.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.is_parked.load(Ordering::Relaxed) && self.is_parked.swap(false, Ordering::AcqRel) {
            self.rings.fetch_add(1, Ordering::Relaxed);
            // It fails only if the counter is full, and then it is readable.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }

    /// Announces that the core is about to sleep; it must look for work once
    /// more afterwards.
    pub fn park(&self) {
        self.is_parked.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The core is awake.
    pub fn unpark(&self) {
        self.is_parked.store(false, Ordering::Relaxed);
    }
}

/// State shared by all cores, and nothing else is.
pub struct Shared {
    /// One per core.
    pub doorbells: Vec<Doorbell>,
    /// What new connections meet; a reload replaces it.
    listening: Mutex<Listening>,
    /// How many handshakes began in which second.
    handshakes: Mutex<(u64, u64)>,
    /// Set once: the server stops.
    pub is_stopping: AtomicBool,
    /// The number given to the last connection.
    pub last_client_id: AtomicU64,
}

impl Shared {
    /// Whether another handshake may begin within the second of this moment.
    pub fn allows_handshake(&self, now: Nanos, limit: u64) -> bool {
        let second = now.0 / 1_000_000_000;
        let mut counted = self
            .handshakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if counted.0 != second {
            *counted = (second, 0);
        }
        counted.1 += 1;
        counted.1 <= limit
    }

    /// What a new connection meets.
    pub fn listening(&self) -> Listening {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes what new connections meet.
    pub fn set_listening(&self, listening: Listening) {
        *self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = listening;
    }
}

/// The receiving end of a ring of batches.
pub struct InboundRing(Option<Consumer<MeshBatch>>);

impl Inbound for InboundRing {
    fn visible(&self) -> usize {
        self.0.as_ref().map_or(0, Consumer::slots)
    }

    fn pop(&mut self) -> Option<MeshBatch> {
        self.0.as_mut()?.pop().ok()
    }
}

/// All rings that end at one core; entry `n` is for core `n`, the own one is
/// empty.
pub struct CoreRings {
    /// Batches from other cores.
    pub inbound: Vec<InboundRing>,
    /// Batches to other cores.
    outbound: Vec<Option<Producer<MeshBatch>>>,
    /// Own batches that other cores have dealt with.
    pub returned: Vec<InboundRing>,
    /// Batches of other cores that this one has dealt with.
    returning: Vec<Option<Producer<MeshBatch>>>,
    /// Connections accepted for this core, all by the first core.
    pub handover: Option<Consumer<Accepted>>,
    /// On the first core: towards every other one.
    pub handovers: Vec<Option<Producer<Accepted>>>,
}

impl CoreRings {
    fn new(cores: usize) -> Self {
        let none = || (0..cores).map(|_| InboundRing(None)).collect();
        Self {
            inbound: none(),
            outbound: (0..cores).map(|_| None).collect(),
            returned: none(),
            returning: (0..cores).map(|_| None).collect(),
            handover: None,
            handovers: (0..cores).map(|_| None).collect(),
        }
    }

    /// Whether something waits in a ring.
    pub fn has_work(&self) -> bool {
        let waits = |ring: &InboundRing| ring.visible() > 0;
        self.inbound.iter().any(waits)
            || self.returned.iter().any(waits)
            || self.handover.as_ref().is_some_and(|ring| !ring.is_empty())
    }

    /// Pushes a batch. The shard has no more batches under way than fit.
    pub fn push(&mut self, to: usize, batch: MeshBatch) {
        push(&mut self.outbound[to], batch);
    }

    /// Returns a batch to its sender.
    pub fn push_done(&mut self, to: usize, batch: MeshBatch) {
        push(&mut self.returning[to], batch);
    }
}

fn push(ring: &mut Option<Producer<MeshBatch>>, batch: MeshBatch) {
    let ring = ring.as_mut().expect("a core has no link to itself");
    assert!(
        ring.push(batch).is_ok(),
        "a link never holds more than fits"
    );
}

/// Makes the rings between all cores and the state that they share.
pub fn connect(cores: usize) -> rustix::io::Result<(Arc<Shared>, Vec<CoreRings>)> {
    let doorbells = (0..cores)
        .map(|_| Doorbell::new())
        .collect::<rustix::io::Result<_>>()?;
    let shared = Shared {
        doorbells,
        listening: Mutex::default(),
        handshakes: Mutex::default(),
        is_stopping: AtomicBool::new(false),
        last_client_id: AtomicU64::new(0),
    };
    let mut rings: Vec<CoreRings> = (0..cores).map(|_| CoreRings::new(cores)).collect();
    for from in 0..cores {
        for to in (0..cores).filter(|&to| to != from) {
            let (producer, consumer) = RingBuffer::new(LINK_BATCHES_MAX);
            rings[from].outbound[to] = Some(producer);
            rings[to].inbound[from] = InboundRing(Some(consumer));
            let (producer, consumer) = RingBuffer::new(LINK_BATCHES_MAX);
            rings[to].returning[from] = Some(producer);
            rings[from].returned[to] = InboundRing(Some(consumer));
        }
    }
    for to in 1..cores {
        let (producer, consumer) = RingBuffer::new(HANDOVER_MAX);
        rings[0].handovers[to] = Some(producer);
        rings[to].handover = Some(consumer);
    }
    Ok((Arc::new(shared), rings))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two threads pass a token back and forth, sleeping in between; a lost
    /// wake-up would leave both asleep for ever.
    #[test]
    fn no_wake_up_is_lost() {
        const ROUNDS: u64 = 20_000;
        let bells: Arc<[Doorbell; 2]> = Arc::new([
            Doorbell::new().expect("an event descriptor"),
            Doorbell::new().expect("an event descriptor"),
        ]);
        let (mut to_second, mut from_first) = RingBuffer::<u64>::new(1);
        let (mut to_first, mut from_second) = RingBuffer::<u64>::new(1);
        let wait = |bell: &Doorbell, ring: &mut Consumer<u64>| loop {
            if let Ok(token) = ring.pop() {
                return token;
            }
            bell.park();
            if ring.is_empty() {
                let mut poll = [rustix::event::PollFd::new(
                    bell.event(),
                    rustix::event::PollFlags::IN,
                )];
                rustix::event::poll(&mut poll, None).expect("poll works");
                let _ = rustix::io::read(bell.event(), &mut [0u8; 8]);
            }
            bell.unpark();
        };
        let other = Arc::clone(&bells);
        let second = std::thread::spawn(move || {
            for _ in 0..ROUNDS {
                let token = wait(&other[1], &mut from_first);
                to_first.push(token + 1).expect("one token");
                other[0].ring();
            }
        });
        let mut token = 0;
        for _ in 0..ROUNDS {
            to_second.push(token).expect("one token");
            bells[1].ring();
            token = wait(&bells[0], &mut from_second);
        }
        second.join().expect("no panic");
        assert_eq!(token, ROUNDS);
    }
}
