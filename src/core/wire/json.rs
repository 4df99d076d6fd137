//! The JSON object of CONNECT and INFO, read as the reference server reads it: nested as deeply as
//! Go allows, with halves of surrogate pairs and bytes that are no UTF-8 taken for U+FFFD, the fields
//! in their order and those given twice included.
//!
//! Bounds: the input is one control line; nothing here recurses, and of nested values only the end is
//! looked for.

/// A value, as far as somebody wants it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(String),
    /// A string without its escapes.
    Text(String),
    /// An array or object, as it is written.
    Nested(String),
}

/// The text is no object, or no JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadJson;

/// How deep values may nest, as in Go.
const NESTING_MAX: usize = 10_000;

/// The fields of an object in their order; `null` has none.
///
/// # Errors
/// [`BadJson`] for anything else.
pub fn fields(json: &[u8]) -> Result<Vec<(String, Value)>, BadJson> {
    let text = String::from_utf8_lossy(json);
    let mut reader = Reader {
        rest: text.as_bytes(),
    };
    let mut fields = Vec::new();
    match reader.next() {
        Some(b'n') => reader.word(b"null")?,
        Some(b'{') => {
            reader.advance();
            reader.each(b'}', |reader| {
                let name = reader.name()?;
                fields.push((name, reader.value()?));
                Ok(())
            })?;
        }
        _ => return Err(BadJson),
    }
    match reader.next() {
        None => Ok(fields),
        Some(_) => Err(BadJson),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let blanks = self.rest.iter().take_while(is_blank).count();
        self.rest = &self.rest[blanks..];
        self.rest.first().copied()
    }

    fn advance(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// Takes this byte, which has to be next.
    fn expect(&mut self, byte: u8) -> Result<(), BadJson> {
        (self.next() == Some(byte)).then_some(()).ok_or(BadJson)?;
        self.advance();
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), BadJson> {
        self.rest = self.rest.strip_prefix(word).ok_or(BadJson)?;
        Ok(())
    }

    /// Reads what stands between commas until the closing byte.
    fn each(
        &mut self,
        close: u8,
        mut read: impl FnMut(&mut Self) -> Result<(), BadJson>,
    ) -> Result<(), BadJson> {
        if self.next() == Some(close) {
            self.advance();
            return Ok(());
        }
        loop {
            read(self)?;
            match self.next() {
                Some(b',') => self.advance(),
                Some(byte) if byte == close => {
                    self.advance();
                    return Ok(());
                }
                _ => return Err(BadJson),
            }
        }
    }

    /// The name of a field, with the colon behind it.
    fn name(&mut self) -> Result<String, BadJson> {
        let name = self.text()?;
        self.expect(b':')?;
        Ok(name)
    }

    fn value(&mut self) -> Result<Value, BadJson> {
        match self.next().ok_or(BadJson)? {
            b'{' | b'[' => {
                let start = self.rest;
                self.skip_nested()?;
                Ok(Value::Nested(self.written_since(start)))
            }
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Result<Value, BadJson> {
        match self.next().ok_or(BadJson)? {
            b'"' => self.text().map(Value::Text),
            b'n' => self.word(b"null").map(|()| Value::Null),
            b't' => self.word(b"true").map(|()| Value::Bool(true)),
            b'f' => self.word(b"false").map(|()| Value::Bool(false)),
            _ => self.number().map(Value::Number),
        }
    }

    /// Goes past an array or object with all that is in it.
    fn skip_nested(&mut self) -> Result<(), BadJson> {
        // What closes the open ones; the object around them counts too.
        let mut open: Vec<u8> = Vec::new();
        loop {
            // A value begins here.
            let close = match self.next().ok_or(BadJson)? {
                b'{' => Some(b'}'),
                b'[' => Some(b']'),
                _ => None,
            };
            match close {
                Some(close) => {
                    self.advance();
                    open.push(close);
                    if open.len() >= NESTING_MAX {
                        return Err(BadJson);
                    }
                    if self.next() != Some(close) {
                        self.begin_entry(close)?;
                        continue;
                    }
                }
                None => drop(self.scalar()?),
            }
            // It has ended, and perhaps those around it.
            loop {
                let Some(&close) = open.last() else {
                    return Ok(());
                };
                match self.next() {
                    Some(b',') => {
                        self.advance();
                        self.begin_entry(close)?;
                        break;
                    }
                    Some(byte) if byte == close => {
                        self.advance();
                        open.pop();
                    }
                    _ => return Err(BadJson),
                }
            }
        }
    }

    /// An entry of an object begins with its name.
    fn begin_entry(&mut self, close: u8) -> Result<(), BadJson> {
        match close {
            b'}' => self.name().map(drop),
            _ => Ok(()),
        }
    }

    fn number(&mut self) -> Result<String, BadJson> {
        let start = self.rest;
        if self.rest.first() == Some(&b'-') {
            self.advance();
        }
        match self.digits() {
            0 => return Err(BadJson),
            len if len > 1 && start.iter().find(|byte| **byte != b'-') == Some(&b'0') => {
                return Err(BadJson);
            }
            _ => {}
        }
        if self.rest.first() == Some(&b'.') {
            self.advance();
            if self.digits() == 0 {
                return Err(BadJson);
            }
        }
        if matches!(self.rest.first(), Some(b'e' | b'E')) {
            self.advance();
            if matches!(self.rest.first(), Some(b'+' | b'-')) {
                self.advance();
            }
            if self.digits() == 0 {
                return Err(BadJson);
            }
        }
        Ok(self.written_since(start))
    }

    /// What was read since `start`, which begins and ends at ASCII bytes.
    fn written_since(&self, start: &[u8]) -> String {
        let written = &start[..start.len() - self.rest.len()];
        String::from_utf8_lossy(written).into_owned()
    }

    fn digits(&mut self) -> usize {
        let bytes = self.rest.iter();
        let len = bytes.take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[len..];
        len
    }

    fn text(&mut self) -> Result<String, BadJson> {
        self.expect(b'"')?;
        let mut bytes = Vec::new();
        loop {
            let plain = self.rest.iter();
            let len = plain
                .take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
                .count();
            let (plain, rest) = self.rest.split_at(len);
            bytes.extend_from_slice(plain);
            self.rest = rest;
            match self.rest.first() {
                Some(b'"') => {
                    self.advance();
                    // Cut at ASCII bytes only.
                    return String::from_utf8(bytes).map_err(|_| BadJson);
                }
                Some(b'\\') => {
                    self.advance();
                    let character = self.escape()?;
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(BadJson),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, BadJson> {
        let kind = *self.rest.first().ok_or(BadJson)?;
        self.advance();
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                let before = self.rest;
                let is_high = (0xd800..0xdc00).contains(&first);
                let low = match self.rest.strip_prefix(b"\\u") {
                    Some(rest) if is_high => {
                        self.rest = rest;
                        self.unit()?
                    }
                    _ => 0,
                };
                let pair = match low {
                    0xdc00..0xe000 => 0x1_0000 + ((first - 0xd800) << 10 | (low - 0xdc00)),
                    // What follows stands for itself.
                    _ => {
                        self.rest = before;
                        first
                    }
                };
                char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(BadJson),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, BadJson> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(BadJson)?;
        self.rest = rest;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(BadJson)?;
            Ok(unit << 4 | digit)
        })
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
