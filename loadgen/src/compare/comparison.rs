//! What came of one plan on both servers.

use serde::Serialize;

use crate::compare::table;
use crate::report::Report;

/// Result for one plan.
#[derive(Serialize)]
pub struct Comparison {
    /// Name of the row.
    pub plan: &'static str,
    /// What it is.
    pub title: &'static str,
    /// The figures.
    pub lines: Vec<table::Line>,
    /// All runs, as pairs.
    pub rounds: Vec<(Report, Report)>,
    /// What went wrong.
    pub failures: Vec<String>,
}

impl Comparison {
    /// Prints it; `labels` name the two sides.
    pub fn show(&self, labels: [&'static str; 2]) {
        println!("{} — {}", self.plan, self.title);
        table::print(&self.lines, labels);
        let limits = self.limits_seen(labels);
        limits.iter().for_each(|text| println!("  {text}"));
        let failures = self.failures.iter();
        failures.for_each(|failure| println!("  FAILED: {failure}"));
        println!();
    }

    /// In how many runs the load generator was the limit, and why.
    pub fn limits_seen(&self, labels: [&str; 2]) -> Vec<String> {
        let ours: Vec<&Report> = self.rounds.iter().map(|round| &round.0).collect();
        let theirs: Vec<&Report> = self.rounds.iter().map(|round| &round.1).collect();
        let seen = |(label, reports): (&str, Vec<&Report>)| {
            let all = reports.len();
            let limited: Vec<&Report> = reports
                .into_iter()
                .filter(|report| report.loadgen_limited)
                .collect();
            let (count, why) = (limited.len(), &limited.first()?.limit_text);
            Some(format!(
                "loadgen was the limit in {count} of {all} runs of {label}: {why}"
            ))
        };
        labels
            .into_iter()
            .zip([ours, theirs])
            .filter_map(seen)
            .collect()
    }
}
