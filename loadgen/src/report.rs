//! The result of a run: one structure, printed as a table or as JSON.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::cli::PlanArgs;
use crate::parse::Amount;
use crate::plans::Measured;
use crate::procstat::Memory;
use crate::verify::Verdict;

/// A thread this busy has no time left.
const BUSY: f64 = 0.95;
/// In an open loop, sending later than this at p99 means that we did not keep the schedule.
const LAG_US_MAX: f64 = 1000.0;

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Median.
    pub p50_us: f64,
    /// 90 %.
    pub p90_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p99_9_us: f64,
    /// The longest.
    pub max_us: f64,
    /// The average.
    pub mean_us: f64,
    /// How many were measured.
    pub samples: u64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        (!histogram.is_empty()).then(|| Latency {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: histogram.max() as f64 / 1e3,
            mean_us: histogram.mean() / 1e3,
            samples: histogram.len(),
        })
    }
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Parameters {
    server: String,
    transport: String,
    server_version: String,
    size: String,
    subjects: usize,
    connections: usize,
    subscriptions: usize,
    count: Option<u64>,
    duration_s: Option<f64>,
    rate: Option<f64>,
    verify: bool,
    window: Option<u64>,
    threads: usize,
}

/// The server process over the run.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ServerUse {
    /// CPU time, user and system.
    pub cpu_seconds: Option<f64>,
    /// … per published message (per request in reqrep).
    pub cpu_us_per_message: Option<f64>,
    /// … as a share of the CPUs it may use.
    pub busy: Option<f64>,
    /// Resident memory and its peak at the end.
    pub memory: Option<Memory>,
    /// Resident memory before the first connection.
    pub resident_before_bytes: Option<u64>,
    /// Growth from before the first connection to the end, per connection (idle) or subscription (subs).
    pub bytes_per_connection: Option<f64>,
    /// The same for plan subs.
    pub bytes_per_subscription: Option<f64>,
}

/// Everything about one run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Plan name.
    pub plan: String,
    /// What was asked for.
    pub parameters: Parameters,
    /// Messages published (requests in reqrep).
    pub published: u64,
    /// Messages delivered (replies in reqrep).
    pub delivered: u64,
    /// Payload bytes published.
    pub published_bytes: u64,
    /// Payload bytes delivered.
    pub delivered_bytes: u64,
    /// Measured time.
    pub seconds: f64,
    /// Published messages per second.
    pub published_per_second: f64,
    /// Delivered messages per second.
    pub delivered_per_second: f64,
    /// Latency: open loop from the intended send time, reqrep per request.
    pub latency: Option<Latency>,
    /// Open loop: how late we sent.
    pub send_lag: Option<Latency>,
    /// Deliveries (replies) that never came.
    pub lost: u64,
    /// Deliveries beyond what was promised.
    pub surplus: u64,
    /// With --verify.
    pub verdict: Option<Verdict>,
    /// Errors, counted.
    pub errors: u64,
    /// The first few error texts.
    pub error_texts: Vec<String>,
    /// CPU time of our worker threads.
    pub own_cpu_seconds: f64,
    /// … per published and delivered message.
    pub own_cpu_ns_per_message: f64,
    /// The server process.
    pub server: ServerUse,
    /// We, not the server, were the limit.
    pub loadgen_limited: bool,
    /// Why we think so.
    pub limit_text: String,
}

impl Report {
    /// Nothing was lost, nothing came twice, nothing failed.
    pub fn is_good(&self) -> bool {
        self.lost == 0
            && self.surplus == 0
            && self.errors == 0
            && self.verdict.is_none_or(|verdict| verdict.is_clean())
    }
}

/// What a run knows beside its counts.
pub struct Facts<'a> {
    /// Plan name.
    pub plan: &'a str,
    /// Options.
    pub args: &'a PlanArgs,
    /// Server's address.
    pub address: String,
    /// How the connections look.
    pub transport: String,
    /// Server version.
    pub version: String,
    /// Connections opened.
    pub connections: usize,
    /// Subscriptions made.
    pub subscriptions: usize,
    /// Bound of deliveries under way.
    pub window: u64,
    /// Server's resident memory before the first connection.
    pub resident_before: Option<u64>,
    /// … and after all connections and subscriptions.
    pub resident_after_setup: Option<u64>,
    /// … and its memory at the end.
    pub memory: Option<Memory>,
    /// The verifiers' verdict.
    pub verdict: Option<Verdict>,
}

/// Puts the report together.
pub fn build(facts: Facts<'_>, measured: Measured) -> Report {
    let (total, args) = (&measured.total, facts.args);
    let (count, duration_s) = match args.amount() {
        Amount::Count(count) => (Some(count), None),
        Amount::Time(time) => (None, Some(time.as_secs_f64())),
    };
    let parameters = Parameters {
        server: facts.address.clone(),
        transport: facts.transport.clone(),
        server_version: facts.version.clone(),
        size: args.size.to_string(),
        subjects: args.subjects,
        connections: facts.connections,
        subscriptions: facts.subscriptions,
        count,
        duration_s,
        rate: args.rate,
        verify: args.verify,
        window: Some(facts.window).filter(|window| *window < u64::MAX),
        threads: args.thread_count(facts.connections),
    };
    let (loadgen_limited, limit_text) = limit(&measured, args.rate.is_some());
    Report {
        plan: facts.plan.into(),
        parameters,
        published: total.published,
        delivered: total.received,
        published_bytes: total.published_bytes,
        delivered_bytes: total.received_bytes,
        seconds: measured.seconds,
        published_per_second: total.published as f64 / measured.seconds,
        delivered_per_second: total.received as f64 / measured.seconds,
        latency: Latency::of(&total.latency),
        send_lag: Latency::of(&total.send_lag),
        lost: total.lost,
        surplus: total.surplus,
        verdict: facts.verdict,
        errors: total.errors,
        error_texts: total.error_texts.clone(),
        own_cpu_seconds: total.cpu_ns as f64 / 1e9,
        own_cpu_ns_per_message: total.cpu_ns as f64
            / (total.published + total.received).max(1) as f64,
        server: server_use(&facts, &measured),
        loadgen_limited,
        limit_text,
    }
}

fn server_use(facts: &Facts<'_>, measured: &Measured) -> ServerUse {
    let per_message = |cpu_ns: u64| cpu_ns as f64 / 1e3 / measured.total.published.max(1) as f64;
    let has_messages = measured.total.published > 0;
    let growth = facts
        .resident_after_setup
        .zip(facts.resident_before)
        .map(|(after, before)| after.saturating_sub(before) as f64);
    let grown_per = |plan: &str, count: usize| {
        growth
            .filter(|_| facts.plan == plan)
            .map(|growth| growth / count.max(1) as f64)
    };
    ServerUse {
        cpu_seconds: measured.server_cpu_ns.map(|cpu_ns| cpu_ns as f64 / 1e9),
        cpu_us_per_message: measured
            .server_cpu_ns
            .filter(|_| has_messages)
            .map(per_message),
        busy: measured.server_busy,
        memory: facts.memory,
        resident_before_bytes: facts.resident_before,
        bytes_per_connection: grown_per("idle", facts.connections),
        bytes_per_subscription: grown_per("subs", facts.subscriptions),
    }
}

/// Whether loadgen was the limit, and the reason in words.
fn limit(measured: &Measured, open_loop: bool) -> (bool, String) {
    if open_loop {
        let lag_us = measured.total.send_lag.value_at_quantile(0.99) as f64 / 1e3;
        return match lag_us > LAG_US_MAX {
            true => (
                true,
                format!(
                    "the schedule was not kept: p99 of the sends was {lag_us:.0} µs late; latencies include that"
                ),
            ),
            false => (false, "the schedule was kept".into()),
        };
    }
    let percent = |share: f64| share * 100.0;
    let ours = measured.busiest.max(measured.busy);
    if ours < BUSY {
        let server = match measured.server_busy {
            Some(busy) if busy < BUSY => format!(", the server was at {:.0} %", percent(busy)),
            Some(busy) => format!("; the server was the limit, at {:.0} %", percent(busy)),
            None => String::new(),
        };
        return (
            false,
            format!(
                "loadgen had CPU time left (busiest thread {:.0} %){server}",
                percent(ours)
            ),
        );
    }
    match measured.server_busy {
        Some(busy) if busy < BUSY => (
            true,
            format!(
                "loadgen used {:.0} % of its CPU while the server was at {:.0} %",
                percent(ours),
                percent(busy)
            ),
        ),
        Some(busy) => (
            false,
            format!(
                "both were busy: loadgen {:.0} %, server {:.0} %",
                percent(ours),
                percent(busy)
            ),
        ),
        None => (
            true,
            format!(
                "loadgen used {:.0} % of its CPU; give --server-pid to know about the server",
                percent(ours)
            ),
        ),
    }
}

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
        let mebibytes = |bytes: f64| format!("{:.1} MiB", bytes / 1_048_576.0);
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
        let mut row = |name: &str, text: String| writeln!(out, "  {name:<24}{text}");
        row(
            "connections",
            format!(
                "{} ({} subscriptions)",
                parameters.connections, parameters.subscriptions
            ),
        )?;
        row("time", format!("{:.3} s", self.seconds))?;
        let rate = |count: u64, per_second: f64, bytes: u64| {
            format!(
                "{}  ({}/s, {}/s)",
                grouped(count as f64),
                grouped(per_second),
                mebibytes(bytes as f64 / self.seconds)
            )
        };
        row(
            "published",
            rate(
                self.published,
                self.published_per_second,
                self.published_bytes,
            ),
        )?;
        row(
            "delivered",
            rate(
                self.delivered,
                self.delivered_per_second,
                self.delivered_bytes,
            ),
        )?;
        for (name, latency) in [
            ("latency µs", &self.latency),
            ("send lag µs", &self.send_lag),
        ] {
            if let Some(Latency {
                p50_us,
                p90_us,
                p99_us,
                p99_9_us,
                max_us,
                ..
            }) = latency
            {
                row(
                    name,
                    format!(
                        "p50 {p50_us:.1}  p90 {p90_us:.1}  p99 {p99_us:.1}  p99.9 {p99_9_us:.1}  max {max_us:.1}"
                    ),
                )?;
            }
        }
        row(
            "lost / surplus",
            format!("{} / {}", self.lost, self.surplus),
        )?;
        if let Some(Verdict {
            lost,
            duplicated,
            reordered,
            corrupt,
        }) = self.verdict
        {
            row(
                "verified",
                format!(
                    "lost {lost}, duplicated {duplicated}, reordered {reordered}, corrupt {corrupt}"
                ),
            )?;
        }
        row(
            "own CPU",
            format!(
                "{:.3} s ({:.1} ns per message)",
                self.own_cpu_seconds, self.own_cpu_ns_per_message
            ),
        )?;
        if let Some(cpu_seconds) = self.server.cpu_seconds {
            let per_message = self
                .server
                .cpu_us_per_message
                .map_or(String::new(), |cpu_us| {
                    format!(" ({cpu_us:.4} µs per published message)")
                });
            row("server CPU", format!("{cpu_seconds:.3} s{per_message}"))?;
        }
        if let Some(memory) = self.server.memory {
            let (resident, peak) = (
                mebibytes(memory.resident_bytes as f64),
                mebibytes(memory.peak_bytes as f64),
            );
            row("server memory", format!("{resident}, peak {peak}"))?;
        }
        for (name, bytes) in [
            ("connection", self.server.bytes_per_connection),
            ("subscription", self.server.bytes_per_subscription),
        ] {
            if let Some(bytes) = bytes {
                row(
                    &format!("memory per {name}"),
                    format!("{:.2} KiB", bytes / 1024.0),
                )?;
            }
        }
        row(
            "limit",
            format!(
                "{}{}",
                if self.loadgen_limited {
                    "LOADGEN: "
                } else {
                    ""
                },
                self.limit_text
            ),
        )?;
        row("errors", self.errors.to_string())?;
        self.error_texts
            .iter()
            .try_for_each(|text| writeln!(out, "    {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tally::Tally;

    fn measured(busiest: f64, server_busy: Option<f64>) -> Measured {
        Measured {
            total: Tally::new(),
            seconds: 1.0,
            busiest,
            busy: busiest,
            server_cpu_ns: None,
            server_busy,
        }
    }

    #[test]
    fn loadgen_is_the_limit_only_when_busy_while_the_server_is_not() {
        assert!(limit(&measured(0.99, Some(0.5)), false).0);
        assert!(!limit(&measured(0.99, Some(0.99)), false).0);
        assert!(!limit(&measured(0.5, Some(0.5)), false).0);
        assert!(limit(&measured(0.99, None), false).0);
        assert!(!limit(&measured(0.99, None), true).0, "an open loop spins");
        let mut late = measured(0.1, None);
        late.total.send_lag.saturating_record(5_000_000);
        assert!(limit(&late, true).0);
    }

    #[test]
    fn thousands() {
        assert_eq!(
            [0.0, 999.0, 1000.0, 1_234_567.4].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
