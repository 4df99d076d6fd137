//! The `tls` block of a file.

use super::Findings;
use super::apply::{boolean, seconds_ns, text, unknown, unsupported, wrong_type};
use super::duration;
use super::value::{ConfigError, Entry, Item, Value};
use crate::options::tls::{HandshakeOrder, TLS_TIMEOUT_NS, TlsOptions};

/// How long `handshake_first: auto` waits for the client (NATS 2.15).
const AUTO_NS: u64 = 50_000_000;

/// Reads the block.
pub(super) fn tls(item: &Item, findings: &mut Findings) -> Result<TlsOptions, ConfigError> {
    let Value::Map(map) = &item.value else {
        return Err(wrong_type("tls", item, "a map"));
    };
    let mut tls = TlsOptions {
        timeout_ns: TLS_TIMEOUT_NS,
        ..TlsOptions::default()
    };
    for entry in map.entries() {
        let outcome = tls_entry(entry, &mut tls, findings);
        findings.errors.extend(outcome.err());
    }
    let problem = match (tls.cert_file.as_os_str(), tls.key_file.as_os_str()) {
        (cert, _) if cert.is_empty() => "missing 'cert_file' in TLS configuration",
        (_, key) if key.is_empty() => "missing 'key_file' in TLS configuration",
        _ if tls.verify && tls.ca_file.is_none() => {
            "missing 'ca_file' in TLS configuration: client certificates cannot be verified without it"
        }
        _ => return Ok(tls),
    };
    Err(ConfigError::at(&item.at, problem))
}

fn tls_entry(
    entry: &Entry,
    tls: &mut TlsOptions,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let item = &entry.item;
    let key = entry.key.to_lowercase();
    match key.as_str() {
        "cert_file" => tls.cert_file = text(&key, item)?.into(),
        "key_file" => tls.key_file = text(&key, item)?.into(),
        "ca_file" => tls.ca_file = Some(text(&key, item)?.into()),
        "verify" => tls.verify |= boolean(&key, item)?,
        "verify_and_map" => {
            tls.map = boolean(&key, item)?;
            tls.verify |= tls.map;
        }
        "timeout" => tls.timeout_ns = seconds_ns("tls", &entry.key, item, findings)?,
        "min_version" => {
            tls.only_tls13 = match text(&key, item)?.as_str() {
                "1.2" => false,
                "1.3" => true,
                other => {
                    let message = format!("unsupported TLS version: {other}");
                    return Err(ConfigError::at(&item.at, message));
                }
            }
        }
        "handshake_first" | "first" | "immediate" => tls.handshake = handshake(item)?,
        "pinned_certs" => tls.pinned_certs = pinned(item)?.into_iter().collect(),
        "cipher_suites"
        | "curve_preferences"
        | "connection_rate_limit"
        | "certs"
        | "certificates"
        | "insecure"
        | "verify_cert_and_check_known_urls"
        | "allow_insecure_cipher_suites"
        | "ocsp_peer"
        | "cert_store"
        | "cert_match_by"
        | "cert_match"
        | "ca_certs_match"
        | "cert_match_skip_invalid" => {
            return Err(unsupported(&key, entry));
        }
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry)),
    }
    Ok(())
}

fn handshake(item: &Item) -> Result<HandshakeOrder, ConfigError> {
    Ok(match &item.value {
        Value::Bool(true) => HandshakeOrder::First,
        Value::Bool(false) => HandshakeOrder::AfterInfo,
        Value::Text(text) => match text.to_lowercase().as_str() {
            "auto" | "auto_fallback" => HandshakeOrder::FirstWithin(AUTO_NS),
            text => {
                let wrong = |reason| {
                    let message = format!("field 'handshake_first' value is invalid: {reason}");
                    ConfigError::at(&item.at, message)
                };
                let duration_ns = duration::parse_ns(text).map_err(wrong)?;
                HandshakeOrder::FirstWithin(u64::try_from(duration_ns).unwrap_or(0))
            }
        },
        _ => {
            return Err(wrong_type(
                "handshake_first",
                item,
                "a boolean or a duration",
            ));
        }
    })
}

/// SHA-256 in hexadecimal, colons allowed.
fn pinned(item: &Item) -> Result<Vec<String>, ConfigError> {
    let Value::Array(items) = &item.value else {
        return Err(wrong_type("pinned_certs", item, "an array"));
    };
    let read = |item: &Item| {
        let pin = text("pinned_certs", item)?.to_lowercase().replace(':', "");
        match pin.len() == 64 && pin.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(pin),
            false => {
                let message =
                    format!("error parsing 'pinned_certs' key {pin} does not match [a-f0-9]{{64}}");
                Err(ConfigError::at(&item.at, message))
            }
        }
    };
    items.iter().map(read).collect()
}
