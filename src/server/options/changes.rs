//! What another configuration changes: what needs a restart, and what the log
//! says of the rest, with names and values as the file has them (NATS 2.15 where
//! it has them too). No value is a secret.

use trunkline_core::base::shown::duration;
use trunkline_core::session::policy::Policy;

use super::jetstream;
use super::websocket::WebsocketOptions;
use super::{Options, PortChoice, WriteTimeout};
use crate::logging::{LogFile, LogTarget};

/// A setting by its name, and how its value is shown.
type Setting<Of> = (&'static str, fn(&Of) -> String);

/// What cannot change without a restart, by nats-server's names for it.
const FIXED: &[Setting<Options>] = &[
    ("Host", |options| options.host.clone()),
    ("Port", |options| options.port.to_string()),
    ("ServerName", |options| {
        options.server_name.clone().unwrap_or_default()
    }),
    ("Cores", |options| options.cores.to_string()),
    ("NoHeaderSupport", |options| {
        options.no_header_support.to_string()
    }),
    ("AllowNonTLS", |options| {
        let tls = options.tls.as_ref();
        tls.is_some_and(|tls| tls.allow_plain).to_string()
    }),
    ("ProxyProtocol", |options| {
        options.proxy_protocol.to_string()
    }),
    ("SystemAccount", |options| {
        let system = options.policy.accounts.get(1);
        system.map_or_else(String::new, |account| account.name.to_string())
    }),
    ("HTTPPort", |options| {
        let monitoring = options.monitoring.as_ref();
        port(monitoring.and_then(|monitoring| monitoring.http_port))
    }),
    ("HTTPSPort", |options| {
        let monitoring = options.monitoring.as_ref();
        port(monitoring.and_then(|monitoring| monitoring.https_port))
    }),
    ("HTTPHost", |options| {
        let monitoring = options.monitoring.as_ref();
        monitoring.map_or_else(String::new, |monitoring| monitoring.host.clone())
    }),
    ("HTTPBasePath", |options| {
        let monitoring = options.monitoring.as_ref();
        monitoring.map_or_else(String::new, |monitoring| monitoring.asked_base_path.clone())
    }),
];

/// The same of the WebSocket listener. Certificates may change, whether there
/// are any may not.
const WEBSOCKET: &[Setting<WebsocketOptions>] = &[
    ("host", |websocket| websocket.host.clone()),
    ("port", |websocket| websocket.port.to_string()),
    ("advertise", |websocket| {
        websocket.advertise.clone().unwrap_or_default()
    }),
    ("no_tls", |websocket| websocket.tls.is_none().to_string()),
    ("same_origin", |websocket| {
        websocket.rules.same_origin.to_string()
    }),
    ("allowed_origins", |websocket| {
        let origins = websocket.rules.allowed_origins.iter();
        let origins = origins.map(|one| format!("{}://{}:{}", one.scheme, one.host, one.port));
        origins.collect::<Vec<_>>().join(" ")
    }),
    ("compression", |websocket| {
        websocket.rules.compression.to_string()
    }),
    ("headers", |websocket| {
        let fields = websocket.rules.fields.iter();
        let fields = fields.map(|(name, value)| format!("{name}: {value}"));
        fields.collect::<Vec<_>>().join(", ")
    }),
    ("user_cookie", |websocket| {
        websocket.rules.user_cookie.clone()
    }),
    ("pass_cookie", |websocket| {
        websocket.rules.password_cookie.clone()
    }),
    ("token_cookie", |websocket| {
        websocket.rules.token_cookie.clone()
    }),
    ("handshake_timeout", |websocket| {
        duration(websocket.handshake_timeout_ns)
    }),
    ("timeout", |websocket| {
        websocket.auth_timeout_ns.map(duration).unwrap_or_default()
    }),
    ("ping_interval", |websocket| {
        websocket.ping_interval_ns.map(duration).unwrap_or_default()
    }),
];

/// What changes at once, by the names in the file.
const FREE: &[Setting<Options>] = &[
    ("debug", |options| options.debug.to_string()),
    ("trace", |options| options.trace.to_string()),
    ("logtime", |options| options.log_time.to_string()),
    ("logtime_utc", |options| options.log_time_utc.to_string()),
    ("log_file", |options| {
        log_file(options).map_or_else(String::new, |file| file.path.display().to_string())
    }),
    ("log_size_limit", |options| {
        log_file(options)
            .map_or(0, |file| file.size_limit_bytes)
            .to_string()
    }),
    ("log_max_num", |options| {
        log_file(options)
            .map_or(0, |file| file.files_max)
            .to_string()
    }),
    ("syslog", |options| {
        matches!(options.log_to, LogTarget::Syslog(_)).to_string()
    }),
    ("remote_syslog", |options| match &options.log_to {
        LogTarget::Syslog(address) => address.to_string(),
        _ => String::new(),
    }),
    ("trace_headers", |options| {
        options.tracing.only_headers.to_string()
    }),
    ("max_traced_msg_len", |options| {
        options.tracing.payload_bytes_max.to_string()
    }),
    ("max_connections", |options| {
        options.max_connections.to_string()
    }),
    ("pid_file", |options| {
        shown_path(options.pid_file.as_deref())
    }),
    ("ports_file_dir", |options| {
        shown_path(options.ports_file_dir.as_deref())
    }),
    ("max_control_line", |options| {
        options.max_control_line.to_string()
    }),
    ("max_payload", |options| options.max_payload.to_string()),
    ("max_pending", |options| {
        options.max_pending_bytes.to_string()
    }),
    ("max_subscriptions", |options| {
        options.max_subscriptions.to_string()
    }),
    ("max_subscription_tokens", |options| {
        options.max_subscription_tokens.to_string()
    }),
    ("max_closed_clients", |options| {
        options.max_closed_connections.to_string()
    }),
    ("max_route_cache", |options| {
        options.max_route_cache_bytes.to_string()
    }),
    ("ping_interval", |options| {
        duration(options.ping_interval_ns)
    }),
    ("ping_max", |options| options.ping_max.to_string()),
    ("write_deadline", |options| {
        duration(options.write_deadline_ns)
    }),
    ("write_timeout", |options| {
        let text = match options.write_timeout {
            WriteTimeout::Default => "default",
            WriteTimeout::Close => "close",
            WriteTimeout::Retry => "retry",
        };
        text.to_owned()
    }),
    ("lame_duck_duration", |options| {
        duration(options.lame_duck_duration_ns)
    }),
    ("lame_duck_grace_period", |options| {
        duration(options.lame_duck_grace_period_ns)
    }),
    ("authorization timeout", |options| {
        (options.auth_timeout_ns as f64 / 1e9).to_string()
    }),
];

/// Names what cannot change without a restart.
///
/// # Errors
/// nats-server's text about the first of it.
pub fn refuse(old: &Options, new: &Options) -> Result<(), String> {
    let refused = |name: &str, old: &str, new: &str| {
        Err(format!(
            "config reload not supported for {name}: old={old}, new={new}"
        ))
    };
    for (name, shown) in FIXED {
        let (old, new) = (shown(old), shown(new));
        if old != new {
            return refused(name, &old, &new);
        }
    }
    jetstream::refuse(old.jetstream.as_ref(), new.jetstream.as_ref())?;
    if own_users(&old.policy) != own_users(&new.policy) {
        return Err("config reload not supported for Websocket: its users differ".to_owned());
    }
    let shown = |options: Option<&WebsocketOptions>, (_, shown): &Setting<_>| {
        options.map_or_else(String::new, shown)
    };
    let (old, new) = (old.websocket.as_ref(), new.websocket.as_ref());
    for setting in WEBSOCKET {
        let (old, new) = (shown(old, setting), shown(new, setting));
        if old != new {
            let in_block = |value: String| format!("{{{}: {value}}}", setting.0);
            return refused("Websocket", &in_block(old), &in_block(new));
        }
    }
    Ok(())
}

/// One line for each change.
pub fn lines(old: &Options, new: &Options) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, shown) in FREE {
        let (old, new) = (shown(old), shown(new));
        if old != new {
            lines.push(format!("Reloaded: {name} = {new}"));
        }
    }
    let advertised = |options: &Options| options.client_advertise.clone().map(|to| to.to_string());
    if advertised(old) != advertised(new) {
        // Without the last letter (NATS 2.15).
        let new = advertised(new).unwrap_or_default();
        lines.push(format!("Reload: client_advertise = {new}"));
    }
    let mut note = |is_other: bool, text: &str| {
        if is_other {
            lines.push(format!("Reloaded: {text}"));
        }
    };
    note(old.tags != new.tags, "tags");
    note(old.metadata != new.metadata, "metadata");
    note(old.feature_flags != new.feature_flags, "feature_flags");
    let stall = match new.no_fast_producer_stall {
        true => "fast producers will not be stalled",
        false => "fast producers will be stalled",
    };
    note(
        old.no_fast_producer_stall != new.no_fast_producer_stall,
        stall,
    );
    note(old.policy != new.policy, "authorization users");
    note(old.policy.accounts != new.policy.accounts, "accounts");
    for line in jetstream::lines(old.jetstream.as_ref(), new.jetstream.as_ref()) {
        note(true, &line);
    }
    match (&old.tls, &new.tls) {
        (_, Some(_)) => note(true, "tls = enabled"),
        (Some(_), None) => note(true, "tls = disabled"),
        (None, None) => {}
    }
    lines
}

/// The users that only the WebSocket listener has.
fn own_users(policy: &Policy) -> impl PartialEq {
    let user = policy.websocket_no_auth_user;
    let name = user.map(|user| policy.users[user].identity.name().to_owned());
    (policy.websocket_override.clone(), name)
}

fn port(port: Option<PortChoice>) -> String {
    port.map_or_else(|| "0".to_owned(), |port| port.to_string())
}

fn log_file(options: &Options) -> Option<&LogFile> {
    match &options.log_to {
        LogTarget::File(file) => Some(file),
        _ => None,
    }
}

fn shown_path(path: Option<&std::path::Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Requested;
    use super::*;

    #[test]
    fn values_are_shown_as_the_file_has_them() {
        let old = Requested::default().resolve().unwrap();
        let mut new = old.clone();
        assert_eq!(refuse(&old, &new), Ok(()));
        assert_eq!(lines(&old, &new), Vec::<String>::new());
        new.ping_interval_ns = 90_000_000_000;
        new.max_connections = -1;
        new.auth_timeout_ns = 1_500_000_000;
        new.tags = vec!["a".to_owned()];
        assert_eq!(
            lines(&old, &new),
            [
                "Reloaded: max_connections = -1",
                "Reloaded: ping_interval = 1m30s",
                "Reloaded: authorization timeout = 1.5",
                "Reloaded: tags",
            ]
        );
        new.port = PortChoice::Random;
        assert_eq!(
            refuse(&old, &new).unwrap_err(),
            "config reload not supported for Port: old=4222, new=-1"
        );
    }
}
