//! Passwords against their bcrypt hashes, on a thread of its own: one check
//! takes tens to hundreds of milliseconds, which no core has.
//!
//! One thread also means that whoever guesses passwords keeps one CPU busy at
//! most. It ends when the last core has gone.

use std::sync::{Arc, mpsc};

use tracing::error;
use trunkline_core::base::id::CoreId;
use trunkline_core::shard::authenticate::PasswordCheck;

use crate::mesh::Shared;

/// Where cores send their checks.
#[derive(Clone)]
pub struct PasswordChecker {
    checks: mpsc::Sender<(CoreId, PasswordCheck)>,
}

impl PasswordChecker {
    /// Starts the thread.
    pub fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        // Bounded by what every core lets be under way.
        let (checks, todo) = mpsc::channel();
        std::thread::Builder::new()
            .name("passwords".to_owned())
            .spawn(move || run(&todo, &shared))?;
        Ok(Self { checks })
    }

    /// Has a password checked; the core gets the answer as a letter.
    pub fn check(&self, core: CoreId, check: PasswordCheck) {
        // The thread ends after the cores only.
        let _ = self.checks.send((core, check));
    }
}

fn run(todo: &mpsc::Receiver<(CoreId, PasswordCheck)>, shared: &Shared) {
    while let Ok((core, check)) = todo.recv() {
        let fits = fits(&check);
        let (key, number) = (check.key, check.number);
        let answer = shared.post(core, move |core, now| {
            core.shard_mut().on_password_checked(now, key, number, fits);
        });
        if answer.is_err() {
            error!("{core} has too many letters: the client of a password check must come again");
        }
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

    #[test]
    fn right_and_wrong_passwords() {
        let check = |hash: &str, given: &str| {
            fits(&PasswordCheck {
                key: ConnectionKey::from_bits(0),
                number: 1,
                hash: hash.to_owned(),
                given: given.to_owned(),
            })
        };
        // The well-known test vector of bcrypt for "U*U".
        let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        assert!(check(hash, "U*U"));
        assert!(!check(hash, "U*V"));
        assert!(!check("$2a$05$no", "U*U"));
        assert!(!check(hash, &"x".repeat(100)));
    }
}
