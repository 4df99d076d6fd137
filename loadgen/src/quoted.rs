//! Texts in quotes, for messages to people.

use std::fmt::{Display, Formatter, Result};

/// A text in quotes, with escapes for what cannot be seen.
pub fn quoted<Text: AsRef<str> + ?Sized>(text: &Text) -> impl Display {
    Quoted(text.as_ref())
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "\"{}\"", self.0.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(quoted("a\"\r").to_string(), "\"a\\\"\\r\"");
    }
}
