//! The two kinds of connections of a run in which a stream is read while it grows.

use crate::plans::jetstream::crew::{Actor, Turn};
use crate::plans::jetstream::publisher::Publisher;
use crate::plans::jetstream::reader::Reader;
use crate::plans::jetstream::takers::Numbered;
use crate::wire::scan::Message;

/// One of them.
pub enum Follower {
    /// Who publishes.
    Publisher(Publisher),
    /// Who reads; what is timed is from publishing to here.
    Reader(Reader<Numbered>),
}

impl Follower {
    /// What a reader has seen.
    pub fn taker(self) -> Option<Numbered> {
        match self {
            Follower::Publisher(_) => None,
            Follower::Reader(reader) => Some(reader.taker),
        }
    }
}

impl Actor for Follower {
    fn begin(&mut self, turn: &mut Turn<'_>) {
        match self {
            Follower::Publisher(publisher) => publisher.begin(turn),
            Follower::Reader(reader) => reader.begin(turn),
        }
    }

    fn message(&mut self, message: &Message<'_>, turn: &mut Turn<'_>) {
        match self {
            Follower::Publisher(publisher) => publisher.message(message, turn),
            Follower::Reader(reader) => reader.message(message, turn),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Follower::Publisher(publisher) => publisher.is_done(),
            Follower::Reader(reader) => reader.is_done(),
        }
    }

    fn awaits(&self) -> String {
        match self {
            Follower::Publisher(publisher) => publisher.awaits(),
            Follower::Reader(reader) => reader.awaits(),
        }
    }
}
