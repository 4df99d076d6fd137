//! What is known of the life of a connection's peer: its PINGs and PONGs.

use crate::base::id::Nanos;

/// When the server last sent PING and what it has heard since.
#[derive(Debug)]
pub struct Liveness {
    /// Last message, subscription or PING of the peer.
    pub last_input: Nanos,
    /// When a PING may be due next.
    pub next_ping: Nanos,
    /// PINGs without PONG.
    pub outstanding_pings: u32,
    /// The first PONG is sent.
    pub first_pong_sent: bool,
    /// When the round trip was last measured, if it was.
    pub round_trip_at: Option<Nanos>,
    /// When the PING on its way was sent.
    pub sent_at: Nanos,
    /// How long the last round trip took; zero: unknown.
    pub round_trip_ns: u64,
}

impl Liveness {
    /// That of a connection that was just accepted: nothing is known of its peer.
    #[must_use]
    pub fn begin(now: Nanos) -> Self {
        Self {
            last_input: now,
            next_ping: Nanos::NEVER,
            outstanding_pings: 0,
            first_pong_sent: false,
            round_trip_at: None,
            sent_at: now,
            round_trip_ns: 0,
        }
    }
}
