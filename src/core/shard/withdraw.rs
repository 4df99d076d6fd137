//! The end of all subscriptions of a connection, piece by piece if they are many.
//!
//! Until a withdrawal is over its subscriptions still stand in the interest, but
//! nothing reaches the connection by them ([`Connection::hears`]). It keeps the
//! slot of a connection that ends, so that no other one takes it meanwhile, and
//! holds one that stays, so that it makes no new ones. Other cores hear of it piece
//! by piece too, and only while the links have room.
//!
//! [`Connection::hears`]: crate::session::connection::Connection::hears

use super::Shard;
use super::backlog::Withdrawal;
use super::protocol_log::log_end;
use crate::base::id::ConnectionKey;
use crate::base::limits::SUBSCRIPTION_WORK_NS;
use crate::session::input::Hold;

impl Shard {
    /// Ends all subscriptions of a connection. True if that takes longer: then
    /// nothing reaches it until it is done, and it must be held or ending.
    pub(super) fn withdraw(&mut self, index: u32) -> bool {
        let key = self.connections.key(index);
        let connection = &mut self.connections[index];
        if connection.subscriptions.is_empty() {
            return connection.withdrawals > 0;
        }
        let mut withdrawal = Withdrawal {
            key,
            account: connection.account,
            numbers: Vec::new(),
            parts: std::mem::take(&mut connection.subscriptions).into_parts(),
        };
        if withdrawal.left() <= self.config.limits.work.withdrawn_at_once {
            while !self.end_some(&mut withdrawal) {}
            return self.connections[index].withdrawals > 0;
        }
        let connection = &mut self.connections[index];
        debug_assert!(!withdrawal.is_over(), "it has a last step to come");
        connection.withdrawals += 1;
        connection.renew_hearing();
        self.backlog.withdrawals.push_back(withdrawal);
        true
    }

    /// Goes on with withdrawals, one after the other, as far as budget and links
    /// allow; at least one step.
    pub(super) fn step_withdrawals(&mut self) {
        while let Some(mut withdrawal) = self.backlog.withdrawals.pop_front() {
            if let Some(core) = self.mesh.link_full_of_changes() {
                self.mesh.links[core.index()].demand_return();
                self.backlog.withdrawals.push_front(withdrawal);
                return;
            }
            if self.end_some(&mut withdrawal) {
                self.finish_withdrawal(withdrawal.key);
            } else {
                // The next one gets its step too.
                self.backlog.withdrawals.push_back(withdrawal);
            }
            if self.work.is_spent() {
                return;
            }
        }
    }

    /// Ends some subscriptions; true if these were the last.
    fn end_some(&mut self, withdrawal: &mut Withdrawal) -> bool {
        let interest = &mut self.interests[withdrawal.account];
        let connection = &self.connections[withdrawal.key.index];
        debug_assert_eq!(connection.generation, withdrawal.key.generation);
        debug_assert!(
            connection.subscriptions.is_empty(),
            "it makes no new ones meanwhile"
        );
        for _ in 0..self.config.limits.work.step {
            let Some(number) = withdrawal.pop() else {
                return true;
            };
            if self.config.trace {
                log_end(connection, interest.subscription(number));
            }
            let mesh = &mut self.mesh;
            interest.unsubscribe(number, |announcement| {
                mesh.announce(withdrawal.account, announcement);
            });
            self.work.charge(SUBSCRIPTION_WORK_NS);
            self.backlog.ended += 1;
        }
        withdrawal.is_over()
    }

    fn finish_withdrawal(&mut self, key: ConnectionKey) {
        let index = key.index;
        let connection = &mut self.connections[index];
        assert_eq!(
            connection.generation, key.generation,
            "a withdrawal keeps the slot"
        );
        assert!(connection.withdrawals > 0, "each withdrawal ends once");
        connection.withdrawals -= 1;
        if connection.withdrawals > 0 {
            return;
        }
        if connection.input.is_closing() {
            self.end_if_done(index);
            return;
        }
        connection.renew_hearing();
        if connection.input.hold() == Hold::Withdrawing {
            self.release(index);
        }
    }
}
