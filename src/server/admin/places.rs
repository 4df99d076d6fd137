//! The places that connections of monitoring have. New ones get one always: of
//! those that are there, the one goes that has kept the server waiting for
//! longest, before those that take an answer. So nobody who opens connections
//! and says nothing keeps a supervisor from asking whether the server is well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::task::AbortHandle;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 256;

/// All places.
#[derive(Clone, Default)]
pub struct Places(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    /// The number of the last connection.
    last: u64,
    connections: BTreeMap<u64, Connection>,
}

struct Connection {
    /// `None` until it runs.
    task: Option<AbortHandle>,
    is_sent_to: bool,
    since: Instant,
}

/// The place of one connection, which it has until this is dropped.
pub struct Place {
    places: Places,
    number: u64,
}

impl Places {
    /// A place, for which another connection may have to go.
    pub fn take(&self) -> Place {
        let mut taken = self.taken();
        if taken.connections.len() >= CONNECTIONS_MAX {
            taken.end_one();
        }
        taken.last += 1;
        let number = taken.last;
        let connection = Connection {
            task: None,
            is_sent_to: false,
            since: Instant::now(),
        };
        taken.connections.insert(number, connection);
        drop(taken);
        Place {
            places: self.clone(),
            number,
        }
    }

    /// Says what runs at a place, and ends when somebody else needs it.
    pub fn occupy(&self, number: u64, task: AbortHandle) {
        if let Some(connection) = self.taken().connections.get_mut(&number) {
            connection.task = Some(task);
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn end_one(&mut self) {
        let connections = self.connections.iter();
        let longest = connections.min_by_key(|(_, one)| (one.is_sent_to, one.since));
        let Some((&number, _)) = longest else {
            return;
        };
        if let Some(Connection {
            task: Some(task), ..
        }) = self.connections.remove(&number)
        {
            task.abort();
        }
    }
}

impl Place {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// An answer is on its way.
    pub fn sends(&self) {
        self.change(true);
    }

    /// The client may ask again.
    pub fn waits(&self) {
        self.change(false);
    }

    fn change(&self, is_sent_to: bool) {
        let mut taken = self.places.taken();
        if let Some(connection) = taken.connections.get_mut(&self.number) {
            connection.is_sent_to = is_sent_to;
            connection.since = Instant::now();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_longest_goes_first() {
        let places = Places::default();
        let all: Vec<Place> = (0..CONNECTIONS_MAX).map(|_| places.take()).collect();
        let is_there = |place: &Place| places.taken().connections.contains_key(&place.number);
        all[0].sends();
        all[1].sends();
        all[1].waits();
        let one_more = places.take();
        assert!(is_there(&all[0]) && is_there(&all[1]) && !is_there(&all[2]));
        assert!(is_there(&one_more));
        drop(one_more);
        let _in_the_free_place = places.take();
        assert!(is_there(&all[3]));
    }
}
