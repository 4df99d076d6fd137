//! Keys that nats-server knows and Trunkline does not support yet.
//!
//! They are refused by name at start: a server that ignored `tls` or `accounts`
//! would be a different server from the one its file describes. A key leaves
//! this list in the change that makes it work.

/// Top-level keys (nats-server 2.15.2).
const TOP: &[&str] = &[
    "account_resolver",
    "accounts_resolver",
    "cluster",
    "connect_error_reports",
    "default_js_domain",
    "default_sentinel",
    "disable_sublist_cache",
    "feature_flags",
    "gateway",
    "jetstream",
    "leaf",
    "leafnodes",
    "max_traced_msg_len",
    "mqtt",
    "no_fast_producer_stall",
    "no_sublist_cache",
    "no_sys_acc",
    "no_system",
    "no_system_account",
    "ocsp",
    "ocsp_cache",
    "operator",
    "operators",
    "prof_block_rate",
    "prof_port",
    "proxies",
    "reconnect_error_reports",
    "remote_syslog",
    "resolver",
    "resolver_pinned_accounts",
    "resolver_preload",
    "resolver_tls",
    "root",
    "root_operator",
    "root_operators",
    "roots",
    "server_metadata",
    "syslog",
    "trace_headers",
    "trace_verbose",
    "trusted",
    "trusted_keys",
    "write_timeout",
];

/// Keys of the `authorization` block.
const AUTHORIZATION: &[&str] = &["auth_callout", "auth_hook", "proxy_required"];

/// Whether nats-server knows `key`, in lower case, at the top level.
pub(super) fn known_at_top(key: &str) -> bool {
    TOP.contains(&key)
}

/// Whether nats-server knows `key`, in lower case, inside `authorization`.
pub(super) fn known_in_authorization(key: &str) -> bool {
    AUTHORIZATION.contains(&key)
}
