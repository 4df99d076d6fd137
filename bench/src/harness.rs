//! Measuring: warm-up, samples, median and spread, and the table of results.
//!
//! A sample is as many calls as take some milliseconds, so that reading the
//! clock does not count. The median of the samples is the figure; the minimum
//! says what an undisturbed machine would show, the spread (interquartile
//! range by median) how far to trust it.
//!
//! Time is the CPU time of the measuring thread, so that what else runs on the
//! machine costs samples their caches but does not count itself. A benchmark
//! over several threads takes the time of day instead and says so.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread in nanoseconds, from an unknown beginning.
pub fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// One figure.
struct Row {
    name: String,
    unit: &'static str,
    median: f64,
    min: f64,
    spread: f64,
    p99: Option<f64>,
}

/// The run of all benchmarks.
pub struct Bench {
    filters: Vec<String>,
    smoke: bool,
    json: bool,
    rows: Vec<Row>,
}

impl Bench {
    /// A run of those whose names contain one of the filters; all without one.
    pub fn new(filters: Vec<String>, smoke: bool, json: bool) -> Self {
        if !json {
            let [name, median, min, spread, p99] = ["benchmark", "median", "min", "spread", "p99"];
            println!("{name:<44} {median:>10} {min:>10} {spread:>7} {p99:>9}  unit");
        }
        Self {
            filters,
            smoke,
            json,
            rows: Vec::new(),
        }
    }

    /// Whether the run is only to prove that everything works.
    pub fn is_smoke(&self) -> bool {
        self.smoke
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a benchmark is to be run; to be asked before a costly setup.
    pub fn wants(&self, name: &str) -> bool {
        let mut filters = self.filters.iter();
        self.filters.is_empty() || filters.any(|filter| name.contains(filter))
    }

    /// Measures a body; each unit says how many of it one call does.
    pub fn run(&mut self, name: &str, units: &[(&'static str, u64)], mut body: impl FnMut()) {
        if !self.wants(name) {
            return;
        }
        let calls = self.calibrate(&mut body);
        let samples: Vec<f64> = (0..self.sample_count())
            .map(|_| {
                let start_ns = cpu_ns();
                for _ in 0..calls {
                    body();
                }
                (cpu_ns() - start_ns) as f64 / calls as f64
            })
            .collect();
        for &(unit, count) in units {
            let per_unit: Vec<f64> = samples.iter().map(|ns| ns / count as f64).collect();
            self.add(name, unit, per_unit, None);
        }
    }

    /// Measures a body that takes its own time: it returns the nanoseconds of
    /// `count` units.
    pub fn run_timed(
        &mut self,
        name: &str,
        unit: &'static str,
        count: u64,
        mut body: impl FnMut() -> u64,
    ) {
        if !self.wants(name) {
            return;
        }
        body();
        let samples = (0..self.sample_count())
            .map(|_| body() as f64 / count as f64)
            .collect();
        self.add(name, unit, samples, None);
    }

    /// Measures many small batches one by one: their mean as the figure, and
    /// the 99th percentile of a batch. Mean and not median, since a rare slow
    /// batch counts too; `body` returns the nanoseconds of `count` units.
    pub fn run_batches(
        &mut self,
        name: &str,
        unit: &'static str,
        count: u64,
        mut body: impl FnMut() -> u64,
    ) {
        if !self.wants(name) {
            return;
        }
        let batches = if self.smoke { 20 } else { 2_000 };
        let mut all = Vec::new();
        let rounds = if self.smoke { 1 } else { 5 };
        let means = (0..rounds)
            .map(|_| {
                let round: Vec<f64> = (0..batches).map(|_| body() as f64 / count as f64).collect();
                let mean = round.iter().sum::<f64>() / round.len() as f64;
                all.extend(round);
                mean
            })
            .collect();
        all.sort_by(f64::total_cmp);
        let p99 = all[all.len() * 99 / 100];
        self.add(name, unit, means, Some(p99));
    }

    /// Records a figure that was not measured here.
    pub fn note(&mut self, name: &str, unit: &'static str, value: f64) {
        if self.wants(name) {
            self.add(name, unit, vec![value], None);
        }
    }

    /// Prints what is printed at the end.
    pub fn finish(&self) {
        if !self.json {
            return;
        }
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "name": row.name,
                    "unit": row.unit,
                    "median": row.median,
                    "min": row.min,
                    "spread": row.spread,
                    "p99": row.p99,
                })
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
    }

    fn sample_count(&self) -> usize {
        if self.smoke { 2 } else { 21 }
    }

    /// Warms up and finds how many calls a sample needs.
    fn calibrate(&self, body: &mut impl FnMut()) -> u64 {
        if self.smoke {
            body();
            return 1;
        }
        let warm_up = Duration::from_millis(150);
        let (start, start_ns) = (Instant::now(), cpu_ns());
        let mut calls = 0u64;
        while start.elapsed() < warm_up {
            body();
            calls += 1;
        }
        let sample_ns = 15_000_000;
        (calls * sample_ns / (cpu_ns() - start_ns).max(1)).max(1)
    }

    fn add(&mut self, name: &str, unit: &'static str, mut samples: Vec<f64>, p99: Option<f64>) {
        samples.sort_by(f64::total_cmp);
        let at = |part: usize| samples[(samples.len() - 1) * part / 4];
        let median = at(2);
        let row = Row {
            name: name.to_owned(),
            unit,
            median,
            min: samples[0],
            spread: if median > 0.0 {
                (at(3) - at(1)) / median
            } else {
                0.0
            },
            p99,
        };
        if !self.json {
            let p99 = row.p99.map_or(String::new(), |p99| format!("{p99:.1}"));
            println!(
                "{:<44} {:>10.1} {:>10.1} {:>6.0}% {p99:>9}  {}",
                row.name,
                row.median,
                row.min,
                row.spread * 100.0,
                row.unit
            );
        }
        self.rows.push(row);
    }
}
