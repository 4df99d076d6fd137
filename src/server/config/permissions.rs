//! `permissions`, `default_permissions` and `allow_responses` of a file.

use trunkline_core::base::shown::quoted;
use trunkline_core::session::policy::{Permissions, ResponseRights, SubjectRights};
use trunkline_core::subject::pattern::Pattern;

use super::Findings;
use super::duration;
use super::keys::{self, Block};
use super::read::{boolean, integer, question, wrong_type};
use super::value::{ConfigError, Entry, Item, Value};

/// What `allow_responses: true` means (NATS 2.15).
const RESPONSES_MAX: u32 = 1;
const RESPONSE_EXPIRES_NS: u64 = 120_000_000_000;

/// Reads what a user may do.
pub(super) fn permissions(
    key: &str,
    item: &Item,
    findings: &mut Findings,
) -> Result<Permissions, ConfigError> {
    let Value::Map(map) = &item.value else {
        return Err(wrong_type(key, item, "a map"));
    };
    let mut permissions = Permissions::default();
    for entry in map.entries() {
        let item = &entry.item;
        let outcome = match entry.key.to_lowercase().as_str() {
            "pub" | "publish" | "import" => {
                rights(item, false, findings).map(|rights| permissions.publish = Some(rights))
            }
            "sub" | "subscribe" | "export" => {
                rights(item, true, findings).map(|rights| permissions.subscribe = Some(rights))
            }
            "publish_allow_responses" | "allow_responses" => {
                responses(item, findings).map(|responses| permissions.responses = responses)
            }
            _ if entry.used_as_variable => Ok(()),
            _ => Err(unknown(entry, keys::IN_PERMISSIONS)),
        };
        findings.errors.extend(outcome.err());
    }
    // Who may answer may not publish otherwise, unless that is said.
    if permissions.responses.is_some() {
        let publish = permissions.publish.get_or_insert_default();
        publish.allow.get_or_insert_default();
    }
    Ok(permissions)
}

fn unknown(entry: &Entry, block: Block) -> ConfigError {
    let question = question(entry, block);
    let message = format!(
        "Unknown field {} parsing permissions{question}",
        quoted(&entry.key)
    );
    ConfigError::at(&entry.item.at, message)
}

/// A subject, a list of them, or a map of `allow` and `deny`.
fn rights(
    item: &Item,
    with_queues: bool,
    findings: &mut Findings,
) -> Result<SubjectRights, ConfigError> {
    // An empty list allows everything (NATS 2.15).
    let allowed = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let Value::Map(map) = &item.value else {
        return Ok(SubjectRights {
            allow: allowed(subjects(item, with_queues)?),
            deny: Vec::new(),
        });
    };
    let mut rights = SubjectRights::default();
    for entry in map.entries() {
        let outcome = match entry.key.to_lowercase().as_str() {
            "allow" => subjects(&entry.item, with_queues).map(|list| rights.allow = allowed(list)),
            "deny" => subjects(&entry.item, with_queues).map(|list| rights.deny = list),
            _ if entry.used_as_variable => Ok(()),
            _ => {
                let message = format!(
                    "Unknown field name {} parsing subject permissions, only 'allow' or 'deny' are permitted",
                    quoted(&entry.key)
                );
                Err(ConfigError::at(&entry.item.at, message))
            }
        };
        findings.errors.extend(outcome.err());
    }
    Ok(rights)
}

fn subjects(item: &Item, with_queues: bool) -> Result<Vec<String>, ConfigError> {
    let texts = match &item.value {
        Value::Text(text) => vec![text.to_string()],
        Value::Array(items) => items
            .iter()
            .map(|item| match &item.value {
                Value::Text(text) => Ok(text.to_string()),
                _ => Err(ConfigError::at(
                    &item.at,
                    "Subject in permissions array cannot be cast to string",
                )),
            })
            .collect::<Result<_, _>>()?,
        other => {
            let message = format!(
                "Expected subject permissions to be a subject, or array of subjects, got {}",
                other.kind()
            );
            return Err(ConfigError::at(&item.at, message));
        }
    };
    for text in &texts {
        check(text, with_queues).map_err(|message| ConfigError::at(&item.at, message))?;
    }
    Ok(texts)
}

/// A pattern, or a pattern and a queue where that has a meaning.
fn check(text: &str, with_queues: bool) -> Result<(), String> {
    let is_pattern =
        |text: &str| Pattern::is_valid(text.as_bytes()) && !text.contains(char::is_whitespace);
    if is_pattern(text) {
        return Ok(());
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words[..] {
        [pattern, _] if with_queues && !is_pattern(pattern) => Err(format!(
            "subject {pattern} is not a valid subject",
            pattern = quoted(&pattern)
        )),
        [_, queue] if with_queues && !is_pattern(queue) => Err(format!(
            "queue {queue} is not a valid queue",
            queue = quoted(&queue)
        )),
        [_, _] if with_queues => Ok(()),
        _ => Err(format!(
            "subject {text} is not a valid subject",
            text = quoted(&text)
        )),
    }
}

fn responses(item: &Item, findings: &mut Findings) -> Result<Option<ResponseRights>, ConfigError> {
    let mut rights = ResponseRights {
        messages_max: Some(RESPONSES_MAX),
        expires_ns: Some(RESPONSE_EXPIRES_NS),
    };
    let Value::Map(map) = &item.value else {
        let message = "error parsing response permissions, expected a boolean or a map";
        let allowed =
            boolean("allow_responses", item).map_err(|_| ConfigError::at(&item.at, message))?;
        return Ok(allowed.then_some(rights));
    };
    for entry in map.entries() {
        let item = &entry.item;
        let outcome = match entry.key.to_lowercase().as_str() {
            "max" | "max_msgs" | "max_messages" | "max_responses" => {
                integer(&entry.key, item).map(|max| {
                    // Zero asks for the default, a negative number for no limit.
                    if max != 0 {
                        rights.messages_max = u32::try_from(max).ok();
                    }
                })
            }
            "expires" | "expiration" | "ttl" => expires_ns(item).map(|expires_ns| {
                if expires_ns != 0 {
                    rights.expires_ns = u64::try_from(expires_ns).ok();
                }
            }),
            _ if entry.used_as_variable => Ok(()),
            _ => Err(unknown(entry, keys::IN_RESPONSES)),
        };
        findings.errors.extend(outcome.err());
    }
    Ok(Some(rights))
}

fn expires_ns(item: &Item) -> Result<i64, ConfigError> {
    let Value::Text(text) = &item.value else {
        let message = "error parsing expires, not a duration string";
        return Err(ConfigError::at(&item.at, message));
    };
    duration::parse_ns(text)
        .map_err(|reason| ConfigError::at(&item.at, format!("error parsing expires: {reason}")))
}
