//! What other threads are to be told or asked: noted by the shard in the course of
//! its turn, taken by the shell at the end of it ([`super::Ask`]).
//!
//! Bounds: [`SYSTEM_NOTES_MAX`] of each kind wait; those beyond are dropped, events
//! not without being counted.

use std::collections::VecDeque;

use super::message_trace::Traces;
use super::output::Ask;
use super::system::SystemRequest;
use super::system_events::SystemEvent;
use crate::base::limits::SYSTEM_NOTES_MAX;

/// What waits to be told or asked.
#[derive(Default)]
pub(super) struct Notices {
    /// Requests to the server itself.
    pub requests: VecDeque<SystemRequest>,
    /// Events that somebody listens to.
    pub events: VecDeque<SystemEvent>,
    /// Events for which there was no room.
    pub lost_events: u64,
    /// Messages whose way is being written down.
    pub traces: Traces,
}

impl Notices {
    /// Notes an event.
    pub fn note_event(&mut self, event: SystemEvent) {
        match self.events.len() < SYSTEM_NOTES_MAX {
            true => self.events.push_back(event),
            false => self.lost_events += 1,
        }
    }

    /// Whether there is room for another request.
    pub fn has_room_for_request(&self) -> bool {
        self.requests.len() < SYSTEM_NOTES_MAX
    }

    /// The oldest thing to be told or asked.
    pub fn next(&mut self) -> Option<Ask> {
        if let Some(request) = self.requests.pop_front() {
            return Some(Ask::Request(request));
        }
        if let Some(event) = self.events.pop_front() {
            return Some(Ask::Event(event));
        }
        if let Some(part) = self.traces.next_part() {
            return Some(Ask::Trace(part));
        }
        let lost = std::mem::take(&mut self.lost_events);
        (lost > 0).then_some(Ask::LostEvents(lost))
    }
}
