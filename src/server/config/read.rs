//! Values of a configuration file as what a key takes, and what is said of those that are something else.

use std::collections::BTreeMap;

use super::Findings;
use super::duration;
use super::keys::Block;
use super::value::{ConfigError, Entry, Item, Value};
use trunkline_core::base::shown::quoted;

use crate::{nearest, program};

/// An authorization timeout above this is taken for a slip of the unit.
const AUTH_TIMEOUT_WARN_SECONDS: f64 = 60.0;
const SECOND_NS: f64 = 1e9;

/// A key of nats-server's that this server does not know yet.
pub(super) fn unsupported(key: &str, entry: &Entry) -> ConfigError {
    let message = format!(
        "{key} is not supported by trunkline yet",
        key = quoted(&key)
    );
    ConfigError::at(&entry.item.at, message)
}

/// A key that nobody knows in a part of a file.
pub(super) fn unknown(entry: &Entry, block: Block) -> ConfigError {
    let question = question(entry, block);
    let message = format!("unknown field {}{question}", quoted(&entry.key));
    ConfigError::at(&entry.item.at, message)
}

/// What the complaint about an unknown key ends with.
pub(super) fn question(entry: &Entry, block: Block) -> String {
    match program::is_stand_in() {
        // nats-server asks nothing.
        true => String::new(),
        false => nearest::question(&entry.key, block.iter().copied().flatten().copied()),
    }
}

/// A value of another kind than the key takes.
pub(super) fn wrong_type(key: &str, item: &Item, wanted: &str) -> ConfigError {
    let message = format!("{key} must be {wanted}, not {}", item.value.kind());
    ConfigError::at(&item.at, message)
}

/// A text.
pub(super) fn text(key: &str, item: &Item) -> Result<String, ConfigError> {
    match &item.value {
        Value::Text(text) => Ok(text.to_string()),
        _ => Err(wrong_type(key, item, "a string")),
    }
}

/// A boolean.
pub(super) fn boolean(key: &str, item: &Item) -> Result<bool, ConfigError> {
    match &item.value {
        Value::Bool(value) => Ok(*value),
        _ => Err(wrong_type(key, item, "a boolean")),
    }
}

/// An integer.
pub(super) fn integer(key: &str, item: &Item) -> Result<i64, ConfigError> {
    match &item.value {
        Value::Integer(number) => Ok(*number),
        _ => Err(wrong_type(key, item, "an integer")),
    }
}

/// A byte count that fits nats-server's 31 bits.
pub(super) fn size(key: &str, item: &Item) -> Result<u32, ConfigError> {
    let number = integer(key, item)?;
    if number > i64::from(i32::MAX) {
        let message = format!("{key} value is too big");
        return Err(ConfigError::at(&item.at, message));
    }
    bounded(key, item, number)
}

pub(super) fn bounded(key: &str, item: &Item, number: i64) -> Result<u32, ConfigError> {
    u32::try_from(number).map_err(|_| {
        let problem = if number < 0 {
            "can not be negative"
        } else {
            "is too big"
        };
        ConfigError::at(&item.at, format!("{key} value {problem}"))
    })
}

/// A map from names to values of one kind.
pub(super) fn named<T>(
    item: &Item,
    what: &str,
    read: impl Fn(&Entry) -> Result<T, ConfigError>,
) -> Result<BTreeMap<String, T>, ConfigError> {
    let Value::Map(map) = &item.value else {
        let kind = item.value.kind();
        let message = format!("error parsing {what}: unsupported type {kind}");
        return Err(ConfigError::at(&item.at, message));
    };
    let entries = map.entries().iter();
    entries
        .map(|entry| Ok((entry.key.clone(), read(entry)?)))
        .collect()
}

/// One text or a list of them.
pub(super) fn texts(key: &str, item: &Item) -> Result<Vec<String>, ConfigError> {
    match &item.value {
        Value::Array(items) => {
            let mut all = items.iter();
            match all.all(|item| matches!(item.value, Value::Text(_))) {
                true => items.iter().map(|item| text(key, item)).collect(),
                false => Err(wrong_type(key, item, "an array of strings")),
            }
        }
        _ => Ok(vec![text(key, item)?]),
    }
}

/// `host:port`, or a port alone, which binds to every address.
pub(super) fn listen(item: &Item) -> Result<(String, i64), ConfigError> {
    match &item.value {
        Value::Integer(port) => Ok((String::new(), *port)),
        Value::Text(address) => {
            let (host, port) = split_host_port(address).ok_or_else(|| {
                let message = format!(
                    "could not parse address string {address}",
                    address = quoted(&address)
                );
                ConfigError::at(&item.at, message)
            })?;
            let port = port.parse().map_err(|_| {
                ConfigError::at(
                    &item.at,
                    format!("could not parse port {port}", port = quoted(&port)),
                )
            })?;
            Ok((host.to_owned(), port))
        }
        other => {
            let message = format!("expected port or host:port, got {}", other.kind());
            Err(ConfigError::at(&item.at, message))
        }
    }
}

/// An address with a colon in its host needs brackets around it.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .and_then(|(host, port)| port.strip_prefix(':').map(|port| (host, port)))?,
        None => {
            let (host, port) = address.rsplit_once(':')?;
            if host.contains(':') {
                return None;
            }
            (host, port)
        }
    };
    let bracket = |part: &str| part.contains(['[', ']']);
    (!bracket(host) && !bracket(port) && !port.contains(':')).then_some((host, port))
}

/// `"2s"`, or seconds as an integer, which nats-server wants converted.
pub(super) fn duration_ns(
    key: &str,
    item: &Item,
    findings: &mut Findings,
) -> Result<u64, ConfigError> {
    let duration_ns = match &item.value {
        Value::Text(text) => duration::parse_ns(text).map_err(|reason| {
            ConfigError::at(&item.at, format!("error parsing {key}: {reason}"))
        })?,
        Value::Integer(seconds) => {
            let message = format!(
                "invalid use of field {}: {key} should be converted to a duration",
                quoted(key)
            );
            findings.warnings.push(ConfigError::at(&item.at, message));
            seconds
                .checked_mul(1_000_000_000)
                .ok_or_else(|| ConfigError::at(&item.at, format!("{key} value is too big")))?
        }
        _ => return Err(wrong_type(key, item, "a duration such as \"2s\"")),
    };
    u64::try_from(duration_ns)
        .map_err(|_| ConfigError::at(&item.at, format!("{key} value can not be negative")))
}

/// `timeout` of a block: seconds, whole or not, or a duration.
pub(super) fn seconds_ns(
    block: &str,
    key: &str,
    item: &Item,
    findings: &mut Findings,
) -> Result<u64, ConfigError> {
    let seconds = match &item.value {
        Value::Integer(seconds) => *seconds as f64,
        Value::Float(seconds) => *seconds,
        Value::Text(text) => {
            let timeout_ns = duration::parse_ns(text).map_err(|reason| {
                let message = format!("error parsing {block} config, 'timeout' {reason}");
                ConfigError::at(&item.at, message)
            })?;
            timeout_ns as f64 / SECOND_NS
        }
        _ => {
            let message = format!("error parsing {block} config, 'timeout' wrong type");
            return Err(ConfigError::at(&item.at, message));
        }
    };
    if seconds > AUTH_TIMEOUT_WARN_SECONDS && block == "authorization" {
        let message = format!(
            "invalid use of field {key}: timeout of {seconds} seconds is high, consider keeping it \
             under 60 seconds. possibly caused by unquoted duration; use '1m' instead of 1m, for example",
            key = quoted(&key)
        );
        findings.warnings.push(ConfigError::at(&item.at, message));
    }
    // Negative: no time at all (NATS 2.15), where nothing would mean the default.
    let least_ns = u64::from(seconds < 0.0);
    // A float to integer cast saturates.
    Ok(((seconds * SECOND_NS) as u64).max(least_ns))
}
