//! Two servers under the same plans: started here, one at a time and fresh for every run, pinned alike, taking turns in
//! the order A B B A, so that whatever drifts on the machine hits both.

pub mod args;
mod comparison;
pub mod config;
mod neighbour;
mod page;
mod reload;
mod rows;
pub mod server;
pub mod stage;
pub mod table;

use std::path::PathBuf;

use crate::limits;
use crate::plans;
use crate::report::{Report, grouped};
use args::CompareArgs;
use comparison::Comparison;
use config::{Setting, Wishes};
use neighbour::Neighbour;
use reload::Reloader;
use rows::Row;
use server::{Launch, Server};
use stage::Stage;

/// What all runs of a comparison share.
struct Bench<'a> {
    args: &'a CompareArgs,
    stage: Stage,
    /// The two servers.
    sides: [Launch; 2],
}

impl Bench<'_> {
    fn labels(&self) -> [&'static str; 2] {
        [self.sides[0].label, self.sides[1].label]
    }
}

/// Runs the comparison and prints it; false when a run lost messages or failed.
pub fn run(args: &CompareArgs) -> Result<bool, String> {
    if !(0.001..=100.0).contains(&args.scale) {
        return Err("--scale must be between 0.001 and 100".into());
    }
    let rows = rows::select(&args.plans)?;
    if let Some(path) = &args.report {
        crate::report::page::check(path)?;
    }
    if args.features.is_some() && rows.iter().any(|row| row.setting == Setting::Reloaded) {
        return Err(
            "the reload plans have users of their own; name other plans with --features".into(),
        );
    }
    // Before the servers are started, because they inherit the limit.
    limits::ensure_descriptors(
        rows.iter()
            .map(|row| row.arguments(args.scale).1.connections.unwrap_or(0))
            .max()
            .unwrap_or(0),
    )?;
    let bench = Bench {
        args,
        stage: Stage::new()?,
        sides: sides(args),
    };
    let mut comparisons = Vec::new();
    for row in rows {
        let comparison = bench.compare_row(row);
        if !args.json {
            comparison.show(bench.labels());
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
    if let Some(path) = &args.report {
        page::of(args, bench.labels(), &comparisons).write(path)?;
    }
    Ok(good)
}

/// The two servers; under --features ours with them and ours without.
fn sides(args: &CompareArgs) -> [Launch; 2] {
    let launch = |label, path: &PathBuf, arguments: &str, wishes| Launch {
        label,
        path: path.clone(),
        arguments: arguments.split_whitespace().map(String::from).collect(),
        cpus: args.server_cores.clone(),
        wishes,
    };
    let ours = Wishes {
        base: args.ours_config.clone(),
        features: args.features,
        login: args.ours_user.clone(),
    };
    let theirs = Wishes {
        base: args.theirs_config.clone(),
        features: None,
        login: args.theirs_user.clone(),
    };
    match &args.theirs {
        Some(path) => [
            launch("ours", &args.ours, &args.ours_args, ours),
            launch("theirs", path, &args.theirs_args, theirs),
        ],
        None => [
            launch("with", &args.ours, &args.ours_args, ours),
            launch("without", &args.ours, &args.ours_args, theirs),
        ],
    }
}

impl Bench<'_> {
    fn compare_row(&self, row: &'static Row) -> Comparison {
        let mut comparison = Comparison {
            plan: row.name,
            title: row.title,
            lines: Vec::new(),
            rounds: Vec::new(),
            failures: Vec::new(),
        };
        for round in 0..self.args.rounds {
            let mut once = |side: usize| {
                self.run_once(row, &self.sides[side], round, &mut comparison.failures)
            };
            let (ours, theirs) = if round % 2 == 0 {
                let first = once(0);
                (first, once(1))
            } else {
                let first = once(1);
                (once(0), first)
            };
            comparison.rounds.extend(ours.zip(theirs));
        }
        comparison.lines = table::lines(&comparison.rounds);
        comparison
    }

    /// One fresh server, one run; a report even when the run was not clean, which is noted in `failures`.
    fn run_once(
        &self,
        row: &Row,
        launch: &Launch,
        round: u32,
        failures: &mut Vec<String>,
    ) -> Option<Report> {
        let label = format!("{} round {} {}", row.name, round + 1, launch.label);
        let mut fail = |text: String| {
            if !self.args.quiet {
                eprintln!("{label}: {text}");
            }
            failures.push(format!("{label}: {text}"));
        };
        let mut server = match Server::start(launch, &self.stage, row.setting) {
            Ok(server) => server,
            Err(text) => {
                fail(text);
                return None;
            }
        };
        let result = self.load(row, &server);
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
            let lost = report
                .verdict
                .map_or(report.lost, |verdict| verdict.lost.max(report.lost));
            let (surplus, errors) = (report.surplus, report.error_texts.join("; "));
            fail(format!("lost {lost}, surplus {surplus}, errors: {errors}"));
        }
        if !self.args.quiet {
            let cpu = report.server.cpu_us_per_message;
            let cpu = cpu.map_or(String::new(), |cpu_us| format!(", {cpu_us:.4} µs/message"));
            let published = grouped(report.published as f64);
            eprintln!(
                "{label} (version {}): {published} published{cpu}",
                server.version
            );
        }
        Some(report)
    }

    fn load(&self, row: &Row, server: &Server) -> Result<Report, String> {
        let (plan, mut plan_args) = row.arguments(self.args.scale);
        plan_args.server = server.prepared.server.clone();
        plan_args.monitor = server.prepared.http.map(|address| address.to_string());
        plan_args.server_pid = Some(server.pid());
        plan_args.pin = Some(self.args.pin.clone());
        plan_args.threads = self.args.threads;
        plan_args.quiet = true;
        let reloader = Reloader::start(&server.prepared, server.pid())?;
        let cpu = self.args.server_cores.cpu(0);
        let neighbour = row.has_neighbour().then(|| Neighbour::start(cpu));
        let report = plans::run(plan, &plan_args);
        if let Some(neighbour) = neighbour {
            neighbour.stop()?;
        }
        let figures = reloader.map_or(Ok(Vec::new()), Reloader::stop);
        let mut report = report?;
        report.figures.extend(figures?);
        Ok(report)
    }
}
