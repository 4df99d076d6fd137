//! Members of queue groups that another core has chosen here.

use super::super::Shard;
use super::super::frame::{Frame, MessageFrame};
use super::{Delivery, Marks, Receivers, choose_core};
use crate::base::id::CoreId;
use crate::base::limits::{QUEUE_HOPS_MAX, STALL_PENDING_BYTES};
use crate::base::slab::NONE;

impl Shard {
    /// Delivers to one member of a queue group that another core has chosen
    /// here; if none is left, hands the message on to a core that has one.
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
        let Some(queue) = route.queues.iter().find(|queue| queue.queue == number) else {
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
        let core = choose_core(queue, 0, self.config.core);
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
        if message.hops < QUEUE_HOPS_MAX
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
