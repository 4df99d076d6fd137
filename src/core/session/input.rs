//! Whether what a connection sends may be read and executed, and why not.
//!
//! An open connection may wait for two things at once, so [`Input`] has two fields
//! for them: for what it or somebody else has done (a [`Hold`], one at a time: who
//! is held executes nothing that could hold it once more), and for a reload (a
//! [`Revision`]), which comes whenever it comes and finds it held or not. Each ends
//! on its own, in any order; the later one lets it go on. A closing connection waits
//! for nothing any more: there is no such state.
//!
//! Invariants: a hold follows none, except that who has had its share of a turn may
//! be stalled; nothing is noted of a connection that is closing, and it stays so.
//! Whoever breaks them would have a command executed twice or a connection wait for
//! ever, so they are asserted.
//!
//! Not here: who ends a hold, and when (`shard`).

use super::authority::Candidate;
use super::close_reason::CloseReason;
use crate::base::id::{CoreId, Nanos};

/// Why a connection's input waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// Nothing holds it.
    None,
    /// Its PING waits for this many cores to confirm earlier subscriptions.
    Barrier {
        /// Cores that have not confirmed yet.
        cores_left: u32,
    },
    /// Too much is on its way to a core that it publishes to.
    LinkFull(CoreId),
    /// Nothing any more: it goes on before the turn ends.
    Over,
    /// A subscriber of its messages must catch up first.
    Stalled {
        /// When it goes on in any case.
        until: Nanos,
    },
    /// It has had its share of this turn: it goes on in turn with others that have
    /// much to do.
    Paused,
    /// Its next message goes to so many that it waits for its turn.
    Wide,
    /// Its last message is still on its way to so many.
    FanOut,
    /// Its subscriptions of before are being ended.
    Withdrawing,
    /// There was no room for the check of its password.
    CheckFull {
        /// When it asks again.
        until: Nanos,
    },
    /// Its credentials are wrong, as are too many from where it comes.
    Refused {
        /// When it is told and closed.
        until: Nanos,
    },
    /// Its password is being checked.
    Password(Candidate),
}

/// What a reload has left to be done about a connection; until then it is not
/// read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Revision {
    /// Nothing.
    #[default]
    None,
    /// Its user is gone or in another account: it is closed.
    Moved,
    /// It is to be seen whether its credentials still count.
    Credentials,
    /// Its CONNECT waited for a password check by the older policy.
    Connect,
    /// Its rights are others: subscriptions may have to end. There may be many, so
    /// they are revised piece by piece.
    Subscriptions {
        /// It is who it was: meanwhile it hears what it was allowed before.
        hears: bool,
    },
}

impl Revision {
    /// Whether messages reach the connection meanwhile.
    #[must_use]
    pub fn hears(self) -> bool {
        match self {
            Self::None | Self::Subscriptions { hears: true } => true,
            Self::Moved | Self::Credentials | Self::Connect | Self::Subscriptions { .. } => false,
        }
    }
}

/// Whether the input of a connection may be read.
#[derive(Clone, Copy, Debug)]
pub struct Input(State);

#[derive(Clone, Copy, Debug)]
enum State {
    /// It may be, unless something is noted here.
    Open { hold: Hold, revision: Revision },
    /// Never again.
    Closing(CloseReason),
}

impl Input {
    /// That of a connection that waits for nothing.
    pub const OPEN: Self = Self(State::Open {
        hold: Hold::None,
        revision: Revision::None,
    });

    /// Whether it may be read.
    #[must_use]
    #[inline]
    pub fn reads(&self) -> bool {
        matches!(
            self.0,
            State::Open {
                hold: Hold::None,
                revision: Revision::None,
            }
        )
    }

    /// Why it waits; nothing holds a connection that is closing.
    #[must_use]
    pub fn hold(&self) -> Hold {
        match self.0 {
            State::Open { hold, .. } => hold,
            State::Closing(_) => Hold::None,
        }
    }

    /// What a reload has left to be done; nothing with a connection that is closing.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self.0 {
            State::Open { revision, .. } => revision,
            State::Closing(_) => Revision::None,
        }
    }

    /// Why the connection ends, once it does.
    #[must_use]
    pub fn closing(&self) -> Option<CloseReason> {
        match self.0 {
            State::Open { .. } => None,
            State::Closing(reason) => Some(reason),
        }
    }

    /// Whether the connection is ending.
    #[must_use]
    #[inline]
    pub fn is_closing(&self) -> bool {
        matches!(self.0, State::Closing(_))
    }

    /// Whether a receiver that has fallen behind may stall it: it would go on in
    /// this turn or the next.
    #[must_use]
    pub fn may_stall(&self) -> bool {
        self.reads() || self.hold() == Hold::Paused
    }

    /// Whether its client waits for an answer to CONNECT.
    #[must_use]
    pub fn awaits_login(&self) -> bool {
        matches!(
            self.hold(),
            Hold::CheckFull { .. } | Hold::Refused { .. } | Hold::Password(_)
        )
    }

    /// When it goes on in any case.
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        match self.hold() {
            Hold::Stalled { until } | Hold::CheckFull { until } | Hold::Refused { until } => until,
            _ => Nanos::NEVER,
        }
    }

    /// Has it wait for this, of which somebody is to tell it the end.
    pub fn hold_for(&mut self, reason: Hold) {
        assert!(
            !matches!(reason, Hold::None | Hold::Over),
            "a hold has a reason"
        );
        let hold = self.open_hold();
        let is_stalled_in_row = *hold == Hold::Paused && matches!(reason, Hold::Stalled { .. });
        assert!(
            *hold == Hold::None || is_stalled_in_row,
            "who is held does nothing that could hold it"
        );
        *hold = reason;
    }

    /// What held it is over: nothing does.
    pub fn end(&mut self, reason: Hold) {
        let hold = self.open_hold();
        assert!(
            *hold == reason && reason != Hold::None,
            "what has not begun does not end"
        );
        *hold = Hold::None;
    }

    /// What held it is over, if anything did: it goes on before the turn ends.
    pub fn release(&mut self) {
        let hold = self.open_hold();
        let ends_so = match hold {
            Hold::None | Hold::LinkFull(_) | Hold::Stalled { .. } | Hold::Withdrawing => true,
            Hold::Barrier { cores_left } => *cores_left == 0,
            // It is released already, or goes on in its row, or at once.
            Hold::Over | Hold::Paused | Hold::Wide => false,
            Hold::FanOut | Hold::CheckFull { .. } | Hold::Refused { .. } | Hold::Password(_) => {
                false
            }
        };
        assert!(ends_so, "released once, and not before its time");
        *hold = Hold::Over;
    }

    /// One more core has confirmed what its PING waits for; true if it was the last
    /// one.
    pub fn pass_barrier(&mut self) -> bool {
        let State::Open {
            hold: Hold::Barrier { cores_left },
            ..
        } = &mut self.0
        else {
            return false;
        };
        assert!(*cores_left > 0, "each core confirms once");
        *cores_left -= 1;
        *cores_left == 0
    }

    /// The user that its password makes it, if the check that it waits for is this
    /// one; it does not wait for that any more.
    pub fn take_candidate(
        &mut self,
        is_this: impl FnOnce(&Candidate) -> bool,
    ) -> Option<Candidate> {
        match self.hold() {
            Hold::Password(candidate) if is_this(&candidate) => {
                self.end(Hold::Password(candidate));
                Some(candidate)
            }
            _ => None,
        }
    }

    /// Nothing is to come of its CONNECT; false if it does not wait for an answer.
    pub fn forget_login(&mut self) -> bool {
        let awaits = self.awaits_login();
        if awaits {
            self.end(self.hold());
        }
        awaits
    }

    /// A reload leaves this to be done; what an earlier one left is done by it.
    pub fn begin_revision(&mut self, left: Revision) {
        assert!(left != Revision::None, "a revision does something");
        match &mut self.0 {
            State::Open { revision, .. } => *revision = left,
            State::Closing(_) => unreachable!("who is closing is not revised"),
        }
    }

    /// What a reload has left to be done, which is done now.
    pub fn take_revision(&mut self) -> Revision {
        match &mut self.0 {
            State::Open { revision, .. } => std::mem::take(revision),
            State::Closing(_) => Revision::None,
        }
    }

    /// It is not read any more, and waits for nothing.
    pub fn close(&mut self, reason: CloseReason) {
        assert!(!self.is_closing(), "a connection ends once");
        self.0 = State::Closing(reason);
    }

    /// What holds a connection that is not closing.
    fn open_hold(&mut self) -> &mut Hold {
        match &mut self.0 {
            State::Open { hold, .. } => hold,
            State::Closing(_) => unreachable!("who is closing is not held"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REVISION: Revision = Revision::Subscriptions { hears: true };
    const STALLED: Hold = Hold::Stalled { until: Nanos(7) };
    const PASSWORD: Hold = Hold::Password(Candidate {
        user: Some(1),
        check: 2,
    });

    #[test]
    fn a_hold_and_a_revision_end_in_any_order() {
        for revision_first in [true, false] {
            let mut input = Input::OPEN;
            assert!(input.reads());
            input.hold_for(Hold::FanOut);
            input.begin_revision(REVISION);
            assert!(!input.reads());
            if revision_first {
                assert_eq!(input.take_revision(), REVISION);
                assert!(!input.reads(), "it is held still");
                input.end(Hold::FanOut);
            } else {
                input.end(Hold::FanOut);
                assert!(!input.reads(), "the reload is not done with it");
                assert_eq!(input.take_revision(), REVISION);
            }
            assert!(input.reads());
        }
    }

    #[test]
    fn who_is_paused_may_be_stalled_and_nobody_else() {
        let mut input = Input::OPEN;
        input.hold_for(Hold::Paused);
        assert!(input.may_stall());
        input.hold_for(STALLED);
        assert_eq!(input.deadline(), Nanos(7));
        assert!(!input.may_stall());
        input.release();
        assert_eq!(input.hold(), Hold::Over);
    }

    #[test]
    fn the_last_core_lets_a_ping_pass() {
        let mut input = Input::OPEN;
        assert!(!input.pass_barrier(), "it has gone on already");
        input.hold_for(Hold::Barrier { cores_left: 2 });
        assert!(!input.pass_barrier());
        assert!(input.pass_barrier());
        input.release();
    }

    #[test]
    fn a_password_is_answered_by_its_own_check() {
        let mut input = Input::OPEN;
        input.hold_for(PASSWORD);
        assert!(input.awaits_login());
        assert_eq!(input.take_candidate(|candidate| candidate.check == 1), None);
        assert!(!input.reads());
        let candidate = input.take_candidate(|candidate| candidate.check == 2);
        assert_eq!(candidate.and_then(|candidate| candidate.user), Some(1));
        assert!(input.reads());
    }

    #[test]
    fn who_is_closing_waits_for_nothing() {
        let mut input = Input::OPEN;
        input.hold_for(PASSWORD);
        input.begin_revision(Revision::Moved);
        input.close(CloseReason::Kicked);
        assert_eq!(input.closing(), Some(CloseReason::Kicked));
        assert!(!input.reads() && !input.may_stall() && !input.awaits_login());
        assert_eq!(input.hold(), Hold::None);
        assert_eq!(input.take_revision(), Revision::None);
        assert_eq!(input.take_candidate(|_| true), None);
    }

    #[test]
    #[should_panic(expected = "who is held")]
    fn a_second_hold_is_a_fault() {
        let mut input = Input::OPEN;
        input.hold_for(STALLED);
        input.hold_for(Hold::Wide);
    }

    #[test]
    #[should_panic(expected = "released once")]
    fn a_barrier_is_not_left_early() {
        let mut input = Input::OPEN;
        input.hold_for(Hold::Barrier { cores_left: 1 });
        input.release();
    }
}
