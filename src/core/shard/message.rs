//! A message on its way to its receivers: what it is, who publishes it, by which
//! place it is found, and who looks on.
//!
//! Plain data. Not here: how it gets into an outbox (`connections`), how its
//! receivers are found (`fanout`), how it looks between cores (`frame`).

use bytes::Bytes;

use crate::base::core_set::CoreSet;
use crate::base::id::{AccountId, ConnectionKey, ConnectionKind, CoreId, Nanos};
use crate::base::limits::{COPIED_BYTES_PER_NS, DELIVERY_WORK_NS, SHARED_TAIL_BYTES};
use crate::base::slab::NONE;
use crate::base::width;
use crate::route::interest::Interest;
use crate::route::receivers::{Route, Target};
use crate::route::subscription::Subscription;
use crate::session::connection::Connection;
use crate::session::stalling::Behind;

/// How the control line of a message was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// It is the connection's last one again ([`LastLine`]).
    ///
    /// [`LastLine`]: crate::wire::repeat::LastLine
    Repeated,
    /// It was taken apart.
    Parsed,
}

/// Where the receivers of a message are found: the place of a route in the
/// interest of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub account: AccountId,
    pub at: u32,
}

/// Who publishes a message: it decides on echo, and on who waits for receivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// A connection of this core.
    Connection {
        /// Its slot.
        slot: u32,
        /// What it is.
        kind: ConnectionKind,
    },
    /// A connection of another core.
    Remote {
        /// Its core.
        core: CoreId,
        /// Its key there.
        key: ConnectionKey,
        /// What it is.
        kind: ConnectionKind,
    },
    /// A consumer of this core.
    Consumer {
        /// Its key among those of publishers.
        key: ConnectionKey,
    },
    /// The server itself.
    Server,
}

impl Source {
    /// The slot of the publisher, if it is a connection of this core.
    #[inline]
    pub fn slot(self) -> Option<u32> {
        match self {
            Self::Connection { slot, .. } => Some(slot),
            Self::Remote { .. } | Self::Consumer { .. } | Self::Server => None,
        }
    }
}

/// A message in the form in which it is delivered. The route that it is found by
/// is given beside it.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    /// Who publishes it.
    pub source: Source,
    /// What a delivery begins with (`HMSG subject `) if receivers are shown another
    /// subject than that of the route: a stored message is found by an inbox.
    pub shown: Option<&'a [u8]>,
    /// What follows the sid: `[reply ][header size ]size\r\n`, and the payload too
    /// if it lies behind it.
    pub line: &'a [u8],
    /// The payload with its line end, if it lies elsewhere; else empty.
    pub body: &'a [u8],
    /// Whether it has a header block.
    pub has_header: bool,
    /// Bytes of header block and body.
    pub size: usize,
}

impl Message<'_> {
    /// How much delivering it to so many receivers counts for, in deliveries of
    /// short messages. What receivers share is not copied.
    #[inline]
    pub fn weight(&self, receivers: usize) -> usize {
        weight(receivers, self.len())
    }

    /// What a delivery with headers begins with if it is found by a route.
    #[inline]
    pub fn head<'b>(&'b self, route: &'b Route) -> &'b [u8] {
        self.shown.unwrap_or_else(|| route.head())
    }

    /// Its bytes in an outbox, without what a delivery begins with.
    pub fn len(&self) -> usize {
        self.line.len() + self.body.len()
    }

    /// Its reply subject, if it has one.
    pub fn reply(&self) -> Option<&[u8]> {
        let line_end = memchr::memchr(b'\n', self.line).unwrap_or(self.line.len());
        let line = &self.line[..line_end];
        let sizes = 1 + usize::from(self.has_header);
        let words = line.split(|&byte| byte == b' ').count();
        let first = line.split(|&byte| byte == b' ').next();
        first.filter(|_| words > sizes)
    }
}

/// A message on its way to the receivers of one core.
pub(super) struct Flight {
    /// The moment at which it goes on.
    pub now: Nanos,
    /// Its receivers are many: their sends may wait.
    pub is_bulk: bool,
    /// Pending bytes at which a receiver has fallen behind.
    pub pending_noticed: u64,
    /// A receiver that has, or [`NONE`].
    pub behind: u32,
    /// Slot of the publisher if it is on this core, or [`NONE`].
    pub own: u32,
    /// Deliveries.
    pub delivered: u64,
    /// What trying a receiver costs, in nominal nanoseconds.
    pub try_ns: u64,
    /// The work that was done, in nominal nanoseconds.
    pub work_ns: u64,
    /// What all receivers share of a large message.
    pub shared: Option<Bytes>,
}

impl Flight {
    /// The work that was done since this was last asked, in nominal nanoseconds.
    #[inline]
    pub fn take_work_ns(&mut self) -> u64 {
        std::mem::take(&mut self.work_ns)
    }

    /// It goes on at a later moment.
    pub fn go_on(&mut self, now: Nanos) {
        self.now = now;
    }

    /// A receiver that has fallen behind.
    #[inline]
    pub fn behind(&self) -> Option<Behind> {
        (self.behind != NONE).then_some(Behind {
            receiver: self.behind,
            pending_bytes: self.pending_noticed,
        })
    }
}

/// Who looks on while a message is delivered.
pub(super) trait Observer {
    /// Looks at a receiver before its delivery and decides on that.
    fn look(
        &mut self,
        connection: &Connection,
        subscription: &Subscription,
        target: Target,
        is_own: bool,
    ) -> Look;

    /// Names the receivers that it has looked at, while their subscriptions are
    /// all still there.
    fn name(&mut self, interest: &Interest);

    /// Notes the cores that the message was handed to.
    fn note_cores(&mut self, cores: CoreSet);
}

/// What an observer decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// The message is delivered, if the receiver takes it.
    Deliver,
    /// The receiver would take it, but does not get it.
    Spare,
    /// The receiver does not take it.
    Refused,
}

/// Nobody looks on.
pub(super) struct Unobserved;

impl Observer for Unobserved {
    #[inline(always)]
    fn look(&mut self, _: &Connection, _: &Subscription, _: Target, _: bool) -> Look {
        Look::Deliver
    }

    #[inline(always)]
    fn name(&mut self, _: &Interest) {}

    #[inline(always)]
    fn note_cores(&mut self, _: CoreSet) {}
}

/// What trying a receiver of so many bytes costs, in nominal nanoseconds. What
/// receivers share is not copied.
#[inline]
pub(super) fn try_work_ns(len: usize) -> u64 {
    match len < SHARED_TAIL_BYTES {
        true => DELIVERY_WORK_NS + len as u64 / COPIED_BYTES_PER_NS,
        false => DELIVERY_WORK_NS,
    }
}

/// See [`Message::weight`].
#[inline]
pub(super) fn weight(receivers: usize, len: usize) -> usize {
    receivers.saturating_mul(width::size(try_work_ns(len) / DELIVERY_WORK_NS))
}
