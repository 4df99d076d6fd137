//! From options to a running server: cores, the threads beside them, what is said of it all; and the
//! wait for the signal that ends it.

use std::net::TcpListener;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use signal_hook::iterator::Signals;
use tracing::{info, warn};
use trunkline_core::base::id::AccountId;
use trunkline_core::journal::layout::Layout;
use trunkline_core::session::authority::Authority;
use trunkline_core::shard::storage::Registered;
use trunkline_core::shard::{Shard, ShardConfig};
use trunkline_core::store::Store;
use trunkline_core::wire::info::{NATS_VERSION, ServerInfo};

use crate::admin::{self, Admin, CurrentSettings};
use crate::cli::Start;
use crate::cores::Cores;
use crate::disk::core_disk::DiskSetup;
use crate::disk::file_keeper;
use crate::executor::{Executor, Running};
use crate::files::{self, Ports, PortsFile};
use crate::leaf_refusal::LeafRefusal;
use crate::listeners::{Bound, Listeners};
use crate::mesh::{self, CoreRings, Shared};
use crate::net::accept::Acceptor;
use crate::net::socket::Door;
use crate::notify::Notifier;
use crate::options::{Options, join_host_port};
use crate::passwords::PasswordChecker;
use crate::reload::Reloader;
use crate::storage::Storage;
use crate::topology::{CpuId, Placing};
use crate::turn::{Core, Outside};
use crate::work::{Receivers, Senders};
use crate::{logging, program, settings, shortage, signal_loop, storage, work};

/// How long a shutdown may take that does not wait for clients.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the server on these CPUs, as many shards, until a signal stops it.
pub fn run(
    start: &Start,
    executor: Executor,
    placing: &Placing,
    listeners: Listeners,
    notifier: Notifier,
) -> Result<(), Failure> {
    let options = &start.options;
    let mut signals = Signals::new(signal_loop::SIGNALS)?;
    let bound = listeners.bound()?;
    let server = settings::server_info(options, bound.client, bound.websocket)?;
    announce_start(start, placing, &server);
    // Held until all cores have ended: nobody else may have the store meanwhile.
    let mut storage = storage::start(options, executor, placing.cpus.len())?;
    let acceptors = acceptors(options, listeners.client, listeners.websocket)?;
    let (shared, rings) = mesh::connect(placing.cpus.len())?;
    shared.set_listening(start.listening.clone());
    let authority = Arc::new(Authority::new(options.policy.clone()).map_err(|bad| bad.0)?);
    let cores = Cores::new(shared);
    let (senders, receivers) = work::channels();
    let passwords = PasswordChecker::start(Arc::clone(&senders.passwords), cores.clone())?;
    let launch = Launch {
        options,
        executor,
        server: &server,
        authority: &authority,
        bound,
        clock: Instant::now(),
        started: Timestamp::now(),
        cores: &cores,
        disk: disk_setup(storage.as_ref(), &cores)?,
    };
    let ports = bound.ports(options);
    let ports_file = write_files(options, &ports)?;
    let threads = launch.start_cores(placing, rings, acceptors, storage.as_mut(), &senders)?;
    let admin = launch.start_admin(receivers)?;
    start_monitoring(options, listeners.monitoring, &admin)?;
    announce_listeners(options, &bound, listeners.leaf)?;
    info!("Server is ready");
    let notifier = Arc::new(notifier);
    let address = join_host_port(&options.host, bound.client.port());
    notifier.ready(&format!("Serving clients on {address}"));
    notifier.watch(&cores)?;
    let mut reloader = Reloader {
        options: options.clone(),
        authority,
        server,
        cores: cores.clone(),
        admin: Arc::clone(&admin),
        passwords,
        has_file: start.config_file.is_some(),
        notifier: Arc::clone(&notifier),
        ports,
        ports_file,
    };
    signal_loop::serve_signals(&mut signals, &mut reloader);
    info!("Initiating Shutdown...");
    notifier.stopping("Shutting down", SHUTDOWN_MAX);
    admin.say_goodbye("SHUTDOWN");
    cores.stop();
    for thread in threads {
        thread.join()?;
    }
    drop(storage);
    info!("Server Exiting..");
    Ok(())
}

/// What the disks of the cores are made with; `None`: nothing is stored.
fn disk_setup(storage: Option<&Storage>, cores: &Cores) -> std::io::Result<Option<DiskSetup>> {
    let Some(storage) = storage else {
        return Ok(None);
    };
    let cores = cores.clone();
    let tell = move |core, partition, chore, result| {
        let letter = move |core: &mut Core, _| core.on_file_done(partition, chore, result);
        cores.post(core, letter).is_ok()
    };
    let store = Arc::clone(&storage.store);
    let file_work = file_keeper::start(store, Layout::USUAL.file_bytes, tell)?;
    Ok(Some(DiskSetup {
        store: Arc::clone(&storage.store),
        mode: storage.mode,
        file_work,
    }))
}

/// Says what is going to run, and how.
fn announce_start(start: &Start, placing: &Placing, server: &ServerInfo) {
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
    if start.options.policy.has_plain_passwords() {
        warn!("Plaintext passwords detected, use nkeys or bcrypt");
    }
    if let Some(file) = &start.config_file {
        let digest = &start.options.config_digest;
        info!("Using configuration file: {} ({digest})", file.display());
    }
    info!("  Cores:    {placing}");
    for notice in &start.options.notices {
        warn!("{notice}");
    }
}

/// Writes the files by which others find the server.
fn write_files(options: &Options, ports: &Ports) -> Result<Option<PortsFile>, String> {
    if let Some(path) = &options.pid_file {
        files::write_pid(path)?;
    }
    let directory = options.ports_file_dir.as_deref();
    let file = directory.map(|directory| PortsFile::write(directory, ports));
    file.transpose()
}

/// Who accepts connections, on the first core.
fn acceptors(
    options: &Options,
    client: TcpListener,
    websocket: Option<TcpListener>,
) -> std::io::Result<Vec<Acceptor>> {
    let connections_max = options.connections_max();
    let client = (Door::Client, client);
    let websocket = websocket.map(|listener| (Door::Websocket, listener));
    let doors = std::iter::once(client).chain(websocket);
    doors
        .map(|(door, listener)| Acceptor::new(door, listener, connections_max))
        .collect()
}

/// What the cores and the threads beside them are started with.
struct Launch<'a> {
    options: &'a Options,
    executor: Executor,
    server: &'a ServerInfo,
    authority: &'a Arc<Authority>,
    bound: Bound,
    /// The clock of the cores, and when it began.
    clock: Instant,
    started: Timestamp,
    cores: &'a Cores,
    /// `None`: nothing is stored.
    disk: Option<DiskSetup>,
}

impl Launch<'_> {
    /// Starts the threads of all cores; returns when their shards are there.
    fn start_cores(
        &self,
        placing: &Placing,
        rings: Vec<CoreRings>,
        mut acceptors: Vec<Acceptor>,
        storage: Option<&mut Storage>,
        work: &Senders,
    ) -> Result<Vec<Running>, Failure> {
        let recovered = storage.map(|storage| std::mem::take(&mut storage.recovered));
        let mut recovered = recovered.unwrap_or_default();
        let cpus = &placing.cpus;
        let seed = u64::from_le_bytes(settings::random()?);
        let (started, starts) = mpsc::channel();
        let mut threads = Vec::new();
        for (number, (cpu, rings)) in cpus.iter().zip(rings).enumerate() {
            let starting = Starting {
                executor: self.executor,
                cpu: placing.is_pinned.then_some(*cpu),
                config: settings::shard_config(
                    self.options,
                    self.server,
                    number,
                    cpus.len(),
                    seed,
                    self.authority,
                ),
                rings,
                shared: Arc::clone(&self.cores.shared),
                acceptors: std::mem::take(&mut acceptors),
                partitions: recovered.partitions,
                stores: recovered
                    .of_core
                    .get_mut(number)
                    .map(std::mem::take)
                    .unwrap_or_default(),
                // The first core keeps them.
                registered: std::mem::take(&mut recovered.registered),
                clock: self.clock,
                outside: Outside {
                    mailboxes: Arc::clone(&self.cores.mailboxes),
                    work: work.clone(),
                    disk: self.disk.clone(),
                },
            };
            threads.push(spawn(starting, started.clone())?);
        }
        drop(started);
        for _ in cpus {
            // Who ends before its core begins says nothing.
            starts.recv().map_err(|_| {
                let advice = shortage::advise();
                format!("a core's executor has ended at its start, probably since {advice}")
            })?;
        }
        Ok(threads)
    }

    /// Starts the threads that answer requests to the server and tell what happens.
    fn start_admin(&self, receivers: Receivers) -> std::io::Result<Arc<Admin>> {
        let admin = Arc::new(Admin {
            cores: self.cores.clone(),
            server: self.server.clone(),
            settings: Mutex::new(Arc::new(CurrentSettings {
                options: self.options.clone(),
                policy: self.authority.policy().clone(),
                loaded: Timestamp::now(),
            })),
            clock: self.clock,
            started: self.started,
            bound: self.bound,
            requests: Mutex::default(),
            numbers: admin::message_numbers::MessageNumbers::default(),
            reloads: admin::reloads::Reloads::default(),
            processor: admin::processor::Processor::start()?,
            is_lame_duck: AtomicBool::new(false),
        });
        admin::system::start(Arc::clone(&admin), receivers.requests)?;
        admin::system_events::start(Arc::clone(&admin), receivers.system_events)?;
        admin::message_trace::start(Arc::clone(&admin), receivers.message_traces)?;
        Ok(admin)
    }
}

/// What a core's thread is started with.
struct Starting {
    executor: Executor,
    /// The only one it runs on, if there is one.
    cpu: Option<CpuId>,
    config: ShardConfig,
    rings: CoreRings,
    shared: Arc<Shared>,
    acceptors: Vec<Acceptor>,
    /// 0: nothing is stored.
    partitions: u16,
    stores: Vec<Store>,
    registered: Vec<(AccountId, Box<str>, Registered)>,
    clock: Instant,
    outside: Outside,
}

fn spawn(starting: Starting, started: mpsc::Sender<()>) -> Result<Running, Failure> {
    let (id, executor, cpu) = (starting.config.core, starting.executor, starting.cpu);
    let work = move || async move {
        let mut shard = Shard::new(starting.config);
        if starting.partitions > 0 {
            let registered = starting.registered;
            shard.open_stores(starting.partitions, starting.stores, registered);
        }
        let core = Core::new(
            id,
            shard,
            starting.rings,
            starting.shared,
            starting.acceptors,
            starting.clock,
            starting.outside,
        );
        let core = core.and_then(|core| Ok((core.park(executor)?, core)));
        // Nobody is left to be told if the start was given up meanwhile.
        let _ = started.send(());
        drop(started);
        let result = match core {
            Ok((park, core)) => core.run(park).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = result {
            logging::fatal(format!("{id} failed: {failure}"));
        }
    };
    executor
        .spawn(&format!("core-{}", id.0), cpu, work)
        .map_err(|failure| format!("cannot start {id}: {failure}").into())
}

/// Answers over HTTP, if that is asked for.
fn start_monitoring(
    options: &Options,
    listener: Option<(TcpListener, &str)>,
    admin: &Arc<Admin>,
) -> std::io::Result<()> {
    if let (Some(monitoring), Some((listener, scheme))) = (&options.monitoring, listener) {
        let address = join_host_port(&monitoring.host, listener.local_addr()?.port());
        admin::start(Arc::clone(admin), listener)?;
        info!("Starting {scheme} monitor on {address}");
    }
    Ok(())
}

/// Says where clients are served, and turns leaf nodes away from here on.
fn announce_listeners(
    options: &Options,
    bound: &Bound,
    leaf: Option<LeafRefusal>,
) -> std::io::Result<()> {
    if let (Some(websocket), Some(bound)) = (&options.websocket, bound.websocket) {
        let scheme = websocket.scheme();
        let address = join_host_port(&websocket.host, bound.port());
        info!("Listening for websocket clients on {scheme}://{address}");
        if websocket.tls.is_none() {
            warn!("Websocket not configured with TLS. DO NOT USE IN PRODUCTION!");
        }
    }
    if let (Some(options), Some(leaf)) = (&options.leaf, leaf) {
        leaf.start(options)?;
    }
    let address = join_host_port(&options.host, bound.client.port());
    info!("Listening for client connections on {address}");
    if options.tls.is_some() {
        info!("TLS required for client connections");
    }
    Ok(())
}
