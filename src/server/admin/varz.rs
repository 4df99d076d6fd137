//! `/varz`: the server as a whole, in the fields and order of NATS 2.15.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use trunkline_core::session::policy::Policy;
use trunkline_core::wire::info::NATS_VERSION;

use super::collect::Totals;
use super::{Admin, CurrentSettings, format};
use crate::net::tls::TlsSetup;
use crate::options::tls::{TLS_TIMEOUT_NS, Verify};
use crate::options::websocket::HANDSHAKE_TIMEOUT_NS;
use crate::options::{Options, PortChoice, WriteTimeout};
use crate::settings::advertised_address;

/// The fields, in groups.
#[derive(Serialize)]
pub struct Varz {
    #[serde(flatten)]
    identity: Identity,
    #[serde(flatten)]
    bounds: Bounds,
    #[serde(flatten)]
    load: Load,
    #[serde(flatten)]
    settings: Settings,
}

/// Which server it is and how it is reached.
#[derive(Serialize)]
struct Identity {
    server_id: String,
    server_name: String,
    version: &'static str,
    proto: u32,
    go: &'static str,
    host: String,
    port: u16,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    auth_required: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_required: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_verify: bool,
}

/// What clients may do, and where else the server listens.
#[derive(Serialize)]
struct Bounds {
    max_connections: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_subscriptions: u32,
    ping_interval: u64,
    ping_max: i64,
    http_host: String,
    http_port: i64,
    http_base_path: String,
    https_port: i64,
    auth_timeout: f64,
    max_control_line: u32,
    max_payload: i64,
    max_pending: u64,
    cluster: Value,
    gateway: Value,
    leaf: Value,
    mqtt: Value,
    websocket: WebsocketVarz,
    jetstream: Value,
    tls_timeout: f64,
    write_deadline: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    write_timeout: &'static str,
}

/// What the server does.
#[derive(Serialize)]
struct Load {
    start: String,
    now: String,
    uptime: String,
    mem: u64,
    cores: usize,
    gomaxprocs: usize,
    cpu: f64,
    connections: usize,
    total_connections: u64,
    routes: u32,
    remotes: u32,
    leafnodes: u32,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    in_client_msgs: u64,
    in_client_bytes: u64,
    out_client_msgs: u64,
    out_client_bytes: u64,
    slow_consumers: u64,
    stale_connections: u64,
    stalled_clients: u64,
    subscriptions: usize,
}

/// What else is configured, and further counts.
#[derive(Serialize)]
struct Settings {
    http_req_stats: BTreeMap<String, u64>,
    config_load_time: String,
    config_digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    feature_flags: BTreeMap<String, bool>,
    system_account: String,
    slow_consumer_stats: Value,
    stale_connection_stats: Value,
    disk_io_wait_stats: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cert_not_after: Option<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The fields of the WebSocket listener.
#[derive(Default, Serialize)]
struct WebsocketVarz {
    #[serde(skip_serializing_if = "String::is_empty")]
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_auth_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_timeout: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_tls: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_map: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_pinned_certs: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    same_origin: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_origins: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    compression: bool,
    #[serde(skip_serializing_if = "is_zero_ns")]
    handshake_timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cert_not_after: Option<String>,
}

/// A port as the configuration has it (NATS 2.15), zero for none.
fn as_asked(port: Option<PortChoice>) -> i64 {
    match port {
        None => 0,
        Some(PortChoice::Fixed(port)) => port.into(),
        Some(PortChoice::Random) => -1,
    }
}

/// When the certificate of a listener ends.
fn expiry(tls: &TlsSetup) -> Option<String> {
    let at = Timestamp::from_second(tls.expires_at?).ok()?;
    Some(format::moment(at))
}

fn is_zero_ns(number: &u64) -> bool {
    *number == 0
}

impl Admin {
    fn websocket_varz(&self, options: &Options, policy: &Policy) -> WebsocketVarz {
        let Some(websocket) = &options.websocket else {
            return WebsocketVarz::default();
        };
        let listening = self.cores.shared.listening();
        let (rules, tls) = (&websocket.rules, websocket.tls.as_ref());
        let origins = rules.allowed_origins.iter();
        WebsocketVarz {
            host: websocket.host.clone(),
            port: self.bound.websocket.map(|bound| bound.port()),
            advertise: websocket.advertise.clone(),
            no_auth_user: policy
                .websocket_no_auth_user
                .map(|user| policy.users[user].identity.name().to_owned()),
            auth_timeout: websocket
                .auth_timeout_ns
                .map(|timeout_ns| timeout_ns as f64 / 1e9),
            no_tls: tls.is_none(),
            tls_map: tls.is_some_and(|tls| tls.map),
            tls_pinned_certs: tls
                .map_or_else(Vec::new, |tls| tls.pinned_certs.iter().cloned().collect()),
            same_origin: rules.same_origin,
            allowed_origins: origins
                .map(|origin| format!("{}://{}:{}", origin.scheme, origin.host, origin.port))
                .collect(),
            compression: rules.compression,
            handshake_timeout: match websocket.handshake_timeout_ns {
                HANDSHAKE_TIMEOUT_NS => 0,
                other_ns => other_ns,
            },
            tls_cert_not_after: listening
                .websocket
                .as_ref()
                .and_then(|websocket| expiry(websocket.tls.as_ref()?)),
        }
    }

    fn leaf_varz(&self, options: &Options) -> Value {
        let Some(leaf) = &options.leaf else {
            return json!({});
        };
        // Timeouts are nats-server's defaults: nothing can set them yet.
        json!({
            "host": leaf.host,
            "port": self.bound.leaf_port,
            "auth_timeout": 2,
            "tls_timeout": 2,
        })
    }

    /// The answer.
    pub fn varz(&self) -> Varz {
        let settings = self.settings();
        let totals = self.totals();
        Varz {
            identity: self.shown_identity(&settings),
            bounds: self.shown_bounds(&settings),
            load: self.shown_load(&totals),
            settings: self.shown_settings(&settings, &totals),
        }
    }

    fn shown_identity(&self, settings: &CurrentSettings) -> Identity {
        let options = &settings.options;
        let tls = options.tls.as_ref();
        let (host, port) = advertised_address(options, self.bound.client);
        Identity {
            server_id: self.server.server_id.clone(),
            server_name: self.server.server_name.clone(),
            version: NATS_VERSION,
            proto: 1,
            go: concat!("trunkline", env!("CARGO_PKG_VERSION")),
            host,
            port,
            auth_required: settings.policy.requires_credentials(),
            tls_required: tls.is_some_and(|tls| !tls.allow_plain),
            tls_verify: tls.is_some_and(|tls| tls.verify == Verify::Required),
        }
    }

    fn shown_bounds(&self, settings: &CurrentSettings) -> Bounds {
        let options = &settings.options;
        let monitoring = options.monitoring.as_ref();
        let tls = options.tls.as_ref();
        Bounds {
            max_connections: options.max_connections,
            max_subscriptions: options.max_subscriptions,
            ping_interval: options.ping_interval_ns,
            ping_max: options.ping_max,
            http_host: monitoring.map(|m| m.host.clone()).unwrap_or_default(),
            http_port: as_asked(monitoring.and_then(|m| m.http_port)),
            http_base_path: monitoring
                .map(|m| m.asked_base_path.clone())
                .unwrap_or_default(),
            https_port: as_asked(monitoring.and_then(|m| m.https_port)),
            auth_timeout: options.auth_timeout_ns as f64 / 1e9,
            max_control_line: options.max_control_line,
            max_payload: match options.has_no_payload_limit {
                true => -1,
                false => options.max_payload.into(),
            },
            max_pending: options.max_pending_bytes,
            cluster: json!({}),
            gateway: json!({}),
            leaf: self.leaf_varz(options),
            mqtt: json!({}),
            websocket: self.websocket_varz(options, &settings.policy),
            jetstream: json!({}),
            tls_timeout: tls.map_or(TLS_TIMEOUT_NS, |tls| tls.timeout_ns) as f64 / 1e9,
            write_deadline: options.write_deadline_ns,
            write_timeout: match options.write_timeout {
                WriteTimeout::Default => "",
                WriteTimeout::Close => "close",
                WriteTimeout::Retry => "retry",
            },
        }
    }

    fn shown_load(&self, totals: &Totals) -> Load {
        let total_connections = self.cores.shared.last_client_id.load(Ordering::Relaxed);
        Load {
            start: format::moment(self.started),
            now: format::moment(Timestamp::now()),
            uptime: format::uptime(self.clock.elapsed().as_secs()),
            mem: resident_bytes(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            gomaxprocs: totals.shards.len(),
            cpu: self.processor.percent(),
            connections: totals.connections,
            total_connections,
            routes: 0,
            remotes: 0,
            leafnodes: 0,
            in_msgs: totals.traffic.in_messages,
            out_msgs: totals.traffic.out_messages,
            in_bytes: totals.traffic.in_bytes,
            out_bytes: totals.traffic.out_bytes,
            in_client_msgs: totals.traffic.in_messages,
            in_client_bytes: totals.traffic.in_bytes,
            out_client_msgs: totals.traffic.out_messages,
            out_client_bytes: totals.traffic.out_bytes,
            slow_consumers: totals.endings.slow_consumers,
            stalled_clients: totals.stalls,
            stale_connections: totals.endings.stale_connections,
            subscriptions: totals.subscriptions,
        }
    }

    fn shown_settings(&self, settings: &CurrentSettings, totals: &Totals) -> Settings {
        let options = &settings.options;
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let by_kind =
            |clients: u64| json!({"clients": clients, "routes": 0, "gateways": 0, "leafs": 0});
        let listening = self.cores.shared.listening();
        let system = settings.policy.accounts.get(1);
        Settings {
            http_req_stats: requests.clone(),
            config_load_time: format::moment(settings.loaded),
            config_digest: options.config_digest.clone(),
            tags: options.tags.clone(),
            metadata: options.metadata.clone(),
            feature_flags: options.all_feature_flags(),
            system_account: system.map_or_else(String::new, |account| account.name.to_string()),
            slow_consumer_stats: by_kind(totals.endings.slow_consumers),
            stale_connection_stats: by_kind(totals.endings.stale_connections),
            // Nothing is stored.
            disk_io_wait_stats: json!({"waiters": 0, "waits": 0, "wait_time": 0, "max_wait_time": 0}),
            tls_cert_not_after: listening.tls.as_ref().and_then(expiry),
        }
    }
}

/// Memory of this process in bytes.
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
