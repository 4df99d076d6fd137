//! Plans: which connections a run has, what they do, and how a run goes from connecting to its result.

mod flow;
mod idle;
mod reqrep;
mod subs;

use std::time::Duration;

use crate::cli::PlanArgs;
use crate::engine::tally::Tally;
use crate::engine::worker::{Link, Role, Worker};
use crate::engine::{Engine, External, Group, Phase};
use crate::limits;
use crate::net::conn::Connection;
use crate::net::handshake;
use crate::net::target::Target;
use crate::parse::Amount;
use crate::procstat::{self, CpuSnapshot};
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::verify;
use crate::wire::info::ServerInfo;

/// How long `sub` waits for its first message.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Deliveries under way are kept below this many bytes by default: servers drop subscribers that fall far behind.
const WINDOW_BYTES: u64 = 32 << 20;

/// The plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Publish only.
    Pub,
    /// Subscribe only.
    Sub,
    /// p × s.
    Pubsub,
    /// Independent pairs.
    Pairs,
    /// 1 → s.
    Fanout,
    /// Telemetry.
    Fanin,
    /// Queue group.
    Queue,
    /// Request-reply.
    Reqrep,
    /// Idle connections.
    Idle,
    /// Many subscriptions.
    Subs,
}

impl Plan {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Plan::Pub => "pub",
            Plan::Sub => "sub",
            Plan::Pubsub => "pubsub",
            Plan::Pairs => "pairs",
            Plan::Fanout => "fanout",
            Plan::Fanin => "fanin",
            Plan::Queue => "queue",
            Plan::Reqrep => "reqrep",
            Plan::Idle => "idle",
            Plan::Subs => "subs",
        }
    }
}

/// What a plan consists of, once connected.
pub struct Setup {
    /// Connections in order; they are dealt to the workers round-robin.
    pub links: Vec<Link>,
    /// Groups of subscribers.
    pub groups: Vec<Group>,
    /// The default bound of deliveries under way.
    pub window: u64,
    /// Server version.
    pub server: ServerInfo,
    /// Subscriptions made in all.
    pub subscriptions: usize,
}

/// Opens connections for a plan.
pub struct Opener {
    target: Target,
    /// INFO of the last connection.
    pub server: ServerInfo,
    /// How the last connection is secured, in words.
    secured: String,
}

impl Opener {
    /// Opens `count` connections and checks that `size_max` fits the server's limit.
    pub fn open(
        &mut self,
        name: &str,
        count: usize,
        size_max: usize,
    ) -> Result<Vec<Connection>, String> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (connections, server) =
            handshake::connect_all(&self.target, &format!("loadgen {name}"), count)?;
        if server.max_payload > 0 && size_max as u64 > server.max_payload {
            return Err(format!(
                "payloads of {size_max} bytes exceed the server's max_payload of {}",
                server.max_payload
            ));
        }
        self.server = server;
        if let Some(secured) = connections.last().and_then(Connection::secured_by) {
            self.secured = format!(" ({secured})");
        }
        Ok(connections)
    }
}

/// Runs one plan from connecting to the report.
pub fn run(plan: Plan, args: &PlanArgs) -> Result<Report, String> {
    args.check()?;
    let mut opener = Opener {
        target: args.server.target()?,
        server: ServerInfo::default(),
        secured: String::new(),
    };
    let server = ServerWatch::new(args.server_pid)?;
    limits::ensure_descriptors(connections_of(plan, args))?;
    let setup = match plan {
        Plan::Reqrep => reqrep::set_up(args, &mut opener)?,
        Plan::Idle => idle::set_up(args, &mut opener)?,
        Plan::Subs => subs::set_up(args, &mut opener)?,
        _ => flow::set_up(plan, args, &mut opener)?,
    };
    let resident_after_setup = server.memory().map(|memory| memory.resident_bytes);
    let connections = setup.links.len();
    // An open loop sends by its schedule alone.
    let default_window = if args.rate.is_some() {
        u64::MAX
    } else {
        setup.window
    };
    let window = args.window.unwrap_or(default_window).max(1);
    let subscriptions = setup.subscriptions;
    let version = setup.server.version.clone();
    let mut engine = assemble(setup, args)?;

    let external = matches!(plan, Plan::Sub | Plan::Idle).then_some(External {
        first_message_timeout: FIRST_MESSAGE_TIMEOUT,
    });
    let mut phase = Phase {
        amount: args.amount(),
        rate: args.rate,
        window,
        drain_timeout: args.drain_timeout,
        external,
    };
    if let (Some(warmup), None) = (args.warmup, external) {
        let measured = std::mem::replace(&mut phase.amount, warmup);
        let mut warm = measure(&mut engine, &phase, &server, &mut Progress::silent())?.total;
        judge(&mut warm, &engine, None);
        if warm.lost + warm.surplus + warm.errors > 0 {
            let (lost, surplus, texts) = (warm.lost, warm.surplus, warm.error_texts.join("; "));
            return Err(format!(
                "during the warm-up: LOSS {lost}, surplus {surplus}, errors: {texts}"
            ));
        }
        phase.amount = measured;
    }
    let mut progress = Progress::new(plan.name(), phase.amount, args.quiet || args.json);
    let mut measured = measure(&mut engine, &phase, &server, &mut progress)?;
    judge(
        &mut measured.total,
        &engine,
        external.is_some().then_some(args.amount()),
    );
    let verdict = args.verify.then(|| verdict(&engine));
    let facts = report::Facts {
        plan: plan.name(),
        args,
        address: opener.target.address.to_string(),
        transport: format!("{}{}", opener.target.transport(), opener.secured),
        version,
        connections,
        subscriptions,
        window,
        resident_before: server.resident_before,
        resident_after_setup,
        memory: server.memory(),
        verdict,
    };
    Ok(report::build(facts, measured))
}

/// Numbers of one phase.
pub struct Measured {
    /// Sums over the workers.
    pub total: Tally,
    /// From the first send to the last receipt or confirmation.
    pub seconds: f64,
    /// CPU time of the busiest worker as a share of the time.
    pub busiest: f64,
    /// CPU time of all workers as a share of what their CPUs could give.
    pub busy: f64,
    /// CPU nanoseconds of the server.
    pub server_cpu_ns: Option<u64>,
    /// … as a share of what its CPUs could give.
    pub server_busy: Option<f64>,
}

fn measure(
    engine: &mut Engine,
    phase: &Phase,
    server: &ServerWatch,
    progress: &mut Progress,
) -> Result<Measured, String> {
    let cpu_before = server.cpu();
    let start_ns = crate::clock::now_ns();
    let tallies = engine.run(phase, &mut |published, received| {
        progress.update(published, received)
    })?;
    let whole_ns = (crate::clock::now_ns() - start_ns).max(1);
    let cpu_after = server.cpu();
    progress.finish();
    let mut total = Tally::new();
    tallies.iter().for_each(|tally| total.merge(tally));
    // What others publish may begin long after we are ready.
    let begin_ns = if phase.external.is_some() && total.first_ns > 0 {
        total.first_ns
    } else {
        start_ns
    };
    let end_ns = if total.last_ns > 0 {
        total.last_ns
    } else {
        start_ns + whole_ns
    };
    let seconds = end_ns.saturating_sub(begin_ns).max(1) as f64 / 1e9;
    let whole = whole_ns as f64;
    let cpus = tallies.len().min(
        engine
            .cpus
            .as_ref()
            .map_or(crate::pin::available(), crate::pin::CpuList::len),
    );
    let busiest = tallies.iter().map(|tally| tally.cpu_ns).max().unwrap_or(0) as f64 / whole;
    let busy = total.cpu_ns as f64 / whole / cpus.max(1) as f64;
    let server_cpu_ns = cpu_before
        .zip(cpu_after)
        .map(|(before, after)| after.since(&before));
    let server_busy = server_cpu_ns.map(|cpu_ns| cpu_ns as f64 / whole / server.cpus.max(1) as f64);
    Ok(Measured {
        total,
        seconds,
        busiest,
        busy,
        server_cpu_ns,
        server_busy,
    })
}

/// Deals the links to workers.
fn assemble(setup: Setup, args: &PlanArgs) -> Result<Engine, String> {
    let threads = args.thread_count(setup.links.len());
    let mut hands: Vec<Vec<Link>> = (0..threads).map(|_| Vec::new()).collect();
    for (index, link) in setup.links.into_iter().enumerate() {
        hands[index % threads].push(link);
    }
    let workers = hands
        .into_iter()
        .map(Worker::new)
        .collect::<Result<_, _>>()?;
    Ok(Engine {
        workers,
        groups: setup.groups,
        cpus: args.pin.clone(),
    })
}

/// Compares what was promised with what came, without looking into payloads.
fn judge(total: &mut Tally, engine: &Engine, external: Option<Amount>) {
    let links = || engine.workers.iter().flat_map(|worker| &worker.links);
    let mut promised = vec![0u64; engine.groups.len()];
    for link in links() {
        match &link.role {
            Role::Publisher(publisher) if publisher.group < promised.len() => {
                promised[publisher.group] += publisher.promised
            }
            Role::Client(client) => total.lost += client.sent - client.replies,
            _ => {}
        }
    }
    match external {
        Some(Amount::Count(count)) => promised.fill(count),
        // For a time: whatever comes is right.
        Some(Amount::Time(_)) => return,
        None => {}
    }
    let mut joint = vec![0u64; engine.groups.len()];
    let mut compare = |expected: u64, received: u64| {
        total.lost += expected.saturating_sub(received);
        total.surplus += received.saturating_sub(expected);
    };
    for link in links() {
        let Role::Subscriber(subscriber) = &link.role else {
            continue;
        };
        if engine.groups[subscriber.group].joint {
            joint[subscriber.group] += subscriber.received;
        } else {
            compare(promised[subscriber.group], subscriber.received);
        }
    }
    for (group, (expected, received)) in engine.groups.iter().zip(promised.iter().zip(&joint)) {
        if group.joint {
            compare(*expected, *received);
        }
    }
}

fn verdict(engine: &Engine) -> verify::Verdict {
    let links = || engine.workers.iter().flat_map(|worker| &worker.links);
    let mut published = Vec::new();
    for link in links() {
        if let Role::Publisher(publisher) = &link.role {
            let id = publisher.id as usize;
            published.resize(published.len().max(id + 1), 0);
            published[id] = publisher.total();
        }
    }
    let verifiers: Vec<&verify::Verifier> = links()
        .filter_map(|link| match &link.role {
            Role::Subscriber(subscriber) => subscriber.verifier(),
            _ => None,
        })
        .collect();
    verify::conclude(&verifiers, &published)
}

fn connections_of(plan: Plan, args: &PlanArgs) -> usize {
    match plan {
        Plan::Reqrep => args.clients + args.responders,
        Plan::Idle => idle::connections(args),
        Plan::Subs => subs::connections(args) + 1,
        _ => {
            let shape = flow::Shape::of(plan, args);
            shape.publishers + shape.subscribers
        }
    }
}

/// The server process, if its id was given.
struct ServerWatch {
    pid: Option<i32>,
    cpus: usize,
    resident_before: Option<u64>,
}

impl ServerWatch {
    fn new(pid: Option<i32>) -> Result<Self, String> {
        let resident_before = pid
            .and_then(procstat::memory)
            .map(|memory| memory.resident_bytes);
        match pid {
            Some(pid) if resident_before.is_none() => {
                Err(format!("--server-pid {pid}: no such process"))
            }
            _ => Ok(ServerWatch {
                pid,
                cpus: pid.and_then(crate::pin::available_to).unwrap_or(1),
                resident_before,
            }),
        }
    }

    fn cpu(&self) -> Option<CpuSnapshot> {
        self.pid.and_then(CpuSnapshot::take)
    }

    fn memory(&self) -> Option<procstat::Memory> {
        self.pid.and_then(procstat::memory)
    }
}
