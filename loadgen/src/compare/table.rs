//! Figures of many runs into medians and ratios with their spread, and the table of them.

use serde::Serialize;

use crate::report::{Report, grouped};

/// A figure taken from a report.
struct Figure {
    name: &'static str,
    unit: &'static str,
    of: fn(&Report) -> Option<f64>,
}

const FIGURES: [Figure; 10] = [
    Figure {
        name: "throughput",
        unit: "messages/s",
        of: throughput,
    },
    Figure {
        name: "server CPU",
        unit: "µs/published message",
        of: |report| report.server.cpu_us_per_message,
    },
    Figure {
        name: "latency p50",
        unit: "µs",
        of: |report| report.latency.map(|latency| latency.p50_us),
    },
    Figure {
        name: "latency p99",
        unit: "µs",
        of: |report| report.latency.map(|latency| latency.p99_us),
    },
    Figure {
        name: "latency p99.9",
        unit: "µs",
        of: |report| report.latency.map(|latency| latency.p99_9_us),
    },
    Figure {
        name: "peak memory",
        unit: "MiB",
        of: |report| {
            report
                .server
                .memory
                .map(|memory| memory.peak_bytes as f64 / 1_048_576.0)
        },
    },
    Figure {
        name: "memory per connection",
        unit: "KiB",
        of: |report| {
            report
                .server
                .bytes_per_connection
                .map(|bytes| bytes / 1024.0)
        },
    },
    Figure {
        name: "memory per subscription",
        unit: "bytes",
        of: |report| report.server.bytes_per_subscription,
    },
    Figure {
        name: "server CPU while idle",
        unit: "% of a core",
        of: idle_cpu,
    },
    Figure {
        name: "loadgen CPU",
        unit: "ns/message in and out",
        of: own_cpu,
    },
];

fn throughput(report: &Report) -> Option<f64> {
    let per_second = if report.delivered > 0 {
        report.delivered_per_second
    } else {
        report.published_per_second
    };
    // At a fixed rate it says nothing about the server.
    Some(per_second).filter(|per_second| *per_second > 0.0 && report.send_lag.is_none())
}

fn idle_cpu(report: &Report) -> Option<f64> {
    let cpu_seconds = report.server.cpu_seconds?;
    (report.published == 0).then_some(cpu_seconds / report.seconds * 100.0)
}

fn own_cpu(report: &Report) -> Option<f64> {
    // An open loop spins while it waits for its schedule.
    (report.published > 0 && report.send_lag.is_none()).then_some(report.own_cpu_ns_per_message)
}

/// A median with its range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

impl Spread {
    /// Of `values`; `None` when there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        };
        Some(Spread { median, min, max })
    }
}

/// One figure of one plan, for both servers.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What it is.
    pub figure: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Our server.
    pub ours: Spread,
    /// The other server.
    pub theirs: Spread,
    /// Ours by theirs, paired within each round.
    pub ratio: Spread,
}

/// All figures that both servers have; rounds are pairs of (ours, theirs).
pub fn lines(rounds: &[(Report, Report)]) -> Vec<Line> {
    FIGURES
        .iter()
        .filter_map(|figure| line(figure, rounds))
        .collect()
}

fn line(figure: &Figure, rounds: &[(Report, Report)]) -> Option<Line> {
    let pairs: Vec<(f64, f64)> = rounds
        .iter()
        .filter_map(|(ours, theirs)| (figure.of)(ours).zip((figure.of)(theirs)))
        .collect();
    let ratios = pairs
        .iter()
        .filter(|(_, theirs)| *theirs > 0.0)
        .map(|(ours, theirs)| ours / theirs)
        .collect();
    Some(Line {
        figure: figure.name,
        unit: figure.unit,
        ours: Spread::of(pairs.iter().map(|pair| pair.0).collect())?,
        theirs: Spread::of(pairs.iter().map(|pair| pair.1).collect())?,
        ratio: Spread::of(ratios)?,
    })
}

/// Prints the lines of one plan.
pub fn print(lines: &[Line]) {
    println!(
        "  {:<48}{:>14}{:>14}   ratio ours/theirs (min–max)",
        "", "ours", "theirs"
    );
    for Line {
        figure,
        unit,
        ours,
        theirs,
        ratio,
    } in lines
    {
        let name = format!("{figure}, {unit}");
        let ratio = format!("{:.3} ({:.3}–{:.3})", ratio.median, ratio.min, ratio.max);
        println!(
            "  {name:<48}{:>14}{:>14}   {ratio}",
            number(ours.median),
            number(theirs.median)
        );
    }
}

/// About four digits, whatever the size.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => grouped(value),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        assert_eq!(
            Spread::of(vec![3.0, 1.0, 2.0]),
            Some(Spread {
                median: 2.0,
                min: 1.0,
                max: 3.0
            })
        );
        assert_eq!(
            Spread::of(vec![4.0, 1.0]),
            Some(Spread {
                median: 2.5,
                min: 1.0,
                max: 4.0
            })
        );
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn numbers() {
        assert_eq!(
            [0.0412, 1.234, 63.24, 3_700_000.0].map(number),
            ["0.0412", "1.23", "63.2", "3,700,000"]
        );
    }
}
