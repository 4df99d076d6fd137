//! The result of a run as a table for people.

use crate::report::Report;
use crate::report::figures::{Figure, Latency, rates};
use crate::report::numbers::{Spread, grouped, number};
use crate::verify::Verdict;

/// Fewer samples make no band.
const SAMPLES_MIN: usize = 3;

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "{}", self.title())?;
        for (name, text) in self.rows() {
            writeln!(out, "  {name:<24}{text}")?;
        }
        writeln!(out, "  {:<24}{}", "limit", self.limit_line())?;
        let percentiles = self.percentile_rows();
        if !percentiles.is_empty() {
            let heading = ["percentiles, µs"].iter().chain(&PERCENTILES);
            write_columns(out, heading)?;
        }
        for row in &percentiles {
            write_columns(out, row.iter())?;
        }
        let texts = &mut self.error_texts.iter();
        texts.try_for_each(|text| writeln!(out, "    {text}"))
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1_048_576.0)
}

/// Columns of percentiles.
pub const PERCENTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

fn write_columns(
    out: &mut std::fmt::Formatter<'_>,
    cells: impl Iterator<Item = impl AsRef<str>>,
) -> std::fmt::Result {
    for (index, cell) in cells.enumerate() {
        let cell = cell.as_ref();
        match index {
            0 => write!(out, "  {cell:<24}")?,
            _ => write!(out, "{cell:>10}")?,
        }
    }
    writeln!(out)
}

fn percentiles(name: &str, latency: &Latency) -> Vec<String> {
    let Latency {
        p50_us,
        p90_us,
        p99_us,
        p99_9_us,
        max_us,
        ..
    } = latency;
    let values = [p50_us, p90_us, p99_us, p99_9_us, max_us];
    let cells = values.map(|value| format!("{value:.1}"));
    std::iter::once(name.into()).chain(cells).collect()
}

impl Report {
    /// What was run against what.
    pub fn title(&self) -> String {
        let parameters = &self.parameters;
        // These have no payloads.
        let load = match self.plan.as_str() {
            "idle" | "handshakes" => String::new(),
            _ => format!(" · {}", parameters.load()),
        };
        format!(
            "{}{load} · server {} {} · {}",
            self.plan, parameters.server, parameters.server_version, parameters.transport
        )
    }

    /// Names and values of all figures but the limit.
    pub fn rows(&self) -> Vec<(String, String)> {
        let mut rows = self.traffic_rows();
        rows.extend(self.server_rows());
        for Figure { name, unit, value } in &self.figures {
            let value = value.map_or("not offered".into(), |value| format!("{value:.3} {unit}"));
            rows.push(((*name).into(), value));
        }
        rows.push(("errors".into(), self.errors.to_string()));
        rows
    }

    /// Who was the limit.
    pub fn limit_line(&self) -> String {
        let who = match self.loadgen_limited {
            true => "LOADGEN: ",
            false => "",
        };
        format!("{who}{}", self.limit_text)
    }

    /// Percentiles of everything that was timed, a name before each.
    pub fn percentile_rows(&self) -> Vec<Vec<String>> {
        let curves = self.curves.iter();
        let timed = curves.map(|curve| percentiles(&curve.name, &curve.latency));
        let lag = self.send_lag.iter();
        timed
            .chain(lag.map(|lag| percentiles("send lag", lag)))
            .collect()
    }

    /// Rates between samples, which an average over a short run with its beginning and its end does not tell.
    fn throughput_text(&self) -> Option<String> {
        let all = rates(&self.series, self.throughput().1);
        let count = all.len();
        let spread = Spread::of(all.into_iter().map(|[_, rate]| rate).collect())?;
        let text = spread.text(number);
        (count >= SAMPLES_MIN && spread.max > 0.0)
            .then(|| format!("{text} per second, median and band of {count} samples"))
    }

    fn traffic_rows(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let mut row = |name: &str, text: String| rows.push((name.into(), text));
        let parameters = &self.parameters;
        let (connections, subscriptions) = (parameters.connections, parameters.subscriptions);
        row(
            "connections",
            format!("{connections} ({subscriptions} subscriptions)"),
        );
        row("time", format!("{:.3} s", self.seconds));
        let rate = |count: u64, per_second: f64, bytes: u64| {
            if count == 0 {
                return "0".into();
            }
            let (count, per_second) = (grouped(count as f64), grouped(per_second));
            let bytes = mebibytes(bytes as f64 / self.seconds);
            format!("{count}  ({per_second}/s, {bytes}/s)")
        };
        let (per_second, bytes) = (self.published_per_second, self.published_bytes);
        row("published", rate(self.published, per_second, bytes));
        let (per_second, bytes) = (self.delivered_per_second, self.delivered_bytes);
        row("delivered", rate(self.delivered, per_second, bytes));
        if let Some(text) = self.throughput_text() {
            row("throughput", text);
        }
        row(
            "lost / surplus",
            format!("{} / {}", self.lost, self.surplus),
        );
        if let Some(verdict) = self.verdict {
            let Verdict {
                lost,
                duplicated,
                reordered,
                corrupt,
            } = verdict;
            row(
                "verified",
                format!(
                    "lost {lost}, duplicated {duplicated}, reordered {reordered}, corrupt {corrupt}"
                ),
            );
        }
        rows
    }

    fn server_rows(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let mut row = |name: &str, text: String| rows.push((name.into(), text));
        let counted = match self.published {
            0 => "delivered",
            _ => "published",
        };
        let per_message = self.own_cpu_ns_per_message;
        let per_message = per_message.map_or(String::new(), |cpu_ns| {
            format!(" ({cpu_ns:.1} ns per message)")
        });
        row(
            "own CPU",
            format!("{:.3} s{per_message}", self.own_cpu_seconds),
        );
        if let Some(cpu_seconds) = self.server.cpu_seconds {
            let per_message = self
                .server
                .cpu_us_per_message
                .map_or(String::new(), |cpu_us| {
                    format!(" ({cpu_us:.4} µs per {counted} message)")
                });
            row("server CPU", format!("{cpu_seconds:.3} s{per_message}"));
        }
        if let Some(switches) = self.server.switches_per_message {
            row(
                "server context switches",
                format!("{switches:.4} per {counted} message"),
            );
        }
        if let Some(memory) = self.server.memory {
            let (resident, peak) = (
                mebibytes(memory.resident_bytes as f64),
                mebibytes(memory.peak_bytes as f64),
            );
            row("server memory", format!("{resident}, peak {peak}"));
        }
        for (name, bytes) in [
            ("memory per connection", self.server.bytes_per_connection),
            (
                "memory per subscription",
                self.server.bytes_per_subscription,
            ),
        ] {
            if let Some(bytes) = bytes {
                row(name, format!("{:.2} KiB", bytes / 1024.0));
            }
        }
        rows
    }
}
