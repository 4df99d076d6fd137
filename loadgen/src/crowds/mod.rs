//! What one client can do to others: attacks on two servers in turn, each fresh, while clients that have nothing to do
//! with it send PINGs to the same core.
//!
//! Every attack is bounded and ends by itself; only servers that were started here are attacked. Beside the bystanders'
//! waits stand memory (at its peak, and when the attackers have left), CPU time, and the attack's own progress: a server
//! that is slow is not safe.

mod attacks;
mod bystander;
mod floods;
mod lane;
mod readers;
mod scene;
mod subscriptions;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use crate::command;
use crate::compare::config::{Setting, Wishes};
use crate::compare::needs;
use crate::compare::server::{Launch, Server};
use crate::compare::stage::Stage;
use crate::limits;
use crate::net::target::ServerArgs;
use crate::parse;
use crate::pin::{self, CpuList};
use crate::procstat::{self, Snapshot};
use crate::progress::Runs;
use attacks::{Attack, Cores};
use bystander::{Bystanders, Waits};
use scene::{Record, Scene, USER};
use table::{Outcome, Row};

/// Options of `crowds`.
#[derive(Debug, clap::Args)]
pub struct CrowdsArgs {
    /// Our server's binary, a path or a name in PATH; started with -a 127.0.0.1 -p PORT.
    #[arg(long)]
    ours: PathBuf,
    /// The other server's binary (nats-server); started alike. Without it ours is attacked alone.
    #[arg(long)]
    theirs: Option<PathBuf>,
    /// Further arguments for our server, separated by spaces.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    ours_args: String,
    /// Further arguments for the other server.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    theirs_args: String,
    /// CPUs of the server under test.
    #[arg(long, default_value = "0", value_parser = pin::cpu_list)]
    server_cores: CpuList,
    /// CPUs of attackers (the first) and bystanders (the last).
    #[arg(long, default_value = "1", value_parser = pin::cpu_list)]
    pin: CpuList,
    /// Attacks, separated by commas; all by default.
    #[arg(long)]
    only: Option<String>,
    /// Runs of each attack on each server; figures are medians.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Multiplies times and numbers.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// When memory is looked at after the attackers have left.
    #[arg(long, default_value = "5s", value_parser = parse::duration)]
    settle: Duration,
    /// Write the table as Markdown too.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// No progress on stderr.
    #[arg(long)]
    quiet: bool,
}

/// Descriptors that the largest attack needs at scale 1.
const CONNECTIONS: usize = 10_000;
/// Bystanders on a server with several cores, so that each core has some.
const BYSTANDERS: usize = 8;
/// How long after an attack its end is watched.
const AFTERMATH: Duration = Duration::from_millis(300);

/// How long bystanders wait for what is missing in the end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the attacks and prints what they did; false when one could not be made or a server ended.
pub fn run(args: &CrowdsArgs) -> Result<bool, String> {
    if !(0.001..=10.0).contains(&args.scale) {
        return Err("--scale must be between 0.001 and 10".into());
    }
    let attacks = attacks::select(args.only.as_deref())?;
    args.server_cores.check("--server-cores")?;
    args.pin.check("--pin")?;
    if let Some(path) = &args.markdown {
        crate::report::page::check(path)?;
    }
    // Before the servers are started, because they inherit the limit.
    limits::ensure_descriptors(scene::scaled(CONNECTIONS, args.scale))?;
    let stage = Stage::new()?;
    let sides = sides(args)?;
    for side in &sides {
        // What is wrong with a server or its arguments shows before the first attack.
        Server::start(side, &stage, Setting::Plain)
            .map_err(|text| format!("{} cannot be had: {text}", side.label))?;
    }
    let all = attacks.len() * sides.len() * args.rounds as usize;
    let mut runs = Runs::new("crowds", all, args.quiet);
    let mut rows = Vec::new();
    for attack in attacks {
        let row = attack_all(args, &stage, attack, &sides, &mut runs);
        runs.aside(|| print!("{}", table::text(&row)));
        rows.push(row);
    }
    if let Some(path) = &args.markdown {
        let page = format!("`{}`\n\n{}", command::line(), table::markdown(&rows));
        std::fs::write(path, page)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(rows.iter().all(|row| row.failures.is_empty()))
}

/// Ours, and the other one if there is one, as they are started where an attack wants nothing else.
fn sides(args: &CrowdsArgs) -> Result<Vec<Launch>, String> {
    let ours = ("--ours", &args.ours, &args.ours_args);
    let theirs = args.theirs.iter();
    let theirs = theirs.map(|path| ("--theirs", path, &args.theirs_args));
    let all = table::LABELS
        .into_iter()
        .zip(std::iter::once(ours).chain(theirs));
    all.map(|(label, (option, path, arguments))| {
        Ok(Launch {
            label,
            path: needs::program(option, path)?,
            arguments: arguments.split_whitespace().map(String::from).collect(),
            cpus: args.server_cores.clone(),
            wishes: Wishes::default(),
        })
    })
    .collect()
}

/// One attack on both servers, in the order A B B A.
fn attack_all(
    args: &CrowdsArgs,
    stage: &Stage,
    attack: &'static Attack,
    sides: &[Launch],
    runs: &mut Runs,
) -> Row {
    let mut row = Row::new(attack.name, attack.title, attack.unit);
    for round in 0..args.rounds {
        let mut order: Vec<usize> = (0..sides.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for side in order {
            let label = sides[side].label;
            runs.begin(&format!("{} round {} {label}", attack.name, round + 1));
            match attack_once(args, stage, attack, &sides[side]) {
                Ok(outcome) => row.sides[side].push(outcome),
                Err(text) => row.failures.push(format!("{label}: {text}")),
            }
        }
    }
    row
}

/// A fresh server, an attack, and what it did.
fn attack_once(
    args: &CrowdsArgs,
    stage: &Stage,
    attack: &Attack,
    side: &Launch,
) -> Result<Outcome, String> {
    let mut launch = side.clone();
    if let Some(config) = attack.config {
        let text = config(args.scale);
        let has_users = text.contains("users:");
        launch.wishes.base = Some(stage.write("crowd.conf", &text)?);
        launch.wishes.login = has_users.then(|| (USER.0.into(), USER.1.into()));
    }
    if let Cores::All = attack.cores {
        launch.cpus = args.server_cores.with(&args.pin);
    }
    let mut server = Server::start(&launch, stage, attack.setting)?;
    let result = attack_server(args, attack, &server, launch.cpus.len());
    let tail = server.log_tail();
    match server.stop() {
        true => result,
        false => Err(format!("the server ended by itself:\n{tail}")),
    }
}

fn attack_server(
    args: &CrowdsArgs,
    attack: &Attack,
    server: &Server,
    cores: usize,
) -> Result<Outcome, String> {
    let plain = ServerArgs {
        server: server.prepared.plain.to_string(),
        user: server.prepared.server.user.clone(),
        password: server.prepared.server.password.clone(),
        ..ServerArgs::default()
    };
    let count = if cores > 1 { BYSTANDERS } else { 1 };
    let cpu = args.pin.cpu(args.pin.len() - 1);
    let bystanders = Bystanders::start(&plain.target()?, count, cpu, PATIENCE)?;
    let (result, record) = attack_from_thread(args, attack, server, &bystanders);
    let ended = std::time::Instant::now();
    std::thread::sleep(AFTERMATH);
    let waits = bystanders.finish()?;
    let after = Snapshot::take(server.pid());
    let peak = procstat::memory(server.pid());
    let progress = result?;
    std::thread::sleep(args.settle);
    let left = procstat::memory(server.pid());
    let record = record.ok_or("the attack never began")?;
    let spent = after.zip(record.spent);
    Ok(outcome(
        &waits,
        Measured {
            progress,
            seconds: (ended - record.at).as_secs_f64(),
            cut: record.cut,
            cpu_ns: spent.map(|(after, before)| after.since(&before).cpu_ns),
            peak_bytes: peak.map_or(0, |memory| memory.peak_bytes),
            left_bytes: left.map_or(0, |memory| memory.resident_bytes),
        },
    ))
}

/// Attackers give way to bystanders, who share their CPU.
fn attack_from_thread(
    args: &CrowdsArgs,
    attack: &Attack,
    server: &Server,
    bystanders: &Bystanders,
) -> (Result<f64, String>, Option<Record>) {
    let mut scene = Scene::new(
        &server.prepared.server,
        server.pid(),
        bystanders,
        args.scale,
    );
    let result = std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            pin::pin_current_thread(args.pin.cpu(0))
                .map_err(|error| format!("cannot use CPU {}: {error}", args.pin.cpu(0)))?;
            pin::give_way();
            (attack.run)(&mut scene)
        });
        attacker
            .join()
            .unwrap_or_else(|_| Err("an attacker panicked".into()))
    });
    (result, scene.into_record())
}

/// What was measured around an attack.
struct Measured {
    progress: f64,
    seconds: f64,
    cut: u64,
    cpu_ns: Option<u64>,
    peak_bytes: u64,
    left_bytes: u64,
}

fn outcome(waits: &Waits, measured: Measured) -> Outcome {
    let milliseconds = |microseconds: u64| microseconds as f64 / 1e3;
    let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    let cpu_ns = measured.cpu_ns.filter(|_| measured.progress >= 1.0);
    Outcome {
        p50_ms: milliseconds(waits.pongs.value_at_quantile(0.5)),
        p99_ms: milliseconds(waits.pongs.value_at_quantile(0.99)),
        max_ms: milliseconds(waits.pongs.max()),
        unanswered: waits.unanswered,
        cut: measured.cut,
        lag_p99_ms: milliseconds(waits.lags.value_at_quantile(0.99)),
        peak_mib: mebibytes(measured.peak_bytes),
        left_mib: mebibytes(measured.left_bytes),
        cpu_us_per_unit: cpu_ns.map(|cpu_ns| cpu_ns as f64 / 1e3 / measured.progress),
        per_second: measured.progress / measured.seconds,
    }
}

#[cfg(test)]
#[path = "../../tests/fake/mod.rs"]
mod fake;
#[cfg(test)]
mod tests;
