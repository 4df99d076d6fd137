//! Keys: those that are understood, and those that nats-server knows and Trunkline does not support yet.
//!
//! The latter are refused by name at start: a server that ignored `tls` or `accounts`
//! would be a different server from the one its file describes. A key leaves
//! their list in the change that makes it work.

/// Top-level keys (nats-server 2.15.3) that are not supported yet.
const TOP: &[&str] = &[
    "account_resolver",
    "accounts_resolver",
    "default_js_domain",
    "default_sentinel",
    "gateway",
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

/// Top-level keys that are understood.
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
    "jetstream",
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

/// Keys of the `authorization` block that are not supported yet.
const AUTHORIZATION: &[&str] = &["auth_callout", "auth_hook"];

/// Keys of the `leafnodes` block that are not supported yet.
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

/// Keys of `cluster` that mean nothing while there is no other server.
const CLUSTER: &[&str] = &[
    "accounts",
    "advertise",
    "authorization",
    "cluster_advertise",
    "compression",
    "connect_backoff",
    "connect_retries",
    "no_advertise",
    "permissions",
    "ping_interval",
    "ping_max",
    "pool_size",
    "tls",
    "write_deadline",
    "write_timeout",
];

/// A part of a file, by the keys that it has, for those who misspell one.
pub(super) type Block = &'static [&'static [&'static str]];

pub(super) const IN_FILE: Block = &[UNDERSTOOD, TOP];

pub(super) const IN_AUTHORIZATION: Block = &[
    &[
        "default_permission",
        "default_permissions",
        "pass",
        "password",
        "permissions",
        "proxy_required",
        "timeout",
        "token",
        "user",
        "username",
        "users",
    ],
    AUTHORIZATION,
];

pub(super) const IN_USER: Block = &[&[
    "allowed_connection_types",
    "authorization",
    "clients",
    "connection_types",
    "nkey",
    "pass",
    "password",
    "permission",
    "permissions",
    "proxy_required",
    "user",
    "username",
]];

pub(super) const IN_PERMISSIONS: Block = &[&[
    "allow_responses",
    "export",
    "import",
    "pub",
    "publish",
    "publish_allow_responses",
    "sub",
    "subscribe",
]];

pub(super) const IN_RESPONSES: Block = &[&[
    "expiration",
    "expires",
    "max",
    "max_messages",
    "max_msgs",
    "max_responses",
    "ttl",
]];

pub(super) const IN_ACCOUNT: Block = &[&[
    "default_permissions",
    "exports",
    "imports",
    "jetstream",
    "limits",
    "mappings",
    "maps",
    "msg_trace",
    "nkey",
    "trace_dest",
    "users",
]];

pub(super) const IN_ACCOUNT_JETSTREAM: Block = &[&[
    "cluster_traffic",
    "disk",
    "disk_max_stream_bytes",
    "max_ack_pending",
    "max_bytes",
    "max_bytes_required",
    "max_consumers",
    "max_disk",
    "max_file",
    "max_mem",
    "max_memory",
    "max_store",
    "max_stream_bytes",
    "max_streams",
    "mem",
    "mem_max_stream_bytes",
    "memory",
    "memory_max_stream_bytes",
    "store",
    "store_max_stream_bytes",
    "streams",
]];

/// Keys of `jetstream` about servers that place and copy streams together, or wait for
/// their files.
const JETSTREAM: &[&str] = &[
    "extension_hint",
    "info_queue_limit",
    "max_buffered_msgs",
    "max_buffered_size",
    "max_concurrent_io",
    "max_outstanding_catchup",
    "meta_compact",
    "meta_compact_size",
    "meta_compact_sync",
    "request_queue_limit",
    "unique_tag",
];

pub(super) const IN_JETSTREAM: Block = &[
    JETSTREAM,
    &[
        "cipher",
        "domain",
        "ek",
        "enable",
        "enabled",
        "encryption_key",
        "key",
        "limits",
        "max_file",
        "max_file_store",
        "max_mem",
        "max_mem_store",
        "max_memory_store",
        "prev_ek",
        "prev_encryption_key",
        "prev_key",
        "read_cache",
        "store",
        "store_dir",
        "storedir",
        "strict",
        "sync",
        "sync_interval",
        "tpm",
    ],
];

pub(super) const IN_JETSTREAM_LIMITS: Block = &[&[
    "batch",
    "default_max_consumers",
    "duplicate_window",
    "max_ack_pending",
    "max_ha_assets",
    "max_request_batch",
]];

pub(super) const IN_BATCH_LIMITS: Block = &[&[
    "max_inflight_per_stream",
    "max_inflight_total",
    "max_msgs",
    "timeout",
]];

pub(super) const IN_TPM: Block = &[&[
    "cipher",
    "encryption_password",
    "keys_file",
    "pcr",
    "srk_password",
]];

pub(super) const IN_LIMITS: Block = &[&[
    "max_conn",
    "max_connections",
    "max_leafnodes",
    "max_leafs",
    "max_pay",
    "max_payload",
    "max_subs",
    "max_subscriptions",
]];

pub(super) const IN_TLS: Block = &[&[
    "allow_insecure_cipher_suites",
    "ca_certs_match",
    "ca_file",
    "cert_file",
    "cert_match",
    "cert_match_by",
    "cert_match_skip_invalid",
    "cert_store",
    "certificates",
    "certs",
    "cipher_suites",
    "connection_rate_limit",
    "curve_preferences",
    "first",
    "handshake_first",
    "immediate",
    "insecure",
    "key_file",
    "min_version",
    "ocsp_peer",
    "pinned_certs",
    "timeout",
    "verify",
    "verify_and_map",
    "verify_cert_and_check_known_urls",
]];

pub(super) const IN_WEBSOCKET: Block = &[&[
    "advertise",
    "allow_origin",
    "allow_origins",
    "allowed_origin",
    "allowed_origins",
    "authentication",
    "authorization",
    "compress",
    "compression",
    "handshake_timeout",
    "headers",
    "host",
    "jwt_cookie",
    "listen",
    "net",
    "no_auth_user",
    "no_tls",
    "origin",
    "origins",
    "pass_cookie",
    "ping_interval",
    "port",
    "same_origin",
    "tls",
    "token_cookie",
    "user_cookie",
]];

pub(super) const IN_WEBSOCKET_AUTHORIZATION: Block =
    &[&["pass", "password", "timeout", "token", "user", "username"]];

pub(super) const IN_LEAF: Block = &[&["host", "listen", "net", "port"], LEAF];

pub(super) const IN_CLUSTER: Block = &[
    &["host", "listen", "name", "net", "port", "routes"],
    CLUSTER,
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

/// Whether `key`, in lower case, means nothing inside `jetstream`.
pub(super) fn idle_in_jetstream(key: &str) -> bool {
    JETSTREAM.contains(&key)
}

/// Whether `key`, in lower case, means nothing inside `cluster`.
pub(super) fn idle_in_cluster(key: &str) -> bool {
    CLUSTER.contains(&key)
}
