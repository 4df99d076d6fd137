//! What the options mean for the cores and their clients: INFO, and the settings of a shard. At the start
//! and at every reload.

use std::net::SocketAddr;
use std::sync::Arc;

use trunkline_core::base::id::CoreId;
use trunkline_core::base::identity::server_id;
use trunkline_core::base::limits::{Limits, WorkLimits};
use trunkline_core::session::authority::Authority;
use trunkline_core::shard::ShardConfig;
use trunkline_core::wire::info::{ServerInfo, WebsocketInfo};

use crate::options::tls::Verify;
use crate::options::{Options, WriteTimeout};

/// What INFO says at the start.
///
/// # Errors
/// The kernel has no random bytes for the server's id.
pub fn server_info(
    options: &Options,
    bound: SocketAddr,
    websocket_bound: Option<SocketAddr>,
) -> rustix::io::Result<ServerInfo> {
    let server_id = server_id(&random()?);
    let mut server = ServerInfo {
        server_name: options
            .server_name
            .clone()
            .unwrap_or_else(|| server_id.clone()),
        server_id,
        host: String::new(),
        port: 0,
        headers: !options.no_header_support,
        websocket: options
            .websocket
            .as_ref()
            .zip(websocket_bound)
            .map(|(websocket, bound)| WebsocketInfo {
                host: websocket.host.clone(),
                port: bound.port(),
                has_tls: websocket.tls.is_some(),
            }),
        has_jetstream: options.jetstream.is_some(),
        jetstream_domain: options
            .jetstream
            .as_ref()
            .map_or_else(String::new, |jetstream| jetstream.settings.domain.clone()),
        is_lame_duck: false,
        tls_required: false,
        tls_available: false,
        tls_verify: false,
    };
    describe(&mut server, options, bound);
    Ok(server)
}

/// Puts into INFO what a reload may change.
pub fn describe(server: &mut ServerInfo, options: &Options, bound: SocketAddr) {
    let tls = options.tls.as_ref();
    (server.host, server.port) = advertised_address(options, bound);
    server.tls_required = tls.is_some_and(|tls| !tls.allow_plain);
    server.tls_available = tls.is_some_and(|tls| tls.allow_plain);
    server.tls_verify = tls.is_some_and(|tls| tls.verify == Verify::Required);
}

/// What INFO says that the server listens on.
pub fn advertised_address(options: &Options, bound: SocketAddr) -> (String, u16) {
    match &options.client_advertise {
        Some(advertise) => (
            advertise.host.clone(),
            advertise.port.unwrap_or(bound.port()),
        ),
        None => (options.host.clone(), bound.port()),
    }
}

/// What a shard is made with.
pub fn shard_config(
    options: &Options,
    server: &ServerInfo,
    core: usize,
    cores: usize,
    seed: u64,
    authority: &Arc<Authority>,
) -> ShardConfig {
    ShardConfig {
        core: CoreId::at(core),
        cores,
        limits: limits(options),
        server: server.clone(),
        authority: Arc::clone(authority),
        seed,
        trace: options.trace,
    }
}

/// The limits of a configuration as the shards use them.
pub fn limits(options: &Options) -> Limits {
    let websocket = options.websocket.as_ref();
    Limits {
        max_payload: options.max_payload,
        max_control_line: options.max_control_line,
        max_pending_bytes: options.max_pending_bytes,
        max_subscriptions: options.max_subscriptions,
        max_subscription_tokens: u32::from(options.max_subscription_tokens),
        ping_interval_ns: options.ping_interval_ns,
        ping_max: u32::try_from(options.ping_max.max(0)).unwrap_or(u32::MAX),
        has_no_payload_limit: options.has_no_payload_limit,
        write_deadline_ns: options.write_deadline_ns,
        auth_timeout_ns: options.auth_timeout_ns,
        websocket_ping_interval_ns: websocket
            .and_then(|websocket| websocket.ping_interval_ns)
            .unwrap_or(options.ping_interval_ns),
        websocket_auth_timeout_ns: websocket
            .and_then(|websocket| websocket.auth_timeout_ns)
            .unwrap_or(options.auth_timeout_ns),
        max_closed_connections: options.max_closed_connections,
        retries_writes: options.write_timeout == WriteTimeout::Retry,
        stalls_publishers: !options.no_fast_producer_stall,
        tracing: options.tracing,
        work: WorkLimits::default(),
        route_cache_bytes_max: options.max_route_cache_bytes,
    }
}

/// Random bytes.
///
/// # Errors
/// The kernel has none.
pub fn random<const N: usize>() -> rustix::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let len = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    assert_eq!(len, N, "the kernel gives small numbers of bytes at once");
    Ok(bytes)
}
