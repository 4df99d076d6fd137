//! What the attacks did, as text and as Markdown.

use std::fmt::Write as _;

use crate::report::numbers::{Spread, grouped};

/// The two servers.
pub const LABELS: [&str; 2] = ["ours", "theirs"];

/// A bystander may wait this long for 1 in 100 PINGs.
const P99_MS_MAX: f64 = 20.0;
/// Below this, differences between two servers are those of the machine.
const NOISE_MS: f64 = 1.0;

/// What one run of an attack did.
pub struct Outcome {
    /// Median wait of a bystander.
    pub p50_ms: f64,
    /// One in a hundred waited longer.
    pub p99_ms: f64,
    /// The longest wait.
    pub max_ms: f64,
    /// PINGs that were never answered.
    pub unanswered: u64,
    /// Receivers that the server cut during the attack: those who remain make less work.
    pub cut: u64,
    /// How late our own PINGs were.
    pub lag_p99_ms: f64,
    /// Most memory that was resident.
    pub peak_mib: f64,
    /// What was resident some time after the attackers had left.
    pub left_mib: f64,
    /// CPU time of the server by the attack's progress.
    pub cpu_us_per_unit: Option<f64>,
    /// The attack's progress.
    pub per_second: f64,
}

/// One attack on both servers.
pub struct Row {
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    /// Runs on ours and on theirs.
    pub sides: [Vec<Outcome>; 2],
    /// What went wrong.
    pub failures: Vec<String>,
}

const COLUMNS: [&str; 10] = [
    "PONG p50, ms",
    "p99",
    "max",
    "own lag p99",
    "peak MiB",
    "left MiB",
    "progress/s",
    "CPU µs each",
    "unanswered",
    "cut",
];

impl Row {
    /// A row without runs.
    pub fn new(name: &'static str, title: &'static str, unit: &'static str) -> Self {
        Row {
            name,
            title,
            unit,
            sides: [Vec::new(), Vec::new()],
            failures: Vec::new(),
        }
    }

    fn median(&self, side: usize, of: impl Fn(&Outcome) -> f64) -> Option<f64> {
        let values = self.sides[side].iter().map(of).collect();
        Spread::of(values).map(|spread| spread.median)
    }

    /// Medians in the order of the columns; `None` without runs.
    fn cells(&self, side: usize) -> Option<[String; COLUMNS.len()]> {
        let milliseconds = |value: Option<f64>| value.map(|value| format!("{value:.2}"));
        let whole = |value: Option<f64>| value.map(grouped);
        Some([
            milliseconds(self.median(side, |one| one.p50_ms))?,
            milliseconds(self.median(side, |one| one.p99_ms))?,
            milliseconds(self.median(side, |one| one.max_ms))?,
            milliseconds(self.median(side, |one| one.lag_p99_ms))?,
            whole(self.median(side, |one| one.peak_mib))?,
            whole(self.median(side, |one| one.left_mib))?,
            whole(self.median(side, |one| one.per_second))?,
            self.cpu(side),
            whole(self.median(side, |one| one.unanswered as f64))?,
            whole(self.median(side, |one| one.cut as f64))?,
        ])
    }

    fn cpu(&self, side: usize) -> String {
        let known = self.sides[side]
            .iter()
            .filter_map(|one| one.cpu_us_per_unit);
        let spread = Spread::of(known.collect());
        spread.map_or("–".into(), |spread| format!("{:.2}", spread.median))
    }

    /// What ours does worse than it may, or than theirs.
    fn misses(&self) -> Vec<&'static str> {
        let pair = |of: fn(&Outcome) -> f64| (self.median(0, of), self.median(1, of));
        let mut misses = Vec::new();
        let (ours, theirs) = pair(|one| one.p99_ms);
        if ours.is_some_and(|ours| ours > P99_MS_MAX) {
            misses.push("p99 above 20 ms");
        }
        let worse = |(ours, theirs): (Option<f64>, Option<f64>), noise: f64| {
            ours.zip(theirs)
                .is_some_and(|(ours, theirs)| ours > theirs.max(noise))
        };
        if worse((ours, theirs), NOISE_MS) {
            misses.push("p99 worse");
        }
        if worse(pair(|one| one.peak_mib), 0.0) {
            misses.push("peak memory worse");
        }
        if worse(pair(|one| one.left_mib), 0.0) {
            misses.push("left memory worse");
        }
        misses
    }
}

/// One attack as text.
pub fn text(row: &Row) -> String {
    let rounds = match row.sides.iter().map(Vec::len).max() {
        Some(rounds) if rounds > 1 => format!("; medians of {rounds} rounds"),
        _ => String::new(),
    };
    let mut out = format!(
        "{}: {} (progress: {}{rounds})\n",
        row.name, row.title, row.unit
    );
    let _ = write!(out, "  {:<8}", "");
    for column in COLUMNS {
        let _ = write!(out, "{column:>14}");
    }
    out.push('\n');
    for (side, label) in LABELS.iter().enumerate() {
        let Some(cells) = row.cells(side) else {
            continue;
        };
        let _ = write!(out, "  {label:<8}");
        for cell in cells {
            let _ = write!(out, "{cell:>14}");
        }
        out.push('\n');
    }
    for miss in row.misses() {
        let _ = writeln!(out, "  missed: {miss}");
    }
    for failure in &row.failures {
        let _ = writeln!(out, "  FAILED: {failure}");
    }
    out.push('\n');
    out
}

/// All attacks as one table: ours / theirs in every cell.
pub fn markdown(rows: &[Row]) -> String {
    let mut out = format!("| attack | {} | missed |\n|---|", COLUMNS.join(" | "));
    out.push_str(&"---:|".repeat(COLUMNS.len()));
    out.push_str("---|\n");
    for row in rows {
        let _ = write!(out, "| {}: {} ({}) |", row.name, row.title, row.unit);
        let sides = [row.cells(0), row.cells(1)];
        for column in 0..COLUMNS.len() {
            let cell = |side: usize| sides[side].as_ref().map_or("–", |cells| &cells[column]);
            let _ = write!(out, " {} / {} |", cell(0), cell(1));
        }
        let notes = [
            row.misses().join(", "),
            row.failures.join("; ").replace('\n', " "),
        ];
        let notes: Vec<&String> = notes.iter().filter(|note| !note.is_empty()).collect();
        let notes: Vec<&str> = notes.iter().map(|note| note.as_str()).collect();
        let _ = writeln!(out, " {} |", notes.join("; "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(p99_ms: f64, peak_mib: f64) -> Outcome {
        Outcome {
            p50_ms: 0.1,
            p99_ms,
            max_ms: 2.0 * p99_ms,
            unanswered: 0,
            cut: 0,
            lag_p99_ms: 0.1,
            peak_mib,
            left_mib: 5.0,
            cpu_us_per_unit: Some(1.5),
            per_second: 12_345.6,
        }
    }

    fn row(ours: Outcome, theirs: Option<Outcome>) -> Row {
        let mut row = Row::new("n", "t", "PUBs");
        row.sides[0].push(ours);
        row.sides[1].extend(theirs);
        row
    }

    #[test]
    fn what_is_missed_is_said() {
        let fine = row(outcome(0.9, 10.0), Some(outcome(0.2, 10.0)));
        assert!(fine.misses().is_empty());
        let slow = row(outcome(30.0, 11.0), Some(outcome(40.0, 10.0)));
        assert_eq!(slow.misses(), ["p99 above 20 ms", "peak memory worse"]);
        let worse = row(outcome(2.0, 1.0), Some(outcome(1.5, 1.0)));
        assert_eq!(worse.misses(), ["p99 worse"]);
        assert!(text(&worse).contains("missed: p99 worse") && !text(&worse).contains("medians"));
        let mut twice = worse;
        twice.sides[0].push(outcome(2.0, 1.0));
        assert!(text(&twice).contains("; medians of 2 rounds)"));
        assert!(row(outcome(2.0, 1.0), None).misses().is_empty());
    }

    #[test]
    fn tables_have_a_cell_for_every_column() {
        let mut failed = Row::new("m", "t", "PUBs");
        failed.failures.push("ours: it\nended".into());
        let rows = [row(outcome(30.0, 11.0), None), failed];
        let page = markdown(&rows);
        let widths: Vec<usize> = page.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(widths, [COLUMNS.len() + 3; 4], "{page}");
        assert!(
            page.contains("| 12,346 / – |") && page.contains("ours: it ended"),
            "{page}"
        );
    }
}
