//! Subscriptions of this core.

use super::filter::Filter;

/// A subscription of a connection of this core.
#[derive(Debug)]
pub struct Subscription {
    /// Slot of the connection.
    pub connection: u32,
    /// Messages delivered since the subscription was made.
    pub delivered: u64,
    /// Total of deliveries after which the subscription ends; zero: never.
    pub delivered_max: u64,
    /// The client's name for the subscription.
    pub sid: Sid,
    /// What it hears of its pattern; changed by
    /// [`set_filter`](super::interest::Interest::set_filter).
    pub(super) filter: Filter,
    /// Slot of its pattern.
    pub(super) pattern: u32,
    /// Slot of its queue group, or [`NONE`](crate::base::slab::NONE).
    pub(super) group: u32,
    /// Its position among the members of pattern or group.
    pub(super) position: u32,
}

// A million of them is what a core holds.
const _: () = assert!(size_of::<Subscription>() == 64);

/// A client's name for a subscription, with the blank that follows it in every
/// delivery. Nearly all are short numbers, which need no allocation.
#[derive(Debug)]
pub enum Sid {
    /// Length and bytes.
    Inline(u8, [u8; 14]),
    /// A longer one.
    Heap(Box<[u8]>),
}

impl Sid {
    /// Keeps a sid.
    #[must_use]
    pub fn new(sid: &[u8]) -> Self {
        let mut inline = [b' '; 14];
        match u8::try_from(sid.len() + 1) {
            Ok(len) if usize::from(len) <= inline.len() => {
                inline[..sid.len()].copy_from_slice(sid);
                Self::Inline(len, inline)
            }
            _ => Self::Heap([sid, b" "].concat().into()),
        }
    }

    /// The sid and a blank.
    #[must_use]
    #[inline]
    pub fn with_blank(&self) -> &[u8] {
        match self {
            Self::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }

    /// The sid.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let all = self.with_blank();
        &all[..all.len() - 1]
    }
}

impl Subscription {
    /// A subscription that has no position yet.
    pub(super) fn new(connection: u32, pattern: u32, group: u32, sid: &[u8]) -> Self {
        Self {
            connection,
            delivered: 0,
            delivered_max: 0,
            sid: Sid::new(sid),
            filter: Filter::Everything,
            pattern,
            group,
            position: 0,
        }
    }
}
