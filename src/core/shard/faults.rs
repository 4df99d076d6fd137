//! What deliberate faults ([`super::mutants`]) do, and read-only views for the
//! simulation.

use super::Shard;
use super::frame::Frame;
#[cfg(feature = "mutants")]
use super::mutants::Hook;
use super::mutants::Mutant;
use crate::base::id::AccountId;
#[cfg(feature = "mutants")]
use crate::base::id::{ConnectionKey, CoreId};
use crate::session::input::{Hold, Revision};
use crate::wire::parse::{Grammar, Parsed, parse};

impl Shard {
    /// Whether the shard is broken in this way.
    #[inline(always)]
    pub(super) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant.is(mutant)
    }

    /// Whether what other cores are told waits for another turn.
    #[inline(always)]
    pub(super) fn keeps_batch(&self) -> bool {
        self.is_mutant(Mutant::AnnounceLate) && (self.clock.mono.0 / 1000).is_multiple_of(2)
    }

    /// A message from another core, as it is delivered.
    #[inline]
    pub(super) fn spoilt_frame<'a>(&self, mut frame: Frame<'a>) -> Frame<'a> {
        if self.is_mutant(Mutant::ForgetAccount) {
            frame.message.account = AccountId::GLOBAL;
        }
        frame
    }

    /// What is left of the input of a connection that has had its share.
    #[inline]
    pub(super) fn spoilt_rest<'a>(&self, rest: &'a [u8], grammar: &Grammar) -> &'a [u8] {
        match self
            .is_mutant(Mutant::LosePaused)
            .then(|| parse(rest, grammar))
        {
            Some(Ok(Parsed::Command(_, taken))) => &rest[taken..],
            _ => rest,
        }
    }

    /// The route of a message that is mapped although it has been mapped already.
    #[cold]
    pub(super) fn map_again(&mut self, account: AccountId, at: u32) -> u32 {
        let (interest, rng) = (&mut self.interests[account], &mut self.rng);
        interest
            .redirect(at, |below| rng.below(below))
            .unwrap_or(at)
    }

    /// What a reload has left to be done about a connection.
    #[inline]
    pub(super) fn spoilt_revision(&mut self, index: u32, revision: Revision) -> Revision {
        let connection = &mut self.connections[index];
        match revision {
            _ if self.mutant.is(Mutant::SkipHeld) && connection.input.hold() != Hold::None => {
                Revision::None
            }
            Revision::Subscriptions { .. } if self.mutant.is(Mutant::KeepSubscriptions) => {
                Revision::None
            }
            Revision::Moved if self.mutant.is(Mutant::KeepCounting) => {
                connection.login.usage = None;
                revision
            }
            _ => revision,
        }
    }
}

/// What the simulation sees and does.
#[cfg(feature = "mutants")]
impl Shard {
    /// Breaks the shard.
    pub fn set_mutant(&mut self, mutant: Option<Mutant>) {
        self.mutant = Hook::of(mutant);
    }

    /// Bytes that wait for a connection's socket.
    #[must_use]
    pub fn pending_bytes(&self, key: ConnectionKey) -> u64 {
        self.connections.find(key).map_or(0, |index| {
            self.connections[index].writing.outbox.pending_bytes()
        })
    }

    /// Bytes that have been read from a connection and not executed yet.
    #[must_use]
    pub fn input_bytes(&self, key: ConnectionKey) -> usize {
        self.connections.find(key).map_or(0, |index| {
            let connection = &self.connections[index];
            let large = connection
                .reading
                .large
                .as_ref()
                .map_or(0, |large| large.arrived().len());
            connection.reading.unparsed.len() + large
        })
    }

    /// Messages that a connection was ever given.
    #[must_use]
    pub fn delivered_messages(&self, key: ConnectionKey) -> u64 {
        self.connections
            .find(key)
            .map_or(0, |index| self.connections[index].traffic.out_messages)
    }

    /// Whether the shard has decided to close a connection.
    #[must_use]
    pub fn is_closing(&self, key: ConnectionKey) -> bool {
        self.connections
            .find(key)
            .is_some_and(|index| self.connections[index].input.is_closing())
    }

    /// Whether the last settings have not reached a connection yet.
    #[must_use]
    pub fn is_under_revision(&self, key: ConnectionKey) -> bool {
        self.connections
            .find(key)
            .is_some_and(|index| self.connections[index].input.revision() != Revision::None)
    }

    /// Why a connection's input waits, in words.
    #[must_use]
    pub fn hold_text(&self, key: ConnectionKey) -> String {
        self.connections.find(key).map_or("gone".into(), |index| {
            let connection = &self.connections[index];
            match (connection.input.hold(), connection.input.revision()) {
                (Hold::Password(_), _) => "a password check".into(),
                (hold, Revision::None) => format!("{hold:?}"),
                _ => "a revision".into(),
            }
        })
    }

    /// Bytes on their way to a core, those not yet given to the shell included.
    #[must_use]
    pub fn link_bytes(&self, to: CoreId) -> usize {
        self.mesh.links[to.index()].bytes_under_way()
    }
}
