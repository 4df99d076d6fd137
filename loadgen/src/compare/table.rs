//! Figures of many runs into medians and ratios with their spread, and the table of them.

use serde::Serialize;

use crate::plans::plan::Plan;
use crate::report::Report;
use crate::report::numbers::{Spread, number};

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
    let per_second = report.throughput().0;
    // At a fixed rate it says nothing about the server.
    Some(per_second).filter(|per_second| *per_second > 0.0 && report.send_lag.is_none())
}

fn idle_cpu(report: &Report) -> Option<f64> {
    let cpu_seconds = report.server.cpu_seconds?;
    (report.plan == Plan::Idle.name()).then_some(cpu_seconds / report.seconds * 100.0)
}

fn own_cpu(report: &Report) -> Option<f64> {
    // An open loop spins while it waits for its schedule.
    let own_cpu = report.own_cpu_ns_per_message;
    own_cpu.filter(|_| report.send_lag.is_none())
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

/// What the figures are, for a comparison of so many rounds.
pub fn legend(rounds: u32) -> String {
    match rounds {
        1 => "Figures of one round.".into(),
        rounds => format!(
            "Medians of {rounds} rounds (least–greatest). Ratios are taken within each round; their median is not the \
             ratio of the medians."
        ),
    }
}

/// Prints the lines of one plan, under the names of the two sides.
pub fn print(lines: &[Line], [ours, theirs]: [&str; 2]) {
    let print = |name: &str, ours: &str, theirs: &str, ratio: &str| {
        println!("  {name:<38}{ours:<26}{theirs:<26}{ratio}");
    };
    print("", ours, theirs, &format!("{ours}/{theirs} by round"));
    for line in lines {
        let [name, ours, theirs, ratio] = cells(line);
        print(&name, &ours, &theirs, &ratio);
    }
}

/// Name, both figures and their ratio, each with its band, as texts.
pub fn cells(line: &Line) -> [String; 4] {
    let figure = |spread: &Option<Spread>| match spread {
        Some(spread) => spread.text(number),
        None => "not offered".into(),
    };
    let ratio = line.ratio.map_or(String::new(), |ratio| {
        ratio.text(|value| format!("{value:.3}"))
    });
    let name = format!("{}, {}", line.figure, line.unit);
    [name, figure(&line.ours), figure(&line.theirs), ratio]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_band_and_ratios_are_those_of_the_rounds() {
        let line = Line {
            figure: "throughput",
            unit: "messages/s",
            ours: Spread::of(vec![2e6, 4e6, 3e6]),
            theirs: Spread::of(vec![1e6, 1e6, 3e6]),
            // In the rounds: 2, 4 and 1. The medians would give 3.
            ratio: Spread::of(vec![2.0, 4.0, 1.0]),
        };
        let expected = [
            "throughput, messages/s",
            "3.00M (2.00M–4.00M)",
            "1.00M (1.00M–3.00M)",
            "2.000 (1.000–4.000)",
        ];
        assert_eq!(cells(&line), expected);
        assert!(legend(3).contains("not the ratio of the medians"));
        assert!(!legend(1).contains("edian"));
    }
}
