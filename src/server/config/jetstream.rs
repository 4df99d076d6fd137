//! `jetstream` of a file, and of an account in it.
//!
//! A value of a wrong type is placed where the whole block stands, as nats-server does.

use trunkline_core::base::shown::quoted;
use trunkline_core::session::policy::JetStreamAccountLimits;

use super::Findings;
use super::duration;
use super::keys;
use super::read::{boolean, duration_ns, integer, text, unknown, unsupported};
use super::value::{ConfigError, Entry, Item, Map, Value};
use crate::options::Requested;
use crate::options::jetstream::{JetStreamLimits, JetStreamSettings};

/// Bounds of `max_concurrent_io` (NATS 2.15).
const CONCURRENT_IO: std::ops::RangeInclusive<i64> = 4..=8192;

/// Bounds of `read_cache`: a page for each of many consumers, and what is surely a slip.
const READ_CACHE_BYTES: std::ops::RangeInclusive<i64> = 8 << 20..=1 << 40;

/// Reads the block.
pub(super) fn jetstream(
    item: &Item,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let map = match &item.value {
        Value::Map(map) => map,
        _ => {
            let is_enabled = switch(item)?;
            requested.jetstream.is_enabled = Some(is_enabled);
            return Ok(());
        }
    };
    requested.jetstream.is_enabled = Some(true);
    for entry in map.entries() {
        let outcome = block_entry(item, entry, requested, findings);
        findings.errors.extend(outcome.err());
    }
    Ok(())
}

/// `true`, `enabled` and the like.
fn switch(item: &Item) -> Result<bool, ConfigError> {
    let message = match &item.value {
        Value::Bool(is_enabled) => return Ok(*is_enabled),
        Value::Text(text) => match &*text.to_lowercase() {
            "enabled" | "enable" => return Ok(true),
            "disabled" | "disable" => return Ok(false),
            _ => format!("Expected 'enabled' or 'disabled' for string value, got '{text}'"),
        },
        other => format!(
            "Expected map, bool or string to define JetStream, got {}",
            other.kind()
        ),
    };
    Err(ConfigError::at(&item.at, message))
}

fn block_entry(
    block: &Item,
    entry: &Entry,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let key = entry.key.to_lowercase();
    let item = &entry.item;
    let typed = placed(block, item);
    if keys::idle_in_jetstream(&key) {
        let notice = format!("jetstream {key}: nothing comes of it, this server runs alone");
        requested.notices.push(notice);
    }
    let settings = &mut requested.jetstream.settings;
    match key.as_str() {
        "store" | "store_dir" | "storedir" => {
            store_directory(text(&key, &typed)?, item, requested)?
        }
        "enable" | "enabled" => requested.jetstream.is_enabled = Some(boolean(&key, &typed)?),
        "strict" => settings.is_strict = strict(item)?,
        "sync" | "sync_interval" => {
            sync(&key, item, settings, &mut requested.notices, findings)?;
        }
        "max_memory_store" | "max_mem_store" | "max_mem" => {
            settings.memory_bytes_max = bytes("max_mem_store", item)?;
        }
        "max_file_store" | "max_file" => {
            settings.storage_bytes_max = bytes("max_file_store", item)?;
        }
        "domain" => settings.domain = text(&key, &typed)?,
        "unique_tag" => settings.unique_tag = text(&key, &typed)?.trim().to_lowercase(),
        "extension_hint" => settings.extension_hint = text(&key, &typed)?,
        "read_cache" => settings.read_cache_bytes = read_cache(&key, item)?,
        "limits" => limits(block, item, &mut settings.limits, findings)?,
        "tpm" => tpm(block, item, findings)?,
        "key" | "ek" | "encryption_key" | "prev_key" | "prev_ek" | "prev_encryption_key" => {
            match text(&key, &typed)?.is_empty() {
                true => {}
                false => return Err(unsupported(&key, entry)),
            }
        }
        "cipher" => cipher(&typed, item)?,
        _ if queue_entry(block, &key, item, settings)? || entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_JETSTREAM)),
    }
    Ok(())
}

/// How much may wait or be under way; false if the key is about something else.
fn queue_entry(
    block: &Item,
    key: &str,
    item: &Item,
    settings: &mut JetStreamSettings,
) -> Result<bool, ConfigError> {
    match key {
        "max_outstanding_catchup" => {
            settings.max_outstanding_catchup = bytes_or_minus_one(key, item)?;
        }
        "max_buffered_size" => settings.max_buffered_bytes = bytes_or_minus_one(key, item)?,
        "max_buffered_msgs" => settings.max_buffered_messages = size(key, item)?,
        "request_queue_limit" => settings.request_queue_limit = size(key, item)?,
        "info_queue_limit" => settings.info_queue_limit = size(key, item)?,
        "max_concurrent_io" => {
            let number = match item.value {
                Value::Integer(number) if CONCURRENT_IO.contains(&number) => number,
                _ => {
                    let (least, most) = CONCURRENT_IO.into_inner();
                    let what = format!("an absolute size for {{}} between {least} and {most}");
                    return Err(expected(&what, key, item));
                }
            };
            settings.max_concurrent_io = number;
        }
        // About the group of servers that places streams, which is this one alone.
        "meta_compact" | "meta_compact_size" => match item.value {
            Value::Integer(0..) => {}
            _ => return Err(expected("an absolute size for {}", key, item)),
        },
        "meta_compact_sync" => drop(boolean(key, &placed(block, item))?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The store has one directory, inside the block or outside it.
pub(super) fn store_directory(
    directory: String,
    item: &Item,
    requested: &mut Requested,
) -> Result<(), ConfigError> {
    if requested.store_dir.is_some() {
        let message = "Duplicate 'store_dir' configuration";
        return Err(ConfigError::at(&item.at, message));
    }
    requested.store_dir = Some(directory.into());
    Ok(())
}

fn strict(item: &Item) -> Result<bool, ConfigError> {
    match &item.value {
        Value::Bool(is_strict) => Ok(*is_strict),
        other => {
            let shown = shown(other);
            let message = format!("Expected 'true' or 'false' for bool value, got '{shown}'");
            Err(ConfigError::at(&item.at, message))
        }
    }
}

fn sync(
    key: &str,
    item: &Item,
    settings: &mut JetStreamSettings,
    notices: &mut Vec<String>,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    if matches!(&item.value, Value::Text(text) if text.eq_ignore_ascii_case("always")) {
        settings.syncs_always = true;
        return Ok(());
    }
    settings.sync_interval_ns = match &item.value {
        Value::Text(text) if text.starts_with('-') && duration::parse_ns(text).is_ok() => 0,
        _ => duration_ns(key, item, findings)?,
    };
    notices.push(format!(
        "jetstream {key}: every message is durable before it is acknowledged, as with \"always\""
    ));
    Ok(())
}

/// Only that there is no keys file: then nothing is to be sealed.
fn tpm(block: &Item, item: &Item, findings: &mut Findings) -> Result<(), ConfigError> {
    let Value::Map(map) = &item.value else {
        return Err(no_map("JetStreamLimits", item));
    };
    for entry in map.entries() {
        let key = entry.key.to_lowercase();
        let outcome = match key.as_str() {
            "keys_file" => match text(&key, &placed(block, &entry.item)) {
                Ok(file) if !file.is_empty() => Err(unsupported("tpm", entry)),
                outcome => outcome.map(drop),
            },
            "pcr" => integer(&key, &placed(block, &entry.item)).map(drop),
            "srk_password" | "encryption_password" => {
                text(&key, &placed(block, &entry.item)).map(drop)
            }
            "cipher" => cipher(&placed(block, &entry.item), &entry.item),
            _ if entry.used_as_variable => Ok(()),
            _ => Err(unknown(entry, keys::IN_TPM)),
        };
        findings.errors.extend(outcome.err());
    }
    Ok(())
}

/// A cipher without a key encrypts nothing.
fn cipher(typed: &Item, item: &Item) -> Result<(), ConfigError> {
    let name = text("cipher", typed)?;
    match &*name.to_lowercase() {
        "chacha" | "chachapoly" | "aes" => Ok(()),
        _ => {
            let message = format!("Unknown cipher type: {}", quoted(&name));
            Err(ConfigError::at(&item.at, message))
        }
    }
}

fn limits(
    block: &Item,
    item: &Item,
    limits: &mut JetStreamLimits,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let Value::Map(map) = &item.value else {
        return Err(no_map("JetStreamLimits", item));
    };
    for entry in map.entries() {
        let outcome = limits_entry(block, entry, limits, findings);
        findings.errors.extend(outcome.err());
    }
    Ok(())
}

fn limits_entry(
    block: &Item,
    entry: &Entry,
    limits: &mut JetStreamLimits,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let key = entry.key.to_lowercase();
    let typed = placed(block, &entry.item);
    match key.as_str() {
        "max_ack_pending" => limits.max_ack_pending = integer(&key, &typed)?,
        "max_ha_assets" => limits.max_ha_assets = integer(&key, &typed)?,
        "max_request_batch" => limits.max_request_batch = integer(&key, &typed)?,
        "default_max_consumers" => limits.default_max_consumers = integer(&key, &typed)?,
        "duplicate_window" => limits.duplicate_window_ns = signed_duration_ns(&key, &typed)?,
        "batch" => {
            let Value::Map(map) = &entry.item.value else {
                return Err(no_map("batch limits", &entry.item));
            };
            batch(block, map, limits, findings);
        }
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_JETSTREAM_LIMITS)),
    }
    Ok(())
}

fn batch(block: &Item, map: &Map, limits: &mut JetStreamLimits, findings: &mut Findings) {
    for entry in map.entries() {
        let key = entry.key.to_lowercase();
        let typed = placed(block, &entry.item);
        let number = |to: &mut i64| integer(&key, &typed).map(|number| *to = number);
        let outcome = match key.as_str() {
            "max_inflight_per_stream" => number(&mut limits.batch_max_inflight_per_stream),
            "max_inflight_total" => number(&mut limits.batch_max_inflight_total),
            "max_msgs" => number(&mut limits.batch_max_messages),
            "timeout" => signed_duration_ns(&key, &typed).map(|ns| limits.batch_timeout_ns = ns),
            _ if entry.used_as_variable => Ok(()),
            _ => Err(unknown(entry, keys::IN_BATCH_LIMITS)),
        };
        findings.errors.extend(outcome.err());
    }
}

/// Reads `jetstream` of an account; `None`: not for it.
pub(super) fn account(
    item: &Item,
    findings: &mut Findings,
) -> Result<Option<JetStreamAccountLimits>, ConfigError> {
    let Value::Map(map) = &item.value else {
        return Ok(switch(item)?.then(JetStreamAccountLimits::default));
    };
    let mut limits = JetStreamAccountLimits::default();
    for entry in map.entries() {
        let outcome = account_entry(entry, &mut limits);
        findings.errors.extend(outcome.err());
    }
    Ok(Some(limits))
}

fn account_entry(entry: &Entry, limits: &mut JetStreamAccountLimits) -> Result<(), ConfigError> {
    let key = entry.key.to_lowercase();
    let item = &entry.item;
    match key.as_str() {
        "max_memory" | "max_mem" | "mem" | "memory" => limits.max_memory = size(&key, item)?,
        "max_store" | "max_file" | "max_disk" | "store" | "disk" => {
            limits.max_storage = size(&key, item)?;
        }
        "max_streams" | "streams" => limits.max_streams = size(&key, item)?,
        "max_consumers" | "consumers" => limits.max_consumers = size(&key, item)?,
        "max_bytes_required" | "max_stream_bytes" | "max_bytes" => match &item.value {
            Value::Bool(is_required) => limits.is_max_bytes_required = *is_required,
            _ => return Err(expected("a parseable bool for {}", &key, item)),
        },
        "mem_max_stream_bytes" | "memory_max_stream_bytes" => {
            limits.memory_max_stream_bytes = size(&key, item)?;
        }
        "disk_max_stream_bytes" | "store_max_stream_bytes" => {
            limits.storage_max_stream_bytes = size(&key, item)?;
        }
        "max_ack_pending" => limits.max_ack_pending = size(&key, item)?,
        // Between servers, of which there is one.
        "cluster_traffic" => match &item.value {
            Value::Text(whose) if matches!(&**whose, "system" | "owner" | "") => {}
            _ => {
                let what = "'system' or 'owner' string value for {}";
                return Err(expected(what, &key, item));
            }
        },
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_ACCOUNT_JETSTREAM)),
    }
    Ok(())
}

/// The value, standing where the whole block does.
fn placed(block: &Item, item: &Item) -> Item {
    Item {
        at: block.at.clone(),
        value: item.value.clone(),
    }
}

fn no_map(what: &str, item: &Item) -> ConfigError {
    let kind = item.value.kind();
    let message = format!("Expected a map to define {what}, got {kind}");
    ConfigError::at(&item.at, message)
}

/// `what` names the key with `{}`.
fn expected(what: &str, key: &str, item: &Item) -> ConfigError {
    let what = what.replace("{}", &quoted(key).to_string());
    let shown = shown(&item.value);
    ConfigError::at(&item.at, format!("Expected {what}, got {shown}"))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        other => other.kind().to_owned(),
    }
}

fn size(key: &str, item: &Item) -> Result<i64, ConfigError> {
    match &item.value {
        Value::Integer(number) => Ok(*number),
        _ => Err(expected("a parseable size for {}", key, item)),
    }
}

/// Bytes; negative ones ask for the default.
fn bytes(name: &str, item: &Item) -> Result<Option<u64>, ConfigError> {
    Ok(u64::try_from(bytes_or_minus_one(name, item)?).ok())
}

/// A number, or a text that ends with its unit, of powers of 1024.
fn bytes_or_minus_one(name: &str, item: &Item) -> Result<i64, ConfigError> {
    let wrong = |text: String| Err(ConfigError::at(&item.at, format!("{name} {text}")));
    let text = match &item.value {
        Value::Integer(number) => return Ok(*number),
        Value::Text(text) if text.is_empty() => return Ok(0),
        Value::Text(text) => text,
        _ => return wrong("must be int64 or string".to_owned()),
    };
    let mut characters = text.chars();
    let unit = characters.next_back();
    let digits = characters.as_str();
    // The digits come first there.
    let Ok(number) = digits.parse::<i64>() else {
        let digits = quoted(digits);
        return wrong(format!(
            "strconv.ParseInt: parsing {digits}: invalid syntax"
        ));
    };
    let scale = match unit {
        Some('K') => 1_i64 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some('T') => 1 << 40,
        _ => return wrong("sizes defined as strings must end in K, M, G, T".to_owned()),
    };
    // What is more than there can be is as much as there can be.
    Ok(number.saturating_mul(scale))
}

fn read_cache(key: &str, item: &Item) -> Result<u64, ConfigError> {
    let number = bytes_or_minus_one(key, item)?;
    let bytes = u64::try_from(number).ok();
    let bytes = bytes.filter(|_| READ_CACHE_BYTES.contains(&number));
    bytes.ok_or_else(|| {
        let message = format!("{key} is between 8 MiB and 1 TiB for the whole server");
        ConfigError::at(&item.at, message)
    })
}

fn signed_duration_ns(key: &str, item: &Item) -> Result<i64, ConfigError> {
    duration::parse_ns(&text(key, item)?).map_err(|reason| ConfigError::at(&item.at, reason))
}
