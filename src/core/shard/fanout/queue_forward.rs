//! Members of queue groups that another core has chosen here: a message for one that
//! has none left goes on to the next core that has.

use super::super::Shard;
use super::super::connections::deliver::Deliverer;
use super::super::frame::MessageFrame;
use super::super::message::{Flight, Message, Observer, Place};
use crate::base::id::CoreId;
use crate::base::width;
use crate::route::receivers::QueueRoute;

impl Shard {
    /// Delivers to one member of a queue group that another core has chosen
    /// here; if none is left that may have it, hands the message on to a core
    /// that has members, once around.
    pub(super) fn deliver_queue_forward<O: Observer>(
        &mut self,
        place: Place,
        frame: &MessageFrame<'_>,
        name: &[u8],
        message: &Message<'_>,
        flight: &mut Flight,
        observer: &mut O,
    ) {
        let interest = &mut self.interests[place.account];
        let Some(number) = interest.queue_number(name) else {
            return;
        };
        let (route, subscriptions) = interest.route_parts(place.at);
        let Some(queue) = route.queue(number) else {
            return;
        };
        let first = match queue.local.len() {
            0 => 0,
            members => width::size(self.rng.below(members as u64)),
        };
        let mut deliverer = Deliverer {
            connections: &mut self.connections,
            subscriptions,
            head: message.head(route),
            message,
            flight,
            observer,
        };
        if !deliverer.deliver_to_one(&queue.local, first) {
            let core = next_core(queue, self.config.core);
            self.mesh
                .hand_on_queue_forward(frame, name, core, self.config.cores);
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
