//! L4: one core's whole brain.
//!
//! A [`Shard`] owns the connections of one core, its part of everybody's
//! interest, and the links to the other cores. The shell calls `on_…` with what
//! happened and then drains what is to be done: dirty connections to flush,
//! connections to read again, connections to close, batches for other cores.
//! All of it within one turn, so that a connection is sent to once per turn
//! however many messages it got, and a core is woken at most once.
//!
//! Here are construction and the life of connections; commands are executed in
//! `commands`, messages fanned out in `fanout`, other cores spoken to in
//! `mesh`, time passes in `liveness`.

mod admit;
pub mod authenticate;
mod commands;
mod connections;
pub mod events;
mod fanout;
mod frame;
mod input;
mod layers;
mod link;
mod liveness;
#[cfg(test)]
mod login_tests;
pub mod mesh;
pub mod message_trace;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod output;
pub mod question;
pub mod reconfigure;
mod remote;
pub mod report;
mod rewrite;
mod stall;
pub mod system;
mod trace;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use ahash::RandomState;
use bytes::Bytes;

use crate::base::deadlines::Deadlines;
use crate::base::id::{AccountId, ConnectionKey, CoreId, Nanos};
use crate::base::limits::Limits;
use crate::base::moment::Moment;
use crate::base::rng::Rng;
use crate::base::slab::NONE;
use crate::route::budget::RouteBudget;
use crate::route::interest::Interest;
use crate::route::sweep::RouteSweep;
use crate::session::authority::Authority;
use crate::session::connection::CloseReason;
use crate::session::outbox::BlockPool;
use crate::session::policy::ConnectionType;
use crate::session::tries::Tries;
use crate::wire::info::ServerInfo;

pub use connections::{Connections, Opening};
use output::Stage;
pub use output::{Ask, Output};

/// What a shard is made from.
#[derive(Clone)]
pub struct ShardConfig {
    /// Which core this is.
    pub core: CoreId,
    /// How many cores there are.
    pub cores: usize,
    /// The configured limits.
    pub limits: Limits,
    /// What INFO says.
    pub server: ServerInfo,
    /// Who may connect, and what they may do.
    pub authority: Arc<Authority>,
    /// Seed of all choices and hash functions.
    pub seed: u64,
    /// Whether every protocol line is logged.
    pub trace: bool,
}

/// One core's state. See the module's text.
pub struct Shard {
    config: Rc<ShardConfig>,
    connections: Connections,
    interests: Vec<Interest>,
    /// What remembered routes of all accounts may take.
    route_budget: Rc<RouteBudget>,
    route_sweep: RouteSweep,
    links: Vec<link::Link>,
    pool: BlockPool,
    deadlines: Deadlines<ConnectionKey>,
    /// Passwords that the shell is checking.
    checks_under_way: usize,
    /// Where failed log-in tries come from.
    tries: Tries,
    /// Passwords that the shell was ever asked to check.
    checks_begun: u64,
    /// Connections that ended for a bad reason.
    endings: report::Endings,
    /// What else is counted for monitoring.
    counts: report::Counts,
    /// Connections that have ended, for a while.
    closed: VecDeque<report::ConnectionReport>,
    /// How many have been there and are forgotten.
    closed_forgotten: u64,
    /// Connections that the last settings have not reached.
    revisions: VecDeque<ConnectionKey>,
    rng: Rng,
    /// Spreads the sids of a connection; seeded, so that no client can pick
    /// sids that collide.
    hasher: RandomState,
    /// Messages whose way is being written down.
    traces: message_trace::Traces,
    /// Place of the route of the last message from another core.
    last_mesh_route: u32,
    clock: Moment,
    stage: Stage,
    effects: Effects,
    scratch: Scratch,
    #[cfg(feature = "mutants")]
    mutant: Option<mutants::Mutant>,
}

/// What the shell has to do; drained by it.
#[derive(Default)]
struct Effects {
    /// Slots of connections that have something to send.
    dirty: Vec<u32>,
    /// Connections that are held no longer, see [`Shard::settle`].
    released: Vec<ConnectionKey>,
    /// Connections whose sockets must be read again: they were held.
    resumed: Vec<ConnectionKey>,
    /// Connections that are over.
    closed: Vec<ConnectionKey>,
    /// Requests to the server itself.
    requests: VecDeque<system::SystemRequest>,
    /// Events that somebody listens to.
    events: VecDeque<events::SystemEvent>,
    /// Events for which there was no room.
    lost_events: u64,
    /// Passwords that the shell has to check.
    password_checks: VecDeque<authenticate::PasswordCheck>,
}

/// Buffers that would otherwise be allocated per message.
#[derive(Default)]
struct Scratch {
    /// A message whose control line had to be written anew.
    tail: Vec<u8>,
    /// A message for a receiver without headers.
    stripped: Vec<u8>,
    /// Lines other than messages.
    line: Vec<u8>,
    /// Subscriptions that reached their last message.
    finished: Vec<u32>,
    /// Connections whose outbox exceeded its limit.
    overflowed: Vec<u32>,
    /// Queue groups whose message goes to another core.
    picks: Vec<(CoreId, u32)>,
    /// Publishers of other cores to be held back.
    stalled: Vec<(u64, u32)>,
    /// The large message that is being executed, if there is one.
    large: Bytes,
    /// Number of batches that were visible when draining began, per core.
    tails: Vec<usize>,
}

impl Shard {
    /// A shard without connections.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        let mut rng = Rng::new(config.seed ^ u64::from(config.core.0) << 56);
        let route_budget = RouteBudget::new(config.limits.route_cache_bytes_max);
        let links = (0..config.cores).map(|_| link::Link::default()).collect();
        let mut shard = Self {
            config: Rc::new(config),
            connections: Connections::default(),
            interests: Vec::new(),
            route_budget,
            route_sweep: RouteSweep::default(),
            checks_under_way: 0,
            tries: Tries::new(rng.next_u64()),
            checks_begun: 0,
            revisions: VecDeque::new(),
            endings: report::Endings::default(),
            counts: report::Counts::default(),
            closed: VecDeque::new(),
            closed_forgotten: 0,
            links,
            pool: BlockPool::default(),
            deadlines: Deadlines::default(),
            hasher: RandomState::with_seeds(rng.next_u64(), 13, 14, 15),
            rng,
            traces: message_trace::Traces::default(),
            last_mesh_route: NONE,
            clock: Moment::default(),
            stage: Stage::default(),
            effects: Effects::default(),
            scratch: Scratch::default(),
            #[cfg(feature = "mutants")]
            mutant: None,
        };
        shard.ensure_account(AccountId::SYSTEM);
        shard.apply_rules();
        shard
    }

    /// A turn begins at this moment: what happens in it happens then.
    pub fn begin_turn(&mut self, now: Moment) {
        debug_assert!(self.stage == Stage::Input, "a turn ends before the next");
        debug_assert!(now.mono >= self.clock.mono, "time does not go back");
        self.clock = now;
    }

    /// Connections of this core, those that are just closing included.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Subscriptions of this core.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.interests.iter().map(Interest::len).sum()
    }

    /// The next connection that has something to send and whose socket has not
    /// refused bytes.
    fn next_dirty(&mut self) -> Option<ConnectionKey> {
        while let Some(index) = self.effects.dirty.pop() {
            let Some(connection) = self.connections.get_mut(index) else {
                continue;
            };
            if !std::mem::take(&mut connection.is_dirty) {
                continue;
            }
            if !connection.is_blocked {
                return Some(self.connections.key(index));
            }
            self.note_waiting(index);
            let connection = &self.connections[index];
            // Answers count too, not only messages: a client may ask for ever
            // and never read.
            if connection.outbox.pending_bytes() > self.config.limits.max_pending_bytes {
                self.close_slow_consumer(index, CloseReason::SlowConsumerPendingBytes);
            }
        }
        None
    }

    /// The next connection that is over, and why: its socket must be closed.
    /// The key is void afterwards.
    fn next_closed(&mut self) -> Option<(ConnectionKey, CloseReason)> {
        let key = self.effects.closed.pop()?;
        let connection = &self.connections[key.index];
        let reason = connection.closing;
        if connection.connection_type == ConnectionType::Websocket {
            self.counts.websockets -= 1;
        }
        self.connections.remove(key);
        Some((key, reason.expect("what is over has ended for a reason")))
    }

    /// Whether something is left that would need another turn.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.effects.dirty.is_empty()
            || !self.effects.released.is_empty()
            || !self.effects.resumed.is_empty()
            || !self.effects.closed.is_empty()
            || self.is_revising()
            || self.links.iter().any(link::Link::has_work)
    }

    /// Checks what must hold between its parts after a turn; for tests and the
    /// simulation.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        let (mut subscriptions, mut waiting_bytes) = (0, 0);
        for key in self.connections.keys() {
            let connection = &self.connections[key.index];
            subscriptions += connection.subscriptions.len();
            waiting_bytes += connection.waiting_bytes;
            let pending_bytes = connection.outbox.pending_bytes();
            assert!(connection.is_dirty || connection.waiting_bytes == pending_bytes);
            let closes = connection.closing.is_some();
            assert!(!closes || connection.subscriptions.is_empty());
            assert!(
                !closes || connection.input.is_empty(),
                "nothing more is parsed"
            );
            let is_over = connection.hold == crate::session::connection::Hold::Over;
            assert!(!is_over || self.effects.released.contains(&key));
        }
        assert_eq!(subscriptions, self.subscription_count());
        assert_eq!(waiting_bytes, self.counts.waiting_bytes);
        self.interests.iter().for_each(Interest::check_invariants);
        self.links.iter().for_each(link::Link::check_invariants);
    }

    /// Frees memory that only a busy core needs; to be called before a longer
    /// sleep.
    pub fn trim(&mut self) {
        self.route_sweep.trim(&mut self.interests);
        self.pool.trim();
        self.links.iter_mut().for_each(link::Link::trim);
    }

    /// When the shard wants to be called next, if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Nanos {
        self.deadlines.next()
    }
}
