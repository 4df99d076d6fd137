//! Passwords that wait to be compared with their hashes. Sources of connections take turns, so that one
//! with many checks does not keep out others.
//!
//! Bounds: every core bounds its checks, in all and by source, and refuses the clients beyond.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};

use trunkline_core::base::id::CoreId;
use trunkline_core::session::login_throttle::Source;
use trunkline_core::shard::login::PasswordCheck;

/// What waits, and who waits for it.
#[derive(Default)]
pub struct PasswordQueue {
    turns: Mutex<Turns>,
    has_more: Condvar,
}

impl PasswordQueue {
    /// Leaves a check of a core.
    pub fn put(&self, core: CoreId, check: PasswordCheck) {
        let turns = self.turns.lock();
        let mut turns = turns.unwrap_or_else(PoisonError::into_inner);
        turns.put(core, check);
        drop(turns);
        self.has_more.notify_one();
    }

    /// Takes the next check, and waits for it if it should.
    pub fn take(&self, waits: bool) -> Option<(CoreId, PasswordCheck)> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let check = turns.take();
            if check.is_some() || !waits {
                return check;
            }
            let woken = self.has_more.wait(turns);
            turns = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Checks by source; sources take turns.
#[derive(Default)]
struct Turns {
    sources: VecDeque<Source>,
    checks: HashMap<Source, VecDeque<(CoreId, PasswordCheck)>>,
}

impl Turns {
    fn put(&mut self, core: CoreId, check: PasswordCheck) {
        let waiting = self.checks.entry(check.source).or_default();
        if waiting.is_empty() {
            self.sources.push_back(check.source);
        }
        waiting.push_back((core, check));
    }

    fn take(&mut self) -> Option<(CoreId, PasswordCheck)> {
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
        let queue = PasswordQueue::default();
        for given in ["1", "2", "3"] {
            queue.put(CoreId(0), check(1, given));
        }
        queue.put(CoreId(1), check(2, "other"));
        let order: Vec<String> = std::iter::from_fn(|| queue.take(false))
            .map(|(_, check)| check.given)
            .collect();
        assert_eq!(order, ["1", "other", "2", "3"]);
        let turns = queue.turns.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(turns.checks.is_empty() && turns.sources.is_empty());
    }
}
