//! Which sets of rights allow to publish to the subject of a route, as far as
//! that was asked lately.
//!
//! Bound: a few sets; one more takes the place of the oldest and is decided
//! anew when it is asked for again.

use crate::subject::rights_table::RightsId;

/// Sets of rights that a route remembers.
const VERDICTS_MAX: usize = 8;

/// The last verdicts on one subject.
#[derive(Clone, Default, Debug)]
pub struct Verdicts {
    /// The last set of rights that was seen to allow it.
    allowed: Option<RightsId>,
    /// The verdicts on the last sets that were asked; most accounts have none.
    known: Option<Box<Known>>,
}

#[derive(Clone, Default, Debug)]
struct Known {
    verdicts: [Option<(RightsId, bool)>; VERDICTS_MAX],
    /// The next to be replaced.
    oldest: usize,
}

impl Verdicts {
    /// The last set of rights that was seen to allow it.
    #[inline]
    pub fn last_allowed(&self) -> Option<RightsId> {
        self.allowed
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether a set of rights allows it; `decide` is asked if that is not
    /// known.
    #[inline(never)]
    pub fn judge(&mut self, rights: RightsId, decide: impl FnOnce() -> bool) -> bool {
        let known = self.known.get_or_insert_default();
        let found = known.verdicts.iter().flatten();
        let found = found.copied().find(|(other, _)| *other == rights);
        let (_, is_allowed) = found.unwrap_or_else(|| {
            let verdict = (rights, decide());
            known.verdicts[known.oldest] = Some(verdict);
            known.oldest = (known.oldest + 1) % VERDICTS_MAX;
            verdict
        });
        if is_allowed {
            self.allowed = Some(rights);
        }
        is_allowed
    }

    /// Memory that hangs on it.
    pub fn bytes(&self) -> usize {
        self.known.as_ref().map_or(0, |_| size_of::<Known>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_gets_its_own_verdict_however_many_there_are() {
        let mut verdicts = Verdicts::default();
        let mut asked = 0;
        let id = |number| RightsId::at(number).expect("there are more numbers");
        let is_allowed = |rights: RightsId| rights.index().is_multiple_of(3);
        for round in 0..3 {
            for rights in (0..10_000).map(id) {
                let verdict = verdicts.judge(rights, || {
                    asked += 1;
                    is_allowed(rights)
                });
                assert_eq!(verdict, is_allowed(rights), "round {round}");
                assert!(!is_allowed(rights) || verdicts.last_allowed() == Some(rights));
            }
        }
        assert_eq!(asked, 30_000, "more than are remembered");
        for rights in [0, 1, 0, 1].map(id) {
            verdicts.judge(rights, || {
                asked += 1;
                is_allowed(rights)
            });
        }
        assert_eq!(asked, 30_002, "few are asked once");
        assert_eq!(verdicts.bytes(), size_of::<Known>());
        verdicts.clear();
        assert!(!verdicts.judge(id(0), || false), "all is forgotten");
    }
}
