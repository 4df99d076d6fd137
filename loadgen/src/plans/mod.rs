//! Plans: which connections a run has, what they do, and how a run goes from connecting to its result.

mod flow;
mod handshakes;
mod idle;
pub mod jetstream;
mod judge;
mod measure;
pub mod plan;
mod polling;
mod reqrep;
pub mod setup;
mod subs;

use std::time::Duration;

use crate::args::PlanArgs;
use crate::engine::Engine;
use crate::engine::phase::{External, Phase};
use crate::engine::worker::{Link, Worker};
use crate::limits;
use crate::parse::Amount;
use crate::progress::Progress;
use crate::report::measured::Measured;
use crate::report::{self, Report};
use crate::wire::info::ServerInfo;
use measure::{ServerWatch, measure};
use plan::Plan;
use setup::{Opener, Setup};

/// How long `sub` waits for its first message.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

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
    let mut facts = report::Facts {
        plan: plan.name(),
        args,
        address: opener.target.address.to_string(),
        transport: String::new(),
        version: String::new(),
        connections: 0,
        subscriptions: 0,
        window: u64::MAX,
        resident_before: server.resident_before,
        resident_after_setup: None,
        memory: None,
        verdict: None,
    };
    let measured = match plan {
        Plan::Handshakes => handshakes::measure(args, &mut opener, &server)?,
        plan if plan.is_stored() => jetstream::measure(plan, &mut opener, &server, &mut facts)?,
        _ => run_engine(plan, &mut opener, &server, &mut facts)?,
    };
    facts.transport = format!("{}{}", opener.target.transport(), opener.secured);
    facts.version = opener.server.version.clone();
    facts.memory = facts.memory.or_else(|| server.memory());
    Ok(report::build(facts, measured))
}

/// Connects, warms up and measures a plan whose connections stay open.
fn run_engine(
    plan: Plan,
    opener: &mut Opener,
    server: &ServerWatch,
    facts: &mut report::Facts<'_>,
) -> Result<Measured, String> {
    let args = facts.args;
    let setup = match plan {
        Plan::Reqrep => reqrep::set_up(args, opener)?,
        Plan::Polling => polling::set_up(args, opener)?,
        Plan::Idle => idle::set_up(args, opener)?,
        Plan::Subs => subs::set_up(args, opener)?,
        _ => flow::set_up(plan, args, opener)?,
    };
    facts.resident_after_setup = server.memory().map(|memory| memory.resident_bytes);
    (facts.connections, facts.subscriptions) = (setup.links.len(), setup.subscriptions);
    // An open loop sends by its schedule alone.
    let default_window = match args.rate {
        Some(_) => u64::MAX,
        None => setup.window,
    };
    facts.window = args.window.unwrap_or(default_window).max(1);
    let mut engine = assemble(setup, args)?;
    let external = matches!(plan, Plan::Sub | Plan::Idle).then_some(External {
        first_message_timeout: FIRST_MESSAGE_TIMEOUT,
    });
    let phase = Phase {
        amount: args.amount(),
        rate: args.rate,
        window: facts.window,
        drain_timeout: args.drain_timeout,
        external,
    };
    if let (Some(warmup), None) = (args.warmup, external) {
        warm_up(&mut engine, &phase, warmup, server)?;
    }
    if plan == Plan::Polling {
        return polling::measure_phases(args, &mut engine, &phase, server);
    }
    let mut progress = Progress::new(plan.name(), phase.amount, args.quiet || args.json);
    let mut measured = measure(&mut engine, &phase, server, &mut progress)?;
    let expected = external.is_some().then_some(args.amount());
    judge::judge(&mut measured.total, &engine, expected);
    facts.verdict = args.verify.then(|| judge::verdict(&engine));
    Ok(measured)
}

fn warm_up(
    engine: &mut Engine,
    phase: &Phase,
    amount: Amount,
    server: &ServerWatch,
) -> Result<(), String> {
    let phase = Phase {
        amount,
        ..phase.clone()
    };
    let mut warm = measure(engine, &phase, server, &mut Progress::silent())?.total;
    judge::judge(&mut warm, engine, None);
    if warm.lost + warm.surplus + warm.errors == 0 {
        return Ok(());
    }
    let (lost, surplus, texts) = (warm.lost, warm.surplus, warm.error_texts.join("; "));
    Err(format!(
        "during the warm-up: LOSS {lost}, surplus {surplus}, errors: {texts}"
    ))
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

fn connections_of(plan: Plan, args: &PlanArgs) -> usize {
    match plan {
        Plan::Reqrep => args.clients + args.responders,
        Plan::Idle => idle::connections(args),
        Plan::Handshakes => handshakes::THREADS,
        Plan::Polling => args.clients + args.responders + polling::connections(args),
        Plan::Subs => subs::connections(args) + 1,
        plan if plan.is_stored() => jetstream::connections(args),
        _ => {
            let shape = flow::Shape::of(plan, args);
            shape.publishers + shape.subscribers
        }
    }
}
