//! The subscriptions of this core to one pattern, or in one queue group of it.
//!
//! In the order in which fan-out wants them, so that matching a subject copies
//! them. Nearly all patterns have one, which needs no allocation. A
//! subscription knows its position, and the last one takes the place of one
//! that leaves. Rejected: lists linked through the subscriptions; they were
//! smaller, but a match of many waited for memory at every one of them.

use super::receivers::Target;
use crate::base::width;

/// Receivers without an order.
#[derive(Debug, Default)]
pub enum Members {
    /// None or one.
    #[default]
    None,
    /// One.
    One(Target),
    /// Several, now or lately.
    Many(Vec<Target>),
}

const _: () = assert!(size_of::<Members>() == 24);

impl Members {
    /// Number of subscriptions.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// All of them.
    #[inline]
    pub fn as_slice(&self) -> &[Target] {
        match self {
            Self::None => &[],
            Self::One(target) => std::slice::from_ref(target),
            Self::Many(targets) => targets,
        }
    }

    /// Adds a subscription; returns its position.
    pub fn push(&mut self, target: Target) -> u32 {
        match self {
            Self::None => {
                *self = Self::One(target);
                0
            }
            Self::One(first) => {
                *self = Self::Many(vec![*first, target]);
                1
            }
            Self::Many(targets) => {
                targets.push(target);
                width::short(targets.len() - 1)
            }
        }
    }

    /// Takes the subscription at a position out; returns the one that has
    /// taken its place.
    pub fn remove(&mut self, position: u32) -> Option<Target> {
        let Self::Many(targets) = self else {
            *self = Self::None;
            return None;
        };
        targets.swap_remove(position as usize);
        let moved = targets.get(position as usize).copied();
        if let [last] = targets[..] {
            *self = Self::One(last);
        } else if targets.capacity() > 4 * targets.len() {
            targets.shrink_to(2 * targets.len());
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn every_member_knows_its_position() {
        let mut rng = Rng::new(5);
        let mut members = Members::default();
        // By number of the subscription.
        let mut positions: Vec<Option<u32>> = vec![None; 100];
        for step in 0..20_000 {
            let grows = step / 1000 % 2 == 0;
            let number = rng.below(100) as u32;
            let target = Target {
                connection: number + 7,
                subscription: number,
            };
            match positions[number as usize] {
                None if grows || rng.below(4) == 0 => {
                    positions[number as usize] = Some(members.push(target));
                }
                Some(position) if !grows || rng.below(4) == 0 => {
                    let moved = members.remove(position);
                    positions[number as usize] = None;
                    if let Some(moved) = moved {
                        positions[moved.subscription as usize] = Some(position);
                    }
                }
                _ => {}
            }
            assert_eq!(members.len(), positions.iter().flatten().count());
            for (at, target) in (0u32..).zip(members.as_slice()) {
                assert_eq!(positions[target.subscription as usize], Some(at));
                assert_eq!(target.connection, target.subscription + 7);
            }
            if let Members::Many(targets) = &members {
                assert!(targets.len() > 1 && targets.capacity() <= 4 * targets.len());
            }
        }
    }
}
