//! Passwords against their bcrypt hashes, on a thread of its own: one check
//! takes tens to hundreds of milliseconds, which no core has.
//!
//! One thread also means that whoever guesses passwords keeps one CPU busy at
//! most. Sources of connections take turns, so that one with many checks does
//! not keep out others. What fitted lately is known by a keyed digest: a
//! thousand clients of one user that come back cost one check, not a thousand.
//!
//! Bounds: every core bounds its checks, in all and by source, and refuses the
//! clients beyond; [`VERIFIED_MAX`] digests are kept, the oldest goes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use trunkline_core::base::id::CoreId;
use trunkline_core::session::tries::Source;
use trunkline_core::shard::authenticate::PasswordCheck;

use crate::mesh::Shared;

/// Pairs of hash and password that are known to fit.
const VERIFIED_MAX: usize = 1024;

/// Answers that go to the cores together.
const ANSWERS_PER_LETTER: usize = 64;

/// How long to wait for a core that has too many letters.
const LETTER_PAUSE: Duration = Duration::from_millis(5);

/// Where cores send their checks.
#[derive(Clone)]
pub struct PasswordChecker {
    shared: Arc<Work>,
}

/// What the thread has to do.
struct Work {
    queue: Mutex<Queue>,
    has_more: Condvar,
    verified: Mutex<Verified>,
}

/// Checks by source; sources take turns.
#[derive(Default)]
struct Queue {
    turns: VecDeque<Source>,
    checks: HashMap<Source, VecDeque<(CoreId, PasswordCheck)>>,
}

impl Queue {
    fn put(&mut self, core: CoreId, check: PasswordCheck) {
        let waiting = self.checks.entry(check.source).or_default();
        if waiting.is_empty() {
            self.turns.push_back(check.source);
        }
        waiting.push_back((core, check));
    }

    fn take(&mut self) -> Option<(CoreId, PasswordCheck)> {
        let source = self.turns.pop_front()?;
        let waiting = self.checks.get_mut(&source)?;
        let check = waiting.pop_front();
        match waiting.is_empty() {
            true => drop(self.checks.remove(&source)),
            false => self.turns.push_back(source),
        }
        check
    }
}

/// Digests of the pairs that have fitted lately. The digest is keyed with random
/// bytes of this process, and never leaves it.
struct Verified {
    key: [u8; 32],
    digests: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Verified {
    fn digest(&self, check: &PasswordCheck) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        // The length tells where the hash ends.
        digest.update(check.hash.len().to_le_bytes());
        digest.update(&check.hash);
        digest.update(&check.given);
        digest.finalize().into()
    }

    fn knows(&self, check: &PasswordCheck) -> bool {
        self.digests.contains(&self.digest(check))
    }

    fn keep(&mut self, check: &PasswordCheck) {
        let digest = self.digest(check);
        if self.digests.insert(digest) {
            self.order.push_back(digest);
        }
        if self.order.len() > VERIFIED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
    }
}

impl PasswordChecker {
    /// Starts the thread; it ends with the process.
    pub fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let mut key = [0; 32];
        rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())?;
        let work = Arc::new(Work {
            queue: Mutex::default(),
            has_more: Condvar::new(),
            verified: Mutex::new(Verified {
                key,
                digests: HashSet::new(),
                order: VecDeque::new(),
            }),
        });
        let checker = Self {
            shared: Arc::clone(&work),
        };
        std::thread::Builder::new()
            .name("passwords".to_owned())
            .spawn(move || work.run(&shared))?;
        Ok(checker)
    }

    /// Has a password checked; the core gets the answer as a letter.
    pub fn check(&self, core: CoreId, check: PasswordCheck) {
        let queue = self.shared.queue.lock();
        queue
            .unwrap_or_else(PoisonError::into_inner)
            .put(core, check);
        self.shared.has_more.notify_one();
    }

    /// Forgets what has fitted, as hashes may have changed.
    pub fn forget(&self) {
        let verified = self.shared.verified.lock();
        let mut verified = verified.unwrap_or_else(PoisonError::into_inner);
        verified.digests.clear();
        verified.order.clear();
    }
}

impl Work {
    fn run(&self, shared: &Shared) {
        loop {
            let mut answers: HashMap<CoreId, Vec<(PasswordCheck, bool)>> = HashMap::new();
            // Quick answers go together; a slow one is waited for alone.
            for _ in 0..ANSWERS_PER_LETTER {
                let Some((core, check)) = self.next(answers.is_empty()) else {
                    break;
                };
                let is_known = self.knows(&check);
                let fits = is_known || fits(&check);
                if fits && !is_known {
                    self.keep(&check);
                }
                answers.entry(core).or_default().push((check, fits));
                if !is_known {
                    break;
                }
            }
            for (core, answers) in answers {
                deliver(shared, core, answers);
            }
        }
    }

    fn next(&self, waits: bool) -> Option<(CoreId, PasswordCheck)> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let check = queue.take();
            if check.is_some() || !waits {
                return check;
            }
            queue = self
                .has_more
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn knows(&self, check: &PasswordCheck) -> bool {
        let verified = self.verified.lock();
        verified
            .unwrap_or_else(PoisonError::into_inner)
            .knows(check)
    }

    fn keep(&self, check: &PasswordCheck) {
        let verified = self.verified.lock();
        verified.unwrap_or_else(PoisonError::into_inner).keep(check);
    }
}

/// Brings answers to a core, however long that takes it; a client must not wait
/// for an answer that is lost.
fn deliver(shared: &Shared, core: CoreId, answers: Vec<(PasswordCheck, bool)>) {
    let answers = Arc::new(answers);
    loop {
        let letter = Arc::clone(&answers);
        let posted = shared.post(core, move |core, _| {
            for (check, fits) in letter.iter() {
                core.shard_mut().on_password_checked(check, *fits);
            }
        });
        if posted.is_ok() || shared.is_stopping.load(Ordering::Relaxed) {
            return;
        }
        std::thread::sleep(LETTER_PAUSE);
    }
}

/// Whether a password belongs to its hash; a hash that cannot be read belongs
/// to none.
fn fits(check: &PasswordCheck) -> bool {
    bcrypt::verify(&check.given, &check.hash).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_core::base::id::ConnectionKey;

    fn check(from: u8, hash: &str, given: &str) -> PasswordCheck {
        PasswordCheck {
            key: ConnectionKey::from_bits(0),
            number: 1,
            source: Source::of(&([127, 0, 0, from], 1).into()),
            hash: hash.to_owned(),
            given: given.to_owned(),
        }
    }

    #[test]
    fn right_and_wrong_passwords() {
        let fits = |hash: &str, given: &str| fits(&check(1, hash, given));
        // The well-known test vector of bcrypt for "U*U".
        let rest = "$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        for version in ["$2a", "$2b", "$2y"] {
            let hash = format!("{version}{rest}");
            assert!(fits(&hash, "U*U"), "{version}");
            assert!(!fits(&hash, "U*V"));
            assert!(!fits(&hash, &"x".repeat(100)));
        }
        assert!(!fits("$2a$05$no", "U*U"));
    }

    #[test]
    fn sources_take_turns() {
        let mut queue = Queue::default();
        for given in ["1", "2", "3"] {
            queue.put(CoreId(0), check(1, "", given));
        }
        queue.put(CoreId(1), check(2, "", "other"));
        let order: Vec<String> = std::iter::from_fn(|| queue.take())
            .map(|(_, check)| check.given)
            .collect();
        assert_eq!(order, ["1", "other", "2", "3"]);
        assert!(queue.checks.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn what_has_fitted_is_known_for_a_while() {
        let mut verified = Verified {
            key: [7; 32],
            digests: HashSet::new(),
            order: VecDeque::new(),
        };
        let first = check(1, "hash", "0");
        verified.keep(&first);
        verified.keep(&first);
        assert!(verified.knows(&check(2, "hash", "0")));
        assert!(!verified.knows(&check(1, "hash", "1")));
        assert!(!verified.knows(&check(1, "has", "h0")));
        for number in 1..=VERIFIED_MAX {
            verified.keep(&check(1, "hash", &number.to_string()));
        }
        assert!(!verified.knows(&first) && verified.digests.len() == VERIFIED_MAX);
    }
}
