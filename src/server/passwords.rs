//! Passwords against their bcrypt hashes, on a thread of its own: one check
//! takes tens to hundreds of milliseconds, which no core has.
//!
//! One thread also means that whoever guesses passwords keeps one CPU busy at
//! most. What fitted lately is known by a keyed digest: a thousand clients of
//! one user that come back cost one check, not a thousand.
//!
//! Bounds: the queue has its own; [`VERIFIED_MAX`] digests are kept, the oldest
//! goes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use trunkline_core::base::id::CoreId;
use trunkline_core::shard::login::PasswordCheck;

use crate::cores::Cores;
use crate::work::password_queue::PasswordQueue;

/// Pairs of hash and password that are known to fit.
const VERIFIED_MAX: usize = 1024;

/// Answers that go to the cores together.
const ANSWERS_PER_LETTER: usize = 64;

/// How long to wait for a core that has too many letters.
const LETTER_PAUSE: Duration = Duration::from_millis(5);

/// The checker, which can be told to forget.
#[derive(Clone)]
pub struct PasswordChecker {
    verified: Arc<Mutex<Verified>>,
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
    /// Starts the thread that takes checks from the queue and brings the answers as letters; it ends
    /// with the process.
    pub fn start(queue: Arc<PasswordQueue>, cores: Cores) -> std::io::Result<Self> {
        let mut key = [0; 32];
        rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())?;
        let checker = Self {
            verified: Arc::new(Mutex::new(Verified {
                key,
                digests: HashSet::new(),
                order: VecDeque::new(),
            })),
        };
        let own = checker.clone();
        std::thread::Builder::new()
            .name("passwords".to_owned())
            .spawn(move || own.run(&queue, &cores))?;
        Ok(checker)
    }

    /// Forgets what has fitted, as hashes may have changed.
    pub fn forget(&self) {
        let mut verified = self.verified();
        verified.digests.clear();
        verified.order.clear();
    }

    fn verified(&self) -> MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, queue: &PasswordQueue, cores: &Cores) {
        loop {
            let mut answers: HashMap<CoreId, Vec<(PasswordCheck, bool)>> = HashMap::new();
            // Quick answers go together; a slow one is waited for alone.
            for _ in 0..ANSWERS_PER_LETTER {
                let Some((core, check)) = queue.take(answers.is_empty()) else {
                    break;
                };
                let is_known = self.verified().knows(&check);
                let fits = is_known || fits(&check);
                if fits && !is_known {
                    self.verified().keep(&check);
                }
                answers.entry(core).or_default().push((check, fits));
                if !is_known {
                    break;
                }
            }
            for (core, answers) in answers {
                deliver(cores, core, answers);
            }
        }
    }
}

/// Brings answers to a core, however long that takes it; a client must not wait
/// for an answer that is lost.
fn deliver(cores: &Cores, core: CoreId, answers: Vec<(PasswordCheck, bool)>) {
    let answers = Arc::new(answers);
    loop {
        let letter = Arc::clone(&answers);
        let posted = cores.post(core, move |core, _| {
            for (check, fits) in letter.iter() {
                core.shard_mut().on_password_checked(check, *fits);
            }
        });
        if posted.is_ok() || cores.shared.is_stopping.load(Ordering::Relaxed) {
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
    use trunkline_core::session::login_throttle::Source;

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
