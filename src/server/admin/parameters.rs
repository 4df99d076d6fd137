//! What a question says besides the name of its page, in a URL or in the payload of a request.

use std::collections::BTreeMap;
use std::num::IntErrorKind;

use serde_json::Value;

use super::target;
use trunkline_core::base::shown::quoted;

/// A question that cannot be answered as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// What a question says besides its name.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// From the part of a URL after the question mark.
    pub fn of_query(query: &str) -> Self {
        let mut parameters = BTreeMap::new();
        for (name, value) in target::pairs(query) {
            // Of several the first one counts.
            parameters.entry(name).or_insert(value);
        }
        Self(parameters)
    }

    /// From the payload of a request.
    pub fn of_json(payload: &[u8]) -> Result<Self, Refused> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let fields: BTreeMap<String, Value> =
            serde_json::from_slice(payload).map_err(|error| Refused(error.to_string()))?;
        let text = |(name, value)| {
            let value = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            // Some fields have longer names there.
            let name = match name {
                "subscriptions" => "subs",
                "subscriptions_detail" if value == "true" => return ("subs", "detail".to_owned()),
                "account" => "acc",
                "state" => return ("state", state_name(value)),
                name => name,
            };
            (name, value)
        };
        let pairs = fields
            .iter()
            .map(|(name, value)| text((name.as_str(), value.clone())));
        Ok(Self(
            pairs
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        ))
    }

    /// The same with another value of one name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same without one name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// A text, empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A boolean in Go's spellings, false if it is not there.
    pub fn boolean(&self, name: &str) -> Result<bool, Refused> {
        match self.text(name) {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            other => Err(Refused(format!(
                "Error decoding boolean for '{name}': strconv.ParseBool: parsing {other}: invalid syntax",
                other = quoted(&other)
            ))),
        }
    }

    /// A number as Go's `Atoi` reads it, zero if it is not there.
    pub fn integer(&self, name: &str) -> Result<i64, Refused> {
        match self.text(name) {
            "" => Ok(0),
            text => text.parse().map_err(|error| {
                Refused(format!(
                    "Error decoding int for '{name}': strconv.Atoi: parsing {text}: {}",
                    reason(&error),
                    text = quoted(&text)
                ))
            }),
        }
    }

    /// How many; `None` if that is not said or makes no sense.
    pub fn amount(&self, name: &str) -> Result<Option<usize>, Refused> {
        let amount = usize::try_from(self.integer(name)?);
        Ok(amount.ok().filter(|&amount| amount > 0))
    }

    /// A number of a connection, zero if it is not there.
    pub fn client_id(&self, name: &str) -> Result<u64, Refused> {
        match self.text(name) {
            "" => Ok(0),
            text if text.starts_with(['+', '-']) => Err(Refused(format!(
                "Error decoding uint64 for '{name}': strconv.ParseUint: parsing {text}: invalid syntax",
                text = quoted(&text)
            ))),
            text => text.parse().map_err(|error| {
                Refused(format!(
                    "Error decoding uint64 for '{name}': strconv.ParseUint: parsing {text}: {}",
                    reason(&error),
                    text = quoted(&text)
                ))
            }),
        }
    }

    /// How much is said of subscriptions.
    pub fn details(&self, name: &str) -> Result<Details, Refused> {
        if self.text(name).eq_ignore_ascii_case("detail") {
            return Ok(Details::All);
        }
        let is_asked = self.boolean(name)?;
        Ok(if is_asked {
            Details::Subjects
        } else {
            Details::None
        })
    }
}

/// The name of a state that has a number over the system account.
fn state_name(value: String) -> String {
    match value.as_str() {
        "0" => "open".to_owned(),
        "1" => "closed".to_owned(),
        "2" => "any".to_owned(),
        _ => value,
    }
}

/// How much is said of the subscriptions of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Details {
    /// Nothing.
    None,
    /// Their subjects.
    Subjects,
    /// Everything.
    All,
}

/// Why a text is no number, in Go's words.
fn reason(error: &std::num::ParseIntError) -> &'static str {
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_both_kinds() {
        let query = Parameters::of_query("subs=detail&limit=5&auth=1&filter_subject=a.%3E");
        assert_eq!(query.text("subs"), "detail");
        assert_eq!(query.integer("limit"), Ok(5));
        assert_eq!(query.boolean("auth"), Ok(true));
        assert_eq!(query.text("filter_subject"), "a.>");
        assert_eq!(query.amount("offset"), Ok(None));
        let json = br#"{"subscriptions_detail":true,"account":"A","limit":7}"#;
        let json = Parameters::of_json(json).unwrap();
        assert_eq!((json.text("subs"), json.text("acc")), ("detail", "A"));
        assert_eq!(json.amount("limit"), Ok(Some(7)));
        assert!(Parameters::of_json(b"[").is_err());
        let wrong = Parameters::of_query("limit=x&auth=maybe");
        assert!(
            wrong
                .integer("limit")
                .unwrap_err()
                .0
                .contains("Error decoding int")
        );
        assert!(wrong.boolean("auth").is_err());
    }
}
