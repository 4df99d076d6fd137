//! What came of one plan on both servers.

use serde::Serialize;

use crate::compare::table;
use crate::report::{Report, Standing};

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

    /// How many runs the load generator was the limit of, and of how many.
    fn limited(&self) -> (usize, usize) {
        let runs = self.rounds.iter().flat_map(|(ours, theirs)| [ours, theirs]);
        let limited = runs.filter(|report| report.loadgen_limited).count();
        (limited, self.rounds.len() * 2)
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

/// What can be said of all of them, and the words for it.
pub fn verdict(comparisons: &[Comparison]) -> (Standing, String) {
    let failures: usize = comparisons.iter().map(|one| one.failures.len()).sum();
    if failures > 0 {
        let plural = if failures == 1 { "" } else { "s" };
        let text = format!("Messages were lost or runs failed: {failures} failure{plural}.");
        return (Standing::Bad, text);
    }
    let clean = "No run lost anything or failed";
    let limited = comparisons.iter().filter(|one| one.limited().0 > 0);
    let names: Vec<&str> = limited.map(|one| one.plan).collect();
    if names.is_empty() {
        return (Standing::Good, format!("{clean}."));
    }
    let (count, all) = comparisons
        .iter()
        .map(Comparison::limited)
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let names = names.join(", ");
    let text = format!(
        "{clean}, but in {count} of {all} runs loadgen was the limit, not the server ({names})."
    );
    (Standing::Limited, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn comparison(plan: &'static str, busy: f64) -> Comparison {
        Comparison {
            plan,
            title: "t",
            lines: Vec::new(),
            rounds: vec![(samples::run(busy), samples::run(0.5))],
            failures: Vec::new(),
        }
    }

    #[test]
    fn runs_that_loadgen_was_the_limit_of_are_named() {
        let good = comparison("a", 0.5);
        let (standing, text) = verdict(std::slice::from_ref(&good));
        assert_eq!(
            (standing, text.as_str()),
            (Standing::Good, "No run lost anything or failed.")
        );
        let mut all = [good, comparison("b", 0.99)];
        let (standing, text) = verdict(&all);
        assert!(
            standing == Standing::Limited
                && text.contains("in 1 of 4 runs")
                && text.contains("(b)"),
            "{text}"
        );
        assert!(all[1].limits_seen(["ours", "theirs"])[0].contains("1 of 1 runs of ours"));
        all[0].failures.push("x".into());
        assert_eq!(verdict(&all).0, Standing::Bad);
    }
}
