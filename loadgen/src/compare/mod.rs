//! Two servers under the same plans: started here, one at a time and fresh for every run, pinned alike, taking turns in
//! the order A B B A, so that whatever drifts on the machine hits both.

mod rows;
mod server;
mod table;

use std::path::PathBuf;

use serde::Serialize;

use crate::limits;
use crate::pin::{self, CpuList};
use crate::plans;
use crate::report::{Report, grouped};
use rows::Row;
use server::{Launch, Server};

/// Options of `compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// Our server's binary; started with -a 127.0.0.1 -p PORT.
    #[arg(long)]
    ours: PathBuf,
    /// The other server's binary (nats-server); started alike.
    #[arg(long)]
    theirs: PathBuf,
    /// Further arguments for our server, separated by spaces.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    ours_args: String,
    /// Further arguments for the other server.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    theirs_args: String,
    /// CPUs of the server under test.
    #[arg(long, default_value = "0", value_parser = pin::cpu_list)]
    server_cores: CpuList,
    /// CPUs of the load generator's threads.
    #[arg(long, default_value = "1", value_parser = pin::cpu_list)]
    pin: CpuList,
    /// Runs of each server per plan.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Plans to run: all, or names separated by commas.
    #[arg(long, default_value = "all")]
    plans: String,
    /// Multiplies times, idle connections and subscriptions.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Worker threads of the load generator.
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object with everything instead of the tables.
    #[arg(long)]
    json: bool,
    /// No line per run on stderr.
    #[arg(long)]
    quiet: bool,
}

/// Result for one plan.
#[derive(Serialize)]
struct Comparison {
    plan: &'static str,
    title: &'static str,
    lines: Vec<table::Line>,
    rounds: Vec<(Report, Report)>,
    failures: Vec<String>,
}

/// Runs the comparison and prints it; false when a run lost messages or failed.
pub fn run(args: &CompareArgs) -> Result<bool, String> {
    if !(0.001..=100.0).contains(&args.scale) {
        return Err("--scale must be between 0.001 and 100".into());
    }
    let rows = rows::select(&args.plans)?;
    // Before the servers are started, because they inherit the limit.
    limits::ensure_descriptors(
        rows.iter()
            .map(|row| row.arguments(args.scale).1.connections.unwrap_or(0))
            .max()
            .unwrap_or(0),
    )?;
    let words = |text: &str| text.split_whitespace().map(String::from).collect();
    let launch = |label, path: &PathBuf, arguments| Launch {
        label,
        path: path.clone(),
        arguments,
        cpus: args.server_cores.clone(),
    };
    let ours = launch("ours", &args.ours, words(&args.ours_args));
    let theirs = launch("theirs", &args.theirs, words(&args.theirs_args));

    let mut comparisons = Vec::new();
    for row in rows {
        let comparison = compare_row(args, row, &ours, &theirs);
        if !args.json {
            println!("{} — {}", comparison.plan, comparison.title);
            table::print(&comparison.lines);
            limits_seen(&comparison.rounds);
            comparison
                .failures
                .iter()
                .for_each(|failure| println!("  FAILED: {failure}"));
            println!();
        }
        comparisons.push(comparison);
    }
    let good = comparisons
        .iter()
        .all(|comparison| comparison.failures.is_empty());
    if args.json {
        let all = serde_json::json!({
            "ours": args.ours, "theirs": args.theirs, "rounds": args.rounds, "scale": args.scale, "plans": comparisons,
        });
        println!("{all}");
    }
    Ok(good)
}

fn compare_row(
    args: &CompareArgs,
    row: &'static Row,
    ours: &Launch,
    theirs: &Launch,
) -> Comparison {
    let mut comparison = Comparison {
        plan: row.name,
        title: row.title,
        lines: Vec::new(),
        rounds: Vec::new(),
        failures: Vec::new(),
    };
    for round in 0..args.rounds {
        let mut once =
            |launch: &Launch| run_once(args, row, launch, round, &mut comparison.failures);
        let (ours, theirs) = if round % 2 == 0 {
            let first = once(ours);
            (first, once(theirs))
        } else {
            let first = once(theirs);
            (once(ours), first)
        };
        comparison.rounds.extend(ours.zip(theirs));
    }
    comparison.lines = table::lines(&comparison.rounds);
    comparison
}

/// One fresh server, one run; a report even when the run was not clean, which is noted in `failures`.
fn run_once(
    args: &CompareArgs,
    row: &Row,
    launch: &Launch,
    round: u32,
    failures: &mut Vec<String>,
) -> Option<Report> {
    let label = format!("{} round {} {}", row.name, round + 1, launch.label);
    let mut fail = |text: String| {
        if !args.quiet {
            eprintln!("{label}: {text}");
        }
        failures.push(format!("{label}: {text}"));
    };
    let mut server = match Server::start(launch) {
        Ok(server) => server,
        Err(text) => {
            fail(text);
            return None;
        }
    };
    let (plan, mut plan_args) = row.arguments(args.scale);
    plan_args.server.server = server.address.to_string();
    plan_args.server_pid = Some(server.pid());
    plan_args.pin = Some(args.pin.clone());
    plan_args.threads = args.threads;
    plan_args.quiet = true;
    let result = plans::run(plan, &plan_args);
    let tail = server.log_tail();
    if !server.stop() {
        fail(format!("the server ended by itself:\n{tail}"));
    }
    let report = match result {
        Ok(report) => report,
        Err(text) => {
            fail(text);
            return None;
        }
    };
    if !report.is_good() {
        let (lost, surplus, errors) = (report.lost, report.surplus, report.error_texts.join("; "));
        fail(format!("lost {lost}, surplus {surplus}, errors: {errors}"));
    }
    if !args.quiet {
        let cpu = report
            .server
            .cpu_us_per_message
            .map_or(String::new(), |cpu_us| format!(", {cpu_us:.4} µs/message"));
        eprintln!(
            "{label} (version {}): {} published{cpu}",
            server.version,
            grouped(report.published as f64)
        );
    }
    Some(report)
}

fn limits_seen(rounds: &[(Report, Report)]) {
    let ours: Vec<&Report> = rounds.iter().map(|round| &round.0).collect();
    let theirs: Vec<&Report> = rounds.iter().map(|round| &round.1).collect();
    for (label, reports) in [("ours", ours), ("theirs", theirs)] {
        let limited: Vec<&&Report> = reports
            .iter()
            .filter(|report| report.loadgen_limited)
            .collect();
        if let Some(report) = limited.first() {
            let (count, all, why) = (limited.len(), reports.len(), &report.limit_text);
            println!("  loadgen was the limit in {count} of {all} runs of {label}: {why}");
        }
    }
}
