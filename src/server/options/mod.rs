//! What the server was asked to do: every setting with its default and its check.
//!
//! [`Requested`] collects what a file and then the flags say, in nats-server's
//! terms (0 means "the default"); [`Requested::resolve`] turns it into
//! [`Options`], which are valid by construction. Secrets never show in `Debug`.

pub mod access;
mod address;
pub mod advertise;
pub mod changes;
pub mod cores;
mod features;
pub mod jetstream;
pub mod leaf;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod websocket;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use crate::logging::{LogFile, LogTarget, SyslogAddress};
use access::Access;
use address::{HOST, port_choice};
pub use address::{PortChoice, Refusal, join_host_port};
use advertise::Advertise;
pub use cores::{CoreChoice, SHARDS_MAX};
use jetstream::{JetStreamOptions, RequestedJetStream};
use leaf::{LeafOptions, RequestedLeaf};
use tls::TlsOptions;
use trunkline_core::base::limits::{ROUTE_CACHE_BYTES, Tracing};
use trunkline_core::base::shown::duration;
use trunkline_core::session::policy::Policy;
use websocket::{RequestedWebsocket, WebsocketOptions};

const MAX_PAYLOAD_BYTES: u32 = 1024 * 1024;
const MAX_CONTROL_LINE_BYTES: u32 = 4096;
const MAX_PENDING_BYTES: u64 = 64 * 1024 * 1024;
const MAX_CONNECTIONS: i64 = 64 * 1024;
const PING_INTERVAL_NS: u64 = 120_000_000_000;
const PING_MAX: i64 = 2;
const WRITE_DEADLINE_NS: u64 = 10_000_000_000;
const MAX_CLOSED_CONNECTIONS: i64 = 10_000;
const LAME_DUCK_DURATION_NS: u64 = 120_000_000_000;
const LAME_DUCK_GRACE_PERIOD_NS: u64 = 10_000_000_000;
const AUTH_TIMEOUT_NS: u64 = 2_000_000_000;

/// The settings of a running server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Address or name to bind to.
    pub host: String,
    /// Port for clients.
    pub port: PortChoice,
    /// `None`: the server's identity is its name.
    pub server_name: Option<String>,
    /// Debug lines in the log.
    pub debug: bool,
    /// Protocol traces in the log.
    pub trace: bool,
    /// Timestamps in the log.
    pub log_time: bool,
    /// How many shards, and where.
    pub cores: CoreChoice,
    /// Memory of the routes that one core remembers, in bytes.
    pub max_route_cache_bytes: usize,
    /// Largest payload, headers included, in bytes.
    pub max_payload: u32,
    /// Clients are told that there is no limit for it.
    pub has_no_payload_limit: bool,
    /// Longest control line in bytes.
    pub max_control_line: u32,
    /// Bytes that may wait for one connection before it is a slow consumer.
    pub max_pending_bytes: u64,
    /// Negative: nobody may connect.
    pub max_connections: i64,
    /// Subscriptions of one connection; 0: no limit.
    pub max_subscriptions: u32,
    /// Tokens of one subscription's subject; 0: no limit.
    pub max_subscription_tokens: u8,
    /// Silence after which the server sends a PING.
    pub ping_interval_ns: u64,
    /// Unanswered PINGs before a connection is stale; negative: it is without any.
    pub ping_max: i64,
    /// How long one write may take before the connection is a slow consumer.
    pub write_deadline_ns: u64,
    /// Headers are not offered to clients.
    pub no_header_support: bool,
    /// Who may connect, and what they may do.
    pub policy: Policy,
    /// How long it may take to present it.
    pub auth_timeout_ns: u64,
    /// The file for the process number.
    pub pid_file: Option<PathBuf>,
    /// The directory of the ports file.
    pub ports_file_dir: Option<PathBuf>,
    /// What INFO names as host and port.
    pub client_advertise: Option<Advertise>,
    /// Where the log goes.
    pub log_to: LogTarget,
    /// What traces show.
    pub tracing: Tracing,
    /// What happens to a connection that misses its write deadline.
    pub write_timeout: WriteTimeout,
    /// Receivers that fall behind miss messages, publishers never wait.
    pub no_fast_producer_stall: bool,
    /// Timestamps of the log in UTC.
    pub log_time_utc: bool,
    /// How long clients are told about the end before the first one is closed.
    pub lame_duck_grace_period_ns: u64,
    /// How long closing them takes.
    pub lame_duck_duration_ns: u64,
    /// Where monitoring listens.
    pub monitoring: Option<MonitoringOptions>,
    /// Words that describe the server.
    pub tags: Vec<String>,
    /// Named words that do.
    pub metadata: BTreeMap<String, String>,
    /// Features of nats-server that are switched, as the file says.
    pub feature_flags: BTreeMap<String, bool>,
    /// Ended connections that monitoring remembers.
    pub max_closed_connections: usize,
    /// TLS for clients.
    pub tls: Option<TlsOptions>,
    /// The WebSocket listener.
    pub websocket: Option<WebsocketOptions>,
    /// How streams are kept; `None`: there are none.
    pub jetstream: Option<JetStreamOptions>,
    /// Where leaf nodes are turned away.
    pub leaf: Option<LeafOptions>,
    /// Clients may come through a proxy that says so.
    pub proxy_protocol: bool,
    /// What the log says at the start about settings that nothing comes of.
    pub notices: Vec<String>,
    /// Digest of the configuration file; empty: there is none.
    pub config_digest: String,
}

/// What happens to a connection that misses its write deadline.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WriteTimeout {
    /// As nats-server decides for clients: it is closed.
    #[default]
    Default,
    /// It is closed.
    Close,
    /// It gets more time if it has taken something.
    Retry,
}

/// Where monitoring listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MonitoringOptions {
    /// Address or name to bind to.
    pub host: String,
    /// Port for HTTP; `None`: not over HTTP.
    pub http_port: Option<PortChoice>,
    /// Port for HTTPS; `None`: not over HTTPS. Both at once are refused at
    /// start.
    pub https_port: Option<PortChoice>,
    /// What paths begin with: a slash and more, or empty.
    pub base_path: String,
    /// The same as it was asked for.
    pub asked_base_path: String,
}

/// What a file and the flags asked for, before defaults and checks.
///
/// Numbers are as nats-server reads them: 0 asks for the default.
#[derive(Clone, Debug, Default)]
pub struct Requested {
    /// Empty: the default.
    pub host: String,
    /// -1 lets the system pick.
    pub port: i64,
    /// Empty: none.
    pub server_name: String,
    /// Debug lines.
    pub debug: bool,
    /// Protocol traces.
    pub trace: bool,
    /// `None`: on.
    pub log_time: Option<bool>,
    /// Shards.
    pub cores: CoreChoice,
    /// Bytes per core; `None`: the default.
    pub max_route_cache_bytes: Option<usize>,
    /// Bytes.
    pub max_payload: u32,
    /// Payloads may be as large as what may wait for a connection.
    pub has_no_payload_limit: bool,
    /// Bytes.
    pub max_control_line: u32,
    /// Bytes.
    pub max_pending_bytes: i64,
    /// Negative: nobody may connect.
    pub max_connections: i64,
    /// 0: no limit, which is the default.
    pub max_subscriptions: u32,
    /// 0: no limit, which is the default.
    pub max_subscription_tokens: u8,
    /// Silence before a PING.
    pub ping_interval_ns: u64,
    /// Unanswered PINGs; negative: none at all.
    pub ping_max: i64,
    /// Limit of one write.
    pub write_deadline_ns: u64,
    /// No headers.
    pub no_header_support: bool,
    /// Users and accounts.
    pub access: Access,
    /// Limit for presenting them.
    pub auth_timeout_ns: u64,
    /// The file for the process number.
    pub pid_file: Option<PathBuf>,
    /// The directory of the ports file.
    pub ports_file_dir: Option<PathBuf>,
    /// Empty: none.
    pub client_advertise: String,
    /// Streams.
    pub jetstream: RequestedJetStream,
    /// The directory of streams; `None`: the default.
    pub store_dir: Option<PathBuf>,
    /// Goes before a system log.
    pub log_file: Option<PathBuf>,
    /// The log goes to that of the system.
    pub syslog: bool,
    /// A log on another machine, as a URL; empty: none. Goes before `syslog`.
    pub remote_syslog: String,
    /// What traces show.
    pub trace_headers: bool,
    /// Bytes of a payload in traces; not positive: all.
    pub max_traced_msg_len: i64,
    /// Missed write deadlines.
    pub write_timeout: WriteTimeout,
    /// Publishers never wait.
    pub no_fast_producer_stall: bool,
    /// Bytes; 0: no limit.
    pub log_size_limit_bytes: i64,
    /// 0: all.
    pub log_files_max: i64,
    /// Timestamps in UTC.
    pub log_time_utc: bool,
    /// Before the first client is closed.
    pub lame_duck_grace_period_ns: Option<u64>,
    /// For closing all.
    pub lame_duck_duration_ns: u64,
    /// Empty: as for clients.
    pub http_host: String,
    /// 0: no monitoring over HTTP.
    pub http_port: i64,
    /// 0: no monitoring over HTTPS.
    pub https_port: i64,
    /// What paths begin with.
    pub http_base_path: String,
    /// Words that describe the server.
    pub tags: Vec<String>,
    /// Named words that do.
    pub metadata: BTreeMap<String, String>,
    /// Features of nats-server.
    pub feature_flags: BTreeMap<String, bool>,
    /// 0: the default; negative: none.
    pub max_closed_connections: i64,
    /// TLS for clients.
    pub tls: Option<TlsOptions>,
    /// Clients may go on without it.
    pub allow_non_tls: bool,
    /// The WebSocket listener.
    pub websocket: RequestedWebsocket,
    /// The listener for leaf nodes.
    pub leaf: RequestedLeaf,
    /// Headers of proxies are understood.
    pub proxy_protocol: bool,
    /// Settings that nothing comes of, for the log.
    pub notices: Vec<String>,
    /// Digest of the file.
    pub config_digest: String,
}

impl Requested {
    /// Fills in the defaults and checks what only the whole can tell.
    pub fn resolve(self) -> Result<Options, Refusal> {
        check_server_name(&self.server_name)?;
        let (max_payload, max_pending_bytes) = self.message_bounds()?;
        let log_to = log_target(&self)?;
        let client_advertise = self.advertised()?;
        let host = or(self.host, HOST.to_owned());
        let port = port_choice(&host, self.port)?;
        let mut policy = self.access.policy()?;
        let tls = self.tls.map(|tls| TlsOptions {
            allow_plain: self.allow_non_tls,
            ..tls
        });
        policy.maps_certificates = tls.as_ref().is_some_and(|tls| tls.map);
        let websocket = self.websocket.resolve(&mut policy)?;
        let jetstream = self.jetstream.resolve(self.store_dir, &policy)?;
        let (lame_duck_duration_ns, lame_duck_grace_period_ns) =
            lame_duck(self.lame_duck_duration_ns, self.lame_duck_grace_period_ns)?;
        let http_host = or(self.http_host, host.clone());
        let ports = (self.http_port, self.https_port);
        let monitoring = monitoring(&host, http_host, ports, self.http_base_path)?;
        Ok(Options {
            port,
            host,
            server_name: Some(self.server_name).filter(|name| !name.is_empty()),
            debug: self.debug,
            trace: self.trace,
            log_time: self.log_time.unwrap_or(true),
            cores: self.cores,
            max_route_cache_bytes: self.max_route_cache_bytes.unwrap_or(ROUTE_CACHE_BYTES),
            max_payload,
            max_control_line: or(self.max_control_line, MAX_CONTROL_LINE_BYTES),
            max_pending_bytes: max_pending_bytes.unsigned_abs(),
            max_connections: or(self.max_connections, MAX_CONNECTIONS),
            max_subscriptions: self.max_subscriptions,
            max_subscription_tokens: self.max_subscription_tokens,
            ping_interval_ns: or(self.ping_interval_ns, PING_INTERVAL_NS),
            ping_max: or(self.ping_max, PING_MAX),
            has_no_payload_limit: self.has_no_payload_limit,
            write_deadline_ns: or(self.write_deadline_ns, WRITE_DEADLINE_NS),
            no_header_support: self.no_header_support,
            policy,
            auth_timeout_ns: or(self.auth_timeout_ns, auth_timeout_ns(tls.as_ref())),
            pid_file: self.pid_file,
            ports_file_dir: self.ports_file_dir,
            client_advertise,
            log_to,
            tracing: Tracing {
                payload_bytes_max: count(self.max_traced_msg_len),
                only_headers: self.trace_headers,
            },
            write_timeout: self.write_timeout,
            no_fast_producer_stall: self.no_fast_producer_stall,
            log_time_utc: self.log_time_utc,
            lame_duck_grace_period_ns,
            lame_duck_duration_ns,
            monitoring,
            tags: plain_tags(&self.tags),
            metadata: self.metadata,
            feature_flags: self.feature_flags,
            tls,
            websocket,
            jetstream,
            leaf: self.leaf.resolve()?,
            proxy_protocol: self.proxy_protocol,
            notices: self.notices,
            config_digest: self.config_digest,
            max_closed_connections: count(or(self.max_closed_connections, MAX_CLOSED_CONNECTIONS)),
        })
    }

    /// What clients are told to connect to.
    fn advertised(&self) -> Result<Option<Advertise>, Refusal> {
        match self.client_advertise.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(Refusal::Listener),
        }
    }

    /// The largest payload, and the bytes that may wait for a connection.
    fn message_bounds(&self) -> Result<(u32, i64), Refusal> {
        let max_pending_bytes = or(self.max_pending_bytes, MAX_PENDING_BYTES.cast_signed());
        // What is larger would reach nobody.
        let most = i32::try_from(max_pending_bytes).unwrap_or(i32::MAX);
        let max_payload = match self.has_no_payload_limit {
            true => u32::try_from(most).unwrap_or(MAX_PAYLOAD_BYTES),
            false => or(self.max_payload, MAX_PAYLOAD_BYTES),
        };
        if i64::from(max_payload) > max_pending_bytes {
            return Err(Refusal::Setting(format!(
                "max_payload ({max_payload}) cannot be higher than max_pending ({max_pending_bytes})"
            )));
        }
        Ok((max_payload, max_pending_bytes))
    }
}

impl Options {
    /// How many connections there may be.
    pub fn connections_max(&self) -> usize {
        count(self.max_connections)
    }
}

fn check_server_name(name: &str) -> Result<(), Refusal> {
    match name.contains(' ') {
        true => Err(Refusal::Setting(
            "server name cannot contain spaces".to_owned(),
        )),
        false => Ok(()),
    }
}

/// Tags as nats-server keeps them: in lower case, without blanks around them, each once.
fn plain_tags(tags: &[String]) -> Vec<String> {
    let mut plain: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for tag in tags.iter().map(|tag| tag.trim().to_lowercase()) {
        if !tag.is_empty() && seen.insert(tag.clone()) {
            plain.push(tag);
        }
    }
    plain
}

/// How long credentials may take; with TLS, the handshake and they together
/// (NATS 2.15).
fn auth_timeout_ns(tls: Option<&TlsOptions>) -> u64 {
    tls.map_or(AUTH_TIMEOUT_NS, |tls| tls.timeout_ns + 1_000_000_000)
}

/// Duration and grace period of lame duck mode.
fn lame_duck(duration_ns: u64, grace_period_ns: Option<u64>) -> Result<(u64, u64), Refusal> {
    let duration_ns = or(duration_ns, LAME_DUCK_DURATION_NS);
    let grace_period_ns = grace_period_ns.unwrap_or(LAME_DUCK_GRACE_PERIOD_NS);
    if grace_period_ns >= duration_ns {
        return Err(Refusal::Setting(format!(
            "lame duck grace period ({}) should be strictly lower than lame duck duration ({})",
            duration(grace_period_ns),
            duration(duration_ns)
        )));
    }
    Ok((duration_ns, grace_period_ns))
}

/// Where monitoring listens, if it does: the ports are those for HTTP and HTTPS.
fn monitoring(
    server_host: &str,
    host: String,
    ports: (i64, i64),
    asked_base_path: String,
) -> Result<Option<MonitoringOptions>, Refusal> {
    let port = |asked| match asked {
        0 => Ok(None),
        asked => port_choice(server_host, asked).map(Some),
    };
    let (http_port, https_port) = (port(ports.0)?, port(ports.1)?);
    let is_asked_for = http_port.or(https_port).is_some();
    Ok(is_asked_for.then(|| MonitoringOptions {
        host,
        http_port,
        https_port,
        base_path: base_path(&asked_base_path),
        asked_base_path,
    }))
}

/// A number of things; negative ones are none.
fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn or<Number: Default + PartialEq>(requested: Number, default: Number) -> Number {
    if requested == Number::default() {
        default
    } else {
        requested
    }
}

/// A path without empty parts: what is left begins with a slash.
fn base_path(text: &str) -> String {
    let parts = text.split('/').filter(|part| !part.is_empty());
    parts.map(|part| format!("/{part}")).collect()
}

fn log_target(requested: &Requested) -> Result<LogTarget, Refusal> {
    if let Some(path) = &requested.log_file {
        return Ok(LogTarget::File(LogFile {
            path: path.clone(),
            size_limit_bytes: u64::try_from(requested.log_size_limit_bytes).unwrap_or(0),
            files_max: count(requested.log_files_max),
        }));
    }
    let remote = &requested.remote_syslog;
    match remote.is_empty() {
        false => remote
            .parse()
            .map(LogTarget::Syslog)
            .map_err(Refusal::Setting),
        true if requested.syslog => Ok(LogTarget::Syslog(SyslogAddress::Local)),
        true => Ok(LogTarget::Stderr),
    }
}
