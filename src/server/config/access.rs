//! `authorization`, `accounts` and `mappings` of a file.

use std::collections::HashSet;

use trunkline_core::base::identity::{is_account_key, user_key};
use trunkline_core::base::limits::ACCOUNTS_MAX;
use trunkline_core::base::shown::quoted;
use trunkline_core::session::policy::{AccountLimits, ConnectionType, Identity, Secret};

use super::Findings;
use super::elsewhere::message_trace;
use super::jetstream;
use super::keys;
use super::mappings::mappings;
use super::names::Names;
use super::permissions::permissions;
use super::read::{boolean, integer, seconds_ns, text, unknown, unsupported, wrong_type};
use super::value::{ConfigError, Entry, Item, Value};
use crate::options::Requested;
use crate::options::access::{Access, RequestedAccount, RequestedUser};

/// Reads `authorization`.
pub(super) fn authorization(
    item: &Item,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let Value::Map(map) = &item.value else {
        return Err(wrong_type("authorization", item, "a map"));
    };
    requested.access.has_authorization = true;
    let mut has_users = false;
    for entry in map.entries() {
        has_users |= entry.key.eq_ignore_ascii_case("users");
        let outcome = authorization_entry(entry, requested, findings);
        findings.errors.extend(outcome.err());
    }
    let access = &requested.access;
    let has_user = !access.user.is_empty();
    let has_password = !access.password.0.is_empty();
    let has_token = !access.token.0.is_empty();
    let has_others = has_users
        || access
            .accounts
            .iter()
            .any(|account| !account.users.is_empty());
    let problem = match (has_user, has_token, has_others) {
        _ if (has_user || has_password) && has_token => "Cannot have a user/pass and token",
        (true, _, true) => "Can not have a single user/pass and a users array",
        (_, true, true) => "Can not have a token and a users array",
        // Beside users it is a variable, or means nothing (NATS 2.15).
        (false, _, false) if has_password => "authorization has a password but no user",
        _ => return Names::of(access).check(item),
    };
    Err(ConfigError::at(&item.at, problem))
}

fn authorization_entry(
    entry: &Entry,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let item = &entry.item;
    let key = entry.key.to_lowercase();
    let access = &mut requested.access;
    match key.as_str() {
        "user" | "username" => access.user = text(&key, item)?,
        "pass" | "password" => access.password = Secret(text(&key, item)?),
        "token" => access.token = Secret(text(&key, item)?),
        "timeout" => {
            requested.auth_timeout_ns = seconds_ns("authorization", &entry.key, item, findings)?
        }
        "users" => access.users = users(item, findings)?,
        "proxy_required" => access.proxy_required = boolean(&key, item)?,
        "default_permission" | "default_permissions" | "permissions" => {
            access.default_permissions = Some(permissions(&key, item, findings)?);
        }
        _ if keys::known_in_authorization(&key) => return Err(unsupported(&key, entry)),
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_AUTHORIZATION)),
    }
    Ok(())
}

fn users(item: &Item, findings: &mut Findings) -> Result<Vec<RequestedUser>, ConfigError> {
    let Value::Array(items) = &item.value else {
        let kind = item.value.kind();
        let message = format!("Expected users field to be an array, got {kind}");
        return Err(ConfigError::at(&item.at, message));
    };
    let mut users = Vec::new();
    for item in items.iter() {
        match user(item, findings) {
            Ok(user) => users.push(user),
            Err(error) => findings.errors.push(error),
        }
    }
    Ok(users)
}

fn user(item: &Item, findings: &mut Findings) -> Result<RequestedUser, ConfigError> {
    let Value::Map(map) = &item.value else {
        let kind = item.value.kind();
        let message = format!("Expected user entry to be a map/struct, got {kind}");
        return Err(ConfigError::at(&item.at, message));
    };
    let (mut name, mut password, mut nkey) = (String::new(), String::new(), String::new());
    let mut user = RequestedUser {
        identity: Identity::Nkey(String::new()),
        permissions: None,
        connection_types: None,
        proxy_required: false,
    };
    let mut at = &item.at;
    for entry in map.entries() {
        let item = &entry.item;
        at = &item.at;
        let key = entry.key.to_lowercase();
        let outcome = match key.as_str() {
            "nkey" => text(&key, item).map(|text| nkey = text),
            "user" | "username" => text(&key, item).map(|text| name = text),
            "pass" | "password" => text(&key, item).map(|text| password = text),
            "permission" | "permissions" | "authorization" => permissions(&key, item, findings)
                .map(|permissions| user.permissions = Some(permissions)),
            "allowed_connection_types" | "connection_types" | "clients" => {
                connection_types(item).map(|types| user.connection_types = types)
            }
            "proxy_required" => boolean(&key, item).map(|is| user.proxy_required = is),
            _ if entry.used_as_variable => Ok(()),
            _ => Err(unknown(entry, keys::IN_USER)),
        };
        findings.errors.extend(outcome.err());
    }
    let problem = match (nkey.is_empty(), name.is_empty() && password.is_empty()) {
        (true, _) if name.is_empty() => "User entry requires a user",
        (false, _) if user_key(&nkey).is_none() => "Not a valid public nkey for a user",
        (false, false) => "Nkey users do not take usernames or passwords",
        (false, true) => {
            user.identity = Identity::Nkey(nkey);
            return Ok(user);
        }
        (true, _) => {
            let password = Secret(password);
            user.identity = Identity::Password {
                user: name,
                password,
            };
            return Ok(user);
        }
    };
    Err(ConfigError::at(at, problem))
}

fn connection_types(item: &Item) -> Result<Option<Vec<ConnectionType>>, ConfigError> {
    let items = match &item.value {
        Value::Array(items) => &items[..],
        _ => std::slice::from_ref(item),
    };
    let whole = item;
    let read = |item: &Item| {
        let name = text("allowed connection types", item)?;
        Ok(match name.to_uppercase().as_str() {
            "STANDARD" => ConnectionType::Standard,
            "WEBSOCKET" => ConnectionType::Websocket,
            "LEAFNODE" => ConnectionType::Leafnode,
            "LEAFNODE_WS" => ConnectionType::LeafnodeWebsocket,
            "MQTT" => ConnectionType::Mqtt,
            "MQTT_WS" => ConnectionType::MqttWebsocket,
            "IN_PROCESS" => ConnectionType::InProcess,
            _ => {
                let message = format!("invalid connection types [{name}]", name = quoted(&name));
                return Err(ConfigError::at(&whole.at, message));
            }
        })
    };
    let types: Vec<ConnectionType> = items.iter().map(read).collect::<Result<_, _>>()?;
    // An empty list is no list (NATS 2.15).
    Ok(Some(types).filter(|types| !types.is_empty()))
}

/// Reads `accounts`.
pub(super) fn accounts(
    item: &Item,
    requested: &mut Requested,
    findings: &mut Findings,
) -> Result<(), ConfigError> {
    let access = &mut requested.access;
    let Value::Map(map) = &item.value else {
        return names_of_accounts(item, access);
    };
    let mut names = Names::of(access);
    // A variable among the accounts is none of them.
    for entry in map.entries().iter().filter(|entry| !entry.used_as_variable) {
        if access.accounts.len() >= ACCOUNTS_MAX {
            return Err(ConfigError::at(&item.at, "too many accounts"));
        }
        match account(entry, findings) {
            Ok(account) => {
                names.add(&account.users);
                if account.asks_for_traces {
                    requested.notices.push(format!(
                        "account {}: messages are traced if they ask for it, not by msg_trace yet",
                        quoted(&account.name)
                    ));
                }
                access.accounts.push(account);
                names.check(users_item(&entry.item))?;
            }
            Err(error) => findings.errors.push(error),
        }
    }
    let has_users = access
        .accounts
        .iter()
        .any(|account| !account.users.is_empty());
    let problem = match has_users {
        true if !access.user.is_empty() => "Can not have a single user/pass and accounts",
        true if !access.token.0.is_empty() => "Can not have a token and accounts",
        _ => return Ok(()),
    };
    Err(ConfigError::at(&item.at, problem))
}

/// Where the users of an account stand.
fn users_item(account: &Item) -> &Item {
    let Value::Map(map) = &account.value else {
        return account;
    };
    let users = map
        .entries()
        .iter()
        .find(|entry| entry.key.eq_ignore_ascii_case("users"));
    users.map_or(account, |entry| &entry.item)
}

/// The short form: a list of names.
fn names_of_accounts(item: &Item, access: &mut Access) -> Result<(), ConfigError> {
    let Value::Array(items) = &item.value else {
        return Err(wrong_type("accounts", item, "a map or an array"));
    };
    let accounts = access.accounts.iter();
    let mut known: HashSet<String> = accounts.map(|account| account.name.clone()).collect();
    for item in items.iter() {
        let name = text("accounts", item)?;
        let is_known = !known.insert(name.clone());
        let problem = match name.as_str() {
            "$G" => format!("{name} is a Reserved Account", name = quoted(&name)),
            _ if is_known => format!("Duplicate Account Entry: {name}"),
            _ => {
                access.accounts.push(RequestedAccount {
                    name,
                    ..RequestedAccount::default()
                });
                continue;
            }
        };
        return Err(ConfigError::at(&item.at, problem));
    }
    Ok(())
}

fn account(entry: &Entry, findings: &mut Findings) -> Result<RequestedAccount, ConfigError> {
    let name = &entry.key;
    let Value::Map(map) = &entry.item.value else {
        let message = "Expected map entries for accounts";
        return Err(ConfigError::at(&entry.item.at, message));
    };
    if name == "$G" {
        let message = format!("{name} is a Reserved Account", name = quoted(&name));
        return Err(ConfigError::at(&entry.item.at, message));
    }
    let mut account = RequestedAccount {
        name: name.clone(),
        ..RequestedAccount::default()
    };
    for entry in map.entries() {
        let item = &entry.item;
        let key = entry.key.to_lowercase();
        let outcome = match key.as_str() {
            "users" => users(item, findings).map(|users| account.users = users),
            "default_permissions" => permissions(&key, item, findings)
                .map(|permissions| account.default_permissions = Some(permissions)),
            "mappings" | "maps" => {
                mappings(&key, item, name, findings).map(|mappings| account.mappings = mappings)
            }
            "limits" => limits(item, findings).map(|limits| account.limits = limits),
            "jetstream" => {
                jetstream::account(item, findings).map(|jetstream| account.jetstream = jetstream)
            }
            "imports" | "exports" if matches!(&item.value, Value::Array(list) if list.is_empty()) => {
                Ok(())
            }
            // It names the account and nothing else (NATS 2.15).
            "nkey" => account_key(item),
            "msg_trace" | "trace_dest" => {
                account.asks_for_traces = true;
                message_trace(&key, item, findings)
            }
            "imports" | "exports" => Err(unsupported(&key, entry)),
            _ if entry.used_as_variable => Ok(()),
            _ => Err(unknown(entry, keys::IN_ACCOUNT)),
        };
        findings.errors.extend(outcome.err());
    }
    Ok(account)
}

fn account_key(item: &Item) -> Result<(), ConfigError> {
    match &item.value {
        Value::Text(key) if is_account_key(key) => Ok(()),
        // It is not shown, since it may be a seed.
        _ => {
            let message = "Not a valid public nkey for an account";
            Err(ConfigError::at(&item.at, message))
        }
    }
}

fn limits(item: &Item, findings: &mut Findings) -> Result<AccountLimits, ConfigError> {
    let Value::Map(map) = &item.value else {
        return Err(wrong_type("limits", item, "a map"));
    };
    let mut limits = AccountLimits::default();
    for entry in map.entries() {
        let key = entry.key.to_lowercase();
        let to = match key.as_str() {
            "max_connections" | "max_conn" => &mut limits.connections_max,
            "max_subscriptions" | "max_subs" => &mut limits.subscriptions_max,
            "max_payload" | "max_pay" => &mut limits.payload_max,
            "max_leafnodes" | "max_leafs" => &mut limits.leaf_nodes_max,
            _ if entry.used_as_variable => continue,
            _ => {
                findings.errors.push(unknown(entry, keys::IN_LIMITS));
                continue;
            }
        };
        match integer(&key, &entry.item) {
            // Minus one means no limit; less than that is less than nothing (NATS 2.15).
            Ok(-1) => *to = None,
            Ok(number) => *to = Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX)),
            Err(error) => findings.errors.push(error),
        }
    }
    Ok(limits)
}
