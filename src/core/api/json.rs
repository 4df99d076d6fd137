//! JSON as Go reads and writes it (`encoding/json`): names of fields in any case, null
//! says nothing, what is unknown is refused by name; `<`, `>` and `&` are written as
//! escapes.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};
use serde_json::{Map, Value};

use super::json_fields::{Fields, Unknown};
use crate::stream::error::{self, ApiError};

/// Reads the body of a request. Several values in a body are read one after the other,
/// each over what was before; an empty body says nothing.
///
/// # Errors
/// 10025 with the reason, which is as Go has it for unknown fields and bodies that end
/// too early.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut said = Map::new();
    for value in serde_json::Deserializer::from_slice(body).into_iter::<Value>() {
        match value {
            Ok(Value::Object(fields)) => said.extend(fields),
            Ok(Value::Null) => {}
            Ok(_) => return Err(error::invalid_json("json: an object is wanted")),
            Err(wrong) if wrong.is_eof() => return Err(error::invalid_json("unexpected EOF")),
            Err(wrong) => return Err(error::invalid_json(&wrong.to_string())),
        }
    }
    T::deserialize(Fields::new(Value::Object(said), Unknown::Refused))
        .map_err(|wrong| error::invalid_json(&wrong.to_string()))
}

/// Reads the body of a request that may have fields that nobody knows; `None` if it is
/// none.
#[must_use]
pub fn read_known<T: DeserializeOwned + Default>(body: &[u8]) -> Option<T> {
    match serde_json::from_slice(body).ok()? {
        Value::Null => Some(T::default()),
        value @ Value::Object(_) => T::deserialize(Fields::new(value, Unknown::Skipped)).ok(),
        _ => None,
    }
}

/// Whether a body says something: the first letter opens an object or an array. What
/// does not counts as empty for requests that may be.
#[must_use]
pub fn says_something(body: &[u8]) -> bool {
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    matches!(body.iter().find(|byte| !blank(byte)), Some(b'{' | b'['))
}

/// Whether a body is empty or an object without fields.
#[must_use]
pub fn is_empty(body: &[u8]) -> bool {
    body.is_empty()
        || matches!(serde_json::from_slice(body), Ok(Value::Object(fields)) if fields.is_empty())
}

/// Writes a value.
///
/// # Panics
/// If it cannot be JSON, which no type of the API is.
#[must_use]
pub fn write<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, Escaping);
    value
        .serialize(&mut writer)
        .expect("answers are made to be written");
    String::from_utf8(bytes).expect("JSON is text")
}

/// Writes no letter that means something in HTML or ends a line in JavaScript.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let letter = rest[at..].chars().next().expect("it was found");
            write!(writer, "\\u{:04x}", u32::from(letter))?;
            rest = &rest[at + letter.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Default, PartialEq, Debug)]
    #[serde(default)]
    struct Inner {
        deep: Vec<u8>,
    }

    #[derive(Deserialize, Default, PartialEq, Debug)]
    #[serde(default)]
    struct Outer {
        name: String,
        inner: Option<Inner>,
        any: Option<Value>,
    }

    fn read_text(body: &str) -> Result<Outer, String> {
        read(body.as_bytes()).map_err(|error| error.description.into_owned())
    }

    #[test]
    fn names_are_known_in_any_case_and_everywhere() {
        let expected = Outer {
            name: "n".to_owned(),
            inner: Some(Inner { deep: vec![1] }),
            any: Some(serde_json::json!({"X": 1})),
        };
        let body = r#"{"NAME":"n","Inner":{"DEEP":[1]},"any":{"X":1}}"#;
        assert_eq!(read_text(body), Ok(expected));
        let nothing = r#"{"name":null,"inner":null}"#;
        assert_eq!(read_text(nothing), Ok(Outer::default()));
        assert_eq!(read_text(""), Ok(Outer::default()));
        let several = read_text(r#"{"name":"a"} {"name":"b"}"#);
        assert_eq!(several.map(|outer| outer.name).as_deref(), Ok("b"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (r#"{"name":"n""#, "unexpected EOF"),
            (r#"{"Foo":1}"#, "json: unknown field \"Foo\""),
            (r#"{"inner":{"foo":1}}"#, "json: unknown field \"foo\""),
            ("5", "json: an object is wanted"),
        ];
        for (body, text) in cases {
            assert_eq!(
                read_text(body),
                Err(format!("invalid JSON: {text}")),
                "{body}"
            );
        }
        for body in ["{} x", r#"{"name":5}"#, r#"{"inner":[]}"#] {
            assert!(read_text(body).is_err(), "{body}");
        }
        assert!(read_known::<Outer>(br#"{"foo":1,"Name":"n"}"#).is_some());
        assert_eq!(read_known::<Outer>(b"null"), Some(Outer::default()));
        assert_eq!(read_known::<Outer>(b"[]"), None);
    }

    #[test]
    fn some_letters_are_written_as_escapes() {
        let text = "a.>\u{2028}<&>\n\u{1}é\"";
        let expected = r#""a.\u003e\u2028\u003c\u0026\u003e\n\u0001é\"""#;
        assert_eq!(write(&text), expected);
    }

    #[test]
    fn bodies_that_say_nothing() {
        assert!(is_empty(b"") && is_empty(b" { }") && !is_empty(b"x") && !is_empty(b"[]"));
        assert!(says_something(b" \n[") && !says_something(b"x{") && !says_something(b" "));
    }
}
