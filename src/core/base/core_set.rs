//! A set of cores as a bit mask.

use super::id::CoreId;
use super::limits::CORES_MAX;

/// A set of cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CoreSet(u128);

const _: () = assert!(CORES_MAX <= 128);

impl CoreSet {
    /// The set without members.
    pub const EMPTY: Self = Self(0);

    /// Adds a core.
    pub fn insert(&mut self, core: CoreId) {
        debug_assert!(core.index() < CORES_MAX);
        self.0 |= 1 << core.0;
    }

    /// Removes a core.
    pub fn remove(&mut self, core: CoreId) {
        self.0 &= !(1 << core.0);
    }

    /// Whether a core is a member.
    #[must_use]
    pub fn contains(self, core: CoreId) -> bool {
        self.0 >> core.0 & 1 == 1
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Members of either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = CoreId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let lowest = rest.trailing_zeros();
            rest &= rest - 1;
            // Below 128, of as many bits.
            u8::try_from(lowest).ok().map(CoreId)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_back_in_order() {
        let mut set = CoreSet::EMPTY;
        for core in [127, 3, 64, 0] {
            set.insert(CoreId(core));
        }
        set.remove(CoreId(64));
        assert!(set.contains(CoreId(127)) && !set.contains(CoreId(64)));
        let members: Vec<u8> = set.iter().map(|core| core.0).collect();
        assert_eq!(members, [0, 3, 127]);
    }
}
