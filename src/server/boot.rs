//! From options to a running server: identity, listening socket, cores, and
//! the wait for a signal.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use jiff::Timestamp;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use tracing::{info, warn};
use trunkline_core::base::id::CoreId;
use trunkline_core::base::identity::server_id;
use trunkline_core::base::limits::{Limits, WorkLimits};
use trunkline_core::session::authority::Authority;
use trunkline_core::shard::{Shard, ShardConfig};
use trunkline_core::wire::info::{NATS_VERSION, ServerInfo, WebsocketInfo};

use crate::admin::{self, Admin, CurrentSettings};
use crate::cli::Start;
use crate::files::{self, Ports, PortsFile};
use crate::leaf_door::LeafDoor;
use crate::mesh::{self, CoreRings, Listening, Shared};
use crate::net::accept::{Acceptor, Door};
use crate::notify::Notifier;
use crate::options::{MonitoringOptions, Options, WriteTimeout, join_host_port};
use crate::passwords::PasswordChecker;
use crate::reload::Reloader;
use crate::topology::CpuId;
use crate::turn::{Core, Outside};
use crate::{lame_duck, logging, preflight, program};

/// Memory registered with each executor's ring. Sockets do not use it, and
/// the locked memory of unprivileged users is scarce.
const RING_MEMORY_BYTES: usize = 64 << 10;

/// What lame duck mode may take beyond what the options say.
const LAME_DUCK_MARGIN: Duration = Duration::from_secs(20);

/// How a process ends that is asked to dump its state.
const QUIT_STATUS: i32 = 2;

/// How long a shutdown may take that does not wait for clients.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// Between two looks for signals while something else is under way.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The listening sockets.
pub struct Listeners {
    /// For clients.
    pub client: TcpListener,
    /// For clients over WebSocket.
    pub websocket: Option<TcpListener>,
    /// For leaf nodes.
    pub leaf: Option<LeafDoor>,
}

impl Listeners {
    /// Listens where the options say.
    ///
    /// # Errors
    /// The text of the fatal log line of nats-server.
    pub fn open(options: &Options) -> Result<Self, String> {
        let websocket = options.websocket.as_ref().map(|websocket| {
            preflight::listen(&websocket.host, websocket.port).map_err(|text| {
                let reason = text.split(", \"").nth(1).unwrap_or_default();
                let reason = reason.trim_end_matches('"');
                format!("Unable to listen for websocket connections: {reason}")
            })
        });
        Ok(Self {
            client: preflight::listen(&options.host, options.port)?,
            websocket: websocket.transpose()?,
            leaf: options.leaf.as_ref().map(LeafDoor::open).transpose()?,
        })
    }
}

/// Runs the server on these CPUs, one shard each, until a signal stops it.
pub fn run(
    start: &Start,
    cpus: &[CpuId],
    listeners: Listeners,
    notifier: Notifier,
) -> Result<(), Failure> {
    let options = &start.options;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT])?;
    let bound = listeners.client.local_addr()?;
    let port = bound.port();
    let websocket_listener = listeners.websocket.as_ref();
    let websocket_bound = websocket_listener
        .map(TcpListener::local_addr)
        .transpose()?;
    let server = server_info(options, bound, websocket_bound)?;
    info!("Starting {}", program::prefix());
    match program::is_stand_in() {
        true => info!("  Version:  {NATS_VERSION}"),
        false => info!(
            "  Version:  {} (NATS {NATS_VERSION})",
            env!("CARGO_PKG_VERSION")
        ),
    }
    info!("  Name:     {}", server.server_name);
    info!("  ID:       {}", server.server_id);
    if options.policy.has_plain_passwords() {
        warn!("Plaintext passwords detected, use nkeys or bcrypt");
    }
    let numbers: Vec<String> = cpus.iter().map(|cpu| cpu.0.to_string()).collect();
    if let Some(file) = &start.config_file {
        let digest = &options.config_digest;
        info!("Using configuration file: {} ({digest})", file.display());
    }
    info!("  Cores:    {} (CPU {})", cpus.len(), numbers.join(", "));
    let connections_max = options.max_connections.unwrap_or(usize::MAX);
    let mut acceptors = vec![Acceptor::new(
        Door::Client,
        listeners.client,
        connections_max,
    )?];
    if let Some(listener) = listeners.websocket {
        acceptors.push(Acceptor::new(Door::Websocket, listener, connections_max)?);
    }
    let (shared, rings) = mesh::connect(cpus.len())?;
    shared.set_listening(Listening::read(options)?);
    let seed = u64::from_le_bytes(random()?);
    let authority = Arc::new(Authority::new(options.policy.clone()).map_err(|bad| bad.0)?);
    let (clock, began) = (Instant::now(), Timestamp::now());
    let (requests, received) = admin::system::channel();
    let (events, happened) = admin::events::channel();
    let (traces, trace_parts) = admin::message_trace::channel();
    let outside = Outside {
        passwords: PasswordChecker::start(Arc::clone(&shared))?,
        requests,
        events,
        traces,
    };
    let (started, starts) = mpsc::channel();
    let mut cores = Vec::new();
    for (number, (cpu, rings)) in cpus.iter().zip(rings).enumerate() {
        let config = shard_config(options, &server, number, cpus.len(), seed, &authority);
        cores.push(spawn(Starting {
            cpu: *cpu,
            config,
            rings,
            shared: Arc::clone(&shared),
            acceptors: std::mem::take(&mut acceptors),
            clock,
            started: started.clone(),
            outside: outside.clone(),
        })?);
    }
    for _ in cpus {
        starts.recv()?;
    }
    let leaf_port = listeners.leaf.as_ref().map(LeafDoor::port);
    let admin = Arc::new(Admin {
        shared: Arc::clone(&shared),
        server: server.clone(),
        settings: Mutex::new(Arc::new(CurrentSettings {
            options: options.clone(),
            policy: authority.policy().clone(),
            loaded: Timestamp::now(),
        })),
        clock,
        started: began,
        bound,
        websocket_port: websocket_bound.map(|bound| bound.port()),
        leaf_port,
        requests: Mutex::default(),
        system: admin::system::System::default(),
        processor: Mutex::default(),
    });
    admin::system::start(Arc::clone(&admin), received)?;
    admin::events::start(Arc::clone(&admin), happened)?;
    admin::message_trace::start(Arc::clone(&admin), trace_parts)?;
    let monitoring = start_monitoring(options, &admin)?;
    if let (Some(websocket), Some(bound)) = (&options.websocket, websocket_bound) {
        let scheme = websocket.scheme();
        let address = join_host_port(&websocket.host, bound.port());
        info!("Listening for websocket clients on {scheme}://{address}");
        if websocket.tls.is_none() {
            warn!("Websocket not configured with TLS. DO NOT USE IN PRODUCTION!");
        }
    }
    if let (Some(leaf), Some(door)) = (&options.leaf, listeners.leaf) {
        door.start(leaf)?;
    }
    let address = join_host_port(&options.host, port);
    info!("Listening for client connections on {address}");
    if options.tls.is_some() {
        info!("TLS required for client connections");
    }
    if let Some(path) = &options.pid_file {
        files::write_pid(path)?;
    }
    let ports = Ports {
        nats: with_scheme(if options.tls.is_some() { "tls" } else { "nats" }, bound),
        monitoring: monitoring.map_or_else(Vec::new, |(scheme, bound)| with_scheme(scheme, bound)),
        websocket: match (&options.websocket, websocket_bound) {
            (Some(websocket), Some(bound)) => with_scheme(websocket.scheme(), bound),
            _ => Vec::new(),
        },
    };
    let ports_file = options.ports_file_dir.as_deref();
    let ports_file = ports_file.map(|directory| PortsFile::write(directory, &ports));
    let ports_file = ports_file.transpose()?;
    info!("Server is ready");
    let notifier = Arc::new(notifier);
    notifier.ready(&format!("Serving clients on {address}"));
    notifier.watch(&shared)?;
    let mut reloader = Reloader {
        options: options.clone(),
        authority,
        server,
        shared: Arc::clone(&shared),
        admin: Arc::clone(&admin),
        passwords: outside.passwords.clone(),
        has_file: start.config_file.is_some(),
        notifier: Arc::clone(&notifier),
        ports,
        ports_file,
    };
    serve_signals(&mut signals, &mut reloader);
    info!("Initiating Shutdown...");
    notifier.stopping("Shutting down", SHUTDOWN_MAX);
    admin.say_goodbye("SHUTDOWN");
    stop(&shared);
    for core in cores {
        core.join().map_err(|failure| failure.to_string())?;
    }
    info!("Server Exiting..");
    Ok(())
}

fn random<const N: usize>() -> rustix::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let len = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    assert_eq!(len, N, "the kernel gives small numbers of bytes at once");
    Ok(bytes)
}

fn server_info(
    options: &Options,
    bound: SocketAddr,
    websocket_bound: Option<SocketAddr>,
) -> Result<ServerInfo, Failure> {
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
    server.tls_verify = tls.is_some_and(|tls| tls.verify);
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

fn shard_config(
    options: &Options,
    server: &ServerInfo,
    core: usize,
    cores: usize,
    seed: u64,
    authority: &Arc<Authority>,
) -> ShardConfig {
    ShardConfig {
        core: CoreId(core as u8),
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
        ping_max: options.ping_max,
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
        route_cache_bytes_max: Limits::default().route_cache_bytes_max,
    }
}

/// What an executor's thread is started with.
struct Starting {
    cpu: CpuId,
    config: ShardConfig,
    rings: CoreRings,
    shared: Arc<Shared>,
    acceptors: Vec<Acceptor>,
    clock: Instant,
    started: mpsc::Sender<()>,
    outside: Outside,
}

fn spawn(starting: Starting) -> Result<ExecutorJoinHandle<()>, Failure> {
    let id = starting.config.core;
    LocalExecutorBuilder::new(Placement::Fixed(starting.cpu.0 as usize))
        .name(&format!("core-{}", id.0))
        .io_memory(RING_MEMORY_BYTES)
        .spawn(move || async move {
            let core = Core::new(
                id,
                Shard::new(starting.config),
                starting.rings,
                starting.shared,
                starting.acceptors,
                starting.clock,
                starting.outside,
            );
            // Nobody is left to be told if the start was given up meanwhile.
            let _ = starting.started.send(());
            let result = match core {
                Ok(core) => core.run().await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = result {
                logging::fatal(format!("{id} failed: {failure}"));
            }
        })
        .map_err(|failure| format!("cannot start {id}: {failure}").into())
}

/// Does what signals ask for until one of them ends the server.
fn serve_signals(signals: &mut Signals, reloader: &mut Reloader) {
    while let Some(signal) = signals.forever().next() {
        match signal {
            SIGHUP => reloader.on_hangup(),
            SIGUSR1 => logging::reopen(),
            SIGUSR2 => {
                info!("Trapped \"user defined signal 2\" signal");
                return quack(signals, reloader);
            }
            SIGQUIT => {
                logging::write_fatal("Trapped \"quit\" signal");
                std::process::exit(QUIT_STATUS);
            }
            SIGINT => return info!("Trapped \"interrupt\" signal"),
            _ => return info!("Trapped \"terminated\" signal"),
        }
    }
}

/// Lame duck mode, until all clients are gone or somebody is in a hurry.
fn quack(signals: &mut Signals, reloader: &mut Reloader) {
    let duration = Duration::from_nanos(reloader.options.lame_duck_duration_ns);
    reloader.notifier.stopping(
        "Lame duck: clients are leaving",
        duration + LAME_DUCK_MARGIN,
    );
    reloader.admin.system.reloads.end();
    reloader.server.is_lame_duck = true;
    let mut interrupted = |wait: Duration| {
        let until = Instant::now() + wait;
        loop {
            // A second USR2 changes nothing, and TERM is what is under way.
            if signals.pending().any(|signal| signal == SIGINT) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(left.min(SIGNAL_POLL));
        }
    };
    let announce = || {
        reloader.admin.say_goodbye("LAMEDUCK");
        reloader.apply();
        reloader.announce();
    };
    lame_duck::run(
        &reloader.shared,
        &reloader.options,
        announce,
        &mut interrupted,
    );
}

/// Starts monitoring if it was asked for; returns how and where it listens.
fn start_monitoring(
    options: &Options,
    admin: &Arc<Admin>,
) -> Result<Option<(&'static str, SocketAddr)>, Failure> {
    let Some(monitoring) = &options.monitoring else {
        return Ok(None);
    };
    let (listener, scheme) = open_monitoring(options, monitoring)
        .map_err(|reason| format!("Can't start monitoring: {reason}"))?;
    let bound = listener.local_addr()?;
    admin::start(Arc::clone(admin), listener)?;
    let address = join_host_port(&monitoring.host, bound.port());
    info!("Starting {scheme} monitor on {address}");
    Ok(Some((scheme, bound)))
}

/// Listens for monitoring; the errors are those of nats-server.
fn open_monitoring(
    options: &Options,
    monitoring: &MonitoringOptions,
) -> Result<(TcpListener, &'static str), String> {
    let (port, scheme) = match (monitoring.http_port, monitoring.https_port) {
        (Some(http), Some(https)) => {
            return Err(format!(
                "can't specify both HTTP ({http}) and HTTPs ({https}) ports"
            ));
        }
        (None, Some(_)) if options.tls.is_none() => {
            return Err("TLS cert and key required for HTTPS".to_owned());
        }
        (None, Some(https)) => (https, "https"),
        (Some(http), None) => (http, "http"),
        (None, None) => unreachable!("monitoring has a port"),
    };
    let listener = preflight::listen(&monitoring.host, port).map_err(|text| {
        let reason = text.split(", \"").nth(1).unwrap_or_default();
        let reason = reason.trim_end_matches('"');
        format!("can't listen to the monitor port: {reason}")
    })?;
    Ok((listener, scheme))
}

/// The addresses of a listener as URLs.
fn with_scheme(scheme: &str, bound: SocketAddr) -> Vec<String> {
    let addresses = files::reachable(bound).into_iter();
    addresses
        .map(|address| format!("{scheme}://{address}"))
        .collect()
}

fn stop(shared: &Shared) {
    shared.is_stopping.store(true, Ordering::SeqCst);
    for bell in &shared.doorbells {
        bell.ring();
    }
}
