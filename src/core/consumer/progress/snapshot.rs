//! The whole progress of a consumer as bytes.

use super::{Pending, Progress};
use crate::base::id::Nanos;
use crate::consumer::config::ConsumerConfig;
use crate::consumer::notes::{Note, read_number, write_number};

/// Of what is written here.
const VERSION: u64 = 1;

impl Progress {
    /// Appends everything: the sequences, what is pending, and what is exhausted.
    pub fn snapshot(&self, into: &mut Vec<u8>) {
        let (delivered, floor) = (self.delivered, self.floor);
        write_number(VERSION, into);
        write_number(self.last_ones_until, into);
        for number in [
            delivered.consumer,
            delivered.stream,
            floor.consumer,
            floor.stream,
        ] {
            write_number(number, into);
        }
        write_number(self.pending.len() as u64, into);
        for (&stream, pending) in &self.pending {
            for number in [stream, pending.first, pending.deliveries, pending.due.0] {
                write_number(number, into);
            }
        }
        write_number(self.exhausted.len() as u64, into);
        for &stream in &self.exhausted {
            write_number(stream, into);
        }
    }

    /// What a snapshot says; `None` if it is none.
    #[must_use]
    pub fn read(config: &ConsumerConfig, keeps_notes: bool, snapshot: &[u8]) -> Option<Self> {
        let mut bytes = snapshot;
        let mut number = || read_number(&mut bytes);
        let redelivery = config.redelivery.clone();
        let mut restored = Self::new(config.ack_policy, redelivery, 0, keeps_notes);
        if number()? != VERSION {
            return None;
        }
        restored.last_ones_until = number()?;
        restored.delivered.consumer = number()?;
        restored.delivered.stream = number()?;
        restored.floor.consumer = number()?;
        restored.floor.stream = number()?;
        for _ in 0..number()? {
            let stream = number()?;
            let pending = Pending {
                first: number()?.max(1),
                deliveries: number()?.max(1),
                due: Nanos(number()?),
            };
            restored.redelivered += u64::from(pending.deliveries > 1);
            restored.replace(stream, pending, pending);
        }
        for _ in 0..number()? {
            restored.exhausted.insert(number()?);
        }
        bytes.is_empty().then_some(restored)
    }

    /// Makes changes again that were noted; `None` if the bytes are no notes.
    pub fn replay(&mut self, notes: &[u8]) -> Option<()> {
        let mut rest = notes;
        while !rest.is_empty() {
            self.apply(Note::decode(&mut rest)?);
        }
        Some(())
    }
}
