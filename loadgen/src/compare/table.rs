//! Figures of many runs into medians and ratios with their spread, and the table of them.

use serde::Serialize;

use crate::report::{Report, grouped};

/// A figure that every report may have.
struct Common {
    name: &'static str,
    unit: &'static str,
    of: fn(&Report) -> Option<f64>,
}

const COMMON: [Common; 11] = [
    Common {
        name: "throughput",
        unit: "messages/s",
        of: throughput,
    },
    Common {
        name: "server CPU",
        unit: "µs/message",
        of: |report| report.server.cpu_us_per_message,
    },
    Common {
        name: "server context switches",
        unit: "per message",
        of: |report| report.server.switches_per_message,
    },
    Common {
        name: "latency p50",
        unit: "µs",
        of: |report| report.latency.map(|latency| latency.p50_us),
    },
    Common {
        name: "latency p99",
        unit: "µs",
        of: |report| report.latency.map(|latency| latency.p99_us),
    },
    Common {
        name: "latency p99.9",
        unit: "µs",
        of: |report| report.latency.map(|latency| latency.p99_9_us),
    },
    Common {
        name: "peak memory",
        unit: "MiB",
        of: |report| {
            report
                .server
                .memory
                .map(|memory| memory.peak_bytes as f64 / 1_048_576.0)
        },
    },
    Common {
        name: "memory per connection",
        unit: "KiB",
        of: |report| {
            report
                .server
                .bytes_per_connection
                .map(|bytes| bytes / 1024.0)
        },
    },
    Common {
        name: "memory per subscription",
        unit: "bytes",
        of: |report| report.server.bytes_per_subscription,
    },
    Common {
        name: "server CPU while idle",
        unit: "% of a core",
        of: idle_cpu,
    },
    Common {
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
    /// The first server; `None` when it does not offer the figure.
    pub ours: Option<Spread>,
    /// The other server.
    pub theirs: Option<Spread>,
    /// First by other, paired within each round.
    pub ratio: Option<Spread>,
}

/// All figures that both servers have, and those of the plan that one has; rounds are pairs of (ours, theirs).
pub fn lines(rounds: &[(Report, Report)]) -> Vec<Line> {
    let common = COMMON.iter().filter_map(|common| {
        let line = line(common.name, common.unit, rounds, common.of);
        (line.ours.is_some() && line.theirs.is_some()).then_some(line)
    });
    let own = rounds.first().map_or(&[][..], |round| &round.0.figures);
    let own = own.iter().map(|figure| {
        let of = |report: &Report| {
            let mut all = report.figures.iter();
            all.find(|one| one.name == figure.name)?.value
        };
        line(figure.name, figure.unit, rounds, of)
    });
    common.chain(own).collect()
}

fn line(
    figure: &'static str,
    unit: &'static str,
    rounds: &[(Report, Report)],
    of: impl Fn(&Report) -> Option<f64>,
) -> Line {
    let pairs: Vec<_> = rounds
        .iter()
        .map(|(ours, theirs)| (of(ours), of(theirs)))
        .collect();
    let ratio = |(ours, theirs): &(Option<f64>, Option<f64>)| {
        Some((*ours)? / (*theirs).filter(|theirs| *theirs > 0.0)?)
    };
    Line {
        figure,
        unit,
        ours: Spread::of(pairs.iter().filter_map(|pair| pair.0).collect()),
        theirs: Spread::of(pairs.iter().filter_map(|pair| pair.1).collect()),
        ratio: Spread::of(pairs.iter().filter_map(ratio).collect()),
    }
}

/// Prints the lines of one plan, under the names of the two sides.
pub fn print(lines: &[Line], [ours, theirs]: [&str; 2]) {
    println!(
        "  {:<48}{ours:>14}{theirs:>14}   ratio {ours}/{theirs} (min–max)",
        ""
    );
    for line in lines {
        let [name, ours, theirs, ratio, range] = cells(line);
        let range = if range.is_empty() {
            range
        } else {
            format!(" ({range})")
        };
        println!("  {name:<48}{ours:>14}{theirs:>14}   {ratio}{range}");
    }
}

/// Name, both medians, ratio and its range, as texts.
pub fn cells(line: &Line) -> [String; 5] {
    let median = |spread: &Option<Spread>| {
        spread.map_or("not offered".into(), |spread| number(spread.median))
    };
    let (ratio, range) = line.ratio.map_or((String::new(), String::new()), |ratio| {
        (
            format!("{:.3}", ratio.median),
            format!("{:.3}–{:.3}", ratio.min, ratio.max),
        )
    });
    let name = format!("{}, {}", line.figure, line.unit);
    [name, median(&line.ours), median(&line.theirs), ratio, range]
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
