//! The sending half of a worker's turn: which source may send how much, and how long to wait if none may.

use std::sync::atomic::Ordering::Relaxed;

use crate::engine::pace::Pace;
use crate::engine::publisher::State;
use crate::engine::worker::{GLANCE_NS, Link, Role, Run, SENDS_PER_TURN, Worker};
use crate::parse::Amount;

/// How long to wait when only the window holds us back; receivers in other threads cannot wake us.
const WINDOW_WAIT_NS: u64 = 200_000;

/// What became of one source's turn.
enum Pumped {
    /// Something went out.
    Sent,
    /// Blocked, busy, finished, or not due yet: others may go on.
    Nothing,
    /// Too much is under way.
    WindowFull,
}

/// How far a source may go in this phase.
struct Allowance {
    /// Messages in the whole phase.
    target: u64,
    /// Messages that may have been sent by now.
    due: u64,
    /// Time is over, even if the target is not reached.
    over: bool,
}

impl Worker {
    /// Lets sources send, up to a bound; returns how long the loop may wait.
    pub(super) fn send_all(&mut self, run: &mut Run<'_>) -> u64 {
        let mut sent = 0;
        for index in std::mem::take(&mut run.unblocked) {
            let Some(position) = self.position_of(index) else {
                continue;
            };
            let pumped = self.pump(run, position);
            sent += usize::from(matches!(pumped, Pumped::Sent));
            // One that is behind its schedule is looked at again until it has caught up.
            if run.pace.is_some() && matches!(pumped, Pumped::Sent | Pumped::WindowFull) {
                run.unblocked.push(index);
            }
        }
        let wait_ns = match run.pace {
            Some(pace) => self.send_due(run, &pace, &mut sent),
            None => self.send_round(run, &mut sent),
        };
        if sent > 0 || !run.unblocked.is_empty() {
            0
        } else {
            wait_ns
        }
    }

    /// Closed loop: round and round.
    fn send_round(&mut self, run: &mut Run<'_>, sent: &mut usize) -> u64 {
        for _ in 0..self.source_links.len() {
            let position = (run.cursor % self.source_links.len() as u64) as usize;
            match self.pump(run, position) {
                Pumped::Sent => *sent += 1,
                Pumped::Nothing => {}
                Pumped::WindowFull => return WINDOW_WAIT_NS,
            }
            run.cursor += 1;
            if *sent >= SENDS_PER_TURN {
                return 0;
            }
        }
        let left_ns = run.deadline_ns.saturating_sub(run.now_ns);
        GLANCE_NS.min(left_ns.max(100_000))
    }

    /// Open loop: strictly by the numbers of the schedule. A source that cannot send when its number comes is passed
    /// by; it is among the unblocked ones as soon as it can, and catches up there.
    fn send_due(&mut self, run: &mut Run<'_>, pace: &Pace, sent: &mut usize) -> u64 {
        let count = self.source_links.len() as u64;
        while count > 0 && *sent < SENDS_PER_TURN {
            let (position, number) = ((run.cursor % count) as usize, run.cursor / count);
            let target = run.allowance(position, number).target;
            if number > target {
                // Every source has been told that it is at its end.
                return GLANCE_NS;
            }
            let due_ns = pace.due_ns(position, number);
            if due_ns > run.now_ns && number < target {
                return due_ns - run.now_ns;
            }
            if self.sent_by(position) <= number {
                match self.pump(run, position) {
                    Pumped::Sent => *sent += 1,
                    Pumped::Nothing => {}
                    Pumped::WindowFull => return WINDOW_WAIT_NS,
                }
            }
            run.cursor += 1;
        }
        GLANCE_NS
    }

    fn sent_by(&self, position: usize) -> u64 {
        match &self.links[self.source_links[position]].role {
            Role::Publisher(publisher) => publisher.published,
            Role::Client(client) => client.sent,
            _ => 0,
        }
    }

    fn position_of(&self, index: usize) -> Option<usize> {
        self.source_links.binary_search(&index).ok()
    }

    fn pump(&mut self, run: &mut Run<'_>, position: usize) -> Pumped {
        let index = self.source_links[position];
        let connection = &mut self.links[index].connection;
        if !connection.open || !connection.writable {
            return Pumped::Nothing;
        }
        self.flush(run, index);
        if !self.links[index].connection.open || self.links[index].connection.has_output() {
            return Pumped::Nothing;
        }
        match &self.links[index].role {
            Role::Publisher(_) => self.pump_publisher(run, position, index),
            Role::Client(_) => self.pump_client(run, position, index),
            _ => Pumped::Nothing,
        }
    }

    fn pump_publisher(&mut self, run: &mut Run<'_>, position: usize, index: usize) -> Pumped {
        let Link {
            connection,
            role: Role::Publisher(publisher),
            able_since_ns,
            ..
        } = &mut self.links[index]
        else {
            return Pumped::Nothing;
        };
        if publisher.lap_is_done() {
            if publisher.state != State::Sending {
                return Pumped::Nothing;
            }
            let allowance = run.allowance(position, publisher.published);
            if allowance.over || publisher.published >= allowance.target {
                publisher.state = State::Barrier;
                connection.control.extend_from_slice(b"PING\r\n");
                run.note_unsent(&allowance, publisher.published);
                self.flush(run, index);
                return Pumped::Sent;
            }
            let Some(due) = allowance
                .due
                .checked_sub(publisher.published)
                .filter(|due| *due > 0)
            else {
                return Pumped::Nothing;
            };
            let room = run
                .share
                .phase
                .window
                .saturating_sub(run.share.shared.under_way());
            if room == 0 {
                return Pumped::WindowFull;
            }
            let per_message = run
                .share
                .groups
                .get(publisher.group)
                .map_or(0, |group| if group.joint { 1 } else { group.members });
            let limit = due.min((room / per_message.max(1)).max(1));
            run.note_lag(position, publisher.published, *able_since_ns);
            let begun = publisher.begin_lap(limit, |number| run.due_ns(position, number));
            run.tally.published += begun.messages;
            run.tally.published_bytes += begun.payload_bytes;
            run.share
                .shared
                .published
                .fetch_add(begun.messages, Relaxed);
            run.share
                .shared
                .owed
                .fetch_add(begun.deliveries * per_message, Relaxed);
        }
        match publisher.send_lap(connection) {
            Ok(0) => Pumped::Nothing,
            Ok(_) => Pumped::Sent,
            Err(error) => {
                self.close(run, index, error.to_string());
                Pumped::Nothing
            }
        }
    }

    fn pump_client(&mut self, run: &mut Run<'_>, position: usize, index: usize) -> Pumped {
        let Link {
            connection,
            role: Role::Client(client),
            able_since_ns,
            ..
        } = &mut self.links[index]
        else {
            return Pumped::Nothing;
        };
        if !client.is_free() || client.state != State::Sending {
            return Pumped::Nothing;
        }
        let allowance = run.allowance(position, client.sent);
        if allowance.over || client.sent >= allowance.target {
            run.note_unsent(&allowance, client.sent);
            self.finish_source(run, index);
            return Pumped::Sent;
        }
        if allowance.due <= client.sent {
            return Pumped::Nothing;
        }
        run.note_lag(position, client.sent, *able_since_ns);
        // In a closed loop the clock is read anew: the turn's reading may be older than the request.
        let time_ns = if run.pace.is_some() {
            run.due_ns(position, client.sent)
        } else {
            crate::clock::now_ns()
        };
        let size = client.request(time_ns, &mut connection.control);
        run.tally.published += 1;
        run.tally.published_bytes += size as u64;
        run.share.shared.published.fetch_add(1, Relaxed);
        self.flush(run, index);
        Pumped::Sent
    }
}

impl Run<'_> {
    /// When message `number` of a source is meant to go out: now, unless there is a schedule.
    fn due_ns(&self, position: usize, number: u64) -> u64 {
        self.pace
            .as_ref()
            .map_or(self.now_ns, |pace| pace.due_ns(position, number))
    }

    fn allowance(&self, position: usize, sent: u64) -> Allowance {
        let target = match (self.share.phase.amount, &self.pace) {
            (Amount::Count(count), _) => {
                let (sources, source) = (
                    self.share.sources as u64,
                    (self.share.first_source + position) as u64,
                );
                count / sources + u64::from(source < count % sources)
            }
            (Amount::Time(_), Some(pace)) => pace.due_count(position, self.deadline_ns - 1),
            (Amount::Time(_), None) => u64::MAX,
        };
        let due = self.pace.as_ref().map_or(target, |pace| {
            pace.due_count(position, self.now_ns).min(target)
        });
        // Behind its schedule, an open loop may catch up for a while, but not for ever.
        let grace_ns = if self.pace.is_some() {
            self.share.phase.drain_timeout.as_nanos() as u64
        } else {
            0
        };
        Allowance {
            target,
            due,
            over: self.now_ns >= self.deadline_ns.saturating_add(grace_ns) && sent < target,
        }
    }

    fn note_unsent(&mut self, allowance: &Allowance, sent: u64) {
        if self.pace.is_some() && sent < allowance.target {
            let unsent = allowance.target - sent;
            self.tally.error(format!(
                "the rate could not be kept: {unsent} messages of a source were never sent"
            ));
        }
    }

    fn note_lag(&mut self, position: usize, number: u64, able_since_ns: u64) {
        if let Some(pace) = &self.pace {
            let lag_ns = self
                .now_ns
                .saturating_sub(pace.due_ns(position, number).max(able_since_ns));
            self.tally.send_lag.saturating_record(lag_ns.max(1));
        }
    }
}
