//! Where the messages of a mapped subject go: what a route remembers of it.

/// Where the messages of a mapped subject go.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// The destinations.
    pub choices: Vec<Choice>,
    /// Position of the mapping in the rules.
    pub(super) mapping: usize,
}

/// One destination of a mapped subject.
#[derive(Clone, Debug)]
pub struct Choice {
    /// It is meant for draws below this of a hundred.
    pub below: u8,
    /// What the subject becomes; `None`: drawn for every message.
    pub subject: Option<Vec<u8>>,
    /// Place of its route when it was last used.
    pub route: u32,
}

impl Mapped {
    /// Memory of it.
    pub(super) fn bytes(&self) -> usize {
        let subjects = self.choices.iter().flat_map(|choice| &choice.subject);
        size_of::<Self>()
            + self.choices.capacity() * size_of::<Choice>()
            + subjects.map(Vec::capacity).sum::<usize>()
    }
}
