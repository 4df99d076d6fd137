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
    /// A PING was sent,
    has_pinged: bool,
    /// the last one at this moment: the round trip is measured from it.
    pinged_at: Nanos,
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
            has_pinged: false,
            pinged_at: now,
            round_trip_ns: 0,
        }
    }

    /// A PING is sent.
    pub fn note_ping(&mut self, now: Nanos) {
        self.outstanding_pings += 1;
        self.has_pinged = true;
        self.pinged_at = now;
    }

    /// Whether the round trip has not been measured for so long, or never.
    #[must_use]
    pub fn measures_again(&self, now: Nanos, after_ns: u64) -> bool {
        !self.has_pinged || now.since_ns(self.pinged_at) > after_ns
    }

    /// A PONG has come, which may answer several PINGs; one that answers none tells
    /// nothing.
    pub fn note_pong(&mut self, now: Nanos) {
        if self.outstanding_pings > 0 {
            self.round_trip_ns = now.since_ns(self.pinged_at).max(1);
        }
        self.outstanding_pings = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_begins_with_its_ping() {
        let mut liveness = Liveness::begin(Nanos(5));
        liveness.note_pong(Nanos(7));
        assert_eq!(liveness.round_trip_ns, 0, "it answers nothing");
        assert!(liveness.measures_again(Nanos(7), 100));
        for (sent, heard, round_trip_ns) in [(1_000, 1_003, 3), (9_000, 9_000, 1)] {
            liveness.note_ping(Nanos(sent));
            liveness.note_pong(Nanos(heard));
            assert_eq!(liveness.round_trip_ns, round_trip_ns);
            assert_eq!(liveness.outstanding_pings, 0);
            assert!(!liveness.measures_again(Nanos(sent + 100), 100));
            assert!(liveness.measures_again(Nanos(sent + 101), 100));
        }
    }
}
