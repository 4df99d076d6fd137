//! L6: one core's whole brain.
//!
//! A [`Shard`] is composed of parts; each owns its state and is touched by the
//! others through its methods alone:
//!
//! | part | owns | who changes it |
//! |---|---|---|
//! | [`Interests`] | subscriptions, routes and rules of every account | commands, the mesh, reloads |
//! | [`Connections`] | connections, outboxes, marks of whom to send to | everything that says something |
//! | [`Mesh`] | links to other cores: open batches, batches under way, who waits | fan-out, changes of interest |
//! | [`Backlog`] | work left for later: held and paused connections, wide fan-outs, withdrawals | whoever runs out of budget |
//! | [`Login`] | the throttle of failed log-ins, password checks under way | CONNECT |
//! | [`Reload`] | connections that the last settings have not reached | `reconfigure` |
//! | [`Notices`] | events, requests and traces for other threads | log-ins, `$SYS`, fan-out |
//! | [`Storage`] | the stores of this core: streams, and what waits for the disk | messages, requests, the disk |
//! | [`Ledger`] | counts, connections that have ended | the life of connections |
//!
//! `Shard` itself only composes: its methods are the steps that need several parts,
//! one file per kind of step. Files import downwards only (a test checks that they form
//! no circles), so a step is read without those that call it:
//!
//! | layer | files | know |
//! |---|---|---|
//! | data | `frame`, `link`, `message`, `message_trace`, `mutants`, `protocol_log`, `question`, `report`, `rewrite`, `system`, `system_events`, `trace_notes`, `wide_fan_out` | each other: plain types and free functions |
//! | parts | those above, and `output` | data, each other's types |
//! | `Shard` | this one | parts, data |
//! | steps | all others: `impl Shard`, and what lives no longer than a call | `Shard`, parts, data |
//!
//! Input comes in through `on_…` methods between
//! [`Shard::begin_turn`] and the output of the turn, which leaves through
//! [`Shard::next_output`] in one lawful order (`turn`). What a step costs is
//! charged to a budget (`base/budget`), so that no input makes a turn long.
//!
//! Reading order: `turn`, `input`, `commands`, `fanout`, `connections`, `mesh`.

mod admit;
mod announce;
mod authenticate;
mod backlog;
mod commands;
mod connections;
mod consumers;
mod deliveries;
mod errand;
mod errands;
mod fanout;
mod faults;
mod frame;
mod get;
mod gets;
mod input;
mod interests;
mod layers;
mod ledger;
mod life;
mod link;
mod liveness;
mod log;
pub mod login;
#[cfg(test)]
mod login_tests;
pub mod mesh;
mod mesh_input;
mod message;
pub mod message_trace;
pub mod mutants;
mod note_events;
mod notices;
mod operator;
pub mod output;
mod protocol_log;
pub mod question;
mod reconfigure;
pub mod reload;
pub mod report;
mod reporting;
mod republish;
mod requests;
mod rewrite;
mod server_publisher;
mod settle;
mod stall;
pub mod storage;
mod storing;
pub mod system;
pub mod system_events;
mod trace_notes;
mod turn;
mod visits;
mod wide_fan_out;
mod withdraw;

use std::rc::Rc;
use std::sync::Arc;

use ahash::RandomState;
use bytes::Bytes;

use crate::base::budget::Budget;
use crate::base::deadlines::Deadlines;
use crate::base::id::{AccountId, ConnectionKey, CoreId, Nanos};
use crate::base::limits::{ENDED_WORTH_GIVING_BACK, Limits};
use crate::base::moment::Moment;
use crate::base::rng::Rng;
use crate::session::authority::Authority;
use crate::session::input::Revision;
use crate::wire::info::ServerInfo;

use backlog::Backlog;
use connections::Connections;
use interests::Interests;
use ledger::Ledger;
use login::Login;
use mesh::Mesh;
use mutants::Hook;
use notices::Notices;
use output::Stage;
use reload::Reload;
use storage::Storage;

pub use life::Opening;
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
    /// What is configured; a reload replaces it as a whole.
    config: Rc<ShardConfig>,
    /// When the turn began.
    clock: Moment,
    /// All dice.
    rng: Rng,
    /// Spreads the sids of a connection; seeded, so that no client can pick
    /// sids that collide.
    hasher: RandomState,
    interests: Interests,
    connections: Connections,
    mesh: Mesh,
    backlog: Backlog,
    login: Login,
    reload: Reload,
    notices: Notices,
    ledger: Ledger,
    storage: Storage,
    /// When connections want to be looked at.
    deadlines: Deadlines<ConnectionKey>,
    /// Work that this part of the turn may still do.
    work: Budget,
    /// How far the output of the turn has been taken.
    stage: Stage,
    scratch: Scratch,
    mutant: Hook,
}

/// Buffers that would otherwise be allocated per message.
#[derive(Default)]
struct Scratch {
    /// A message whose control line had to be written anew.
    tail: Vec<u8>,
    /// Lines other than messages.
    line: Vec<u8>,
    /// The large message that is being executed, if there is one.
    large: Bytes,
}

impl Shard {
    /// A shard without connections.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        let work = &config.limits.work;
        assert!(
            work.bulk_receivers <= work.fan_out_receivers,
            "whatever is wide is bulk"
        );
        let interests = Interests::new(config.limits.route_cache_bytes_max);
        let mut rng = Rng::new(config.seed ^ u64::from(config.core.0) << 56);
        let mut shard = Self {
            mesh: Mesh::new(config.core, config.cores),
            login: Login::new(rng.next_u64()),
            hasher: RandomState::with_seeds(rng.next_u64(), 13, 14, 15),
            config: Rc::new(config),
            clock: Moment::default(),
            rng,
            interests,
            connections: Connections::default(),
            backlog: Backlog::default(),
            reload: Reload::default(),
            notices: Notices::default(),
            ledger: Ledger::default(),
            storage: Storage::default(),
            deadlines: Deadlines::default(),
            work: Budget::default(),
            stage: Stage::default(),
            scratch: Scratch::default(),
            mutant: Hook::WHOLE,
        };
        let authority = &shard.config.authority;
        shard
            .interests
            .ensure(AccountId::SYSTEM, authority, &mut shard.rng);
        shard.apply_rules();
        shard.begin_turn(Moment::default());
        shard
    }

    /// A turn begins at this moment: what happens in it happens then.
    pub fn begin_turn(&mut self, now: Moment) {
        debug_assert!(self.stage == Stage::Input, "a turn ends before the next");
        debug_assert!(now.mono >= self.clock.mono, "time does not go back");
        self.clock = now;
        self.work.grant(self.config.limits.work.input_ns);
    }

    /// Charges work that the shell does: inflating, deciphering.
    pub fn charge(&mut self, work_ns: u64) {
        self.work.charge(work_ns);
    }

    /// Charges work that the shell has done for a connection without a command in
    /// it; it is paused if the turn's work is done.
    pub fn charge_input(&mut self, key: ConnectionKey, work_ns: u64) {
        self.work.charge(work_ns);
        if self.work.is_spent()
            && let Some(index) = self.connections.find(key)
            && self.connections[index].input.reads()
        {
            self.pause(index);
        }
    }

    /// Whether another socket may be read in this turn.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        !self.work.is_spent()
    }

    /// Connections of this core, those that are just closing included.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Subscriptions of this core.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.interests.subscription_count()
    }

    /// Whether something is left that would need another turn.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.connections.has_marked()
            || !self.connections.over.is_empty()
            || self
                .backlog
                .has_work(self.mesh.link_full_of_changes().is_some())
            || (self.is_revising() && self.mesh.link_full_of_changes().is_none())
            || self.mesh.has_work()
            || self.storage.has_work()
    }

    /// Checks what must hold between its parts after a turn; for tests and the
    /// simulation.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        let mut subscriptions = self.backlog.withdrawn_subscriptions();
        for key in self.connections.keys() {
            let connection = &self.connections[key.index];
            subscriptions += connection.subscriptions.len();
            let closes = connection.input.is_closing();
            assert!(!closes || connection.subscriptions.is_empty());
            assert!(
                !closes || connection.reading.unparsed.is_empty(),
                "nothing more is parsed"
            );
            assert_eq!(connection.hears, connection.may_hear());
            self.backlog.check_held(key, connection.input.hold());
            assert!(
                connection.input.revision() == Revision::None
                    || self.reload.revisions.contains(&key),
                "a reload has its turn for whoever waits for it"
            );
            assert!(
                closes || connection.timer <= connection.next_deadline(),
                "what is due is looked at"
            );
        }
        assert_eq!(subscriptions, self.subscription_count());
        self.connections.check_invariants();
        for (_, interest) in self.interests.iter() {
            interest.check_invariants();
        }
        self.mesh.check_invariants();
    }

    /// Frees memory that only a busy core needs; to be called before a longer
    /// sleep. True if so much was freed lately that the allocator should give it
    /// back to the system.
    pub fn trim(&mut self) -> bool {
        self.interests.trim();
        self.connections.pool.trim();
        self.mesh.trim();
        std::mem::take(&mut self.backlog.ended) >= ENDED_WORTH_GIVING_BACK
    }

    /// When the shard wants to be called next, if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Nanos {
        self.deadlines.next().min(self.next_store_deadline())
    }
}
