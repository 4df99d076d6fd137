//! The numbers of what the server says in its own name.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The digits of event numbers.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Random digits that begin the numbers of this process, and digits that count.
const PREFIX_LEN: usize = 12;
const COUNT_LEN: u32 = 10;

/// What the server counts while it speaks.
#[derive(Default)]
pub struct MessageNumbers {
    /// Answers and events.
    messages: AtomicU64,
    /// Events.
    events: AtomicU64,
    prefix: OnceLock<String>,
}

impl MessageNumbers {
    /// The number of the next answer or event.
    pub fn next(&self) -> u64 {
        self.messages.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A number that no other event has.
    pub fn event_id(&self) -> String {
        let prefix = self.prefix.get_or_init(|| {
            let mut bytes = [0; PREFIX_LEN];
            // Without random bytes numbers are still unique in this process.
            let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
            let digit = |&byte: &u8| char::from(DIGITS[usize::from(byte) % DIGITS.len()]);
            bytes.iter().map(digit).collect()
        });
        let mut number = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        let mut id = prefix.clone();
        for _ in 0..COUNT_LEN {
            id.push(char::from(DIGITS[(number % 62) as usize]));
            number /= 62;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_numbers_of_their_own() {
        let numbers = MessageNumbers::default();
        let ids: std::collections::BTreeSet<String> =
            (0..200).map(|_| numbers.event_id()).collect();
        assert_eq!(ids.len(), 200);
        assert!(ids.iter().all(|id| id.len() == 22 && id.is_ascii()));
    }
}
