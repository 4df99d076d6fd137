//! What other threads may do with a core, in letters that it reads between two
//! turns.

use trunkline_core::base::id::{CoreId, Nanos};
use trunkline_core::shard::Shard;

use super::Core;

impl Core {
    pub(super) fn has_letters(&self) -> bool {
        self.outside.mailboxes[self.id.index()].has_letters()
    }

    /// Does what another thread asks for; one letter per turn.
    pub(super) fn read_letter(&mut self, now: Nanos) {
        if self.has_letters()
            && let Some(letter) = self.outside.mailboxes[self.id.index()].take()
        {
            self.measure_letter(|core| letter(core, now));
        }
    }

    /// Accepts no further connections: the listeners are closed.
    pub fn stop_accepting(&mut self) {
        for acceptor in std::mem::take(&mut self.acceptors) {
            // A listener that pauses is not in the set.
            let _ = self.poller.remove(acceptor.listener());
        }
    }

    /// Accepts as many connections as that from now on.
    pub fn set_connections_max(&mut self, connections_max: usize) {
        for acceptor in &mut self.acceptors {
            acceptor.set_connections_max(connections_max);
        }
    }

    /// Which core this is.
    pub fn id(&self) -> CoreId {
        self.id
    }

    /// The brain of this core, for letters.
    pub fn shard_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }
}
