//! Passwords that wait to be compared with their hashes. Sources of connections take turns, so that one
//! with many checks does not keep out others. What is known already needs no turn: it goes first.
//!
//! Bounds: every core bounds its checks, in all and by source; the clients beyond ask again later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};

use trunkline_core::base::id::CoreId;
use trunkline_core::session::login_throttle::Source;
use trunkline_core::shard::login::PasswordCheck;

/// What cores have left, until the checker takes it.
#[derive(Default)]
pub struct PasswordQueue {
    left: Mutex<Vec<(CoreId, PasswordCheck)>>,
    has_more: Condvar,
}

impl PasswordQueue {
    /// Leaves a check of a core.
    pub fn put(&self, core: CoreId, check: PasswordCheck) {
        let left = self.left.lock();
        left.unwrap_or_else(PoisonError::into_inner)
            .push((core, check));
        self.has_more.notify_one();
    }

    /// Takes all that was left, and waits for something if it should.
    pub fn take(&self, waits: bool) -> Vec<(CoreId, PasswordCheck)> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = match waits {
            true => self.has_more.wait_while(left, |left| left.is_empty()),
            false => Ok(left),
        };
        std::mem::take(&mut taken.unwrap_or_else(PoisonError::into_inner))
    }
}

/// Checks by source; sources take turns.
#[derive(Default)]
pub struct Turns {
    sources: VecDeque<Source>,
    checks: HashMap<Source, VecDeque<(CoreId, PasswordCheck)>>,
}

impl Turns {
    /// Adds a check of a core.
    pub fn put(&mut self, core: CoreId, check: PasswordCheck) {
        let waiting = self.checks.entry(check.source).or_default();
        if waiting.is_empty() {
            self.sources.push_back(check.source);
        }
        waiting.push_back((core, check));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Takes the check whose turn it is.
    pub fn take(&mut self) -> Option<(CoreId, PasswordCheck)> {
        let source = self.sources.pop_front()?;
        let waiting = self.checks.get_mut(&source)?;
        let check = waiting.pop_front();
        match waiting.is_empty() {
            true => drop(self.checks.remove(&source)),
            false => self.sources.push_back(source),
        }
        check
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_core::base::id::ConnectionKey;

    fn check(from: u8, given: &str) -> PasswordCheck {
        PasswordCheck {
            key: ConnectionKey::from_bits(0),
            number: 1,
            source: Source::of(&([127, 0, 0, from], 1).into()),
            hash: String::new(),
            given: given.to_owned(),
        }
    }

    #[test]
    fn sources_take_turns() {
        let (queue, mut turns) = (PasswordQueue::default(), Turns::default());
        for given in ["1", "2", "3"] {
            queue.put(CoreId(0), check(1, given));
        }
        queue.put(CoreId(1), check(2, "other"));
        for (core, check) in queue.take(true) {
            turns.put(core, check);
        }
        assert!(queue.take(false).is_empty() && !turns.is_empty());
        let order: Vec<String> = std::iter::from_fn(|| turns.take())
            .map(|(_, check)| check.given)
            .collect();
        assert_eq!(order, ["1", "other", "2", "3"]);
        assert!(turns.checks.is_empty() && turns.is_empty());
    }
}
