//! Requests for messages (`$JS.API.CONSUMER.MSG.NEXT`, ADR-13): who waits, how many
//! messages each may still have, and with what its wait ends.
//!
//! Requests are served in turn, a message each. Bounds: `max_waiting` requests.

use std::collections::VecDeque;

use serde_json::Value;

use crate::base::id::Nanos;

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PullRequest {
    /// Messages, at least one.
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

/// Why a request is refused: what follows `400 Bad Request - `.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadRequest(pub &'static str);

impl PullRequest {
    /// Reads the body of a request: nothing, a number, or an object.
    ///
    /// # Errors
    /// If it is no JSON, or its heartbeat does not fit its wait.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
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
            request.batch = number
                .and_then(|batch| u64::try_from(batch).ok())
                .unwrap_or(1)
                .max(1);
            return Ok(request);
        }
        let fields: Value =
            serde_json::from_slice(text).map_err(|_| BadRequest("unexpected end of JSON input"))?;
        let number = |name: &str| {
            fields[name]
                .as_i64()
                .and_then(|number| u64::try_from(number).ok())
        };
        let positive = |name: &str| number(name).filter(|&number| number > 0);
        request.batch = positive("batch").unwrap_or(1);
        request.expires_ns = positive("expires");
        request.max_bytes = positive("max_bytes");
        request.no_wait = fields["no_wait"].as_bool().unwrap_or(false);
        request.heartbeat_ns = positive("idle_heartbeat");
        if let Some(heartbeat_ns) = request.heartbeat_ns
            && request
                .expires_ns
                .is_none_or(|expires_ns| heartbeat_ns > expires_ns / 2)
        {
            return Err(BadRequest("heartbeat value too large"));
        }
        Ok(request)
    }
}

/// With what the wait of a request ends, as far as it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// `404 No Messages`.
    NoMessages,
    /// `408 Request Timeout`.
    Timeout,
    /// `408 Requests Pending`: others have claimed what is there.
    RequestsPending,
    /// `409 Exceeded MaxWaiting`.
    TooManyWaiting,
    /// `409 Message Size Exceeds MaxBytes`.
    MessageTooLarge,
    /// `409 Batch Completed`.
    BatchCompleted,
    /// `409 Consumer Deleted`.
    ConsumerDeleted,
}

impl Status {
    /// The line behind `NATS/1.0 `.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NoMessages => "404 No Messages",
            Self::Timeout => "408 Request Timeout",
            Self::RequestsPending => "408 Requests Pending",
            Self::TooManyWaiting => "409 Exceeded MaxWaiting",
            Self::MessageTooLarge => "409 Message Size Exceeds MaxBytes",
            Self::BatchCompleted => "409 Batch Completed",
            Self::ConsumerDeleted => "409 Consumer Deleted",
        }
    }

    /// Whether it says what the request did not get.
    #[must_use]
    pub fn tells_what_is_left(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::MessageTooLarge | Self::BatchCompleted
        )
    }
}

/// The end of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Its inbox.
    pub inbox: Box<[u8]>,
    /// Why.
    pub status: Status,
    /// Messages that it did not get,
    pub messages_left: u64,
    /// and bytes.
    pub bytes_left: u64,
}

#[derive(Debug)]
struct Waiting {
    inbox: Box<[u8]>,
    request: PullRequest,
    messages_left: u64,
    bytes_left: u64,
    until: Nanos,
    /// When it is to hear something at the latest.
    heartbeat_at: Nanos,
    has_something: bool,
}

impl Waiting {
    fn ends(&self, status: Status) -> Ended {
        Ended {
            inbox: self.inbox.clone(),
            status,
            messages_left: self.messages_left,
            bytes_left: self.bytes_left,
        }
    }
}

/// The requests that wait.
#[derive(Debug)]
pub struct Pulls {
    waiting: VecDeque<Waiting>,
    max_waiting: usize,
}

impl Pulls {
    /// None; so many may wait.
    #[must_use]
    pub fn new(max_waiting: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            max_waiting,
        }
    }

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

    /// A request comes while so many messages are pending; `Some`: it ends at once. One
    /// that is too many, and wants heartbeats, hears nothing, so that it does not ask
    /// again at once.
    pub fn add(
        &mut self,
        request: PullRequest,
        inbox: &[u8],
        pending: u64,
        now: Nanos,
    ) -> Option<Option<Ended>> {
        let waiting = Waiting {
            inbox: inbox.into(),
            messages_left: request.batch,
            bytes_left: request.max_bytes.unwrap_or(0),
            until: request
                .expires_ns
                .map_or(Nanos::NEVER, |ns| now.after_ns(ns)),
            heartbeat_at: request
                .heartbeat_ns
                .map_or(Nanos::NEVER, |ns| now.after_ns(ns)),
            has_something: false,
            request,
        };
        if request.no_wait && request.expires_ns.is_none() {
            let claimed: u64 = self.waiting.iter().map(|one| one.messages_left).sum();
            if pending == 0 {
                return Some(Some(waiting.ends(Status::NoMessages)));
            }
            if claimed >= pending {
                return Some(Some(waiting.ends(Status::RequestsPending)));
            }
        }
        if self.waiting.len() >= self.max_waiting {
            let is_told = request.heartbeat_ns.is_none();
            return Some(is_told.then(|| waiting.ends(Status::TooManyWaiting)));
        }
        self.waiting.push_back(waiting);
        None
    }

    /// The inbox that gets the next message, of so many bytes; those for which it is too
    /// large end. The request goes behind the others, or ends if that was its last one.
    pub fn serve(&mut self, len: u64, now: Nanos, ended: &mut Vec<Ended>) -> Option<Box<[u8]>> {
        loop {
            let mut first = self.waiting.pop_front()?;
            if first.request.max_bytes.is_some() && len > first.bytes_left {
                ended.push(first.ends(Status::MessageTooLarge));
                continue;
            }
            first.messages_left -= 1;
            first.bytes_left = first.bytes_left.saturating_sub(len);
            first.has_something = true;
            let heartbeat_ns = first.request.heartbeat_ns;
            first.heartbeat_at = heartbeat_ns.map_or(Nanos::NEVER, |ns| now.after_ns(ns));
            let inbox = first.inbox.clone();
            let has_bytes = first.request.max_bytes.is_none() || first.bytes_left > 0;
            match (first.messages_left, has_bytes) {
                (0, true) if first.request.max_bytes.is_some() => {
                    ended.push(first.ends(Status::BatchCompleted));
                }
                (0, _) | (_, false) => {}
                _ => self.waiting.push_back(first),
            }
            return Some(inbox);
        }
    }

    /// Nothing is pending any more: those that do not wait for more end.
    pub fn end_of_stream(&mut self, ended: &mut Vec<Ended>) {
        self.waiting.retain(|one| {
            let goes_on =
                !one.request.no_wait || (one.request.expires_ns.is_some() && !one.has_something);
            if !goes_on {
                ended.push(one.ends(Status::NoMessages));
            }
            goes_on
        });
    }

    /// Ends those whose time is over.
    pub fn expire(&mut self, now: Nanos, ended: &mut Vec<Ended>) {
        self.waiting.retain(|one| {
            let goes_on = one.until > now;
            if !goes_on {
                ended.push(one.ends(Status::Timeout));
            }
            goes_on
        });
    }

    /// The inboxes that are to hear that they are not forgotten.
    pub fn heartbeats(&mut self, now: Nanos, mut each: impl FnMut(&[u8])) {
        for one in &mut self.waiting {
            if one.heartbeat_at <= now {
                each(&one.inbox);
                let heartbeat_ns = one.request.heartbeat_ns;
                one.heartbeat_at = heartbeat_ns.map_or(Nanos::NEVER, |ns| now.after_ns(ns));
            }
        }
    }

    /// When something is to be done for somebody: `NEVER` if nothing is.
    #[must_use]
    pub fn next_due(&self) -> Nanos {
        let dues = self
            .waiting
            .iter()
            .map(|one| one.until.min(one.heartbeat_at));
        dues.min().unwrap_or(Nanos::NEVER)
    }

    /// The consumer is gone: all end.
    pub fn end_all(&mut self, ended: &mut Vec<Ended>) {
        ended.extend(
            self.waiting
                .drain(..)
                .map(|one| one.ends(Status::ConsumerDeleted)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> PullRequest {
        PullRequest::read(body.as_bytes()).expect("valid")
    }

    fn add(pulls: &mut Pulls, body: &str, inbox: &str, pending: u64) -> Option<Option<Status>> {
        let ended = pulls.add(read(body), inbox.as_bytes(), pending, Nanos(0));
        ended.map(|ended| ended.map(|ended| ended.status))
    }

    fn served(pulls: &mut Pulls, len: u64) -> (Option<String>, Vec<Status>) {
        let mut ended = Vec::new();
        let inbox = pulls.serve(len, Nanos(0), &mut ended);
        let inbox = inbox.map(|inbox| String::from_utf8_lossy(&inbox).into_owned());
        (inbox, ended.into_iter().map(|one| one.status).collect())
    }

    #[test]
    fn bodies_are_numbers_or_objects() {
        for (body, batch) in [
            ("", 1),
            ("7", 7),
            (" 12 ", 12),
            ("0", 1),
            ("-3", 1),
            ("x", 1),
            ("{}", 1),
            (r#"{"batch":5}"#, 5),
        ] {
            assert_eq!(read(body).batch, batch, "{body}");
        }
        let whole = r#"{"batch":2,"expires":1000,"max_bytes":50,"no_wait":true,"idle_heartbeat":500,"x":1}"#;
        let expected = PullRequest {
            batch: 2,
            expires_ns: Some(1000),
            max_bytes: Some(50),
            no_wait: true,
            heartbeat_ns: Some(500),
        };
        assert_eq!(read(whole), expected);
        for (body, why) in [
            (r#"{"batch":5"#, "unexpected end of JSON input"),
            (
                r#"{"expires":1000,"idle_heartbeat":501}"#,
                "heartbeat value too large",
            ),
            (r#"{"idle_heartbeat":501}"#, "heartbeat value too large"),
        ] {
            assert_eq!(PullRequest::read(body.as_bytes()), Err(BadRequest(why)));
        }
    }

    #[test]
    fn requests_are_served_in_turn() {
        let mut pulls = Pulls::new(10);
        add(&mut pulls, "2", "a", 0);
        add(&mut pulls, "1", "b", 0);
        let order: Vec<_> = (0..4).map(|_| served(&mut pulls, 10).0).collect();
        let expected = [Some("a"), Some("b"), Some("a"), None].map(|one| one.map(str::to_owned));
        assert_eq!(order, expected);
    }

    #[test]
    fn bytes_end_a_request() {
        let mut pulls = Pulls::new(10);
        add(&mut pulls, r#"{"batch":2,"max_bytes":50}"#, "a", 0);
        assert_eq!(served(&mut pulls, 20).0.as_deref(), Some("a"));
        assert_eq!(
            served(&mut pulls, 31),
            (None, vec![Status::MessageTooLarge])
        );
        add(&mut pulls, r#"{"batch":2,"max_bytes":50}"#, "b", 0);
        served(&mut pulls, 20);
        assert_eq!(
            served(&mut pulls, 20),
            (Some("b".to_owned()), vec![Status::BatchCompleted])
        );
        add(&mut pulls, r#"{"batch":9,"max_bytes":20}"#, "c", 0);
        assert_eq!(
            served(&mut pulls, 20),
            (Some("c".to_owned()), vec![]),
            "in silence"
        );
        assert!(pulls.is_empty());
    }

    #[test]
    fn who_does_not_wait_gets_what_is_there() {
        let mut pulls = Pulls::new(2);
        assert_eq!(
            add(&mut pulls, r#"{"no_wait":true}"#, "a", 0),
            Some(Some(Status::NoMessages))
        );
        add(&mut pulls, "5", "b", 3);
        assert_eq!(
            add(&mut pulls, r#"{"no_wait":true}"#, "c", 3),
            Some(Some(Status::RequestsPending))
        );
        assert_eq!(
            add(&mut pulls, r#"{"no_wait":true,"expires":9}"#, "d", 0),
            None
        );
        assert_eq!(
            add(&mut pulls, "1", "e", 0),
            Some(Some(Status::TooManyWaiting))
        );
        let patient = r#"{"expires":100,"idle_heartbeat":10}"#;
        assert_eq!(
            add(&mut pulls, patient, "f", 0),
            Some(None),
            "it would ask again at once"
        );
        let mut ended = Vec::new();
        pulls.end_of_stream(&mut ended);
        assert!(ended.is_empty(), "one waits, the other has got nothing yet");
        served(&mut pulls, 1);
        served(&mut pulls, 1);
        pulls.end_of_stream(&mut ended);
        assert!(
            ended.is_empty() && pulls.len() == 1,
            "its only message was the last"
        );
    }

    #[test]
    fn time_ends_requests_and_silence() {
        let mut pulls = Pulls::new(10);
        add(
            &mut pulls,
            r#"{"batch":3,"expires":100,"idle_heartbeat":40}"#,
            "a",
            0,
        );
        add(&mut pulls, "1", "b", 0);
        assert_eq!(pulls.next_due(), Nanos(40));
        let mut heard = Vec::new();
        pulls.heartbeats(Nanos(40), |inbox| heard.push(inbox.to_vec()));
        assert_eq!((heard, pulls.next_due()), (vec![b"a".to_vec()], Nanos(80)));
        let mut ended = Vec::new();
        pulls.expire(Nanos(100), &mut ended);
        let timeout = Ended {
            inbox: b"a"[..].into(),
            status: Status::Timeout,
            messages_left: 3,
            bytes_left: 0,
        };
        assert_eq!((ended, pulls.len()), (vec![timeout], 1));
        let mut ended = Vec::new();
        pulls.end_all(&mut ended);
        assert_eq!(ended[0].status.text(), "409 Consumer Deleted");
    }
}
