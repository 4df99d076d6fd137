//! The tree of a configuration file to settings: which keys there are, what
//! values they take, and what is said about those that are wrong.
//!
//! Texts are nats-server's where it has one of its own. Where it shows a failed
//! type assertion of Go (`interface conversion: …`), ours names the key and type.
//! Stricter than nats-server, which takes these and then misbehaves: negative
//! limits and durations, a password without a user (it would demand nothing).

use super::Findings;
use super::access;
use super::elsewhere::elsewhere;
use super::jetstream::{jetstream, store_directory};
use super::keys;
use super::leaf;
use super::mappings::mappings;
use super::read::{
    boolean, bounded, duration_ns, integer, listen, named, size, text, texts, unknown, unsupported,
    wrong_type,
};
use super::tls;
use super::value::{ConfigError, Document, Entry, Item, Value};
use super::websocket;
use crate::options::access::GLOBAL;
use crate::options::{CoreChoice, Requested, WriteTimeout};
use trunkline_core::base::limits::{ROUTE_CACHE_BYTES_MAX, ROUTE_CACHE_BYTES_MIN};
use trunkline_core::base::shown::quoted;

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
    let is_taken = listeners(&key, item, requested, findings)?
        || log(&key, item, requested)?
        || limits(&key, item, requested, findings)?
        || elsewhere(&key, item, &mut requested.notices, findings)?
        || clients(&key, item, requested, findings)?;
    match key.as_str() {
        _ if is_taken => {}
        "server_name" => requested.server_name = server_name(&key, item)?,
        // Of no effect here: how look-ups are remembered, what routes would report.
        "disable_sublist_cache" | "no_sublist_cache" => drop(boolean(&key, item)?),
        "connect_error_reports" | "reconnect_error_reports" => drop(integer(&key, item)?),
        "pid_file" | "pidfile" => requested.pid_file = Some(text(&key, item)?.into()),
        "ports_file_dir" => requested.ports_file_dir = Some(text(&key, item)?.into()),
        "store_dir" | "storedir" => store_directory(text(&key, item)?, item, requested)?,
        "jetstream" => jetstream(item, requested, findings)?,
        "ocsp" | "ocsp_cache" if item.value == Value::Bool(false) => {}
        "server_tags" => requested.tags = texts(&key, item)?,
        "server_metadata" => {
            requested.metadata = named(item, "metadata", |entry| {
                text(&format!("metadata {}", quoted(&entry.key)), &entry.item)
            })?;
        }
        "feature_flags" => {
            requested.feature_flags = named(item, "feature flags", |entry| {
                boolean(&format!("feature flag {}", quoted(&entry.key)), &entry.item)
            })?;
        }
        "cores" => requested.cores = cores(item)?,
        "max_route_cache" => requested.max_route_cache_bytes = Some(route_cache(&key, item)?),
        _ if keys::known_at_top(&key) => return Err(unsupported(&key, entry)),
        // An unknown key that a variable refers to is a definition, not a mistake.
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_FILE)),
    }
    Ok(())
}

/// Where and how the server listens; false if the key is about something else.
fn listeners(
    key: &str,
    item: &Item,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<bool, ConfigError> {
    match key {
        "listen" => (requested.host, requested.port) = listen(item)?,
        "host" | "net" => requested.host = text(key, item)?,
        "port" => requested.port = integer(key, item)?,
        "client_advertise" => requested.client_advertise = text(key, item)?,
        "http" => (requested.http_host, requested.http_port) = listen(item)?,
        "https" => (requested.http_host, requested.https_port) = listen(item)?,
        "https_port" => requested.https_port = integer(key, item)?,
        "http_port" | "monitor_port" => requested.http_port = integer(key, item)?,
        "http_base_path" => requested.http_base_path = text(key, item)?,
        "tls" => {
            let tls = tls::tls(item, findings)?;
            requested.notices.extend(tls::unspoken(&tls));
            requested.tls = Some(tls);
        }
        "websocket" | "ws" => {
            requested.websocket = websocket::websocket(item, findings)?;
            let tls = requested.websocket.tls.as_ref();
            requested.notices.extend(tls.and_then(tls::unspoken));
        }
        "leafnodes" | "leaf" => requested.leaf = leaf::leaf(item, findings)?,
        "proxy_protocol" => requested.proxy_protocol = boolean(key, item)?,
        "allow_non_tls" => requested.allow_non_tls = boolean(key, item)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What is logged, and where; false if the key is about something else.
fn log(key: &str, item: &Item, requested: &mut Requested) -> Result<bool, ConfigError> {
    match key {
        "debug" => requested.debug = boolean(key, item)?,
        "trace" => requested.trace = boolean(key, item)?,
        // There is no client within the server whose traces would be left out.
        "trace_verbose" => requested.trace = boolean(key, item)?,
        "trace_headers" => {
            requested.trace_headers = boolean(key, item)?;
            requested.trace = requested.trace_headers;
        }
        "max_traced_msg_len" => requested.max_traced_msg_len = integer(key, item)?,
        "syslog" => requested.syslog = boolean(key, item)?,
        "remote_syslog" => requested.remote_syslog = text(key, item)?,
        "logtime" => requested.log_time = Some(boolean(key, item)?),
        "log_file" | "logfile" => requested.log_file = Some(text(key, item)?.into()),
        "log_size_limit" | "logfile_size_limit" => {
            requested.log_size_limit_bytes = integer(key, item)?;
        }
        "log_max_num" | "logfile_max_num" => requested.log_files_max = integer(key, item)?,
        "logtime_utc" => requested.log_time_utc = boolean(key, item)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What clients may do, and how long things may take; false if the key is about something else.
fn limits(
    key: &str,
    item: &Item,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<bool, ConfigError> {
    match key {
        "no_header_support" => requested.no_header_support = boolean(key, item)?,
        "max_payload" => {
            // Minus one lets through what can wait for a connection.
            requested.has_no_payload_limit = item.value == Value::Integer(-1);
            if !requested.has_no_payload_limit {
                requested.max_payload = size(key, item)?;
            }
        }
        "max_control_line" => requested.max_control_line = size(key, item)?,
        "max_pending" => requested.max_pending_bytes = integer(key, item)?,
        // Zero means the default in a Requested, and that nobody may connect in the file.
        "max_connections" | "max_conn" => {
            requested.max_connections = match integer(key, item)? {
                0 => -1,
                limit => limit,
            }
        }
        "max_subscriptions" | "max_subs" => {
            requested.max_subscriptions = match integer(key, item)? {
                -1 => 0,
                limit => bounded(key, item, limit)?,
            }
        }
        "max_subscription_tokens" | "max_sub_tokens" => {
            requested.max_subscription_tokens = subscription_tokens(key, item)?;
        }
        "ping_interval" => requested.ping_interval_ns = duration_ns(key, item, findings)?,
        "ping_max" => requested.ping_max = integer(key, item)?,
        "write_deadline" => requested.write_deadline_ns = duration_ns(key, item, findings)?,
        "write_timeout" => requested.write_timeout = write_timeout(key, item)?,
        "no_fast_producer_stall" => requested.no_fast_producer_stall = boolean(key, item)?,
        "lame_duck_duration" => {
            requested.lame_duck_duration_ns = lame_duck_duration_ns(key, item, findings)?;
        }
        "lame_duck_grace_period" => {
            requested.lame_duck_grace_period_ns = Some(duration_ns(key, item, findings)?);
        }
        "max_closed_clients" => requested.max_closed_connections = integer(key, item)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Who may connect; false if the key is about something else.
fn clients(
    key: &str,
    item: &Item,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<bool, ConfigError> {
    match key {
        "authorization" => access::authorization(item, requested, findings)?,
        "accounts" => access::accounts(item, requested, findings)?,
        "mappings" | "maps" => {
            requested.access.mappings = mappings(key, item, GLOBAL, findings)?;
        }
        "no_auth_user" => requested.access.no_auth_user = text(key, item)?,
        "system_account" | "system" => requested.access.system_account = text(key, item)?,
        _ => return Ok(false),
    }
    Ok(true)
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

fn route_cache(key: &str, item: &Item) -> Result<usize, ConfigError> {
    let bytes = usize::try_from(integer(key, item)?).ok();
    let bytes =
        bytes.filter(|bytes| (ROUTE_CACHE_BYTES_MIN..=ROUTE_CACHE_BYTES_MAX).contains(bytes));
    bytes.ok_or_else(|| {
        let message = format!(
            "{key} is between {} MiB and {} GiB per core",
            ROUTE_CACHE_BYTES_MIN >> 20,
            ROUTE_CACHE_BYTES_MAX >> 30
        );
        ConfigError::at(&item.at, message)
    })
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
