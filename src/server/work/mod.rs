//! Where cores leave work for other threads: bounded channels and a queue, which both sides know and
//! which know neither. What threads want of cores goes the other way, as letters (`mailbox`).
//!
//! Nothing waits here: what finds a channel full is dropped, counted where somebody misses it. The
//! queue of password checks is bounded by what each core may have in it.

pub mod password_queue;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use trunkline_core::base::id::CoreId;
use trunkline_core::shard::Ask;
use trunkline_core::shard::message_trace::TracePart;
use trunkline_core::shard::system::SystemRequest;
use trunkline_core::shard::system_events::SystemEvent;

use password_queue::PasswordQueue;

/// Requests to the server that may wait.
const REQUESTS_MAX: usize = 4096;

/// Parts of traced messages that may wait.
const TRACE_PARTS_MAX: usize = 4096;

/// Events that may wait.
const SYSTEM_EVENTS_MAX: usize = 32 << 10;

/// The cores' ends.
#[derive(Clone)]
pub struct Senders {
    /// Passwords to be compared with their hashes.
    pub passwords: Arc<PasswordQueue>,
    /// Requests to the server.
    requests: mpsc::SyncSender<SystemRequest>,
    /// What has happened.
    system_events: SystemEvents,
    /// The ways of traced messages.
    message_traces: mpsc::SyncSender<TracePart>,
}

impl Senders {
    /// Leaves what a core wants of another thread.
    pub fn leave(&self, core: CoreId, ask: Ask) {
        match ask {
            Ask::Password(check) => self.passwords.put(core, check),
            // Beyond the bounds of the channels requests stay unanswered and
            // messages untraced.
            Ask::Request(request) => drop(self.requests.try_send(request)),
            Ask::Trace(part) => drop(self.message_traces.try_send(part)),
            Ask::Event(event) => self.system_events.tell(event),
            Ask::LostEvents(count) => self.system_events.lose(count),
        }
    }
}

/// The other ends of the channels; of the queue both have the same.
pub struct Receivers {
    /// Requests to the server.
    pub requests: mpsc::Receiver<SystemRequest>,
    /// What has happened.
    pub system_events: SystemEventInbox,
    /// The ways of traced messages.
    pub message_traces: mpsc::Receiver<TracePart>,
}

/// All channels.
pub fn channels() -> (Senders, Receivers) {
    let (requests, asked) = mpsc::sync_channel(REQUESTS_MAX);
    let (events, happened) = mpsc::sync_channel(SYSTEM_EVENTS_MAX);
    let (message_traces, traced) = mpsc::sync_channel(TRACE_PARTS_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    let senders = Senders {
        passwords: Arc::default(),
        requests,
        system_events: SystemEvents {
            events,
            lost: Arc::clone(&lost),
        },
        message_traces,
    };
    let receivers = Receivers {
        requests: asked,
        system_events: SystemEventInbox {
            events: happened,
            lost,
        },
        message_traces: traced,
    };
    (senders, receivers)
}

/// Where cores leave events.
#[derive(Clone)]
struct SystemEvents {
    events: mpsc::SyncSender<SystemEvent>,
    lost: Arc<AtomicU64>,
}

/// Where a thread finds them.
pub struct SystemEventInbox {
    /// The events.
    pub events: mpsc::Receiver<SystemEvent>,
    /// How many were dropped since somebody has looked.
    pub lost: Arc<AtomicU64>,
}

impl SystemEvents {
    /// Has an event told, if there is room for it.
    fn tell(&self, event: SystemEvent) {
        if self.events.try_send(event).is_err() {
            self.lose(1);
        }
    }

    /// Notes that events were dropped.
    fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }
}
