//! The result of a run as a table for people.

use crate::report::Report;
use crate::report::figures::{Figure, Latency};
use crate::verify::Verdict;

/// Number with thousands separated.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parameters = &self.parameters;
        writeln!(
            out,
            "plan {} · {} · server {} {} · {}",
            self.plan,
            parameters.size,
            parameters.server,
            parameters.server_version,
            parameters.transport
        )?;
        for (name, text) in self.rows() {
            writeln!(out, "  {name:<24}{text}")?;
        }
        writeln!(out, "  {:<24}{}", "limit", self.limit_line())?;
        let texts = &mut self.error_texts.iter();
        texts.try_for_each(|text| writeln!(out, "    {text}"))
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1_048_576.0)
}

fn percentiles(latency: &Latency) -> String {
    let Latency {
        p50_us,
        p90_us,
        p99_us,
        p99_9_us,
        max_us,
        ..
    } = latency;
    format!(
        "p50 {p50_us:.1}  p90 {p90_us:.1}  p99 {p99_us:.1}  p99.9 {p99_9_us:.1}  max {max_us:.1}"
    )
}

impl Report {
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
            let (count, per_second) = (grouped(count as f64), grouped(per_second));
            let bytes = mebibytes(bytes as f64 / self.seconds);
            format!("{count}  ({per_second}/s, {bytes}/s)")
        };
        let (per_second, bytes) = (self.published_per_second, self.published_bytes);
        row("published", rate(self.published, per_second, bytes));
        let (per_second, bytes) = (self.delivered_per_second, self.delivered_bytes);
        row("delivered", rate(self.delivered, per_second, bytes));
        for (name, latency) in [
            ("latency µs", &self.latency),
            ("send lag µs", &self.send_lag),
        ] {
            if let Some(latency) = latency {
                row(name, percentiles(latency));
            }
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
        row(
            "own CPU",
            format!(
                "{:.3} s ({:.1} ns per message)",
                self.own_cpu_seconds, self.own_cpu_ns_per_message
            ),
        );
        if let Some(cpu_seconds) = self.server.cpu_seconds {
            let per_message = self
                .server
                .cpu_us_per_message
                .map_or(String::new(), |cpu_us| {
                    format!(" ({cpu_us:.4} µs per published message)")
                });
            row("server CPU", format!("{cpu_seconds:.3} s{per_message}"));
        }
        if let Some(switches) = self.server.switches_per_message {
            row(
                "server context switches",
                format!("{switches:.4} per published message"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands() {
        assert_eq!(
            [0.0, 999.0, 1000.0, 1_234_567.4].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
