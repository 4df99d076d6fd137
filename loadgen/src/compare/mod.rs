//! Two servers under the same plans: started here, one at a time and fresh for every run, pinned alike, taking turns in
//! the order A B B A, so that whatever drifts on the machine hits both.

pub mod args;
mod comparison;
pub mod config;
pub mod needs;
mod neighbour;
mod page;
mod reload;
mod restart;
mod row;
mod rows;
pub mod server;
pub mod stage;
mod store;
mod stored;
pub mod table;

use crate::limits;
use crate::plans;
use crate::progress::Runs;
use crate::report::numbers::grouped;
use crate::report::{Report, Standing};
use args::CompareArgs;
use comparison::Comparison;
use config::{Features, Setting, Wishes};
use neighbour::Neighbour;
use reload::Reloader;
use row::Row;
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
    args.check()?;
    let rows = rows::select(&args.plans)?;
    if let Some(path) = &args.report {
        crate::report::page::check(path)?;
    }
    check(args, &rows)?;
    let bench = Bench {
        args,
        sides: sides(args)?,
        stage: Stage::new()?,
    };
    // Before the servers are started, because they inherit the limit.
    limits::ensure_descriptors(
        rows.iter()
            .map(|row| row.arguments(args.scale).1.connections.unwrap_or(0))
            .max()
            .unwrap_or(0),
    )?;
    bench.try_servers(&rows)?;
    let comparisons = bench.compare_rows(&rows);
    let (standing, verdict) = comparison::verdict(&comparisons);
    if args.json {
        let all = serde_json::json!({
            "ours": args.ours, "theirs": args.theirs, "rounds": args.rounds, "scale": args.scale,
            "standing": standing, "plans": comparisons,
        });
        println!("{all}");
    } else {
        println!("{verdict}");
    }
    if let Some(path) = &args.report {
        page::of(args, bench.labels(), &comparisons).write(path)?;
    }
    Ok(standing != Standing::Bad)
}

/// Rows that go with the options.
fn check(args: &CompareArgs, rows: &[&'static Row]) -> Result<(), String> {
    let any = |has: fn(&Row) -> bool| rows.iter().any(|row| has(row));
    let is_stored = any(|row| row.setting.is_stored());
    if args.features.is_some() && (is_stored || any(|row| row.setting == Setting::Reloaded)) {
        return Err(
            "the plans of reload and JetStream are not for --features; name other plans".into(),
        );
    }
    let needs_store = is_stored || args.features == Some(Features::Stored);
    if needs_store && args.store_dir.is_none() {
        return Err("JetStream needs a directory on a disk: give --store-dir".into());
    }
    Ok(())
}

/// The two servers; under --features ours with them and ours without.
fn sides(args: &CompareArgs) -> Result<[Launch; 2], String> {
    let launch = |label, (option, path), arguments: &str, wishes| {
        Ok::<_, String>(Launch {
            label,
            path: needs::program(option, path)?,
            arguments: arguments.split_whitespace().map(String::from).collect(),
            cpus: args.server_cores.clone(),
            wishes,
        })
    };
    let ours = Wishes {
        base: args.ours_config.clone(),
        features: args.features,
        login: args.ours_user.clone(),
        store_base: args.store_dir.clone(),
        is_other: false,
    };
    let theirs = Wishes {
        base: args.theirs_config.clone(),
        features: None,
        login: args.theirs_user.clone(),
        store_base: args.store_dir.clone(),
        is_other: true,
    };
    let own = ("--ours", args.ours.as_path());
    Ok(match &args.theirs {
        Some(path) => [
            launch("ours", own, &args.ours_args, ours)?,
            launch("theirs", ("--theirs", path), &args.theirs_args, theirs)?,
        ],
        None => [
            launch("with", own, &args.ours_args, ours)?,
            launch("without", own, &args.ours_args, theirs)?,
        ],
    })
}

impl Bench<'_> {
    /// Starts both servers once with every configuration that the rows need: what is wrong with them, their arguments or
    /// users shows before the first run, not in the middle of the night.
    fn try_servers(&self, rows: &[&'static Row]) -> Result<(), String> {
        let mut tried = Vec::new();
        for row in rows {
            if tried.contains(&row.setting) {
                continue;
            }
            tried.push(row.setting);
            for side in &self.sides {
                Server::start(side, &self.stage, row.setting).map_err(|text| {
                    format!("{} cannot be had for {}: {text}", side.label, row.name)
                })?;
            }
        }
        Ok(())
    }

    fn compare_rows(&self, rows: &[&'static Row]) -> Vec<Comparison> {
        let (json, rounds) = (self.args.json, self.args.rounds);
        let all = rows.len() * self.sides.len() * rounds as usize;
        let mut runs = Runs::new("compare", all, self.args.quiet || json);
        if !json {
            println!("{}\n", table::legend(rounds));
        }
        let mut comparisons = Vec::with_capacity(rows.len());
        for row in rows {
            let comparison = self.compare_row(row, &mut runs);
            if !json {
                runs.aside(|| comparison.show(self.labels()));
            }
            comparisons.push(comparison);
        }
        comparisons
    }

    fn compare_row(&self, row: &'static Row, runs: &mut Runs) -> Comparison {
        let mut comparison = Comparison {
            plan: row.name,
            title: row.title,
            lines: Vec::new(),
            rounds: Vec::new(),
            failures: Vec::new(),
        };
        for round in 0..self.args.rounds {
            let mut once = |side: usize| {
                let (report, failures) = self.run_once(row, &self.sides[side], round, runs);
                comparison.failures.extend(failures);
                report
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

    /// One fresh server, one run, and what went wrong; there is a report even when the run was not clean.
    fn run_once(
        &self,
        row: &Row,
        launch: &Launch,
        round: u32,
        runs: &mut Runs,
    ) -> (Option<Report>, Vec<String>) {
        let label = format!("{} round {} {}", row.name, round + 1, launch.label);
        runs.begin(&label);
        let (report, failures) = match Server::start(launch, &self.stage, row.setting) {
            Ok(server) => self.load_and_stop(row, launch, server),
            Err(text) => (None, vec![text]),
        };
        let failures: Vec<String> = failures
            .into_iter()
            .map(|text| format!("{label}: {text}"))
            .collect();
        if !self.args.quiet {
            runs.aside(|| {
                failures.iter().for_each(|text| eprintln!("{text}"));
                let done = report.as_ref().map(summary);
                done.iter().for_each(|text| eprintln!("{label} {text}"));
            });
        }
        (report, failures)
    }

    fn load_and_stop(
        &self,
        row: &Row,
        launch: &Launch,
        mut server: Server,
    ) -> (Option<Report>, Vec<String>) {
        let mut failures = Vec::new();
        let mut result = self.load(row, &server);
        if let (Setting::Restarted, Ok(report)) = (row.setting, &mut result) {
            match restart::measure(&mut server, launch) {
                Ok(figures) => report.figures.extend(figures),
                Err(text) => failures.push(text),
            }
        }
        let tail = server.log_tail();
        if !server.stop() {
            failures.push(format!("the server ended by itself:\n{tail}"));
        }
        match result {
            Ok(report) => {
                if !report.is_good() {
                    let lost = report
                        .verdict
                        .map_or(report.lost, |verdict| verdict.lost.max(report.lost));
                    let (surplus, errors) = (report.surplus, report.error_texts.join("; "));
                    failures.push(format!("lost {lost}, surplus {surplus}, errors: {errors}"));
                }
                (Some(report), failures)
            }
            Err(text) => {
                failures.push(text);
                (None, failures)
            }
        }
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

/// A run in a few words.
fn summary(report: &Report) -> String {
    let cpu = report.server.cpu_us_per_message;
    let cpu = cpu.map_or(String::new(), |cpu_us| format!(", {cpu_us:.4} µs/message"));
    let limit = match report.loadgen_limited {
        true => "; loadgen was the limit",
        false => "",
    };
    let published = match report.published {
        0 => "done".into(),
        published => format!("{} published", grouped(published as f64)),
    };
    let version = &report.parameters.server_version;
    format!("(version {version}): {published}{cpu}{limit}")
}
