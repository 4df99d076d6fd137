//! Settings that a running server keeps: what a reload refuses, and what `--test_reload` foretells.

use trunkline_core::session::policy::Policy;

use crate::options::Options;
use crate::options::tls::TlsOptions;

/// Says what of a new configuration cannot take effect without a restart, in the text in which
/// nats-server refuses it.
///
/// # Errors
/// The first setting that differs and may not.
pub fn refuse_changes(old: &Options, new: &Options) -> Result<(), String> {
    let system = |options: &Options| {
        options
            .policy
            .accounts
            .get(1)
            .map(|account| account.name.clone())
    };
    let websocket = |options: &Options| {
        // Certificates may change, whether there are any may not.
        options.websocket.clone().map(|mut websocket| {
            websocket.tls = websocket.tls.map(|_| TlsOptions::default());
            websocket
        })
    };
    let own_users = |policy: &Policy| {
        let user = policy.websocket_no_auth_user;
        let name = user.map(|user| policy.users[user].identity.name().to_owned());
        (policy.websocket_override.clone(), name)
    };
    if own_users(&old.policy) != own_users(&new.policy) {
        return Err("config reload not supported for Websocket: its users differ".to_owned());
    }
    let is_plain_allowed =
        |options: &Options| options.tls.as_ref().is_some_and(|tls| tls.allow_plain);
    macro_rules! check {
        ($($name:literal: $of:expr),* $(,)?) => {[$((
            $name,
            shown(&($of)(old)),
            shown(&($of)(new)),
        )),*]};
    }
    let checks = check!(
        "Host": |options: &Options| options.host.clone(),
        "Port": |options: &Options| options.port.to_string(),
        "ServerName": |options: &Options| options.server_name.clone(),
        "Cores": |options: &Options| options.cores.clone(),
        "NoHeaderSupport": |options: &Options| options.no_header_support,
        "AllowNonTLS": is_plain_allowed,
        "ProxyProtocol": |options: &Options| options.proxy_protocol,
        "SystemAccount": system,
        "HTTP": |options: &Options| options.monitoring.clone(),
        "Websocket": websocket,
    );
    match checks.iter().find(|(_, old, new)| old != new) {
        Some((name, old, new)) => Err(format!(
            "config reload not supported for {name}: old={old}, new={new}"
        )),
        None => Ok(()),
    }
}

/// A value for people: without the marks of Rust.
pub fn shown(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let inner = match text.as_str() {
        "None" => "",
        text => text
            .strip_prefix("Some(")
            .and_then(|text| text.strip_suffix(')'))
            .unwrap_or(text),
    };
    inner.trim_matches('"').to_owned()
}
