//! Characters to keys and scalar values, in nats-server's configuration grammar.
//!
//! The grammar is loose, and what looks like an accident here is observed
//! behaviour of nats-server 2.15.3, which decides what existing files mean:
//! * A bare number ends at a blank, a new line, `,`, `;` or `}` but not at `]`:
//!   `[1,2]` has the elements `1` and `2]…`, while `[1, 2 ]` is a list of numbers.
//! * A bare string also ends at `'`, and `#` or `//` inside of one is text.
//! * A NUL byte ends the input wherever it matters.
//!
//! Stricter than nats-server on purpose: an unclosed quote is an error even as
//! the very last character (there the enclosing block would be dropped in
//! silence, and a block may be `authorization`), and strings are UTF-8.
//!
//! Not here: maps, arrays and what separates their entries (see `parser`).

use std::sync::Arc;

use super::token::{
    END, Key, Scalar, boolean, ends_number, is_blank, is_line_end, is_separator, is_size_suffix,
};
use super::value::{ConfigError, Position};

/// A cursor over one file.
pub(super) struct Lexer<'input> {
    input: &'input [u8],
    file: Arc<str>,
    offset: usize,
    line: u32,
    /// Offset of the line feed that the current line follows; 0 in the first line.
    line_start: usize,
}

impl<'input> Lexer<'input> {
    pub(super) fn new(input: &'input [u8], file: Arc<str>) -> Self {
        Self {
            input,
            file,
            offset: 0,
            line: 1,
            line_start: 0,
        }
    }

    /// The place of the next character.
    pub(super) fn position(&self) -> Position {
        Position {
            file: self.file.clone(),
            line: self.line,
            column: u32::try_from(self.offset - self.line_start).unwrap_or(u32::MAX),
        }
    }

    /// An error at the next character.
    pub(super) fn error(&self, message: impl AsRef<str>) -> ConfigError {
        ConfigError::at(
            &self.position(),
            format!("Parse error: {}", message.as_ref()),
        )
    }

    /// The next character, [`END`] when there is none.
    pub(super) fn peek(&self) -> char {
        self.decode().0
    }

    /// Whether nothing is left. A NUL in the middle peeks as [`END`] without being it.
    pub(super) fn at_end(&self) -> bool {
        self.offset >= self.input.len()
    }

    /// Takes the next character.
    pub(super) fn advance(&mut self) -> char {
        let (character, width) = self.decode();
        if character == '\n' {
            self.line = self.line.saturating_add(1);
            self.line_start = self.offset;
        }
        self.offset += width;
        character
    }

    fn decode(&self) -> (char, usize) {
        let rest = &self.input[self.offset..];
        match rest.first() {
            None => (END, 0),
            Some(byte) if byte.is_ascii() => (char::from(*byte), 1),
            Some(_) => match rest[..rest.len().min(4)].utf8_chunks().next() {
                Some(chunk) => chunk
                    .valid()
                    .chars()
                    .next()
                    .map_or((char::REPLACEMENT_CHARACTER, 1), |character| {
                        (character, character.len_utf8())
                    }),
                None => (END, 0),
            },
        }
    }

    /// Skips blanks and new lines.
    pub(super) fn skip_spaces(&mut self) {
        while self.peek().is_whitespace() {
            self.advance();
        }
    }

    /// Skips a comment if one starts here.
    pub(super) fn skip_comment(&mut self) -> bool {
        let rest = &self.input[self.offset..];
        if !rest.starts_with(b"#") && !rest.starts_with(b"//") {
            return false;
        }
        while !is_line_end(self.peek()) {
            self.advance();
        }
        true
    }

    /// Skips blanks, new lines and comments.
    pub(super) fn skip_spaces_and_comments(&mut self) {
        loop {
            self.skip_spaces();
            if !self.skip_comment() {
                return;
            }
        }
    }

    /// Reads a key. The caller has excluded blanks, separators and the end.
    pub(super) fn key(&mut self) -> Result<Key, ConfigError> {
        let quote = self.peek();
        if quote == '"' || quote == '\'' {
            return self.quoted_key(quote);
        }
        let at = self.position();
        let start = self.offset;
        self.advance();
        loop {
            let next = self.peek();
            if next == END || is_separator(next) || next.is_whitespace() {
                let text = self.text(&self.input[start..self.offset])?;
                let is_include = next.is_whitespace() && text.eq_ignore_ascii_case("include");
                return Ok(Key {
                    text,
                    at,
                    is_include,
                });
            }
            self.advance();
        }
    }

    fn quoted_key(&mut self, quote: char) -> Result<Key, ConfigError> {
        self.advance();
        let at = self.position();
        let start = self.offset;
        self.find_quote(quote, "key")?;
        let text = self.text(&self.input[start..self.offset])?;
        self.advance();
        Ok(Key {
            text,
            at,
            is_include: false,
        })
    }

    /// Moves to the closing quote, without escapes.
    fn find_quote(&mut self, quote: char, what: &str) -> Result<(), ConfigError> {
        loop {
            match self.peek() {
                END => return Err(self.error(format!("Unexpected EOF in quoted {what}"))),
                next if next == quote => return Ok(()),
                _ => self.advance(),
            };
        }
    }

    /// Reads the file name after `include`.
    pub(super) fn include_path(&mut self) -> Result<String, ConfigError> {
        while is_blank(self.peek()) {
            self.advance();
        }
        let first = self.peek();
        let refused = match first {
            '\'' | '"' => {
                self.advance();
                let start = self.offset;
                self.find_quote(first, "include")?;
                let path = self.text(&self.input[start..self.offset])?;
                self.advance();
                return Ok(path);
            }
            '[' => Some("start of an array"),
            '{' => Some("start of a map"),
            '(' => Some("start of a block"),
            '\\' => Some("escape sequence"),
            '\n' | '\r' => Some("new line"),
            '-' | '0'..='9' => Some("start of a number"),
            _ => None,
        };
        if let Some(what) = refused {
            return Err(self.error(format!("Expected include value but found {what}")));
        }
        let start = self.offset;
        loop {
            let next = self.peek();
            if is_line_end(next) || is_blank(next) || matches!(next, ';' | '}' | '\'') {
                let path = self.text(&self.input[start..self.offset])?;
                if next == '\'' {
                    self.advance();
                }
                return Ok(path);
            }
            self.advance();
        }
    }

    /// Reads a scalar. Blanks before it are skipped, a new line is an error.
    pub(super) fn scalar(&mut self) -> Result<Scalar, ConfigError> {
        while is_blank(self.peek()) {
            self.advance();
        }
        let start = self.offset;
        match self.peek() {
            '\'' => {
                self.advance();
                let start = self.offset;
                self.find_quote('\'', "string")?;
                let text = self.text(&self.input[start..self.offset])?;
                self.advance();
                Ok(Scalar::Text(text))
            }
            '"' => self.double_quoted(),
            '(' => self.block(),
            '-' => self.negative_number(),
            '0'..='9' => self.number(),
            '.' => Err(self.error("Floats must start with a digit")),
            '\n' | '\r' => Err(self.error("Expected value but found new line")),
            _ => self.bare_string(start),
        }
    }

    fn double_quoted(&mut self) -> Result<Scalar, ConfigError> {
        self.advance();
        let mut bytes = Vec::new();
        loop {
            let start = self.offset;
            match self.peek() {
                END => return Err(self.error("Unexpected EOF in quoted string")),
                '\\' => bytes.push(self.escape()?),
                '"' => {
                    self.advance();
                    return Ok(Scalar::Text(self.text(&bytes)?));
                }
                _ => {
                    self.advance();
                    bytes.extend_from_slice(&self.input[start..self.offset]);
                }
            }
        }
    }

    /// Reads on in a string without quotes that began at `start`.
    fn bare_string(&mut self, start: usize) -> Result<Scalar, ConfigError> {
        let mut bytes = self.input[start..self.offset].to_vec();
        let mut escaped = false;
        let mut quoted = false;
        loop {
            let start = self.offset;
            let next = self.peek();
            if next == '\\' {
                escaped = true;
                bytes.push(self.escape()?);
                continue;
            }
            quoted |= next == '\'';
            if quoted
                || is_line_end(next)
                || is_blank(next)
                || matches!(next, ';' | ',' | ']' | '}')
            {
                break;
            }
            self.advance();
            bytes.extend_from_slice(&self.input[start..self.offset]);
        }
        let text = self.text(&bytes)?;
        if quoted {
            self.advance();
        }
        if escaped || quoted {
            return Ok(Scalar::Text(text));
        }
        Ok(match (boolean(&text), text.strip_prefix('$')) {
            (Some(value), _) => Scalar::Bool(value),
            (None, Some(name)) => Scalar::Variable(name.to_owned()),
            (None, None) => Scalar::Text(text),
        })
    }

    fn escape(&mut self) -> Result<u8, ConfigError> {
        self.advance();
        let byte = match self.peek() {
            't' => b'\t',
            'n' => b'\n',
            'r' => b'\r',
            '"' => b'"',
            '\\' => b'\\',
            'x' => {
                self.advance();
                return self.hexadecimal_byte();
            }
            other => {
                return Err(self.error(format!(
                    "Invalid escape character '{}'. Only \\xXX, \\t, \\n, \\r, \\\" and \\\\ are allowed",
                    other.escape_debug()
                )));
            }
        };
        self.advance();
        Ok(byte)
    }

    fn hexadecimal_byte(&mut self) -> Result<u8, ConfigError> {
        let mut byte = 0;
        for _ in 0..2 {
            let Some(digit) = self.peek().to_digit(16) else {
                return Err(self.error("Expected two hexadecimal digits after '\\x'"));
            };
            self.advance();
            byte = byte << 4 | u8::try_from(digit).expect("a hexadecimal digit is below 16");
        }
        Ok(byte)
    }

    /// `( … )`: everything up to a line that holds only `)`.
    fn block(&mut self) -> Result<Scalar, ConfigError> {
        self.advance();
        let start = self.offset;
        loop {
            match self.peek() {
                END => return Err(self.error("Unexpected EOF processing block.")),
                ')' if self.input[self.offset - 1] == b'\n' => {
                    let end = self.offset;
                    self.advance();
                    if matches!(self.peek(), '\n' | END) {
                        return Ok(Scalar::Text(self.text(&self.input[start..end])?));
                    }
                }
                _ => {
                    self.advance();
                }
            }
        }
    }

    fn negative_number(&mut self) -> Result<Scalar, ConfigError> {
        let start = self.offset;
        self.advance();
        if !self.peek().is_ascii_digit() {
            return Err(self.error(format!(
                "Expected a digit but got '{}'.",
                self.peek().escape_debug()
            )));
        }
        self.digits();
        match self.peek() {
            '.' => self.fraction(start),
            suffix if is_size_suffix(suffix) => self.size(start),
            _ => Ok(Scalar::Integer(self.slice(start))),
        }
    }

    /// An integer, float, date, address, or a string that begins with a digit.
    fn number(&mut self) -> Result<Scalar, ConfigError> {
        let start = self.offset;
        self.digits();
        match self.peek() {
            '-' => self.date(start),
            '.' => self.fraction(start),
            suffix if is_size_suffix(suffix) => self.size(start),
            next if ends_number(next) => Ok(Scalar::Integer(self.slice(start))),
            _ => {
                // Even a `]` or a `'` belongs to the string then.
                self.advance();
                self.bare_string(start)
            }
        }
    }

    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.advance();
        }
    }

    fn size(&mut self, start: usize) -> Result<Scalar, ConfigError> {
        self.advance();
        while matches!(self.peek(), 'b' | 'B' | 'i' | 'I') {
            self.advance();
        }
        if ends_number(self.peek()) {
            return Ok(Scalar::Integer(self.slice(start)));
        }
        self.bare_string(start)
    }

    fn fraction(&mut self, start: usize) -> Result<Scalar, ConfigError> {
        self.advance();
        if !self.peek().is_ascii_digit() {
            return Err(self.error(format!(
                "Floats must have a digit after the '.', but got '{}' instead.",
                self.peek().escape_debug()
            )));
        }
        self.digits();
        if self.peek() != '.' {
            return Ok(Scalar::Float(self.slice(start)));
        }
        while matches!(self.peek(), '0'..='9' | '.' | ':' | '-') {
            self.advance();
        }
        Ok(Scalar::Text(self.slice(start)))
    }

    fn date(&mut self, start: usize) -> Result<Scalar, ConfigError> {
        if self.offset - start != 4 {
            return Err(self.error("All ISO8601 dates must be in full Zulu form."));
        }
        for expected in "-00-00T00:00:00Z".chars() {
            let next = self.peek();
            if next != expected && !(expected == '0' && next.is_ascii_digit()) {
                return Err(self.error(format!(
                    "Expected YYYY-MM-DDThh:mm:ssZ, but found '{}' in it.",
                    next.escape_debug()
                )));
            }
            self.advance();
        }
        Ok(Scalar::DateTime(self.slice(start)))
    }

    /// What was read since `start`, known to be ASCII.
    fn slice(&self, start: usize) -> String {
        String::from_utf8_lossy(&self.input[start..self.offset]).into_owned()
    }

    fn text(&self, bytes: &[u8]) -> Result<String, ConfigError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.error("text is not valid UTF-8")),
        }
    }
}
