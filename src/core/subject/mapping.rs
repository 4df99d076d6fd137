//! Subject mappings of an account: which subjects become others, and with what
//! weights (ADR-30).

use super::pattern::Pattern;
use super::transform::{Transform, TransformError};
use crate::base::shown::quoted;
use std::collections::BTreeSet;
use std::fmt;

/// Weights are percentages.
const WHOLE: u8 = 100;

/// Why a mapping is refused; the texts are those of NATS 2.15.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MappingError {
    /// The same destination twice.
    Duplicate(String),
    /// A weight above 100.
    Weight,
    /// Weights that add up to more than 100.
    TotalWeight,
    /// A destination that the source cannot become.
    Transform(TransformError),
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(destination) => {
                write!(f, "duplicate entry for {}", quoted(destination))
            }
            Self::Weight => f.write_str("individual weights need to be <= 100"),
            Self::TotalWeight => f.write_str("total weight needs to be <= 100"),
            Self::Transform(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MappingError {}

/// Where the subjects of one pattern go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectMapping {
    source: Box<[u8]>,
    has_wildcard: bool,
    /// Destinations, each for draws below its bound; messages of higher draws
    /// are lost.
    choices: Vec<(u8, Transform)>,
}

impl SubjectMapping {
    /// Compiles a mapping; what the weights leave stays where it is, unless the
    /// source is one of its own destinations.
    ///
    /// # Errors
    /// As [`MappingError`] says.
    pub fn parse(source: &str, destinations: &[(&str, u8)]) -> Result<Self, MappingError> {
        let pattern = Pattern::parse(source.as_bytes());
        let pattern = pattern.ok_or(MappingError::Transform(TransformError::BadSubject))?;
        let mut total = 0;
        let mut weighted = Vec::new();
        let mut seen = BTreeSet::new();
        for &(destination, weight) in destinations {
            if !seen.insert(destination) {
                return Err(MappingError::Duplicate(destination.to_owned()));
            }
            if weight > WHOLE {
                return Err(MappingError::Weight);
            }
            total += weight;
            if total > WHOLE {
                return Err(MappingError::TotalWeight);
            }
            let transform = Transform::parse(source, destination);
            weighted.push((weight, transform.map_err(MappingError::Transform)?));
        }
        let names_source = seen.contains(source);
        if total < WHOLE && !names_source {
            weighted.push((WHOLE - total, Transform::identity(source)));
        }
        let mut bound = 0;
        let choices = weighted.into_iter().map(|(weight, transform)| {
            bound += weight;
            (bound, transform)
        });
        Ok(Self {
            source: source.as_bytes().into(),
            has_wildcard: pattern.has_wildcard(),
            choices: choices.collect(),
        })
    }

    /// Whether it applies to a subject.
    #[must_use]
    pub fn applies_to(&self, subject: &[u8]) -> bool {
        if self.has_wildcard {
            // What reads like a wildcard is one here (NATS 2.15).
            super::pattern::is_within(subject, &self.source)
        } else {
            *self.source == *subject
        }
    }

    /// The destinations, each for draws below its bound.
    #[must_use]
    pub fn choices(&self) -> &[(u8, Transform)] {
        &self.choices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(source: &str, destinations: &[(&str, u8)]) -> Vec<u8> {
        let mapping = SubjectMapping::parse(source, destinations).expect("valid");
        mapping.choices().iter().map(|choice| choice.0).collect()
    }

    #[test]
    fn weights_are_shared_out() {
        assert_eq!(bounds("a", &[("b", 100)]), [100]);
        assert_eq!(bounds("a", &[("b", 20), ("c", 30)]), [20, 50, 100]);
        assert_eq!(
            bounds("a", &[("b", 20), ("a", 30)]),
            [20, 50],
            "some are lost"
        );
    }

    #[test]
    fn wrong_weights_are_refused() {
        let error = |destinations: &[(&str, u8)]| {
            SubjectMapping::parse("a", destinations).expect_err("invalid")
        };
        assert_eq!(error(&[("b", 101)]), MappingError::Weight);
        assert_eq!(error(&[("b", 60), ("c", 60)]), MappingError::TotalWeight);
        assert_eq!(
            error(&[("b", 10), ("b", 10)]),
            MappingError::Duplicate("b".into())
        );
        assert!(matches!(error(&[("b.$1", 10)]), MappingError::Transform(_)));
    }
}
