//! Identifiers and units that travel through every layer.
//!
//! Not here: limits (`limits`), the public name of a server (`identity`).

use std::fmt;

use super::limits::CORES_MAX;

/// One executor of this process: an index from zero, dense.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CoreId(pub u8);

impl CoreId {
    /// The core at a position in tables that hold one entry per core.
    ///
    /// # Panics
    /// If there cannot be so many.
    #[must_use]
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are fewer cores than numbers of 8 bits"
    )]
    pub const fn at(index: usize) -> Self {
        assert!(index < CORES_MAX, "a core of this process");
        Self(index as u8)
    }

    /// The position of this core in tables that hold one entry per core.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// All cores of so many.
    pub fn all(count: usize) -> impl Iterator<Item = Self> + Clone {
        (0..=u8::MAX).map(Self).take(count)
    }
}

/// A subject space. Every subscription, publish, interest change and message
/// between cores carries one; it is never inferred.
///
/// It is a place in the tables of the cores and the generation of the accounts
/// that has it. A place is given again once its account is gone; whoever still
/// names that one then, be it a late message, report or event, names nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AccountId {
    index: u32,
    generation: u32,
}

impl AccountId {
    /// `$G`, the account of every client until accounts are configured.
    pub const GLOBAL: Self = Self::new(0, 0);
    /// `$SYS`, the account of the server itself.
    pub const SYSTEM: Self = Self::new(1, 0);

    /// The account of a generation that has a place.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The position of this account in tables that hold one entry per account.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// Of two accounts that have the same place one after the other, the later
    /// one has the higher generation.
    #[must_use]
    #[inline]
    pub fn generation(self) -> u32 {
        self.generation
    }

    /// Packs the number into the 64 bits that messages between cores carry.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The inverse of [`Self::to_bits`].
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self::new((bits & 0xffff_ffff) as u32, (bits >> 32) as u32)
    }
}

/// What stands at the other end of a connection. It selects the verbs that are
/// understood and how fan-out treats it; leaf, route, gateway and MQTT join
/// this list when their protocols do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionKind {
    /// An application speaking the client protocol.
    Client,
}

impl ConnectionKind {
    /// Its number in messages between cores; zero is nobody's.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Client => 1,
        }
    }

    /// The inverse of [`Self::number`].
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        (number == Self::Client.number()).then_some(Self::Client)
    }

    /// The label that log lines put before the number of a connection.
    #[must_use]
    pub fn log_label(self) -> &'static str {
        match self {
            Self::Client => "cid",
        }
    }
}

/// A connection of one shard: a slot and the generation that occupies it, so
/// that a late event for a closed connection can never reach its successor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionKey {
    /// Slot in the shard's table.
    pub index: u32,
    /// How many connections have occupied the slot before.
    pub generation: u32,
}

impl ConnectionKey {
    /// Packs the key into the 64 bits that readiness interfaces carry.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The inverse of [`Self::to_bits`].
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self {
            index: (bits & 0xffff_ffff) as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// Nanoseconds on the monotonic clock of the shell; the core only compares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Nanos(pub u64);

impl Nanos {
    /// A moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// This moment plus a duration in nanoseconds.
    #[must_use]
    pub fn after_ns(self, duration_ns: u64) -> Self {
        Self(self.0.saturating_add(duration_ns))
    }

    /// Nanoseconds since an earlier moment, zero if it is not earlier.
    #[must_use]
    pub fn since_ns(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "core {}", self.0)
    }
}
