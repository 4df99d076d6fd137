//! Subjects and patterns as clients write them.
//!
//! A subject is a row of tokens between dots. In a pattern `*` stands for one
//! token and `>`, at the end, for one or more. What arrives in a message is a
//! subject whatever it contains (wildcards are letters there); only patterns
//! must be valid.

/// The separator of tokens.
pub const SEPARATOR: u8 = b'.';

/// A valid pattern, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern<'a> {
    text: &'a [u8],
    has_wildcard: bool,
}

impl<'a> Pattern<'a> {
    /// Reads a pattern; `None` if a token is empty or something follows `>`.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let mut has_wildcard = false;
        let mut ended = false;
        for token in tokens(text) {
            if token.is_empty() || ended {
                return None;
            }
            has_wildcard |= token == b"*" || token == b">";
            ended = token == b">";
        }
        Some(Self { text, has_wildcard })
    }

    /// Whether a text is a pattern.
    #[must_use]
    pub fn is_valid(text: &[u8]) -> bool {
        Pattern::parse(text).is_some()
    }

    /// The text of the pattern.
    #[must_use]
    pub fn text(self) -> &'a [u8] {
        self.text
    }

    /// Whether the pattern matches more than one subject.
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        self.has_wildcard
    }
}

/// The tokens of a subject or pattern; an empty text has one empty token.
pub fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == SEPARATOR)
}

/// Whether a pedantic publisher may publish to this subject: no empty token
/// and no token that is a wildcard.
#[must_use]
pub fn is_literal(subject: &[u8]) -> bool {
    tokens(subject).all(|token| !token.is_empty() && token != b"*" && token != b">")
}

/// Whether two dots meet or a subject begins or ends with one; such a subject
/// reaches nobody.
#[must_use]
pub fn has_empty_token(subject: &[u8]) -> bool {
    subject.first().is_none_or(|&byte| byte == SEPARATOR)
        || subject.ends_with(&[SEPARATOR])
        || subject
            .windows(2)
            .any(|pair| pair == [SEPARATOR, SEPARATOR])
}

/// Whether a pattern matches a subject, decided token by token. The trie must
/// agree with it; it is here for tests, checkers and cold paths.
#[must_use]
pub fn matches(pattern: &[u8], subject: &[u8]) -> bool {
    let mut wanted = tokens(pattern);
    let mut given = tokens(subject);
    loop {
        match (wanted.next(), given.next()) {
            (Some(b">"), Some(_)) | (None, None) => return true,
            (Some(b"*"), Some(_)) => {}
            (Some(want), Some(have)) if want == have => {}
            _ => return false,
        }
    }
}

/// Whether some subject matches both patterns.
#[must_use]
pub fn overlap(one: &[u8], other: &[u8]) -> bool {
    let (mut ones, mut others) = (tokens(one), tokens(other));
    loop {
        match (ones.next(), others.next()) {
            (Some(b">"), Some(_)) | (Some(_), Some(b">")) | (None, None) => return true,
            (Some(b"*"), Some(_)) | (Some(_), Some(b"*")) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether every subject that a pattern matches is matched by another one too.
#[must_use]
pub fn is_within(inner: &[u8], outer: &[u8]) -> bool {
    let (mut inners, mut outers) = (tokens(inner), tokens(outer));
    loop {
        match (inners.next(), outers.next()) {
            (Some(_), Some(b">")) | (None, None) => return true,
            (Some(b">"), _) => return false,
            (Some(_), Some(b"*")) => {}
            (Some(inner), Some(outer)) if inner == outer => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_patterns() {
        for (one, other, expected) in [
            (&b"a.*"[..], &b"*.b"[..], true),
            (b"a.>", b"a.b.c", true),
            (b"a.>", b"a", false),
            (b"a.*", b"b.*", false),
            (b"*", b">", true),
            (b"a.*.c", b"a.b", false),
        ] {
            assert_eq!(overlap(one, other), expected);
            assert_eq!(overlap(other, one), expected);
        }
    }

    #[test]
    fn patterns_within_others() {
        for (inner, outer, expected) in [
            (&b"a.b"[..], &b"a.*"[..], true),
            (b"a.*", b"a.*", true),
            (b"a.>", b"a.*", false),
            (b"a.>", b"a.>", true),
            (b"a.*", b"a.b", false),
            (b"a.b.c", b"a.>", true),
            (b"a", b"a.>", false),
            (b"a.b", b"a", false),
        ] {
            assert_eq!(is_within(inner, outer), expected, "{inner:?} {outer:?}");
        }
    }

    #[test]
    fn valid_and_invalid_patterns() {
        for (text, wildcard) in [
            (&b"a"[..], false),
            (b"a.b.c", false),
            (b"*", true),
            (b">", true),
            (b"a.*.c", true),
            (b"a.>", true),
            (b"a*.b>", false),
        ] {
            let pattern = Pattern::parse(text).expect("valid");
            assert_eq!(pattern.has_wildcard(), wildcard, "{text:?}");
        }
        for text in [&b""[..], b".", b"a.", b".a", b"a..b", b">.a", b"a.>.b"] {
            assert_eq!(Pattern::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn literals() {
        assert!(is_literal(b"a.b*") && is_literal(b"a>"));
        assert!(!is_literal(b"a.*") && !is_literal(b"a..b") && !is_literal(b">"));
    }

    #[test]
    fn matching() {
        for (pattern, subject, expected) in [
            (&b"a.*"[..], &b"a.b"[..], true),
            (b"a.*", b"a", false),
            (b"a.*", b"a.b.c", false),
            (b"a.>", b"a.b.c", true),
            (b"a.>", b"a", false),
            (b">", b"a", true),
            (b"*.b", b"a.b", true),
            (b"a.*", b"a.*", true),
        ] {
            assert_eq!(
                matches(pattern, subject),
                expected,
                "{pattern:?} {subject:?}"
            );
        }
    }
}
