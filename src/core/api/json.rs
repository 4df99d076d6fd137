//! JSON as Go reads it: names of fields in any case, what is unknown refused by name.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::stream::error::{self, ApiError};

/// Reads an object into a type whose fields have these names, in lower case.
///
/// # Errors
/// 10025 with the reason.
pub fn read<T: DeserializeOwned>(body: &[u8], fields: &[&str]) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|wrong| {
        let text = match wrong.is_eof() {
            true => "unexpected end of JSON input".to_owned(),
            false => wrong.to_string(),
        };
        error::invalid_json(&text)
    })?;
    read_value(value, fields)
}

/// Reads an object that was a part of another one.
///
/// # Errors
/// 10025 with the reason.
pub fn read_value<T: DeserializeOwned>(value: Value, fields: &[&str]) -> Result<T, ApiError> {
    let Value::Object(object) = value else {
        return Err(error::invalid_json("json: an object is wanted"));
    };
    let object = with_known_names(object, fields)?;
    serde_json::from_value(Value::Object(object))
        .map_err(|wrong| error::invalid_json(&wrong.to_string()))
}

/// The last field of a name counts, however it is written; null says nothing.
fn with_known_names(
    object: Map<String, Value>,
    fields: &[&str],
) -> Result<Map<String, Value>, ApiError> {
    let mut known = Map::new();
    for (name, value) in object {
        let Some(field) = fields
            .iter()
            .find(|field| field.eq_ignore_ascii_case(&name))
        else {
            let text = format!("json: unknown field \"{name}\"");
            return Err(error::invalid_json(&text));
        };
        if !value.is_null() {
            known.insert((*field).to_owned(), value);
        }
    }
    Ok(known)
}
