//! The output of a turn, in the only lawful order.
//!
//! A shell gives the shard everything that has happened and then takes
//! [`Shard::next_output`] until nothing is left; it carries out each output before
//! it asks for the next one. That order is the law that causality between cores
//! rests on, so it is written here alone:
//!
//! 1. what was held goes on, so that nothing new is decided while output leaves;
//! 2. changes of interest to *all* other cores, before anything that they caused
//!    can be learnt of in another way, from a socket or from another core;
//! 3. operations of disks, so that they work while the core sends;
//! 4. sends, so that what batches of other cores have caused is out
//! 5. before those batches return to their senders, which is what a client's PONG
//!    tells of;
//! 6. batches for other cores, and what other threads are asked.
//!
//! Invariant: within a turn the stages only go forward. What sending causes (a
//! receiver that is cut, a publisher that may go on) leaves with the batches or in
//! the next turn.
//!
//! Not here: what an output is (`output`), the work that is gone on with before
//! (`settle`).

use super::Shard;
use super::mutants::Mutant;
use super::output::{Ask, Output, Stage};
use crate::base::id::{ConnectionKey, CoreId};
use crate::base::limits::CLOSE_WORK_NS;
use crate::session::close_reason::CloseReason;
use crate::session::policy::ConnectionType;

impl Shard {
    /// The next thing to be done; `None` ends the turn.
    pub fn next_output(&mut self) -> Option<Output> {
        loop {
            let output = self.output_of(self.stage);
            if output.is_some() {
                return output;
            }
            self.stage = self.stage_after(self.stage);
            if self.stage == Stage::Input {
                return None;
            }
        }
    }

    /// The next output of a stage.
    fn output_of(&mut self, stage: Stage) -> Option<Output> {
        match stage {
            Stage::Input => {
                self.settle();
                let work_ns = self.config.limits.work.send_ns;
                self.connections.begin_sending(work_ns);
                // Closing is what the rest of the turn is charged for.
                self.work.grant(work_ns);
                None
            }
            Stage::Control(core) => self.take_control(CoreId(core)),
            Stage::Disk => self.next_disk_op(),
            Stage::Send => self.next_to_send().map(Output::Send),
            Stage::Closed => {
                let (key, reason) = self.next_closed()?;
                Some(Output::Closed(key, reason))
            }
            Stage::Resume => self.backlog.resumed.pop().map(Output::Resume),
            Stage::Return(core) => {
                let connections = &self.connections;
                let link = self.mesh.links.get_mut(usize::from(core))?;
                let batch = link.take_done(|marked| connections.has_sent(marked))?;
                Some(Output::Return(CoreId(core), batch))
            }
            Stage::Batch(_) if self.keeps_batch() => None,
            Stage::Batch(core) => {
                let batch = self.mesh.links.get_mut(usize::from(core))?.take()?;
                Some(Output::Batch(CoreId(core), batch))
            }
            Stage::Ask => self.next_ask().map(Output::Ask),
        }
    }

    fn stage_after(&self, stage: Stage) -> Stage {
        let is_last = |core: u8| usize::from(core) + 1 >= self.mesh.links.len();
        match stage {
            Stage::Input => Stage::Control(0),
            Stage::Control(core) if is_last(core) => Stage::Disk,
            Stage::Control(core) => Stage::Control(core + 1),
            Stage::Disk => Stage::Send,
            Stage::Send => Stage::Closed,
            Stage::Closed => Stage::Resume,
            Stage::Resume => Stage::Return(0),
            Stage::Return(core) if is_last(core) => Stage::Batch(0),
            Stage::Return(core) => Stage::Return(core + 1),
            Stage::Batch(core) if is_last(core) => Stage::Ask,
            Stage::Batch(core) => Stage::Batch(core + 1),
            Stage::Ask => Stage::Input,
        }
    }

    fn take_control(&mut self, core: CoreId) -> Option<Output> {
        if self.is_mutant(Mutant::AnnounceLate) {
            return None;
        }
        let batch = self.mesh.links.get_mut(core.index())?.take_control()?;
        Some(Output::Control(core, batch))
    }

    fn next_ask(&mut self) -> Option<Ask> {
        if let Some(check) = self.login.checks.pop_front() {
            return Some(Ask::Password(check));
        }
        self.notices.next()
    }

    /// The next connection to send to, whose socket has not refused bytes.
    pub(super) fn next_to_send(&mut self) -> Option<ConnectionKey> {
        while let Some(index) = self.connections.next_marked() {
            let connection = &self.connections[index];
            if !connection.writing.is_blocked {
                return Some(self.connections.key(index));
            }
            // Answers count too, not only messages: a client may ask for ever
            // and never read.
            let pending = connection.writing.outbox.pending_bytes();
            self.connections.note_waiting(index);
            if pending > self.config.limits.max_pending_bytes {
                self.close_slow_consumer(index, CloseReason::SlowConsumerPendingBytes);
            }
        }
        None
    }

    /// The next connection that is over, and why: its socket must be closed.
    /// The key is void afterwards. Beyond the turn's work they wait.
    pub(super) fn next_closed(&mut self) -> Option<(ConnectionKey, CloseReason)> {
        if self.work.is_spent() {
            return None;
        }
        self.work.charge(CLOSE_WORK_NS);
        let key = self.connections.over.pop_front()?;
        let connection = &self.connections[key.index];
        let reason = connection.input.closing();
        if connection.connection_type == ConnectionType::Websocket {
            self.ledger.counts.websockets -= 1;
        }
        self.connections.remove(key);
        Some((key, reason.expect("what is over has ended for a reason")))
    }
}
