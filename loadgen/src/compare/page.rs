//! A comparison as a page: the table, throughput and latency of all runs, and the ratios at a glance.

use crate::compare::args::CompareArgs;
use crate::compare::comparison::Comparison;
use crate::compare::config::Features;
use crate::compare::table;
use crate::report::Report;
use crate::report::page::{COUNTS, Line, Page, Ratio, Section, quantiles, rates};

/// The figure whose ratios come first.
const FIRST_FIGURE: &str = "server CPU";

/// The page of a comparison; `labels` name the two sides.
pub fn of(args: &CompareArgs, labels: [&str; 2], comparisons: &[Comparison]) -> Page {
    let [ours, theirs] = labels;
    let failures: usize = comparisons.iter().map(|one| one.failures.len()).sum();
    Page {
        title: format!("{ours} compared with {theirs}"),
        good: failures == 0,
        verdict: match failures {
            0 => "No run lost anything or failed.".into(),
            count => format!("{count} runs lost messages or failed."),
        },
        parameters: parameters(args, labels, comparisons),
        ratios_title: format!("CPU time of the server per message, {ours} by {theirs}"),
        ratios: comparisons.iter().filter_map(ratio).collect(),
        sections: comparisons.iter().map(|one| section(one, labels)).collect(),
    }
}

fn parameters(
    args: &CompareArgs,
    [ours, theirs]: [&str; 2],
    comparisons: &[Comparison],
) -> Vec<(String, String)> {
    let version = |of: fn(&(Report, Report)) -> &Report| {
        let first = comparisons.iter().find_map(|one| one.rounds.first());
        first.map_or("", |round| of(round).parameters.server_version.as_str())
    };
    let other = args.theirs.as_ref().unwrap_or(&args.ours);
    let mut all = vec![
        (
            ours.to_string(),
            format!(
                "{}, version {}",
                args.ours.display(),
                version(|round| &round.0)
            ),
        ),
        (
            theirs.to_string(),
            format!("{}, version {}", other.display(), version(|round| &round.1)),
        ),
        ("rounds".into(), args.rounds.to_string()),
        (
            "order".into(),
            "A B B A, a fresh server for every run".into(),
        ),
        ("scale".into(), args.scale.to_string()),
        ("server CPUs".into(), args.server_cores.to_string()),
        ("loadgen CPUs".into(), args.pin.to_string()),
    ];
    if let Some(features) = args.features {
        let name = match features {
            Features::Beside => "beside",
            Features::Mapped => "mapped",
        };
        let text = format!("accounts, permissions, mappings ({name})");
        all.push(("features".into(), text));
    }
    all
}

fn ratio(comparison: &Comparison) -> Option<Ratio> {
    let mut lines = comparison.lines.iter();
    let spread = lines.find(|line| line.figure == FIRST_FIGURE)?.ratio?;
    Some(Ratio {
        name: comparison.plan.into(),
        median: spread.median,
        min: spread.min,
        max: spread.max,
    })
}

fn section(comparison: &Comparison, labels: [&str; 2]) -> Section {
    let [ours, theirs] = labels;
    let columns = ["figure", ours, theirs, "ratio", "min–max"];
    let mut section = Section {
        title: format!("{}: {}", comparison.plan, comparison.title),
        columns: columns.map(String::from).to_vec(),
        rows: comparison
            .lines
            .iter()
            .map(|line| table::cells(line).to_vec())
            .collect(),
        notes: comparison.limits_seen(labels),
        failures: comparison.failures.clone(),
        ..Section::default()
    };
    for (ours, theirs) in &comparison.rounds {
        for (color, report) in [ours, theirs].into_iter().enumerate() {
            let [published, delivered] = COUNTS;
            let count = if report.delivered > 0 {
                delivered
            } else {
                published
            };
            let line = rates(labels[color], color, report, count.1);
            section.throughput.extend(line);
            section.latency.extend(curves(report, labels[color], color));
        }
    }
    section
}

/// The percentile curves of one run, told apart if it has several.
fn curves(report: &Report, label: &str, color: usize) -> impl Iterator<Item = Line> {
    let several = report.curves.len() > 1;
    let curves = report.curves.iter().enumerate();
    curves.filter_map(move |(index, curve)| {
        let name = match several {
            true => format!("{label} {}", curve.name),
            false => label.to_string(),
        };
        quantiles(&name, color + 2 * index, curve)
    })
}
