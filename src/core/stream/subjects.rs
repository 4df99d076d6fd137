//! The subjects of a stream: how many messages each has, and which are its first and
//! last ones.

use ahash::RandomState;

use crate::base::slab::Slab;
use crate::base::slot_table::SlotTable;
use crate::base::text::Text;

/// A subject that has messages.
#[derive(Debug)]
pub struct Subject {
    /// Its text.
    pub text: Text,
    /// Messages of it.
    pub count: u64,
    /// The sequence of the first one.
    pub first: u64,
    /// The sequence of the last one.
    pub last: u64,
}

/// All subjects that have messages, numbered.
#[derive(Debug)]
pub struct Subjects {
    all: Slab<Subject>,
    by_text: SlotTable,
    hasher: RandomState,
}

impl Subjects {
    /// None; the hash function follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            all: Slab::default(),
            by_text: SlotTable::default(),
            hasher: RandomState::with_seeds(seed, 21, 22, 23),
        }
    }

    /// Number of subjects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Subject> {
        self.all.iter().map(|(_, subject)| subject)
    }

    /// Beyond the number of every subject.
    #[must_use]
    pub fn numbers_end(&self) -> u32 {
        self.all.slots()
    }

    /// The subject that has a number, if there is one.
    #[must_use]
    pub fn at(&self, number: u32) -> Option<&Subject> {
        self.all.get(number)
    }

    /// The number of a subject, if it has messages.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<u32> {
        let is_meant = |&number: &u32| *self.all[number].text == *text;
        self.by_text.find(self.hasher.hash_one(text), is_meant)
    }

    /// The subject that has a number.
    #[must_use]
    pub fn get(&self, number: u32) -> &Subject {
        &self.all[number]
    }

    /// The same, to be changed.
    ///
    /// # Panics
    /// If there is none.
    pub fn get_mut(&mut self, number: u32) -> &mut Subject {
        self.all.get_mut(number).expect("a message has a subject")
    }

    /// Adds a subject with its first message.
    pub fn add(&mut self, text: &[u8], sequence: u64) -> u32 {
        debug_assert!(self.find(text).is_none(), "it has no messages yet");
        let number = self.all.insert(Subject {
            text: Text::new(text),
            count: 1,
            first: sequence,
            last: sequence,
        });
        let (all, hasher) = (&self.all, &self.hasher);
        let hash_of = |other: u32| hasher.hash_one(&*all[other].text);
        self.by_text.insert(hasher.hash_one(text), number, hash_of);
        number
    }

    /// Forgets a subject that has no messages any more.
    pub fn remove(&mut self, number: u32) {
        debug_assert!(self.all[number].count == 0, "nothing refers to it");
        let (all, hasher) = (&self.all, &self.hasher);
        let hash_of = |other: u32| hasher.hash_one(&*all[other].text);
        self.by_text.remove(hash_of(number), number, hash_of);
        self.all.remove(number);
    }
}
