//! What is configured of a consumer. A value of this type is valid: whoever reads one
//! from a request has checked it.

use crate::base::moment::WallNanos;

/// How messages are acknowledged (ADR-15).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AckPolicy {
    /// Not at all.
    #[default]
    None,
    /// With all before them.
    All,
    /// Each on its own.
    Explicit,
}

/// How often, and when again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Redelivery {
    /// Nanoseconds that an acknowledgement may take; 0: as long as it likes.
    pub ack_wait_ns: u64,
    /// The same by how often a message was redelivered, the last one for all beyond;
    /// empty: always `ack_wait_ns`.
    pub backoff_ns: Vec<u64>,
    /// Most deliveries of a message.
    pub max_deliver: Option<u64>,
}

/// With which message a consumer begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Start {
    /// The first one.
    #[default]
    All,
    /// The last one that matches.
    Last,
    /// The next one.
    New,
    /// The one that has this sequence, or the next one.
    Sequence(u64),
    /// The first one that was stored then or later.
    Time(WallNanos),
    /// The last one of every subject.
    LastPerSubject,
}

/// Bounds of what a client may ask for at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PullConfig {
    /// Requests that may wait.
    pub max_waiting: usize,
    /// Most messages of a request.
    pub max_batch: Option<u64>,
    /// Most nanoseconds that a request waits.
    pub max_expires_ns: Option<u64>,
    /// Most bytes of a request.
    pub max_bytes: Option<u64>,
}

/// Where messages are pushed to, and how fast.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PushConfig {
    /// The subject.
    pub deliver_subject: Box<str>,
    /// The queue group there, or nothing.
    pub deliver_group: Box<str>,
    /// Nanoseconds of silence after which a heartbeat is sent.
    pub heartbeat_ns: Option<u64>,
    /// Whether clients say how far they have come.
    pub has_flow_control: bool,
    /// Most bits per second.
    pub rate_limit_bits: Option<u64>,
    /// Bytes that may go at once under a rate limit: the largest message.
    pub burst_bytes: u64,
}

/// Who moves messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Clients ask for them.
    Pull(PullConfig),
    /// They are sent to a subject.
    Push(PushConfig),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Pull(PullConfig::default())
    }
}

/// What a consumer is made from (`ConsumerConfig`, NATS 2.15).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConsumerConfig {
    /// With which message it begins.
    pub start: Start,
    /// How messages are acknowledged.
    pub ack_policy: AckPolicy,
    /// How often, and when again.
    pub redelivery: Redelivery,
    /// Patterns of the subjects whose messages it delivers; none: all.
    pub filters: Vec<Box<str>>,
    /// Whether messages are as far apart as they were when they were stored.
    pub keeps_original_pace: bool,
    /// In how many of a hundred acknowledgements somebody is told how long it took.
    pub sample_percent: u64,
    /// Most messages that wait for an acknowledgement.
    pub max_ack_pending: Option<usize>,
    /// Whether payloads are left out.
    pub headers_only: bool,
    /// Nanoseconds that nobody has to use it until it goes away.
    pub inactive_threshold_ns: Option<u64>,
    /// Whether that is lengthened by up to a second.
    pub has_jitter: bool,
    /// Nothing is delivered before.
    pub paused_until: Option<WallNanos>,
    /// Who moves messages.
    pub kind: Kind,
}

impl ConsumerConfig {
    /// Whether a client asks for messages.
    #[must_use]
    pub fn is_pull(&self) -> bool {
        matches!(self.kind, Kind::Pull(_))
    }
}
