//! A request for messages under way.
//!
//! Data, and the search in it. Not here: how it is answered (`gets`).

use super::errand::Errand;
use crate::api::direct_get::{Chosen, DirectGet, Part};
use crate::api::message_query::Search;
use crate::store::Entry;
use crate::stream::search::Progress;

/// A request for messages under way.
pub(super) struct Get {
    pub errand: Errand,
    /// The name of the stream.
    pub stream: Box<[u8]>,
    pub looks: Looks,
    /// A message that was chosen and is being read.
    pub chosen: Option<Chosen>,
}

/// What is looked for.
pub(super) enum Looks {
    /// One message, which is answered in JSON.
    One {
        search: Search,
        without_header: bool,
    },
    /// Messages as they are.
    Direct(DirectGet),
}

/// What was found.
pub(super) enum Found {
    Message(Chosen),
    GoOn,
    /// The header block of the last answer.
    End(String),
    Over,
    Nothing,
}

impl Get {
    pub fn new(stream: &[u8], errand: Errand, looks: Looks) -> Self {
        Self {
            errand,
            stream: stream.into(),
            looks,
            chosen: None,
        }
    }

    pub fn look(&mut self, entry: &Entry, steps: &mut usize) -> Found {
        let stream = entry.stream();
        match &mut self.looks {
            Looks::One { search, .. } => {
                match search.step(stream.log(), stream.log().last(), steps) {
                    Progress::GoOn => Found::GoOn,
                    Progress::Done(None) => Found::Nothing,
                    Progress::Done(Some(sequence)) => Found::Message(Chosen {
                        sequence,
                        place: None,
                        without_header: false,
                    }),
                }
            }
            Looks::Direct(get) => match get.next(stream, stream.log().last(), steps) {
                Part::Message(chosen) => Found::Message(chosen),
                Part::GoOn => Found::GoOn,
                Part::End(header) => Found::End(header),
                Part::Over => Found::Over,
            },
        }
    }

    /// Whether nothing follows.
    pub fn is_over(&self) -> bool {
        matches!(self.looks, Looks::One { .. })
    }
}
