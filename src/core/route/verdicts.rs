//! Which sets of rights allow to publish to the subject of a route, as far as
//! that was asked lately.
//!
//! Bound: a few sets; one more takes the place of the oldest and is decided
//! anew when it is asked for again.

/// Sets of rights that a route remembers.
const VERDICTS_MAX: usize = 8;

/// The last verdicts on one subject.
#[derive(Clone, Default, Debug)]
pub struct Verdicts {
    /// The last set of rights that was seen to allow it.
    allowed: Option<u16>,
    /// The verdict of the last sets that were asked.
    known: Vec<(u16, bool)>,
    /// The next of them to be replaced.
    oldest: usize,
}

impl Verdicts {
    /// The last set of rights that was seen to allow it.
    #[inline]
    pub fn last_allowed(&self) -> Option<u16> {
        self.allowed
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.allowed = None;
        self.known.clear();
        self.oldest = 0;
    }

    /// Whether a set of rights allows it; `decide` is asked if that is not
    /// known.
    #[inline(never)]
    pub fn judge(&mut self, rights: u16, decide: impl FnOnce() -> bool) -> bool {
        let known = self.known.iter().find(|(other, _)| *other == rights);
        let is_allowed = match known {
            Some(&(_, is_allowed)) => is_allowed,
            None => {
                let is_allowed = decide();
                self.remember((rights, is_allowed));
                is_allowed
            }
        };
        if is_allowed {
            self.allowed = Some(rights);
        }
        is_allowed
    }

    fn remember(&mut self, verdict: (u16, bool)) {
        if self.known.len() < VERDICTS_MAX {
            self.known.push(verdict);
            return;
        }
        self.known[self.oldest] = verdict;
        self.oldest = (self.oldest + 1) % VERDICTS_MAX;
    }

    /// Memory that hangs on it.
    pub fn bytes(&self) -> usize {
        self.known.capacity() * size_of::<(u16, bool)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_gets_its_own_verdict_however_many_there_are() {
        let mut verdicts = Verdicts::default();
        let mut asked = 0;
        let is_allowed = |rights: u16| rights.is_multiple_of(3);
        for round in 0..3 {
            for rights in 0..10_000 {
                let verdict = verdicts.judge(rights, || {
                    asked += 1;
                    is_allowed(rights)
                });
                assert_eq!(verdict, is_allowed(rights), "round {round}");
                assert!(!is_allowed(rights) || verdicts.last_allowed() == Some(rights));
            }
        }
        assert_eq!(asked, 30_000, "more than are remembered");
        for rights in [0, 1, 0, 1] {
            verdicts.judge(rights, || {
                asked += 1;
                is_allowed(rights)
            });
        }
        assert_eq!(asked, 30_002, "few are asked once");
        assert!(verdicts.bytes() <= VERDICTS_MAX * size_of::<(u16, bool)>());
        verdicts.clear();
        assert!(!verdicts.judge(0, || false), "all is forgotten");
    }
}
