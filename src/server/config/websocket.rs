//! The `websocket` block of a file.

use trunkline_core::base::shown::quoted;
use trunkline_core::session::policy::Secret;

use super::Findings;
use super::duration;
use super::keys;
use super::read::{boolean, duration_ns, integer, listen, seconds_ns, text, texts, unknown};
use super::tls;
use super::value::{ConfigError, Entry, Item, Value};
use crate::options::websocket::RequestedWebsocket;

/// Reads the block.
pub(super) fn websocket(
    item: &Item,
    findings: &mut Findings,
) -> Result<RequestedWebsocket, ConfigError> {
    let mut websocket = RequestedWebsocket::default();
    each("websocket", item, findings, |entry, findings| {
        websocket_entry(entry, &mut websocket, findings)
    })?;
    Ok(websocket)
}

/// Reads the entries of a block; those that are wrong are noted.
fn each(
    name: &str,
    item: &Item,
    findings: &mut Findings,
    mut read: impl FnMut(&Entry, &mut Findings) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let Value::Map(map) = &item.value else {
        let message = format!("Expected {name} to be a map, got {}", item.value.kind());
        return Err(ConfigError::at(&item.at, message));
    };
    for entry in map.entries() {
        let outcome = read(entry, findings);
        findings.errors.extend(outcome.err());
    }
    Ok(())
}

fn websocket_entry(
    entry: &Entry,
    websocket: &mut RequestedWebsocket,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let item = &entry.item;
    let key = entry.key.to_lowercase();
    let rules = &mut websocket.rules;
    match key.as_str() {
        "listen" => (websocket.host, websocket.port) = listen(item)?,
        "port" => websocket.port = integer(&key, item)?,
        "host" | "net" => websocket.host = text(&key, item)?,
        "advertise" => websocket.advertise = text(&key, item)?,
        "no_tls" => websocket.no_tls = boolean(&key, item)?,
        "tls" => websocket.tls = Some(tls::tls(item, findings)?),
        "same_origin" => rules.same_origin = boolean(&key, item)?,
        "allowed_origins" | "allowed_origin" | "allow_origins" | "allow_origin" | "origins"
        | "origin" => websocket.allowed_origins = texts(&key, item)?,
        "handshake_timeout" => {
            // Negative: nats-server waits without end; the default here.
            websocket.handshake_timeout_ns = match &item.value {
                // Seconds are no mistake here.
                Value::Integer(seconds) => u64::try_from(*seconds)
                    .unwrap_or(0)
                    .saturating_mul(1_000_000_000),
                Value::Text(text) if text.starts_with('-') => {
                    let read = duration::parse_ns(text).map_err(|reason| {
                        ConfigError::at(&item.at, format!("error parsing {key}: {reason}"))
                    });
                    read.map(|_| 0)?
                }
                _ => duration_ns(&key, item, findings)?,
            }
        }
        "compress" | "compression" => rules.compression = boolean(&key, item)?,
        "authorization" | "authentication" => {
            each(&key, item, findings, |entry, findings| {
                authorization_entry(entry, websocket, findings)
            })?;
        }
        "jwt_cookie" => websocket.jwt_cookie = text(&key, item)?,
        "user_cookie" => rules.user_cookie = text(&key, item)?,
        "pass_cookie" => rules.password_cookie = text(&key, item)?,
        "token_cookie" => rules.token_cookie = text(&key, item)?,
        "no_auth_user" => websocket.no_auth_user = text(&key, item)?,
        "headers" => each(&key, item, findings, |entry, _| {
            let value = text(&entry.key, &entry.item)?;
            if !is_token(&entry.key) || value.contains(['\r', '\n']) {
                let message = format!("websocket: invalid header {}", quoted(&entry.key));
                return Err(ConfigError::at(&entry.item.at, message));
            }
            rules.fields.push((entry.key.clone(), value));
            Ok(())
        })?,
        "ping_interval" => websocket.ping_interval_ns = duration_ns(&key, item, findings)?,
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_WEBSOCKET)),
    }
    Ok(())
}

fn authorization_entry(
    entry: &Entry,
    websocket: &mut RequestedWebsocket,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let item = &entry.item;
    let key = entry.key.to_lowercase();
    match key.as_str() {
        "user" | "username" => websocket.user = text(&key, item)?,
        "pass" | "password" => websocket.password = Secret(text(&key, item)?),
        "token" => websocket.token = Secret(text(&key, item)?),
        "timeout" => {
            websocket.auth_timeout_ns =
                seconds_ns("websocket authorization", &entry.key, item, findings)?;
        }
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_WEBSOCKET_AUTHORIZATION)),
    }
    Ok(())
}

/// The names that fields of HTTP may have (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    let is_fitting = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_fitting)
}
