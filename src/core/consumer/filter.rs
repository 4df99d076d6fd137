//! Which messages a consumer wants, by their subjects.

use crate::subject::pattern::{is_literal, matches};

/// One or several patterns, or none, which is all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    /// All messages.
    All,
    /// Those of a subject.
    Subject(Box<[u8]>),
    /// Those of several subjects, in order, or that match one of several patterns.
    Patterns {
        /// The subjects.
        literals: Vec<Box<[u8]>>,
        /// The patterns.
        wildcards: Vec<Box<[u8]>>,
    },
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
            several => {
                let all = several.iter().map(|one| bytes(one));
                let (mut literals, wildcards): (Vec<_>, Vec<_>) =
                    all.partition(|one| is_literal(one));
                literals.sort_unstable();
                Self::Patterns {
                    literals,
                    wildcards,
                }
            }
        }
    }

    /// Whether a message of a subject is wanted.
    #[must_use]
    pub fn matches(&self, subject: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Subject(wanted) => **wanted == *subject,
            Self::Patterns {
                literals,
                wildcards,
            } => {
                let found = literals.binary_search_by(|one| (**one).cmp(subject));
                found.is_ok() || wildcards.iter().any(|pattern| matches(pattern, subject))
            }
        }
    }

    /// The subjects, if there are no wildcards.
    #[must_use]
    pub fn literals(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::All => None,
            Self::Subject(subject) => Some(vec![subject]),
            Self::Patterns {
                literals,
                wildcards,
            } => {
                let all = literals.iter().map(|one| &**one);
                wildcards.is_empty().then(|| all.collect())
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
