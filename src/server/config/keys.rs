//! Keys that nats-server knows and Trunkline does not support yet.
//!
//! They are refused by name at start: a server that ignored `tls` or `accounts`
//! would be a different server from the one its file describes. A key leaves
//! this list in the change that makes it work.

/// Top-level keys (nats-server 2.15.2).
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
