//! The tree of a configuration file to settings: which keys there are, what
//! values they take, and what is said about those that are wrong.
//!
//! Texts are nats-server's where it has one of its own. Where it shows a failed
//! type assertion of Go (`interface conversion: …`), ours names the key and type.
//! Stricter than nats-server, which takes these and then misbehaves: negative
//! limits and durations, a password without a user (it would demand nothing).

use std::collections::BTreeMap;

use super::Findings;
use super::access;
use super::duration;
use super::keys;
use super::leaf;
use super::tls;
use super::value::{ConfigError, Document, Entry, Item, Value};
use super::websocket;
use crate::options::{CoreChoice, Requested, WriteTimeout};

/// An authorization timeout above this is taken for a slip of the unit.
const AUTH_TIMEOUT_WARN_SECONDS: f64 = 60.0;
const SECOND_NS: f64 = 1e9;
const LAME_DUCK_DURATION_MIN_NS: u64 = 30_000_000_000;

/// Puts the settings of `document` into `requested`.
pub(super) fn apply(document: &Document, requested: &mut Requested) -> Findings {
    let mut findings = Findings::default();
    if document.map.is_empty() {
        let message = format!(
            "{}: config has no values or is empty",
            document.path.display()
        );
        findings.warnings.push(ConfigError::of_file(message));
    }
    for entry in document.map.entries() {
        if let Err(error) = top_level(entry, requested, &mut findings) {
            findings.errors.push(error);
        }
    }
    findings
}

fn top_level(
    entry: &Entry,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let item = &entry.item;
    let key = entry.key.to_lowercase();
    match key.as_str() {
        "listen" => (requested.host, requested.port) = listen(item)?,
        "host" | "net" => requested.host = text(&key, item)?,
        "port" => requested.port = integer(&key, item)?,
        "server_name" => requested.server_name = server_name(&key, item)?,
        "debug" => requested.debug = boolean(&key, item)?,
        "trace" => requested.trace = boolean(&key, item)?,
        // There is no client within the server whose traces would be left out.
        "trace_verbose" => requested.trace = boolean(&key, item)?,
        "trace_headers" => {
            requested.trace_headers = boolean(&key, item)?;
            requested.trace = requested.trace_headers;
        }
        "max_traced_msg_len" => requested.max_traced_msg_len = integer(&key, item)?,
        "syslog" => requested.syslog = boolean(&key, item)?,
        "remote_syslog" => requested.remote_syslog = text(&key, item)?,
        "logtime" => requested.log_time = Some(boolean(&key, item)?),
        "no_header_support" => requested.no_header_support = boolean(&key, item)?,
        "max_payload" => requested.max_payload = size(&key, item)?,
        "max_control_line" => requested.max_control_line = size(&key, item)?,
        "max_pending" => requested.max_pending_bytes = integer(&key, item)?,
        // Zero means the default in a Requested, and "no limit" in the file.
        "max_connections" | "max_conn" => {
            requested.max_connections = match integer(&key, item)? {
                0 => -1,
                limit => limit,
            }
        }
        "max_subscriptions" | "max_subs" => {
            requested.max_subscriptions = match integer(&key, item)? {
                -1 => 0,
                limit => bounded(&key, item, limit)?,
            }
        }
        "max_subscription_tokens" | "max_sub_tokens" => {
            requested.max_subscription_tokens = subscription_tokens(&key, item)?;
        }
        "ping_interval" => requested.ping_interval_ns = duration_ns(&key, item, findings)?,
        "ping_max" => requested.ping_max = bounded(&key, item, integer(&key, item)?)?,
        "write_deadline" => requested.write_deadline_ns = duration_ns(&key, item, findings)?,
        "write_timeout" => requested.write_timeout = write_timeout(&key, item)?,
        "no_fast_producer_stall" => requested.no_fast_producer_stall = boolean(&key, item)?,
        // Of no effect here: how look-ups are remembered, what routes would report.
        "disable_sublist_cache" | "no_sublist_cache" => drop(boolean(&key, item)?),
        "connect_error_reports" | "reconnect_error_reports" => drop(integer(&key, item)?),
        "authorization" => access::authorization(item, requested, findings)?,
        "accounts" => access::accounts(item, &mut requested.access, findings)?,
        "mappings" | "maps" => {
            requested.access.mappings = access::mappings(&key, item, findings)?;
        }
        "no_auth_user" => requested.access.no_auth_user = text(&key, item)?,
        "system_account" | "system" => requested.access.system_account = text(&key, item)?,
        "pid_file" | "pidfile" => requested.pid_file = Some(text(&key, item)?.into()),
        "ports_file_dir" => requested.ports_file_dir = Some(text(&key, item)?.into()),
        "client_advertise" => requested.client_advertise = text(&key, item)?,
        "store_dir" | "storedir" => requested.store_dir = Some(text(&key, item)?.into()),
        "jetstream" | "ocsp" | "ocsp_cache" | "no_system_account" | "no_system" | "no_sys_acc"
            if item.value == Value::Bool(false) => {}
        "log_file" | "logfile" => requested.log_file = Some(text(&key, item)?.into()),
        "log_size_limit" | "logfile_size_limit" => {
            requested.log_size_limit_bytes = integer(&key, item)?;
        }
        "log_max_num" | "logfile_max_num" => requested.log_files_max = integer(&key, item)?,
        "logtime_utc" => requested.log_time_utc = boolean(&key, item)?,
        "lame_duck_duration" => {
            requested.lame_duck_duration_ns = lame_duck_duration_ns(&key, item, findings)?;
        }
        "lame_duck_grace_period" => {
            requested.lame_duck_grace_period_ns = Some(duration_ns(&key, item, findings)?);
        }
        "http" => (requested.http_host, requested.http_port) = listen(item)?,
        "https" => (requested.http_host, requested.https_port) = listen(item)?,
        "https_port" => requested.https_port = integer(&key, item)?,
        "http_port" | "monitor_port" => requested.http_port = integer(&key, item)?,
        "http_base_path" => requested.http_base_path = text(&key, item)?,
        "tls" => requested.tls = Some(tls::tls(item, findings)?),
        "websocket" | "ws" => requested.websocket = websocket::websocket(item, findings)?,
        "leafnodes" | "leaf" => requested.leaf = leaf::leaf(item, findings)?,
        "proxy_protocol" => requested.proxy_protocol = boolean(&key, item)?,
        "allow_non_tls" => requested.allow_non_tls = boolean(&key, item)?,
        "max_closed_clients" => requested.max_closed_connections = integer(&key, item)?,
        "server_tags" => requested.tags = texts(&key, item)?,
        "server_metadata" => {
            requested.metadata = named(item, "metadata", |entry| {
                text(&format!("metadata {:?}", entry.key), &entry.item)
            })?;
        }
        "feature_flags" => {
            requested.feature_flags = named(item, "feature flags", |entry| {
                boolean(&format!("feature flag {:?}", entry.key), &entry.item)
            })?;
        }
        "cores" => requested.cores = cores(item)?,
        _ if keys::known_at_top(&key) => return Err(unsupported(&key, entry)),
        // An unknown key that a variable refers to is a definition, not a mistake.
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry)),
    }
    Ok(())
}

pub(super) fn unsupported(key: &str, entry: &Entry) -> ConfigError {
    let message = format!("{key:?} is not supported by trunkline yet");
    ConfigError::at(&entry.item.at, message)
}

pub(super) fn unknown(entry: &Entry) -> ConfigError {
    ConfigError::at(&entry.item.at, format!("unknown field {:?}", entry.key))
}

/// A mistake with an unknown key, in the words of its block.
pub(super) fn unknown_with(entry: &Entry, message: &str) -> ConfigError {
    ConfigError::at(&entry.item.at, message)
}

pub(super) fn wrong_type(key: &str, item: &Item, wanted: &str) -> ConfigError {
    let message = format!("{key} must be {wanted}, not {}", item.value.kind());
    ConfigError::at(&item.at, message)
}

pub(super) fn text(key: &str, item: &Item) -> Result<String, ConfigError> {
    match &item.value {
        Value::Text(text) => Ok(text.to_string()),
        _ => Err(wrong_type(key, item, "a string")),
    }
}

pub(super) fn boolean(key: &str, item: &Item) -> Result<bool, ConfigError> {
    match &item.value {
        Value::Bool(value) => Ok(*value),
        _ => Err(wrong_type(key, item, "a boolean")),
    }
}

pub(super) fn integer(key: &str, item: &Item) -> Result<i64, ConfigError> {
    match &item.value {
        Value::Integer(number) => Ok(*number),
        _ => Err(wrong_type(key, item, "an integer")),
    }
}

/// A byte count that fits nats-server's 31 bits.
fn size(key: &str, item: &Item) -> Result<u32, ConfigError> {
    let number = integer(key, item)?;
    if number > i64::from(i32::MAX) {
        let message = format!("{key} value is too big");
        return Err(ConfigError::at(&item.at, message));
    }
    bounded(key, item, number)
}

fn bounded(key: &str, item: &Item, number: i64) -> Result<u32, ConfigError> {
    u32::try_from(number).map_err(|_| {
        let problem = if number < 0 {
            "can not be negative"
        } else {
            "is too big"
        };
        ConfigError::at(&item.at, format!("{key} value {problem}"))
    })
}

fn server_name(key: &str, item: &Item) -> Result<String, ConfigError> {
    let name = text(key, item)?;
    if name.contains(' ') {
        return Err(ConfigError::at(
            &item.at,
            "server name cannot contain spaces",
        ));
    }
    Ok(name)
}

fn subscription_tokens(key: &str, item: &Item) -> Result<u8, ConfigError> {
    let number = integer(key, item)?;
    if number <= 0 {
        let message = format!("{key} value can not be negative");
        return Err(ConfigError::at(&item.at, message));
    }
    u8::try_from(number).map_err(|_| ConfigError::at(&item.at, format!("{key} value is too big")))
}

fn cores(item: &Item) -> Result<CoreChoice, ConfigError> {
    let choice = match &item.value {
        Value::Integer(count) => CoreChoice::from_count(*count),
        Value::Text(text) => text.parse(),
        _ => return Err(wrong_type("cores", item, "a count, a list or \"auto\"")),
    };
    choice.map_err(|message| ConfigError::at(&item.at, message))
}

fn write_timeout(key: &str, item: &Item) -> Result<WriteTimeout, ConfigError> {
    match text(key, item)?.as_str() {
        "default" => Ok(WriteTimeout::Default),
        "close" => Ok(WriteTimeout::Close),
        "retry" => Ok(WriteTimeout::Retry),
        _ => {
            let message = "write_timeout must be 'default', 'close' or 'retry'";
            Err(ConfigError::at(&item.at, message))
        }
    }
}

/// A map from names to values of one kind.
fn named<T>(
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

/// Shorter than half a minute it would be no help to clients (NATS 2.15).
fn lame_duck_duration_ns(
    key: &str,
    item: &Item,
    findings: &mut Findings,
) -> Result<u64, ConfigError> {
    let duration_ns = duration_ns(key, item, findings)?;
    if duration_ns < LAME_DUCK_DURATION_MIN_NS {
        let message = format!(
            "invalid lame_duck_duration of {}, minimum is 30 seconds",
            text(key, item).unwrap_or_default()
        );
        return Err(ConfigError::at(&item.at, message));
    }
    Ok(duration_ns)
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
                let message = format!("could not parse address string {address:?}");
                ConfigError::at(&item.at, message)
            })?;
            let port = port
                .parse()
                .map_err(|_| ConfigError::at(&item.at, format!("could not parse port {port:?}")))?;
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
            let message =
                format!("invalid use of field {key:?}: {key} should be converted to a duration");
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
    if seconds < 0.0 {
        let message = format!("{block} timeout can not be negative");
        return Err(ConfigError::at(&item.at, message));
    }
    if seconds > AUTH_TIMEOUT_WARN_SECONDS && block == "authorization" {
        let message = format!(
            "invalid use of field {key:?}: timeout of {seconds} seconds is high, consider keeping it \
             under 60 seconds. possibly caused by unquoted duration; use '1m' instead of 1m, for example"
        );
        findings.warnings.push(ConfigError::at(&item.at, message));
    }
    // A float to integer cast saturates, and a negative one was refused above.
    Ok((seconds * SECOND_NS) as u64)
}
