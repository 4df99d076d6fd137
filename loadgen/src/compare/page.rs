//! A comparison as a page: the table, throughput and latency of all runs, and the ratios at a glance.

use std::path::Path;

use crate::compare::args::CompareArgs;
use crate::compare::comparison::{self, Comparison};
use crate::compare::config::Features;
use crate::compare::table;
use crate::report::Report;
use crate::report::figures::rates;
use crate::report::numbers::Spread;
use crate::report::page::{Line, Page, Ratio, Section, Table, quantiles};

/// The figure whose ratios come first.
const FIRST_FIGURE: &str = "server CPU";
/// Figures that are columns of a table of their own begin with this.
const PERCENTILE: &str = "latency ";

/// The page of a comparison; `labels` name the two sides.
pub fn of(args: &CompareArgs, labels: [&str; 2], comparisons: &[Comparison]) -> Page {
    let [ours, theirs] = labels;
    let (standing, verdict) = comparison::verdict(comparisons);
    Page {
        title: title(args),
        standing,
        verdict,
        parameters: parameters(args, labels, comparisons),
        ratios_title: format!(
            "CPU time of the server per message, {ours} by {theirs}: median and range of the rounds' ratios"
        ),
        ratios: comparisons.iter().filter_map(ratio).collect(),
        sections: comparisons.iter().map(|one| section(one, labels)).collect(),
    }
}

/// The programs that are compared, told apart if they have the same name.
fn title(args: &CompareArgs) -> String {
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let ours = name(&args.ours);
    match &args.theirs {
        None => format!("{ours} with and without accounts, permissions and mappings"),
        Some(theirs) if name(theirs) == ours => {
            format!("{ours} (ours) compared with {ours} (theirs)")
        }
        Some(theirs) => format!("{ours} compared with {}", name(theirs)),
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
        ("figures".into(), table::legend(args.rounds)),
        (
            "order".into(),
            "A B B A, a fresh server for every run".into(),
        ),
        ("scale".into(), args.scale.to_string()),
        ("server CPUs".into(), args.server_cores.to_string()),
        ("loadgen CPUs".into(), args.pin.to_string()),
    ];
    if let Some(features) = args.features {
        let text = match features {
            Features::Beside => "accounts, permissions, mappings (of other subjects)",
            Features::Mapped => "accounts, permissions, mappings (of every message)",
            Features::Stored => "JetStream, unused",
        };
        all.push(("features".into(), text.into()));
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
    let mut section = Section {
        title: format!("{}: {}", comparison.plan, comparison.title),
        tables: tables(&comparison.lines, labels),
        notes: comparison.limits_seen(labels),
        failures: comparison.failures.clone(),
        ..Section::default()
    };
    for (color, label) in labels.into_iter().enumerate() {
        let runs = comparison
            .rounds
            .iter()
            .map(|(ours, theirs)| [ours, theirs][color]);
        let runs: Vec<&Report> = runs.collect();
        let rates = runs
            .iter()
            .map(|report| rates(&report.series, report.throughput().1));
        section.throughput.extend(throughput(label, color, rates));
        let curves = runs.iter().flat_map(|report| curves(report, label, color));
        section.latency.extend(curves);
    }
    section
}

/// All figures as rows, but percentiles as columns of a second table.
fn tables(lines: &[table::Line], labels: [&str; 2]) -> Vec<Table> {
    let [ours, theirs] = labels;
    let ratio = format!("{ours}/{theirs} by round");
    let names = [ours, theirs, &ratio];
    let (timed, others): (Vec<_>, Vec<_>) = lines
        .iter()
        .partition(|line| line.figure.starts_with(PERCENTILE));
    let rows = others.iter().map(|line| table::cells(line).to_vec());
    let mut tables = vec![Table::new(
        std::iter::once("figure").chain(names),
        rows.collect(),
    )];
    if !timed.is_empty() {
        let columns = timed.iter().map(|line| &line.figure[PERCENTILE.len()..]);
        let row = |(index, name): (usize, &&str)| {
            let cells = timed
                .iter()
                .map(|line| table::cells(line)[index + 1].clone());
            std::iter::once((*name).to_string()).chain(cells).collect()
        };
        let rows = names.iter().enumerate().map(row).collect();
        tables.push(Table::new(
            std::iter::once("latency, µs").chain(columns),
            rows,
        ));
    }
    tables
}

/// Rates over time, of all runs: their median, and the band between the least and the greatest.
fn throughput(
    label: &str,
    color: usize,
    runs: impl Iterator<Item = Vec<[f64; 2]>>,
) -> Option<Line> {
    let runs: Vec<_> = runs.filter(|points| points.len() > 1).collect();
    let shortest = runs.iter().min_by_key(|points| points.len())?;
    let mut line = Line::of(label, color, shortest.clone())?;
    if runs.len() == 1 {
        return Some(line);
    }
    line.name = format!("{label}, median and band of {} runs", runs.len());
    for point in &mut line.points {
        // Samples of different runs lie at slightly different times.
        let seconds = point[0];
        let at = |points: &Vec<[f64; 2]>| {
            let next = points.iter().find(|[end, _]| *end >= seconds);
            next.or(points.last()).map(|[_, rate]| *rate)
        };
        let spread = Spread::of(runs.iter().filter_map(at).collect())?;
        point[1] = spread.median;
        line.band.push([seconds, spread.min, spread.max]);
    }
    Some(line)
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        args: CompareArgs,
    }

    fn args(line: &str) -> CompareArgs {
        let words = std::iter::once("compare").chain(line.split(' '));
        Words::try_parse_from(words).unwrap().args
    }

    #[test]
    fn titles_name_what_is_compared() {
        for (line, expected) in [
            ("--ours a/x --theirs y", "x compared with y"),
            (
                "--ours a/x --theirs b/x",
                "x (ours) compared with x (theirs)",
            ),
            ("--ours x --features mapped", "x with and without accounts"),
        ] {
            let title = title(&args(line));
            assert!(title.starts_with(expected), "{title}");
        }
    }

    #[test]
    fn runs_become_their_median_and_a_band() {
        let run = |rate: f64| vec![[0.02, rate], [0.04, 2.0 * rate], [0.06, rate]];
        let slow = vec![[0.03, 1.0], [0.05, 1.0]];
        let line = throughput(
            "ours",
            0,
            [run(4.0), slow, Vec::new(), run(6.0)].into_iter(),
        );
        let line = line.unwrap();
        assert_eq!(line.points, [[0.03, 8.0], [0.05, 4.0]]);
        assert_eq!(line.band, [[0.03, 1.0, 12.0], [0.05, 1.0, 6.0]]);
        assert_eq!(line.name, "ours, median and band of 3 runs");
        let alone = throughput("ours", 0, [run(4.0)].into_iter()).unwrap();
        assert!(alone.band.is_empty() && alone.points.len() == 3 && alone.name == "ours");
        assert!(throughput("ours", 0, std::iter::empty()).is_none());
    }

    #[test]
    fn failures_are_on_the_page() {
        let one = Comparison {
            plan: "one16",
            title: "t",
            lines: Vec::new(),
            rounds: Vec::new(),
            failures: vec!["one16 round 1 ours: it ended".into()],
        };
        let page = of(&args("--ours x --theirs y"), ["ours", "theirs"], &[one]);
        assert!(page.verdict.contains("1 failure."), "{}", page.verdict);
        assert_eq!(page.sections[0].failures.len(), 1);
    }
}
