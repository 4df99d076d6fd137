//! Text to numbers and dates, with the size suffixes of the grammar.

use super::value::{ConfigError, Position, Value};

/// An integer with an optional size suffix: `k` is 1000, `kb`, `ki` and `kib` are 1024.
///
/// nats-server wraps around on overflow and drops a value with a suffix that it
/// does not know; both are errors here.
pub(super) fn integer(text: &str, at: &Position) -> Result<Value, ConfigError> {
    let digits_end = text
        .find(|character: char| !character.is_ascii_digit() && character != '-')
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    let (base, exponent): (i64, u32) = match suffix.to_ascii_lowercase().as_str() {
        "" => (1, 0),
        "k" => (1000, 1),
        "m" => (1000, 2),
        "g" => (1000, 3),
        "t" => (1000, 4),
        "p" => (1000, 5),
        "e" => (1000, 6),
        "kb" | "ki" | "kib" => (1024, 1),
        "mb" | "mi" | "mib" => (1024, 2),
        "gb" | "gi" | "gib" => (1024, 3),
        "tb" | "ti" | "tib" => (1024, 4),
        "pb" | "pi" | "pib" => (1024, 5),
        "eb" | "ei" | "eib" => (1024, 6),
        _ => {
            let message = format!("expected integer, but got '{text}'");
            return Err(ConfigError::at(at, message));
        }
    };
    digits
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(base.pow(exponent)))
        .map(Value::Integer)
        .ok_or_else(|| ConfigError::at(at, format!("integer '{text}' is out of the range")))
}

/// A number with a decimal point.
pub(super) fn float(text: &str, at: &Position) -> Result<Value, ConfigError> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Float(number)),
        _ => Err(ConfigError::at(
            at,
            format!("float '{text}' is out of the range"),
        )),
    }
}

/// Checks the ranges of a date whose form the lexer has checked.
pub(super) fn date_time(text: &str, at: &Position) -> Result<Value, ConfigError> {
    if text.parse::<jiff::Timestamp>().is_err() {
        let message = format!("expected Zulu formatted DateTime, but got '{text}'");
        return Err(ConfigError::at(at, message));
    }
    Ok(Value::DateTime(text.into()))
}
