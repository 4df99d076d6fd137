//! `mappings` of a file: subjects that become others within an account.

use std::fmt::Display;

use trunkline_core::base::shown::quoted;
use trunkline_core::session::policy::{Mapping, MappingDestination};
use trunkline_core::subject::account_hash::with_account_hash;
use trunkline_core::subject::mapping::SubjectMapping;
use trunkline_core::subject::pattern::Pattern;

use super::Findings;
use super::read::{text, wrong_type};
use super::value::{ConfigError, Item, Value};

/// Reads `mappings` of an account.
pub(super) fn mappings(
    key: &str,
    item: &Item,
    account: &str,
    findings: &mut Findings,
) -> Result<Vec<Mapping>, ConfigError> {
    let Value::Map(map) = &item.value else {
        return Err(wrong_type(key, item, "a map"));
    };
    let mut mappings = Vec::new();
    for entry in map.entries() {
        if !Pattern::is_valid(entry.key.as_bytes()) || entry.key.contains(char::is_whitespace) {
            let message = format!("Subject {} is not a valid subject", quoted(&entry.key));
            findings.errors.push(ConfigError::at(&item.at, message));
            continue;
        }
        let before = findings.errors.len();
        let mapping = destinations(&entry.item, findings).and_then(|destinations| {
            let mapping = Mapping {
                source: entry.key.clone(),
                destinations,
            };
            // Half of the destinations say nothing about the whole.
            match findings.errors.len() == before {
                true => of_account(mapping, &entry.item, account),
                false => Ok(mapping),
            }
        });
        match mapping {
            Ok(mapping) => mappings.push(mapping),
            Err(error) => findings.errors.push(error),
        }
    }
    Ok(mappings)
}

/// A mapping that works, with the account in place of its functions.
fn of_account(mapping: Mapping, item: &Item, account: &str) -> Result<Mapping, ConfigError> {
    let refused = |reason: &dyn Display| {
        let mut message = format!("Error adding mapping for {}", quoted(&mapping.source));
        if let Value::Text(destination) = &item.value {
            message.push_str(&format!(" to {}", quoted(destination)));
        }
        ConfigError::at(&item.at, format!("{message} : {reason}"))
    };
    let in_place =
        |subject: &str| with_account_hash(subject, account).map_err(|error| refused(&error));
    let source = in_place(&mapping.source)?;
    let mut destinations = mapping.destinations.clone();
    for destination in &mut destinations {
        destination.subject = in_place(&destination.subject)?;
    }
    let own = destinations.iter().filter(|one| one.cluster.is_empty());
    let own: Vec<_> = own.map(|one| (&*one.subject, one.weight)).collect();
    SubjectMapping::parse(&source, &own).map_err(|error| refused(&error))?;
    Ok(Mapping {
        source,
        destinations,
    })
}

fn destinations(
    item: &Item,
    findings: &mut Findings,
) -> Result<Vec<MappingDestination>, ConfigError> {
    match &item.value {
        Value::Text(subject) => Ok(vec![MappingDestination {
            subject: subject.to_string(),
            weight: 100,
            cluster: String::new(),
        }]),
        Value::Array(items) => {
            let mut destinations = Vec::new();
            for item in items.iter() {
                match destination(item) {
                    Ok(destination) => destinations.push(destination),
                    Err(error) => findings.errors.push(error),
                }
            }
            Ok(destinations)
        }
        _ => Ok(vec![destination(item)?]),
    }
}

fn destination(item: &Item) -> Result<MappingDestination, ConfigError> {
    let Value::Map(map) = &item.value else {
        return Err(ConfigError::at(
            &item.at,
            "Expected an entry for the mapping destination",
        ));
    };
    let mut destination = MappingDestination {
        subject: String::new(),
        weight: 0,
        cluster: String::new(),
    };
    let mut has_weight = false;
    for entry in map.entries() {
        let key = entry.key.to_lowercase();
        match key.as_str() {
            "dest" | "destination" => destination.subject = text(&key, &entry.item)?,
            "weight" => {
                destination.weight = weight(&entry.item)?;
                has_weight = true;
            }
            "cluster" => destination.cluster = text(&key, &entry.item)?,
            _ => {
                let message = format!(
                    "Unknown field {} for mapping destination",
                    quoted(&entry.key)
                );
                return Err(ConfigError::at(&entry.item.at, message));
            }
        }
    }
    if destination.subject.is_empty() {
        let message = "missing field dest for mapping destination";
        return Err(ConfigError::at(&item.at, message));
    }
    if destination.weight == 0 && !has_weight {
        let subject = &destination.subject;
        let message = format!(
            "Missing weight for mapping destination {subject}",
            subject = quoted(&subject)
        );
        return Err(ConfigError::at(&item.at, message));
    }
    Ok(destination)
}

/// `20`, `"20"` or `"20%"`.
fn weight(item: &Item) -> Result<u8, ConfigError> {
    let number = match &item.value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) => text.trim_end_matches('%').parse().ok(),
        _ => None,
    };
    match number.map(u8::try_from) {
        Some(Ok(weight)) if weight <= 100 => Ok(weight),
        Some(_) => Err(ConfigError::at(
            &item.at,
            "Invalid weight for mapping destination",
        )),
        None => {
            let message = format!("Unknown entry type for weight of {}", item.value.kind());
            Err(ConfigError::at(&item.at, message))
        }
    }
}
