//! The `tls` block of a file.

use super::Findings;
use std::path::PathBuf;
use trunkline_core::base::shown::quoted;

use super::duration;
use super::keys;
use super::read::{boolean, integer, seconds_ns, text, unknown, unsupported, wrong_type};
use super::value::{ConfigError, Entry, Item, Value};
use crate::net::tls::TlsSetup;
use crate::options::tls::{CertificateFiles, HandshakeOrder, TLS_TIMEOUT_NS, TlsOptions, Verify};

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
    let mut single = None;
    let mut is_optional = false;
    for entry in map.entries() {
        is_optional |= entry.key.eq_ignore_ascii_case("verify")
            && verify(&entry.item).is_ok_and(|verify| verify == Verify::Optional);
        let outcome = tls_entry(entry, &mut tls, &mut single, findings);
        findings.errors.extend(outcome.err());
    }
    tls.certificates.extend(single.clone());
    let is_missing = |of: fn(&CertificateFiles) -> &PathBuf| {
        let mut files = tls.certificates.iter().map(of);
        files.any(|file| file.as_os_str().is_empty())
    };
    // Without any certificate no handshake succeeds, as in nats-server.
    let has_any = !tls.certificates.is_empty();
    let problem = match () {
        () if is_missing(|files| &files.cert_file) => "missing 'cert_file' in TLS configuration",
        () if is_missing(|files| &files.key_file) => "missing 'key_file' in TLS configuration",
        () if is_optional && tls.map => {
            "error parsing tls config, cannot combine 'verify: optional' with options requiring client certificates"
        }
        () if has_any && tls.verify != Verify::No && tls.ca_file.is_none() => {
            "missing 'ca_file' in TLS configuration: client certificates cannot be verified without it"
        }
        () if single.is_some() && tls.certificates.len() > 1 => {
            "error parsing tls config, cannot combine 'cert_file' option with 'certs' option"
        }
        () => "",
    };
    if !problem.is_empty() {
        return Err(ConfigError::at(&item.at, problem));
    }
    check_insecure(&tls, item)?;
    TlsSetup::read(&tls).map_err(|problem| ConfigError::at(&item.at, problem))?;
    Ok(tls)
}

fn tls_entry(
    entry: &Entry,
    tls: &mut TlsOptions,
    single: &mut Option<CertificateFiles>,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let item = &entry.item;
    let key = entry.key.to_lowercase();
    match key.as_str() {
        "cert_file" => single.get_or_insert_default().cert_file = text(&key, item)?.into(),
        "key_file" => single.get_or_insert_default().key_file = text(&key, item)?.into(),
        "certs" | "certificates" => tls.certificates = pairs(item)?,
        "cipher_suites" => tls.cipher_suites = names(&key, item, judge_cipher)?,
        "curve_preferences" => tls.curve_preferences = names(&key, item, judge_curve)?,
        "connection_rate_limit" => {
            tls.connection_rate_limit = match integer(&key, item)? {
                0 => None,
                limit => Some(u64::try_from(limit).unwrap_or(0)),
            }
        }
        "ca_file" => tls.ca_file = Some(text(&key, item)?.into()),
        "verify" => tls.verify = tls.verify.max(verify(item)?),
        "verify_and_map" => {
            tls.map = boolean(&key, item)?;
            if tls.map {
                tls.verify = tls.verify.max(Verify::Required);
            }
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
        // Suites that are not safe are never spoken, whoever allows them.
        "allow_insecure_cipher_suites" => tls.allows_insecure_ciphers = boolean(&key, item)?,
        "ocsp_peer" if item.value == Value::Bool(false) => {}
        "insecure"
        | "verify_cert_and_check_known_urls"
        | "ocsp_peer"
        | "cert_store"
        | "cert_match_by"
        | "cert_match"
        | "ca_certs_match"
        | "cert_match_skip_invalid" => {
            return Err(unsupported(&key, entry));
        }
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_TLS)),
    }
    Ok(())
}

/// Whether clients present certificates.
fn verify(item: &Item) -> Result<Verify, ConfigError> {
    match &item.value {
        Value::Bool(false) => Ok(Verify::No),
        Value::Bool(true) => Ok(Verify::Required),
        Value::Text(text) if text.eq_ignore_ascii_case("optional") => Ok(Verify::Optional),
        _ => Err(ConfigError::at(
            &item.at,
            "error parsing tls config, expected 'verify' to be a boolean or 'optional'",
        )),
    }
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

/// A list of certificates.
fn pairs(item: &Item) -> Result<Vec<CertificateFiles>, ConfigError> {
    let wrong = |item: &Item| {
        let kind = item.value.kind();
        let message = format!("error parsing certificates config: unsupported type {kind}");
        ConfigError::at(&item.at, message)
    };
    let Value::Array(items) = &item.value else {
        return Err(wrong(item));
    };
    let pair = |item: &Item| {
        let Value::Map(map) = &item.value else {
            return Err(wrong(item));
        };
        let mut files = CertificateFiles::default();
        for entry in map.entries() {
            let Value::Text(file) = &entry.item.value else {
                return Err(wrong(&entry.item));
            };
            match entry.key.as_str() {
                "cert_file" => files.cert_file = file.to_string().into(),
                "key_file" => files.key_file = file.to_string().into(),
                other => {
                    let message = format!(
                        "error parsing tls certs config, unknown field {other}",
                        other = quoted(&other)
                    );
                    return Err(ConfigError::at(&entry.item.at, message));
                }
            }
        }
        if files.cert_file.as_os_str().is_empty() || files.key_file.as_os_str().is_empty() {
            let at = map
                .entries()
                .last()
                .map_or(&item.at, |entry| &entry.item.at);
            let message = "error parsing certificates config: both 'cert_file' and 'cert_key' \
                           options are required";
            return Err(ConfigError::at(at, message));
        }
        Ok(files)
    };
    items.iter().map(pair).collect()
}

/// A list of names, each of which has to pass.
fn names(
    key: &str,
    item: &Item,
    judge: fn(&str) -> Result<(), String>,
) -> Result<Vec<String>, ConfigError> {
    let Value::Array(items) = &item.value else {
        return Err(wrong_type(key, item, "an array"));
    };
    if items.is_empty() {
        let message = format!("error parsing tls config, '{key}' cannot be empty");
        return Err(ConfigError::at(&item.at, message));
    }
    let read = |item: &Item| {
        let name = text(key, item)?;
        judge(&name).map_err(|message| ConfigError::at(&item.at, message))?;
        Ok(name)
    };
    items.iter().map(read).collect()
}

/// What Go has besides, and this server never speaks (CBC, RC4, keys without forward secrecy): `true`
/// if it has to be allowed by `allow_insecure_cipher_suites`.
const UNSPOKEN: [(&str, bool); 16] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", false),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", false),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", false),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", false),
    ("TLS_RSA_WITH_RC4_128_SHA", true),
    ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", true),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", true),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", true),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", true),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", true),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", true),
    ("TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", true),
    ("TLS_ECDHE_RSA_WITH_RC4_128_SHA", true),
    ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", true),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", true),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", true),
];

/// What the log says of suites that are named for nothing.
pub(super) fn unspoken(tls: &TlsOptions) -> Option<String> {
    let is_unspoken = |name: &&String| UNSPOKEN.iter().any(|(own, _)| own == name);
    let names = tls.cipher_suites.iter().filter(is_unspoken);
    let names: Vec<&str> = names.map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("tls: cipher suites that are not safe are never spoken: {names}")
    })
}

fn judge_cipher(name: &str) -> Result<(), String> {
    let is_known =
        crate::net::tls::knows_cipher(name) || UNSPOKEN.iter().any(|(own, _)| *own == name);
    match is_known {
        true => Ok(()),
        false => Err(format!("unrecognized cipher {name}")),
    }
}

/// Suites that nobody has allowed.
fn check_insecure(tls: &TlsOptions, item: &Item) -> Result<(), ConfigError> {
    let is_insecure = |name: &&String| UNSPOKEN.contains(&(name.as_str(), true));
    let names: Vec<&str> = tls
        .cipher_suites
        .iter()
        .filter(is_insecure)
        .map(String::as_str)
        .collect();
    match names.is_empty() || tls.allows_insecure_ciphers {
        true => Ok(()),
        false => {
            let message = format!(
                "insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: {}",
                names.join(", ")
            );
            Err(ConfigError::at(&item.at, message))
        }
    }
}

fn judge_curve(name: &str) -> Result<(), String> {
    match name {
        _ if crate::net::tls::knows_curve(name) => Ok(()),
        "CurveP521" | "SecP384r1MLKEM1024" => Err(format!(
            "curve preference {name} is not supported by trunkline"
        )),
        _ => Err(format!("unrecognized curve preference {name}")),
    }
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
