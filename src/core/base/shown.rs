//! Values as people read them in logs and answers: texts in quotes and
//! durations, as Go writes them, since people and scripts compare them with
//! those of nats-server.

use std::fmt::{Display, Formatter, Result, Write};

/// A text in quotes, with escapes for what cannot be seen.
pub fn quoted<Text: AsRef<str> + ?Sized>(text: &Text) -> impl Display {
    Quoted(text.as_ref().as_bytes())
}

/// The same of bytes that are perhaps no text.
#[must_use]
pub fn quoted_bytes(bytes: &[u8]) -> impl Display {
    Quoted(bytes)
}

/// Bytes with the same escapes, without quotes around them.
#[must_use]
pub fn escaped_bytes(bytes: &[u8]) -> impl Display {
    Escaped(bytes)
}

struct Quoted<'a>(&'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "\"{}\"", Escaped(self.0))
    }
}

struct Escaped<'a>(&'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for part in self.0.utf8_chunks() {
            for character in part.valid().chars() {
                write_escaped(character, f)?;
            }
            for byte in part.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn write_escaped(character: char, f: &mut Formatter<'_>) -> Result {
    match character {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\u{7}' => f.write_str("\\a"),
        '\u{8}' => f.write_str("\\b"),
        '\u{c}' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\u{b}' => f.write_str("\\v"),
        '\0'..' ' | '\u{7f}' => write!(f, "\\x{:02x}", u32::from(character)),
        ' '..='~' => f.write_char(character),
        other if is_seen(other) => f.write_char(other),
        other if u32::from(other) > 0xffff => write!(f, "\\U{:08x}", u32::from(other)),
        other => write!(f, "\\u{:04x}", u32::from(other)),
    }
}

/// Whether a character beyond ASCII shows as something, behind another one.
fn is_seen(character: char) -> bool {
    let mut text = [b'x'; 5];
    let len = character.encode_utf8(&mut text[1..]).len();
    let text = str::from_utf8(&text[..=len]).unwrap_or_default();
    !character.is_whitespace() && text.escape_debug().nth(1) == Some(character)
}

/// A duration in nanoseconds: `1.2ms`.
#[must_use]
pub fn duration(nanos: u64) -> String {
    let trim = |text: String| {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.to_owned()
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", trim(format!("{:.3}", nanos as f64 / 1e3))),
        1_000_000..1_000_000_000 => format!("{}ms", trim(format!("{:.6}", nanos as f64 / 1e6))),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = (nanos % 60_000_000_000) as f64 / 1e9;
            let seconds = trim(format!("{seconds:.9}"));
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_in_go() {
        for (bytes, text) in [
            (&b"plain"[..], "\"plain\""),
            (b"a\"b\\c", "\"a\\\"b\\\\c\""),
            (b"\r\n\t\x07\x08\x0b\x0c", "\"\\r\\n\\t\\a\\b\\v\\f\""),
            (b"\x00\x1b\x7f", "\"\\x00\\x1b\\x7f\""),
            (b"\xff\xc3", "\"\\xff\\xc3\""),
            ("é世 e\u{301}".as_bytes(), "\"é世 e\u{301}\""),
            (
                "\u{a0}\u{200b}\u{e000}".as_bytes(),
                "\"\\u00a0\\u200b\\ue000\"",
            ),
            ("\u{10ffff}".as_bytes(), "\"\\U0010ffff\""),
        ] {
            assert_eq!(quoted_bytes(bytes).to_string(), text);
        }
        assert_eq!(quoted("a").to_string(), "\"a\"");
    }

    #[test]
    fn durations_look_like_those_of_go() {
        for (nanos, text) in [
            (0, "0s"),
            (999, "999ns"),
            (1_500, "1.5µs"),
            (100_000, "100µs"),
            (1_234_000, "1.234ms"),
            (20_000_000, "20ms"),
            (2_000_000_000, "2s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }
}
