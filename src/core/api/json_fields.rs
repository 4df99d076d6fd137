//! A JSON value that types are read from as Go does: a field is found by its name in any
//! case, null says nothing, and what no field of a type is may be an error. This holds
//! for types within types.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// What becomes of fields that a type does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They are an error.
    Refused,
    /// They say nothing.
    Skipped,
}

/// A value to be read from.
pub struct Fields {
    value: Value,
    unknown: Unknown,
}

impl Fields {
    /// The value.
    pub fn new(value: Value, unknown: Unknown) -> Self {
        Self { value, unknown }
    }

    fn within(&self, value: Value) -> Self {
        Self::new(value, self.unknown)
    }
}

impl IntoDeserializer<'_, Error> for Fields {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Fields {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match std::mem::take(&mut self.value) {
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.within(item));
                visitor.visit_seq(SeqDeserializer::new(items))
            }
            Value::Object(fields) => {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| (name, self.within(value)));
                visitor.visit_map(MapDeserializer::new(fields))
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Object(said) = std::mem::take(&mut self.value) else {
            return Err(Error::custom("json: an object is wanted"));
        };
        let mut known = Map::new();
        for (name, value) in said {
            let field = names.iter().find(|field| field.eq_ignore_ascii_case(&name));
            match field {
                Some(field) if !value.is_null() => {
                    known.insert((*field).to_owned(), value);
                }
                None if self.unknown == Unknown::Refused => {
                    let text = format!("json: unknown field \"{name}\"");
                    return Err(Error::custom(text));
                }
                _ => {}
            }
        }
        self.value = Value::Object(known);
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
