//! Settings that are about something this server does not have, and that change nothing for its clients:
//! a cluster that nobody else is in, a port for profiling, traces of an account's messages. They are read
//! for mistakes, and the log says at the start what does not come of them.

use trunkline_core::base::shown::quoted;
use trunkline_core::subject::pattern::is_literal;

use super::Findings;
use super::keys;
use super::read::{boolean, integer, listen, text, texts, unknown, unsupported};
use super::value::{ConfigError, Entry, Item, Value};

/// Reads a key that is about something else than this server; false if it is not.
pub(super) fn elsewhere(
    key: &str,
    item: &Item,
    notices: &mut Vec<String>,
    findings: &mut Findings,
) -> Result<bool, ConfigError> {
    let notice = match key {
        "cluster" => {
            cluster(item, findings)?;
            "cluster: other servers cannot join yet, this one runs alone"
        }
        "prof_port" => match integer(key, item)? {
            0 => return Ok(true),
            _ => "prof_port: nothing listens there",
        },
        "proxies" => {
            proxies(item, findings)?;
            return Ok(true);
        }
        "prof_block_rate" => {
            integer(key, item)?;
            return Ok(true);
        }
        "no_system_account" | "no_system" | "no_sys_acc" => match boolean(key, item)? {
            false => return Ok(true),
            true => "no_system_account: it is there all the same, for whoever is its user",
        },
        _ => return Ok(false),
    };
    notices.push(notice.to_owned());
    Ok(true)
}

fn cluster(item: &Item, findings: &mut Findings) -> Result<(), ConfigError> {
    let Value::Map(map) = &item.value else {
        let message = format!("Expected map to define cluster, got {}", item.value.kind());
        return Err(ConfigError::at(&item.at, message));
    };
    for entry in map.entries() {
        findings.errors.extend(cluster_entry(entry).err());
    }
    Ok(())
}

/// Trusted proxies, of which there can be none yet.
fn proxies(item: &Item, findings: &mut Findings) -> Result<(), ConfigError> {
    let Value::Map(map) = &item.value else {
        let kind = item.value.kind();
        let message = format!("expected proxies to be a map/struct, got {kind}");
        return Err(ConfigError::at(&item.at, message));
    };
    for entry in map.entries() {
        let key = entry.key.to_lowercase();
        let error = match (&*key, &entry.item.value) {
            ("trusted", Value::Array(keys)) if keys.is_empty() => continue,
            ("trusted", _) => unsupported(&key, entry),
            _ if entry.used_as_variable => continue,
            _ => unknown(entry, &[&["trusted"]]),
        };
        findings.errors.push(error);
    }
    Ok(())
}

fn cluster_entry(entry: &Entry) -> Result<(), ConfigError> {
    let item = &entry.item;
    let key = entry.key.to_lowercase();
    match key.as_str() {
        "name" => {
            if text(&key, item)?.contains(' ') {
                let message = "cluster name cannot contain spaces";
                return Err(ConfigError::at(&item.at, message));
            }
        }
        "listen" => drop(listen(item)?),
        "port" => drop(integer(&key, item)?),
        "host" | "net" => drop(text(&key, item)?),
        // Whoever names other servers wants to be one of them.
        "routes" => match texts(&key, item)?.is_empty() {
            true => {}
            false => return Err(unsupported(&key, entry)),
        },
        _ if keys::idle_in_cluster(&key) || entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_CLUSTER)),
    }
    Ok(())
}

/// Reads `msg_trace` of an account, which names where traces of its messages go.
pub(super) fn message_trace(
    key: &str,
    item: &Item,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let map = match &item.value {
        Value::Text(_) => return trace_destination(key, item),
        Value::Map(map) => map,
        other => {
            let message = format!(
                "Expected account message trace {} to be a string or a map/struct, got {}",
                quoted(key),
                other.kind()
            );
            return Err(ConfigError::at(&item.at, message));
        }
    };
    let (mut has_destination, mut has_sampling) = (false, false);
    for entry in map.entries() {
        let item = &entry.item;
        let lower = entry.key.to_lowercase();
        match lower.as_str() {
            "dest" => {
                trace_destination(&lower, item)?;
                has_destination = true;
            }
            "sampling" => {
                sampling(item)?;
                has_sampling = true;
            }
            _ if entry.used_as_variable => {}
            other => {
                let message = format!(
                    "Unknown field {} parsing account message trace map/struct {}",
                    quoted(other),
                    quoted(key)
                );
                return Err(ConfigError::at(&item.at, message));
            }
        }
    }
    if has_sampling && !has_destination {
        let message = "Trace destination sampling ignored since no destination was set";
        let warning = ConfigError::at(&item.at, message);
        findings.warnings.push(warning);
    }
    Ok(())
}

fn trace_destination(key: &str, item: &Item) -> Result<(), ConfigError> {
    let destination = text(key, item)?;
    if is_literal(destination.as_bytes()) && !destination.contains(char::is_whitespace) {
        return Ok(());
    }
    let message = format!("Trace destination {} is not valid", quoted(&destination));
    Err(ConfigError::at(&item.at, message))
}

/// A percentage.
fn sampling(item: &Item) -> Result<(), ConfigError> {
    let number = match &item.value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) => text.trim_end_matches('%').parse().ok(),
        _ => None,
    };
    match number {
        Some(1..=100) => Ok(()),
        _ => {
            let message = "Trace destination sampling value is invalid, needs to be [1..100]";
            Err(ConfigError::at(&item.at, message))
        }
    }
}
