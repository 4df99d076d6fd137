//! Passwords against their bcrypt hashes, on a thread of its own: one check
//! takes tens to hundreds of milliseconds, which no core has.
//!
//! One thread also means that whoever guesses passwords keeps one CPU busy at
//! most. What fitted lately, and what did not, is known by a keyed digest: a
//! thousand clients of one user that come back cost one check, not a thousand,
//! and so do those that go on trying an old password.
//!
//! Bounds: the queue has its own; [`KNOWN_MAX`] digests of each kind are kept,
//! the oldest goes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use trunkline_core::base::id::CoreId;
use trunkline_core::shard::login::PasswordCheck;

use crate::cores::Cores;
use crate::work::password_queue::{PasswordQueue, Turns};

/// Pairs of hash and password that are known to fit, and others that are known
/// not to: who guesses makes nobody forgotten who knows.
const KNOWN_MAX: usize = 1024;

/// Answers that go to the cores together.
const ANSWERS_PER_LETTER: usize = 64;

/// How long to wait for a core that has too many letters.
const LETTER_PAUSE: Duration = Duration::from_millis(5);

/// The checker, which can be told to forget.
#[derive(Clone)]
pub struct PasswordChecker {
    known: Arc<Mutex<Known>>,
}

/// The answers of lately, by digests of the pairs. The digest is keyed with random
/// bytes of this process, and never leaves it.
struct Known {
    key: [u8; 32],
    fitting: Digests,
    wrong: Digests,
}

/// Some digests, the oldest first.
#[derive(Default)]
struct Digests {
    all: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Digests {
    fn keep(&mut self, digest: [u8; 32]) {
        if self.all.insert(digest) {
            self.order.push_back(digest);
        }
        if self.order.len() > KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

impl Known {
    fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            fitting: Digests::default(),
            wrong: Digests::default(),
        }
    }

    fn digest(&self, check: &PasswordCheck) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        // The length tells where the hash ends.
        digest.update(check.hash.len().to_le_bytes());
        digest.update(&check.hash);
        digest.update(&check.given);
        digest.finalize().into()
    }

    /// Whether a password belongs to its hash, if that is known.
    fn fits(&self, check: &PasswordCheck) -> Option<bool> {
        let digest = self.digest(check);
        let fits = self.fitting.all.contains(&digest);
        (fits || self.wrong.all.contains(&digest)).then_some(fits)
    }

    fn keep(&mut self, check: &PasswordCheck, fits: bool) {
        let digest = self.digest(check);
        match fits {
            true => self.fitting.keep(digest),
            false => self.wrong.keep(digest),
        }
    }
}

/// Answers on their way to the cores that asked.
#[derive(Default)]
struct Answers(HashMap<CoreId, Vec<(PasswordCheck, bool)>>);

impl Answers {
    /// Adds one; what has become much is brought to its core.
    fn add(&mut self, cores: &Cores, core: CoreId, check: PasswordCheck, fits: bool) {
        let answers = self.0.entry(core).or_default();
        answers.push((check, fits));
        if answers.len() >= ANSWERS_PER_LETTER {
            deliver(cores, core, std::mem::take(answers));
        }
    }

    fn bring(&mut self, cores: &Cores) {
        for (core, answers) in self.0.drain().filter(|(_, answers)| !answers.is_empty()) {
            deliver(cores, core, answers);
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
            known: Arc::new(Mutex::new(Known::new(key))),
        };
        let own = checker.clone();
        std::thread::Builder::new()
            .name("passwords".to_owned())
            .spawn(move || own.run(&queue, &cores))?;
        Ok(checker)
    }

    /// Forgets all answers, as hashes may have changed.
    pub fn forget(&self) {
        let mut known = self.known();
        *known = Known::new(known.key);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, queue: &PasswordQueue, cores: &Cores) {
        let mut turns = Turns::default();
        let mut answers = Answers::default();
        loop {
            // What is known goes first, then one check of the source whose turn it is.
            for (core, check) in queue.take(turns.is_empty()) {
                let known = self.known().fits(&check);
                match known {
                    Some(fits) => answers.add(cores, core, check, fits),
                    None => turns.put(core, check),
                }
            }
            answers.bring(cores);
            if let Some((core, check)) = turns.take() {
                let known = self.known().fits(&check);
                let fits = known.unwrap_or_else(|| fits(&check));
                self.known().keep(&check, fits);
                answers.add(cores, core, check, fits);
                answers.bring(cores);
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
    fn answers_are_known_for_a_while() {
        let mut known = Known::new([7; 32]);
        let first = check(1, "hash", "0");
        known.keep(&first, true);
        known.keep(&first, true);
        assert_eq!(known.fits(&check(2, "hash", "0")), Some(true));
        assert_eq!(known.fits(&check(1, "hash", "1")), None);
        assert_eq!(known.fits(&check(1, "has", "h0")), None);
        for number in 1..=KNOWN_MAX {
            known.keep(&check(1, "hash", &number.to_string()), false);
        }
        assert_eq!(known.fits(&check(1, "hash", "1")), Some(false));
        assert_eq!(known.fits(&first), Some(true), "guesses do not push it out");
        for number in 1..=KNOWN_MAX {
            known.keep(&check(1, "other", &number.to_string()), true);
        }
        assert_eq!(known.fits(&first), None);
        assert_eq!(known.fitting.order.len(), KNOWN_MAX);
    }
}
