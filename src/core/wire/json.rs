//! The JSON object of CONNECT and INFO, read as the reference server reads it: nested as deeply as
//! somebody likes, with halves of surrogate pairs and bytes that are no UTF-8 taken for U+FFFD, the
//! fields in their order and those given twice included.
//!
//! Bounds: the input is one control line; nested values are looked at for mistakes only, and nothing
//! recurses on that.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

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

/// The fields of an object in their order; `null` has none.
///
/// # Errors
/// [`BadJson`] for anything else.
pub fn fields(json: &[u8]) -> Result<Vec<(String, Value)>, BadJson> {
    let json = String::from_utf8_lossy(json);
    // Strings that may hold surrogates are not looked at closely afterwards.
    serde_json::from_str::<IgnoredAny>(&json).map_err(|_| BadJson)?;
    let fields: Fields<'_> = serde_json::from_str(&json).map_err(|_| BadJson)?;
    let fields = fields.0.into_iter();
    fields
        .map(|(Text(name), value)| Ok((name, read(value.get())?)))
        .collect()
}

/// A value that is known to be JSON.
fn read(written: &str) -> Result<Value, BadJson> {
    Ok(match written.as_bytes().first() {
        Some(b'"') => {
            let Text(text) = serde_json::from_str(written).map_err(|_| BadJson)?;
            Value::Text(text)
        }
        Some(b'n') => Value::Null,
        Some(b't' | b'f') => Value::Bool(written == "true"),
        Some(b'{' | b'[') => Value::Nested(written.to_owned()),
        _ => Value::Number(written.to_owned()),
    })
}

/// The fields as they are written.
struct Fields<'a>(Vec<(Text, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
                text.write_str("an object or null")
            }

            fn visit_unit<E>(self) -> Result<Fields<'de>, E> {
                Ok(Fields(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        json.deserialize_any(InOrder)
    }
}

/// A string, which the library hands out with surrogates only as bytes.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
                text.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
                let mut text = String::with_capacity(bytes.len());
                for chunk in bytes.utf8_chunks() {
                    text.push_str(chunk.valid());
                    // A surrogate is three bytes, of which the first is this one.
                    if chunk.invalid().first() == Some(&0xed) {
                        text.push(char::REPLACEMENT_CHARACTER);
                    }
                }
                Ok(Text(text))
            }
        }
        json.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
