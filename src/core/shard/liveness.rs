//! What time does to connections: PINGs, deadlines, stalls.

use tracing::info;

use super::Shard;
use crate::base::id::Nanos;
use crate::base::limits::{COMMAND_WORK_NS, FIRST_PING_NS, RTT_INTERVAL_NS, SEND_WORK_NS};
use crate::base::shown::duration;
use crate::session::close_reason::CloseReason;
use crate::session::input::Hold;
use crate::wire::encode;

impl Shard {
    /// Does everything that is due.
    pub fn on_tick(&mut self) {
        let now = self.clock.mono;
        self.work.grant(self.config.limits.work.input_ns);
        // What is due beyond that is due in the next turn.
        while !self.work.is_spent()
            && let Some((at, key)) = self.deadlines.pop_due(now)
        {
            debug_assert!(at <= now, "nothing comes before its time");
            self.work.charge(COMMAND_WORK_NS);
            let Some(index) = self.connections.find(key) else {
                continue;
            };
            if self.connections[index].timer != at {
                continue;
            }
            self.connections[index].timer = Nanos::NEVER;
            self.work.charge(SEND_WORK_NS);
            self.check_deadlines(index);
            if self.connections.find(key).is_some() {
                self.schedule(index);
            }
        }
    }

    /// Makes sure that the shard looks at a connection when its next deadline
    /// comes. An entry for a later moment becomes stale.
    pub(super) fn schedule(&mut self, index: u32) {
        let key = self.connections.key(index);
        let connection = &mut self.connections[index];
        let next = connection.next_deadline();
        if next < connection.timer {
            connection.timer = next;
            self.deadlines.insert(next, key);
        }
        debug_assert!(connection.timer <= next, "it is looked at in time");
    }

    /// The socket must have accepted what waits now by the write deadline.
    pub(super) fn set_write_mark(&mut self, index: u32) {
        let deadline = self
            .clock
            .mono
            .after_ns(self.config.limits.write_deadline_ns);
        let connection = &mut self.connections[index];
        debug_assert!(
            !connection.input.is_closing(),
            "who ends keeps the deadline of its end"
        );
        connection.writing.demand(deadline);
        self.schedule(index);
    }

    fn check_deadlines(&mut self, index: u32) {
        let now = self.clock.mono;
        if self.connections[index].writing.deadline <= now {
            self.check_writes(index);
        }
        let connection = &self.connections[index];
        if connection.login.deadline <= now && !connection.input.is_closing() {
            self.log_error(index, "Authentication Timeout");
            self.send_error(index, b"Authentication Timeout");
            self.close(index, CloseReason::AuthenticationTimeout);
        }
        if self.connections[index].liveness.next_ping <= now {
            self.heartbeat(index);
        }
        match self.connections[index].input.hold() {
            Hold::Stalled { until } if until <= now => self.release(index),
            Hold::CheckFull { until } if until <= now => self.ask_for_check_again(index),
            Hold::Refused { until } if until <= now => self.turn_away(index),
            _ => {}
        }
    }

    fn check_writes(&mut self, index: u32) {
        let connection = &mut self.connections[index];
        connection.writing.deadline = Nanos::NEVER;
        if connection.input.is_closing() {
            self.abandon_outbox(index);
        } else if connection.writing.sent_bytes < connection.writing.due_bytes {
            let accepts = connection.writing.sent_bytes > connection.writing.due_from;
            if accepts && self.config.limits.retries_writes {
                self.note_slow_consumer(index);
                self.set_write_mark(index);
                return;
            }
            self.close_slow_consumer(index, CloseReason::SlowConsumerWriteDeadline);
        } else if connection.writing.is_blocked {
            self.set_write_mark(index);
        }
    }

    /// Counts a slow consumer that may stay.
    fn note_slow_consumer(&mut self, index: u32) {
        let connection = &self.connections[index];
        debug_assert!(!connection.input.is_closing(), "it stays");
        let deadline = duration(self.config.limits.write_deadline_ns);
        let pending = connection.writing.outbox.pending_bytes();
        info!(
            "{} - Slow Consumer State: WriteDeadline of {deadline} exceeded with {pending} bytes pending.",
            connection.label()
        );
        self.ledger.endings.slow_consumers += 1;
        self.interests[connection.account].slow_consumers += 1;
    }

    /// The PING timer of the reference server: quiet while the peer talks,
    /// unless the round trip has not been measured for long.
    fn heartbeat(&mut self, index: u32) {
        let now = self.clock.mono;
        let connection = &mut self.connections[index];
        debug_assert!(
            !connection.input.is_closing(),
            "nobody asks whether the dead live"
        );
        if connection.input.awaits_login() {
            // A client that waits for an answer to CONNECT expects nothing else.
            connection.liveness.next_ping = now.after_ns(FIRST_PING_NS);
            return;
        }
        let limits = &self.config.limits;
        let (interval_ns, outstanding_max) = (self.ping_interval_ns(index), limits.ping_max);
        let liveness = &mut self.connections[index].liveness;
        liveness.next_ping = now.after_ns(interval_ns);
        let measures = liveness.measures_again(now, RTT_INTERVAL_NS);
        if !measures && now.since_ns(liveness.last_input) < interval_ns {
            return;
        }
        if liveness.outstanding_pings + 1 > outstanding_max {
            self.send_error(index, b"Stale Connection");
            self.close(index, CloseReason::StaleConnection);
            return;
        }
        liveness.note_ping(now);
        debug_assert!(
            liveness.outstanding_pings <= outstanding_max,
            "who leaves more unanswered is closed"
        );
        self.send(index, encode::PING);
    }
}
