//! The digest of a configuration: SHA-256 over its JSON as Go writes it, so that
//! it is the one that nats-server names, whatever the file's layout.
//!
//! Bound: [`JSON_BYTES_MAX`]. Variables that refer to variables can stand for
//! more than any memory holds.

use sha2::{Digest, Sha256};

use super::value::{Item, Map, Value};

/// Configurations that are longer with all variables in place are refused.
const JSON_BYTES_MAX: usize = 32 << 20;
/// Bytes that are gathered before they are hashed.
const PIECE_BYTES: usize = 64 << 10;

/// The JSON on its way into the hash.
struct Json {
    text: String,
    hash: Sha256,
    /// Bytes that may still come.
    left: usize,
}

/// There is more of it than [`JSON_BYTES_MAX`].
struct TooLong;

/// The digest, as `sha256:` and hexadecimal; `None`: the configuration is too
/// long once its variables are in place.
pub(super) fn digest(map: &Map) -> Option<String> {
    let mut json = Json::new();
    write_map(map, &mut json).ok()?;
    json.text.push('\n');
    json.flush().ok()?;
    let digest = json.hash.finalize();
    let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("sha256:{hexadecimal}"))
}

impl Json {
    fn new() -> Self {
        Self {
            text: String::new(),
            hash: Sha256::new(),
            left: JSON_BYTES_MAX,
        }
    }

    fn flush(&mut self) -> Result<(), TooLong> {
        self.left = self.left.checked_sub(self.text.len()).ok_or(TooLong)?;
        self.hash.update(&self.text);
        self.text.clear();
        Ok(())
    }
}

fn write_map(map: &Map, json: &mut Json) -> Result<(), TooLong> {
    let mut entries: Vec<(&str, &Item)> = map
        .entries()
        .iter()
        .map(|entry| (&*entry.key, &entry.item))
        .collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    json.text.push('{');
    for (number, (key, item)) in entries.into_iter().enumerate() {
        if number > 0 {
            json.text.push(',');
        }
        write_text(key, &mut json.text);
        json.text.push(':');
        write_value(&item.value, json)?;
    }
    json.text.push('}');
    Ok(())
}

fn write_value(value: &Value, json: &mut Json) -> Result<(), TooLong> {
    match value {
        Value::Text(text) => write_text(text, &mut json.text),
        Value::DateTime(text) => write_text(text, &mut json.text),
        Value::Integer(number) => json.text.push_str(&number.to_string()),
        Value::Float(number) => write_float(*number, &mut json.text),
        Value::Bool(value) => json.text.push_str(if *value { "true" } else { "false" }),
        Value::Map(map) => write_map(map, json)?,
        Value::Array(items) => {
            json.text.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    json.text.push(',');
                }
                write_value(&item.value, json)?;
            }
            json.text.push(']');
        }
    }
    if json.text.len() >= PIECE_BYTES {
        json.flush()?;
    }
    Ok(())
}

/// The shortest form, with an exponent for what is very small or large.
fn write_float(number: f64, json: &mut String) {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        json.push_str(&format!("{digits}e{sign}{exponent}"));
    } else {
        json.push_str(&number.to_string());
    }
}

/// Quoted, with the characters escaped that mean something in HTML.
fn write_text(text: &str, json: &mut String) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '<' | '>' | '&' | '\0'..'\u{20}' | '\u{2028}' | '\u{2029}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::value::Position;

    #[test]
    fn what_stands_for_too_much_is_given_up() {
        let item = |value| {
            let file = "test.conf".into();
            let (line, column) = (1, 0);
            let at = Position { file, line, column };
            Item { value, at }
        };
        let mut value = Value::Bool(true);
        for _ in 0..60 {
            value = Value::Array(Arc::new(vec![item(value.clone()), item(value)]));
        }
        assert!(write_value(&value, &mut Json::new()).is_err());
    }
}
