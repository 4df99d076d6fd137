//! The argument of a control line, and the numbers in it.

use memchr::memchr;

use super::command::{Grammar, Violation};

/// The argument of a control line.
pub(super) struct Argument<'a> {
    pub bytes: &'a [u8],
    /// Where the line ends in the input, newline included.
    pub line_len: usize,
}

/// Finds the argument that begins at the first non-blank from `start` on.
/// `Err(Ok(keep))` if the line is unfinished.
pub(super) fn argument<'a>(
    input: &'a [u8],
    start: usize,
    grammar: &Grammar,
) -> Result<Argument<'a>, Result<usize, Violation>> {
    let begin = skip_blanks(input, start);
    if begin == input.len() {
        // Blanks are not kept: an endless row of them takes no memory.
        return Err(Ok(start));
    }
    let newline = memchr(b'\n', &input[begin + 1..]).map(|at| begin + 1 + at);
    let Some(newline) = newline else {
        let dropped = usize::from(memchr(b'\r', &input[begin + 1..]).is_some());
        if input.len() - begin - dropped > grammar.max_control_line {
            return Err(Err(Violation::ControlLineExceeded));
        }
        return Err(Ok(input.len()));
    };
    let dropped = usize::from(memchr(b'\r', &input[begin + 1..newline]).is_some());
    let bytes = &input[begin..newline - dropped];
    if bytes.len() > grammar.max_control_line {
        return Err(Err(Violation::ControlLineExceeded));
    }
    Ok(Argument {
        bytes,
        line_len: newline + 1,
    })
}

/// A decimal number of at most nine digits, as sizes and counts are written.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0usize, |sum, &digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + usize::from(digit - b'0'))
    })
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Position of the first byte from `start` on that is no blank.
fn skip_blanks(input: &[u8], start: usize) -> usize {
    let rest = &input[start..];
    start + rest.iter().take_while(|&&byte| is_blank(byte)).count()
}
