//! What an operator may do with one connection from afar (NATS 2.15: `KICK` and
//! `LDM` of the system account).

use super::Shard;
use super::life::Occasion;
use crate::session::close_reason::CloseReason;

impl Shard {
    /// Closes the connection of this number without a word; false if it is not
    /// one of this shard.
    pub fn kick(&mut self, client_id: u64) -> bool {
        let found = self.find_client(client_id);
        if let Some(index) = found {
            self.close(index, CloseReason::Kicked);
        }
        found.is_some()
    }

    /// Tells one client that it should look for another server; `None` if it is
    /// not one of this shard, false if it would not understand.
    pub fn send_lame_duck(&mut self, client_id: u64) -> Option<bool> {
        let index = self.find_client(client_id)?;
        let connection = &self.connections[index];
        let understands = connection.options.protocol >= 1 && connection.liveness.first_pong_sent;
        if understands {
            self.log_debug(index, "Sending Lame Duck Mode info to client");
            let mut config = (*self.config).clone();
            config.server.is_lame_duck = true;
            let own = std::mem::replace(&mut self.config, config.into());
            self.send_info(index, Occasion::Change);
            self.config = own;
        }
        Some(understands)
    }

    /// The slot of an open connection by its number: a walk over all of them,
    /// for rare use.
    fn find_client(&self, client_id: u64) -> Option<u32> {
        let mut keys = self.connections.keys();
        let is_meant = |index: u32| {
            let connection = &self.connections[index];
            connection.client_id == client_id && !connection.input.is_closing()
        };
        keys.find(|key| is_meant(key.index)).map(|key| key.index)
    }
}
