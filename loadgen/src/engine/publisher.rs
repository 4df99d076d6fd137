//! One publishing connection: laps of prebuilt PUBs, then a PING/PONG barrier.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::batch::Batch;
use crate::net::conn::Connection;
use crate::stamp::Stamp;

/// A publisher. A *lap* is what it has decided to send next: a run of messages that goes out in one write if the
/// kernel takes it, and that counts as published from the moment it begins.
pub struct Publisher {
    /// Which publisher, in stamps.
    pub id: u32,
    /// The group of subscribers that gets its messages.
    pub group: usize,
    batch: Arc<Batch>,
    /// Payloads carry stamps, so laps are copied and stamped.
    stamped: bool,
    lap_messages_max: u64,
    lap_bytes_max: usize,
    /// Messages ever begun; the next sequence.
    sequence: u64,
    stamped_lap: Vec<u8>,
    /// What is left of the lap: in `stamped_lap`, or in the batch.
    lap: Range<usize>,
    /// Messages begun in this phase.
    pub published: u64,
    /// Deliveries promised in this phase, to each subscriber or to a joint group.
    pub promised: u64,
    /// Where the publisher is in this phase.
    pub state: State,
}

/// Progress of a source through a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Sending.
    Sending,
    /// All sent, waiting for the server to say that it has seen all.
    Barrier,
    /// Finished, or failed.
    Done,
}

/// How a publisher sends.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Stamp payloads.
    pub stamped: bool,
    /// Most messages per write.
    pub lap_messages_max: u64,
    /// Most bytes per write (except for one larger message).
    pub lap_bytes_max: usize,
}

/// What one lap began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Begun {
    /// Messages.
    pub messages: u64,
    /// Payload bytes.
    pub payload_bytes: u64,
    /// Deliveries they promise.
    pub deliveries: u64,
}

impl Publisher {
    /// A publisher that has sent nothing yet.
    pub fn new(id: u32, group: usize, batch: Arc<Batch>, style: Style) -> Self {
        Publisher {
            id,
            group,
            batch,
            stamped: style.stamped,
            lap_messages_max: style.lap_messages_max.max(1),
            lap_bytes_max: style.lap_bytes_max,
            sequence: 0,
            stamped_lap: Vec::new(),
            lap: 0..0,
            published: 0,
            promised: 0,
            state: State::Done,
        }
    }

    /// Begins a phase.
    pub fn restart(&mut self) {
        self.published = 0;
        self.promised = 0;
        self.state = State::Sending;
    }

    /// Messages ever published.
    pub fn total(&self) -> u64 {
        self.sequence
    }

    /// Whether the last lap is out.
    pub fn lap_is_done(&self) -> bool {
        self.lap.is_empty()
    }

    /// Decides on the next lap, of at most `limit` (≥ 1) messages. `time_ns(n)` is the stamp of this phase's message `n`.
    pub fn begin_lap(&mut self, limit: u64, time_ns: impl Fn(u64) -> u64) -> Begun {
        debug_assert!(self.lap_is_done() && limit > 0);
        let first = (self.sequence % self.batch.len() as u64) as usize;
        let count = self
            .batch
            .fitting(first, limit.min(self.lap_messages_max), self.lap_bytes_max);
        let range = self.batch.range(first, count);
        let payload_bytes = self.batch.payload_bytes(first, count);
        if self.stamped {
            self.stamp_lap(first, count, range, time_ns);
        } else {
            self.lap = range;
        }
        let deliveries = self.batch.deliveries(self.sequence, count as u64);
        self.sequence += count as u64;
        self.published += count as u64;
        self.promised += deliveries;
        Begun {
            messages: count as u64,
            payload_bytes,
            deliveries,
        }
    }

    fn stamp_lap(
        &mut self,
        first: usize,
        count: usize,
        range: Range<usize>,
        time_ns: impl Fn(u64) -> u64,
    ) {
        self.stamped_lap.clear();
        self.stamped_lap
            .extend_from_slice(&self.batch.bytes()[range]);
        let mut at = 0;
        for offset in 0..count {
            let (payload, size) = self.batch.payload_place(first + offset);
            let stamp = Stamp {
                time_ns: time_ns(self.published + offset as u64),
                publisher: self.id,
                sequence: self.sequence + offset as u64,
            };
            let start = at + payload;
            stamp.write(&mut self.stamped_lap[start..start + size]);
            at = start + size + 2;
        }
        self.lap = 0..self.stamped_lap.len();
    }

    /// Sends what is left of the lap; returns the bytes that went out.
    pub fn send_lap(&mut self, connection: &mut Connection) -> io::Result<usize> {
        let source = if self.stamped {
            self.stamped_lap.as_slice()
        } else {
            self.batch.bytes()
        };
        let sent = connection.send(&source[self.lap.clone()])?;
        self.lap.start += sent;
        Ok(sent)
    }

    /// Puts the rest of a lap that is cut in the middle into the control bytes, so that what is appended there next
    /// does not end up inside a message.
    pub fn move_lap_to_control(&mut self, connection: &mut Connection) {
        let source = if self.stamped {
            self.stamped_lap.as_slice()
        } else {
            self.batch.bytes()
        };
        connection
            .control
            .extend_from_slice(&source[self.lap.clone()]);
        self.lap = 0..0;
    }
}
