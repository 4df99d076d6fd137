//! INFO to every client, a few hundred per turn: there may be very many.

use super::Shard;
use super::life::Occasion;
use crate::base::limits::{COMMAND_WORK_NS, SUBSCRIPTION_WORK_NS};

impl Shard {
    /// Sends INFO to every client that wants to hear of changes (CONNECT's
    /// `protocol` 1) and has had its first PONG, beginning in this turn. Whoever
    /// comes meanwhile has been told at first.
    pub fn announce_info(&mut self) {
        // Those that have heard of the last change hear of this one too.
        self.backlog.announcing = Some(0);
    }

    /// Goes on with the connections that have not been told, as far as the work
    /// goes, but at least with one.
    pub(super) fn announce_some(&mut self) {
        while let Some(index) = self.backlog.announcing {
            let is_last = index + 1 >= self.connections.slots();
            self.backlog.announcing = (!is_last).then_some(index + 1);
            self.work.charge(COMMAND_WORK_NS);
            self.announce_to(index);
            if self.work.is_spent() {
                return;
            }
        }
    }

    fn announce_to(&mut self, index: u32) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let hears = connection.options.protocol >= 1 && connection.liveness.first_pong_sent;
        if hears && !connection.input.is_closing() {
            let line = self.info_line(index, Occasion::Change);
            self.log_out_line(index, &line);
            self.connections.send_bulk(index, &line);
            self.work.charge(SUBSCRIPTION_WORK_NS);
        }
    }
}
