//! What a turn leaves for the shell, and how far it has been taken.
//!
//! Plain data. Not here: the order in which it leaves (`turn`).

use super::link::MeshBatch;
use super::login::PasswordCheck;
use super::message_trace::TracePart;
use super::system::SystemRequest;
use super::system_events::SystemEvent;
use crate::base::id::{ConnectionKey, CoreId};
use crate::session::close_reason::CloseReason;
use crate::store::disk::{DiskOp, PartitionId};

/// Something that the shell has to do.
pub enum Output {
    /// Changes of interest for another core. It must be delivered, in order with
    /// the batches for that core.
    Control(CoreId, MeshBatch),
    /// An operation of a disk, answered by [`Shard::on_disk`].
    ///
    /// [`Shard::on_disk`]: super::Shard::on_disk
    Disk(PartitionId, DiskOp),
    /// A connection has something to send and its socket has not refused bytes:
    /// see [`Shard::pending_slices`] and [`Shard::on_sent`].
    ///
    /// [`Shard::pending_slices`]: super::Shard::pending_slices
    /// [`Shard::on_sent`]: super::Shard::on_sent
    Send(ConnectionKey),
    /// A connection is over: its socket must be closed. The key is void.
    Closed(ConnectionKey, CloseReason),
    /// A connection is held no longer: its socket must be read again.
    Resume(ConnectionKey),
    /// A batch of another core is dealt with and returns to it.
    Return(CoreId, MeshBatch),
    /// A batch for another core. It must be delivered, in order.
    Batch(CoreId, MeshBatch),
    /// Something is wanted of another thread.
    Ask(Ask),
}

/// What is wanted of other threads.
pub enum Ask {
    /// A password is to be compared with its hash; answered by
    /// [`Shard::on_password_checked`].
    ///
    /// [`Shard::on_password_checked`]: super::Shard::on_password_checked
    Password(PasswordCheck),
    /// A request to the server is to be answered.
    Request(SystemRequest),
    /// An event is to be told.
    Event(SystemEvent),
    /// So many events were dropped, since there was no room for them.
    LostEvents(u64),
    /// A part of the way of a message.
    Trace(TracePart),
}

/// How far the output of a turn has been taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Stage {
    /// Input is still being taken.
    #[default]
    Input,
    /// The changes of interest for this core, by its number, are next.
    Control(u8),
    Disk,
    Send,
    Closed,
    Resume,
    Return(u8),
    Batch(u8),
    Ask,
}
