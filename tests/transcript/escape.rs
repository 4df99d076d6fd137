//! The escapes of the transcript language.

/// What an expectation is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Exact(Vec<u8>),
    /// `{*}`: any bytes without a line end.
    Anything,
}

/// Bytes to send: no placeholders allowed.
pub fn bytes(text: &str) -> Result<Vec<u8>, String> {
    match pieces(text)?.as_slice() {
        [] => Ok(Vec::new()),
        [Piece::Exact(bytes)] => Ok(bytes.clone()),
        _ => Err("a placeholder cannot be sent".to_owned()),
    }
}

/// Bytes to expect.
pub fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut exact = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(tail) = rest.strip_prefix("{*}") {
            pieces.push(Piece::Exact(std::mem::take(&mut exact)));
            pieces.push(Piece::Anything);
            rest = tail;
        } else if let Some((repeated, count, tail)) = repetition(rest) {
            exact.extend(bytes(repeated)?.repeat(count));
            rest = tail;
        } else if character == '\\' {
            let (byte, tail) = escaped(&rest[1..])?;
            exact.push(byte);
            rest = tail;
        } else {
            let length = character.len_utf8();
            exact.extend_from_slice(&rest.as_bytes()[..length]);
            rest = &rest[length..];
        }
    }
    if !exact.is_empty() {
        pieces.push(Piece::Exact(exact));
    }
    Ok(pieces)
}

/// `{text*count}` at the start. JSON never looks like that: it has quotes inside its braces.
fn repetition(text: &str) -> Option<(&str, usize, &str)> {
    let inner = text.strip_prefix('{')?;
    let (body, tail) = inner.split_once('}')?;
    let (repeated, count) = body.rsplit_once('*')?;
    if repeated.is_empty() || repeated.contains(['{', '"', '*']) {
        return None;
    }
    Some((repeated, count.parse().ok()?, tail))
}

fn escaped(text: &str) -> Result<(u8, &str), String> {
    let kind = text.chars().next().ok_or("a lone backslash at the end")?;
    let byte = match kind {
        'r' => b'\r',
        'n' => b'\n',
        't' => b'\t',
        's' => b' ',
        '\\' => b'\\',
        'x' => {
            let digits = text.get(1..3).ok_or("\\x needs two digits")?;
            let byte = u8::from_str_radix(digits, 16).map_err(|_| "\\x needs hex digits")?;
            return Ok((byte, &text[3..]));
        }
        other => return Err(format!("unknown escape \\{other}")),
    };
    Ok((byte, &text[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_repetition() {
        assert_eq!(bytes("{ab*2}\\x41\\r\\n").unwrap(), b"ababA\r\n");
        assert_eq!(bytes("{\\x00*3}").unwrap(), b"\0\0\0");
        assert_eq!(bytes(r#"C {"a":"*1"} {}"#).unwrap(), br#"C {"a":"*1"} {}"#);
        assert!(bytes("{*}").is_err());
        assert_eq!(pieces("a{*}b").unwrap().len(), 3);
    }
}
