//! Requests for messages (`$JS.API.CONSUMER.MSG.NEXT`, ADR-13): who waits, how many
//! messages each may still have, and with what its wait ends.
//!
//! Requests are served in turn, a message each. Bounds: `max_waiting` requests.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::Value;

use super::config::PullConfig;
use super::status::{Left, Say, Status};
use crate::base::id::Nanos;
use crate::base::shown::duration;

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PullRequest {
    /// Messages; who asks for none gets one.
    pub batch: u64,
    /// How long it waits; `None`: until it is served.
    pub expires_ns: Option<u64>,
    /// Most bytes of all its messages.
    pub max_bytes: Option<u64>,
    /// Whether it takes what is there and waits for nothing.
    pub no_wait: bool,
    /// Silence after which it wants to hear that it is not forgotten.
    pub heartbeat_ns: Option<u64>,
}

impl PullRequest {
    /// Reads the body of a request: nothing, a number, or an object.
    ///
    /// # Errors
    /// If it is no JSON, if its heartbeat does not fit its wait, or if it asks for a
    /// priority that nobody has here.
    pub fn read(body: &[u8]) -> Result<Self, Status> {
        let mut request = Self {
            batch: 1,
            expires_ns: None,
            max_bytes: None,
            no_wait: false,
            heartbeat_ns: None,
        };
        let text = body.trim_ascii();
        if !text.starts_with(b"{") {
            // What is no number is one message.
            let number = std::str::from_utf8(text).ok();
            let number = number.and_then(|text| text.parse::<i64>().ok());
            request.batch = number.map_or(1, |batch| u64::try_from(batch).unwrap_or(0));
            return Ok(request);
        }
        let fields: Value = serde_json::from_slice(text)
            .map_err(|_| Status::BadRequest("unexpected end of JSON input"))?;
        let number = |name: &str| fields[name].as_i64().unwrap_or(0);
        let positive = |name: &str| {
            u64::try_from(number(name))
                .ok()
                .filter(|&number| number > 0)
        };
        request.batch = positive("batch").unwrap_or(0);
        request.expires_ns = positive("expires");
        request.max_bytes = positive("max_bytes");
        request.no_wait = fields["no_wait"].as_bool().unwrap_or(false);
        request.heartbeat_ns = positive("idle_heartbeat");
        if let Some(heartbeat_ns) = request.heartbeat_ns
            && request
                .expires_ns
                .is_none_or(|expires_ns| heartbeat_ns > expires_ns / 2)
        {
            return Err(Status::BadRequest("heartbeat value too large"));
        }
        if number("min_pending") != 0 || number("min_ack_pending") != 0 {
            return Err(Status::BadRequest("Not a Overflow Priority consumer"));
        }
        if fields["id"].as_str().is_some_and(|id| !id.is_empty()) {
            return Err(Status::BadRequest("Not a Pinned Client Priority consumer"));
        }
        match (0..=9).contains(&number("priority")) {
            true => Ok(request),
            false => Err(Status::BadRequest("Priority must be between 0 and 9")),
        }
    }

    /// Compares it with what is allowed.
    ///
    /// # Errors
    /// What it exceeds.
    pub fn check(&self, config: &PullConfig) -> Result<(), Status> {
        let exceeds = |value: u64, max: Option<u64>| max.filter(|&max| value > max);
        if let Some(max) = exceeds(self.batch, config.max_batch) {
            return Err(Status::Exceeded("MaxRequestBatch", max.to_string()));
        }
        if let Some(max) = exceeds(self.expires_ns.unwrap_or(0), config.max_expires_ns) {
            return Err(Status::Exceeded("MaxRequestExpires", duration(max)));
        }
        match exceeds(self.max_bytes.unwrap_or(0), config.max_bytes) {
            Some(max) => Err(Status::Exceeded("MaxRequestMaxBytes", max.to_string())),
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Waiting {
    inbox: Bytes,
    request: PullRequest,
    left: Left,
    until: Nanos,
    /// When it is to hear something at the latest.
    heartbeat_at: Nanos,
    has_something: bool,
}

impl Waiting {
    fn new(request: PullRequest, inbox: Bytes, now: Nanos) -> Self {
        let after = |ns: Option<u64>| ns.map_or(Nanos::NEVER, |ns| now.after_ns(ns));
        Self {
            inbox,
            left: Left {
                messages: request.batch,
                bytes: request.max_bytes.unwrap_or(0),
            },
            until: after(request.expires_ns),
            heartbeat_at: after(request.heartbeat_ns),
            has_something: false,
            request,
        }
    }

    fn ends(&self, status: &Status) -> Say {
        Say {
            to: self.inbox.clone(),
            reply: Bytes::new(),
            header: status.header(self.left),
        }
    }
}

/// The requests that wait.
#[derive(Debug, Default)]
pub struct Pulls {
    waiting: VecDeque<Waiting>,
    /// Messages that they may still have.
    claimed: u64,
    /// Nothing is to be done before.
    due: Nanos,
}

impl Pulls {
    /// Number of requests that wait (`num_waiting`).
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Messages that those who wait may still have.
    #[must_use]
    pub fn claimed(&self) -> u64 {
        self.claimed
    }

    /// Whether a request that takes what is there ends at once, while so many messages
    /// are there.
    #[must_use]
    pub fn refusal(&self, request: &PullRequest, pending: u64) -> Option<Status> {
        if !request.no_wait {
            return None;
        }
        match pending {
            0 if request.expires_ns.is_none() => Some(Status::NoMessages),
            0 => None,
            _ if pending < self.claimed => Some(Status::RequestsPending),
            _ => None,
        }
    }

    /// A request waits; or there are too many. One that is too many, and wants
    /// heartbeats, hears nothing, so that it does not ask again at once.
    ///
    /// # Errors
    /// What it hears.
    pub fn add(
        &mut self,
        request: PullRequest,
        inbox: Bytes,
        max_waiting: usize,
        now: Nanos,
    ) -> Result<(), Option<Status>> {
        if self.waiting.len() >= max_waiting {
            let is_told = request.heartbeat_ns.is_none();
            return Err(is_told.then_some(Status::TooManyWaiting));
        }
        let waiting = Waiting::new(request, inbox, now);
        let due = waiting.until.min(waiting.heartbeat_at);
        self.due = match self.waiting.is_empty() {
            true => due,
            false => self.due.min(due),
        };
        self.claimed = self.claimed.saturating_add(request.batch);
        self.waiting.push_back(waiting);
        Ok(())
    }

    /// The inbox that gets the next message, of so many bytes; those for which it is too
    /// large end, and those that nobody listens to are forgotten. The request goes
    /// behind the others, or ends if that was its last one.
    pub fn serve(
        &mut self,
        len: u64,
        now: Nanos,
        is_heard: &mut dyn FnMut(&[u8]) -> bool,
        says: &mut VecDeque<Say>,
    ) -> Option<Bytes> {
        loop {
            let mut first = self.waiting.pop_front()?;
            self.claimed = self.claimed.saturating_sub(first.left.messages);
            let has_bound = first.request.max_bytes.is_some();
            if has_bound && len > first.left.bytes {
                says.push_back(first.ends(&Status::MessageTooLarge));
                continue;
            }
            if !is_heard(&first.inbox) {
                continue;
            }
            first.left.messages = first.left.messages.saturating_sub(1);
            first.left.bytes = first.left.bytes.saturating_sub(len);
            first.has_something = true;
            let heartbeat_ns = first.request.heartbeat_ns;
            first.heartbeat_at = heartbeat_ns.map_or(Nanos::NEVER, |ns| now.after_ns(ns));
            let inbox = first.inbox.clone();
            let has_room = !has_bound || first.left.bytes > 0;
            match (first.left.messages, has_room) {
                (0, true) if has_bound => says.push_back(first.ends(&Status::BatchCompleted)),
                (0, _) | (_, false) => {}
                (more, true) => {
                    self.claimed = self.claimed.saturating_add(more);
                    self.waiting.push_back(first);
                }
            }
            return Some(inbox);
        }
    }

    /// Nothing is pending any more: those that do not wait for more end. True if one
    /// did.
    pub fn end_of_stream(&mut self, says: &mut VecDeque<Say>) -> bool {
        self.retain(|one| {
            let waits =
                !one.request.no_wait || (one.request.expires_ns.is_some() && !one.has_something);
            if !waits {
                says.push_back(one.ends(&Status::NoMessages));
            }
            waits
        })
    }

    /// Forgets those that nobody listens to.
    pub fn forget_unheard(&mut self, is_heard: &mut dyn FnMut(&[u8]) -> bool) {
        self.retain(|one| is_heard(&one.inbox));
    }

    /// Ends those whose time is over, and says to others that they are not forgotten.
    /// True if one ended.
    pub fn tick(
        &mut self,
        now: Nanos,
        heartbeat: impl Fn() -> Vec<u8>,
        says: &mut VecDeque<Say>,
    ) -> bool {
        if self.due > now || self.waiting.is_empty() {
            return false;
        }
        let mut due = Nanos::NEVER;
        let has_ended = self.retain(|one| {
            if one.until <= now {
                says.push_back(one.ends(&Status::Timeout));
                return false;
            }
            if one.heartbeat_at <= now {
                says.push_back(Say {
                    to: one.inbox.clone(),
                    reply: Bytes::new(),
                    header: heartbeat(),
                });
                let heartbeat_ns = one.request.heartbeat_ns;
                one.heartbeat_at = heartbeat_ns.map_or(Nanos::NEVER, |ns| now.after_ns(ns));
            }
            due = due.min(one.until).min(one.heartbeat_at);
            true
        });
        self.due = due;
        has_ended
    }

    /// Before this nothing is to be done for anybody: `NEVER` if nobody waits.
    #[must_use]
    pub fn next_due(&self) -> Nanos {
        match self.waiting.is_empty() {
            true => Nanos::NEVER,
            false => self.due,
        }
    }

    /// All end.
    pub fn end_all(&mut self, status: &Status, says: &mut VecDeque<Say>) {
        self.claimed = 0;
        says.extend(self.waiting.drain(..).map(|one| one.ends(status)));
    }

    fn retain(&mut self, mut goes_on: impl FnMut(&mut Waiting) -> bool) -> bool {
        let before = self.waiting.len();
        self.waiting.retain_mut(|one| goes_on(one));
        let has_ended = self.waiting.len() < before;
        if has_ended {
            let left = self.waiting.iter().map(|one| one.left.messages);
            self.claimed = left.fold(0, u64::saturating_add);
        }
        has_ended
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
