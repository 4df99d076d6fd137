//! Members of queue groups that another core has chosen here.

use super::super::Shard;
use super::super::frame::{Frame, MessageFrame};
use super::{Delivery, Marks, Receivers};
use crate::base::id::CoreId;
use crate::base::limits::STALL_PENDING_BYTES;
use crate::base::slab::NONE;
use crate::route::receivers::QueueRoute;

impl Shard {
    /// Delivers to one member of a queue group that another core has chosen
    /// here; if none is left that may have it, hands the message on to a core
    /// that has members, once around.
    pub(super) fn deliver_pick(
        &mut self,
        at: u32,
        frame: &Frame<'_>,
        name: &[u8],
        delivery: &Delivery<'_>,
    ) {
        let message = &frame.message;
        let interest = &mut self.interests[message.account.index()];
        let Some(number) = interest.queue_number(name) else {
            return;
        };
        let (route, subscriptions) = interest.route_parts(at);
        let Some(queue) = route.queue(number) else {
            return;
        };
        let mut receivers = receivers!(self);
        let first = match queue.local.len() {
            0 => 0,
            members => self.rng.below(members as u64) as usize,
        };
        if receivers.deliver_to_one(route, subscriptions, &queue.local, first, delivery) {
            let behind = receivers.marks.behind;
            let interest = &mut self.interests[message.account.index()];
            interest.traffic.count_out(1, delivery.size);
            self.note_stall(message, behind);
            return;
        }
        let core = next_core(queue, self.config.core);
        self.hand_on(message, name, core);
    }

    /// Hands a message on to a core that may have a member, unless it has gone
    /// round for too long.
    pub(super) fn hand_on(
        &mut self,
        message: &MessageFrame<'_>,
        name: &[u8],
        core: Option<CoreId>,
    ) {
        if usize::from(message.hops) < self.config.cores
            && let Some(core) = core
        {
            let onward = MessageFrame {
                is_for_plain: false,
                hops: message.hops + 1,
                ..*message
            };
            self.links[core.index()].send_message(&onward, [name].into_iter());
        }
    }
}

/// The next core with members of a queue group. All cores choose in the same
/// order, so that none is visited twice: members that are counted may still be
/// of no use, since only their own core knows their rights.
pub(super) fn next_core(queue: &QueueRoute, own: CoreId) -> Option<CoreId> {
    let cores = queue.remote.iter().map(|&(core, _)| core);
    cores.min_by_key(|core| core.0.wrapping_sub(own.0))
}
