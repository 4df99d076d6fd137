//! Which messages a consumer wants, by their subjects.

use crate::subject::pattern::{is_literal, matches};

/// One or several patterns, or none, which is all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    /// All messages.
    All,
    /// Those of a subject.
    Subject(Box<[u8]>),
    /// Those that match one of these.
    Patterns(Vec<Box<[u8]>>),
}

impl Filter {
    /// A filter of patterns; without any it is all.
    #[must_use]
    pub fn new(patterns: &[Box<str>]) -> Self {
        let bytes = |text: &str| -> Box<[u8]> { text.as_bytes().into() };
        match patterns {
            [] => Self::All,
            all if all.iter().any(|one| &**one == ">") => Self::All,
            [one] if is_literal(one.as_bytes()) => Self::Subject(bytes(one)),
            several => Self::Patterns(several.iter().map(|one| bytes(one)).collect()),
        }
    }

    /// Whether a message of a subject is wanted.
    #[must_use]
    pub fn matches(&self, subject: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Subject(wanted) => **wanted == *subject,
            Self::Patterns(patterns) => patterns.iter().any(|pattern| matches(pattern, subject)),
        }
    }

    /// The subjects, if there are no wildcards.
    #[must_use]
    pub fn literals(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::All => None,
            Self::Subject(subject) => Some(vec![subject]),
            Self::Patterns(patterns) => {
                let mut all = patterns.iter().map(|pattern| &**pattern);
                let are_literal = all.clone().all(is_literal);
                are_literal.then(|| all.by_ref().collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_one_or_several_patterns() {
        let filter = |patterns: &[&str]| {
            let patterns: Vec<Box<str>> = patterns.iter().map(|&one| one.into()).collect();
            Filter::new(&patterns)
        };
        assert_eq!(filter(&[]), Filter::All);
        assert_eq!(filter(&["a", ">"]), Filter::All);
        assert_eq!(filter(&["a.b"]), Filter::Subject(b"a.b"[..].into()));
        let several = filter(&["a.*", "b.c"]);
        assert_eq!(several.literals(), None);
        for (subject, expected) in [("a.b", true), ("b.c", true), ("b.d", false), ("a", false)] {
            assert_eq!(several.matches(subject.as_bytes()), expected, "{subject}");
        }
        let literals = filter(&["a.x", "b.c"]);
        assert_eq!(literals.literals(), Some(vec![&b"a.x"[..], b"b.c"]));
        assert!(literals.matches(b"b.c") && !literals.matches(b"b"));
        assert!(filter(&["a.b"]).matches(b"a.b") && !filter(&["a.b"]).matches(b"a"));
    }
}
