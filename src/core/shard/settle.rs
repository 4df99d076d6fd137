//! Goes on with what was left for later.
//!
//! Who goes on, and when:
//! * connections that waited for something that has come (*released*), first;
//! * connections that have used up their share (*paused*), one slice each in turn;
//!   so whoever costs most waits for others like it, and nobody else does;
//! * connections whose message goes to very many (*wide waiters*), one fan-out at a
//!   time;
//! * what stores have left, and what they tell;
//! * the wide fan-out under way, and subscriptions that end, each a piece per turn.
//!
//! Each kind has its part of the turn's work and gets at least one step, so none
//! starves. Not here: the rows themselves (`backlog`), the pieces of a wide fan-out
//! (`fanout`) and of a withdrawal (`withdraw`).

use std::collections::VecDeque;

use super::Shard;
use super::backlog::Backlog;
use crate::base::id::ConnectionKey;
use crate::session::input::Hold;

impl Shard {
    /// Notes that nothing holds a connection any more. It does not go on at once,
    /// so that no command is executed in the middle of another one.
    pub(super) fn release(&mut self, index: u32) {
        self.connections[index].input.release();
        let key = self.connections.key(index);
        self.backlog.released.push_back(key);
    }

    /// Has a connection go on in turn with others that have much to do.
    pub(super) fn pause(&mut self, index: u32) {
        let connection = &mut self.connections[index];
        debug_assert!(connection.input.reads(), "who waits already needs no row");
        connection.reading.is_heavy = true;
        connection.input.hold_for(Hold::Paused);
        let key = self.connections.key(index);
        self.backlog.paused.push_back(key);
    }

    /// Has a publisher wait until a message to very many may go its way.
    pub(super) fn wait_for_turn(&mut self, index: u32) {
        self.connections[index].input.hold_for(Hold::Wide);
        let key = self.connections.key(index);
        self.backlog.wide_waiters.push_back(key);
    }

    /// Goes on with what was left, before the turn's output is taken.
    pub(super) fn settle(&mut self) {
        debug_assert!(
            self.scratch.large.is_empty(),
            "nothing goes on in the middle of a command"
        );
        self.interests.sweep();
        let backlog_ns = self.config.limits.work.backlog_ns;
        self.work.grant(backlog_ns);
        if self.is_revising() {
            self.revise_some();
        }
        self.serve(Hold::Over, |backlog| &mut backlog.released);
        self.work.grant(self.config.limits.work.store_ns);
        self.step_stores();
        self.look_at_pushes();
        self.work.grant(self.config.limits.work.store_ns);
        self.deliver_from_stores();
        self.work.grant(backlog_ns / 2);
        self.step_wide();
        self.announce_some();
        self.step_withdrawals();
        self.work.grant(backlog_ns);
        self.serve(Hold::Paused, |backlog| &mut backlog.paused);
        self.serve(Hold::Wide, |backlog| &mut backlog.wide_waiters);
    }

    /// Gives one slice to each of a row, as far as the work goes, but at least to
    /// one. Who comes into it meanwhile waits for the next turn.
    fn serve(&mut self, reason: Hold, row: impl Fn(&mut Backlog) -> &mut VecDeque<ConnectionKey>) {
        for _ in 0..row(&mut self.backlog).len() {
            if reason == Hold::Wide && !self.admits_wide(usize::MAX) {
                break;
            }
            let Some(key) = row(&mut self.backlog).pop_front() else {
                break;
            };
            self.go_on(key, reason);
            if self.work.is_spent() {
                break;
            }
        }
    }

    /// Goes on with a connection if it is still held for this reason.
    fn go_on(&mut self, key: ConnectionKey, reason: Hold) {
        let Some(index) = self.connections.find(key) else {
            return;
        };
        let connection = &mut self.connections[index];
        // It stands in this row from before: it has been stalled since, or closed.
        if connection.input.hold() != reason {
            return;
        }
        connection.input.end(reason);
        // A reload that is not done with it releases it then.
        if !connection.input.reads() {
            return;
        }
        let input = std::mem::take(&mut connection.reading.unparsed);
        self.execute_all(index, &input);
        if self.connections[index].input.reads() {
            self.backlog.resumed.push(key);
        }
    }
}
