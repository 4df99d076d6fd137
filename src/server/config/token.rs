//! What the lexer hands out, and the classes of characters it is made of.

use super::value::Position;

/// Stands for the end of the input.
pub(super) const END: char = '\0';

/// A value that is neither map nor array.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Bool(bool),
    /// Digits with an optional size suffix, as written.
    Integer(String),
    Float(String),
    DateTime(String),
    /// The name without its `$`.
    Variable(String),
}

/// A key, and whether it is the word `include` followed by a blank.
#[derive(Debug)]
pub(super) struct Key {
    pub text: String,
    pub at: Position,
    pub is_include: bool,
}

/// `=` or `:` between key and value.
pub(super) fn is_separator(character: char) -> bool {
    matches!(character, '=' | ':')
}

/// A blank inside of a line.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// A new line or the end of the input.
pub(super) fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | END)
}

/// What may follow a bare number; `]` may not.
pub(super) fn ends_number(character: char) -> bool {
    is_line_end(character) || is_blank(character) || matches!(character, '}' | ';' | ',')
}

/// The first letter of a size suffix.
pub(super) fn is_size_suffix(character: char) -> bool {
    matches!(
        character.to_ascii_lowercase(),
        'k' | 'm' | 'g' | 't' | 'p' | 'e'
    )
}

/// The booleans of the grammar, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}
