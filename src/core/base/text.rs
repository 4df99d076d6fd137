//! Short byte strings without an allocation: subjects, tokens, queue names.
//!
//! Among a million subscriptions the allocation is a quarter of the memory,
//! and following it one more cache miss per look-up.

use super::shown::quoted_bytes;

/// Longest string that is kept in place.
const INLINE_MAX: usize = 22;

/// A byte string that does not change.
#[derive(Clone)]
pub enum Text {
    /// Length and bytes.
    Inline(u8, [u8; INLINE_MAX]),
    /// A longer one.
    Heap(Box<[u8]>),
}

const _: () = assert!(size_of::<Text>() == 24);

impl Text {
    /// Keeps a byte string.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        match u8::try_from(bytes.len()) {
            Ok(len) if bytes.len() <= INLINE_MAX => {
                let mut inline = [0; INLINE_MAX];
                inline[..bytes.len()].copy_from_slice(bytes);
                Self::Inline(len, inline)
            }
            _ => Self::Heap(bytes.into()),
        }
    }
}

impl std::ops::Deref for Text {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", quoted_bytes(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_any_length() {
        for len in [0, 1, 21, 22, 23, 255, 256, 256 + 22, 400] {
            let bytes: Vec<u8> = (0..len).map(|at: usize| at.to_le_bytes()[0]).collect();
            assert_eq!(*Text::new(&bytes), *bytes);
        }
    }
}
