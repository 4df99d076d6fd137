//! Keys that nats-server knows and Trunkline does not support yet.
//!
//! They are refused by name at start: a server that ignored `tls` or `accounts`
//! would be a different server from the one its file describes. A key leaves
//! this list in the change that makes it work.

/// Top-level keys (nats-server 2.15.3).
const TOP: &[&str] = &[
    "account_resolver",
    "accounts_resolver",
    "default_js_domain",
    "default_sentinel",
    "gateway",
    "jetstream",
    "mqtt",
    "ocsp",
    "ocsp_cache",
    "operator",
    "operators",
    "resolver",
    "resolver_pinned_accounts",
    "resolver_preload",
    "resolver_tls",
    "root",
    "root_operator",
    "root_operators",
    "roots",
    "trusted",
    "trusted_keys",
];

/// Top-level keys that are understood, for those who misspell one.
const UNDERSTOOD: &[&str] = &[
    "accounts",
    "allow_non_tls",
    "authorization",
    "client_advertise",
    "cluster",
    "connect_error_reports",
    "cores",
    "debug",
    "disable_sublist_cache",
    "feature_flags",
    "host",
    "http",
    "http_base_path",
    "http_port",
    "https",
    "https_port",
    "lame_duck_duration",
    "lame_duck_grace_period",
    "leaf",
    "leafnodes",
    "listen",
    "log_file",
    "log_max_num",
    "log_size_limit",
    "logfile",
    "logfile_max_num",
    "logfile_size_limit",
    "logtime",
    "logtime_utc",
    "mappings",
    "maps",
    "max_closed_clients",
    "max_conn",
    "max_connections",
    "max_control_line",
    "max_payload",
    "max_pending",
    "max_route_cache",
    "max_sub_tokens",
    "max_subs",
    "max_subscription_tokens",
    "max_subscriptions",
    "max_traced_msg_len",
    "monitor_port",
    "net",
    "no_auth_user",
    "no_fast_producer_stall",
    "no_header_support",
    "no_sublist_cache",
    "no_sys_acc",
    "no_system",
    "no_system_account",
    "pid_file",
    "pidfile",
    "ping_interval",
    "ping_max",
    "port",
    "ports_file_dir",
    "prof_block_rate",
    "prof_port",
    "proxies",
    "proxy_protocol",
    "reconnect_error_reports",
    "remote_syslog",
    "server_metadata",
    "server_name",
    "server_tags",
    "store_dir",
    "storedir",
    "syslog",
    "system",
    "system_account",
    "tls",
    "trace",
    "trace_headers",
    "trace_verbose",
    "websocket",
    "write_deadline",
    "write_timeout",
    "ws",
];

/// Keys of the `authorization` block.
const AUTHORIZATION: &[&str] = &["auth_callout", "auth_hook"];

/// Keys of the `leafnodes` block.
const LEAF: &[&str] = &[
    "advertise",
    "authorization",
    "compression",
    "dial_timeout",
    "isolate",
    "isolate_leafnode_interest",
    "leafnode_advertise",
    "min_version",
    "minimum_version",
    "no_advertise",
    "reconnect",
    "reconnect_delay",
    "reconnect_interval",
    "remotes",
    "tls",
    "write_deadline",
    "write_timeout",
];

/// Every key that means something at the top level.
pub(super) fn names_at_top() -> impl Iterator<Item = &'static str> {
    UNDERSTOOD.iter().chain(TOP).copied()
}

/// Whether nats-server knows `key`, in lower case, at the top level.
pub(super) fn known_at_top(key: &str) -> bool {
    TOP.contains(&key)
}

/// Whether nats-server knows `key`, in lower case, inside `authorization`.
pub(super) fn known_in_authorization(key: &str) -> bool {
    AUTHORIZATION.contains(&key)
}

/// Whether nats-server knows `key`, in lower case, inside `leafnodes`.
pub(super) fn known_in_leaf(key: &str) -> bool {
    LEAF.contains(&key)
}
